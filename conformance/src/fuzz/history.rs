//! What clients saw: each call with its begin and its end, each item of a stream, on one clock.
//!
//! Parties, sessions, messages and so on are numbers, which whoever records the history gives out. A
//! **unit** is what a client means to route, once, whatever becomes of the calls by which it tries:
//! its payload says which unit it is, so that every copy can be told from every other one.

use super::wrong::Wrong;

/// A moment on the clock of the history. Nanoseconds.
pub type Moment = u64;

/// What has not happened.
pub const NEVER: Moment = u64::MAX;

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// Its place in a table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}

numbers! {
    /// A party, registered or not.
    Party,
    /// A session.
    Session,
    /// What a client means to route.
    Unit,
    /// A `message_id` that the router gave.
    Message,
    /// A subscription to messages.
    Stream,
    /// What a client means to publish.
    Notice,
    /// A subscription to session events.
    Listener,
}

impl Party {
    /// The number of the role under which it registers, from 0 to 2.
    pub fn role(self) -> u8 {
        (self.0 % 3) as u8
    }
}

/// Everything that all clients of one run saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What time of day it was at the moment 0, if that is known: Unix milliseconds.
    pub date: Option<i64>,
    /// How many parties there are.
    pub parties: u32,
    /// How many sessions there are.
    pub sessions: u32,
    /// How many different `message_id`s were seen.
    pub messages: u32,
    /// What was to be routed.
    pub units: Vec<Routed>,
    /// What was to be published.
    pub notices: Vec<Published>,
    /// All calls, in the order of their begin.
    pub calls: Vec<Call>,
    /// All subscriptions to messages.
    pub streams: Vec<Opened>,
    /// What came on them, in the order in which it came.
    pub items: Vec<Item>,
    /// All subscriptions to events.
    pub listeners: Vec<Listening>,
    /// What came on them, in the order in which it came.
    pub heard: Vec<Heard>,
    /// The times from which to which the target was stopped, killed or started.
    pub outages: Vec<(Moment, Moment)>,
    /// The notifications, in the order in which they came; nothing if nobody can see them.
    pub woken: Option<Vec<Woken>>,
    /// When the drain began: everything was healed by then, and all that waits was fetched after it.
    pub drain: Moment,
}

/// A notification for a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Woken {
    /// When it came.
    pub at: Moment,
    /// Whom it is for.
    pub party: Party,
    /// Of which session it tells, if it is one of the program's.
    pub session: Option<Session>,
    /// By mail, 0, by telephone, 1, or by push, 2; anything else is none of them.
    pub way: u8,
    /// The number of the address, if the party ever gave it, for this way.
    pub channel: Option<u8>,
    /// Whether it carries what was sent.
    pub leaks: bool,
}

/// What was to be routed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// In which session.
    pub session: Session,
    /// By whom.
    pub sender: Party,
    /// To whom; nobody means everybody.
    pub to: Vec<Party>,
    /// How long its payload is. Bytes.
    pub bytes: u32,
}

/// What was to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Of which session.
    pub session: Session,
    /// What it says of the session.
    pub kind: Kind,
    /// Its type: one bit.
    pub event: u8,
    /// Whom it selects.
    pub selected: Vec<Party>,
    /// When its session expires by it, if it says so.
    pub expires: Option<Moment>,
}

/// What an event says of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// That it begins, or who is in it: `session_created` or `session_started`.
    Begins,
    /// That it is over.
    Ends,
    /// Anything else.
    Other,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it was sent.
    pub begun: Moment,
    /// When its answer was there, or it was given up; [`NEVER`] if neither.
    pub ended: Moment,
    /// What was asked for.
    pub asked: Asked,
    /// What came of it.
    pub got: Got,
}

