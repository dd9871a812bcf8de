//! DUR-4: one order, before and after restarts.

use super::ledger::Ledger;
use crate::families::prelude::*;
use crate::families::restarting::{Down, reconnect, restart};
use crate::many::each;
use crate::party::{Party, Sent};
use crate::trial::Session;

/// Messages of each sender between two restarts.
const TURNS: usize = 14;

pub(super) async fn order_holds_across_restarts(trial: Trial) -> Verdict {
    let power = trial.power()?;
    let [mut alice, mut zoe, mut mike] = trial.parties(["alice", "zoe", "mike"]).await?;
    let [mut bob, mut carol, mut dave] = trial.parties(["bob", "carol", "dave"]).await?;
    let session = trial.session("s", &[&alice, &zoe, &mike, &bob, &carol, &dave]).await?;
    let mut ledger = Ledger::new(&trial);
    // Replies that were caused before a restart by what was received, and sent after it.
    let mut question = None;
    for round in 0..4 {
        let senders = [&alice, &zoe, &mike];
        let all = [&alice, &zoe, &mike, &bob, &carol, &dave];
        if let Some(question) = question.take() {
            let two = [&carol, &dave];
            let answer = ledger.routes(&bob, &session, &two, &two, "reply").await?;
            caused(&mut ledger, &two, &session, &question, &answer).await?;
        }
        let of_all = each(senders, |sender| {
            let (sender, session) = (sender.clone(), session.clone());
            let to = [&bob, &carol, &dave].map(Party::clone);
            async move { by_turns(&sender, &session, &to, round).await }
        });
        for (sender, sent) in senders.into_iter().zip(of_all.await?) {
            for sent in sent {
                let recipients: Vec<_> = match sent.request.to_parties.is_empty() {
                    true => all.into_iter().filter(|it| it.id != sender.id).collect(),
                    false => vec![&bob, &carol, &dave],
                };
                ledger.add(&sent, &recipients);
            }
        }
        let three = [&bob, &carol, &dave];
        let asked = ledger.routes(&zoe, &session, &three, &three, "?").await?;
        // One reads live, one has nothing before the end.
        ledger.polls_hold(&[&bob], &session, "between restarts").await?;
        question = Some(asked);
        if round == 3 {
            break;
        }
        let down = [Down::Stopped, Down::Killed, Down::Stopped][round];
        restart(&trial, &power, down).await?;
        reconnect([&mut alice, &mut zoe, &mut mike, &mut bob, &mut carol, &mut dave]);
        ledger.stream_holds(&carol, &session, &zoe, down.when()).await?;
        ledger.polls_hold(&[&bob], &session, down.when()).await?;
    }
    let when = "after three restarts";
    ledger.stream_holds(&dave, &session, &mike, when).await?;
    ledger.polls_hold(&[&bob, &carol, &dave, &alice], &session, when).await?;
    restart(&trial, &power, Down::Killed).await?;
    reconnect([&mut alice, &mut zoe, &mut mike, &mut bob, &mut carol, &mut dave]);
    for party in [&bob, &dave] {
        ledger.stream_holds(party, &session, &alice, "after four restarts").await?;
    }
    Ok(())
}

/// Broadcasts and others, one after another.
async fn by_turns(
    sender: &Party,
    session: &Session,
    to: &[Party],
    round: usize,
) -> Result<Vec<Sent>, Stop> {
    let to: Vec<_> = to.iter().collect();
    let mut sent = Vec::new();
    for turn in 0..TURNS {
        let to: &[&Party] = if turn % 3 == 1 { &[] } else { &to };
        let payload = vec![0x5a; [5, 0, 3000][turn % 3] + round];
        sent.push(sender.has_sent(session, to, payload).await?);
    }
    Ok(sent)
}

/// ORD-4: whoever gets both gets what was caused after its cause.
async fn caused(
    ledger: &mut Ledger,
    parties: &[&Party],
    session: &Session,
    cause: &Sent,
    effect: &Sent,
) -> Verdict {
    let when = "around a restart";
    for party in parties {
        let polled = party.polls(session).await?;
        polled.iter().for_each(|it| ledger.sees(party, it));
        let place = |sent: &Sent| polled.iter().position(|it| it.message_id == sent.id);
        match (place(cause), place(effect)) {
            (Some(before), Some(after)) if before < after => {}
            (Some(_), Some(_)) => {
                let seen = format!(
                    "a poll of {} lists {} before {}, to which it replies, and which was received \
                     before a restart",
                    party.id, effect.id, cause.id
                );
                return ledger.judged(Err(Stop::broken(seen, "the reply after its cause")), when);
            }
            _ => {
                let seen = format!("a poll of {} lacks {} or {}", party.id, cause.id, effect.id);
                return ledger.judged(Err(Stop::broken(seen, "both: they are outstanding")), when);
            }
        }
    }
    Ok(())
}
