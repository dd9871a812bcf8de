//! EVT: session events.

mod arrival;
mod content;
mod counting;
mod lagging;
mod refusals;
mod replayed;
mod series;

use self::arrival::{
    events_arrive_in_order, only_the_selected_get_it, subscribers_get_what_concerns_them,
    the_same_again_is_not_delivered, types_filter_exactly,
};
use self::content::{all_fields_arrive, what_is_empty_is_filled};
use self::counting::{ended_streams_do_not_count, the_count_is_of_parties};
use self::refusals::{
    impossible_events_are_rejected, incomplete_events_are_rejected,
    unknown_subscribers_are_rejected,
};
use self::replayed::late_subscribers_get_what_selected_them;
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "EVT",
    title: "session events",
    requirements: &[
        must(
            "EVT-1",
            "A subscriber gets every event published after its subscription that concerns it: it is \
             in `selected_parties`, or these are empty. (So a check ignores events of sessions that \
             are not its own.)",
            "Publishes events for one, several, 60 and all subscribers, in bursts of one session, some \
             exactly alike, hundreds at once, after a subscriber has opened a second stream, and beside \
             one that does not read for a while.",
            check!(subscribers_get_what_concerns_them),
        ),
        must(
            "EVT-2",
            "`event_types` filters exactly; empty means all.",
            "Publishes events of six types to subscribers with no filter, one, several and all types, \
             and ones that are nearly called like a type; each gets those it asked for.",
            check!(types_filter_exactly),
        ),
        must(
            "EVT-3",
            "All fields arrive as published: thresholds, `selected_parties`, `message_hash`, \
             `expires_at`, and at least the subscriber's own entry of `join_tokens`.",
            "Publishes events with few and with 300 selected parties in an order of their own, hashes of \
             0 bytes to 64 KiB, tokens of many shapes, and compares what each subscriber gets.",
            check!(all_fields_arrive),
        ),
        must(
            "EVT-4",
            "An `event_id` that was given is kept; an empty one is filled with a new one. The same \
             for `created_at`, 0 meaning empty.",
            "Publishes events with and without each of the two, also many at once, and compares what two \
             subscribers get.",
            check!(what_is_empty_is_filled),
        ),
        must(
            "EVT-5",
            "`subscriber_count` is the number of distinct parties it was delivered to; a party with \
             two streams counts once.",
            "Publishes events that select parties which listen, listen on two streams, listen for other \
             types or do not listen, and compares the counts.",
            check!(the_count_is_of_parties),
        ),
        must(
            "EVT-6",
            "Events published one after another arrive in that order.",
            "Publishes 250 events one after another, in one session and in several, small and large, \
             with and without tokens, over two connections, to subscribers with and without a filter.",
            check!(events_arrive_in_order),
        ),
        must(
            "EVT-7",
            "No event, or one without `session_id` or `event_type`, is rejected (INVALID_ARGUMENT).",
            "Publishes such events to a listening subscriber, who gets none of them, but gets the \
             corrected one, published under the same `event_id`.",
            check!(incomplete_events_are_rejected),
        ),
        should(
            "EVT-8",
            "`threshold_t` over `threshold_n`, a negative threshold, or a party selected twice is \
             rejected (INVALID_ARGUMENT).",
            "Publishes such events to a listening subscriber, who gets none of them, and ones that are \
             just right.",
            check!(impossible_events_are_rejected),
        ),
        should(
            "EVT-9",
            "Publishing the same event again, `event_id` included, delivers nothing again. (Its \
             `subscriber_count` is unspecified.)",
            "Publishes events again, at once, after others, after a hundred others, over another \
             connection and several times at the same time.",
            check!(the_same_again_is_not_delivered),
        ),
        must(
            "EVT-10",
            "An unknown party's event subscription is rejected (NOT_FOUND); an empty `party_id` is \
             rejected (INVALID_ARGUMENT).",
            "Subscribes as parties that never registered, as one that an event selects, as ones that are \
             nearly called like a known one, and without a name.",
            check!(unknown_subscribers_are_rejected),
        ),
        must(
            "EVT-11",
            "A stream that ended is no longer counted or waited for.",
            "Cancels streams, breaks connections, and ends half of many streams: soon the count tells \
             who still listens (by a difference, where events go to everybody), and publishing goes on \
             working meanwhile and does not take 1 s longer.",
            check!(ended_streams_do_not_count),
        ),
        should(
            "EVT-12",
            "Parties that are not selected do not get the event.",
            "Publishes events that select some of several subscribers, with names that are much alike, \
             and a hundred that select random ones; each gets its own only.",
            check!(only_the_selected_get_it),
        ),
        must_of(
            Capability::EventReplay,
            "EVT-13",
            "A selected party that subscribes after an event of a session that has neither ended \
             nor expired gets it then, once per stream, before later ones, if `event_types` lets it \
             through. (Events that select nobody are not replayed.)",
            "Subscribes after up to 150 events of a dozen sessions, once and again, with filters, as a \
             party that registered later, that is no member any more, or while events are published; \
             each comes once, as published, in order, before what comes live.",
            check!(late_subscribers_get_what_selected_them),
        ),
    ],
};
