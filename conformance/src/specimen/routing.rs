//! From a RouteMessage call to the recipients' mailboxes: RTE.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use mpc_router_proto::v1::{MpcMessage, RouteMessageRequest, RouteMessageResponse};
use prost::Message as _;
use rand_core::RngCore;
use tokio::time::{Duration, Instant};
use tonic::Code;

use super::polling::ANSWER_BYTES;
use super::refusal::Refusal;
use super::state::{Delivery, Message, Number, Session, State};
use super::{Fault, Variant};

const MIB: usize = 1024 * 1024;

/// The most of a message that is no payload, as clients allow for it.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// How long messages may be collected before they are handed out in any order.
const ONE_INSTANT: Duration = Duration::from_millis(2);

/// What was the case when a call arrived. The right specimen does not ask: it decides everything
/// at one moment.
#[derive(Debug)]
pub(super) struct Arrival {
    at_ms: i64,
    accepted: usize,
}

/// To whom a message goes, and why it may not.
struct Addressed {
    /// Those that are good, named once.
    parties: Vec<String>,
    refusal: Option<Refusal>,
}

impl State {
    pub(super) fn arrival(&self, request: &RouteMessageRequest) -> Arrival {
        Arrival {
            at_ms: self.now_ms(),
            accepted: self.session(&request.session_id).map_or(0, |session| session.accepted),
        }
    }

    /// RouteMessage.
    pub(super) fn route(
        &mut self,
        mut request: RouteMessageRequest,
        arrival: &Arrival,
    ) -> Result<RouteMessageResponse, Refusal> {
        // RTE-7
        if request.session_id.is_empty() && !self.has(Fault::EmptySessionAccepted) {
            return Err(Refusal::invalid("session_id is empty"));
        }
        if request.from_party.is_empty() && !self.has(Fault::EmptySenderAccepted) {
            return Err(Refusal::invalid("from_party is empty"));
        }
        // RTE-12
        if request.round_number < 0 && !self.has(Fault::NegativeRoundAccepted) {
            return Err(Refusal::invalid("round_number is negative"));
        }
        self.check_payload(&mut request)?;
        self.check_session(&request)?;

        let addressed = self.address(&request);
        if let Some(refusal) = addressed.refusal {
            // RTE-8: one bad recipient, and nobody gets it.
            if self.has(Fault::DeliversUntilBadRecipient)
                || self.has(Fault::DeliversToGoodRecipients)
            {
                self.accept(&request, addressed.parties, arrival);
            }
            return Err(refusal);
        }
        self.heard(&request.from_party);
        let message_id = self.accept(&request, addressed.parties, arrival);
        Ok(RouteMessageResponse { success: true, message_id: self.answered_id(message_id) })
    }

    /// RTE-4, RTE-9: from 0 bytes to `max_payload`, and no more.
    fn check_payload(&mut self, request: &mut RouteMessageRequest) -> Result<(), Refusal> {
        let too_long = || Refusal::exhausted("payload is too long").or(Code::InvalidArgument);
        if self.party(&request.from_party).is_some_and(|party| party.banned) {
            return Err(Refusal::denied("the party is locked out"));
        }
        if request.payload.is_empty() && self.has(Fault::EmptyPayloadRefused) {
            return Err(Refusal::invalid("payload is empty"));
        }
        let max_payload = self.settings.max_payload;
        if self.has(Fault::FullPayloadRefused) && request.encoded_len() > max_payload {
            return Err(too_long());
        }
        let limit =
            if self.has(Fault::PayloadLimitOffByOne) { max_payload + 1 } else { max_payload };
        if request.payload.len() > limit {
            if self.has(Fault::OversizedPayloadCut) {
                request.payload.truncate(max_payload);
                return Ok(());
            }
            let key = self.party_key(&request.from_party);
            if self.has(Fault::OversizedPayloadBansSender)
                && let Some(party) = self.parties.get_mut(&key)
            {
                party.banned = true;
            }
            return Err(too_long());
        }
        Ok(())
    }

    /// Without membership only one thing is asked of a session: that a broadcast has somebody whom
    /// it could mean.
    fn check_session(&self, request: &RouteMessageRequest) -> Result<(), Refusal> {
        let session = self.session(&request.session_id);
        let announced = session.is_some_and(|session| session.announced);
        if !announced {
            let to_whom = !request.to_parties.is_empty()
                || request.session_id.is_empty()
                || self.is(Variant::UnannouncedBroadcast);
            let refused = !to_whom || self.is(Variant::RefusesUnannounced);
            return if refused {
                Err(Refusal::not_found("the session was never announced"))
            } else {
                Ok(())
            };
        }
        let member = session.is_some_and(|session| session.has_member(&request.from_party));
        if !member && self.is(Variant::EnforcesMembership) {
            return Err(Refusal::denied("the sender is no member of the session"));
        }
        Ok(())
    }

