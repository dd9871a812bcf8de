//! EXP: expiry.

use std::time::Duration;

use tokio::time::Instant;

use super::announcing::{event, has_published};
use super::arrivals::{all_of, stream_of, up_to, whole};
use super::noting::nothing_is_pending;
use super::prelude::*;
use crate::listing;
use crate::many::{statuses, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

pub(super) const FAMILY: Family = Family {
    name: "EXP",
    title: "expiry",
    requirements: &[
        must_of(
            Capability::Expiry,
            "EXP-1",
            "A delivery outstanding for `message_ttl` becomes `failed` and is handed out no more.",
            "Leaves 170 deliveries in three sessions outstanding, of parties that never came, polled \
             now and then, streamed once or had not registered, and waits; those that were ended in \
             time stay as they are.",
            check!(what_is_outstanding_for_long_fails),
        )
        .at(Turn::First),
        must_of(
            Capability::Expiry,
            "EXP-2",
            "Before that it is kept, however long the recipient is away.",
            "Routes messages one after another, in a session announced long before, to parties that \
             are away, offline or not registered; looks shortly before the first one's time, and when \
             older ones have expired and younger ones not. Another session ends early on.",
            check!(what_is_younger_is_kept),
        )
        .at(Turn::First),
    ],
};

/// How long after `message_ttl` a delivery has failed at the latest: half of it more, for targets
/// that look only now and then.
fn at_the_latest(trial: &Trial) -> Result<Duration, Stop> {
    let time = trial.timers().message_ttl();
    trial.can_wait_for("message_ttl", time)?;
    Ok(time * 3 / 2)
}

/// What becomes of the deliveries to a party.
fn states(
    party: &Party,
    statuses: &[mpc_router_proto::v1::GetMessageStatusResponse],
) -> Vec<String> {
    let of_party = |status: &mpc_router_proto::v1::GetMessageStatusResponse| {
        let entry = status.deliveries.iter().find(|it| it.party_id == party.id);
        entry.map_or_else(|| "nothing".into(), |it| it.status.clone())
    };
    statuses.iter().map(of_party).collect()
}

async fn what_is_outstanding_for_long_fails(trial: Trial) -> Verdict {
    let latest = at_the_latest(&trial)?;
    let [alice, bob, carol, dave, erin] =
        trial.parties(["alice", "bob", "carol", "dave", "erin"]).await?;
    let late = trial.stranger("late");
    let members = [&alice, &bob, &carol, &dave, &erin, &late];
    let mut sessions = Vec::new();
    for label in ["one", "two", "three"] {
        sessions.push(trial.session(label, &members).await?);
    }
    let keeping = trial.keeping();
    let first = &sessions[0];
    // Of the first two, one recipient acknowledges and one refuses.
    let mut sent = vec![alice.has_sent(first, &[], "to all").await?];
    sent.push(alice.has_sent(first, &[&bob, &carol, &dave, &erin, &late], "to each").await?);
    for sent in &sent {
        keeping.prepared(dave.acknowledge(sent.acknowledgement(&dave, true)).await)?;
        keeping.prepared(erin.acknowledge(sent.acknowledgement(&erin, false)).await)?;
    }
    let requests = (0..150).map(|number| {
        let to: &[&Party] = if number % 10 == 0 { &[&bob] } else { &[&bob, &carol, &late] };
        (&alice, alice.outgoing(&sessions[number % 3], to, format!("message {number}")))
    });
    sent.extend(volume(&trial, requests).await?);
    let routed = Instant::now();
    let wait = trial.pace().wait();
    // Carol polls now and then, and bob has a stream for a moment: neither makes it younger.
    let streamed = trial.keeping_streamed();
    let mut feed = bob.subscribe(&sessions[1]);
    let of_bob = sent.iter().filter(|it| it.request.session_id == sessions[1].id);
    all_of(&mut feed, [&keeping, &streamed], &stream_of(&bob), of_bob).await?;
    drop(feed);
    let time = trial.timers().message_ttl();
    while routed.elapsed() < time * 9 / 10 {
        for session in &sessions {
            carol.polls(session).await?;
        }
        carol.heartbeat().await.prepared()?;
        carol.register("persistent").await.prepared()?;
        trial.sleep(time / 5).await;
    }

    tokio::time::sleep_until(routed + time).await;
    let accepted = "failed: it has been outstanding for message_ttl";
    loop {
        let statuses = statuses(&alice, &sent).await;
        // A status is kept for as long again, and need not be for longer.
        if statuses.is_err() && routed.elapsed() > time * 9 / 5 {
            let why =
                "it took so long that the status of what has expired need not be kept any more";
            return Err(Stop::Inconclusive(why.into()));
        }
        let statuses = statuses?;
        let open = [&bob, &carol, &late].into_iter().find_map(|party| {
            let states = states(party, &statuses);
            let is_open =
                |(sent, state): &(&Sent, &String)| is_for(sent, party) && *state != "failed";
            sent.iter()
                .zip(&states)
                .find(is_open)
                .map(|(sent, state)| format!("{} is {state:?} for {}", sent.id, party.id))
        });
        let Some(open) = open else { break };
        if routed.elapsed() > latest {
            let seen =
                format!("{open}, {:.1} s after it was routed", routed.elapsed().as_secs_f64());
            return Err(trial.missed(&wait, seen, accepted).await);
        }
        trial.sleep(time / 50).await;
    }
    let of_two = statuses(&alice, &sent[..2]).await?;
    for (party, expected) in [(&dave, "acknowledged"), (&erin, "failed")] {
        if states(party, &of_two).iter().any(|state| state != expected) {
            let seen = format!("the status for {} changed when others expired", party.id);
            return Err(Stop::broken(seen, format!("{expected}, as before: that had ended")));
        }
    }
    late.register("temporary").await.prepared()?;
    for party in [&bob, &carol, &late] {
        nothing_is_pending(&trial, party, "all that was outstanding for it has expired").await?;
        for session in &sessions {
            is_empty(&alice, party, session).await?;
        }
    }
    Ok(())
}

fn is_for(sent: &Sent, party: &Party) -> bool {
    sent.request.to_parties.is_empty() || sent.request.to_parties.contains(&party.id)
}

/// Demands that a party gets nothing but what is routed now.
async fn is_empty(sender: &Party, party: &Party, session: &Session) -> Verdict {
    let told = "what was outstanding there has failed by its age";
    let polled = party.polls(session).await?;
    listing::exactly(party, &polled, []).map_err(|stop| stop.told(told))?;
    let mut feed = party.subscribe(session);
    let fence = sender.has_sent(session, &[party], "new").await?;
    let came = up_to(&mut feed, &[&fence]).await?;
    whole(&stream_of(party), &came, [&fence]).map_err(|stop| stop.told(told))?;
    party.acknowledge(fence.acknowledgement(party, true)).await.prepared().map(drop)
}

async fn what_is_younger_is_kept(trial: Trial) -> Verdict {
    at_the_latest(&trial)?;
    let time = trial.timers().message_ttl();
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let late = trial.stranger("late");
    let members = [&alice, &bob, &carol, &late];
    let session = trial.session("s", &members).await?;
    let ends = trial.session("ends", &members).await?;
    // The session is older than its messages.
    trial.sleep(time * 2 / 5).await;
    let mut sent: Vec<(Instant, Sent)> = Vec::new();
    let mut of_ended: Vec<(Instant, Sent)> = Vec::new();
    let begun = Instant::now();
    for turn in 0..9 {
        tokio::time::sleep_until(begun + time / 10 * turn).await;
        for to in [&[&bob, &carol, &late][..], &[]] {
            let before = Instant::now();
            sent.push((before, alice.has_sent(&session, to, format!("turn {turn}")).await?));
        }
        if turn == 0 {
            // One has seen it, the others have not.
            carol.polls(&session).await?;
        }
        is_kept(&trial, &carol, &session, &sent).await?;
        // Where a session has an end, that changes nothing.
        if trial.claims(Capability::Membership) && turn < 2 {
            let before = Instant::now();
            of_ended.push((before, alice.has_sent(&ends, &[], format!("turn {turn}")).await?));
            if turn == 1 {
                has_published(&trial, event("session_completed", ends.id.clone(), &[])).await?;
            }
        }
        is_kept(&trial, &carol, &ends, &of_ended).await?;
    }
    // Shortly before the first one's time, and when some have had theirs.
    for twentieths in [17, 23, 26] {
        tokio::time::sleep_until(begun + time / 20 * twentieths).await;
        is_kept(&trial, &carol, &session, &sent).await?;
        if twentieths == 17 {
            is_kept(&trial, &bob, &session, &sent).await?;
            let told = "its session had ended long before";
            is_kept(&trial, &bob, &ends, &of_ended).await.map_err(|stop| stop.told(told))?;
        }
    }
    late.register("persistent").await.prepared()?;
    is_kept(&trial, &late, &session, &sent).await
}

/// Whether what was routed after then is to be kept for a while longer.
fn is_young(trial: &Trial, before: Instant) -> bool {
    before.elapsed() < trial.timers().message_ttl() * 9 / 10
}

/// Demands that a poll has all that is not old yet, and that its status says so.
async fn is_kept(
    trial: &Trial,
    party: &Party,
    session: &Session,
    sent: &[(Instant, Sent)],
) -> Verdict {
    let polled = party.polls(session).await?;
    let is_listed = |sent: &Sent| polled.iter().any(|it| it.message_id == sent.id);
    let missing = sent.iter().filter(|(before, _)| is_young(trial, *before));
    let missing: Vec<_> = missing.filter(|(_, sent)| !is_listed(sent)).collect();
    if let Some((before, lost)) = missing.first() {
        let state = party.delivery(lost, party).await?.status;
        let seen = format!(
            "a poll of {} lacks {}, {:.1} s after it was routed, and its status is {state:?}",
            party.id,
            lost.id,
            before.elapsed().as_secs_f64()
        );
        let ttl = trial.timers().message_ttl().as_secs_f64();
        return Err(Stop::broken(seen, format!("outstanding: message_ttl is {ttl} s")));
    }
    Ok(())
}
