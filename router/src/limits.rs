//! Every limit of the router, with its unit in its name and why it is what it is.

use std::time::Duration;

use mpc_router_core::Backlog;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The largest payload by default. Larger ones are possible, at the price that a party's gRPC
/// library has to be told to receive them.
pub const DEFAULT_MAX_PAYLOAD_BYTES: usize = 2 * MIB;

/// How much larger than `max_payload` a request may be. A payload that is over by a little is then
/// refused by the router, in plain words and on a working connection (RTE-9), rather than by the
/// transport. Parties' libraries have to receive as much as this over the payload.
pub const REQUEST_MARGIN_BYTES: usize = 64 * KIB;

/// How long a message's names and its type may be together, so that its recipients can receive what
/// its sender could send: the margin, less what the router adds to a message.
pub const MESSAGE_NAMES_BYTES: usize = REQUEST_MARGIN_BYTES - KIB;

/// How long an idempotency key may be: it is kept for as long as its message's status.
pub const IDEMPOTENCY_KEY_BYTES: usize = 256;

/// The largest answer to a poll: what gRPC libraries receive by default (PND-4).
pub const POLL_ANSWER_BYTES: usize = 4 * MIB;

/// How many bytes of messages share one `created_at` at most (see [`millisecond_bytes`]).
pub const MILLISECOND_BYTES: usize = MIB;

/// How many bytes of messages share one `created_at` (see `mpc_router_core::Policy`): so many that
/// they, their framing and one message more, of up to `max_payload` bytes, fit into a poll's answer
/// (PND-3, PND-4). With payloads that leave no room for that, each message has its own millisecond.
pub const fn millisecond_bytes(max_payload: usize) -> usize {
    let room = POLL_ANSWER_BYTES.saturating_sub(max_payload.saturating_add(REQUEST_MARGIN_BYTES));
    let bytes = room / 9 * 8;
    if bytes < MILLISECOND_BYTES { bytes } else { MILLISECOND_BYTES }
}

/// How long a party's name and its notification channel may be together. A list of the parties has
/// no pages, so all of them have to fit into what a gRPC library receives (DIR-1).
pub const REGISTRATION_BYTES: usize = 4 * KIB;

/// How long an event's names and its type may be together: they are kept for as long as the session.
pub const EVENT_NAMES_BYTES: usize = 4 * KIB;

/// How much a stream takes out of its mailbox at once. It is what tonic packs into one frame, so that
/// nothing is taken that is not handed to the transport at once.
pub const FRAME_BYTES: usize = 32 * KIB;

/// How far a stream of events may lag behind before it is ended. An entry takes 32 bytes; the event
/// itself is shared with the other streams, but a single stream that is not read keeps it as well.
pub const EVENT_BACKLOG: Backlog = Backlog { events: 16 * KIB, bytes: 16 * MIB };

/// How many calls and streams may be open on one connection. A gateway may carry thousands of
/// parties, each with two streams.
pub const STREAMS_PER_CONNECTION: u32 = 10_000;

/// How many calls of one connection may be cancelled before the router has looked at them. A moment
/// in which the router does not come to it lets the deadlines of a whole gateway's calls run out; the
/// default of h2 (20) would then end the connection with all its streams.
pub const CANCELLED_CALLS: usize = STREAMS_PER_CONNECTION as usize;

/// How much a client may send on one call before the router has read it: one default payload.
pub const CALL_WINDOW_BYTES: u32 = 2 << 20;

/// The same for all calls of a connection. Large enough that no call waits for another one's
/// payload; small enough that a thousand idle connections that stop being read stay affordable.
pub const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// How long a connection may be silent before it is asked whether it still lives. With the timeout
/// below it bounds how long a stream outlives its party.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How long it may take to answer that.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How many parts the map of sessions has, each with a lock of its own that is held only to look a
/// session up.
pub const SESSION_SHARDS: usize = 64;

// Nobody who keeps to the default payload has his clock run ahead for it.
const _: () = assert!(millisecond_bytes(DEFAULT_MAX_PAYLOAD_BYTES) == MILLISECOND_BYTES);
const _: () = assert!(MESSAGE_NAMES_BYTES < REQUEST_MARGIN_BYTES);
const _: () = assert!(FRAME_BYTES < CALL_WINDOW_BYTES as usize);
const _: () = assert!(CALL_WINDOW_BYTES < CONNECTION_WINDOW_BYTES);