    /// Finds the recipients: RTE-1, RTE-2, RTE-3.
    fn address(&self, request: &RouteMessageRequest) -> Addressed {
        let sender = &request.from_party;
        let none = Session::default();
        let session = self.session(&request.session_id).unwrap_or(&none);
        if request.to_parties.is_empty() {
            // RTE-3, REG-8: every member but the sender, registered or not.
            let parties: Vec<String> = session
                .members
                .iter()
                .filter(|member| *member != sender || self.has(Fault::BroadcastEchoed))
                .filter(|member| {
                    self.party(member).is_some() || !self.has(Fault::UnregisteredMembersLeftOut)
                })
                .filter(|member| {
                    !self.has(Fault::BroadcastToOnlineOnly)
                        || self.party(member).is_some_and(|party| self.is_online(party))
                })
                .cloned()
                .collect();
            // RTE-16
            let refusal = (parties.is_empty() && self.has(Fault::LonelyBroadcastRefused))
                .then(|| Refusal::invalid("the session has nobody else"));
            return Addressed { parties, refusal };
        }

        let mut addressed = Addressed { parties: Vec::new(), refusal: None };
        for name in &request.to_parties {
            // RTE-6: named twice, meant once.
            if addressed.parties.contains(name) && !self.has(Fault::NamedTwiceDeliveredTwice) {
                if self.has(Fault::NamedTwiceRefused) {
                    addressed.refusal = Some(Refusal::exists("a recipient is named twice"));
                }
                continue;
            }
            match self.check_recipient(session, sender, name) {
                Ok(()) => addressed.parties.push(name.clone()),
                Err(refusal) => {
                    addressed.refusal = Some(refusal);
                    if !self.has(Fault::DeliversToGoodRecipients) {
                        break;
                    }
                }
            }
        }
        if self.has(Fault::MulticastReachesFirstOnly) {
            addressed.parties.truncate(1);
        }
        if self.has(Fault::MulticastBeyond50Lost) {
            addressed.parties.truncate(50);
        }
        // RTE-1: these, and nobody else.
        for member in &session.members {
            let caught = self.has(Fault::UnicastToEverybody)
                || (self.has(Fault::UnicastToNamePrefix)
                    && request.to_parties.iter().any(|name| member.starts_with(name.as_str())));
            if caught && member != sender && !addressed.parties.contains(member) {
                addressed.parties.push(member.clone());
            }
        }
        addressed
    }

    fn check_recipient(&self, session: &Session, sender: &str, name: &str) -> Result<(), Refusal> {
        if name.is_empty() {
            return Err(Refusal::invalid("a recipient's name is empty"));
        }
        // RTE-13
        if name == sender && !self.has(Fault::SelfSendAccepted) {
            return Err(Refusal::invalid("the sender names itself"));
        }
        let member = session.has_member(name);
        if !member && session.announced && self.is(Variant::EnforcesMembership) {
            return Err(Refusal::invalid("a recipient is no member").or(Code::NotFound));
        }
        let registered = self.party(name).is_some();
        // REG-8: a member that has not registered yet is routed to.
        let refused = !registered
            && (!member || self.has(Fault::UnregisteredRecipientRefused))
            && !self.is(Variant::AnyoneIsRoutedTo);
        if refused {
            return Err(Refusal::not_found("a recipient is neither member nor registered"));
        }
        Ok(())
    }

    /// Takes the message in, and gives its `message_id`.
    fn accept(
        &mut self,
        request: &RouteMessageRequest,
        parties: Vec<String>,
        arrival: &Arrival,
    ) -> String {
        let number = self.messages.len();
        let content = self.content(request, arrival);
        let message_id = content.message_id.clone();
        let kept = self.keeps(request, arrival);
        self.session_mut(&request.session_id).accepted += 1;

        // RTE-5: one identifier, for this message only.
        self.numbers.insert(message_id.clone(), number);
        self.messages.push(Message {
            content,
            accepted: Instant::now(),
            deliveries: parties.iter().cloned().map(Delivery::to).collect(),
        });
        if kept {
            for party in &parties {
                self.put_into_mailbox(number, party);
            }
            for party in &parties {
                self.offer(number, party);
            }
        }
        message_id
    }

    /// What is accepted is kept; only faults do otherwise.
    fn keeps(&mut self, request: &RouteMessageRequest, arrival: &Arrival) -> bool {
        let twist = self.twist.clone();
        let session = self.session_mut(&request.session_id);
        let highest =
            session.rounds.entry(request.from_party.clone()).or_insert(request.round_number);
        let old = request.round_number < *highest;
        *highest = request.round_number.max(*highest);

        let drops = (twist.has(Fault::LosesConcurrentSends) && session.accepted > arrival.accepted)
            || (twist.has(Fault::DropsAfterThe50th) && session.accepted >= 50)
            // RTE-14: rounds are labels.
            || (twist.has(Fault::OldRoundsDropped) && old);
        !drops
    }

