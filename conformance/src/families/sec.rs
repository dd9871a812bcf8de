//! SEC: identity.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "SEC",
    title: "identity",
    requirements: &[
        unchecked(
            "SEC-1",
            Level::Must,
            Capability::Secure,
            "A plaintext connection, or one without a trusted client certificate, gets nothing.",
        ),
        unchecked(
            "SEC-2",
            Level::Must,
            Capability::Secure,
            "A call in another party's name (`from_party`, `party_id`) is rejected \
             (PERMISSION_DENIED).",
        ),
        unchecked(
            "SEC-3",
            Level::Must,
            Capability::Secure,
            "Only a coordinator publishes session events.",
        ),
        unchecked(
            "SEC-4",
            Level::Must,
            Capability::Secure,
            "Only the sender, a recipient or a coordinator sees a message's status \
             (PERMISSION_DENIED or NOT_FOUND).",
        ),
        unchecked(
            "SEC-5",
            Level::Must,
            Capability::Secure,
            "A party sees only its own entry of `join_tokens`.",
        ),
        unchecked(
            "SEC-6",
            Level::Must,
            Capability::Secure,
            "Notification channels are shown to their own party and to coordinators only.",
        ),
        unchecked(
            "SEC-7",
            Level::Must,
            Capability::Secure,
            "Payloads, join tokens and notification addresses appear in no log, metric or error \
             message.",
        ),
        unchecked(
            "SEC-8",
            Level::Should,
            Capability::Secure,
            "An expired or not yet valid certificate is refused.",
        ),
        unchecked(
            "SEC-9",
            Level::Must,
            Capability::Secure,
            "A coordinator does not route, subscribe or acknowledge in a party's name.",
        ),
    ],
};
