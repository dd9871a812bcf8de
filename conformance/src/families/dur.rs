//! DUR: durability.

mod aging;
mod crashes;
mod damage;
mod ids;
mod ledger;
mod order;
mod parties;
mod restarts;
mod stopping;
mod traffic;
mod volume;

use self::crashes::{what_was_accepted_survives_kills, what_was_cut_off_does_no_harm};
use self::damage::damage_is_told;
use self::ids::no_identifier_is_given_twice;
use self::order::order_holds_across_restarts;
use self::parties::parties_and_members_survive;
use self::restarts::{an_orderly_restart_loses_nothing, what_has_ended_stays_ended};
use self::stopping::a_stop_is_orderly;
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "DUR",
    title: "durability",
    requirements: &[
        must_of(
            Capability::Durable,
            "DUR-1",
            "After an orderly restart: every accepted outstanding delivery is delivered, once \
             acknowledged ones are not, statuses hold.",
            "Restarts twice with unicasts, broadcasts and others outstanding, of 0 bytes to 1 MiB, of \
             which some were streamed, polled, acknowledged and refused; compares statuses, polls, \
             streams, contents and `pending_messages`, also of a party that registers afterwards.",
            check!(an_orderly_restart_loses_nothing),
        )
        .at(Turn::Alone),
        must_of(
            Capability::Durable,
            "DUR-2",
            "The same after `kill -9` at any moment: what was accepted is there; an indeterminate \
             call happened wholly or not at all.",
            "Kills at random moments, again and again, while four parties route, acknowledge, refuse \
             and register, once when nobody calls, and a few times while it starts; compares all that \
             was accepted then and before the kill before, and looks for halves of the calls that had \
             no answer.",
            check!(what_was_accepted_survives_kills),
        )
        .at(Turn::Alone),
        must_of(
            Capability::Durable,
            "DUR-3",
            "Registered parties, their roles and channels, and the sessions' members survive.",
            "Registers parties of each role, with each kind of channel and without, some of them again \
             with another one; compares the directory after a stop and after a kill, and whom \
             broadcasts reach. With `membership`, strangers stay out and what has ended stays closed.",
            check!(parties_and_members_survive),
        )
        .at(Turn::Alone),
        must_of(
            Capability::Durable,
            "DUR-4",
            "ORD-1 to ORD-4, ORD-6, ORD-7 hold across restarts.",
            "Three senders route broadcasts and others before and after each of four restarts; polls \
             and streams of all of it are in each sender's order and in that of `created_at`, and what \
             was caused by a message of before a restart comes after it.",
            check!(order_holds_across_restarts),
        )
        .at(Turn::Alone),
        must_of(
            Capability::Durable,
            "DUR-5",
            "No `message_id` is given twice, before and after.",
            "Compares the identifiers of 148 messages, of which most are acknowledged soon, over two \
             orderly restarts and two after a kill.",
            check!(no_identifier_is_given_twice),
        )
        .at(Turn::Alone),
        must_of(
            Capability::Durable,
            "DUR-6",
            "`acknowledged` and `failed` survive; `delivered` may fall back to `pending`, and \
             `retry_count` to a lower value.",
            "Acknowledges and refuses what was handed out and what was not, and lets deliveries fail by \
             themselves where the timers are short, of age also with a restart in between; compares the \
             statuses after a stop and a kill, and tries to end them the other way.",
            check!(what_has_ended_stays_ended),
        )
        .at(Turn::Alone),
        must_of(
            Capability::Durable,
            "DUR-7",
            "An orderly stop ends open streams with UNAVAILABLE, finishes or refuses (UNAVAILABLE) \
             the calls under way, and exits 0 within `stop_timeout`.",
            "Stops with nobody connected; with a stream of each kind open, calls of which only the first \
             half was sent, and whole ones; and with 60 streams that have nothing to do and one that is \
             not read. What was answered as accepted is there afterwards.",
            check!(a_stop_is_orderly),
        )
        .at(Turn::Alone),
        must_of(
            Capability::Durable,
            "DUR-8",
            "A write that was cut off by a crash never stops the router from starting with \
             everything that was accepted.",
            "Kills in the middle of messages of up to 1 MiB from three parties, several times in a row, \
             so that what was cut off has something written behind it, and while it starts; then compares \
             all of it.",
            check!(what_was_cut_off_does_no_harm),
        )
        .at(Turn::Alone),
        must_of(
            Capability::Durable,
            "DUR-9",
            "Damage in the middle of the store stops the start with a clear error; never is what \
             was accepted silently lost or altered.",
            "Changes some bytes of the largest file of the stopped target's store, at places where it \
             shows payloads, before and behind them and at others, fills a page of it with zeros, and \
             changes some bytes of other files, one at a time: it exits with an error that it prints, or \
             has everything as it was. Then puts the store back.",
            check!(damage_is_told),
        )
        .at(Turn::Alone),
    ],
};
