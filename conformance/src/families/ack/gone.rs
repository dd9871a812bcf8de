//! ACK-3, ACK-8, ACK-9: what was acknowledged, either way, is delivered no more.

use std::collections::BTreeSet;

use mpc_router_proto::v1::{AcknowledgeMessageRequest, MpcMessage};
use tokio::time::Instant;

use super::super::prelude::*;
use super::{acknowledges, is_handed_out_all, must_be};
use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::many::{each, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

/// The payload of what is routed after acknowledgements have returned.
const FENCE: &str = "behind the acknowledgements";

/// One sender and one recipient in a session, and what the recipient has ended.
struct Pair<'a> {
    trial: &'a Trial,
    sender: &'a Party,
    party: &'a Party,
    session: &'a Session,
    ended: BTreeSet<String>,
}

impl<'a> Pair<'a> {
    fn new(trial: &'a Trial, sender: &'a Party, party: &'a Party, session: &'a Session) -> Self {
        Self { trial, sender, party, session, ended: BTreeSet::new() }
    }

    async fn has_sent(&self, payload: &'static str) -> Result<Sent, Stop> {
        self.sender.has_sent(self.session, &[self.party], payload).await
    }

    async fn volume(&self, count: usize) -> Result<Vec<Sent>, Stop> {
        let request = |number| {
            let payload = format!("message {number}");
            (self.sender, self.sender.outgoing(self.session, &[self.party], payload))
        };
        volume(self.trial, (0..count).map(request)).await
    }

    /// The recipient ends these deliveries, one way or the other.
    async fn ends<'b>(
        &mut self,
        sent: impl IntoIterator<Item = &'b Sent>,
        success: bool,
        keeping: &Keeping,
    ) -> Verdict {
        let sent: Vec<_> = sent.into_iter().collect();
        acknowledges(self.party, sent.iter().copied(), success, keeping).await?;
        self.ended.extend(sent.into_iter().map(|it| it.id.clone()));
        Ok(())
    }

    /// Demands that nothing of what has ended is among these.
    fn must_be_gone(&self, messages: &[MpcMessage], from: &str) -> Verdict {
        match messages.iter().find(|it| self.ended.contains(&it.message_id)) {
            None => Ok(()),
            Some(back) => {
                let seen = format!("{from} has {}, which was acknowledged before", back.message_id);
                Err(Stop::broken(seen, "no copy of what was acknowledged, either way"))
            }
        }
    }

    async fn later_polls_are_without_it(&self) -> Verdict {
        self.must_be_gone(&self.party.polls(self.session).await?, "a later poll")
    }

    async fn later_streams_are_without_it(&self) -> Verdict {
        let keeping = self.trial.keeping_streamed().halved();
        let mut feed = self.party.subscribe(self.session);
        let fence = self.has_sent(FENCE).await?;
        let brought = feed.up_to(&fence).await?;
        self.must_be_gone(&brought, "a stream that was opened later")?;
        acknowledges(self.party, [&fence], true, &keeping).await
    }

    /// What comes on an open stream behind a message routed now was sent after it.
    async fn open_streams_are_without_it(&self, feed: &mut Feed<MpcMessage>) -> Verdict {
        let from = "a stream, behind a message routed later,";
        let keeping = self.trial.keeping_streamed().halved();
        let mut fences = Vec::new();
        for number in 0..3 {
            let fence = self.has_sent(FENCE).await?;
            let before = feed.up_to(&fence).await?;
            if number > 0 {
                self.must_be_gone(&before, from)?;
            }
            fences.push(fence);
        }
        acknowledges(self.party, &fences, true, &keeping).await?;
        let ack_timeout = self.trial.timers().ack_timeout();
        self.trial.can_wait_for("ack_timeout", ack_timeout)?;
        self.trial.sleep(ack_timeout * 5 / 4 + self.trial.pace().quiet()).await;
        let fence = self.has_sent(FENCE).await?;
        let before = feed.up_to(&fence).await?;
        self.must_be_gone(&before, "a stream, when the redelivery timer was over,")
    }

    /// A stream that a later one superseded may bring something or not: what it brings behind one
    /// of those messages was sent after it, too.
    async fn superseded_streams_are_without_it(&self, mut feed: Feed<MpcMessage>) -> Verdict {
        let mut brought = Vec::new();
        let deadline = Instant::now() + self.trial.pace().quiet();
        while let Some(item) = feed.item_until(deadline).await {
            brought.push(item.content);
        }
        let fence = brought.iter().position(|it| it.payload == FENCE);
        let behind = fence.map_or(&[][..], |fence| &brought[fence..]);
        self.must_be_gone(behind, "a superseded stream, behind a message routed later,")
    }
}

