//! IDM: safe retries.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "IDM",
    title: "safe retries",
    requirements: &[
        unchecked(
            "IDM-1",
            Level::Must,
            Capability::Idempotency,
            "Two RouteMessage calls with the same `idempotency-key` metadata and equal content (the \
             order of `to_parties` aside), from one sender in one session, are one message: the \
             second answers with the first one's `message_id`, also when the session has ended in \
             between. A rejected call uses up no key.",
        ),
        unchecked(
            "IDM-2",
            Level::Must,
            Capability::Idempotency,
            "The same key with other content is rejected (ALREADY_EXISTS or INVALID_ARGUMENT).",
        ),
        unchecked(
            "IDM-3",
            Level::Must,
            Capability::Idempotency,
            "It also holds for concurrent calls, and across a restart when `durable` is claimed.",
        ),
    ],
};
