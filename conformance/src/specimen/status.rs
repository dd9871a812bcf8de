//! GetMessageStatus: STS.

use mpc_router_proto::v1::{
    GetMessageStatusRequest, GetMessageStatusResponse, MessageDeliveryStatus,
};
use tokio::time::Instant;
use tonic::Code;

use super::identity::Caller;
use super::refusal::Refusal;
use super::state::{Delivery, Message, Number, Phase, State};
use super::{Fault, Variant};

impl State {
    /// GetMessageStatus.
    pub(super) fn status(
        &self,
        request: &GetMessageStatusRequest,
        caller: &Caller,
    ) -> Result<GetMessageStatusResponse, Refusal> {
        // STS-7
        let message = self.number_of(&request.message_id).map(|number| &self.messages[number]);
        let known = message.filter(|message| {
            let alone = message.deliveries.is_empty() && self.is(Variant::LonelyStatusUnknown);
            let same = self.same_session(&message.content.session_id, &request.session_id);
            !alone && (same || self.has(Fault::StatusIgnoresSession))
        });
        let Some(message) = known else {
            if message.is_none() && self.has(Fault::UnknownStatusEmpty) {
                return Ok(GetMessageStatusResponse {
                    message_id: request.message_id.clone(),
                    session_id: request.session_id.clone(),
                    ..GetMessageStatusResponse::default()
                });
            }
            return Err(Refusal::not_found("there is no such message in the session"));
        };
        // SEC-4
        if !self.may_see(caller, message) {
            return Err(Refusal::denied("the message is others'").or(Code::NotFound));
        }

        // STS-1
        let mut deliveries: Vec<MessageDeliveryStatus> =
            message.deliveries.iter().map(|delivery| self.entry_of(message, delivery)).collect();
        if self.has(Fault::StatusBeyond50Cut) {
            deliveries.truncate(50);
        }
        if self.has(Fault::BroadcastIsOneEntry) && message.content.is_broadcast {
            deliveries.truncate(1);
            for entry in &mut deliveries {
                "*".clone_into(&mut entry.party_id);
            }
        }
        if self.is(Variant::StatusesReversed) {
            deliveries.reverse();
        }
        // STS-9
        let or_empty = |text: &String, empty: bool| {
            if empty { String::new() } else { text.clone() }
        };
        Ok(GetMessageStatusResponse {
            message_id: or_empty(&request.message_id, self.has(Fault::StatusWithoutId)),
            session_id: or_empty(&request.session_id, self.has(Fault::StatusWithoutSession)),
            deliveries,
            all_acknowledged: self.all_acknowledged(message),
        })
    }

    /// The message that has this identifier, as long as its status is kept: at least `message_ttl`
    /// after its deliveries have ended. The right specimen keeps it for good.
    pub(super) fn number_of(&self, message_id: &str) -> Option<Number> {
        let number = *self.numbers.get(message_id)?;
        let message = &self.messages[number];
        let dropped = self.has(Fault::StatusLivesFromAcceptance)
            && message.accepted.elapsed() >= self.settings.message_ttl
            && !message.deliveries.iter().any(Delivery::is_open);
        (!dropped).then_some(number)
    }

    /// STS-6
    fn all_acknowledged(&self, message: &Message) -> bool {
        let mut phases = message.deliveries.iter().map(|delivery| delivery.phase);
        if self.has(Fault::AnyAckIsAllAcknowledged) {
            return phases.any(|phase| phase == Phase::Acknowledged);
        }
        phases.all(|phase| {
            phase == Phase::Acknowledged
                || (self.has(Fault::FailedCountsAsAcknowledged) && phase == Phase::Failed)
        })
    }

    /// STS-2, STS-3, STS-4
    fn entry_of(&self, message: &Message, delivery: &Delivery) -> MessageDeliveryStatus {
        let is_unnoted = delivery.phase == Phase::Delivered
            && delivery.noted_at.is_some_and(|at| Instant::now() < at);
        let mut delivered_at = if is_unnoted { 0 } else { delivery.delivered_at };
        if self.has(Fault::PendingHasDeliveryTime) && delivered_at == 0 {
            delivered_at = message.content.created_at;
        }
        let mut acknowledged_at = delivery.acknowledged_at;
        if self.has(Fault::DeliveredHasAckTime) && acknowledged_at == 0 {
            acknowledged_at = delivered_at;
        }
        let status = match delivery.phase {
            _ if is_unnoted => "pending",
            Phase::Pending => "pending",
            Phase::Delivered => "delivered",
            Phase::Acknowledged if self.has(Fault::AcknowledgedCalledAcked) => "acked",
            Phase::Acknowledged => "acknowledged",
            Phase::Failed => "failed",
        };
        MessageDeliveryStatus {
            party_id: delivery.party.clone(),
            status: status.to_owned(),
            delivered_at,
            acknowledged_at,
            retry_count: i32::try_from(delivery.retries).unwrap_or(i32::MAX),
        }
    }
}