pub(super) async fn a_failed_delivery_ends(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let mut pair = Pair::new(&trial, &alice, &bob, &session);

    let keeping = trial.keeping();
    let mut refused = vec![
        alice.has_sent(&session, &[&bob, &carol], "polled").await?,
        alice.has_sent(&session, &[], "polled").await?,
    ];
    is_handed_out_all(&bob, &session).await?;
    refused.push(alice.has_sent(&session, &[&bob, &carol], "pending").await?);
    pair.ends(&refused, false, &keeping).await?;
    let without_reason = pair.has_sent("pending").await?;
    let request = AcknowledgeMessageRequest {
        error_message: String::new(),
        ..without_reason.acknowledgement(&bob, false)
    };
    keeping.accepted(bob.acknowledge(request).await)?;
    refused.push(without_reason);
    must_be(&refused, &bob, "failed", "it was acknowledged with success = false").await?;
    pair.later_polls_are_without_it().await?;
    pair.later_streams_are_without_it().await?;
    let others = must_be(&refused[..3], &carol, "pending", "only another recipient refused it");
    keeping.judged(others.await)?;

    // In groups small enough not to be sent again in vain.
    let mut feed = bob.subscribe(&session);
    for group in [1, 40, 40, 40] {
        let keeping = trial.keeping_streamed();
        let sent = pair.volume(group).await?;
        feed.take(sent.len(), "the messages routed").await?;
        pair.ends(&sent, false, &keeping).await?;
        must_be(&sent, &bob, "failed", "it was acknowledged with success = false").await?;
        pair.later_polls_are_without_it().await?;
    }
    pair.open_streams_are_without_it(&mut feed).await?;
    drop(feed);
    pair.later_streams_are_without_it().await?;
    must_be(&refused, &bob, "failed", "it was acknowledged with success = false").await
}

pub(super) async fn what_is_pending_can_be_ended(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    for (label, success, state) in [("used", true, "acknowledged"), ("refused", false, "failed")] {
        let session = trial.session(label, &[&alice, &bob, &carol]).await?;
        let mut pair = Pair::new(&trial, &alice, &bob, &session);
        let keeping = trial.keeping();
        let sent = [
            alice.has_sent(&session, &[&bob], "to one").await?,
            alice.has_sent(&session, &[&carol, &bob], "to two").await?,
            alice.has_sent(&session, &[], "to all").await?,
        ];
        for sent in &sent {
            pair.ends([sent], success, &keeping).await?;
        }
        let why = format!("it was acknowledged with success = {success} while pending");
        must_be(&sent, &bob, state, &why).await?;
        let others = "only another recipient acknowledged it";
        keeping.judged(must_be(&sent[1..], &carol, "pending", others).await)?;
        pair.later_polls_are_without_it().await?;
        pair.later_streams_are_without_it().await?;

        let keeping = trial.keeping();
        let sent = pair.volume(250).await?;
        pair.ends(&sent, success, &keeping).await?;
        must_be(&sent, &bob, state, &why).await?;
        pair.later_polls_are_without_it().await?;
        pair.later_streams_are_without_it().await?;
    }
    Ok(())
}

pub(super) async fn no_copy_comes_after_the_acknowledgement(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    right_after_it(&trial, &alice).await?;

    let session = trial.session("streamed", &[&alice, &bob]).await?;
    let mut pair = Pair::new(&trial, &alice, &bob, &session);
    // With two streams open, attempts on either may count.
    let mut superseded = bob.subscribe(&session);
    // The first stays unacknowledged: what is sent again because of it is that one only.
    let unacknowledged = pair.has_sent("stays").await?;
    superseded.brings(&[&unacknowledged]).await?;
    let keeping = trial.keeping_streamed().halved();
    let mut feed = bob.subscribe(&session);
    let first = pair.has_sent("first of the newer stream").await?;
    feed.up_to(&first).await?;
    pair.ends([&first], true, &keeping).await?;
    for group in [1, 2, 50, 50, 50, 50] {
        let keeping = trial.keeping_streamed().halved();
        let sent = pair.volume(group).await?;
        feed.take(sent.len(), "the messages routed").await?;
        pair.ends(&sent, true, &keeping).await?;
        pair.later_polls_are_without_it().await?;
    }
    pair.open_streams_are_without_it(&mut feed).await?;
    pair.superseded_streams_are_without_it(superseded).await?;
    pair.later_streams_are_without_it().await?;
    drop(feed);

    let session = trial.session("polled", &[&alice, &bob]).await?;
    let mut pair = Pair::new(&trial, &alice, &bob, &session);
    let keeping = trial.keeping();
    let sent = pair.volume(400).await?;
    is_handed_out_all(&bob, &session).await?;
    let (ended, _) = sent.split_at(sent.len() * 3 / 4);
    pair.ends(ended, true, &keeping).await?;
    pair.later_polls_are_without_it().await?;
    pair.later_streams_are_without_it().await
}

/// Looks in the moment in which the acknowledgement has returned, with several parties at once.
async fn right_after_it(trial: &Trial, alice: &Party) -> Verdict {
    each(0..8, |number| {
        let (trial, alice) = (trial.clone(), alice.clone());
        async move {
            let party = trial.party(&format!("at-once-{number}")).await?;
            let session = trial.session(&format!("at-once-{number}"), &[&alice, &party]).await?;
            let elsewhere = party.on_a_connection_of_its_own();
            let mut pair = Pair::new(&trial, &alice, &party, &session);
            for round in 0..8 {
                let keeping = trial.keeping();
                let sent = pair.has_sent("at once").await?;
                if round % 2 == 0 {
                    is_handed_out_all(&party, &session).await?;
                }
                pair.ends([&sent], true, &keeping).await?;
                let polled = elsewhere.polls(&session);
                let (polled, streamed) = tokio::join!(polled, pair.later_streams_are_without_it());
                pair.must_be_gone(&polled?, "a later poll")?;
                streamed?;
            }
            Ok(())
        }
    })
    .await
    .map(drop)
}
