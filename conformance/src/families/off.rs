//! OFF: offline mode.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "OFF",
    title: "offline mode",
    requirements: &[
        unchecked(
            "OFF-1",
            Level::Must,
            Capability::Offline,
            "A party registered with a notification channel (email, phone or push token) that is \
             offline gets what was routed meanwhile by polling alone, without ever opening a \
             stream, and acknowledges it.",
        ),
        unchecked(
            "OFF-2",
            Level::Must,
            Capability::Offline,
            "The first message of a session that becomes outstanding for it while it is offline \
             raises one notification to each of its channels, naming party and session but no \
             payload; further messages of that session raise no other until the party has come back \
             (has heartbeaten, polled or subscribed). A copy may come twice only where sending it \
             failed. (A silent party with an open stream is unspecified.)",
        ),
        unchecked(
            "OFF-3",
            Level::Must,
            Capability::Offline,
            "A party that is online, or that has no channel, raises none.",
        ),
        unchecked(
            "OFF-4",
            Level::Must,
            Capability::Offline,
            "A notification that cannot be sent is tried again and holds nothing else up: \
             RouteMessage neither waits for it nor fails by it.",
        ),
        unchecked(
            "OFF-5",
            Level::Must,
            Capability::Offline,
            "After registering again without a channel it raises no notification.",
        ),
    ],
};
