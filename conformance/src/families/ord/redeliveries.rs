//! ORD-8: redeliveries, and what is new meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use mpc_router_proto::v1::MpcMessage;
use tokio::time::Instant;

use crate::families::arrivals::{kept, stream_of};
use crate::families::turns::one_by_one;
use crate::feed::Feed;
use crate::many::each;
use crate::outcome::{Stop, Verdict};
use crate::party::Sent;
use crate::trial::Trial;

/// So often in a row what is new must come late before it counts as held back.
const LATE: usize = 3;

/// New messages routed beside each redelivery.
const NEW: usize = 30;

pub(super) async fn redeliveries_leave_the_others_alone(trial: Trial) -> Verdict {
    let ack_timeout = trial.timers().ack_timeout();
    trial.can_wait_for("ack_timeout", ack_timeout * 3)?;
    let (one, some) = tokio::join!(beside(&trial, "one", 1, 1), beside(&trial, "some", 25, 2));
    one.and(some)
}

/// Leaves `unacknowledged` messages waiting for `times` redeliveries, then routes new ones.
async fn beside(trial: &Trial, label: &str, unacknowledged: usize, times: u32) -> Verdict {
    for late in 1..=LATE {
        let label = format!("{label}{late}");
        let Err(lateness) = once_beside(trial, &label, unacknowledged, times).await? else {
            return Ok(());
        };
        if late == LATE {
            let seen = format!(
                "each of {LATE} times, with {unacknowledged} messages unacknowledged for longer \
                 than ack_timeout, new messages came up to {} ms later than to a party that has \
                 none",
                lateness.as_millis()
            );
            return Err(Stop::broken(seen, "new messages that do not wait for redeliveries"));
        }
    }
    Ok(())
}

/// Whether what is new came in time; if not, by how much it was late.
async fn once_beside(
    trial: &Trial,
    label: &str,
    unacknowledged: usize,
    times: u32,
) -> Result<Result<(), Duration>, Stop> {
    let ack_timeout = trial.timers().ack_timeout();
    let [alice, bob, carol] = [
        trial.party(&format!("{label}-a")).await?,
        trial.party(&format!("{label}-b")).await?,
        trial.party(&format!("{label}-c")).await?,
    ];
    let session = trial.session(label, &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let (mut at_bob, mut at_carol) = (bob.subscribe(&session), carol.subscribe(&session));
    let old = each(0..unacknowledged, |_| {
        let (alice, bob, session) = (alice.clone(), bob.clone(), session.clone());
        async move { alice.has_sent(&session, &[&bob], "old").await }
    })
    .await?;
    at_bob.take(old.len(), "a first delivery").await?;
    trial.sleep(ack_timeout * times + ack_timeout / 5).await;

    let to = [&bob, &carol];
    let wait = trial.pace().wait();
    let new = one_by_one(trial, &alice, NEW, |_| alice.outgoing(&session, &to, "new")).await?;
    let at_bob = first_arrivals(trial, &mut at_bob, &new).await?;
    let at_carol = first_arrivals(trial, &mut at_carol, &new).await?;
    for (party, arrivals) in [(&bob, &at_bob), (&carol, &at_carol)] {
        let came: Vec<_> = arrivals.iter().map(|(id, _)| id.as_str()).collect();
        let routed: Vec<_> = new.iter().map(|it| it.id.as_str()).collect();
        if came != routed {
            let seen = format!(
                "{}, with {} messages to be redelivered, brought the new ones as {came:?}",
                stream_of(party),
                old.len()
            );
            let verdict = Err(Stop::broken(seen, format!("the order routed: {routed:?}")));
            kept([&keeping], verdict)?;
        }
    }
    // The same message on the same machine: what is slow for one is slow for the other.
    let both = at_bob.iter().zip(&at_carol);
    let lateness = both.map(|((_, bob), (_, carol))| bob.saturating_duration_since(*carol)).max();
    let lateness = lateness.unwrap_or_default();
    let limit = ack_timeout / 2;
    match wait.lag() {
        _ if lateness < limit => Ok(Ok(())),
        lag if lateness.saturating_sub(lag) < limit => Err(Stop::Inconclusive(wait.told(lag))),
        _ => Ok(Err(lateness)),
    }
}

/// When each of `new` came first, in the order in which they came. All must come.
async fn first_arrivals(
    trial: &Trial,
    feed: &mut Feed<MpcMessage>,
    new: &[Sent],
) -> Result<Vec<(String, Instant)>, Stop> {
    let mut missing: BTreeSet<&str> = new.iter().map(|it| it.id.as_str()).collect();
    let mut arrivals = Vec::new();
    while let Some(due) = missing.first() {
        let wait = trial.pace().wait();
        let item = loop {
            match feed.item_until(wait.deadline()).await {
                Some(item) if missing.contains(item.content.message_id.as_str()) => break item,
                Some(_) if Instant::now() < wait.deadline() => {}
                // It says why nothing came.
                _ => feed.next(&format!("message {due}")).await.map(drop)?,
            }
        };
        missing.remove(item.content.message_id.as_str());
        arrivals.push((item.content.message_id, item.at));
    }
    Ok(arrivals)
}
