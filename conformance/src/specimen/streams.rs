//! What an open message stream hands out, and when.

use std::task::Waker;

use mpc_router_proto::v1::MpcMessage;
use tokio::time::{Duration, Instant};
use tonic::Status;

use super::delivery::{LAG, Next, Way};
use super::load::HELD_UP;
use super::state::{Number, Phase, State, Subscription, Waiting};
use super::{Fault, Variant};

/// How long some faults bear a silent stream.
const IDLE: Duration = Duration::from_secs(1);

const MIB: usize = 1024 * 1024;

/// How late a timer may be.
const LAZY: Duration = Duration::from_millis(20);

/// How much is on a long wire at most.
const ON_THE_WAY: usize = 64;

impl State {
    /// What a message stream does next.
    pub(super) fn next_item(&mut self, id: u64, waker: &Waker) -> Next<MpcMessage> {
        let Some(at) = self.subscriptions.iter().position(|stream| stream.id == id) else {
            return Next::End(None);
        };
        if self.stops {
            return self.farewell(Fault::StopEndsStreamsWithOk);
        }
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
        let paused_until = stream.paused_until;
        if self.sends_away(at) {
            return Next::End(None);
        }
        if let Some(until) = paused_until
            && now < until
        {
            return Next::Wait { until: Some(until) };
        }
        if let Some(number) = self.subscriptions[at].again.take() {
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

    /// DUR-7: how a stream ends when the router stops. With a fault it ends as if all had been read.
    pub(super) fn farewell<T>(&self, with_ok: Fault) -> Next<T> {
        if self.has(Fault::StopWaitsForStreams) {
            Next::Wait { until: None }
        } else if self.has(with_ok) {
            Next::End(None)
        } else if self.has(Fault::StopCancelsStreams) {
            Next::End(Some(Status::cancelled("the context was cancelled")))
        } else {
            Next::End(Some(Status::unavailable("the router stops")))
        }
    }

    /// The router is to end: all streams look again for what to do.
    pub(super) fn stop(&mut self) {
        self.stops = true;
        self.print_what_is_left();
        self.subscriptions.iter_mut().for_each(Subscription::wake);
        for listener in &mut self.listeners {
            if let Some(waker) = listener.waker.take() {
                waker.wake();
            }
        }
    }

    /// ORD-8: first deliveries go before redeliveries.
    fn next_number(&mut self, at: usize) -> Option<Number> {
        self.subscriptions[at].replays = false;
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
            self.count_queue(&waiting, &party);
            // SUB-4, ACK-9: not what has been acknowledged meanwhile.
            if self.is_outstanding(waiting.number, &party)
                || (waiting.replayed && self.comes_in_spite_of_its_ack(waiting.number, &party))
            {
                self.subscriptions[at].replays = waiting.replayed;
                return Some(waiting.number);
            }
        }
    }

    /// RED-3, RED-8: neither a replay nor the time in a queue is a retry. Only faults count them.
    fn count_queue(&mut self, waiting: &Waiting, party: &str) {
        let twist = self.twist.clone();
        let (patience, most) = (self.settings.ack_timeout, self.settings.max_retries);
        let waited = waiting.queued.elapsed().as_millis() / patience.as_millis().max(1);
        let message = &mut self.messages[waiting.number];
        let Some(delivery) = message.delivery_mut(party) else { return };
        if twist.has(Fault::RetriesRunInQueue) {
            let waited = u32::try_from(waited).unwrap_or(most);
            delivery.retries = (delivery.retries + waited).min(most);
        }
        if waiting.replayed && delivery.streamed {
            delivery.replays += 1;
            delivery.retries_before = delivery.retries;
            if twist.has(Fault::ReplayCountsAsRetry) {
                delivery.retries = (delivery.retries + 1).min(most);
            }
            // RED-5
            if twist.has(Fault::EachStreamIsAnAttempt) && delivery.replays > most {
                self.end(waiting.number, party, Phase::Failed);
            }
        }
    }

    /// ORD-8, SUB-1: what is unacknowledged holds nothing back, however much it is.
    fn is_held_back(&self, at: usize) -> bool {
        let stream = &self.subscriptions[at];
        let unacknowledged = |number: Number| self.is_outstanding(number, &stream.party);
        (self.has(Fault::StreamDriesUpAfter500) && stream.handed_out >= 500)
            || (self.has(Fault::StalledReaderHoldsUpSession)
                && self.has_stalled_reader(&stream.session, &stream.party))
            || (self.has(Fault::StalledFirstHoldsUpSecond) && self.is_behind_a_stalled_one(at))
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

    /// Hands a message out on the stream.
    fn write(&mut self, at: usize, number: Number) -> MpcMessage {
        let now = Instant::now();
        let party = self.subscriptions[at].party.clone();
        let mut content = self.hand_out(number, &party, Way::Stream);
        let over = self.attempts_are_over(number, &party) && !self.misses_the_ack(at, number);
        let again = self.messages[number].delivery(&party).is_some_and(|d| d.retries > 0);
        let from_index = self.has(Fault::RedeliversWithoutPayload)
            || (self.has(Fault::LargeRedeliveredFromIndex) && content.payload.len() >= MIB);
        if again && from_index {
            content.payload.clear();
        }
        // RTE-4
        if self.subscriptions[at].replays && self.has(Fault::ReplayWithoutPayload) {
            content.payload.clear();
        }
        let mut patience = self.settings.ack_timeout;
        if self.has(Fault::RedeliversTooEarly) {
            patience /= 2;
        }
        if self.is(Variant::LazyRedelivery) {
            patience += LAZY;
        }
        if self.is(Variant::SweptRedelivery) {
            patience += self.settings.ack_timeout / 2;
        }
        // RED-2, RED-8: from its sending on this stream.
        let mut due = now + patience;
        if self.has(Fault::TimerStartsAtRouting) && !again {
            due = now.max(self.messages[number].accepted + patience);
        }
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

        let few = self.has(Fault::RedeliversFirst50Only) && self.subscriptions[at].handed_out >= 50;
        let restarts = self.has(Fault::TimerRestartsWithEachMessage);
        let stream = &mut self.subscriptions[at];
        if restarts {
            stream.unacknowledged.iter_mut().for_each(|waiting| waiting.0 = due);
        }
        if !over && !few {
            let at = stream.unacknowledged.partition_point(|waiting| waiting.0 <= due);
            stream.unacknowledged.insert(at, (due, number));
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
        let held_up = (self.has(Fault::StalledReaderHoldsUpSession)
            || self.has(Fault::StalledFirstHoldsUpSecond))
            && !stream.queue.is_empty();
        let held_up = held_up.then_some(now + HELD_UP);
        Next::Wait { until: later.chain(again).chain(idle).chain(held_up).min() }
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
}
