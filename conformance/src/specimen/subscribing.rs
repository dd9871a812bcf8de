//! Message streams begin and end: SUB.

use std::collections::VecDeque;

use mpc_router_proto::v1::SubscribeMessagesRequest;
use prost::Message as _;
use tokio::time::{Duration, Instant};

use super::membership::Reading;
use super::refusal::Refusal;
use super::state::{Number, Phase, State, Subscription, Waiting};
use super::{Fault, Variant};

/// How long a replay takes that is loaded in the background.
const BACKGROUND: Duration = Duration::from_millis(20);

const MIB: usize = 1024 * 1024;

/// How much of a replay is loaded at a time. Messages.
const PAGE: usize = 500;

/// The number of a stream that never was: it ends at once, with OK.
const NO_STREAM: u64 = 0;

impl State {
    /// SubscribeMessages: gives the new stream's number. Only a fault leaves out of the replay what
    /// was accepted from `unless` on.
    pub(super) fn subscribe(
        &mut self,
        request: &SubscribeMessagesRequest,
        unless: Option<Number>,
    ) -> Result<u64, Refusal> {
        let party = &request.party_id;
        if party.is_empty() && self.has(Fault::EmptySubscriberEndsQuietly) {
            return Ok(NO_STREAM);
        }
        // SUB-6
        if party.is_empty() && !self.has(Fault::EmptySubscriberAccepted) {
            return Err(Refusal::invalid("party_id is empty"));
        }
        if request.session_id.is_empty() && !self.has_wildcard() {
            return Err(Refusal::invalid("session_id is empty"));
        }
        // SUB-7
        if self.party(party).is_none() && !party.is_empty() {
            if self.has(Fault::UnknownSubscriberEndsQuietly) {
                return Ok(NO_STREAM);
            }
            if !self.has(Fault::UnknownSubscriberAccepted) {
                return Err(Refusal::not_found("the party is not registered"));
            }
        }
        self.admit(&request.session_id, party, Reading::Stream)?;
        self.heard(party);
        // OFF-2
        if !self.has(Fault::StreamLeavesToldMark) {
            self.comes_back(party);
        }
        // HB-9
        let key = self.party_key(party);
        if self.has(Fault::SubscribingResetsLastSeen)
            && let Some(party) = self.parties.get_mut(&key)
        {
            party.last_seen_at = party.registered_at;
        }
        self.count_missed_attempts(request);
        self.forget_orphans(&request.session_id, party);
        self.supersede(request);
        self.end_instant(&request.session_id);

        // SUB-1: first what is outstanding. SUB-2: both under one lock, so nothing falls between.
        let now = Instant::now();
        let due = if self.has(Fault::LiveBeforeReplay) { now + BACKGROUND } else { now };
        let queue: VecDeque<Waiting> = self
            .replay(request)
            .into_iter()
            .filter(|number| unless.is_none_or(|unless| *number < unless))
            .map(|number| Waiting { number, queued: now, due, replayed: true, instant: 0 })
            .collect();
        let (sessions, unacknowledged) = (self.sessions_of(party), self.timers_of_before(request));
        let of = &request.session_id;
        let place = self.subscriptions.iter().filter(|it| it.session == *of).count();
        let id = self.next_stream();
        self.subscriptions.push(Subscription {
            id,
            session: request.session_id.clone(),
            party: party.clone(),
            queue,
            sessions,
            unacknowledged,
            superseded: false,
            waker: None,
            active_at: now,
            handed_out: 0,
            place,
            replays: false,
            last: None,
            again: None,
            redelivered: false,
            paused_until: None,
            on_the_way: VecDeque::new(),
        });
        Ok(id)
    }

    /// RED-2: a stream begins without timers. Only a fault hands down those of earlier ones.
    fn timers_of_before(
        &mut self,
        request: &SubscribeMessagesRequest,
    ) -> VecDeque<(Instant, Number)> {
        if !self.has(Fault::TimerOutlivesStream) {
            return VecDeque::new();
        }
        let party = self.orphans.iter().position(|(party, _)| *party == request.party_id);
        party.map(|at| self.orphans.remove(at).1).unwrap_or_default()
    }

    /// RED-5: without an open stream there are no attempts, and so none is missed.
    fn count_missed_attempts(&mut self, request: &SubscribeMessagesRequest) {
        let open = self.subscriptions.iter().any(|stream| stream.party == request.party_id);
        if open || !self.has(Fault::RetriesCountWhileAway) {
            return;
        }
        let (patience, most) = (self.settings.ack_timeout, self.settings.max_retries);
        for number in self.replay(request) {
            let message = &mut self.messages[number];
            let missed = message.accepted.elapsed().as_millis() / patience.as_millis().max(1);
            if let Some(delivery) = message.delivery_mut(&request.party_id)
                && delivery.phase == Phase::Delivered
            {
                delivery.retries = u32::try_from(missed).unwrap_or(most).min(most);
            }
        }
    }

    /// What becomes of the party's earlier streams of the session: unspecified (SUB-5). Here they
    /// go on, and redeliver nothing while there is a newer one.
    fn supersede(&mut self, request: &SubscribeMessagesRequest) {
        if !self.is(Variant::SupersededStreamEnds) && !self.is(Variant::SupersededStreamSilent) {
            return;
        }
        for stream in &mut self.subscriptions {
            if stream.party == request.party_id && stream.session == request.session_id {
                stream.superseded = true;
                stream.wake();
            }
        }
    }

