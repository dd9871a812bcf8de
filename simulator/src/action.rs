//! What machines want done, as data. A world (a driver over gRPC, or a virtual one) performs it and
//! hands back what came of it; a new action is a compile error in every world until it is handled.

use std::fmt;

use mpc_router_proto::v1::{
    AcknowledgeMessageRequest, GetPendingMessagesRequest, GetRegisteredPartiesRequest,
    HeartbeatRequest, MpcMessage, PublishSessionEventRequest, RegisterPartyRequest,
    RegisteredParty, RouteMessageRequest, SessionEvent,
};

use crate::protocol::Blame;

/// Unix milliseconds, on a clock that never goes back.
pub type Millis = u64;

/// Which call a reply belongs to. Never used twice by one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Which stream an item belongs to. Never used twice by one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// Something a machine wants done.
#[derive(Clone)]
pub enum Action {
    /// Make a call; its result goes to the machine's `handle_reply`, whatever becomes of it.
    Call(Ticket, Call),
    /// Open a stream; its items go to `handle_message` or `handle_event`, its end to
    /// `handle_stream_end`.
    Open(StreamId, Stream),
    /// Close a stream; nothing of it goes to the machine any more.
    Close(StreamId),
    /// Tell the coordinator something. Not through the router: real parties call the session
    /// coordinator's own service for that.
    Tell(Notice),
    /// Bring an event to a party that holds no event stream, as its user or a mail would. Not
    /// through the router either.
    Bring(u16, SessionEvent),
}

/// Shows no event's content: that has everybody's join tokens.
impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(ticket, call) => write!(f, "Call({ticket:?}, {call:?})"),
            Self::Open(id, stream) => write!(f, "Open({id:?}, {stream:?})"),
            Self::Close(id) => write!(f, "Close({id:?})"),
            Self::Tell(notice) => write!(f, "Tell({notice:?})"),
            Self::Bring(to, event) => {
                write!(f, "Bring({to}, {} of {})", event.event_type, event.session_id)
            }
        }
    }
}

/// A call.
#[derive(Clone)]
pub enum Call {
    /// RegisterParty.
    Register(RegisterPartyRequest),
    /// Heartbeat.
    Heartbeat(HeartbeatRequest),
    /// RouteMessage. The second is its `idempotency-key`: the same for the same bytes (IDM-1).
    Route(RouteMessageRequest, String),
    /// GetPendingMessages.
    Poll(GetPendingMessagesRequest),
    /// AcknowledgeMessage.
    Acknowledge(AcknowledgeMessageRequest),
    /// PublishSessionEvent.
    Publish(PublishSessionEventRequest),
    /// GetRegisteredParties.
    Discover(GetRegisteredPartiesRequest),
}

/// Shows the call's name only.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Call {
    /// The RPC.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "RegisterParty",
            Self::Heartbeat(_) => "Heartbeat",
            Self::Route(..) => "RouteMessage",
            Self::Poll(_) => "GetPendingMessages",
            Self::Acknowledge(_) => "AcknowledgeMessage",
            Self::Publish(_) => "PublishSessionEvent",
            Self::Discover(_) => "GetRegisteredParties",
        }
    }
}

/// What an accepted call answers, as far as a machine wants to know.
#[derive(Debug, Clone)]
pub enum Reply {
    /// To calls that answer with no more than success.
    Done,
    /// To RouteMessage: the `message_id`.
    Routed(String),
    /// To GetPendingMessages.
    Pending(Vec<MpcMessage>),
    /// To GetRegisteredParties.
    Parties(Vec<RegisteredParty>),
}

/// Why a call was not accepted, or a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The router refused it: certainly no effect.
    Refused(String),
    /// It may have had its effect, or not.
    Unknown(String),
    /// There is no router to be reached; it may yet have had its effect.
    Unreachable(String),
    /// What answers does not implement it: certainly no effect, and no router, or part of one.
    Unimplemented(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why)
            | Self::Unknown(why)
            | Self::Unreachable(why)
            | Self::Unimplemented(why) => f.write_str(why),
        }
    }
}

/// A stream to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// SubscribeSessionEvents, of all types.
    Events {
        /// The subscriber.
        party: String,
    },
    /// SubscribeMessages.
    Messages {
        /// The subscriber.
        party: String,
        /// The session.
        session: String,
    },
}

/// What a party tells the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Who tells.
    pub party: u16,
    /// About what.
    pub about: About,
}

/// See [`Notice`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// How it stands in a session.
    Session(String, News),
    /// The router does not register it, and why.
    Registration(CallError),
}

/// How a party stands in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It has joined, with the token it was given.
    Joined(Token),
    /// It has begun.
    Started,
    /// It has its output.
    Finished,
    /// It has failed.
    Failed(Blame),
    /// It knows that the session is over.
    Closed,
}

/// A join token. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
