//! Answers and stream items in one line, without what payloads hold.

use mpc_router_proto::v1::*;

/// What timelines and findings show of an answer or item.
pub trait Brief {
    /// It in one line, without what its payload holds.
    fn brief(&self) -> String;
}

impl Brief for MpcMessage {
    fn brief(&self) -> String {
        format!(
            "message {} from {} in {}, round {}, {}{} bytes, created_at {}",
            self.message_id,
            self.from_party,
            self.session_id,
            self.round_number,
            if self.is_broadcast { "broadcast, " } else { "" },
            self.payload.len(),
            self.created_at
        )
    }
}

impl Brief for SessionEvent {
    fn brief(&self) -> String {
        format!("event {} ({} of {})", self.event_id, self.event_type, self.session_id)
    }
}

impl Brief for RouteMessageResponse {
    fn brief(&self) -> String {
        format!("message {}", self.message_id)
    }
}

impl Brief for GetPendingMessagesResponse {
    fn brief(&self) -> String {
        match self.messages.as_slice() {
            [] => "no messages".into(),
            [only] => only.brief(),
            [first, .., last] => format!(
                "{} messages, {} to {}",
                self.messages.len(),
                first.message_id,
                last.message_id
            ),
        }
    }
}

impl Brief for AcknowledgeMessageResponse {
    fn brief(&self) -> String {
        "accepted".into()
    }
}

impl Brief for GetMessageStatusResponse {
    fn brief(&self) -> String {
        let entries: Vec<_> = self.deliveries.iter().take(4).map(Brief::brief).collect();
        let more = match self.deliveries.len() {
            0..=4 => String::new(),
            all => format!(" and {} more", all - 4),
        };
        format!("{}{more}; all_acknowledged = {}", entries.join(", "), self.all_acknowledged)
    }
}

impl Brief for MessageDeliveryStatus {
    fn brief(&self) -> String {
        format!(
            "{} {} (delivered_at {}, acknowledged_at {}, retry_count {})",
            self.party_id, self.status, self.delivered_at, self.acknowledged_at, self.retry_count
        )
    }
}

impl Brief for RegisterPartyResponse {
    fn brief(&self) -> String {
        format!("registered_at {}", self.registered_at)
    }
}

impl Brief for HeartbeatResponse {
    fn brief(&self) -> String {
        format!("server_timestamp {}, {} pending", self.server_timestamp, self.pending_messages)
    }
}

impl Brief for PublishSessionEventResponse {
    fn brief(&self) -> String {
        format!("subscriber_count {}", self.subscriber_count)
    }
}

impl Brief for GetRegisteredPartiesResponse {
    fn brief(&self) -> String {
        format!("{} parties, total_count {}", self.parties.len(), self.total_count)
    }
}
