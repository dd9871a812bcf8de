//! PND: polling.

use crate::requirement::{Capability, Family, Level, unchecked};

pub(super) const FAMILY: Family = Family {
    name: "PND",
    title: "polling",
    requirements: &[
        unchecked(
            "PND-1",
            Level::Must,
            Capability::Core,
            "A poll answers with the party's outstanding deliveries of that session, each once, \
             oldest first.",
        ),
        unchecked(
            "PND-2",
            Level::Must,
            Capability::Core,
            "A message older than `after_timestamp` is not in the answer; one equal to it may be or \
             not; `after_timestamp = 0` asks for all.",
        ),
        unchecked(
            "PND-3",
            Level::Must,
            Capability::Core,
            "A poller that passes the largest `created_at` it has seen as the next \
             `after_timestamp`, and drops what it has by `message_id`, misses nothing, also when \
             many messages fall into one millisecond, and whether or not it acknowledges in \
             between.",
        ),
        unchecked(
            "PND-4",
            Level::Must,
            Capability::Core,
            "A backlog larger than one gRPC message is still fetched whole by polling on: an answer \
             is at most 4 MiB or one message long, holds the oldest ones that fit, and holds one \
             that is newer than `after_timestamp` as long as there is any.",
        ),
        unchecked(
            "PND-5",
            Level::Must,
            Capability::Core,
            "Being polled is being delivered: the status becomes `delivered`, and polling again \
             before the acknowledgement answers with it again.",
        ),
        unchecked(
            "PND-6",
            Level::Must,
            Capability::Core,
            "Polling never uses up retries: `retry_count` stays as it was.",
        ),
        unchecked(
            "PND-7",
            Level::Must,
            Capability::Core,
            "An unknown party's poll is rejected (NOT_FOUND); an empty `party_id` is rejected \
             (INVALID_ARGUMENT).",
        ),
        unchecked(
            "PND-8",
            Level::Must,
            Capability::Core,
            "Polls and a stream of the same party agree: acknowledged through either, gone from \
             both.",
        ),
    ],
};
