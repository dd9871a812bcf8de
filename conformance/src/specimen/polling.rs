//! GetPendingMessages: PND.

use mpc_router_proto::v1::{GetPendingMessagesRequest, GetPendingMessagesResponse, MpcMessage};
use prost::Message as _;
use prost::encoding::encoded_len_varint;

use super::delivery::Way;
use super::membership::Reading;
use super::refusal::Refusal;
use super::state::{Number, Phase, State};
use super::{Fault, Variant};

/// The longest answer of more than one message: 4 MiB, less what a later version may add to it.
pub(super) const ANSWER_BYTES: usize = 4 * 1024 * 1024 - 64;

impl State {
    /// GetPendingMessages.
    pub(super) fn poll(
        &mut self,
        request: &GetPendingMessagesRequest,
    ) -> Result<GetPendingMessagesResponse, Refusal> {
        let party = &request.party_id;
        // PND-7
        if party.is_empty() && !self.has(Fault::EmptyPollerAccepted) {
            return Err(Refusal::invalid("party_id is empty"));
        }
        if request.session_id.is_empty() && !self.has_wildcard() {
            return Err(Refusal::invalid("session_id is empty"));
        }
        if self.party(party).is_none()
            && !party.is_empty()
            && !self.has(Fault::UnknownPollerGetsNothing)
        {
            return Err(Refusal::not_found("the party is not registered"));
        }
        self.admit(&request.session_id, party, Reading::Poll)?;
        if self.has(Fault::OfflinePollRefused) && self.can_be_told(party) {
            return Err(Refusal::precondition("the party is offline"));
        }
        self.heard(party);
        // OFF-2
        if !self.has(Fault::PollLeavesToldMark) {
            self.comes_back(party);
        }
        self.end_instant(&request.session_id);

        let candidates = self.candidates(request);
        let chosen = self.choose(&candidates, party, request.after_timestamp);
        let mut messages: Vec<MpcMessage> =
            chosen.into_iter().map(|number| self.hand_out(number, party, Way::Poll)).collect();
        if self.has(Fault::PollShowsFirstSender)
            && let Some(first) = messages.first().map(|first| first.from_party.clone())
        {
            messages.iter_mut().for_each(|message| message.from_party.clone_from(&first));
        }
        Ok(GetPendingMessagesResponse { messages })
    }

    /// PND-1, PND-2: what is outstanding and not older than asked for, the oldest first.
    fn candidates(&self, request: &GetPendingMessagesRequest) -> Vec<Number> {
        let party = &request.party_id;
        let mut numbers: Vec<Number> = if self.has(Fault::PollAcrossSessions) {
            // RTE-10
            let mailboxes = self.sessions.values().filter_map(|s| s.mailboxes.get(party));
            mailboxes.flatten().copied().collect()
        } else {
            self.outstanding(&request.session_id, party)
        };
        // PND-8: acknowledged on a stream is gone from polls.
        if self.has(Fault::PollIgnoresStreamAcks) {
            let ended = (0..self.messages.len()).filter(|number| {
                let message = &self.messages[*number];
                let of = &message.content.session_id;
                (request.session_id.is_empty() || self.same_session(of, &request.session_id))
                    && message.delivery(party).is_some_and(|delivery| {
                        delivery.phase == Phase::Acknowledged && delivery.streamed
                    })
            });
            numbers.extend(ended);
        }
        numbers.sort_unstable();
        numbers.dedup();

        let content = |number: &Number| &self.messages[*number].content;
        numbers.retain(|number| self.is_new_enough(*number, request));
        // ORD-6: by `created_at`, and as routed where these are equal.
        numbers.sort_by_key(|number| content(number).created_at);
        if self.has(Fault::PollSortedById) {
            numbers.sort_by_key(|number| (content(number).created_at, &content(number).message_id));
        }
        if self.has(Fault::PollGroupedBySender) {
            numbers.sort_by_key(|number| &content(number).from_party);
        }
        if request.session_id.is_empty() {
            if self.has(Fault::WildcardPollBySession) {
                numbers.sort_by_key(|number| &content(number).session_id);
            }
            if self.has(Fault::WildcardPollShufflesTies) {
                let age =
                    |number: &Number| (content(number).created_at, &content(number).message_id);
                numbers.sort_by_key(age);
            }
            if self.has(Fault::WildcardPollFindsNothing) {
                numbers.clear();
            }
        }
        if self.has(Fault::PollNewestFirst) {
            numbers.reverse();
        }
        if self.has(Fault::PollPageOf100) {
            numbers.truncate(100);
        }
        numbers
    }

