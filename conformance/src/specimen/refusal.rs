//! A call that is rejected, and how that is told.

use mpc_router_proto::v1::{
    AcknowledgeMessageResponse, HeartbeatResponse, PublishSessionEventResponse,
    RegisterPartyResponse, RouteMessageResponse,
};
use tonic::{Code, Status};

use super::{Twist, Variant};

/// Why a call is rejected. Whoever makes one has changed nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    code: Code,
    /// The other status code that the contract names, where it names two.
    second: Option<Code>,
    text: &'static str,
}

impl Refusal {
    fn new(code: Code, text: &'static str) -> Self {
        Self { code, second: None, text }
    }

    pub(super) fn invalid(text: &'static str) -> Self {
        Self::new(Code::InvalidArgument, text)
    }

    pub(super) fn not_found(text: &'static str) -> Self {
        Self::new(Code::NotFound, text)
    }

    pub(super) fn precondition(text: &'static str) -> Self {
        Self::new(Code::FailedPrecondition, text)
    }

    pub(super) fn exhausted(text: &'static str) -> Self {
        Self::new(Code::ResourceExhausted, text)
    }

    pub(super) fn denied(text: &'static str) -> Self {
        Self::new(Code::PermissionDenied, text)
    }

    pub(super) fn exists(text: &'static str) -> Self {
        Self::new(Code::AlreadyExists, text)
    }

    pub(super) fn unavailable(text: &'static str) -> Self {
        Self::new(Code::Unavailable, text)
    }

    pub(super) fn internal(text: &'static str) -> Self {
        Self::new(Code::Internal, text)
    }

    /// The contract also names `code`.
    pub(super) fn or(mut self, code: Code) -> Self {
        self.second = Some(code);
        self
    }

    /// As a gRPC status.
    pub(super) fn status(self, twist: &Twist) -> Status {
        let mut code = self.code;
        if let Some(second) = self.second
            && twist.is(Variant::SecondNamedCodes)
        {
            code = second;
        }
        if twist.is(Variant::OtherStatusCodes) {
            code = match code {
                Code::InvalidArgument => Code::Aborted,
                Code::NotFound => Code::FailedPrecondition,
                Code::FailedPrecondition | Code::PermissionDenied => Code::Aborted,
                _ => Code::OutOfRange,
            };
        }
        let text = if twist.is(Variant::WithoutText) { "" } else { self.text };
        Status::new(code, text)
    }
}

/// An answer that can say no by itself.
pub(super) trait Refusable {
    /// The answer with `success = false`.
    fn refused(text: &str) -> Self;
}

impl Refusable for RouteMessageResponse {
    fn refused(_: &str) -> Self {
        Self { success: false, ..Self::default() }
    }
}

impl Refusable for AcknowledgeMessageResponse {
    fn refused(text: &str) -> Self {
        Self { success: false, message: text.to_owned() }
    }
}

impl Refusable for RegisterPartyResponse {
    fn refused(text: &str) -> Self {
        Self { success: false, message: text.to_owned(), ..Self::default() }
    }
}

impl Refusable for HeartbeatResponse {
    fn refused(_: &str) -> Self {
        Self { success: false, ..Self::default() }
    }
}

impl Refusable for PublishSessionEventResponse {
    fn refused(_: &str) -> Self {
        Self { success: false, ..Self::default() }
    }
}

/// The answer to a call whose answer has a `success`.
pub(super) fn answer<T: Refusable>(result: Result<T, Refusal>, twist: &Twist) -> Result<T, Status> {
    match result {
        Err(refusal) if twist.is(Variant::RefusesWithoutStatus) => {
            Ok(T::refused(if twist.is(Variant::WithoutText) { "" } else { refusal.text }))
        }
        other => other.map_err(|refusal| refusal.status(twist)),
    }
}
