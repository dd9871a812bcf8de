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
            if taken || self.attempts_are_over(number, &party) {
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
            self.end(number, &party, Phase::Failed);
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
