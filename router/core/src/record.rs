use std::fmt;
use std::sync::Arc;

use crate::{Content, EmptyId, EventId, IdempotencyKey, MessageId, Millis, PartyId};

/// One thing that happened in a session. Its records, in order, are all there is to know of it:
/// replaying them gives the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A message was accepted.
    Routed {
        /// The message.
        message: MessageId,
        /// Its sender.
        from: PartyId,
        /// Its recipients, each once; a broadcast's expanded.
        recipients: Arc<[PartyId]>,
        /// Whether it was sent to everybody rather than to a list.
        broadcast: bool,
        /// When it was accepted.
        created_at: Millis,
        /// What the recipients get.
        content: Content,
        /// What makes it safe for the sender to try again.
        key: Option<IdempotencyKey>,
    },
    /// Messages were handed to a recipient. Losing this record is no harm: they are handed out once
    /// more.
    Delivered {
        /// The recipient.
        recipient: PartyId,
        /// The messages that it got for the first time, oldest first.
        messages: Vec<MessageId>,
        /// Those that were sent again because no answer came in time, and how often by now.
        again: Vec<(MessageId, u32)>,
        /// When.
        at: Millis,
    },
    /// Deliveries were given up: no answer came, or they expired.
    GivenUp {
        /// Which message for whom.
        deliveries: Vec<(MessageId, PartyId)>,
        /// When.
        at: Millis,
    },
    /// A recipient took a message, or refused it.
    Acknowledged {
        /// The message.
        message: MessageId,
        /// The recipient.
        party: PartyId,
        /// Whether the recipient could use it.
        success: bool,
        /// When.
        at: Millis,
    },
    /// An event of the session was accepted.
    Announced {
        /// The event.
        announcement: Arc<Announcement>,
        /// When it was accepted.
        at: Millis,
    },
}

impl Record {
    /// Whether a reply has to wait until this record is committed. What was delivered may fall back
    /// to pending in a crash, and its retries be forgotten (DUR-6), so nobody waits for that.
    pub fn is_binding(&self) -> bool {
        match self {
            Self::Routed { .. }
            | Self::GivenUp { .. }
            | Self::Acknowledged { .. }
            | Self::Announced { .. } => true,
            Self::Delivered { .. } => false,
        }
    }
}

/// A session event, as far as a router has to understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The event's own name.
    pub event: EventId,
    /// What became of the session.
    pub kind: EventKind,
    /// The parties selected, each once; those whom the event concerns. Empty: it concerns everybody.
    pub members: Arc<[PartyId]>,
    /// When the session ends by itself; 0 means never.
    pub expires_at: Millis,
    /// The whole event.
    pub content: Content,
}

impl AsRef<Self> for Announcement {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// An `event_type`, such as `session_started`. Any text will do, but not the empty one (EVT-7).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKind(Arc<str>);

impl EventKind {
    /// Takes `text` as it is.
    ///
    /// # Errors
    /// If it is empty.
    pub fn parse(text: &str) -> Result<Self, EmptyId> {
        if text.is_empty() { Err(EmptyId) } else { Ok(Self(text.into())) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the parties that such an event selects are the session's members from then on.
    pub fn selects_members(&self) -> bool {
        matches!(&*self.0, "session_created" | "session_started")
    }

    /// Whether an event of this kind ends its session.
    pub fn ends_the_session(&self) -> bool {
        matches!(
            &*self.0,
            "session_completed" | "session_failed" | "session_cancelled" | "session_expired"
        )
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
