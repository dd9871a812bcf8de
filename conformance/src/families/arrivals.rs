//! What came on a stream, held against what was routed.

use std::collections::{BTreeMap, BTreeSet};

use mpc_router_proto::v1::MpcMessage;

use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::listing::some;
use crate::many::each;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};

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
    let mut missing: BTreeSet<&str> = fences.iter().map(|it| it.id.as_str()).collect();
    let mut messages = Vec::new();
    while let Some(fence) = missing.first() {
        let message = feed.next(&format!("message {fence}, routed last by its sender")).await?;
        missing.remove(message.message_id.as_str());
        messages.push(message);
    }
    Ok(messages)
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
    let came: BTreeSet<&str> = came.iter().map(|it| it.message_id.as_str()).collect();
    let accepted = format!("the {} messages that were routed to it there", expected.len());
    let missing: Vec<_> = expected.difference(&came).copied().collect();
    if !missing.is_empty() {
        let seen = format!("{who} went on without {} of {}", some(&missing), expected.len());
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
