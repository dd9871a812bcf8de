//! SES: sessions and membership.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "SES",
    title: "sessions and membership",
    requirements: &[
        unchecked(
            "SES-1",
            Level::Must,
            Capability::Membership,
            "A sender that is not a member is rejected (PERMISSION_DENIED).",
        ),
        unchecked(
            "SES-2",
            Level::Must,
            Capability::Membership,
            "A recipient that is not a member is rejected (INVALID_ARGUMENT or NOT_FOUND); RTE-8 \
             holds.",
        ),
        unchecked(
            "SES-3",
            Level::Must,
            Capability::Membership,
            "Routing in a session never announced is rejected (NOT_FOUND or FAILED_PRECONDITION).",
        ),
        unchecked(
            "SES-4",
            Level::Must,
            Capability::Membership,
            "Routing in a session that has ended or expired is rejected (FAILED_PRECONDITION).",
        ),
        unchecked(
            "SES-5",
            Level::Must,
            Capability::Membership,
            "What was accepted before the end can still be fetched and acknowledged.",
        ),
        unchecked(
            "SES-6",
            Level::Must,
            Capability::Membership,
            "A later `session_started` with other `selected_parties` changes the members from then \
             on; earlier deliveries stay.",
        ),
        unchecked(
            "SES-7",
            Level::Must,
            Capability::Membership,
            "A party that is not a member, and was not when anything was routed to it, cannot \
             subscribe to or poll the session (PERMISSION_DENIED or NOT_FOUND).",
        ),
    ],
};
