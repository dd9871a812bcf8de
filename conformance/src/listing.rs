//! What a poll answered, held against what was routed.

use std::collections::{BTreeMap, BTreeSet};

use mpc_router_proto::v1::MpcMessage;

use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};

/// Identifiers that a finding names before it goes on with their number.
const NAMED: usize = 3;

/// Demands that a poll of `party` answered with exactly the messages `expected`, each once and
/// ordered by `created_at`.
///
/// # Errors
/// A finding that names what is missing, wrong, doubled or out of order.
pub(crate) fn exactly<'a>(
    party: &Party,
    polled: &[MpcMessage],
    expected: impl IntoIterator<Item = &'a Sent>,
) -> Verdict {
    let expected: BTreeSet<&str> = expected.into_iter().map(|it| it.id.as_str()).collect();
    let who = format!("a poll of {}", party.id);
    each_once(&who, polled)?;
    let listed: BTreeSet<&str> = polled.iter().map(|it| it.message_id.as_str()).collect();
    let accepted = format!("the {} outstanding deliveries of that session", expected.len());
    let missing: Vec<_> = expected.difference(&listed).copied().collect();
    if !missing.is_empty() {
        return Err(Stop::broken(format!("{who} lacks {}", some(&missing)), accepted));
    }
    let wrong: Vec<_> = listed.difference(&expected).copied().collect();
    if !wrong.is_empty() {
        let seen = format!("{who} answers with {}, which it should not", some(&wrong));
        return Err(Stop::broken(seen, accepted));
    }
    by_age(&who, polled)
}

/// Demands also that what each sender routed one after another is listed in that order: `turns` are
/// the messages in the order in which they were routed.
///
/// # Errors
/// A finding that names what is missing, wrong, doubled or out of order.
pub(crate) fn in_turn(party: &Party, polled: &[MpcMessage], turns: &[&Sent]) -> Verdict {
    exactly(party, polled, turns.iter().copied())?;
    let turn_of: BTreeMap<&str, usize> =
        turns.iter().enumerate().map(|(turn, it)| (it.id.as_str(), turn)).collect();
    let mut latest: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for message in polled {
        let (id, turn) = (message.message_id.as_str(), turn_of[message.message_id.as_str()]);
        let before = latest.insert(&message.from_party, (turn, id));
        if let Some((earlier, before)) = before
            && earlier > turn
        {
            let seen = format!(
                "a poll of {} lists {before} before {id}, which {} routed earlier",
                party.id, message.from_party
            );
            return Err(Stop::broken(seen, "the oldest first"));
        }
    }
    Ok(())
}

/// Demands that an answer holds no message twice.
pub(crate) fn each_once(who: &str, polled: &[MpcMessage]) -> Verdict {
    let mut known = BTreeSet::new();
    match polled.iter().find(|it| !known.insert(&it.message_id)) {
        None => Ok(()),
        Some(twice) => {
            let seen = format!("{who} answers with {} twice", twice.message_id);
            Err(Stop::broken(seen, "each message once"))
        }
    }
}

/// Demands that an answer is ordered by `created_at`.
pub(crate) fn by_age(who: &str, polled: &[MpcMessage]) -> Verdict {
    match polled.windows(2).find(|pair| pair[0].created_at > pair[1].created_at) {
        None => Ok(()),
        Some(pair) => {
            let seen = format!(
                "{who} lists {} (created_at {}) before {} (created_at {})",
                pair[0].message_id, pair[0].created_at, pair[1].message_id, pair[1].created_at
            );
            Err(Stop::broken(seen, "the oldest first"))
        }
    }
}

/// Some identifiers in words.
pub(crate) fn some(ids: &[&str]) -> String {
    match ids.len().checked_sub(NAMED) {
        None | Some(0) => ids.join(", "),
        Some(more) => format!("{} and {more} more", ids[..NAMED].join(", ")),
    }
}
