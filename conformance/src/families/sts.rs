//! STS: status.

mod asked;
mod forward;
mod states;

use std::collections::BTreeMap;

use mpc_router_proto::v1::{GetMessageStatusResponse, MessageDeliveryStatus};

use self::asked::{
    all_acknowledged_sums_up, the_answer_repeats_what_was_asked, unknown_messages_are_rejected,
};
use self::forward::{states_only_move_forward, times_do_not_move};
use self::states::{
    acknowledged_comes_after_delivered, each_recipient_has_an_entry,
    what_is_handed_out_is_delivered, what_waits_is_pending,
};
use super::noting::words;
use super::prelude::*;
use crate::party::Party;

pub(super) const FAMILY: Family = Family {
    name: "STS",
    title: "status",
    requirements: &[
        must(
            "STS-1",
            "One entry per recipient, a broadcast's expanded, in no particular order.",
            "Looks at messages to one, to some, to all and to 130 parties, with names that are much \
             alike, some not registered or named twice, and at hundreds with random recipients.",
            check!(each_recipient_has_an_entry),
        ),
        must(
            "STS-2",
            "Not yet handed out: `pending`, with `delivered_at`, `acknowledged_at` and \
             `retry_count` 0.",
            "Looks at what nobody has fetched, while others fetch and acknowledge, other sessions are \
             streamed, time passes, and polls answer without it.",
            check!(what_waits_is_pending),
        ),
        must(
            "STS-3",
            "Handed out: `delivered`, `delivered_at` set, `acknowledged_at` 0.",
            "Looks at what one recipient has polled and another one read from a stream, and at hundreds \
             of messages fetched either way.",
            check!(what_is_handed_out_is_delivered),
        ),
        must(
            "STS-4",
            "Acknowledged: `acknowledged`, `acknowledged_at` ≥ `delivered_at` when both are set.",
            "Acknowledges what was polled, streamed or not handed out at all, and hundreds of messages \
             in the moment in which a stream brings them.",
            check!(acknowledged_comes_after_delivered),
        ),
        must(
            "STS-5",
            "States only move forward: pending → delivered → acknowledged or failed.",
            "Watches deliveries through polls, cancelled and cut streams, registering again, redelivery, \
             contrary acknowledgements and being offline.",
            check!(states_only_move_forward),
        ),
        must(
            "STS-6",
            "`all_acknowledged` is true exactly when every entry is `acknowledged`; one `failed` \
             keeps it false.",
            "Acknowledges messages to 1, 3 and 64 recipients one by one, some with success = false, and \
             reads many statuses while acknowledgements come.",
            check!(all_acknowledged_sums_up),
        ),
        must(
            "STS-7",
            "An unknown `message_id`, or one under another `session_id`, is rejected (NOT_FOUND).",
            "Asks for identifiers that nobody gave, for ones that nearly are a message's, and for real \
             ones under another session, an unknown one, none, and one that is nearly called the same.",
            check!(unknown_messages_are_rejected),
        ),
        must(
            "STS-8",
            "Times do not move once set: `delivered_at` is the first delivery's, and polls or \
             redeliveries leave it.",
            "Notes the times, then polls, streams, lets the redelivery timer pass, acknowledges, \
             acknowledges again and registers again, and compares.",
            check!(times_do_not_move),
        ),
        must(
            "STS-9",
            "The answer repeats the `message_id` and `session_id` asked for.",
            "Asks for messages of several sessions in every state, hundreds of times at once.",
            check!(the_answer_repeats_what_was_asked),
        ),
    ],
};

/// The entries by recipient; there is one at most for each.
fn by_recipient(
    status: &GetMessageStatusResponse,
) -> Result<BTreeMap<&str, &MessageDeliveryStatus>, Stop> {
    let mut entries = BTreeMap::new();
    for entry in &status.deliveries {
        if entries.insert(entry.party_id.as_str(), entry).is_some() {
            let seen = format!("the status of {} has {} twice", status.message_id, entry.party_id);
            return Err(Stop::broken(seen, "one entry per recipient"));
        }
    }
    Ok(entries)
}

/// The entry of a recipient that must have one.
fn entry_of<'a>(
    status: &'a GetMessageStatusResponse,
    party: &Party,
) -> Result<&'a MessageDeliveryStatus, Stop> {
    by_recipient(status)?.get(party.id.as_str()).copied().ok_or_else(|| {
        let seen = format!("the status of {} has no entry for {}", status.message_id, party.id);
        Stop::broken(seen, "one entry per recipient")
    })
}
