//! Every limit of the router, with its unit in its name and why it is what it is.

use std::time::Duration;

use mpc_router_core::{Backlog, Capacity, Crowd, Load};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

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

/// How many bytes of messages have to fit into one millisecond for all sessions to share the time. With
/// less, which is so above some 3.9 MiB of payload, each session has a time of its own, or all of them
/// together would run ahead of the clock at 64 MB a second. A poll of all sessions may then miss a
/// message that is accepted just before one of another session (PND-3).
pub const SHARED_MILLISECOND_BYTES: usize = 64 * KIB;

/// How many bytes of messages may wait in memory for their recipients by default: what a machine of
/// some size can spare, and hours of traffic where ceremonies have kilobytes.
pub const DEFAULT_MAX_OUTSTANDING_BYTES: usize = 2 * GIB;

/// How much may wait for one party, over all its sessions. A party that is away for a day in a hundred
/// sessions has some thousand messages waiting; one that has this much does not come back to them, and
/// must not take the room of the others.
pub const PARTY_OUTSTANDING: Load = Load { deliveries: 2 << 20, bytes: 256 * MIB };

/// How much one session may hold: ceremonies have hundreds of messages. The statuses of messages that
/// are over are kept for a day and take some 200 bytes each. An event is kept whole for late
/// subscribers, join tokens and all. A mailbox that nothing is in takes some 300 bytes.
pub const SESSION_CAPACITY: Capacity = Capacity {
    outstanding: Load { deliveries: 4 << 20, bytes: 512 * MIB },
    messages: 4 << 20,
    events: 10_000,
    event_bytes: 16 * MIB,
    spare_mailboxes: 64,
};

/// How many sessions are kept, those included that have ended and whose statuses are kept. Each takes
/// some two KiB before anything is sent in it.
pub const SESSIONS: usize = 1_000_000;

/// How many parties may be registered, and how long their names and channels may be together. A list of
/// them has no pages, so that it has to fit into what gRPC libraries receive by default, 4 MiB: the rest
/// of an entry takes [`PARTY_ENTRY_BYTES`] at most (DIR-1).
pub const PARTIES: Crowd = Crowd { parties: 40_000, bytes: MIB };

/// How long an entry of the list of parties is at most, its name and channels not counted.
pub const PARTY_ENTRY_BYTES: usize = 64;

/// How many streams one party may have open: one for each session it takes part in at the same time.
pub const STREAMS_PER_PARTY: usize = 4_096;

/// How long a party's name and its notification channel may be together: a party alone must not take
/// the room of a thousand.
pub const REGISTRATION_BYTES: usize = 4 * KIB;

/// How long an event's names and its type may be together: they are kept for as long as the session.
pub const EVENT_NAMES_BYTES: usize = 4 * KIB;

/// How much a stream takes out of its mailbox at once. It is what tonic packs into one frame, so that
/// nothing is taken that is not handed to the transport at once.
pub const FRAME_BYTES: usize = 32 * KIB;

/// How far a stream of events may lag behind before it is ended. An entry takes 8 bytes; the event
/// itself is shared with the other streams, but a single stream that is not read keeps it as well.
pub const EVENT_BACKLOG: Backlog = Backlog { events: 16 * KIB, bytes: 16 * MIB };

/// How many calls and streams may be open on one connection. A gateway may carry thousands of
/// parties, each with two streams.
pub const STREAMS_PER_CONNECTION: u32 = 10_000;

/// How many connections there may be. Idle ones take some 30 KiB each, TLS included; one more is closed
/// at once. The system's limit on open files may be lower.
pub const CONNECTIONS: usize = 20_000;

/// How many calls may be under way over all connections, open streams not counted: each may wait for the
/// disk, and holds its request as long.
pub const CALLS: usize = 32_768;

/// How many bytes of requests may be held, of calls that are not answered yet. A client that opens
/// thousands of calls and sends half of each would else have the router hold gigabytes.
pub const REQUEST_BYTES: usize = 512 * MIB;

/// How long the rest of a request may take to come: the largest payload by default takes as long on a
/// line of 300 kbit/s.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How many bytes the headers of a call may have. Ours take some hundred; a key, a deadline and a trace
/// come on top.
pub const HEADER_BYTES: u32 = 16 << 10;

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

/// How much of its file the store keeps in memory. Sessions keep what is outstanding themselves, so the
/// store is read at the start, and written.
pub const STORE_CACHE_BYTES: usize = 64 * MIB;

/// How many bytes of records go into one commit at most, once it has one: they are held in memory
/// until it is done.
pub const COMMIT_BYTES: usize = 32 * MIB;

/// How much room on the store's disk is kept for what ends deliveries. With less, nothing new is
/// accepted.
pub const DISK_RESERVE_BYTES: u64 = 64 * MIB as u64;