    /// PND-2: older ones are not in the answer. PND-3: equal ones are.
    fn is_new_enough(&self, number: Number, request: &GetPendingMessagesRequest) -> bool {
        let (party, after_timestamp) = (request.party_id.as_str(), request.after_timestamp);
        let message = &self.messages[number];
        let created_at = message.content.created_at;
        if self.has(Fault::AfterTimestampIgnored) {
            return true;
        }
        if self.has(Fault::AfterTimestampWithSlack) {
            return created_at >= after_timestamp.saturating_sub(1000);
        }
        if self.has(Fault::AfterTimestampInNanoseconds) {
            return created_at.wrapping_mul(1_000_000) >= after_timestamp.wrapping_mul(1_000_000);
        }
        if self.has(Fault::AfterTimestampUnsigned) {
            return created_at.cast_unsigned() >= after_timestamp.cast_unsigned();
        }
        // Only within one session no two messages share a `created_at`.
        let strictly = self.is(Variant::PollsStrictlyAfter) && !request.session_id.is_empty();
        if self.has(Fault::AfterTimestampExclusive) || strictly {
            return created_at > after_timestamp;
        }
        if self.has(Fault::AckClosesMillisecond) && created_at == after_timestamp {
            let acknowledged = self.messages.iter().any(|other| {
                other.content.session_id == message.content.session_id
                    && other.content.created_at == created_at
                    && other.delivery(party).is_some_and(|d| d.phase == Phase::Acknowledged)
            });
            return !acknowledged;
        }
        created_at >= after_timestamp
    }

    /// PND-4: the oldest ones that fit, and with them one that is newer than `after_timestamp`.
    fn choose(&self, candidates: &[Number], party: &str, after_timestamp: i64) -> Vec<Number> {
        if self.has(Fault::PollAnswersWholeBacklog) {
            return candidates.to_vec();
        }
        if self.has(Fault::PollSkipsWhatDoesNotFit) {
            return self.whatever_fits(candidates);
        }
        let newer = |number: &Number| self.messages[*number].content.created_at > after_timestamp;
        let polled = |number: &Number| {
            self.messages[*number].delivery(party).is_some_and(|delivery| delivery.polls > 0)
        };
        let answer = self.oldest_that_fit(candidates);
        let stuck = !answer.iter().any(newer) && candidates.iter().any(newer);
        if !stuck || self.has(Fault::MillisecondOverfull) {
            return answer;
        }
        // The equal ones may be left out: first those that the poller has been answered with.
        let fewer: Vec<Number> =
            candidates.iter().copied().filter(|number| newer(number) || !polled(number)).collect();
        let answer = self.oldest_that_fit(&fewer);
        if answer.iter().any(newer) {
            return answer;
        }
        let newest: Vec<Number> = candidates.iter().copied().filter(newer).collect();
        self.oldest_that_fit(&newest)
    }

    /// As many from the front as fit into one answer, and one in any case.
    fn oldest_that_fit(&self, numbers: &[Number]) -> Vec<Number> {
        let mut bytes = 0;
        numbers
            .iter()
            .copied()
            .enumerate()
            .take_while(|(at, number)| {
                bytes += self.bytes_in_answer(*number);
                *at == 0 || bytes <= ANSWER_BYTES
            })
            .map(|(_, number)| number)
            .collect()
    }

    fn whatever_fits(&self, numbers: &[Number]) -> Vec<Number> {
        let mut room = ANSWER_BYTES;
        let mut chosen = Vec::new();
        for number in numbers.iter().copied() {
            let bytes = self.bytes_in_answer(number);
            if bytes <= room {
                room -= bytes;
                chosen.push(number);
            }
        }
        chosen
    }

    /// The message and its field's key and length.
    fn bytes_in_answer(&self, number: Number) -> usize {
        let bytes = self.messages[number].content.encoded_len();
        1 + encoded_len_varint(bytes as u64) + bytes
    }
}