    /// What a new subscription gets first: the outstanding deliveries, in the order routed (ORD-3).
    fn replay(&self, request: &SubscribeMessagesRequest) -> Vec<Number> {
        let party = &request.party_id;
        let mut numbers = self.outstanding(&request.session_id, party);
        // SUB-4, PND-8: what was acknowledged is not delivered again.
        if self.has(Fault::AcknowledgedReplayed) || self.has(Fault::StreamIgnoresPollAcks) {
            let ended = (0..self.messages.len()).filter(|number| {
                let of = &self.messages[*number].content.session_id;
                (request.session_id.is_empty() || self.same_session(of, &request.session_id))
                    && self.comes_in_spite_of_its_ack(*number, party)
            });
            numbers.extend(ended);
            numbers.sort_unstable();
            numbers.dedup();
        }
        let content = |number: &Number| &self.messages[*number].content;
        // DUR-4: in the order of acceptance, before and after a restart.
        if self.has(Fault::RestoredSortedById) {
            let (restored, place) =
                (self.restored, numbers.partition_point(|it| *it < self.restored));
            debug_assert!(numbers[..place].iter().all(|it| *it < restored));
            numbers[..place].sort_by_key(|number| &content(number).message_id);
        }
        if self.has(Fault::RestoredComeLast) {
            numbers.sort_by_key(|number| *number < self.restored);
        }
        if self.has(Fault::ReplaySortedByRound) {
            numbers.sort_by_key(|number| content(number).round_number);
        }
        if self.has(Fault::HandedOutReplayedLast) {
            let phase = |number: &Number| self.messages[*number].delivery(party).map(|it| it.phase);
            numbers.sort_by_key(|number| phase(number) != Some(Phase::Pending));
        }
        if self.has(Fault::ReplaysUnicastsFirst) {
            numbers.sort_by_key(|number| content(number).is_broadcast);
        }
        if self.has(Fault::ReplaysSenderBySender) {
            numbers.sort_by_key(|number| &content(number).from_party);
        }
        if self.has(Fault::ReplaysNewestFirst) {
            numbers.reverse();
        }
        if self.has(Fault::LargeReplayedLast) {
            numbers.sort_by_key(|number| content(number).payload.len() > MIB);
        }
        if self.has(Fault::ReplayPagesSwapped) {
            numbers = numbers.chunks(PAGE).rev().flatten().copied().collect();
        }
        // SUB-1
        if self.has(Fault::ReplaySkipsOver1MiB) {
            numbers.retain(|number| content(number).encoded_len() <= MIB);
        }
        if self.has(Fault::ReplayOf50) {
            numbers.truncate(50);
        }
        let live_only = self.has(Fault::WildcardIsLiveOnly) && request.session_id.is_empty();
        if self.has(Fault::NoReplay) || live_only {
            numbers.clear();
        }
        numbers
    }

    pub(super) fn comes_in_spite_of_its_ack(&self, number: Number, party: &str) -> bool {
        self.messages[number].delivery(party).is_some_and(|delivery| {
            delivery.phase == Phase::Acknowledged
                && (self.has(Fault::AcknowledgedReplayed)
                    || (self.has(Fault::StreamIgnoresPollAcks) && delivery.polls > 0))
        })
    }

    /// A stream has ended, by cancel or by a lost connection. SUB-3: it loses nothing.
    pub(super) fn unsubscribe(&mut self, id: u64) {
        let Some(at) = self.subscriptions.iter().position(|stream| stream.id == id) else { return };
        self.silence_by_index(at);
        let ended = self.subscriptions.remove(at);
        if self.has(Fault::TimerOutlivesStream) || self.has(Fault::RetriesCountByPresence) {
            self.orphans.push((ended.party.clone(), ended.unacknowledged.clone()));
        }
        if self.has(Fault::CancelLosesQueue) {
            for waiting in &ended.queue {
                self.take_out(waiting.number, &ended.party);
            }
        }
        if self.has(Fault::DisconnectResetsStatus) {
            for (_, number) in &ended.unacknowledged {
                if let Some(delivery) = self.messages[*number].delivery_mut(&ended.party)
                    && delivery.phase == Phase::Delivered
                {
                    delivery.phase = Phase::Pending;
                    delivery.delivered_at = 0;
                }
            }
        }
        // HB-5: only time makes a party offline.
        if self.has(Fault::StreamEndMeansOffline) {
            self.hangs_up(&ended.party);
        }
        // SUB-5: the others go on.
        if self.has(Fault::FirstEndSilencesSecond) {
            for stream in &mut self.subscriptions {
                stream.superseded |= stream.party == ended.party && stream.session == ended.session;
            }
        }
        // One of the others may be the newest now: its attempts begin again.
        let due = Instant::now() + self.settings.ack_timeout;
        for stream in &mut self.subscriptions {
            if stream.party == ended.party && stream.session == ended.session {
                for waiting in &mut stream.unacknowledged {
                    waiting.0 = due;
                }
                stream.wake();
            }
        }
    }

    /// SUB-5: with one stream no other one ends. A fault knows them by their places in a list.
    fn silence_by_index(&mut self, ends: usize) {
        if !self.has(Fault::EndRemovesByIndex) {
            return;
        }
        let Subscription { session, place, .. } = &self.subscriptions[ends];
        let in_list = |at: &usize| self.subscriptions[*at].session == *session;
        let at = (0..self.subscriptions.len()).filter(in_list).nth(*place);
        if let Some(at) = at.filter(|at| *at != ends) {
            self.subscriptions[at].superseded = true;
        }
    }

    /// Something has changed that the party's streams may wait for.
    pub(super) fn wake_streams(&mut self, party: &str) {
        for stream in self.subscriptions.iter_mut().filter(|stream| stream.party == party) {
            stream.wake();
        }
    }
}
