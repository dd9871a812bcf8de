//! AcknowledgeMessage: ACK.

use mpc_router_proto::v1::{AcknowledgeMessageRequest, AcknowledgeMessageResponse};
use tonic::Code;

use super::journal::Fact;
use super::refusal::Refusal;
use super::state::{Delivery, Number, Phase, State};
use super::{Fault, Variant};

/// So many deliveries that have ended one fault keeps of a session.
const ENDED: usize = 1_000;

/// What an acknowledgement comes to.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It ends this delivery.
    Ends { number: Number, party: String, phase: Phase },
    /// It says what was said before, or something that a fault lets pass.
    Nothing,
}

impl State {
    /// AcknowledgeMessage, in one step: ACK-12.
    pub(super) fn acknowledge(
        &mut self,
        request: &AcknowledgeMessageRequest,
    ) -> Result<AcknowledgeMessageResponse, Refusal> {
        let verdict = self.judge(request)?;
        Ok(self.carry_out(verdict))
    }

    /// Decides on an acknowledgement.
    pub(super) fn judge(
        &mut self,
        request: &AcknowledgeMessageRequest,
    ) -> Result<Verdict, Refusal> {
        // ACK-5
        let Some(number) = self.number_of(&request.message_id) else {
            if self.has(Fault::UnknownMessageAcknowledged)
                || (self.has(Fault::UnknownMessageNackAccepted) && !request.success)
            {
                return Ok(Verdict::Nothing);
            }
            return Err(Refusal::not_found("there is no such message"));
        };
        // ACK-7
        let message = &self.messages[number];
        let session_fits = self.same_session(&message.content.session_id, &request.session_id)
            || self.has(Fault::AckIgnoresSession)
            || (self.has(Fault::AckWithoutSession) && request.session_id.is_empty());
        if !session_fits {
            return Err(Refusal::not_found("there is no such message in the session"));
        }
        // ACK-6
        let mut party = request.party_id.clone();
        if message.delivery(&party).is_none() {
            if self.has(Fault::StrangerAcksForFirst) && !message.deliveries.is_empty() {
                party.clone_from(&message.deliveries[0].party);
            } else if self.has(Fault::StrangerAckAccepted) {
                return Ok(Verdict::Nothing);
            } else {
                return Err(Refusal::denied("the party is no recipient").or(Code::NotFound));
            }
        }
        if !self.takes_acknowledgements(&request.session_id) {
            return Err(Refusal::precondition("the session has ended"));
        }
        // OFF-1: also of who is away.
        if self.has(Fault::OfflineAckRefused) && self.can_be_told(&party) {
            return Err(Refusal::precondition("the party is offline"));
        }
        self.heard(&party);
        self.told_anew_after_ack(&party);
        // ACK-1, ACK-3
        let phase = if request.success || self.has(Fault::NackTakenForAck) {
            Phase::Acknowledged
        } else {
            Phase::Failed
        };
        self.judge_phase(number, party, phase)
    }

    /// Decides by where the delivery stands.
    fn judge_phase(
        &mut self,
        number: Number,
        party: String,
        phase: Phase,
    ) -> Result<Verdict, Refusal> {
        let twist = self.twist.clone();
        let now = self.now_ms();
        let delivery =
            self.messages[number].delivery_mut(&party).expect("it was found a moment ago");
        match (delivery.phase, phase) {
            // ACK-8
            (Phase::Pending, _) if twist.has(Fault::PendingAckRefused) => {
                Err(Refusal::precondition("the message was never delivered"))
            }
            (Phase::Pending, _) if twist.has(Fault::PendingAckForgotten) => Ok(Verdict::Nothing),
            (Phase::Pending | Phase::Delivered, _) => Ok(Verdict::Ends { number, party, phase }),

            // ACK-2
            (Phase::Acknowledged, Phase::Acknowledged) | (Phase::Failed, Phase::Failed) => {
                // Whether a time-out can be agreed to is unspecified.
                if twist.is(Variant::LateNackRefused) && delivery.timed_out {
                    return Err(Refusal::precondition("the delivery has failed by itself"));
                }
                if twist.has(Fault::SecondAckRefused) {
                    return Err(Refusal::not_found("the message is acknowledged already"));
                }
                if twist.has(Fault::SecondAckMovesTime) {
                    delivery.acknowledged_at = now;
                }
                if twist.has(Fault::RepeatedAckCountsTwice) {
                    self.miscount(&party, -1);
                }
                Ok(Verdict::Nothing)
            }

            // ACK-4: a terminal state stays.
            (terminal, _) => {
                if twist.has(Fault::ContraryAckShrugged) {
                    return Ok(Verdict::Nothing);
                }
                if (twist.has(Fault::LateNackOverrides) && terminal == Phase::Acknowledged)
                    || (twist.has(Fault::LateAckRevives) && terminal == Phase::Failed)
                {
                    return Ok(Verdict::Ends { number, party, phase });
                }
                if twist.has(Fault::LosingAckWritten) && delivery.acknowledging {
                    delivery.phase = phase;
                }
                Err(Refusal::precondition("the delivery has ended the other way"))
            }
        }
    }

