use std::fmt;

use crate::Millis;
use crate::id::MailboxIndex;

/// How far one message has come with one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryState {
    /// Not handed out yet.
    Pending,
    /// Handed out at least once, in a stream or in a poll's answer.
    Delivered,
    /// The recipient took it. Terminal.
    Acknowledged,
    /// The recipient could not use it. Terminal.
    Failed,
}

/// What can happen to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryEvent {
    /// It is handed to its recipient, for the first time or again.
    HandedOut,
    /// The recipient acknowledges with `success = true`.
    Taken,
    /// The recipient acknowledges with `success = false`.
    Refused,
    /// The router gives up on it: no answer came however often it was sent, or it expired.
    GivenUp,
}

/// What an event does to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It moves on to another state.
    To(DeliveryState),
    /// The event is fine and changes nothing.
    Stays,
    /// The event contradicts a terminal state and is rejected.
    Contradicts,
}

impl DeliveryState {
    /// All of them, in the order in which they may follow each other.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Acknowledged, Self::Failed];

    /// What `event` does in this state.
    pub fn on(self, event: DeliveryEvent) -> Transition {
        use DeliveryEvent::{GivenUp, HandedOut, Refused, Taken};
        use DeliveryState::{Acknowledged, Delivered, Failed, Pending};
        // STS-5: every `To` leads forward.
        match (self, event) {
            (Pending, HandedOut) => Transition::To(Delivered),
            // ACK-8: the doubt about what was handed out is the router's, not the party's.
            (Pending, Taken) => Transition::To(Acknowledged),
            (Pending, Refused) => Transition::To(Failed),
            // EXP-1.
            (Pending, GivenUp) => Transition::To(Failed),
            // STS-8: handed out again is not delivered again.
            (Delivered, HandedOut) => Transition::Stays,
            // ACK-1.
            (Delivered, Taken) => Transition::To(Acknowledged),
            // ACK-3.
            (Delivered, Refused) => Transition::To(Failed),
            // RED-4, EXP-1.
            (Delivered, GivenUp) => Transition::To(Failed),
            // ACK-2: saying it again changes nothing.
            (Acknowledged, Taken) => Transition::Stays,
            (Failed, Refused) => Transition::Stays,
            // ACK-4: a terminal state stays.
            (Acknowledged, Refused) => Transition::Contradicts,
            (Failed, Taken) => Transition::Contradicts,
            // A hand-out that was under way when the acknowledgement came, or a timer.
            (Acknowledged | Failed, HandedOut | GivenUp) => Transition::Stays,
        }
    }

    /// Whether nothing can change it any more.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Delivered => false,
            Self::Acknowledged | Self::Failed => true,
        }
    }
}

impl DeliveryEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::HandedOut, Self::Taken, Self::Refused, Self::GivenUp];

    pub(crate) fn acknowledged(success: bool) -> Self {
        if success { Self::Taken } else { Self::Refused }
    }
}

/// The word that the contract uses.
impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Acknowledged => "acknowledged",
            Self::Failed => "failed",
        })
    }
}

/// One message for one recipient. A time is 0 until it is set, and does not move afterwards
/// (STS-2, STS-8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) mailbox: MailboxIndex,
    pub(crate) state: DeliveryState,
    pub(crate) retry_count: u32,
    pub(crate) delivered_at: Millis,
    pub(crate) acknowledged_at: Millis,
}

impl Delivery {
    pub(crate) fn pending(mailbox: MailboxIndex) -> Self {
        Self {
            mailbox,
            state: DeliveryState::Pending,
            retry_count: 0,
            delivered_at: Millis(0),
            acknowledged_at: Millis(0),
        }
    }

    /// Moves on as the state machine says.
    pub(crate) fn handle(&mut self, event: DeliveryEvent, at: Millis) -> Transition {
        let transition = self.state.on(event);
        if let Transition::To(state) = transition {
            self.state = state;
            match event {
                DeliveryEvent::HandedOut => self.delivered_at = at,
                DeliveryEvent::Taken | DeliveryEvent::Refused => self.acknowledged_at = at,
                DeliveryEvent::GivenUp => {}
            }
        }
        transition
    }
}
