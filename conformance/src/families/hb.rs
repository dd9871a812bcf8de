//! HB: heartbeats and liveness.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "HB",
    title: "heartbeats and liveness",
    requirements: &[
        unchecked(
            "HB-1",
            Level::Must,
            Capability::Core,
            "A heartbeat of a registered party is accepted; `server_timestamp` is the router's \
             clock, within `clock_tolerance` of now.",
        ),
        unchecked(
            "HB-2",
            Level::Must,
            Capability::Core,
            "A heartbeat of an unknown party is rejected (NOT_FOUND), and does not register it.",
        ),
        unchecked(
            "HB-3",
            Level::Must,
            Capability::Core,
            "`server_timestamp` never goes back from one heartbeat to the next.",
        ),
        unchecked(
            "HB-4",
            Level::Must,
            Capability::Core,
            "`pending_messages` is the number of the party's outstanding deliveries, over all its \
             sessions.",
        ),
        unchecked(
            "HB-5",
            Level::Must,
            Capability::Core,
            "A party is online right after it registers, and stays online as long as its heartbeats \
             come within `heartbeat_timeout` of each other.",
        ),
        unchecked(
            "HB-6",
            Level::Must,
            Capability::Core,
            "A party with no open stream that has made no call for longer than `heartbeat_timeout` \
             is offline. (Which calls besides heartbeats count as a sign of life is unspecified: \
             checks let the party be wholly silent.)",
        ),
        unchecked(
            "HB-7",
            Level::Must,
            Capability::Core,
            "A heartbeat brings an offline party online again.",
        ),
        unchecked(
            "HB-8",
            Level::Must,
            Capability::Core,
            "Liveness uses the router's clock: a `timestamp` in the request hours in the past or \
             the future changes nothing.",
        ),
        unchecked(
            "HB-9",
            Level::Must,
            Capability::Core,
            "`last_seen_at` never goes back, and after a heartbeat it is not older than the \
             `server_timestamp` that this heartbeat was answered with.",
        ),
        unchecked(
            "HB-10",
            Level::Should,
            Capability::Core,
            "An open stream alone does not keep a silent party online.",
        ),
        unchecked(
            "HB-11",
            Level::Must,
            Capability::Core,
            "Going offline loses nothing: the outstanding deliveries are there when the party comes \
             back.",
        ),
        unchecked(
            "HB-12",
            Level::Must,
            Capability::Core,
            "One party's heartbeats do not keep another one online.",
        ),
    ],
};
