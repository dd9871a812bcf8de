//! RED-1: what is not acknowledged comes again.

use tokio::time::Instant;

use super::super::prelude::*;
use super::copies::{Copies, can_see};
use crate::many::{each, one_to_many, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

/// Messages that one stream has to keep in mind.
const MANY: usize = 120;

/// A payload that some keep apart from the rest of its message, and one for many. Bytes.
const LARGE: usize = 1_572_864;
const LESS: usize = 100_000;

pub(super) async fn what_is_not_acknowledged_comes_again(trial: Trial) -> Verdict {
    can_see(&trial, 1)?;
    let checked = tokio::join!(
        every_kind(&trial),
        many_messages(&trial),
        many_parties(&trial),
        after_coming_back(&trial),
        beside_others(&trial),
        beside_polls(&trial),
        of_all_sessions(&trial),
    );
    all_hold([checked.0, checked.1, checked.2, checked.3, checked.4, checked.5, checked.6])
}

/// Demands that all copies say what was sent.
fn are_alike(copies: &Copies, sent: &Sent) -> Verdict {
    let all = copies.copies(sent);
    let Some(first) = all.first() else { return Ok(()) };
    if first.content.payload != sent.request.payload {
        // RTE-4 is about that.
        return Ok(());
    }
    match all.iter().find(|it| it.content != first.content) {
        None => Ok(()),
        Some(other) => {
            let fields = |it: &mpc_router_proto::v1::MpcMessage| {
                format!(
                    "from {} in {}, broadcast {}, round {}, type {:?}, {} bytes, created_at {}",
                    it.from_party,
                    it.session_id,
                    it.is_broadcast,
                    it.round_number,
                    it.message_type,
                    it.payload.len(),
                    it.created_at
                )
            };
            let seen = format!(
                "{} brought {} again as another message ({})",
                copies.who(),
                sent.id,
                fields(&other.content)
            );
            Err(Stop::broken(seen, format!("the same, byte for byte ({})", fields(&first.content))))
        }
    }
}

async fn every_kind(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let mut sent = vec![
        alice.has_sent(&session, &[&bob], "polled before").await?,
        alice.has_sent(&session, &[], trial.payload(100)).await?,
    ];
    bob.polls(&session).await?;
    sent.push(carol.has_sent(&session, &[&bob, &alice], trial.payload(70_000)).await?);
    let mut copies = Copies::of(trial, &bob, &session);
    copies.each_comes(trial, &sent, 1).await?;
    for length in [0, 1, 3_000] {
        sent.push(alice.has_sent(&session, &[&bob], trial.payload(length)).await?);
        sent.push(carol.has_sent(&session, &[], trial.payload(length)).await?);
    }
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let large = trial.payload(LARGE.min(most));
    sent.push(alice.has_sent(&session, &[&bob], large).await?);
    copies.each_comes(trial, &sent, 2).await?;
    sent.iter().try_for_each(|sent| are_alike(&copies, sent))
}

async fn many_messages(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["volume-a", "volume-b"]).await?;
    let session = trial.session("volume", &[&alice, &bob]).await?;
    let mut copies = Copies::of(trial, &bob, &session);
    let requests = (0..MANY).map(|number| {
        let to: &[&Party] = if number % 5 == 0 { &[] } else { &[&bob] };
        (&alice, alice.outgoing(&session, to, format!("message {number}")))
    });
    let sent = volume(trial, requests).await?;
    copies.each_comes(trial, &sent, 2).await?;
    sent.iter().try_for_each(|sent| are_alike(&copies, sent))
}

