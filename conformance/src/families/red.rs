//! RED: redelivery.

mod again;
mod copies;
mod counts;
mod early;
mod elsewhere;
mod fails;
mod others;
mod stalled;

use self::again::what_is_not_acknowledged_comes_again;
use self::counts::{no_stream_no_retries, retry_count_counts_timed_redeliveries};
use self::early::no_copy_comes_too_early;
use self::fails::deliveries_fail_after_all_attempts;
use self::others::{an_acknowledgement_ends_the_attempts, silence_concerns_nobody_else};
use self::stalled::what_is_held_back_is_not_sent;
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "RED",
    title: "redelivery",
    requirements: &[
        must_of(
            Capability::Redelivery,
            "RED-1",
            "A delivery sent on an open stream and not acknowledged within `ack_timeout` is sent \
             again on it, with the same `message_id` and content.",
            "Leaves messages of every kind unacknowledged, live and replayed, of up to 1.5 MiB, 120 on one \
             stream, for 20 parties at once, on a stream that goes on bringing others, beside polls, \
             after coming back and on a stream of all sessions; compares each copy with the first.",
            check!(what_is_not_acknowledged_comes_again),
        ),
        must_of(
            Capability::Redelivery,
            "RED-2",
            "It is not sent again on the same stream before `ack_timeout` has passed.",
            "Times each copy against the moment before which it cannot have been sent: live, after a long \
             wait, on a second stream, staggered, and beside polls, heartbeats, acknowledgements and \
             new messages.",
            check!(no_copy_comes_too_early),
        ),
        must_of(
            Capability::Redelivery,
            "RED-3",
            "`retry_count` is 0 after the first delivery, and grows by one with each timed \
             redelivery. (It is one count per delivery; with two streams open it is unspecified.)",
            "Holds `retry_count` against the copies that came, one by one to the last, on one stream and \
             on a second one, for recipients of the same message that have had none, and for parties \
             that have a stream of another session or of events only.",
            check!(retry_count_counts_timed_redeliveries),
        ),
        must_of(
            Capability::Redelivery,
            "RED-4",
            "After `max_retries` timed redeliveries without an acknowledgement, and not before \
             `ack_timeout` after the last, the delivery is `failed`, and is not sent any more.",
            "Acknowledges nothing and waits until all attempts are over: alone, 60 at once, on two \
             streams one after the other, on one of all sessions, and beside recipients who have not \
             been sent it or have acknowledged it. Nothing of it is counted as pending then.",
            check!(deliveries_fail_after_all_attempts),
        ),
        must_of(
            Capability::Redelivery,
            "RED-5",
            "A party without an open stream uses up no retries.",
            "Leaves after a delivery, by cancel and by a lost connection, comes and goes more often than \
             there are retries, only polls, or is away from the start, for longer than all attempts \
             take; then comes back.",
            check!(no_stream_no_retries),
        ),
        must_of(
            Capability::Redelivery,
            "RED-6",
            "An acknowledgement between two attempts ends them.",
            "Acknowledges and refuses after the first delivery, after a redelivery and after two, also on \
             another connection, on streams of all sessions and every other one of 60; no copy follows.",
            check!(an_acknowledgement_ends_the_attempts),
        ),
        must_of(
            Capability::Redelivery,
            "RED-7",
            "One party's missing acknowledgement causes no redelivery to another.",
            "Lets one recipient be silent beside others who acknowledge, refuse, poll or come later, by \
             broadcast and by name, until its delivery is sent again and again.",
            check!(silence_concerns_nobody_else),
        ),
        must_of(
            Capability::Redelivery,
            "RED-8",
            "What flow control still holds back is not sent yet: its timer has not begun, and a \
             reader that was stalled for long loses no delivery by it.",
            "Lets 5 MiB wait for a reader that takes 64 KiB and then stalls for longer than all attempts \
             take; then it reads on, gets everything, and what was held back is as if just sent.",
            check!(what_is_held_back_is_not_sent),
        ),
    ],
};
