use std::fmt;

use super::{NotAdmitted, Session};
use crate::delivery::{DeliveryEvent, DeliveryState, Transition};
use crate::fetch::{Candidate, select};
use crate::ledger::{MailboxIndex, MessageNumber};
use crate::mailbox::Entry;
use crate::{Budget, Content, Millis, PartyId, Record, StreamId};

/// There is no such stream, or not any more: it was superseded or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnded;

impl fmt::Display for StreamEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a newer subscription of the same party and session took over from this one")
    }
}

impl std::error::Error for StreamEnded {}

impl Session {
    /// Takes what comes next on a stream: adds to `batch` until it is at the budget or past it by
    /// the last message, or there is no more. All of it counts as handed out.
    ///
    /// Adding nothing means that there is nothing: [`Effect::Wake`](crate::Effect::Wake) tells when
    /// that changes.
    ///
    /// # Errors
    /// If the stream has ended.
    pub fn handle_pull(
        &mut self,
        now: Millis,
        stream: StreamId,
        budget: Budget,
        batch: &mut impl Extend<Content>,
    ) -> Result<(), StreamEnded> {
        let Some((mailbox, next)) = self.streams.reading(stream).ok_or(StreamEnded)? else {
            return Ok(());
        };
        let mut taken = std::mem::take(&mut self.taken);
        let mut spent = 0;
        for entry in self.outstanding_since(mailbox, next) {
            let content = &self.ledger.message(entry.number).content;
            spent += budget.cost(content);
            batch.extend([content.clone()]);
            taken.push(entry);
            if spent >= budget.limit() {
                break;
            }
        }
        // ORD-8: copies wait for what comes for the first time.
        let new = taken.len();
        while spent < budget.limit()
            && let Some(entry) = self.streams.pop_again(stream)
        {
            let (message, delivery) = self.ledger.behind(entry);
            // RED-6: it may have been answered since it was due.
            if !delivery.state.is_terminal() {
                spent += budget.cost(&message.content);
                batch.extend([message.content.clone()]);
                taken.push(entry);
            }
        }
        let (first, copies) = taken.split_at(new);
        let next = first.last().map_or(next, |last| MessageNumber(last.number.0 + 1));
        self.streams.advance(stream, mailbox, next, &taken);
        self.hand_out(now, mailbox, copies, first);
        taken.clear();
        self.taken = taken;
        self.check();
        Ok(())
    }

    /// Answers a poll with outstanding messages of `party`, oldest first (PND-1), that are not older
    /// than `after`; 0 asks for all. All of them count as handed out (PND-5), and none as a retry (PND-6).
    ///
    /// The answer stays within `budget` or is one message long, and always gets on (PND-4), if the
    /// budget has room for [`Policy::millisecond_bytes`](crate::Policy::millisecond_bytes) and the
    /// largest message together.
    ///
    /// # Errors
    /// If the party may not read here.
    pub fn handle_fetch(
        &mut self,
        now: Millis,
        party: &PartyId,
        after: Millis,
        budget: Budget,
    ) -> Result<Vec<Content>, NotAdmitted> {
        self.admit(party)?;
        let mut contents = Vec::new();
        if let Some(mailbox) = self.ledger.mailbox_of(party) {
            let first = self.ledger.first_since(after);
            let candidates = self.outstanding_since(mailbox, first).map(|entry| {
                let (message, delivery) = self.ledger.behind(entry);
                Candidate {
                    entry,
                    created_at: message.created_at,
                    cost: budget.cost(&message.content),
                    handed_out: delivery.state != DeliveryState::Pending,
                    alone: message.content.len() > self.policy.millisecond_bytes,
                }
            });
            let taken = select(candidates, after, budget);
            contents.extend(
                taken.iter().map(|entry| self.ledger.message(entry.number).content.clone()),
            );
            self.hand_out(now, mailbox, &[], &taken);
        }
        self.check();
        Ok(contents)
    }

    /// The outstanding and committed deliveries of a mailbox, from message `first` on.
    fn outstanding_since(
        &self,
        mailbox: MailboxIndex,
        first: MessageNumber,
    ) -> impl Iterator<Item = Entry> + '_ {
        let mailbox = self.ledger.mailbox(mailbox);
        mailbox.since(first).take_while(|entry| entry.number < self.visible)
    }

    /// Counts what is sent again (RED-3), and marks as delivered what was not yet.
    fn hand_out(&mut self, now: Millis, mailbox: MailboxIndex, again: &[Entry], taken: &[Entry]) {
        let again = again.iter().map(|&Entry { number, slot, .. }| {
            (self.ledger.message(number).id, self.ledger.send_again(number, slot))
        });
        let again: Vec<_> = again.collect();
        let newest = taken.last().map(|newest| self.ledger.message(newest.number).created_at);
        let at = newest.map_or(now, |created_at| created_at.max(now));
        let mut messages = Vec::new();
        for &Entry { number, slot, .. } in taken {
            let transition = self.ledger.handle(number, slot, DeliveryEvent::HandedOut, at);
            if let Transition::To(_) = transition {
                messages.push(self.ledger.message(number).id);
            }
        }
        if !messages.is_empty() || !again.is_empty() {
            let recipient = self.ledger.mailbox(mailbox).party().clone();
            let position = self.appended.next();
            self.append(position, Record::Delivered { recipient, messages, again, at });
        }
    }
}
