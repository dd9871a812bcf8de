//! What parties did and saw: the lines that the ledger, the report and the live display are made of.

use std::fmt;

use crate::action::Millis;
use crate::encoding::Digest;
use crate::seal::Canary;

/// One line, by one party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Millis,
    /// The party's number.
    pub party: u16,
    /// What it did or saw.
    pub deed: Deed,
}

/// See [`Record`]. No deed holds a payload or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It registered, for the first time or again.
    Registered,
    /// The router refused to register it.
    RegistrationRefused(String),
    /// A visitor came.
    Came,
    /// A visitor left.
    Left,
    /// It vanished for good.
    Vanished,
    /// A stream of it ended, and it will open another.
    Disconnected(String),
    /// The router refused it a stream, as it may before it knows the party or its session; it will
    /// ask again.
    SubscriptionRefused(String),
    /// It joined a session.
    Joined(String),
    /// It began the session's protocol.
    Started(String),
    /// It made a message, and keeps its bytes.
    Made(Made),
    /// It called RouteMessage with these bytes.
    Attempted(Digest),
    /// The router took these bytes, under this `message_id`.
    Accepted(Digest, String),
    /// The router handed it a message.
    Saw(Saw),
    /// One answer to a poll listed this `message_id` twice.
    ListedTwice(String),
    /// It applied the message with these bytes.
    Applied(Digest),
    /// It could not use the message with this `message_id`.
    Refused(String, String),
    /// The router took its acknowledgement of this `message_id`, for good (`true`) or ill.
    Acknowledged(String, bool),
    /// The router refused its acknowledgement of this `message_id`.
    AcknowledgementRefused(String, String),
    /// It has the session's output.
    Finished(String),
    /// The session failed as far as it can tell.
    Failed(String, String),
    /// It knows that the session is over, and listens no more.
    Closed(String),
}

/// A message as its sender made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The session.
    pub session: String,
    /// The `message_type`.
    pub kind: String,
    /// The `round_number`.
    pub round: i32,
    /// Whether it goes to all.
    pub broadcast: bool,
    /// The recipients, a broadcast's expanded.
    pub recipients: Vec<u16>,
    /// Of the payload.
    pub digest: Digest,
    /// Of the payload.
    pub canary: Canary,
    /// The payload's length.
    pub bytes: usize,
}

/// A message as it was handed to a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saw {
    /// Its `message_id`.
    pub message_id: String,
    /// The session it was said to belong to.
    pub session: String,
    /// The session whose stream or poll it came by.
    pub asked: String,
    /// The sender it was said to come from.
    pub from: String,
    /// The `message_type`.
    pub kind: String,
    /// The `round_number`.
    pub round: i32,
    /// The flag.
    pub broadcast: bool,
    /// Of the payload.
    pub digest: Digest,
    /// Of the payload; `None` if that is too short to have one.
    pub canary: Option<Canary>,
    /// Whether it came by a stream that was opened, or a poll that was sent, after the router had
    /// taken this party's acknowledgement (SUB-4).
    pub after_acknowledgement: bool,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered => write!(f, "registered"),
            Self::RegistrationRefused(why) => write!(f, "may not register: {why}"),
            Self::Came => write!(f, "came"),
            Self::Left => write!(f, "left"),
            Self::Vanished => write!(f, "vanished"),
            Self::Disconnected(why) => write!(f, "lost a stream, and opens another: {why}"),
            Self::SubscriptionRefused(why) => {
                write!(f, "may not subscribe yet, and asks again: {why}")
            }
            Self::Joined(session) => write!(f, "joined {session}"),
            Self::Started(session) => write!(f, "began {session}"),
            Self::Made(made) => {
                let to = match made.recipients[..] {
                    _ if made.broadcast => "all".into(),
                    [one] => format!("p{one}"),
                    _ => format!("{} parties", made.recipients.len()),
                };
                write!(f, "sends {} to {to}, {} bytes", made.kind, made.bytes)
            }
            Self::Attempted(digest) => write!(f, "routes {digest}"),
            Self::Accepted(digest, id) => write!(f, "had {digest} accepted as {id}"),
            Self::Saw(saw) => write!(f, "got {} from {}", saw.kind, saw.from),
            Self::ListedTwice(id) => write!(f, "found {id} twice in one answer"),
            Self::Applied(digest) => write!(f, "applied {digest}"),
            Self::Refused(_, why) => write!(f, "could not use a message: {why}"),
            Self::Acknowledged(id, good) => {
                write!(f, "acknowledged {id}{}", if *good { "" } else { " as unusable" })
            }
            Self::AcknowledgementRefused(id, why) => {
                write!(f, "could not acknowledge {id}: {why}")
            }
            Self::Finished(session) => write!(f, "finished {session}"),
            Self::Failed(session, why) => write!(f, "failed in {session}: {why}"),
            Self::Closed(session) => write!(f, "closed {session}"),
        }
    }
}
