//! What came on a stream, held against what was routed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mpc_router_proto::v1::MpcMessage;
use tokio::time::Instant;

use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::listing::some;
use crate::many::each;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::requirement::Capability;
use crate::trial::Session;

/// A party with an open stream.
#[derive(Debug)]
pub(super) struct Recipient<'a> {
    party: &'a Party,
    session: &'a Session,
    feed: Feed<MpcMessage>,
}

impl<'a> Recipient<'a> {
    /// Opens a stream.
    pub(super) fn new(party: &'a Party, session: &'a Session) -> Self {
        Self { party, session, feed: party.subscribe(session) }
    }

    /// What is routed to the party in this session.
    pub(super) fn share<'b>(&self, sent: impl IntoIterator<Item = &'b Sent>) -> Vec<&'b Sent> {
        let is_its = |it: &&Sent| {
            let (to, from) = (&it.request.to_parties, &it.request.from_party);
            it.request.session_id == self.session.id
                && (to.contains(&self.party.id) || (to.is_empty() && *from != self.party.id))
        };
        sent.into_iter().filter(is_its).collect()
    }

    /// Demands that next comes its share of `sent` and of `fences`, and nothing else. Each sender's
    /// fence was routed after the rest.
    ///
    /// # Errors
    /// A finding if something is missing or wrong.
    pub(super) async fn gets(
        &mut self,
        keeping: &Keeping,
        sent: &[Sent],
        fences: &[Sent],
    ) -> Result<Vec<MpcMessage>, Stop> {
        let due = self.share(fences);
        let came = up_to(&mut self.feed, &due).await?;
        let expected = self.share(sent.iter().chain(fences));
        kept([keeping], whole(&stream_of(self.party), &came, expected))?;
        Ok(came)
    }

    /// Demands that next comes its share of `sent`, that of each sender in the order given, and
    /// nothing else. The fences are each sender's last.
    ///
    /// # Errors
    /// A finding if something is missing, wrong or out of order.
    pub(super) async fn gets_in_turn(
        &mut self,
        keeping: &Keeping,
        sent: &[Sent],
        fences: &[Sent],
    ) -> Verdict {
        let due = self.share(fences);
        let came = up_to(&mut self.feed, &due).await?;
        kept([keeping], in_turn(&stream_of(self.party), &came, &self.share(sent)))
    }

    /// Demands that no second copy of these came before it could be a redelivery: that leaves no
    /// earlier than `ack_timeout` after the first delivery, and so after the call that routed it.
    ///
    /// # Errors
    /// A finding if one did.
    pub(super) fn has_no_early_copies(&self, sent: &[Sent], ack_timeout: Duration) -> Verdict {
        // Who claims no redelivery has times of its own for it.
        if !self.feed.trial().claims(Capability::Redelivery) {
            return Ok(());
        }
        // Some clocks are coarse.
        let ack_timeout = (ack_timeout / 100 * 99).saturating_sub(Duration::from_millis(5));
        let early = |id: &str, at: Instant| {
            let began = self.feed.trial().remembering().began(id)?;
            sent.iter().find(|it| it.id == id).filter(|_| at - began < ack_timeout)
        };
        let copies = self.feed.copies();
        match copies.iter().find_map(|(id, at)| early(id, *at)) {
            None => Ok(()),
            Some(sent) => {
                let seen = format!(
                    "{} brought {} twice within {} ms",
                    stream_of(self.party),
                    sent.id,
                    ack_timeout.as_millis()
                );
                Err(Stop::broken(seen, "each message once, and copies when it is not acknowledged"))
            }
        }
    }

    /// Demands that nothing but copies comes within a quiet window.
    ///
    /// # Errors
    /// A finding if something does; `accepted` says why it should not.
    pub(super) async fn stays_quiet(&mut self, accepted: &str) -> Verdict {
        self.feed.stays_quiet(accepted).await
    }
}

/// The first deliveries on `feed` until every fence has come, fences included. They must come.
///
/// Only what a fence's own sender routed before it is sure to come before it.
///
/// # Errors
/// A finding if a fence does not come.
pub(super) async fn up_to(
    feed: &mut Feed<MpcMessage>,
    fences: &[&Sent],
) -> Result<Vec<MpcMessage>, Stop> {
    up_to_kept(feed, [], fences).await
}

/// The same, where the fences may be old already: no finding if one is waited for when the target
/// need not keep it any more.
///
/// # Errors
/// A finding if a fence does not come, or inconclusive.
pub(super) async fn up_to_kept<const N: usize>(
    feed: &mut Feed<MpcMessage>,
    keeping: [&Keeping; N],
    fences: &[&Sent],
) -> Result<Vec<MpcMessage>, Stop> {
    let mut missing: BTreeSet<&str> = fences.iter().map(|it| it.id.as_str()).collect();
    let mut messages = Vec::new();
    while let Some(fence) = missing.first() {
        let still_kept = keeping.into_iter().try_for_each(Keeping::lasts);
        let what = format!("message {fence}, one of {} waited for", missing.len());
        let message = match feed.next(&what).await {
            Err(stop @ Stop::Broken(_)) => return Err(still_kept.err().unwrap_or(stop)),
            next => next?,
        };
        missing.remove(message.message_id.as_str());
        messages.push(message);
    }
    Ok(messages)
}