    fn put_into_mailbox(&mut self, number: Number, party: &str) {
        let session = self.messages[number].content.session_id.clone();
        let offline = self.party(party).is_some_and(|party| !self.is_online(party));
        let ring = offline && self.has(Fault::OfflineMailboxOf100);
        let accepted_is_delivered = self.has(Fault::AcceptedIsDelivered);
        let mailbox = self.session_mut(&session).mailboxes.entry(party.to_owned()).or_default();
        mailbox.insert(number);
        // HB-11: nothing is lost by being offline.
        if ring && mailbox.len() > 100 {
            mailbox.pop_first();
        }
        if accepted_is_delivered {
            self.hand_out(number, party, super::delivery::Way::Stream);
        }
    }

    /// The message as its recipients get it: RTE-4.
    fn content(&mut self, request: &RouteMessageRequest, arrival: &Arrival) -> MpcMessage {
        let mut payload = request.payload.clone();
        if self.has(Fault::PayloadCutAt1MiB) {
            payload.truncate(MIB);
        }
        if self.has(Fault::PayloadAsText) {
            payload = Bytes::from(String::from_utf8_lossy(&payload).into_owned());
        }
        let round_number = if self.has(Fault::RoundIn16Bits) {
            i32::from(request.round_number as i16)
        } else {
            request.round_number
        };
        let message_type = if self.has(Fault::MessageTypeTrimmed) {
            request.message_type.trim().to_owned()
        } else {
            request.message_type.clone()
        };
        // RTE-3
        let is_broadcast = if self.has(Fault::BroadcastUnmarked) {
            false
        } else if self.has(Fault::MulticastMarkedBroadcast) {
            request.to_parties.len() != 1
        } else {
            request.to_parties.is_empty()
        };
        let mut content = MpcMessage {
            message_id: self.message_id(request),
            session_id: request.session_id.clone(),
            from_party: request.from_party.clone(),
            is_broadcast,
            round_number,
            message_type,
            payload,
            created_at: 0,
        };
        content.created_at = self.created_at(&content, arrival);
        content
    }

    fn message_id(&mut self, request: &RouteMessageRequest) -> String {
        if self.has(Fault::IdFromContent) {
            let mut hasher = DefaultHasher::new();
            request.encode_to_vec().hash(&mut hasher);
            return format!("{:016x}", hasher.finish());
        }
        if self.has(Fault::IdFromMillisecond) {
            return format!("{}-{}", request.from_party, self.now_ms());
        }
        self.ids.next(&self.twist)
    }

    /// RTE-5: the identifier that copies carry.
    fn answered_id(&mut self, message_id: String) -> String {
        if self.has(Fault::AnswerWithoutId) {
            return String::new();
        }
        if self.has(Fault::AnswerHasOtherId) {
            let other = format!("front-{message_id}");
            self.numbers.insert(other.clone(), self.numbers[&message_id]);
            return other;
        }
        message_id
    }

    /// RTE-11, ORD-7: the router's clock, and never earlier than the session's last message.
    ///
    /// PND-4: what shares one millisecond fits into one answer together with one message more, so
    /// that a poller can always go on.
    fn created_at(&mut self, content: &MpcMessage, arrival: &Arrival) -> i64 {
        let twist = self.twist.clone();
        let now = self.now_ms();
        let instant_ends = self.instant_ends();
        let largest = self.settings.max_payload + ENVELOPE_BYTES;
        let most = MIB.min(ANSWER_BYTES.saturating_sub(largest));
        let size = content.encoded_len();
        let session = self.session_mut(&content.session_id);

        let mut created_at = now.max(session.created_at);
        if let Some(ends) = instant_ends {
            if session.instant.ends.is_none_or(|ends| Instant::now() >= ends) {
                session.instant.count += 1;
                session.instant.ends = Some(ends);
            } else {
                created_at = session.created_at;
            }
        }
        let full = session.created_bytes > 0 && session.created_bytes + size > most;
        if created_at == session.created_at
            && ((full && !twist.has(Fault::MillisecondOverfull))
                || twist.is(Variant::PollsStrictlyAfter))
        {
            created_at += 1;
            session.instant.count += 1;
        }
        if created_at > session.created_at {
            session.created_bytes = 0;
        }
        session.created_at = created_at;
        session.created_bytes += size;

        if twist.has(Fault::CreatedAtByTwoClocks) && session.accepted % 2 == 1 {
            created_at - 30
        } else if twist.has(Fault::CreatedAtBeforeTheQueue) {
            arrival.at_ms
        } else if twist.has(Fault::CreatedAtInLocalTime) {
            created_at + 60 * 60 * 1000
        } else {
            created_at
        }
    }

    /// ORD-5: there is one order for all, but for a twist that collects what is concurrent.
    fn instant_ends(&self) -> Option<Instant> {
        (self.has(Fault::RecipientsSortByName) || self.is(Variant::RecipientsOrderForThemselves))
            .then(|| Instant::now() + ONE_INSTANT)
    }

    /// A coin.
    pub(super) fn heads(&mut self) -> bool {
        self.chance.next_u32().is_multiple_of(2)
    }
}

impl Session {
    fn has_member(&self, name: &str) -> bool {
        self.members.iter().any(|member| member == name)
    }
}
