//! EVT: session events.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "EVT",
    title: "session events",
    requirements: &[
        unchecked(
            "EVT-1",
            Level::Must,
            Capability::Core,
            "A subscriber gets every event published after its subscription that concerns it: it is \
             in `selected_parties`, or these are empty. (So a check ignores events of sessions that \
             are not its own.)",
        ),
        unchecked(
            "EVT-2",
            Level::Must,
            Capability::Core,
            "`event_types` filters exactly; empty means all.",
        ),
        unchecked(
            "EVT-3",
            Level::Must,
            Capability::Core,
            "All fields arrive as published: thresholds, `selected_parties`, `message_hash`, \
             `expires_at`, and at least the subscriber's own entry of `join_tokens`.",
        ),
        unchecked(
            "EVT-4",
            Level::Must,
            Capability::Core,
            "An `event_id` that was given is kept; an empty one is filled with a new one. The same \
             for `created_at`, 0 meaning empty.",
        ),
        unchecked(
            "EVT-5",
            Level::Must,
            Capability::Core,
            "`subscriber_count` is the number of distinct parties it was delivered to; a party with \
             two streams counts once.",
        ),
        unchecked(
            "EVT-6",
            Level::Must,
            Capability::Core,
            "Events published one after another arrive in that order.",
        ),
        unchecked(
            "EVT-7",
            Level::Must,
            Capability::Core,
            "No event, or one without `session_id` or `event_type`, is rejected (INVALID_ARGUMENT).",
        ),
        unchecked(
            "EVT-8",
            Level::Should,
            Capability::Core,
            "`threshold_t` over `threshold_n`, a negative threshold, or a party selected twice is \
             rejected (INVALID_ARGUMENT).",
        ),
        unchecked(
            "EVT-9",
            Level::Should,
            Capability::Core,
            "Publishing the same event again, `event_id` included, delivers nothing again. (Its \
             `subscriber_count` is unspecified.)",
        ),
        unchecked(
            "EVT-10",
            Level::Must,
            Capability::Core,
            "An unknown party's event subscription is rejected (NOT_FOUND); an empty `party_id` is \
             rejected (INVALID_ARGUMENT).",
        ),
        unchecked(
            "EVT-11",
            Level::Must,
            Capability::Core,
            "A stream that ended is no longer counted or waited for.",
        ),
        unchecked(
            "EVT-12",
            Level::Should,
            Capability::Core,
            "Parties that are not selected do not get the event.",
        ),
        unchecked(
            "EVT-13",
            Level::Must,
            Capability::EventReplay,
            "A selected party that subscribes after an event of a session that has neither ended \
             nor expired gets it then, once per stream, before later ones, if `event_types` lets it \
             through. (Events that select nobody are not replayed.)",
        ),
    ],
};
