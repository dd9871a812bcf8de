//! What an accepted message becomes: its content, its identifier, its time, its mailboxes.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use mpc_router_proto::v1::{MpcMessage, RouteMessageRequest};
use prost::Message as _;
use tokio::time::Instant;

use super::delivery::Way;
use super::journal::{Accepted, Fact};
use super::polling::ANSWER_BYTES;
use super::routing::Arrival;
use super::state::{Delivery, Message, Number, State};
use super::{Fault, Variant};

const MIB: usize = 1024 * 1024;

/// What a fault puts into a blob store. Bytes.
const BLOB: usize = 64 * 1024;

/// The most of a message that is no payload, as clients allow for it.
const ENVELOPE_BYTES: usize = 64 * 1024;

impl State {
    /// Takes the message in, and gives its `message_id`.
    pub(super) fn accept(
        &mut self,
        request: &RouteMessageRequest,
        parties: Vec<String>,
        arrival: &Arrival,
    ) -> String {
        let number = self.messages.len();
        let content = self.content(request, arrival);
        self.note_message(&content, &parties);
        let message_id = content.message_id.clone();
        self.note_accepted(&message_id, request);
        let kept = self.keeps(request, arrival);
        self.overwrite_payloads(&content);
        let session = self.session_mut(&request.session_id);
        session.accepted += 1;
        session.reached.extend(parties.iter().cloned());

        // RTE-5: one identifier, for this message only.
        self.numbers.insert(message_id.clone(), number);
        self.messages.push(Message {
            content,
            accepted: Instant::now(),
            connection: arrival.connection,
            deliveries: parties.iter().cloned().map(Delivery::to).collect(),
        });
        if kept {
            for party in &parties {
                self.put_into_mailbox(number, party);
            }
            for party in &parties {
                self.offer(number, party);
            }
            for party in &parties {
                self.raise(number, party, arrival);
                self.collapse(number, party);
                // OFF-1: being told is not being delivered to.
                if self.has(Fault::NotifiedIsDelivered) && self.can_be_told(party) {
                    self.take_out(number, party);
                }
            }
        }
        message_id
    }

    /// RTE-4: each message has a payload of its own. Only a fault puts them under the same labels.
    fn overwrite_payloads(&mut self, new: &MpcMessage) {
        if !self.has(Fault::PayloadKeyedByRound) || new.payload.len() < BLOB {
            return;
        }
        let labels = |it: &MpcMessage| {
            (it.session_id.clone(), it.from_party.clone(), it.round_number, it.message_type.clone())
        };
        for message in &mut self.messages {
            let old = &mut message.content;
            if old.payload.len() >= BLOB && labels(old) == labels(new) {
                old.payload = new.payload.clone();
            }
        }
    }

    /// DUR-2: a message and all of its recipients are written at once.
    fn note_message(&mut self, content: &MpcMessage, parties: &[String]) {
        let written = if self.has(Fault::RecipientsWrittenLater) { 1 } else { parties.len() };
        let recipients = parties.iter().take(written).cloned().collect();
        self.note(Fact::Accepted(Accepted { content: content.clone(), recipients }));
    }

    /// Writes down the recipients that a fault has left out.
    pub(super) fn note_other_recipients(&mut self, message_id: &str) {
        let Some(&number) = self.numbers.get(message_id) else { return };
        let message = &self.messages[number];
        let others = message.deliveries.iter().skip(1).map(|it| it.party.clone()).collect();
        let content = MpcMessage { message_id: message_id.to_owned(), ..MpcMessage::default() };
        self.note(Fact::Addressed(Accepted { content, recipients: others }));
    }

    /// Gives a new member the broadcasts of before: only a fault does (SES-6).
    pub(super) fn hand_down_history(&mut self, session_id: &str, party: &str) {
        for number in 0..self.messages.len() {
            let message = &mut self.messages[number];
            if message.content.session_id == session_id
                && message.content.is_broadcast
                && message.content.from_party != party
                && message.delivery(party).is_none()
            {
                message.deliveries.push(Delivery::to(party.to_owned()));
                self.put_into_mailbox(number, party);
                self.offer(number, party);
            }
        }
    }

    /// What is accepted is kept; only faults do otherwise.
    fn keeps(&mut self, request: &RouteMessageRequest, arrival: &Arrival) -> bool {
        let twist = self.twist.clone();
        if self.drops_under_load(&request.from_party) {
            return false;
        }
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

    pub(super) fn put_into_mailbox(&mut self, number: Number, party: &str) {
        let session = self.messages[number].content.session_id.clone();
        let ring = self.has(Fault::OfflineMailboxOf100)
            && self.party(party).is_some_and(|party| !self.is_online(party));
        let ring =
            ring || (self.has(Fault::UnregisteredMailboxOf100) && self.party(party).is_none());
        let accepted_is_delivered = self.has(Fault::AcceptedIsDelivered);
        let (of, to) = self.mailbox_key(&session, party);
        let mailbox = self.session_mut(&of).mailboxes.entry(to.into_owned()).or_default();
        mailbox.insert(number);
        // HB-11, REG-8: nothing is lost by being offline, nor by not having registered.
        if ring && mailbox.len() > 100 {
            mailbox.pop_first();
        }
        if accepted_is_delivered {
            self.hand_out(number, party, Way::Stream);
        }
        self.evict(&session, party);
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
    pub(super) fn answered_id(&mut self, message_id: String) -> String {
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
}
