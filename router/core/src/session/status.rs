use std::fmt;

use super::Session;
use crate::{DeliveryState, MessageId, Millis, PartyId};

/// How far a message has come: one delivery a recipient, in no particular order (STS-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageStatus {
    /// The sender.
    pub from: PartyId,
    /// The deliveries.
    pub deliveries: Vec<DeliveryStatus>,
}

impl MessageStatus {
    /// STS-6: every one is acknowledged; one failed keeps it false.
    pub fn all_acknowledged(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.state == DeliveryState::Acknowledged)
    }
}

/// How far a message has come with one recipient. A time is 0 until it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// The recipient.
    pub party: PartyId,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it was first handed out.
    pub delivered_at: Millis,
    /// When the recipient answered.
    pub acknowledged_at: Millis,
    /// How often it was sent again because no answer came in time.
    pub retry_count: u32,
}

/// There is no status to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusError {
    /// The session has no such message (STS-7).
    UnknownMessage,
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownMessage => f.write_str(
                "this session has no such message: use the message_id that RouteMessage answered \
                 with, and the message's session_id",
            ),
        }
    }
}

impl std::error::Error for StatusError {}

impl Session {
    /// When `message` was accepted, if it is known still.
    pub fn created_at(&self, message: MessageId) -> Option<Millis> {
        let number = self.ledger.number(message)?;
        Some(self.ledger.message(number).created_at)
    }

    /// How far `message` has come with each of its recipients.
    ///
    /// # Errors
    /// See [`StatusError`].
    pub fn status(&self, message: MessageId) -> Result<MessageStatus, StatusError> {
        let number = self.ledger.number(message).ok_or(StatusError::UnknownMessage)?;
        let message = self.ledger.message(number);
        let deliveries = message.deliveries.iter().map(|delivery| DeliveryStatus {
            party: self.ledger.mailbox(delivery.mailbox).party().clone(),
            state: delivery.state,
            delivered_at: delivery.delivered_at,
            acknowledged_at: delivery.acknowledged_at,
            retry_count: delivery.retry_count,
        });
        Ok(MessageStatus { from: message.from.clone(), deliveries: deliveries.collect() })
    }
}