/// What a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To register this party with the address of that number, 0 for none.
    Register(Party, u8),
    /// To note that this party is alive.
    Heartbeat(Party),
    /// To route this unit.
    Route(Unit),
    /// What waits for a party in a session, or in all of them, from this `created_at` on.
    Poll(Party, Option<Session>, i64),
    /// To end a delivery.
    Acknowledge {
        /// Whose.
        party: Party,
        /// In which session.
        session: Session,
        /// Of what.
        message: Message,
        /// Whether it was of use.
        success: bool,
    },
    /// How the deliveries of a message of a session stand.
    Status(Session, Message),
    /// To publish this.
    Publish(Notice),
    /// Who is registered, or online.
    List {
        /// Whether only those who are online.
        only_online: bool,
        /// Only those of this role.
        role: Option<u8>,
        /// Who asks; the coordinator if it is no party.
        by: Option<Party>,
    },
    /// What must be rejected, by this party.
    Wrong(Wrong, Party),
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// It was accepted.
    Done(Answer),
    /// It was rejected for good: it had no effect at all.
    Refused,
    /// Nobody knows: it broke, or was given up, or has a status that can come after the deed.
    Unknown,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing but that it was accepted.
    Accepted,
    /// Of a registration: its `registered_at`. Milliseconds.
    Registered(i64),
    /// Of a heartbeat.
    Heartbeat {
        /// The router's time. Milliseconds.
        server_ms: i64,
        /// How many deliveries are outstanding.
        pending: i64,
    },
    /// The `message_id` that a unit was given.
    Routed(Message),
    /// What a poll lists.
    Polled(Vec<Seen>),
    /// The deliveries of a message.
    Status {
        /// One each.
        deliveries: Vec<Standing>,
        /// Whether it says that all are acknowledged.
        all_acknowledged: bool,
    },
    /// A status of something else, or with a party or a status that there is not.
    Nonsense,
    /// To how many parties an event was delivered.
    Published(i64),
    /// The directory.
    Listed(Listing),
}

/// What the directory says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Of the parties of the program.
    pub entries: Vec<Entry>,
    /// How many entries are of names that nobody registered.
    pub nobodies: u32,
    /// How many entries there are.
    pub all: i64,
    /// How many it says that there are.
    pub total: i64,
}

/// A copy of a message, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its `message_id`.
    pub message: Message,
    /// Its `session_id`.
    pub session: Session,
    /// The unit that its payload names; nothing if it names none.
    pub unit: Option<Unit>,
    /// Whether all that it carries is as it was sent, `from_party` and `is_broadcast` included.
    pub whole: bool,
    /// Its `created_at`. Milliseconds.
    pub created_at: i64,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose it is.
    pub party: Party,
    /// Its status.
    pub phase: Phase,
    /// `delivered_at`. Milliseconds.
    pub delivered_at: i64,
    /// `acknowledged_at`. Milliseconds.
    pub acknowledged_at: i64,
    /// `retry_count`.
    pub retries: i32,
}

/// The status of a delivery. Greater ones are later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not handed out.
    Pending,
    /// Handed out.
    Delivered,
    /// Over: of use.
    Acknowledged,
    /// Over: not of use, or nobody came for it.
    Failed,
}

/// A party, as the directory has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub party: Party,
    /// Whether it is online.
    pub online: bool,
    /// `last_seen_at`. Milliseconds.
    pub last_seen_at: i64,
    /// `registered_at`. Milliseconds.
    pub registered_at: i64,
    /// Its role, if it is one of the three.
    pub role: Option<u8>,
    /// The number of its address, 0 for none, if it is one that it ever gave.
    pub channel: Option<u8>,
}

/// A subscription to messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Whose.
    pub party: Party,
    /// Of which session; nothing if of all.
    pub session: Option<Session>,
    /// When it was sent.
    pub begun: Moment,
    /// When it was first seen alive, by its headers or an item.
    pub alive: Moment,
    /// Until when it was surely there: what came later may have been lost with it.
    pub sound: Moment,
    /// When its client had done with it, or knew that it was over; [`NEVER`] if never. The target may
    /// have noticed later.
    pub over: Moment,
    /// How it ended.
    pub end: End,
}

/// How a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By its client, or never.
    Ours,
    /// With its connection, or with the target.
    Lost,
    /// The target ended it.
    Theirs,
    /// It was refused.
    Refused,
}

/// What came on a subscription to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Which.
    pub stream: Stream,
    /// When.
    pub at: Moment,
    /// What.
    pub seen: Seen,
}

/// A subscription to events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Whose.
    pub party: Party,
    /// The types that it is for, a bit each; all if there is none.
    pub only: u8,
    /// When it was sent.
    pub begun: Moment,
    /// When it was first seen alive.
    pub alive: Moment,
    /// Until when it was surely there.
    pub sound: Moment,
    /// When its client had done with it; [`NEVER`] if never.
    pub over: Moment,
}

/// What came on a subscription to events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Which.
    pub listener: Listener,
    /// When.
    pub at: Moment,
    /// What; nothing if it is none of what was published.
    pub notice: Option<Notice>,
    /// Whether it is as it was published.
    pub whole: bool,
    /// Whether it has the join tokens of others.
    pub has_others_tokens: bool,
}
