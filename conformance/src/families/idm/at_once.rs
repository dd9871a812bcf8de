//! IDM-3: the same key, at the same time.

use std::collections::BTreeSet;

use super::super::prelude::*;
use super::restarts::if_durable;
use super::{repeats, sends};
use crate::families::arrivals::kept;
use crate::families::turns::Budget;
use crate::listing;
use crate::many::each;
use crate::party::{Party, Sent};

/// Calls at once under one key.
const CALLS: usize = 8;

pub(super) async fn calls_at_once_are_one_message(trial: Trial) -> Verdict {
    let checked = tokio::join!(equal_ones(&trial), contrary_ones(&trial), several_senders(&trial));
    all_hold([checked.0, checked.1, checked.2])?;
    if_durable(&trial).await
}

/// The same party on connections of its own.
fn connections(party: &Party) -> [Party; 4] {
    [(); 4].map(|()| party.on_a_connection_of_its_own())
}

/// Demands that all these calls under one key were answered with one `message_id`.
fn are_one(sent: Vec<Sent>, key: &str) -> Result<Sent, Stop> {
    let ids: BTreeSet<_> = sent.iter().map(|it| it.id.as_str()).collect();
    if ids.len() > 1 || ids.contains("") {
        let ids: Vec<_> = ids.into_iter().collect();
        let seen = format!(
            "{} equal calls at once with key {key} were answered with the message_ids {:?}",
            sent.len(),
            ids
        );
        return Err(Stop::broken(seen, "one message_id for all of them"));
    }
    let first = sent.into_iter().next();
    first.ok_or_else(|| Stop::NotChecked("no call was made".into()))
}

async fn equal_ones(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let callers = connections(&alice);
    let keeping = trial.keeping();
    let budget = Budget::rounds(trial, 10, 40);
    let mut sent = Vec::new();
    while budget.allows(sent.len()) {
        let round = sent.len();
        let key = format!("round-{round}");
        let to: &[&Party] = if round % 3 == 2 { &[] } else { &[&bob, &carol] };
        let request = alice.outgoing(&session, to, format!("message {round}"));
        let answers = each(0..CALLS, |number| {
            let (caller, key) = (callers[number % callers.len()].clone(), key.clone());
            let mut request = request.clone();
            if number % 2 == 1 {
                request.to_parties.reverse();
            }
            async move { sends(&caller, &request, &key).await }
        });
        let first = are_one(answers.await?, &key)?;
        repeats(&alice, &request, &key, &first, &keeping, "after those at once").await?;
        sent.push(first);
    }
    for party in [&bob, &carol] {
        let polled = party.polls(&session).await?;
        kept([&keeping], listing::exactly(party, &polled, &sent))?;
    }
    Ok(())
}

/// Of two contents under one key one wins, and every call says so.
async fn contrary_ones(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["contrary-a", "contrary-b"]).await?;
    let session = trial.session("contrary", &[&alice, &bob]).await?;
    let callers = connections(&alice);
    let keeping = trial.keeping();
    let budget = Budget::rounds(trial, 10, 30);
    let mut won = Vec::new();
    while budget.allows(won.len()) {
        let key = format!("contrary-{}", won.len());
        let requests = ["one", "other"].map(|it| alice.outgoing(&session, &[&bob], it));
        let answers = each(0..CALLS, |number| {
            let side = (number + won.len()) % 2;
            let (caller, key) = (callers[number % callers.len()].clone(), key.clone());
            let request = requests[side].clone();
            async move { Ok((side, caller.route_keyed(request, &key).await)) }
        })
        .await?;
        let mut accepted: [Vec<Sent>; 2] = Default::default();
        let mut rejected = [0, 0];
        for (side, answer) in answers {
            if answer.was_accepted() == Some(false) && answer.overload().is_none() {
                rejected[side] += 1;
            } else {
                let (id, request) = (answer.accepted()?.message_id, requests[side].clone());
                accepted[side].push(Sent { id, request });
            }
        }
        let counts = [accepted[0].len(), accepted[1].len()];
        let [one, other] = accepted;
        let (winner, winners, losers) =
            if one.is_empty() { (1, other, one) } else { (0, one, other) };
        if winners.is_empty() || !losers.is_empty() || rejected[winner] > 0 {
            let seen = format!(
                "of {CALLS} calls at once with key {key}, half of them with one content and half \
                 with another, {} and {} were accepted",
                counts[0], counts[1]
            );
            return Err(Stop::broken(seen, "all with one content, and none with the other"));
        }
        let first = are_one(winners, &key)?;
        repeats(&alice, &first.request, &key, &first, &keeping, "after those at once").await?;
        won.push(first);
    }
    let polled = bob.polls(&session).await?;
    kept([&keeping], listing::exactly(&bob, &polled, &won))
}

/// One key, used by several senders at once, several times each.
async fn several_senders(trial: &Trial) -> Verdict {
    let senders = trial.parties(["sender-1", "sender-2", "sender-3", "sender-4"]).await?;
    let bob = trial.party("sender-b").await?;
    let members: Vec<_> = senders.iter().chain([&bob]).collect();
    let session = trial.session("senders", &members).await?;
    let keeping = trial.keeping();
    let mut sent = Vec::new();
    for round in 0..5 {
        let key = format!("of-all-{round}");
        let answers = each(0..senders.len() * 4, |number| {
            let (sender, key) = (senders[number % senders.len()].clone(), key.clone());
            let request = sender.outgoing(&session, &[&bob], "the same");
            async move { sends(&sender, &request, &key).await }
        })
        .await?;
        for sender in &senders {
            let its = answers.iter().filter(|it| it.request.from_party == sender.id);
            sent.push(are_one(its.cloned().collect(), &key)?);
        }
    }
    let polled = bob.polls(&session).await?;
    kept([&keeping], listing::exactly(&bob, &polled, &sent))
}
