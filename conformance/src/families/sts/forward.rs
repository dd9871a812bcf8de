//! STS-5, STS-8: what must not go back, and what must not move.

use std::collections::BTreeMap;

use mpc_router_proto::v1::{MessageDeliveryStatus, MpcMessage};
use tokio::time::Duration;

use super::super::prelude::*;
use super::{by_recipient, words};
use crate::feed::Feed;
use crate::many::{each, statuses, volume};
use crate::party::{Party, Sent};
use crate::presence::silence;
use crate::trial::Session;

/// What makes a time that moves show it, also on a coarse clock.
const MOMENT: Duration = Duration::from_millis(40);

/// The entries of some messages, looked at again and again.
struct Watch<'a> {
    asking: &'a Party,
    sent: &'a [Sent],
    /// The latest entries, by message and recipient.
    latest: BTreeMap<(String, String), MessageDeliveryStatus>,
}

impl<'a> Watch<'a> {
    fn new(asking: &'a Party, sent: &'a [Sent]) -> Self {
        Self { asking, sent, latest: BTreeMap::new() }
    }

    /// Looks again, after `what` happened, and holds each entry against what it was before.
    async fn looks(
        &mut self,
        what: &str,
        holds: fn(&MessageDeliveryStatus, &MessageDeliveryStatus) -> Result<(), &'static str>,
    ) -> Verdict {
        for (sent, status) in self.sent.iter().zip(statuses(self.asking, self.sent).await?) {
            for (party, entry) in by_recipient(&status)? {
                let key = (sent.id.clone(), party.to_owned());
                let before = self.latest.insert(key, entry.clone());
                let before = before.unwrap_or_else(|| MessageDeliveryStatus {
                    status: "pending".into(),
                    ..Default::default()
                });
                if let Err(accepted) = holds(&before, entry) {
                    let seen = format!(
                        "{} {what}; before it was {:?} with delivered_at {} and acknowledged_at {}",
                        words(sent, entry),
                        before.status,
                        before.delivered_at,
                        before.acknowledged_at
                    );
                    return Err(Stop::broken(seen, accepted));
                }
            }
        }
        Ok(())
    }
}

/// Opens a stream and reads all that waits there, as far as the target has not given up on it.
async fn streams(
    sender: &Party,
    party: &Party,
    session: &Session,
) -> Result<Feed<MpcMessage>, Stop> {
    let mut feed = party.subscribe(session);
    let fence = sender.has_sent(session, &[party], "behind what waits").await?;
    feed.up_to(&fence).await?;
    Ok(feed)
}

/// STS-5 between two entries of a delivery.
fn goes_forward(
    before: &MessageDeliveryStatus,
    after: &MessageDeliveryStatus,
) -> Result<(), &'static str> {
    let rank = |entry: &MessageDeliveryStatus| match entry.status.as_str() {
        "pending" => Some(0),
        "delivered" => Some(1),
        "acknowledged" | "failed" => Some(2),
        _ => None,
    };
    let Some(now) = rank(after) else {
        return Err("\"pending\", \"delivered\", \"acknowledged\" or \"failed\"");
    };
    match rank(before) {
        Some(2) if before.status != after.status => Err("a terminal state stays"),
        Some(then) if then > now => Err("states only move forward"),
        _ => Ok(()),
    }
}

/// STS-8 between two entries of a delivery.
fn times_stay(
    before: &MessageDeliveryStatus,
    after: &MessageDeliveryStatus,
) -> Result<(), &'static str> {
    if before.delivered_at != 0 && before.delivered_at != after.delivered_at {
        return Err("delivered_at stays the time of the first delivery");
    }
    // For a failed delivery it is unspecified.
    let acknowledged = before.status == "acknowledged" && before.acknowledged_at != 0;
    if acknowledged && before.acknowledged_at != after.acknowledged_at {
        return Err("acknowledged_at stays the time of the first acknowledgement");
    }
    Ok(())
}

