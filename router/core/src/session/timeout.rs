use super::Session;
use crate::delivery::DeliveryEvent;
use crate::ledger::MessageNumber;
use crate::mailbox::Entry;
use crate::timers::AckTimer;
use crate::{Effect, MessageId, Millis, PartyId, Record, StreamId};

impl Session {
    /// When [`handle_timeout`](Self::handle_timeout) has something to do, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let expires = self.ledger.oldest_open().map(|message| self.expires_at(message));
        [self.timers.next(), expires].into_iter().flatten().min()
    }

    /// Lets time pass: what was not acknowledged in time is sent again or given up (RED-1, RED-4),
    /// what was outstanding for too long expires (EXP-1).
    pub fn handle_timeout(&mut self, now: Millis) {
        let mut failed = Vec::new();
        while let Some(AckTimer { stream, entry, .. }) = self.timers.pop_due(now) {
            // RED-5, RED-6: without the stream, or with an answer, nothing is overdue.
            if !self.streams.is_open(stream) || !self.is_outstanding(entry) {
                continue;
            }
            let (_, delivery) = self.ledger.behind(entry);
            if delivery.retry_count < self.policy.max_retries {
                if self.streams.send_again(stream, delivery.mailbox, entry) {
                    self.effects.push_back(Effect::Wake { stream });
                }
            } else {
                self.give_up(entry, now, &mut failed);
            }
        }
        while let Some(number) = self.ledger.oldest_open()
            && self.expires_at(number) <= now
        {
            for slot in 0..self.ledger.message(number).deliveries.len() {
                self.give_up(Entry::of(number, slot as u32), now, &mut failed);
            }
        }
        if !failed.is_empty() {
            let position = self.appended.next();
            self.append(position, Record::GivenUp { deliveries: failed, at: now });
        }
        self.check();
    }

    /// Learns that all that was handed out on a stream has gone on its way. From now on answers are
    /// waited for: what flow control holds back is not sent yet (RED-8).
    pub fn handle_sent(&mut self, now: Millis, stream: StreamId) {
        let due = Millis(now.0.saturating_add(self.policy.ack_timeout));
        self.timers.begin(due, stream, self.streams.take_sent(stream));
    }

    /// Drops the timers of what was answered, so that a party that answers in time keeps none.
    pub(super) fn trim_timers(&mut self) {
        let (ledger, streams) = (&self.ledger, &self.streams);
        self.timers.trim(|timer| {
            ledger.behind(timer.entry).1.state.is_terminal() || !streams.is_open(timer.stream)
        });
    }

    fn give_up(&mut self, entry: Entry, now: Millis, failed: &mut Vec<(MessageId, PartyId)>) {
        if !self.is_outstanding(entry) {
            return;
        }
        let Entry { number, slot, .. } = entry;
        self.ledger.handle(number, slot, DeliveryEvent::GivenUp, now);
        let (message, delivery) = self.ledger.behind(entry);
        failed.push((message.id, self.ledger.mailbox(delivery.mailbox).party().clone()));
    }

    fn is_outstanding(&self, entry: Entry) -> bool {
        !self.ledger.behind(entry).1.state.is_terminal()
    }

    fn expires_at(&self, message: MessageNumber) -> Millis {
        let created_at = self.ledger.message(message).created_at;
        Millis(created_at.0.saturating_add(self.policy.message_ttl))
    }
}
