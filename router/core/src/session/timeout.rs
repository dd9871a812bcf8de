use super::Session;
use crate::delivery::DeliveryEvent;
use crate::id::MailboxIndex;
use crate::ledger::{Ledger, MessageNumber};
use crate::mailbox::Entry;
use crate::streams::Streams;
use crate::timers::{AckTimer, AckTimers};
use crate::{Effect, MessageId, Millis, PartyId, Record, StreamId};

impl Session {
    /// When [`handle_timeout`](Self::handle_timeout) has something to do, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let expires = self.ledger.oldest_open().map(|message| self.expires_at(message));
        [self.timers.next(), expires, self.forgets_at()].into_iter().flatten().min()
    }

    /// When something is to be forgotten.
    fn forgets_at(&self) -> Option<Millis> {
        // Nothing is forgotten before all is safe; the commit makes the shell ask again.
        if self.committed < self.appended {
            return None;
        }
        let messages = self.ledger.forgettable_at(self.policy.message_ttl);
        // Many at once: it is no matter when exactly.
        let messages = messages.map(|at| at.after((self.policy.message_ttl / 8).min(60_000)));
        messages.or_else(|| self.discarded_at())
    }

    /// Lets time pass: what was not acknowledged in time is sent again or given up (RED-1, RED-4),
    /// what was outstanding for too long expires (EXP-1), and what is over for long is forgotten.
    pub fn handle_timeout(&mut self, now: Millis) {
        let mut failed = Vec::new();
        while let Some(AckTimer { stream, sending, .. }) = self.timers.pop_due(now) {
            let entry = sending.entry;
            // RED-5, RED-6: without the stream, or with an answer, nothing is overdue.
            if !self.streams.is_open(stream) || !self.ledger.is_outstanding(entry) {
                continue;
            }
            let mailbox = self.ledger.behind(entry).1.mailbox;
            if sending.retries < self.policy.max_retries {
                if self.streams.send_again(stream, mailbox, sending) {
                    self.effects.push_back(Effect::Wake { stream });
                }
                continue;
            }
            // RED-4: not before the answer to the last sending is overdue, on whichever stream.
            let ledger = &self.ledger;
            let is_over = |entry| !ledger.is_outstanding(entry);
            if self.streams.exhaust(stream, mailbox, entry, is_over) {
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
        self.release();
        if self.committed >= self.appended {
            if let Some(through) = self.ledger.forget(now, self.policy.message_ttl) {
                self.effects.push_back(Effect::Forget { through });
            }
            if self.discarded_at().is_some_and(|at| at <= now) {
                let detached = self.streams.wildcards();
                self.effects.extend(detached.map(|stream| Effect::Detached { stream }));
                for (mailbox, counted) in self.ledger.mailboxes().iter().zip(&self.counted) {
                    if *counted {
                        let party = mailbox.party().clone();
                        self.effects.push_back(Effect::Settled { party });
                    }
                }
                self.ledger = Ledger::default();
                self.streams = Streams::default();
                self.timers = AckTimers::default();
                self.broadcasts.clear();
                self.counted.clear();
                self.visible = MessageNumber::default();
                self.effects.push_back(Effect::Discard);
            } else if self.ledger.has_unused_mailboxes(self.policy.capacity.spare_mailboxes) {
                self.drop_unused_mailboxes();
            }
        }
        self.check();
    }

    /// Has a session that goes on keep nothing of parties that no message is kept for.
    fn drop_unused_mailboxes(&mut self) {
        for (at, index) in (0..self.counted.len()).zip((0..).map(MailboxIndex)) {
            let mailbox = self.ledger.mailbox(index);
            if !mailbox.is_used() && self.counted[at] {
                let party = mailbox.party().clone();
                self.detach(index);
                self.effects.push_back(Effect::Settled { party });
            }
        }
        let numbers = self.ledger.drop_unused_mailboxes();
        self.streams.renumber(&numbers);
        let mut numbers = numbers.iter();
        self.counted.retain(|_| numbers.next().is_some_and(Option::is_some));
        self.broadcasts.clear();
        self.renumbered = true;
    }

    /// When nobody needs anything of the session any more.
    fn discarded_at(&self) -> Option<Millis> {
        if !self.ledger.has_no_messages() || self.streams.has_own() || self.ledger.is_blank() {
            return None;
        }
        let idle_ttl = if self.ledger.has_events() { self.policy.idle_ttl } else { 0 };
        Some(self.ledger.end().map_or_else(
            || self.ledger.touched_at().after(idle_ttl),
            // Not before what it was told last is old: its end may have been long ago.
            |end| end.max(self.ledger.touched_at()).after(self.policy.message_ttl),
        ))
    }

    /// Learns that all that was handed out on a stream has gone on its way. From now on answers are
    /// waited for: what flow control holds back is not sent yet (RED-8).
    pub fn handle_sent(&mut self, now: Millis, stream: StreamId) {
        let due = now.after(self.policy.ack_timeout);
        self.timers.begin(due, stream, self.streams.take_sent(stream));
    }

    /// Drops the timers of what was answered, so that a party that answers in time keeps none.
    pub(super) fn trim_timers(&mut self) {
        let (ledger, streams) = (&self.ledger, &self.streams);
        self.timers.trim(|timer| {
            !ledger.is_outstanding(timer.sending.entry) || !streams.is_open(timer.stream)
        });
    }

    fn give_up(&mut self, entry: Entry, now: Millis, failed: &mut Vec<(MessageId, PartyId)>) {
        if !self.ledger.is_outstanding(entry) {
            return;
        }
        let Entry { number, slot, .. } = entry;
        self.ledger.handle(number, slot, DeliveryEvent::GivenUp, now);
        let (message, delivery) = self.ledger.behind(entry);
        failed.push((message.id, self.ledger.mailbox(delivery.mailbox).party().clone()));
    }

    fn expires_at(&self, message: MessageNumber) -> Millis {
        self.ledger.message(message).created_at.after(self.policy.message_ttl)
    }
}
