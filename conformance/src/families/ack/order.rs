//! ACK-11, ACK-12: in any order, and at the same time.

use std::collections::BTreeSet;

use rand_core::RngCore as _;

use super::super::arrivals::up_to_kept;
use super::super::prelude::*;
use super::{acknowledges, is_handed_out_all, must_be};
use crate::answer::Answer;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

pub(super) async fn any_order_will_do(trial: Trial) -> Verdict {
    one_by_one(&trial).await?;
    a_random_half(&trial).await?;
    the_oldest_stays(&trial).await
}

/// Messages for `party` of two senders, oldest first.
async fn outstanding(
    trial: &Trial,
    senders: [&Party; 2],
    party: &Party,
    session: &Session,
    count: usize,
) -> Result<Vec<Sent>, Stop> {
    let requests = (0..count).map(|number| {
        let to = if number % 4 == 3 { &[][..] } else { &[party][..] };
        let sender = senders[number % 2];
        (sender, sender.outgoing(session, to, format!("message {number}")))
    });
    let mut sent = volume(trial, requests).await?;
    let polled = party.poll_after(session, 0).await.prepared()?.messages;
    sent.sort_by_key(|sent| polled.iter().position(|it| it.message_id == sent.id));
    Ok(sent)
}

/// Demands that exactly these are left: polls list them.
async fn are_left(party: &Party, session: &Session, left: &[Sent], keeping: &Keeping) -> Verdict {
    let polled = party.polls(session).await?;
    keeping.judged(listing::exactly(party, &polled, left))
}

async fn one_by_one(trial: &Trial) -> Verdict {
    let [alice, carol, bob] = trial.parties(["alice", "carol", "bob"]).await?;
    let keeping = trial.keeping();
    let mut stay = Vec::new();
    for (label, success) in [("used", true), ("refused", false)] {
        let session = trial.session(label, &[&alice, &carol, &bob]).await?;
        let keeping = trial.keeping();
        let mut left = outstanding(trial, [&alice, &carol], &bob, &session, 8).await?;
        // The newest, one in the middle, and so on: the oldest is the last.
        for place in [7, 3, 5, 1, 2, 2, 1] {
            if place >= left.len() {
                continue;
            }
            let sent = left.remove(place);
            acknowledges(&bob, [&sent], success, &keeping).await?;
            let state = if success { "acknowledged" } else { "failed" };
            let why = "it was acknowledged, though earlier ones were not";
            let at_once = [&sent];
            let is = must_be(at_once, &bob, state, why);
            let (is, are) = tokio::join!(is, are_left(&bob, &session, &left, &keeping));
            is?;
            are?;
        }
        stay.push((session, left));
    }
    // Neither have those of one session held back, or taken along, those of the other.
    for (session, left) in &stay {
        are_left(&bob, session, left, &keeping).await?;
    }
    Ok(())
}

async fn a_random_half(trial: &Trial) -> Verdict {
    let [alice, carol, bob] = trial.parties(["half-alice", "half-carol", "half-bob"]).await?;
    let session = trial.session("half", &[&alice, &carol, &bob]).await?;
    let keeping = trial.keeping();
    let sent = outstanding(trial, [&alice, &carol], &bob, &session, 500).await?;
    let mut random = trial.random("half");
    let (mut acknowledged, mut left) = (Vec::new(), Vec::new());
    for sent in sent {
        match random.next_u32() {
            even if even.is_multiple_of(2) => acknowledged.push((even, sent)),
            _ => left.push(sent),
        }
    }
    acknowledged.sort_unstable_by_key(|(random, _)| *random);
    let acknowledged: Vec<_> = acknowledged.into_iter().map(|(_, sent)| sent).collect();
    acknowledges(&bob, &acknowledged, true, &keeping).await?;
    must_be(&acknowledged, &bob, "acknowledged", "it was, in random order").await?;
    are_left(&bob, &session, &left, &keeping).await?;

    let mut feed = bob.subscribe(&session);
    let fence = alice.has_sent(&session, &[&bob], "fence").await?;
    let due: Vec<_> = left.iter().chain([&fence]).collect();
    let brought = up_to_kept(&mut feed, [&keeping], &due)
        .await
        .map_err(|stop| stop.told("of those that were not acknowledged, in whatever order"))?;
    let brought: BTreeSet<_> = brought.iter().map(|it| it.message_id.as_str()).collect();
    if let Some(back) = acknowledged.iter().find(|it| brought.contains(it.id.as_str())) {
        let seen = format!("{} was acknowledged, and a later stream has it", back.id);
        return Err(Stop::broken(seen, "only what was not acknowledged"));
    }
    Ok(())
}

