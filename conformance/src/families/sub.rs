//! SUB: subscriptions.

mod ends;
mod opening;
mod replay;
mod second;
mod wildcard;

use self::ends::{an_end_loses_nothing, what_was_acknowledged_is_over};
use self::opening::{
    a_party_is_needed, a_silent_stream_stays_open, headers_come_at_once,
    unknown_parties_are_rejected,
};
use self::replay::{nothing_falls_between, outstanding_first_and_then_live};
use self::second::the_second_gets_everything;
use self::wildcard::all_sessions_at_once;
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "SUB",
    title: "subscriptions",
    requirements: &[
        must(
            "SUB-1",
            "On subscribing, a party first gets its outstanding deliveries of that session, then \
             what is routed from then on.",
            "Subscribes with deliveries in every state, in three sessions at once, with over 5 MiB \
             outstanding, and with up to 1,500 messages live and as many outstanding, none of them \
             acknowledged; registers and announces again beside an open stream.",
            check!(outstanding_first_and_then_live),
        ),
        must(
            "SUB-2",
            "Nothing falls between: what is routed while a subscription is being opened is \
             delivered on it.",
            "Routes while a replay of 6 MiB waits for its reader; then opens up to 90 subscriptions, ten \
             at a time, each in the middle of what two senders route, some with a replay under way.",
            check!(nothing_falls_between),
        ),
        must(
            "SUB-3",
            "A stream that ends, by cancel or by a lost connection, loses nothing: what was not \
             acknowledged is delivered on the next one.",
            "Cancels streams and breaks connections after deliveries, in the middle of a long replay, \
             and again and again while messages are routed.",
            check!(an_end_loses_nothing),
        ),
        must(
            "SUB-4",
            "What was acknowledged is not delivered again, on any stream or poll.",
            "Acknowledges on a stream, after a poll, while away and unseen, and hundreds with gaps \
             between; later streams and polls bring what is left only.",
            check!(what_was_acknowledged_is_over),
        ),
        must(
            "SUB-5",
            "A second subscription of the same party and session gets everything from then on; what \
             happens to the first is unspecified, but it must not take messages away from the \
             second. (*Second* means opened after the first was seen alive, by its headers or an \
             item; of two opened at the same time either may be the newer.) A `wildcard` stream and \
             a session's stream of one party are two subscriptions; both get everything, in no \
             order between them.",
            "Opens a second stream beside a first one, which goes on, is cancelled, loses its connection \
             or is not read, with up to 160 messages; then one stream after the other, and three at once. \
             (Wildcard streams are not part of it.)",
            check!(the_second_gets_everything),
        ),
        must(
            "SUB-6",
            "An empty `party_id` is rejected (INVALID_ARGUMENT).",
            "Subscribes under no name, with a broadcast waiting.",
            check!(a_party_is_needed),
        ),
        must(
            "SUB-7",
            "An unknown party's subscription is rejected (NOT_FOUND).",
            "Subscribes as a member that has not registered, as a stranger, and under names that nearly \
             are a party's; the member then registers and gets what waits for it.",
            check!(unknown_parties_are_rejected),
        ),
        must(
            "SUB-8",
            "With no message to deliver, the stream stays open and silent; it does not end by \
             itself.",
            "Watches streams that had nothing, a replay, or something live, for 3 s or until their \
             parties are offline (where the run may wait for that); then each gets another message.",
            check!(a_silent_stream_stays_open),
        ),
        must_of(
            Capability::Wildcard,
            "SUB-9",
            "An empty `session_id` subscribes to all of the party's sessions, those that begin \
             later included; likewise for GetPendingMessages.",
            "Subscribes to and polls sessions with deliveries in every state, 130 sessions at once, over \
             5 MiB in three, ones announced or joined later, and beside streams of single sessions; \
             orders, acknowledges, cancels and comes back.",
            check!(all_sessions_at_once),
        ),
        should(
            "SUB-10",
            "The response headers of both kinds of stream arrive at once, not with the first \
             message.",
            "Opens one of each kind with nothing to deliver, and waits 3 s for the headers.",
            check!(headers_come_at_once),
        ),
    ],
};
