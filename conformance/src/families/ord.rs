//! ORD: ordering.

mod causes;
mod redeliveries;
mod senders;
mod times;

use self::causes::{everybody_sees_the_same_order, replies_come_after_what_they_reply_to};
use self::redeliveries::redeliveries_leave_the_others_alone;
use self::senders::{
    broadcasts_and_unicasts_keep_their_turn, each_senders_messages_come_in_turn,
    replay_and_live_join_without_a_seam,
};
use self::times::{created_at_agrees_with_the_order, polls_are_ordered_by_age};
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "ORD",
    title: "ordering",
    requirements: &[
        must(
            "ORD-1",
            "Per sender: two messages of one sender to one recipient in one session, the second \
             sent after the first was accepted, are first delivered in that order.",
            "Eight senders at once route up to 1,200 and 120 messages each, one after another, to two \
             recipients; then small messages right behind large ones.",
            check!(each_senders_messages_come_in_turn),
        ),
        must(
            "ORD-2",
            "ORD-1 across kinds: it also holds between a broadcast and a unicast.",
            "Mixes up to 300 broadcasts, unicasts and messages to several, one after another, and reads \
             them live, by poll and on a later stream.",
            check!(broadcasts_and_unicasts_keep_their_turn),
        ),
        must(
            "ORD-3",
            "ORD-1 holds for what is replayed on subscribing, and between the replay and what comes \
             live after it: no gap, no swap.",
            "Subscribes with 1 to 300 messages outstanding (4 MiB in one case) in the middle of what two \
             senders route without a pause, and again after some were acknowledged: copies of what was \
             handed out before keep their sender's order too.",
            check!(replay_and_live_join_without_a_seam),
        ),
        must(
            "ORD-4",
            "Causal: if a recipient sends after it received a message, whoever gets both gets them \
             in that order.",
            "Three parties talk by turns, up to 180 messages, each after it received the one before; \
             others listen live, by poll and on a later stream. Another replies to what it polled.",
            check!(replies_come_after_what_they_reply_to),
        ),
        should(
            "ORD-5",
            "Total: any two recipients that both get two messages of one session get them in the \
             same order.",
            "Six senders at once route up to 50 messages each; three live streams, a later one and a \
             poll are compared.",
            check!(everybody_sees_the_same_order),
        ),
        must(
            "ORD-6",
            "A poll's answer is ordered by `created_at`, and agrees with ORD-1 where these are \
             equal.",
            "Polls what three senders routed over some time, with some of it delivered or acknowledged, \
             and what six senders routed at once, up to 900 messages.",
            check!(polls_are_ordered_by_age),
        ),
        must(
            "ORD-7",
            "`created_at` agrees with the order of delivery: per session and recipient, first \
             deliveries never go back in `created_at`.",
            "Looks at the first deliveries of two senders by turns, and of 550 messages of five at once, \
             live and on a later stream.",
            check!(created_at_agrees_with_the_order),
        ),
        must(
            "ORD-8",
            "A redelivery does not hold back or reorder the first deliveries of others.",
            "Leaves one and 25 messages unacknowledged for longer than `ack_timeout`, routes new ones, \
             and compares their order and arrival with those of a party that has none.",
            check!(redeliveries_leave_the_others_alone),
        ),
    ],
};
