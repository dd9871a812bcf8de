//! What a party has sent.

use mpc_router_proto::v1::{AcknowledgeMessageRequest, RouteMessageRequest};

use super::Party;

/// A message that the target accepted.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The identifier that the target gave it.
    pub id: String,
    /// What was asked of the target.
    pub request: RouteMessageRequest,
}

impl Sent {
    /// The entry that acknowledges it for `party`.
    pub fn acknowledgement(&self, party: &Party, success: bool) -> AcknowledgeMessageRequest {
        AcknowledgeMessageRequest {
            message_id: self.id.clone(),
            party_id: party.id.clone(),
            session_id: self.request.session_id.clone(),
            success,
            error_message: if success { String::new() } else { "not usable".into() },
        }
    }
}
