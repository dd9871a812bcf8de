//! EXP: expiry.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "EXP",
    title: "expiry",
    requirements: &[
        unchecked(
            "EXP-1",
            Level::Must,
            Capability::Expiry,
            "A delivery outstanding for `message_ttl` becomes `failed` and is handed out no more.",
        ),
        unchecked(
            "EXP-2",
            Level::Must,
            Capability::Expiry,
            "Before that it is kept, however long the recipient is away.",
        ),
    ],
};
