//! FLW: flow and overload.

mod deadlines;
mod exchange;
mod garbage;
mod leaving;
mod overload;
mod raw;
mod stalls;

use self::deadlines::a_deadline_leaves_nothing_half_done;
use self::garbage::garbage_disturbs_nobody;
use self::overload::what_is_accepted_is_kept;
use self::stalls::{everything_comes_when_it_reads_on, nobody_else_is_delayed};
use super::prelude::*;

pub(super) const FAMILY: Family = Family {
    name: "FLW",
    title: "flow and overload",
    requirements: &[
        must_of(
            Capability::Flow,
            "FLW-1",
            "A subscriber that stops reading delays no other party's deliveries.",
            "Lets 8 MiB wait for each of two readers that have stalled, one of which shares its \
             connection with another party; broadcasts and direct messages to others of the same \
             session, and messages in another one, must take about as long as before.",
            check!(nobody_else_is_delayed),
        )
        .at(Turn::Quiet),
        must_of(
            Capability::Flow,
            "FLW-2",
            "When it reads again, within `message_ttl`, it gets everything, in order.",
            "Lets 1,400 messages of four senders wait for a reader that has stalled, small and large, by \
             broadcast and by name; then it reads on.",
            check!(everything_comes_when_it_reads_on),
        )
        .at(Turn::Quiet),
        must_of(
            Capability::Flow,
            "FLW-3",
            "Under overload a call is either accepted and kept, or rejected at once \
             (RESOURCE_EXHAUSTED or UNAVAILABLE): never accepted and lost.",
            "Makes 700 calls over four connections, 256 of them at once, with 28 MiB for a party that \
             is away and small ones for one that listens as well; compares what was accepted with \
             what both get.",
            check!(what_is_accepted_is_kept),
        )
        .at(Turn::Quiet),
        must_of(
            Capability::Flow,
            "FLW-4",
            "A client that sends garbage, half a frame or a flood of resets does not disturb the \
             others.",
            "Sends noise, HTTP/1, half frames and half requests, false lengths, what is no protobuf, and \
             thousands of resets over dozens of connections, while two parties go on talking.",
            check!(garbage_disturbs_nobody),
        )
        .at(Turn::Quiet),
        should_of(
            Capability::Flow,
            "FLW-5",
            "A call whose deadline passes returns by then and leaves nothing half done.",
            "Sends 90 broadcasts to 24 parties with deadlines about as long as they take, each of which \
             must reach all or nobody, and half a request whose deadline passes before the rest comes.",
            check!(a_deadline_leaves_nothing_half_done),
        )
        .at(Turn::Quiet),
    ],
};
