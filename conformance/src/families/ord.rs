//! ORD: ordering.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "ORD",
    title: "ordering",
    requirements: &[
        unchecked(
            "ORD-1",
            Level::Must,
            Capability::Core,
            "Per sender: two messages of one sender to one recipient in one session, the second \
             sent after the first was accepted, are first delivered in that order.",
        ),
        unchecked(
            "ORD-2",
            Level::Must,
            Capability::Core,
            "ORD-1 across kinds: it also holds between a broadcast and a unicast.",
        ),
        unchecked(
            "ORD-3",
            Level::Must,
            Capability::Core,
            "ORD-1 holds for what is replayed on subscribing, and between the replay and what comes \
             live after it: no gap, no swap.",
        ),
        unchecked(
            "ORD-4",
            Level::Must,
            Capability::Core,
            "Causal: if a recipient sends after it received a message, whoever gets both gets them \
             in that order.",
        ),
        unchecked(
            "ORD-5",
            Level::Should,
            Capability::Core,
            "Total: any two recipients that both get two messages of one session get them in the \
             same order.",
        ),
        unchecked(
            "ORD-6",
            Level::Must,
            Capability::Core,
            "A poll's answer is ordered by `created_at`, and agrees with ORD-1 where these are \
             equal.",
        ),
        unchecked(
            "ORD-7",
            Level::Must,
            Capability::Core,
            "`created_at` agrees with the order of delivery: per session and recipient, first \
             deliveries never go back in `created_at`.",
        ),
        unchecked(
            "ORD-8",
            Level::Must,
            Capability::Core,
            "A redelivery does not hold back or reorder the first deliveries of others.",
        ),
    ],
};