/// The first deliveries on `feed` until all of `expected` have come, in whatever order, and nothing
/// else beside them. So nothing depends on whether the stream was open before the last of them was
/// routed, nor on the order of copies.
///
/// # Errors
/// A finding if one of them does not come or something else does, unless the target need not keep
/// them any more.
pub(super) async fn all_of<'a, const N: usize>(
    feed: &mut Feed<MpcMessage>,
    keeping: [&Keeping; N],
    who: &str,
    expected: impl IntoIterator<Item = &'a Sent>,
) -> Result<Vec<MpcMessage>, Stop> {
    let expected: Vec<_> = expected.into_iter().collect();
    let came = up_to_kept(feed, keeping, &expected).await?;
    kept(keeping, whole(who, &came, expected))?;
    Ok(came)
}

/// Demands that exactly the messages `expected` came, in whatever order.
///
/// # Errors
/// A finding that names what is missing or wrong.
pub(super) fn whole<'a>(
    who: &str,
    came: &[MpcMessage],
    expected: impl IntoIterator<Item = &'a Sent>,
) -> Verdict {
    let expected: BTreeSet<&str> = expected.into_iter().map(|it| it.id.as_str()).collect();
    let latest = came.last();
    let came: BTreeSet<&str> = came.iter().map(|it| it.message_id.as_str()).collect();
    let accepted = format!("the {} messages that were routed to it there", expected.len());
    let missing: Vec<_> = expected.difference(&came).copied().collect();
    if !missing.is_empty() {
        let last = latest.map_or_else(|| "nothing".into(), |it| it.message_id.clone());
        let seen = format!(
            "{who} had brought {last} and, by then, not {} ({} of {})",
            some(&missing),
            missing.len(),
            expected.len()
        );
        return Err(Stop::broken(seen, accepted));
    }
    let wrong: Vec<_> = came.difference(&expected).copied().collect();
    if !wrong.is_empty() {
        return Err(Stop::broken(format!("{who} brought {}", some(&wrong)), accepted));
    }
    Ok(())
}

/// Demands that exactly the messages `expected` came, in this order.
///
/// # Errors
/// A finding that names what is missing, wrong or out of order.
pub(super) fn in_order(who: &str, came: &[MpcMessage], expected: &[&Sent]) -> Verdict {
    whole(who, came, expected.iter().copied())?;
    ordered(who, came, expected, |_| "")
}

/// Demands that exactly the messages `expected` came, those of each sender in the order given.
///
/// # Errors
/// A finding that names what is missing, wrong or out of order.
pub(super) fn in_turn(who: &str, came: &[MpcMessage], expected: &[&Sent]) -> Verdict {
    whole(who, came, expected.iter().copied())?;
    ordered(who, came, expected, |it| &it.from_party)
}

/// Demands that those messages that are of one lane came in the order of `expected`.
fn ordered(
    who: &str,
    came: &[MpcMessage],
    expected: &[&Sent],
    lane: impl Fn(&MpcMessage) -> &str,
) -> Verdict {
    let turns: BTreeMap<&str, usize> =
        expected.iter().enumerate().map(|(turn, it)| (it.id.as_str(), turn)).collect();
    let mut latest: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for message in came {
        let id = message.message_id.as_str();
        let Some(turn) = turns.get(id).copied() else { continue };
        if let Some((before, other)) = latest.insert(lane(message), (turn, id))
            && before > turn
        {
            let (earlier, later) = (expected[turn], expected[before]);
            let seen = format!(
                "{who} brought {other} (of {}) before {id} (of {}), which was accepted before the \
                 other one was sent",
                later.request.from_party, earlier.request.from_party
            );
            return Err(Stop::broken(seen, format!("{id} before {other}")));
        }
    }
    Ok(())
}

/// The verdict on what was kept, unless the target need not keep it any more.
///
/// # Errors
/// Those of the verdict, or inconclusive.
pub(super) fn kept<const N: usize>(keeping: [&Keeping; N], verdict: Verdict) -> Verdict {
    if verdict.is_err() {
        keeping.into_iter().try_for_each(Keeping::lasts)?;
    }
    verdict
}

/// Acknowledges messages, many at a time, unless the target need not keep them any more.
///
/// # Errors
/// Without that the requirement cannot be checked.
pub(super) async fn acknowledge<'a, const N: usize>(
    keeping: [&Keeping; N],
    party: &Party,
    sent: impl IntoIterator<Item = &'a Sent>,
) -> Verdict {
    let done = each(sent, |sent| {
        let (party, acknowledgement) = (party.clone(), sent.acknowledgement(party, true));
        async move { party.acknowledge(acknowledgement).await.prepared() }
    });
    kept(keeping, done.await.map(drop))
}

/// A party's stream as findings name it.
pub(super) fn stream_of(party: &Party) -> String {
    format!("{}'s stream", party.id)
}
