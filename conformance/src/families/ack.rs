//! ACK: acknowledgement.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "ACK",
    title: "acknowledgement",
    requirements: &[
        unchecked(
            "ACK-1",
            Level::Must,
            Capability::Core,
            "Acknowledging with `success = true` makes that recipient's delivery `acknowledged`, \
             and only that one's.",
        ),
        unchecked(
            "ACK-2",
            Level::Must,
            Capability::Core,
            "Acknowledging again the same way is accepted and changes nothing, `acknowledged_at` \
             included. (Whether `success = false` on one that failed by time-out or expiry is \
             accepted is unspecified; so is `acknowledged_at` of a failed one.)",
        ),
        unchecked(
            "ACK-3",
            Level::Must,
            Capability::Core,
            "`success = false` makes the delivery `failed`; it is not delivered again.",
        ),
        unchecked(
            "ACK-4",
            Level::Must,
            Capability::Core,
            "A terminal state stays: a later acknowledgement the other way is rejected \
             (FAILED_PRECONDITION).",
        ),
        unchecked(
            "ACK-5",
            Level::Must,
            Capability::Core,
            "An unknown `message_id` is rejected (NOT_FOUND).",
        ),
        unchecked(
            "ACK-6",
            Level::Must,
            Capability::Core,
            "A party that is not a recipient is rejected (PERMISSION_DENIED or NOT_FOUND).",
        ),
        unchecked(
            "ACK-7",
            Level::Must,
            Capability::Core,
            "A `session_id` that is not the message's is rejected (NOT_FOUND).",
        ),
        unchecked(
            "ACK-8",
            Level::Must,
            Capability::Core,
            "A delivery that was never handed out (`pending`) can be acknowledged: an indeterminate \
             delivery is the router's doubt, not the party's.",
        ),
        unchecked(
            "ACK-9",
            Level::Must,
            Capability::Core,
            "After the acknowledgement has returned the router sends that message to that party no \
             more: beyond what was on the way already, no copy arrives.",
        ),
        unchecked(
            "ACK-10",
            Level::Must,
            Capability::Core,
            "Acknowledging lowers `pending_messages` by one, once.",
        ),
        unchecked(
            "ACK-11",
            Level::Must,
            Capability::Core,
            "Acknowledgements may come in any order, and one missing holds no other back.",
        ),
        unchecked(
            "ACK-12",
            Level::Must,
            Capability::Core,
            "Two concurrent, contrary acknowledgements: exactly one wins, and the status agrees \
             with it.",
        ),
    ],
};
