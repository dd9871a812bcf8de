//! What the specimen prints: SEC-7.

use std::fmt::Write as _;

use mpc_router_proto::v1::{RegisterPartyRequest, RouteMessageRequest, SessionEvent};
use tonic::Status;

use super::state::{Delivery, Message, Number, State};
use super::{Fault, Specimen};

impl Specimen {
    /// A message that was refused since it came in another party's name.
    pub(super) fn note_impostor(&self, request: &RouteMessageRequest) {
        let state = self.lock();
        if self.twist.has(Fault::RefusedCallsLoggedWhole) {
            return state.print(&format!("refused: {request:?}"));
        }
        state.print(&format!("refused: a message in the name of {}", request.from_party));
    }

    /// The refusal of an event, in words.
    pub(super) fn told(&self, event: Option<&SessionEvent>, status: Status) -> Status {
        match self.twist.has(Fault::RefusedEventInError) {
            true => Status::new(status.code(), format!("{}: {event:?}", status.message())),
            false => status,
        }
    }
}

impl State {
    /// A line of the log.
    pub(super) fn print(&self, line: &str) {
        self.printed.add(format!("{line}\n").as_bytes());
    }

    /// A message that was accepted.
    pub(super) fn note_accepted(&self, message_id: &str, request: &RouteMessageRequest) {
        let mut line = format!("accepted {message_id} in {}", request.session_id);
        if self.has(Fault::PayloadLoggedInHex) {
            line.push_str(": ");
            for byte in request.payload.iter().take(256) {
                write!(line, "{byte:02x}").expect("a string grows");
            }
        }
        self.print(&line);
    }

    /// What waits when it stops. Only a fault prints it.
    pub(super) fn print_what_is_left(&self) {
        if !self.has(Fault::UndeliveredPrintedAtStop) {
            return;
        }
        let is_left = |it: &&Message| it.deliveries.iter().any(Delivery::is_open);
        for message in self.messages.iter().filter(is_left) {
            self.print(&format!("left: {:?}", &message.content.payload[..]));
        }
    }

    /// What nobody acknowledged in all attempts.
    pub(super) fn note_dead_letter(&self, number: Number, party: &str) {
        let message = &self.messages[number].content;
        match self.has(Fault::DeadLetterLogged) {
            true => self.print(&format!("dead letter for {party}: {message:?}")),
            false => self.print(&format!("given up for {party}: {}", message.message_id)),
        }
    }

    /// A notification sets out.
    pub(super) fn note_notification(&self, party: &str, body: &[u8]) {
        let body = match self.has(Fault::NotificationLogged) {
            true => String::from_utf8_lossy(body),
            false => "".into(),
        };
        self.print(&format!("wakes {party} {body}"));
    }

    /// A party that registered.
    pub(super) fn note_registered(&self, request: &RegisterPartyRequest) {
        let channel = match &request.notification {
            Some(channel) if self.has(Fault::ChannelLogged) => {
                format!(", to be woken: {channel:?}")
            }
            Some(_) => ", to be woken".to_owned(),
            None => String::new(),
        };
        self.print(&format!("registered {}{channel}", request.party_id));
    }
}