async fn the_oldest_stays(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["stays-alice", "stays-bob"]).await?;
    let session = trial.session("stays", &[&alice, &bob]).await?;
    let mut feed = bob.subscribe(&session);
    let oldest = alice.has_sent(&session, &[&bob], "never acknowledged").await?;
    feed.brings(&[&oldest]).await?;
    let mut all = Vec::new();
    for _ in 0..6 {
        let keeping = trial.keeping_streamed();
        let requests = (0..50).map(|_| (&alice, alice.outgoing(&session, &[&bob], "later")));
        let sent = volume(trial, requests).await?;
        feed.take(sent.len(), "the messages routed after the one not acknowledged").await?;
        acknowledges(&bob, sent.iter().rev(), true, &keeping).await?;
        all.extend(sent);
    }
    must_be(&all, &bob, "acknowledged", "it was, though the oldest was not").await
}

pub(super) async fn one_of_two_contrary_ones_wins(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let elsewhere = bob.on_a_connection_of_its_own();
    for (label, callers, count) in [("two", 1, 200), ("many", 3, 60)] {
        let session = trial.session(label, &[&alice, &bob]).await?;
        let keeping = trial.keeping();
        let half = |part: &str| {
            let payload = part.to_owned();
            (0..count / 2).map(move |_| payload.clone())
        };
        let request = |payload: String| (&alice, alice.outgoing(&session, &[&bob], payload));
        let mut sent = volume(&trial, half("polled").map(request)).await?;
        is_handed_out_all(&bob, &session).await?;
        sent.extend(volume(&trial, half("pending").map(request)).await?);
        each(sent.iter().enumerate(), |(number, sent)| {
            let (one, other) = (bob.clone(), elsewhere.clone());
            let sent = sent.clone();
            // Each side is the first to call every second time.
            let first = number % 2 == 0;
            async move { contrary(&sent, [&one, &other], first, callers, &keeping).await }
        })
        .await?;
        if let Some(back) = bob.polls(&session).await?.first() {
            let seen =
                format!("{} is still outstanding after both acknowledgements", back.message_id);
            return Err(Stop::broken(seen, "a delivery that has ended, one way or the other"));
        }
    }
    Ok(())
}

/// Acknowledges a message both ways at the same time, with so many callers a side.
async fn contrary(
    sent: &Sent,
    [one, other]: [&Party; 2],
    first: bool,
    callers: usize,
    keeping: &Keeping,
) -> Verdict {
    let ways = [first, !first].into_iter().cycle().take(2 * callers);
    let answers = each(ways, |success| {
        let caller = if success == first { one.clone() } else { other.clone() };
        let request = sent.acknowledgement(&caller, success);
        async move { Ok((success, caller.acknowledge(request).await)) }
    })
    .await?;
    let mut accepted = BTreeSet::new();
    let mut rejected = BTreeSet::new();
    for (success, answer) in answers {
        if was_accepted(answer)? {
            accepted.insert(success)
        } else {
            rejected.insert(success)
        };
    }
    let words = |ways: &BTreeSet<bool>| match ways.iter().collect::<Vec<_>>().as_slice() {
        [] => "none was".to_owned(),
        [way] => format!("those with success = {way} were"),
        _ => "both were".to_owned(),
    };
    if accepted.len() != 1 || !accepted.is_disjoint(&rejected) {
        keeping.lasts()?;
        let seen = format!(
            "of contrary acknowledgements of {} at the same time {} accepted and {} rejected",
            sent.id,
            words(&accepted),
            words(&rejected)
        );
        return Err(Stop::broken(seen, "those one way accepted, those the other way rejected"));
    }
    let state = if accepted.contains(&true) { "acknowledged" } else { "failed" };
    must_be([sent], one, state, "the acknowledgement of that kind was accepted").await
}

/// Whether the target accepted; a call that nobody answered ends the check.
fn was_accepted<T>(answer: Answer<T>) -> Result<bool, Stop> {
    if let Some(stop) = answer.overload() {
        return Err(stop);
    }
    match answer.was_accepted() {
        Some(accepted) => Ok(accepted),
        None => answer.accepted().map(|_| true),
    }
}
