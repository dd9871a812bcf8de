//! DUR: durability.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "DUR",
    title: "durability",
    requirements: &[
        unchecked(
            "DUR-1",
            Level::Must,
            Capability::Durable,
            "After an orderly restart: every accepted outstanding delivery is delivered, once \
             acknowledged ones are not, statuses hold.",
        ),
        unchecked(
            "DUR-2",
            Level::Must,
            Capability::Durable,
            "The same after `kill -9` at any moment: what was accepted is there; an indeterminate \
             call happened wholly or not at all.",
        ),
        unchecked(
            "DUR-3",
            Level::Must,
            Capability::Durable,
            "Registered parties, their roles and channels, and the sessions' members survive.",
        ),
        unchecked(
            "DUR-4",
            Level::Must,
            Capability::Durable,
            "ORD-1 to ORD-4, ORD-6, ORD-7 hold across restarts.",
        ),
        unchecked(
            "DUR-5",
            Level::Must,
            Capability::Durable,
            "No `message_id` is given twice, before and after.",
        ),
        unchecked(
            "DUR-6",
            Level::Must,
            Capability::Durable,
            "`acknowledged` and `failed` survive; `delivered` may fall back to `pending`, and \
             `retry_count` to a lower value.",
        ),
        unchecked(
            "DUR-7",
            Level::Must,
            Capability::Durable,
            "An orderly stop ends open streams with UNAVAILABLE, finishes or refuses (UNAVAILABLE) \
             the calls under way, and exits 0 within `stop_timeout`.",
        ),
        unchecked(
            "DUR-8",
            Level::Must,
            Capability::Durable,
            "A write that was cut off by a crash never stops the router from starting with \
             everything that was accepted.",
        ),
        unchecked(
            "DUR-9",
            Level::Must,
            Capability::Durable,
            "Damage in the middle of the store stops the start with a clear error; never is what \
             was accepted silently lost or altered.",
        ),
    ],
};
