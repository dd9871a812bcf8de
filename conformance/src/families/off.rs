//! OFF: offline mode.

mod firsts;
mod gateways;
mod polled;
mod raised;
mod reach;
mod unraised;

use self::gateways::a_failing_gateway_holds_up_nothing;
use self::polled::polling_alone_is_enough;
use self::raised::one_notification_a_session;
use self::unraised::{removed_channels_are_not_used, the_others_are_told_nothing};
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "OFF",
    title: "offline mode",
    requirements: &[
        must_of(
            Capability::Offline,
            "OFF-1",
            "A party registered with a notification channel (email, phone or push token) that is \
             offline gets what was routed meanwhile by polling alone, without ever opening a \
             stream, and acknowledges it.",
            "Routes 130 messages in two sessions, by broadcast and by name, to parties with each kind of \
             channel that are offline; they poll, acknowledge and poll again, and make no other call.",
            check!(polling_alone_is_enough),
        ),
        must_of(
            Capability::Offline,
            "OFF-2",
            "The first message of a session that becomes outstanding for it while it is offline \
             raises one notification to each of its channels, naming party and session but no \
             payload; further messages of that session raise no other until the party has come back \
             (has heartbeaten, polled or subscribed). A copy may come twice only where sending it \
             failed. (A silent party with an open stream is unspecified.)",
            "Routes broadcasts and direct messages in several sessions to parties with one to three \
             channels that are offline, dozens after the first, 16 at once as the first ones, and where \
             older ones are unread; they come back by heartbeat, by poll, by stream or not at all, go \
             offline again, and are told anew or not.",
            check!(one_notification_a_session),
        ),
        must_of(
            Capability::Offline,
            "OFF-3",
            "A party that is online, or that has no channel, raises none.",
            "Routes to parties that send heartbeats, with a stream and without, have just come back or \
             just registered, or are offline without a channel or with an empty one; what is told to \
             another party after that shows that notifications are sent.",
            check!(the_others_are_told_nothing),
        ),
        must_of(
            Capability::Offline,
            "OFF-4",
            "A notification that cannot be sent is tried again and holds nothing else up: \
             RouteMessage neither waits for it nor fails by it.",
            "Answers nothing that is sent for one party, and refuses twice what is sent for another, in \
             three sessions, with 503, 429, 500 and 302; calls go on beside that, and a third party is \
             told. Then it takes what comes.",
            check!(a_failing_gateway_holds_up_nothing),
        ),
        must_of(
            Capability::Offline,
            "OFF-5",
            "After registering again without a channel it raises no notification.",
            "Lets parties register again without a channel, with an empty one and with other addresses, \
             when they had been told of something and when not; they go offline, and messages come.",
            check!(removed_channels_are_not_used),
        ),
    ],
};
