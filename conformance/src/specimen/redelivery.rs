//! Redelivery: RED.

use tokio::time::Instant;

use super::journal::Fact;
use super::state::{Number, Phase, State};
use super::{Fault, Variant};

impl State {
    /// RED-1, RED-2: what was sent on this stream `ack_timeout` ago and is not acknowledged.
    pub(super) fn redelivery(&mut self, at: usize) -> Option<Number> {
        let now = Instant::now();
        if !self.redelivers(at) {
            return None;
        }
        loop {
            let stream = &mut self.subscriptions[at];
            let party = stream.party.clone();
            let (due, number) = *stream.unacknowledged.front()?;
            // RED-2: each has a time of its own.
            if due <= now && self.twist.has(Fault::RedeliversAllWhenOneIsDue) {
                stream.unacknowledged.iter_mut().for_each(|(due, _)| *due = now);
            }
            let polled = self.messages[number].delivery(&party).is_some_and(|it| it.polls > 0);
            let taken = polled && self.has(Fault::PollStopsRedelivery);
            let over = self.attempts_are_over(number, &party) && !self.misses_the_ack(at, number);
            if taken || over {
                self.subscriptions[at].unacknowledged.pop_front();
                continue;
            }
            if due > now {
                return None;
            }
            self.subscriptions[at].unacknowledged.pop_front();
            let (max_retries, twist) = (self.settings.max_retries, self.twist.clone());
            let delivery = self.messages[number].delivery_mut(&party)?;
            // RED-4: so many in all, on whatever streams.
            let mut made = delivery.retries;
            if twist.has(Fault::AttemptsPerStream) {
                made -= delivery.retries_before;
            }
            let most = if twist.has(Fault::OneRetryMore) { max_retries + 1 } else { max_retries };
            if made >= most && !twist.has(Fault::RedeliversForEver) {
                self.give_up(number, &party);
                continue;
            }
            // RED-3
            if !twist.has(Fault::RetryCountStuck) {
                delivery.retries += 1;
            }
            if twist.has(Fault::RetryCountOfMessage) {
                let retries = delivery.retries;
                self.messages[number].deliveries.iter_mut().for_each(|it| it.retries = retries);
            }
            let delivery = self.messages[number].delivery_mut(&party)?;
            let last = delivery.retries == max_retries;
            if last && twist.has(Fault::FailsWithLastRetry) {
                self.end(number, &party, Phase::Failed);
            }
            if !self.is(Variant::ForgetsHandOuts) && !self.is(Variant::ForgetsRetries) {
                self.note_change(number, &party, Fact::Retried);
            }
            self.subscriptions[at].redelivered = true;
            self.redeliver_to_others(number, &party);
            return Some(number);
        }
    }

    /// RED-4: all attempts were in vain, for this party.
    fn give_up(&mut self, number: Number, party: &str) {
        let mut parties = vec![party.to_owned()];
        if self.has(Fault::FailsForAllRecipients) {
            parties.extend(self.messages[number].deliveries.iter().map(|it| it.party.clone()));
        }
        for party in parties {
            // HB-4: what has failed is not outstanding.
            if self.has(Fault::TimeOutLowersNothing) {
                self.miscount(&party, 1);
            }
            self.end(number, &party, Phase::Failed);
            self.note_dead_letter(number, &party);
        }
    }

    /// RED-6: whatever stream it was sent on. Only a fault forgets that of all sessions.
    pub(super) fn misses_the_ack(&self, at: usize, number: Number) -> bool {
        let stream = &self.subscriptions[at];
        let goes_on = self.messages[number].delivery(&stream.party).is_some_and(|delivery| {
            delivery.phase == Phase::Acknowledged && delivery.retries < self.settings.max_retries
        });
        self.has(Fault::AckMissesWildcardTimer) && stream.session.is_empty() && goes_on
    }

    /// RED-3: what is not sent is no redelivery. Only a fault counts on, and fails in the end, what
    /// it once sent to a party that has a stream of whatever kind.
    pub(super) fn count_by_presence(&mut self) {
        if !self.has(Fault::RetriesCountByPresence) {
            return;
        }
        let (now, most) = (Instant::now(), self.settings.max_retries);
        let mut orphans = std::mem::take(&mut self.orphans);
        for (party, timers) in &mut orphans {
            let there = self.subscriptions.iter().any(|stream| stream.party == *party)
                || self.listeners.iter().any(|listener| listener.party == *party);
            for (due, number) in timers.iter_mut().filter(|_| there) {
                while *due <= now && self.is_outstanding(*number, party) {
                    *due += self.settings.ack_timeout;
                    let Some(delivery) = self.messages[*number].delivery_mut(party) else { break };
                    delivery.retries += 1;
                    if delivery.retries > most {
                        delivery.retries = most;
                        self.end(*number, party, Phase::Failed);
                    }
                }
            }
        }
        self.orphans = orphans;
    }

    /// The party has a stream of the session again, which has timers of its own.
    pub(super) fn forget_orphans(&mut self, session: &str, party: &str) {
        if self.has(Fault::RetriesCountByPresence) {
            let messages = &self.messages;
            for (_, timers) in self.orphans.iter_mut().filter(|(of, _)| of == party) {
                timers.retain(|(_, number)| {
                    !session.is_empty() && messages[*number].content.session_id != session
                });
            }
        }
    }

    /// RED-6, ACK-9: an acknowledgement ends the attempts.
    pub(super) fn attempts_are_over(&self, number: Number, party: &str) -> bool {
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
        let all = self.has(Fault::RedeliversToAllRecipients);
        if !all && !self.has(Fault::RedeliversToAllUnacknowledged) {
            return;
        }
        let recipients: Vec<String> = self.messages[number]
            .deliveries
            .iter()
            .filter(|delivery| all || delivery.is_open())
            .map(|delivery| delivery.party.clone())
            .collect();
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
    pub(super) fn redelivers(&self, at: usize) -> bool {
        let stream = &self.subscriptions[at];
        let newest = !self.subscriptions[at + 1..]
            .iter()
            .any(|newer| newer.party == stream.party && newer.session == stream.session);
        let meant = newest || self.is(Variant::EveryStreamRedelivers);
        let lost = self.has(Fault::NeverRedelivers)
            || (stream.session.is_empty() && self.has(Fault::WildcardNeverRedelivers));
        meant && !self.is(Variant::NoRedelivery) && !lost
    }
}
