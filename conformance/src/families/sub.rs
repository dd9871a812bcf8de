//! SUB: subscriptions.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "SUB",
    title: "subscriptions",
    requirements: &[
        unchecked(
            "SUB-1",
            Level::Must,
            Capability::Core,
            "On subscribing, a party first gets its outstanding deliveries of that session, then \
             what is routed from then on.",
        ),
        unchecked(
            "SUB-2",
            Level::Must,
            Capability::Core,
            "Nothing falls between: what is routed while a subscription is being opened is \
             delivered on it.",
        ),
        unchecked(
            "SUB-3",
            Level::Must,
            Capability::Core,
            "A stream that ends, by cancel or by a lost connection, loses nothing: what was not \
             acknowledged is delivered on the next one.",
        ),
        unchecked(
            "SUB-4",
            Level::Must,
            Capability::Core,
            "What was acknowledged is not delivered again, on any stream or poll.",
        ),
        unchecked(
            "SUB-5",
            Level::Must,
            Capability::Core,
            "A second subscription of the same party and session gets everything from then on; what \
             happens to the first is unspecified, but it must not take messages away from the \
             second. (*Second* means opened after the first was seen alive, by its headers or an \
             item; of two opened at the same time either may be the newer.) A `wildcard` stream and \
             a session's stream of one party are two subscriptions; both get everything, in no \
             order between them.",
        ),
        unchecked(
            "SUB-6",
            Level::Must,
            Capability::Core,
            "An empty `party_id` is rejected (INVALID_ARGUMENT).",
        ),
        unchecked(
            "SUB-7",
            Level::Must,
            Capability::Core,
            "An unknown party's subscription is rejected (NOT_FOUND).",
        ),
        unchecked(
            "SUB-8",
            Level::Must,
            Capability::Core,
            "With no message to deliver, the stream stays open and silent; it does not end by \
             itself.",
        ),
        unchecked(
            "SUB-9",
            Level::Must,
            Capability::Wildcard,
            "An empty `session_id` subscribes to all of the party's sessions, those that begin \
             later included; likewise for GetPendingMessages.",
        ),
        unchecked(
            "SUB-10",
            Level::Should,
            Capability::Core,
            "The response headers of both kinds of stream arrive at once, not with the first \
             message.",
        ),
    ],
};
