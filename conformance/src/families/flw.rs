//! FLW: flow and overload.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "FLW",
    title: "flow and overload",
    requirements: &[
        unchecked(
            "FLW-1",
            Level::Must,
            Capability::Flow,
            "A subscriber that stops reading delays no other party's deliveries.",
        ),
        unchecked(
            "FLW-2",
            Level::Must,
            Capability::Flow,
            "When it reads again, within `message_ttl`, it gets everything, in order.",
        ),
        unchecked(
            "FLW-3",
            Level::Must,
            Capability::Flow,
            "Under overload a call is either accepted and kept, or rejected at once \
             (RESOURCE_EXHAUSTED or UNAVAILABLE): never accepted and lost.",
        ),
        unchecked(
            "FLW-4",
            Level::Must,
            Capability::Flow,
            "A client that sends garbage, half a frame or a flood of resets does not disturb the \
             others.",
        ),
        unchecked(
            "FLW-5",
            Level::Should,
            Capability::Flow,
            "A call whose deadline passes returns by then and leaves nothing half done.",
        ),
    ],
};
