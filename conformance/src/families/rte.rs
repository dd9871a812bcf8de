//! RTE: routing.

mod content;
mod copies;
mod oversized;
mod recipients;
mod refusals;
mod sessions;
mod unknown_fields;

use self::content::{
    created_at_is_now, identifiers_are_unique_and_the_same_everywhere, rounds_and_types_are_labels,
    what_arrives_is_what_was_sent,
};
use self::copies::named_twice_is_meant_once;
use self::oversized::too_long_payloads_are_rejected;
use self::recipients::{
    all_named_get_it_once, everybody_but_the_sender_gets_it, the_one_named_gets_it,
};
use self::refusals::{
    all_or_none, negative_rounds_are_rejected, nobody_sends_to_itself,
    session_and_sender_are_needed,
};
use self::sessions::{a_lonely_broadcast_is_accepted, sessions_do_not_mix};
use self::unknown_fields::unknown_fields_are_as_good_as_absent;
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "RTE",
    title: "routing",
    requirements: &[
        must(
            "RTE-1",
            "`to_parties` of one: that party receives the message, and nobody else does.",
            "Routes to parties whose names differ by prefix, letter case, white space or Unicode form, \
             or after hundreds of letters, read by stream and by poll; then up to 5,200 messages with many \
             calls at once.",
            check!(the_one_named_gets_it),
        ),
        must(
            "RTE-2",
            "`to_parties` of several: each of them receives it once, and nobody else does.",
            "Routes to changing parts of a session, 900 messages with many calls at once, and to up to \
             130 parties, by stream and by poll; a second copy counts, of each message, where it came too \
             early to be a redelivery.",
            check!(all_named_get_it_once),
        ),
        must(
            "RTE-3",
            "`to_parties` empty: every member of the session but the sender receives it; \
             `is_broadcast` is true on these, and false on those of RTE-1 and RTE-2.",
            "Broadcasts to members that stream, poll, are offline or have not registered, in sessions of \
             two and of 131, beside messages to one, to several and to all by name, and beside another \
             session.",
            check!(everybody_but_the_sender_gets_it),
        ),
        must(
            "RTE-4",
            "What arrives is what was sent: `session_id`, `from_party`, `round_number`, \
             `message_type`, and `payload` byte for byte, from 0 bytes to `max_payload`.",
            "Compares every field by stream and by poll, live, replayed and handed out again: payloads of \
             0 bytes to `max_payload` (12 MiB at most) around common limits, binary and text; rounds up to \
             the largest; types with white space and Unicode; large ones at once with equal labels.",
            check!(what_arrives_is_what_was_sent),
        ),
        must(
            "RTE-5",
            "`message_id` is not empty, differs between any two accepted messages, and is the same \
             in RouteMessage's answer, on every recipient's copy and in GetMessageStatus.",
            "Routes up to 2,400 equal messages and 400 different ones with many calls at once, of two \
             senders in two sessions, and compares answers, streams, polls and statuses.",
            check!(identifiers_are_unique_and_the_same_everywhere),
        ),
        must(
            "RTE-6",
            "A party named twice in `to_parties` gets one delivery.",
            "Names parties two and three times, side by side and apart: on the stream, in polls, in the \
             status and in `pending_messages` it is one.",
            check!(named_twice_is_meant_once),
        ),
        must(
            "RTE-7",
            "An empty `session_id` or `from_party` is rejected (INVALID_ARGUMENT).",
            "Leaves out either, to one, to several and to all; nothing of it may come.",
            check!(session_and_sender_are_needed),
        ),
        must(
            "RTE-8",
            "All or none: a call that is rejected for one recipient is delivered to none.",
            "Adds an unknown party, the sender or an empty name to good recipients, first, last and \
             between, to a few and to 70; where the call is rejected nobody may get it, and where it is \
             accepted the good ones do.",
            check!(all_or_none),
        ),
        must(
            "RTE-9",
            "A payload of `max_payload` + 1 bytes is rejected (RESOURCE_EXHAUSTED or \
             INVALID_ARGUMENT), and the same connection goes on working. Far over the transport's \
             own limit any status will do; the router goes on working.",
            "Routes one byte too many to one, to several and to all beside an open stream, which must go \
             on; then 16 MiB too many on a connection of its own.",
            check!(too_long_payloads_are_rejected),
        ),
        must(
            "RTE-10",
            "Messages of one session never reach a subscription or a poll of another, for a party \
             that is in both.",
            "Routes at the same time in sessions whose names differ by prefix, letter case, white space \
             or Unicode form, or after hundreds of letters, with the same members, read by stream and by \
             poll; and in pairs of session and party that are equal when glued together.",
            check!(sessions_do_not_mix),
        ),
        should(
            "RTE-11",
            "`created_at` lies within `clock_tolerance` of now.",
            "Compares `created_at`, on the stream and in a poll, with the suite's clock.",
            check!(created_at_is_now),
        ),
        should(
            "RTE-12",
            "A negative `round_number` is rejected (INVALID_ARGUMENT).",
            "Routes with rounds of -1, -1,000 and the smallest there is; nothing of it may come.",
            check!(negative_rounds_are_rejected),
        ),
        should(
            "RTE-13",
            "A sender that names itself in `to_parties` is rejected (INVALID_ARGUMENT).",
            "Names the sender alone and among others; nothing of it may come.",
            check!(nobody_sends_to_itself),
        ),
        must(
            "RTE-14",
            "`round_number` and `message_type` are opaque: a later round routed before an earlier \
             one is delivered in the order routed.",
            "Routes rounds and types in no sensible order, two messages wholly equal, and reads them \
             live, by poll and on a later stream.",
            check!(rounds_and_types_are_labels),
        ),
        must(
            "RTE-15",
            "A request with protobuf fields this version does not know is handled as if they were \
             absent.",
            "Makes each of the ten calls with unknown fields of every kind in front of, behind and \
             between the known ones, and inside nested messages.",
            check!(unknown_fields_are_as_good_as_absent),
        ),
        should(
            "RTE-16",
            "A broadcast in a session whose only member is its sender is accepted, with no \
             deliveries. (What its status says is unspecified.)",
            "Broadcasts alone: nothing may come back, nor reach another session.",
            check!(a_lonely_broadcast_is_accepted),
        ),
    ],
};