    /// Does what was decided.
    pub(super) fn carry_out(&mut self, verdict: Verdict) -> AcknowledgeMessageResponse {
        if let Verdict::Ends { number, party, phase } = verdict {
            self.tally.acknowledgements += 1;
            let lost = (self.has(Fault::HundredthAckLost)
                && self.tally.acknowledgements.is_multiple_of(100))
                || (self.has(Fault::AcksInOrderOnly) && self.has_earlier(number, &party));
            if self.has(Fault::NackPutsBack) && phase == Phase::Failed {
                self.put_back(number, &party);
            } else if !lost {
                self.settle(number, &party, phase);
            }
            if !self.messages[number].deliveries.iter().any(Delivery::is_open) {
                let message_id = self.messages[number].content.message_id.clone();
                self.forget_key_of(&message_id);
            }
            // There may be a timer less to wait for.
            self.wake_streams(&party);
        }
        AcknowledgeMessageResponse {
            success: true,
            message: if self.is(Variant::WithoutText) { "" } else { "noted" }.to_owned(),
        }
    }

    /// ACK-1, ACK-10: this delivery ends, once, and no other one.
    fn settle(&mut self, number: Number, party: &str, phase: Phase) {
        let now = self.now_ms();
        let away = !self.subscriptions.iter().any(|stream| stream.party == party);
        let mut ended = vec![(number, party.to_owned())];
        if self.has(Fault::AcksForAllRecipients) {
            let others = self.messages[number].deliveries.iter();
            ended.extend(others.map(|other| (number, other.party.clone())));
        }
        // ACK-11
        if self.has(Fault::AcksCumulatively) {
            ended.extend(self.earlier(number, party).map(|earlier| (earlier, party.to_owned())));
        }
        if self.has(Fault::PendingAckLowersNothing)
            && self.messages[number].delivery(party).is_some_and(|d| d.phase == Phase::Pending)
        {
            self.miscount(party, 1);
        }
        let coarse = self.has(Fault::AcknowledgedAtInSeconds);
        let racing = self.has(Fault::LosingAckWritten);
        for (number, party) in ended {
            let Some(delivery) = self.messages[number].delivery_mut(&party) else { continue };
            delivery.phase = phase;
            delivery.acknowledging = racing;
            if phase == Phase::Acknowledged {
                // STS-4
                delivery.acknowledged_at = if coarse { now / 1000 } else { now };
                if self.twist.is(Variant::AckImpliesDelivery) && delivery.delivered_at == 0 {
                    delivery.delivered_at = now;
                }
            } else if self.twist.is(Variant::FailedHasEndTime) {
                delivery.acknowledged_at = now;
            }
            self.note_change(number, &party, Fact::Ended);
            self.trim_ended(number);
            if !(away && self.has(Fault::AckWhileAwayForgotten)) {
                self.take_out(number, &party);
            }
        }
    }

    /// ACK-2: what has ended is known for as long as its status is kept, however much else ends.
    /// Only a fault keeps so many.
    fn trim_ended(&mut self, number: Number) {
        if !self.has(Fault::EndedRowsTrimmedTo1000) {
            return;
        }
        let session = self.messages[number].content.session_id.clone();
        let session = self.session_mut(&session);
        session.ended.push_back(number);
        if session.ended.len() > ENDED
            && let Some(oldest) = session.ended.pop_front()
        {
            self.numbers.remove(&self.messages[oldest].content.message_id);
        }
    }

    /// The acknowledgement has been answered.
    pub(super) fn answered(&mut self, request: &AcknowledgeMessageRequest) {
        if let Some(&number) = self.numbers.get(&request.message_id)
            && let Some(delivery) = self.messages[number].delivery_mut(&request.party_id)
        {
            delivery.acknowledging = false;
        }
    }

    /// The party's outstanding deliveries of the same session that came before.
    fn earlier(&self, number: Number, party: &str) -> std::vec::IntoIter<Number> {
        let session = &self.messages[number].content.session_id;
        let earlier: Vec<Number> = self
            .session(session)
            .and_then(|session| session.mailboxes.get(party))
            .map(|mailbox| mailbox.range(..number).copied().collect())
            .unwrap_or_default();
        earlier.into_iter()
    }

    fn has_earlier(&self, number: Number, party: &str) -> bool {
        self.earlier(number, party).next().is_some()
    }

    /// ACK-3: a fault hands out again what its recipient could not use.
    fn put_back(&mut self, number: Number, party: &str) {
        if let Some(delivery) = self.messages[number].delivery_mut(party) {
            delivery.phase = Phase::Pending;
        }
        self.offer(number, party);
    }

    pub(super) fn miscount(&mut self, party: &str, by: i64) {
        let key = self.party_key(party);
        if let Some(party) = self.parties.get_mut(&key) {
            party.miscounted += by;
        }
    }
}
