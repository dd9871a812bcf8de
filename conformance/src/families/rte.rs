//! RTE: routing.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "RTE",
    title: "routing",
    requirements: &[
        unchecked(
            "RTE-1",
            Level::Must,
            Capability::Core,
            "`to_parties` of one: that party receives the message, and nobody else does.",
        ),
        unchecked(
            "RTE-2",
            Level::Must,
            Capability::Core,
            "`to_parties` of several: each of them receives it once, and nobody else does.",
        ),
        unchecked(
            "RTE-3",
            Level::Must,
            Capability::Core,
            "`to_parties` empty: every member of the session but the sender receives it; \
             `is_broadcast` is true on these, and false on those of RTE-1 and RTE-2.",
        ),
        unchecked(
            "RTE-4",
            Level::Must,
            Capability::Core,
            "What arrives is what was sent: `session_id`, `from_party`, `round_number`, \
             `message_type`, and `payload` byte for byte, from 0 bytes to `max_payload`.",
        ),
        unchecked(
            "RTE-5",
            Level::Must,
            Capability::Core,
            "`message_id` is not empty, differs between any two accepted messages, and is the same \
             in RouteMessage's answer, on every recipient's copy and in GetMessageStatus.",
        ),
        unchecked(
            "RTE-6",
            Level::Must,
            Capability::Core,
            "A party named twice in `to_parties` gets one delivery.",
        ),
        unchecked(
            "RTE-7",
            Level::Must,
            Capability::Core,
            "An empty `session_id` or `from_party` is rejected (INVALID_ARGUMENT).",
        ),
        unchecked(
            "RTE-8",
            Level::Must,
            Capability::Core,
            "All or none: a call that is rejected for one recipient is delivered to none.",
        ),
        unchecked(
            "RTE-9",
            Level::Must,
            Capability::Core,
            "A payload of `max_payload` + 1 bytes is rejected (RESOURCE_EXHAUSTED or \
             INVALID_ARGUMENT), and the same connection goes on working. Far over the transport's \
             own limit any status will do; the router goes on working.",
        ),
        unchecked(
            "RTE-10",
            Level::Must,
            Capability::Core,
            "Messages of one session never reach a subscription or a poll of another, for a party \
             that is in both.",
        ),
        unchecked(
            "RTE-11",
            Level::Should,
            Capability::Core,
            "`created_at` lies within `clock_tolerance` of now.",
        ),
        unchecked(
            "RTE-12",
            Level::Should,
            Capability::Core,
            "A negative `round_number` is rejected (INVALID_ARGUMENT).",
        ),
        unchecked(
            "RTE-13",
            Level::Should,
            Capability::Core,
            "A sender that names itself in `to_parties` is rejected (INVALID_ARGUMENT).",
        ),
        unchecked(
            "RTE-14",
            Level::Must,
            Capability::Core,
            "`round_number` and `message_type` are opaque: a later round routed before an earlier \
             one is delivered in the order routed.",
        ),
        unchecked(
            "RTE-15",
            Level::Must,
            Capability::Core,
            "A request with protobuf fields this version does not know is handled as if they were \
             absent.",
        ),
        unchecked(
            "RTE-16",
            Level::Should,
            Capability::Core,
            "A broadcast in a session whose only member is its sender is accepted, with no \
             deliveries. (What its status says is unspecified.)",
        ),
    ],
};
