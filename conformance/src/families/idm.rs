//! IDM: safe retries.

mod at_once;
mod borders;
mod contrary;
mod late;
mod repeats;
mod restarts;

use self::at_once::calls_at_once_are_one_message;
use self::contrary::other_content_is_rejected;
use self::repeats::the_same_call_is_one_message;
use super::prelude::*;
use crate::keeping::Keeping;
use crate::party::{Party, Sent};

use mpc_router_proto::v1::RouteMessageRequest;

pub(super) const FAMILY: Family = Family {
    name: "IDM",
    title: "safe retries",
    requirements: &[
        must_of(
            Capability::Idempotency,
            "IDM-1",
            "Two RouteMessage calls with the same `idempotency-key` metadata and equal content (the \
             order of `to_parties` aside), from one sender in one session, are one message: the \
             second answers with the first one's `message_id`, also when the session has ended in \
             between. A rejected call uses up no key.",
            "Repeats calls to one, some and all, with their recipients in another order, on another \
             connection, after acknowledgements, after up to 1,300 other keys, after the members changed \
             and after the end of the session, by an event and in time; where the run waits for \
             `message_ttl` anyway, longer than that after they were routed. Uses one \
             key for several senders and sessions, and again after calls that were rejected; long keys, \
             and senders, sessions and keys that are the same once they are put together.",
            check!(the_same_call_is_one_message),
        ),
        must_of(
            Capability::Idempotency,
            "IDM-2",
            "The same key with other content is rejected (ALREADY_EXISTS or INVALID_ARGUMENT).",
            "Repeats calls with another byte at the beginning, in the middle or at the end of payloads of \
             up to 1.5 MiB, another length, round, type, with what belongs to one of these moved to \
             another, more, fewer, other recipients, or all of them by name; none of it arrives, and the \
             key goes on standing for the first call.",
            check!(other_content_is_rejected),
        ),
        must_of(
            Capability::Idempotency,
            "IDM-3",
            "It also holds for concurrent calls, and across a restart when `durable` is claimed.",
            "Makes the same call eight times at once over four connections, again and again, beside \
             contrary calls with the same key, and with one key used by several senders at once. With \
             `durable`, repeats calls after a stop, after a kill, and those that a kill left without an \
             answer.",
            check!(calls_at_once_are_one_message),
        )
        .at(Turn::Alone),
    ],
};

/// Routes a message under a key; it must be accepted.
async fn sends(party: &Party, request: &RouteMessageRequest, key: &str) -> Result<Sent, Stop> {
    let id = party.route_keyed(request.clone(), key).await.accepted()?.message_id;
    Ok(Sent { id, request: request.clone() })
}

/// Repeats the call that `first` came of, as `request` and under the same key: it must be answered
/// as the first one was.
async fn repeats(
    party: &Party,
    request: &RouteMessageRequest,
    key: &str,
    first: &Sent,
    keeping: &Keeping,
    when: &str,
) -> Verdict {
    let answer = keeping.accepted(party.route_keyed(request.clone(), key).await);
    let id = answer.map_err(|stop| stop.told(when))?.message_id;
    if id == first.id {
        return Ok(());
    }
    let seen = format!(
        "a call was answered with message_id {}, and the same call with the same key, {when}, with \
         {id}",
        first.id
    );
    keeping.judged(Err(Stop::broken(seen, "the same message_id: the two are one message")))
}
