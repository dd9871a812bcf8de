//! Room: what a MessageRouter decides; a deterministic state machine without input and output.
//! In: `handle_*` calls with parsed identifiers, encoded content and the time.
//! Out: outcomes, and effects as data for a shell to perform.
//! Knows: sessions, parties, deliveries, session events, and how they may change.
//! Blind to: clocks, threads, disks, networks, randomness, protobuf, and what a message says.
//!
//! Three units, with nothing shared between them:
//!
//! - [`Session`]: members, messages, mailboxes and message streams of one session, in one order;
//! - [`Directory`]: who is registered, and who is online;
//! - [`Events`]: who listens for session events.
//!
//! Each has four kinds of method and no fifth: `handle_*` changes it, `poll_effect` hands out what
//! a shell has to do, getters look, and `assert_invariants` checks. The same calls always give the
//! same answers.
//!
//! ```
//! use mpc_router_core::{Budget, Content, Effect, MessageId, Millis, PartyId, Policy, Route, Session, StreamId};
//!
//! let (alice, bob) = (PartyId::parse("alice")?, PartyId::parse("bob")?);
//! let open = Policy { membership: false, ..Policy::default() };
//! let mut session = Session::new(open);
//! session.handle_subscribe(StreamId(1), bob.clone())?;
//!
//! let route = Route { id: MessageId(7), from: alice, to: vec![bob], size: 5, key: None };
//! session.handle_route(Millis(1_000), route, &(), |_| Content::from("hello"))?;
//!
//! // The shell writes the record, says so, and only then replies.
//! let Some(Effect::Outstanding { .. }) = session.poll_effect() else { panic!() };
//! let Some(Effect::Append { position, .. }) = session.poll_effect() else { panic!() };
//! assert_eq!(position, session.bound());
//! session.handle_committed(position);
//! assert_eq!(session.poll_effect(), Some(Effect::Wake { stream: StreamId(1) }));
//!
//! let mut batch = Vec::new();
//! session.handle_pull(Millis(1_001), StreamId(1), Budget::bytes(32_768), &mut batch)?;
//! assert_eq!(batch, [Content::from("hello")]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budget;
mod content;
mod delivery;
mod directory;
mod events;
mod fetch;
mod id;
mod kept;
mod ledger;
mod load;
mod mailbox;
mod record;
mod session;
mod streams;
mod time;
mod timers;

pub use budget::Budget;
pub use content::Content;
pub use delivery::{DeliveryEvent, DeliveryState, Transition};
pub use directory::{
    Channel, Crowd, Directory, DirectoryEffect, DirectoryRecord, Errand, Filter, ListedParty,
    Notification, RegisterError, Registered, Registration, Role, UnknownParty, UnknownRole,
};
pub use events::{Backlog, EventEffect, EventStreamError, Events, PublishedEvent};
pub use fetch::{Gathering, Selected};
pub use id::{
    EmptyId, EventId, MailboxIndex, MalformedMessageId, MessageId, PartyId, Position, SessionId,
    StreamId,
};
pub use load::{Load, Room};
pub use record::{Announcement, EventKind, Record};
pub use session::{
    Acknowledge, AcknowledgeError, Acknowledged, AnnounceError, Announced, Capacity,
    DeliveryStatus, Effect, Header, IdempotencyKey, MessageStatus, NotAdmitted, Policy, Route,
    RouteError, Routed, Session, StatusError, StreamEnded,
};
pub use time::Millis;
