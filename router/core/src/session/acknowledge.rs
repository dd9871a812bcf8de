use std::fmt;

use super::Session;
use crate::delivery::{DeliveryEvent, DeliveryState, Transition};
use crate::{MessageId, Millis, PartyId, Record};

/// A recipient's answer to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledge {
    /// The message.
    pub message: MessageId,
    /// The recipient.
    pub party: PartyId,
    /// Whether it could use the message.
    pub success: bool,
}

/// An answer was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// What the delivery is now: acknowledged or failed.
    pub state: DeliveryState,
    /// Whether it was that before (ACK-2).
    pub again: bool,
}

/// An answer was not accepted. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcknowledgeError {
    /// The session has no such message (ACK-5, ACK-7).
    UnknownMessage,
    /// The message was not for this party (ACK-6).
    NotARecipient,
    /// The delivery has ended the other way (ACK-4).
    Contradicts {
        /// How it has ended.
        state: DeliveryState,
    },
}

impl fmt::Display for AcknowledgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownMessage => f.write_str(
                "this session has no such message: use the message_id and session_id of the message",
            ),
            Self::NotARecipient => f.write_str("the message was not sent to this party"),
            Self::Contradicts { state } => {
                write!(f, "the delivery is {state} already, and that is final")
            }
        }
    }
}

impl std::error::Error for AcknowledgeError {}

impl Session {
    /// Ends a delivery, as its recipient says: at once, whatever was acknowledged before or after it
    /// (ACK-11), and whether or not it was ever handed out (ACK-8).
    ///
    /// # Errors
    /// See [`AcknowledgeError`].
    pub fn handle_acknowledge(
        &mut self,
        now: Millis,
        acknowledge: Acknowledge,
    ) -> Result<Acknowledged, AcknowledgeError> {
        let Acknowledge { message: id, party, success } = acknowledge;
        let number = self.ledger.number(id).ok_or(AcknowledgeError::UnknownMessage)?;
        let message = self.ledger.message(number);
        let slot = self.ledger.mailbox_of(&party).and_then(|mailbox| message.slot(mailbox));
        let slot = slot.ok_or(AcknowledgeError::NotARecipient)?;
        let delivery = &message.deliveries[slot as usize];
        // STS-4: not before it was delivered.
        let at = now.max(delivery.delivered_at).max(message.created_at);
        let event = DeliveryEvent::acknowledged(success);
        match delivery.state.on(event) {
            Transition::Contradicts => Err(AcknowledgeError::Contradicts { state: delivery.state }),
            Transition::Stays => Ok(Acknowledged { state: delivery.state, again: true }),
            Transition::To(state) => {
                self.ledger.handle(number, slot, event, at);
                let position = self.appended.next();
                self.append(position, Record::Acknowledged { message: id, party, success, at });
                self.release();
                self.trim_timers();
                self.check();
                Ok(Acknowledged { state, again: false })
            }
        }
    }
}
