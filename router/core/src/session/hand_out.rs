use std::fmt;

use super::{NotAdmitted, Session};
use crate::delivery::{DeliveryEvent, DeliveryState, Transition};
use crate::fetch::{Candidate, select};
use crate::id::MailboxIndex;
use crate::ledger::MessageNumber;
use crate::mailbox::Entry;
use crate::streams::Sending;
use crate::{Budget, Content, Gathering, MessageId, Millis, PartyId, Record, StreamId};

/// There is no such stream, or not any more: it was superseded or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnded;

impl fmt::Display for StreamEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a newer subscription of the same party_id and session_id took over from this one",
        )
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
            let retries = self.ledger.behind(entry).1.retry_count;
            taken.push(Sending { entry, retries });
            if spent >= budget.limit() {
                break;
            }
        }
        // ORD-8: copies wait for what comes for the first time.
        let new = taken.len();
        while spent < budget.limit()
            && let Some(sending) = self.streams.pop_again(stream)
        {
            // RED-6: it may have been answered since it was due.
            if self.ledger.is_outstanding(sending.entry) {
                let (message, _) = self.ledger.behind(sending.entry);
                spent += budget.cost(&message.content);
                batch.extend([message.content.clone()]);
                taken.push(sending);
            }
        }
        let (first, copies) = taken.split_at(new);
        let next = first.last().map_or(next, |last| MessageNumber(last.entry.number.0 + 1));
        self.streams.advance(stream, mailbox, next, &taken);
        self.hand_out(now, mailbox, copies, first.iter().map(|sending| sending.entry));
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
            let taken = select(self.candidates(mailbox, after, budget), after, budget);
            contents.extend(
                taken.iter().map(|entry| self.ledger.message(entry.number).content.clone()),
            );
            self.hand_out(now, mailbox, &[], taken.into_iter());
        }
        self.check();
        Ok(contents)
    }

    /// Adds what this session has for `party` to a poll of several sessions. Only what is
    /// [taken](Self::handle_take) counts as handed out. Nobody is turned away: it is the party's own.
    pub fn gather(&self, party: &PartyId, gathering: &mut Gathering) {
        let (after, budget) = (gathering.after(), gathering.budget());
        let mailbox = self.ledger.mailbox_of(party).into_iter();
        let candidates = mailbox.flat_map(|mailbox| self.candidates(mailbox, after, budget));
        gathering.add(candidates.map(|candidate| {
            let Candidate { key: entry, created_at, cost, handed_out, alone } = candidate;
            let key = self.ledger.message(entry.number).id;
            Candidate { key, created_at, cost, handed_out, alone }
        }));
    }

    /// Answers a poll with those of these `messages`, which were [gathered](Self::gather) here and
    /// stand in their order, that are outstanding still; else as [`handle_fetch`](Self::handle_fetch).
    pub fn handle_take(
        &mut self,
        now: Millis,
        party: &PartyId,
        messages: &[MessageId],
    ) -> Vec<Option<Content>> {
        let Some(mailbox) = self.ledger.mailbox_of(party) else {
            return vec![None; messages.len()];
        };
        let find = |id: &MessageId| {
            let number = self.ledger.number(*id).filter(|number| *number < self.visible)?;
            let message = self.ledger.message(number);
            let entry = Entry::of(number, message.slot(mailbox)?);
            let is_over = self.ledger.behind(entry).1.state.is_terminal();
            (!is_over).then(|| (entry, message.content.clone()))
        };
        let found: Vec<_> = messages.iter().map(find).collect();
        let entries = found.iter().flatten().map(|(entry, _)| *entry);
        self.hand_out(now, mailbox, &[], entries);
        self.check();
        found.into_iter().map(|found| found.map(|(_, content)| content)).collect()
    }

    /// What a poll may answer with, oldest first.
    fn candidates(
        &self,
        mailbox: MailboxIndex,
        after: Millis,
        budget: Budget,
    ) -> impl Iterator<Item = Candidate<Entry>> + '_ {
        let first = self.ledger.first_since(after);
        self.outstanding_since(mailbox, first).map(move |entry| {
            let (message, delivery) = self.ledger.behind(entry);
            Candidate {
                key: entry,
                created_at: message.created_at,
                cost: budget.cost(&message.content),
                handed_out: delivery.state != DeliveryState::Pending,
                alone: message.content.len() > self.policy.millisecond_bytes,
            }
        })
    }

    /// The outstanding and committed deliveries of a mailbox, from message `first` on.
    pub(super) fn outstanding_since(
        &self,
        mailbox: MailboxIndex,
        first: MessageNumber,
    ) -> impl Iterator<Item = Entry> + '_ {
        let mailbox = self.ledger.mailbox(mailbox);
        mailbox.since(first).take_while(|entry| entry.number < self.visible)
    }

    /// Counts what is sent again (RED-3), and marks as delivered what was not yet.
    fn hand_out(
        &mut self,
        now: Millis,
        mailbox: MailboxIndex,
        again: &[Sending],
        taken: impl DoubleEndedIterator<Item = Entry> + Clone,
    ) {
        let mut retried = Vec::new();
        for &Sending { entry, retries } in again {
            let (message, delivery) = self.ledger.behind(entry);
            // The party's other stream may have been faster.
            if retries > delivery.retry_count {
                let id = message.id;
                retried.push((id, self.ledger.send_again(entry.number, entry.slot)));
            }
        }
        let newest = taken.clone().next_back();
        let newest = newest.map(|newest| self.ledger.message(newest.number).created_at);
        let at = newest.map_or(now, |created_at| created_at.max(now));
        let mut messages = Vec::new();
        for Entry { number, slot, .. } in taken {
            let transition = self.ledger.handle(number, slot, DeliveryEvent::HandedOut, at);
            if let Transition::To(_) = transition {
                messages.push(self.ledger.message(number).id);
            }
        }
        if !messages.is_empty() || !retried.is_empty() {
            let recipient = self.ledger.mailbox(mailbox).party().clone();
            let position = self.appended.next();
            let delivered = Record::Delivered { recipient, messages, again: retried, at };
            self.append(position, delivered);
        }
    }
}
