//! RED: redelivery.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "RED",
    title: "redelivery",
    requirements: &[
        unchecked(
            "RED-1",
            Level::Must,
            Capability::Redelivery,
            "A delivery sent on an open stream and not acknowledged within `ack_timeout` is sent \
             again on it, with the same `message_id` and content.",
        ),
        unchecked(
            "RED-2",
            Level::Must,
            Capability::Redelivery,
            "It is not sent again on the same stream before `ack_timeout` has passed.",
        ),
        unchecked(
            "RED-3",
            Level::Must,
            Capability::Redelivery,
            "`retry_count` is 0 after the first delivery, and grows by one with each timed \
             redelivery. (It is one count per delivery; with two streams open it is unspecified.)",
        ),
        unchecked(
            "RED-4",
            Level::Must,
            Capability::Redelivery,
            "After `max_retries` timed redeliveries without an acknowledgement, and not before \
             `ack_timeout` after the last, the delivery is `failed`, and is not sent any more.",
        ),
        unchecked(
            "RED-5",
            Level::Must,
            Capability::Redelivery,
            "A party without an open stream uses up no retries.",
        ),
        unchecked(
            "RED-6",
            Level::Must,
            Capability::Redelivery,
            "An acknowledgement between two attempts ends them.",
        ),
        unchecked(
            "RED-7",
            Level::Must,
            Capability::Redelivery,
            "One party's missing acknowledgement causes no redelivery to another.",
        ),
        unchecked(
            "RED-8",
            Level::Must,
            Capability::Redelivery,
            "What flow control still holds back is not sent yet: its timer has not begun, and a \
             reader that was stalled for long loses no delivery by it.",
        ),
    ],
};
