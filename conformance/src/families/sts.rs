//! STS: status.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "STS",
    title: "status",
    requirements: &[
        unchecked(
            "STS-1",
            Level::Must,
            Capability::Core,
            "One entry per recipient, a broadcast's expanded, in no particular order.",
        ),
        unchecked(
            "STS-2",
            Level::Must,
            Capability::Core,
            "Not yet handed out: `pending`, with `delivered_at`, `acknowledged_at` and \
             `retry_count` 0.",
        ),
        unchecked(
            "STS-3",
            Level::Must,
            Capability::Core,
            "Handed out: `delivered`, `delivered_at` set, `acknowledged_at` 0.",
        ),
        unchecked(
            "STS-4",
            Level::Must,
            Capability::Core,
            "Acknowledged: `acknowledged`, `acknowledged_at` ≥ `delivered_at` when both are set.",
        ),
        unchecked(
            "STS-5",
            Level::Must,
            Capability::Core,
            "States only move forward: pending → delivered → acknowledged or failed.",
        ),
        unchecked(
            "STS-6",
            Level::Must,
            Capability::Core,
            "`all_acknowledged` is true exactly when every entry is `acknowledged`; one `failed` \
             keeps it false.",
        ),
        unchecked(
            "STS-7",
            Level::Must,
            Capability::Core,
            "An unknown `message_id`, or one under another `session_id`, is rejected (NOT_FOUND).",
        ),
        unchecked(
            "STS-8",
            Level::Must,
            Capability::Core,
            "Times do not move once set: `delivered_at` is the first delivery's, and polls or \
             redeliveries leave it.",
        ),
        unchecked(
            "STS-9",
            Level::Must,
            Capability::Core,
            "The answer repeats the `message_id` and `session_id` asked for.",
        ),
    ],
};