pub(super) async fn states_only_move_forward(trial: Trial) -> Verdict {
    let [alice, streaming, polling, ending] =
        trial.parties(["alice", "streaming", "polling", "ending"]).await?;
    let (cut_off, cut) = trial.party_cuttable("cut-off").await?;
    let session = trial.session("s", &[&alice, &streaming, &polling, &ending, &cut_off]).await?;
    let requests = (0..24).map(|number| {
        let to = if number % 4 == 0 { &[][..] } else { &[&streaming, &polling, &ending, &cut_off] };
        (&alice, alice.outgoing(&session, to, vec![0; number]))
    });
    let sent = volume(&trial, requests).await?;
    let mut watch = Watch::new(&alice, &sent);

    let story = async {
        let mut looks = async |what: &str| watch.looks(what, goes_forward).await;
        looks("after it was routed").await?;
        polling.polls(&session).await?;
        let cancelled = streams(&alice, &streaming, &session).await?;
        drop(streams(&alice, &cut_off, &session).await?);
        let broken = streams(&alice, &cut_off, &session).await?;
        looks("after polls and streams").await?;
        drop(cancelled);
        cut.throw();
        drop(broken);
        looks("just after streams were cancelled and a connection broke").await?;
        trial.sleep(trial.pace().quiet()).await;
        looks("after streams were cancelled and a connection broke").await?;

        for party in [&streaming, &cut_off] {
            drop(streams(&alice, party, &session).await?);
            party.polls(&session).await?;
        }
        drop(streams(&alice, &polling, &session).await?);
        looks("after later streams and polls").await?;
        each([&streaming, &polling, &ending, &cut_off], |party| {
            let party = party.clone();
            async move {
                party.register("persistent").await.prepared()?;
                party.heartbeat().await.prepared()
            }
        })
        .await?;
        looks("after its recipient registered again").await?;

        for contrary in [false, true] {
            each(sent.iter().enumerate(), |(place, sent)| {
                let (party, success) = (ending.clone(), (place % 3 > 0) != contrary);
                let request = sent.acknowledgement(&ending, success);
                // The contrary ones are rejected, or else show in the next look.
                async move {
                    party.acknowledge(request).await;
                    Ok(())
                }
            })
            .await?;
            looks("after acknowledgements").await?;
        }
        ending.polls(&session).await?;
        ending.register("persistent").await.prepared()?;
        drop(streams(&alice, &ending, &session).await?);
        looks("after a later poll, registration and stream").await?;

        let timers = trial.timers();
        if trial.can_wait_for("ack_timeout", timers.ack_timeout()).is_ok() {
            let _feed = polling.subscribe(&session);
            trial.sleep(timers.ack_timeout() * 5 / 4 + trial.pace().quiet()).await;
            looks("after the redelivery timer").await?;
        }
        if trial.can_wait_for("heartbeat_timeout", timers.heartbeat_timeout()).is_ok() {
            silence(&trial, &[]).await?;
            looks("after its recipient went offline").await?;
            polling.heartbeat().await.prepared()?;
            looks("after its recipient came back").await?;
        }
        Ok(())
    };

    // Some are watched all the time, for states that go back for a moment only.
    let closely = async {
        let mut watch = Watch::new(&ending, &sent[..2]);
        loop {
            watch.looks("within a moment", goes_forward).await?;
            trial.sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        biased;
        told = story => told,
        stopped = closely => stopped,
    }
}

pub(super) async fn times_do_not_move(trial: Trial) -> Verdict {
    let [alice, streaming, polling] = trial.parties(["alice", "streaming", "polling"]).await?;
    let session = trial.session("s", &[&alice, &streaming, &polling]).await?;
    let requests = (0..60).map(|number| {
        let to = if number % 4 == 0 { &[][..] } else { &[&streaming, &polling] };
        (&alice, alice.outgoing(&session, to, vec![0; number]))
    });
    let sent = volume(&trial, requests).await?;
    let mut watch = Watch::new(&alice, &sent);
    let mut looks = async |what: &str| {
        let verdict = watch.looks(what, times_stay).await;
        trial.sleep(MOMENT).await;
        verdict
    };

    polling.polls(&session).await?;
    drop(streams(&alice, &streaming, &session).await?);
    // A target may note a moment later that it has handed something out.
    looks("after a poll and a stream").await?;
    looks("after a poll and a stream").await?;
    polling.polls(&session).await?;
    looks("after a second poll").await?;
    let first = streams(&alice, &streaming, &session).await?;
    looks("after a second stream").await?;
    let second = streams(&alice, &streaming, &session).await?;
    looks("with two streams open").await?;
    drop((first, second));
    streaming.polls(&session).await?;
    drop(streams(&alice, &polling, &session).await?);
    looks("after a poll by who streamed, and a stream to who polled").await?;
    for party in [&streaming, &polling] {
        party.register("persistent").await.prepared()?;
        party.heartbeat().await.prepared()?;
    }
    looks("after its recipient registered again").await?;

    let ack_timeout = trial.timers().ack_timeout();
    if trial.can_wait_for("ack_timeout", ack_timeout).is_ok() {
        let _feed = streaming.subscribe(&session);
        trial.sleep(ack_timeout * 5 / 4 + trial.pace().quiet()).await;
        looks("after the redelivery timer").await?;
    }

    for (round, what) in
        ["after it was acknowledged", "after it was acknowledged again"].into_iter().enumerate()
    {
        each(sent.iter().enumerate().filter(|(place, _)| place % 4 > 0), |(place, sent)| {
            let party = if place % 2 == 0 { streaming.clone() } else { polling.clone() };
            let request = sent.acknowledgement(&party, place % 4 > 1);
            // Some may have failed by time-out, and then this is rejected.
            async move {
                party.acknowledge(request).await;
                Ok(())
            }
        })
        .await?;
        looks(what).await?;
        if round == 1 {
            polling.polls(&session).await?;
            streaming.polls(&session).await?;
            looks("after a poll that followed the acknowledgement").await?;
        }
    }
    Ok(())
}