/// How long to wait before a disk that failed is tried again, and between two looks at its room.
pub const DISK_INTERVAL: Duration = Duration::from_secs(1);

/// How far ahead times are kept that heartbeats are about to tell, in milliseconds: where nothing
/// else is written, they cost one commit in so long. It is also how long time may stand after a
/// restart that takes no time, so it has to be well below the tolerance for clocks.
pub const TIME_KEPT_MILLIS: i64 = 1_000;

/// How long a TLS handshake may take. It takes two round trips, so that the slowest of links and
/// the busiest of machines are done in a fraction of it; who connects and is silent is gone soon.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many TLS handshakes may be under way. Each takes an open file and its buffers. One more ends
/// the oldest, which is the likeliest to be somebody who never meant to finish: a flood of silent
/// connections then shuts nobody out whose handshake is quicker than the flood.
pub const HANDSHAKES: usize = 1_024;

/// How often certificates and keys are read again, to see whether they are new. They are few and
/// small.
pub const CERTIFICATES_INTERVAL: Duration = Duration::from_secs(5);

/// How many sessions a party that is away is told of before it has come back. Each is kept as long as
/// the party stays away, so there has to be an end; whoever did not come for so many does not come for
/// one more.
pub const NOTICES_PER_PARTY: usize = 1_000;

/// How many notifications are on their way at once by one gateway, so that neither one that hangs holds
/// up the others, nor a crowd of parties that are away fill the memory.
pub const NOTIFICATIONS_AT_ONCE: usize = 64;

/// How long a gateway may take for one notification before it counts as failed.
pub const NOTIFICATION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a mail server may take for one mail, all in all. So long RFC 5321 (4.5.3.2.6) lets it think
/// alone about whether it takes a mail that it has: one that is given up sooner may come twice.
pub const MAIL_TIMEOUT: Duration = Duration::from_mins(10);

/// How long a mail server may take to say goodbye. The mail is settled by then, so this only bounds how
/// long a connection is left over.
pub const MAIL_QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long after its first failure a notification is tried again, at the most: the time doubles with
/// each further failure.
pub const NOTIFICATION_RETRY: Duration = Duration::from_secs(1);

/// Where the doubling ends: a gateway that is repaired is noticed soon enough, and one that is not gets
/// some 150 tries of a notification in a day.
pub const NOTIFICATION_LONGEST_RETRY: Duration = Duration::from_mins(10);

/// How often a connection is looked at for whether its client's certificate has expired (SEC-8): a clock
/// that was set, or a machine that slept, keeps it open no longer than this.
pub const CERTIFICATE_EXPIRY_INTERVAL: Duration = Duration::from_mins(1);

/// How many connections the operations address has at a time. Those of a few collectors and probes;
/// the others wait.
pub const OPERATIONS_CONNECTIONS: usize = 32;

/// How long a request there may take, from its first byte to the last of its answer.
pub const OPERATIONS_TIMEOUT: Duration = Duration::from_secs(10);

/// How many headers a request there may have.
pub const OPERATIONS_HEADERS: usize = 64;

/// How long its headers may be together.
pub const OPERATIONS_HEADER_BYTES: usize = 16 * KIB;

/// How long what it brings may be: a log filter.
pub const OPERATIONS_BODY_BYTES: usize = 4 * KIB;

/// How much of a name that somebody gave is logged with a call that may be refused for it.
pub const LOGGED_NAME_CHARACTERS: usize = 128;

/// How many parts the map of sessions has, each with a lock of its own that is held only to look a
/// session up.
pub const SESSION_SHARDS: usize = 64;

// Nobody who keeps to the default payload has his clock run ahead for it.
const _: () = assert!(millisecond_bytes(DEFAULT_MAX_PAYLOAD_BYTES) == MILLISECOND_BYTES);
const _: () = assert!(PARTIES.bytes + PARTIES.parties * PARTY_ENTRY_BYTES <= POLL_ANSWER_BYTES);
const _: () = assert!(PARTY_OUTSTANDING.bytes < SESSION_CAPACITY.outstanding.bytes);
const _: () = assert!(SESSION_CAPACITY.outstanding.bytes < DEFAULT_MAX_OUTSTANDING_BYTES);
const _: () = assert!(MESSAGE_NAMES_BYTES < REQUEST_MARGIN_BYTES);
const _: () = assert!(REQUEST_BYTES >= 32 * DEFAULT_MAX_PAYLOAD_BYTES);
const _: () = assert!(FRAME_BYTES < CALL_WINDOW_BYTES as usize);
const _: () = assert!(CALL_WINDOW_BYTES < CONNECTION_WINDOW_BYTES);
