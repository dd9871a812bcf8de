//! Message streams: SUB, the order of what they hand out (ORD), and redelivery on them (RED).

use std::collections::VecDeque;
use std::task::Waker;

use mpc_router_proto::v1::{MpcMessage, SubscribeMessagesRequest};
use tokio::time::{Duration, Instant};
use tonic::Status;

use super::delivery::{LAG, Next, Way};
use super::refusal::Refusal;
use super::state::{Number, Phase, State, Subscription, Waiting};
use super::{Fault, Variant};

const MIB: usize = 1024 * 1024;

/// How long a replay takes that is loaded in the background.
const BACKGROUND: Duration = Duration::from_millis(20);

/// How long some faults bear a silent stream.
const IDLE: Duration = Duration::from_secs(1);

/// How much is on a long wire at most.
const ON_THE_WAY: usize = 64;

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
        if request.session_id.is_empty() {
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
        self.heard(party);
        self.count_missed_attempts(request);
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
        let id = self.next_stream();
        self.subscriptions.push(Subscription {
            id,
            session: request.session_id.clone(),
            party: party.clone(),
            queue,
            unacknowledged: VecDeque::new(),
            superseded: false,
            waker: None,
            active_at: now,
            handed_out: 0,
            last: None,
            again: None,
            redelivered: false,
            paused_until: None,
            on_the_way: VecDeque::new(),
        });
        Ok(id)
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
        let mut numbers: Vec<Number> = self
            .session(&request.session_id)
            .and_then(|session| session.mailboxes.get(party))
            .map(|mailbox| mailbox.iter().copied().collect())
            .unwrap_or_default();
        // SUB-4, PND-8: what was acknowledged is not delivered again.
        if self.has(Fault::AcknowledgedReplayed) || self.has(Fault::StreamIgnoresPollAcks) {
            let ended = (0..self.messages.len()).filter(|number| {
                self.same_session(&self.messages[*number].content.session_id, &request.session_id)
                    && self.comes_in_spite_of_its_ack(*number, party)
            });
            numbers.extend(ended);
            numbers.sort_unstable();
            numbers.dedup();
        }
        let content = |number: &Number| &self.messages[*number].content;
        if self.has(Fault::ReplaySortedByRound) {
            numbers.sort_by_key(|number| content(number).round_number);
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
        if self.has(Fault::ReplayOf50) {
            numbers.truncate(50);
        }
        if self.has(Fault::NoReplay) {
            numbers.clear();
        }
        numbers
    }

    fn comes_in_spite_of_its_ack(&self, number: Number, party: &str) -> bool {
        self.messages[number].delivery(party).is_some_and(|delivery| {
            delivery.phase == Phase::Acknowledged
                && (self.has(Fault::AcknowledgedReplayed)
                    || (self.has(Fault::StreamIgnoresPollAcks) && delivery.polls > 0))
        })
    }

    /// Puts an accepted message into the queues of its recipient's open streams: SUB-1, SUB-5.
    pub(super) fn offer(&mut self, number: Number, party: &str) {
        let session = self.messages[number].content.session_id.clone();
        let mut streams: Vec<usize> = (0..self.subscriptions.len())
            .filter(|at| {
                let stream = &self.subscriptions[*at];
                // RTE-10: of this session only.
                let meant = self.same_session(&stream.session, &session)
                    || self.has(Fault::StreamAcrossSessions);
                stream.party == party && meant && !stream.superseded
            })
            .collect();
        if self.has(Fault::SecondSubscriptionStarved) {
            streams.truncate(1);
        }
        if self.has(Fault::SubscriptionsShareMessages) && !streams.is_empty() {
            streams = vec![streams[number % streams.len()]];
        }
        for at in streams {
            self.enqueue(at, number);
        }
    }

    /// Puts a message behind all others in a stream's queue: ORD-1 to ORD-5.
    fn enqueue(&mut self, at: usize, number: Number) {
        let due = self.due(at, number);
        let content = &self.messages[number].content;
        let instant = self.session(&content.session_id).map_or(0, |session| session.instant.count);
        let queued = Instant::now();
        let waiting = Waiting { number, queued, due, replayed: false, instant };
        let sorts_itself =
            self.has(Fault::RecipientsSortByName) || self.is(Variant::RecipientsOrderForThemselves);
        let place = if sorts_itself { self.place_in_instant(at, &waiting) } else { None };
        let twist = self.twist.clone();

        let stream = &mut self.subscriptions[at];
        let replaying = stream.queue.iter().any(|waiting| waiting.replayed);
        if twist.has(Fault::LiveLostDuringReplay) && replaying {
            return;
        }
        // ORD-8: redeliveries change nothing for the others.
        if twist.has(Fault::RedeliveryShufflesFresh) && stream.redelivered {
            stream.queue.push_front(waiting);
        } else if let Some(place) = place {
            stream.queue.insert(place, waiting);
        } else {
            stream.queue.push_back(waiting);
        }
        stream.wake();
    }

    /// When a message may leave a stream's queue: at once, but for a twist that lets others
    /// overtake it.
    fn due(&mut self, at: usize, number: Number) -> Instant {
        let now = Instant::now();
        let content = &self.messages[number].content;
        let session = self.session(&content.session_id);
        let accepted = session.map_or(0, |session| session.accepted);
        let instant_ends = session.and_then(|session| session.instant.ends);
        if let Some(ends) = instant_ends {
            return ends;
        }
        if self.has(Fault::LanePerSender) {
            let messages = &self.messages;
            let lane = self.subscriptions[at]
                .queue
                .iter()
                .filter(|waiting| messages[waiting.number].content.from_party == content.from_party)
                .map(|waiting| waiting.due)
                .max();
            let due = if self.heads() { now + 2 * LAG } else { now };
            return lane.map_or(due, |lane| lane.max(due));
        }
        let lags = (self.has(Fault::SwapsOnceIn100) && accepted.is_multiple_of(100))
            || (self.has(Fault::LargeMessagesOvertaken) && content.payload.len() > MIB)
            || (self.has(Fault::BroadcastsLag) && content.is_broadcast)
            || (self.has(Fault::RedeliveryShufflesFresh) && self.subscriptions[at].redelivered);
        if lags { now + LAG } else { now }
    }

    /// Where a message goes among those of its own instant: by sender, one way or the other.
    /// Messages of one sender keep their order (ORD-1), and none of them has been handed out to
    /// anybody, so none is a reply to another (ORD-4).
    fn place_in_instant(&self, at: usize, new: &Waiting) -> Option<usize> {
        let stream = &self.subscriptions[at];
        let sender = |waiting: &Waiting| &self.messages[waiting.number].content.from_party;
        let descending = stream.party.bytes().map(u32::from).sum::<u32>() % 2 == 1;
        stream.queue.iter().position(|waiting| {
            waiting.instant == new.instant
                && if descending {
                    sender(waiting) < sender(new)
                } else {
                    sender(waiting) > sender(new)
                }
        })
    }

    /// What comes from now on is of a later instant than what the caller is about to hand out.
    pub(super) fn end_instant(&mut self, session_id: &str) {
        self.session_mut(session_id).instant.ends = None;
    }

    /// What a message stream does next.
    pub(super) fn next_item(&mut self, id: u64, waker: &Waker) -> Next<MpcMessage> {
        let Some(at) = self.subscriptions.iter().position(|stream| stream.id == id) else {
            return Next::End(None);
        };
        let now = Instant::now();
        let ends = self.is(Variant::SupersededStreamEnds);
        let stream = &mut self.subscriptions[at];
        stream.waker = Some(waker.clone());
        if stream.superseded {
            return if ends {
                Next::End(Some(Status::aborted("a newer stream has taken over")))
            } else {
                Next::Wait { until: None }
            };
        }
        if let Some(until) = stream.paused_until
            && now < until
        {
            return Next::Wait { until: Some(until) };
        }
        if let Some(number) = stream.again.take() {
            return Next::Item(self.messages[number].content.clone());
        }
        if self.is(Variant::LongWire) {
            return self.over_a_long_wire(at);
        }
        match self.next_number(at) {
            Some(number) => Next::Item(self.write(at, number)),
            None => self.at_rest(at),
        }
    }

    /// ORD-8: first deliveries go before redeliveries.
    fn next_number(&mut self, at: usize) -> Option<Number> {
        self.first_delivery(at).or_else(|| self.redelivery(at))
    }

    /// Takes the next message out of the stream's queue.
    fn first_delivery(&mut self, at: usize) -> Option<Number> {
        let now = Instant::now();
        if self.is_held_back(at) {
            return None;
        }
        loop {
            let stream = &mut self.subscriptions[at];
            let next = stream.queue.iter().position(|waiting| waiting.due <= now)?;
            let waiting = stream.queue.remove(next)?;
            let party = stream.party.clone();
            // RED-8: what is in the queue is not sent yet.
            let all_attempts = self.settings.ack_timeout * (self.settings.max_retries + 1);
            if self.has(Fault::TimerStartsInQueue) && now - waiting.queued > all_attempts {
                self.end(waiting.number, &party, Phase::Failed);
            }
            // SUB-4, ACK-9: not what has been acknowledged meanwhile.
            if self.is_outstanding(waiting.number, &party)
                || (waiting.replayed && self.comes_in_spite_of_its_ack(waiting.number, &party))
            {
                return Some(waiting.number);
            }
        }
    }

    /// ORD-8, SUB-1: what is unacknowledged holds nothing back, however much it is.
    fn is_held_back(&self, at: usize) -> bool {
        let stream = &self.subscriptions[at];
        let unacknowledged = |number: Number| self.is_outstanding(number, &stream.party);
        (self.has(Fault::StreamDriesUpAfter500) && stream.handed_out >= 500)
            || (self.has(Fault::WindowOf100)
                && stream.unacknowledged.iter().filter(|(_, n)| unacknowledged(*n)).count() >= 100)
            || (self.has(Fault::RedeliveryHoldsBack)
                && stream.unacknowledged.iter().any(|(_, number)| {
                    unacknowledged(*number)
                        && self.messages[*number]
                            .delivery(&stream.party)
                            .is_some_and(|delivery| delivery.retries > 0)
                }))
    }

    /// RED-1, RED-2: what was sent on this stream `ack_timeout` ago and is not acknowledged.
    fn redelivery(&mut self, at: usize) -> Option<Number> {
        let now = Instant::now();
        if !self.redelivers(at) {
            return None;
        }
        loop {
            let stream = &mut self.subscriptions[at];
            let party = stream.party.clone();
            let (due, number) = *stream.unacknowledged.front()?;
            if self.attempts_are_over(number, &party) {
                self.subscriptions[at].unacknowledged.pop_front();
                continue;
            }
            if due > now {
                return None;
            }
            self.subscriptions[at].unacknowledged.pop_front();
            let (max_retries, twist) = (self.settings.max_retries, self.twist.clone());
            let delivery = self.messages[number].delivery_mut(&party)?;
            // RED-4
            if delivery.retries >= max_retries && !twist.has(Fault::RedeliversForEver) {
                self.end(number, &party, Phase::Failed);
                continue;
            }
            // RED-3
            if !twist.has(Fault::RetryCountStuck) {
                delivery.retries += 1;
            }
            let last = delivery.retries == max_retries;
            if last && twist.has(Fault::FailsWithLastRetry) {
                self.end(number, &party, Phase::Failed);
            }
            self.subscriptions[at].redelivered = true;
            self.redeliver_to_others(number, &party);
            return Some(number);
        }
    }

    /// RED-6, ACK-9: an acknowledgement ends the attempts.
    fn attempts_are_over(&self, number: Number, party: &str) -> bool {
        if self.is_outstanding(number, party) {
            return false;
        }
        let goes_on = self.messages[number].delivery(party).is_some_and(|delivery| {
            let left = delivery.retries < self.settings.max_retries;
            match delivery.phase {
                Phase::Acknowledged => {
                    (self.has(Fault::RedeliversAcknowledged) && delivery.retries == 0)
                        || (self.has(Fault::AckAfterRetryIgnored) && left && delivery.retries > 0)
                }
                Phase::Failed => self.has(Fault::NackKeepsRetrying) && left,
                Phase::Pending | Phase::Delivered => false,
            }
        });
        !goes_on
    }

    /// RED-7: one party's silence concerns no other.
    fn redeliver_to_others(&mut self, number: Number, party: &str) {
        if !self.has(Fault::RedeliversToAllRecipients) {
            return;
        }
        let recipients: Vec<String> =
            self.messages[number].deliveries.iter().map(|d| d.party.clone()).collect();
        let session = self.messages[number].content.session_id.clone();
        for stream in &mut self.subscriptions {
            if stream.party != party
                && stream.session == session
                && recipients.contains(&stream.party)
            {
                stream.again = Some(number);
                stream.wake();
            }
        }
    }

    /// Whether the stream sends anything again: the party's newest one of the session does.
    fn redelivers(&self, at: usize) -> bool {
        let stream = &self.subscriptions[at];
        let newest = !self.subscriptions[at + 1..]
            .iter()
            .any(|newer| newer.party == stream.party && newer.session == stream.session);
        let meant = newest || self.is(Variant::EveryStreamRedelivers);
        meant && !self.is(Variant::NoRedelivery) && !self.has(Fault::NeverRedelivers)
    }

    /// Hands a message out on the stream.
    fn write(&mut self, at: usize, number: Number) -> MpcMessage {
        let now = Instant::now();
        let party = self.subscriptions[at].party.clone();
        let mut content = self.hand_out(number, &party, Way::Stream);
        let over = self.attempts_are_over(number, &party);
        let again = self.messages[number].delivery(&party).is_some_and(|d| d.retries > 0);
        if again && self.has(Fault::RedeliversWithoutPayload) {
            content.payload.clear();
        }
        let mut patience = self.settings.ack_timeout;
        if self.has(Fault::RedeliversTooEarly) {
            patience /= 2;
        }
        if self.is(Variant::LazyRedelivery) {
            patience += Duration::from_millis(20);
        }
        let due = now + patience;
        let pause =
            self.is(Variant::JitteryDelivery).then(|| self.random_ms(8)).map(|pause| now + pause);
        let again = self.subscriptions[at].last.filter(|last| {
            *last != number
                && self.messages[*last].delivery(&party).is_some_and(|last| match last.phase {
                    // ACK-9: what was acknowledged is not sent again.
                    Phase::Acknowledged => self.has(Fault::BatchNotTrimmed),
                    // RED-2: nor what there still is time for.
                    _ => self.has(Fault::RedeliversWithEachMessage),
                })
        });

        let stream = &mut self.subscriptions[at];
        if !over {
            stream.unacknowledged.push_back((due, number));
        }
        stream.active_at = now;
        stream.handed_out += 1;
        stream.last = Some(number);
        stream.again = again;
        stream.paused_until = pause;
        content
    }

    /// The stream has nothing to hand out: it stays open and silent (SUB-8).
    fn at_rest(&mut self, at: usize) -> Next<MpcMessage> {
        let now = Instant::now();
        let redelivers = self.redelivers(at);
        let idle_matters =
            self.has(Fault::StreamEndsWhenIdle) || self.has(Fault::KeepAliveMessages);
        if self.has(Fault::StreamEndsWhenDrained) && self.subscriptions[at].queue.is_empty() {
            return Next::End(None);
        }
        let idle_at = self.subscriptions[at].active_at + IDLE;
        if idle_matters && idle_at <= now {
            if self.has(Fault::StreamEndsWhenIdle) {
                return Next::End(None);
            }
            self.subscriptions[at].active_at = now;
            return Next::Item(MpcMessage::default());
        }
        let stream = &self.subscriptions[at];
        let later = stream.queue.iter().map(|waiting| waiting.due).filter(|due| *due > now);
        let again = stream.unacknowledged.front().map(|(due, _)| *due).filter(|_| redelivers);
        let idle = idle_matters.then_some(idle_at);
        Next::Wait { until: later.chain(again).chain(idle).min() }
    }

    /// A message is handed out when it sets out, and arrives a little later, in order.
    fn over_a_long_wire(&mut self, at: usize) -> Next<MpcMessage> {
        let now = Instant::now();
        while self.subscriptions[at].on_the_way.len() < ON_THE_WAY
            && let Some(number) = self.next_number(at)
        {
            let content = self.write(at, number);
            self.subscriptions[at].on_the_way.push_back((now + LAG, content));
        }
        let stream = &mut self.subscriptions[at];
        match stream.on_the_way.front() {
            Some((arrives, _)) if *arrives > now => Next::Wait { until: Some(*arrives) },
            Some(_) => stream
                .on_the_way
                .pop_front()
                .map_or(Next::Wait { until: None }, |(_, content)| Next::Item(content)),
            None => self.at_rest(at),
        }
    }

    /// A stream has ended, by cancel or by a lost connection. SUB-3: it loses nothing.
    pub(super) fn unsubscribe(&mut self, id: u64) {
        let Some(at) = self.subscriptions.iter().position(|stream| stream.id == id) else { return };
        let ended = self.subscriptions.remove(at);
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
        // One of the others may be the newest now.
        self.wake_streams(&ended.party);
    }

    /// Something has changed that the party's streams may wait for.
    pub(super) fn wake_streams(&mut self, party: &str) {
        for stream in self.subscriptions.iter_mut().filter(|stream| stream.party == party) {
            stream.wake();
        }
    }
}

impl Subscription {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
