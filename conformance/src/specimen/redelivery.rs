//! Redelivery: RED.

use tokio::time::Instant;

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
    pub(super) fn redelivers(&self, at: usize) -> bool {
        let stream = &self.subscriptions[at];
        let newest = !self.subscriptions[at + 1..]
            .iter()
            .any(|newer| newer.party == stream.party && newer.session == stream.session);
        let meant = newest || self.is(Variant::EveryStreamRedelivers);
        meant && !self.is(Variant::NoRedelivery) && !self.has(Fault::NeverRedelivers)
    }
}