async fn many_parties(trial: &Trial) -> Verdict {
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let (sender, parties, session) = one_to_many(trial, 20).await?;
    let mut streams: Vec<_> =
        parties.iter().map(|party| Copies::of(trial, party, &session)).collect();
    let named: Vec<_> = parties.iter().collect();
    let sent = [
        sender.has_sent(&session, &[], trial.payload(LESS.min(most))).await?,
        sender.has_sent(&session, &named, "to each").await?,
    ];
    for copies in &mut streams {
        copies.each_comes(trial, &sent, 2).await?;
        sent.iter().try_for_each(|sent| are_alike(copies, sent))?;
    }
    Ok(())
}

/// A second stream brings it at once, and then again, like the first one.
async fn after_coming_back(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["back-a", "back-b"]).await?;
    let session = trial.session("back", &[&alice, &bob]).await?;
    let sent = [
        alice.has_sent(&session, &[&bob], "first").await?,
        alice.has_sent(&session, &[], "second").await?,
    ];
    for _ in 0..2 {
        let mut copies = Copies::of(trial, &bob, &session);
        copies.each_comes(trial, &sent, 1).await?;
    }
    let mut copies = Copies::of(trial, &bob, &session);
    copies.each_comes(trial, &sent, 2).await
}

/// A stream that goes on bringing messages, which are acknowledged, also brings the one that is not.
async fn beside_others(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["beside-a", "beside-b"]).await?;
    let session = trial.session("beside", &[&alice, &bob]).await?;
    let mut copies = Copies::of(trial, &bob, &session);
    let left = alice.has_sent(&session, &[&bob], "never acknowledged").await?;
    copies.each_comes(trial, [&left], 1).await?;
    let wait = trial.pace().wait();
    let pause = trial.timers().ack_timeout() / 8;
    let deadline = wait.deadline() + trial.timers().ack_timeout();
    let mut others = 0;
    while copies.times(&left) < 2 {
        if Instant::now() > deadline {
            let seen = format!(
                "{} brought {others} new messages in {:.1} s, and not once more {}, which is not \
                 acknowledged",
                copies.who(),
                wait.elapsed().as_secs_f64(),
                left.id
            );
            return Err(trial.missed(&wait, seen, "a copy of it after ack_timeout").await);
        }
        let keeping = trial.keeping_streamed();
        let other = alice.has_sent(&session, &[&bob], "acknowledged at once").await?;
        copies.each_comes(trial, [&other], 1).await?;
        keeping.prepared(bob.acknowledge(other.acknowledgement(&bob, true)).await)?;
        others += 1;
        copies.read_for(pause).await;
    }
    Ok(())
}

/// Polls and heartbeats of the same party do not take a delivery off its stream.
async fn beside_polls(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["polls-a", "polls-b"]).await?;
    let session = trial.session("polls", &[&alice, &bob]).await?;
    let mut copies = Copies::of(trial, &bob, &session);
    let sent = alice.has_sent(&session, &[&bob], "polled as well").await?;
    copies.each_comes(trial, [&sent], 1).await?;
    for _ in 0..2 {
        bob.polls(&session).await?;
        bob.heartbeat().await.prepared()?;
    }
    copies.each_comes(trial, [&sent], 2).await
}

/// A stream of all sessions, where there are such streams.
async fn of_all_sessions(trial: &Trial) -> Verdict {
    if !trial.claims(Capability::Wildcard) {
        return Ok(());
    }
    let [alice, bob] = trial.parties(["all-a", "all-b"]).await?;
    let sessions = each(0..3, |number| {
        let (trial, alice, bob) = (trial.clone(), alice.clone(), bob.clone());
        async move { trial.session(&format!("all-{number}"), &[&alice, &bob]).await }
    })
    .await?;
    let mut sent = vec![alice.has_sent(&sessions[0], &[&bob], "before").await?];
    let mut copies = Copies::of(trial, &bob, &Session { id: String::new() });
    copies.each_comes(trial, &sent, 1).await?;
    for session in &sessions {
        sent.push(alice.has_sent(session, &[], "live").await?);
    }
    copies.each_comes(trial, &sent, 2).await.map_err(|stop| stop.told("a stream of all sessions"))
}
