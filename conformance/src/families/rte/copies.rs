//! RTE-6, and the *once* of RTE-2.

use mpc_router_proto::v1::MpcMessage;
use tokio::time::Instant;

use crate::feed::Feed;
use crate::listing;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

/// Messages that are tried where copies may be redeliveries as well.
const ROUNDS: usize = 5;

pub(super) async fn named_twice_is_meant_once(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let named: [&[&Party]; 4] = [
        &[&bob, &bob],
        &[&bob, &carol, &bob],
        &[&bob, &bob, &bob, &carol, &carol],
        &[&carol, &bob, &carol, &bob],
    ];
    for to in named {
        comes_once(&trial, &alice, &bob, &session, to).await?;
    }
    polled_and_counted_once(&trial).await
}

/// What is not handed out yet can be counted without a look at the clock.
async fn polled_and_counted_once(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["count-a", "count-b", "count-c"]).await?;
    let session = trial.session("count", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let mut all = Vec::new();
    let named: [&[&Party]; 2] = [&[&bob, &bob], &[&carol, &bob, &carol, &bob, &bob]];
    for to in named {
        let sent = alice.sends(&session, to, "named twice").await?;
        let mut entries: Vec<_> =
            alice.status(&sent).await?.deliveries.into_iter().map(|it| it.party_id).collect();
        entries.sort_unstable();
        let mut recipients: Vec<_> = to.iter().map(|party| party.id.clone()).collect();
        recipients.sort_unstable();
        recipients.dedup();
        if entries != recipients {
            let named = named_as(&sent);
            let seen = format!("routed to {named}, its status has entries for {entries:?}");
            return Err(Stop::broken(seen, format!("one each for {recipients:?}")));
        }
        all.push(sent);
    }
    let pending = bob.heartbeat().await.prepared()?.pending_messages;
    if pending != 2 {
        keeping.lasts()?;
        let seen = format!("{} has pending_messages {pending} by two messages to it", bob.id);
        return Err(Stop::broken(seen, "2, one delivery a message however often it is named"));
    }
    let polled = bob.polls(&session).await?;
    if let Err(stop) = listing::exactly(&bob, &polled, &all) {
        keeping.lasts()?;
        return Err(stop);
    }
    Ok(())
}

/// Demands that a message to the parties given comes once on the stream of `recipient`, apart from
/// redeliveries.
pub(super) async fn comes_once(
    trial: &Trial,
    sender: &Party,
    recipient: &Party,
    session: &Session,
    to: &[&Party],
) -> Verdict {
    let ack_timeout = trial.timers().ack_timeout();
    let mut feed = recipient.subscribe(session);
    let mut early = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let sent = sender.sends(session, to, "once").await?;
        let arrivals = arrivals(trial, sender, recipient, session, &mut feed, &sent).await?;
        let [first, second, ..] = *arrivals else { return Ok(()) };
        // A redelivery leaves no earlier than `ack_timeout` after the first delivery did, and that
        // was not before the call.
        if second - began < ack_timeout {
            return Err(twice(recipient, &sent, (second - began).as_millis()));
        }
        // On a slow way nothing is certain, but redeliveries keep their distance.
        if second - first >= ack_timeout / 4 {
            return Ok(());
        }
        early += 1;
        if early == ROUNDS {
            return Err(twice(recipient, &sent, (second - first).as_millis()));
        }
    }
    Ok(())
}

fn twice(recipient: &Party, sent: &Sent, within_ms: u128) -> Stop {
    let named = named_as(sent);
    let seen = format!(
        "routed to {named}, {} came twice on {}'s stream within {within_ms} ms",
        sent.id, recipient.id
    );
    Stop::broken(seen, "one delivery, and copies only when it is not acknowledged in time")
}

fn named_as(sent: &Sent) -> String {
    sent.request.to_parties.join(", ")
}

/// When `sent` and its copies came: it is acknowledged at once, and what is routed then fences it.
async fn arrivals(
    trial: &Trial,
    sender: &Party,
    recipient: &Party,
    session: &Session,
    feed: &mut Feed<MpcMessage>,
    sent: &Sent,
) -> Result<Vec<Instant>, Stop> {
    let keeping = trial.keeping_streamed();
    let mut arrivals = Vec::new();
    let mut fence = None;
    loop {
        let wait = trial.pace().wait();
        let Some(item) = feed.item_until(wait.deadline()).await else {
            // It says why nothing came.
            feed.next(&format!("message {}", sent.id)).await?;
            continue;
        };
        if item.content.message_id == sent.id {
            arrivals.push(item.at);
        } else if fence == Some(item.content.message_id) {
            return Ok(arrivals);
        }
        if fence.is_none() && !arrivals.is_empty() {
            let acknowledgement = sent.acknowledgement(recipient, true);
            keeping.accepted(recipient.acknowledge(acknowledgement).await)?;
            let routed = sender.sends(session, &[recipient], "fence").await?;
            fence = Some(routed.id);
        }
    }
}
