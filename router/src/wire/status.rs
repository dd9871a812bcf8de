use mpc_router_core::{
    AcknowledgeError, AnnounceError, EventStreamError, MalformedMessageId, NotAdmitted,
    RegisterError, RouteError, StatusError, StreamEnded, UnknownParty,
};
use tonic::{Code, Status};

use crate::commits::Lost;
use crate::events::EventsEnd;
use crate::identity::{Forbidden, Unauthenticated};
use crate::sessions::{End, Overload};

/// Why a call was rejected, which the wire has a status for. The text says what to do.
pub(crate) trait Rejected: std::fmt::Display + Sized {
    /// The status code.
    fn code(&self) -> Code;

    /// The status.
    fn status(self) -> Status {
        Status::new(self.code(), self.to_string())
    }
}

impl Rejected for RouteError {
    fn code(&self) -> Code {
        match self {
            Self::ToItself => Code::InvalidArgument,
            Self::NoMembers | Self::Ended => Code::FailedPrecondition,
            Self::NotAnnounced => Code::NotFound,
            Self::SenderNotAMember => Code::PermissionDenied,
            Self::RecipientNotAMember => Code::InvalidArgument,
            Self::KeyTaken => Code::AlreadyExists,
            // FLW-3.
            Self::SessionFull | Self::RecipientFull => Code::ResourceExhausted,
            Self::NameTaken => Code::Internal,
        }
    }
}

impl Rejected for NotAdmitted {
    fn code(&self) -> Code {
        Code::PermissionDenied
    }
}

impl Rejected for AcknowledgeError {
    fn code(&self) -> Code {
        match self {
            Self::UnknownMessage => Code::NotFound,
            Self::NotARecipient => Code::PermissionDenied,
            Self::Contradicts { .. } => Code::FailedPrecondition,
        }
    }
}

impl Rejected for AnnounceError {
    fn code(&self) -> Code {
        match self {
            Self::NameTaken => Code::AlreadyExists,
            // FLW-3.
            Self::TooMany => Code::ResourceExhausted,
        }
    }
}

impl Rejected for Overload {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }
}

impl Rejected for StatusError {
    fn code(&self) -> Code {
        match self {
            Self::UnknownMessage => Code::NotFound,
        }
    }
}

impl Rejected for RegisterError {
    fn code(&self) -> Code {
        match self {
            Self::OtherRole { .. } => Code::FailedPrecondition,
            // FLW-3.
            Self::TooMany => Code::ResourceExhausted,
        }
    }
}

impl Rejected for UnknownParty {
    fn code(&self) -> Code {
        Code::NotFound
    }
}

impl Rejected for MalformedMessageId {
    /// ACK-5, STS-7: what is no identifier names no message.
    fn code(&self) -> Code {
        Code::NotFound
    }

    fn status(self) -> Status {
        Status::not_found(format!("message_id {self}"))
    }
}

impl Rejected for Unauthenticated {
    fn code(&self) -> Code {
        Code::Unauthenticated
    }
}

impl Rejected for Forbidden {
    fn code(&self) -> Code {
        Code::PermissionDenied
    }
}

impl Rejected for Lost {
    fn code(&self) -> Code {
        Code::Unavailable
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the router could not make sure of this: it may or may not have happened; ask, or try again",
        )
    }
}

/// The status that ends a message stream.
pub(crate) fn stream_end(end: End) -> Status {
    match end {
        End::Superseded => Status::aborted(StreamEnded.to_string()),
        End::Stopping => stopping(),
        End::Lost => Status::unavailable("the session is being read anew: subscribe again"),
    }
}

/// The status that ends an event stream.
pub(crate) fn events_end(end: EventsEnd) -> Status {
    match end {
        EventsEnd::Error(error @ EventStreamError::Lagged) => {
            Status::resource_exhausted(error.to_string())
        }
        EventsEnd::Error(error @ EventStreamError::Closed) => Status::internal(error.to_string()),
        EventsEnd::Stopping => stopping(),
    }
}

/// The status of what there is no room for any more.
pub(crate) fn full(why: &str) -> Status {
    Status::resource_exhausted(why)
}

/// The status of what cannot be kept for now.
pub(crate) fn failing(why: &str) -> Status {
    Status::unavailable(why)
}

/// The status of everything that the router does not do any more (DUR-7).
pub(crate) fn stopping() -> Status {
    Status::unavailable("the router is stopping: try again, here or at another one")
}
