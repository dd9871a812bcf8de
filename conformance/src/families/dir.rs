//! DIR: the party directory.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "DIR",
    title: "the party directory",
    requirements: &[
        unchecked(
            "DIR-1",
            Level::Must,
            Capability::Core,
            "No filter: every registered party, each once.",
        ),
        unchecked(
            "DIR-2",
            Level::Must,
            Capability::Core,
            "`role_filter`: exactly the parties of that role.",
        ),
        unchecked(
            "DIR-3",
            Level::Must,
            Capability::Core,
            "`only_online`: exactly the parties that are online (see HB).",
        ),
        unchecked(
            "DIR-4",
            Level::Must,
            Capability::Core,
            "`total_count` equals the number of parties in the answer.",
        ),
        unchecked(
            "DIR-5",
            Level::Should,
            Capability::Core,
            "An unknown `role_filter` is rejected (INVALID_ARGUMENT).",
        ),
        unchecked(
            "DIR-6",
            Level::Must,
            Capability::Core,
            "Filters combine: role and online together.",
        ),
    ],
};
