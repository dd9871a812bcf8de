//! Whether two ledgers know the same, and whether one is whole.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ledger, Message, MessageNumber};
use crate::id::MailboxIndex;
use crate::mailbox::Mailbox;

impl Ledger {
    /// Whether both know the same, be it counted in another way: what was forgotten before one of
    /// them was built left mailboxes and numbers behind in the other.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let session = |it: &Self| {
            let Self { members, announced, ended_at, expires_at, events, .. } = it.clone();
            (members, announced, ended_at, expires_at, events)
        };
        session(self) == session(other)
            && self.messages.len() == other.messages.len()
            && self
                .messages
                .iter()
                .zip(&other.messages)
                .all(|(message, theirs)| self.told(message) == other.told(theirs))
    }

    /// All that is known of a message, with the recipients' names.
    fn told(&self, message: &Message) -> impl PartialEq + use<> {
        let Message { id, from, created_at, position, content, key, deliveries, closed_at, .. } =
            message.clone();
        let deliveries: BTreeMap<_, _> = deliveries
            .into_iter()
            .map(|mut delivery| {
                let mailbox = std::mem::replace(&mut delivery.mailbox, MailboxIndex(0));
                (self.mailbox(mailbox).party().clone(), delivery)
            })
            .collect();
        let key = key.map(|key| {
            let keyed = self.keyed(&from, &key);
            (key, keyed.map(|keyed| (keyed.fingerprint, self.message(keyed.message).id)))
        });
        (id, from, created_at, position, content, key, deliveries, closed_at)
    }

    pub(crate) fn assert_invariants(&self) {
        for mailbox in &self.mailboxes {
            mailbox.assert_invariants();
        }
        assert!(
            self.messages.iter().is_sorted_by_key(|message| message.created_at),
            "ORD-7: created_at never goes back"
        );
        assert!(
            self.messages.iter().is_sorted_by(|a, b| a.position < b.position),
            "messages stand in the order of their records"
        );
        assert_eq!(self.numbers.len(), self.messages.len(), "RTE-5: each message has its own name");
        let mut outstanding = vec![0; self.mailboxes.len()];
        let mut kept = outstanding.clone();
        for (number, message) in self.messages.iter().enumerate() {
            let number = MessageNumber(self.forgotten + number as u64);
            assert_eq!(self.number(message.id), Some(number));
            assert!(
                message.deliveries.is_sorted_by(|a, b| a.mailbox < b.mailbox),
                "RTE-6: one delivery a recipient"
            );
            let mut open = 0;
            for delivery in &message.deliveries {
                kept[delivery.mailbox.get()] += 1;
                if !delivery.state.is_terminal() {
                    open += 1;
                    outstanding[delivery.mailbox.get()] += 1;
                    let mailbox = self.mailbox(delivery.mailbox);
                    let entry = mailbox.since(number).next();
                    assert_eq!(
                        entry.map(|entry| entry.number),
                        Some(number),
                        "open is in a mailbox"
                    );
                }
            }
            assert_eq!(message.open, open);
            assert!(open > 0 || message.content.is_empty(), "no content without a recipient");
        }
        assert_eq!(self.members.iter().cloned().collect::<BTreeSet<_>>(), self.member_set);
        let oldest_open = self.messages.iter().position(|message| message.open > 0);
        let oldest_open = oldest_open.unwrap_or(self.messages.len()) as u64;
        assert_eq!(self.oldest_open.0, self.forgotten + oldest_open);
        assert_eq!(self.outstanding, outstanding.iter().sum());
        assert_eq!(self.bytes, self.messages.iter().map(|message| message.content.len()).sum());
        let held: Vec<_> = self.mailboxes.iter().map(Mailbox::outstanding).collect();
        assert_eq!(held, outstanding, "a mailbox holds what is outstanding and nothing else");
        let known: Vec<_> = self.mailboxes.iter().map(Mailbox::kept).collect();
        assert_eq!(known, kept, "a mailbox is in use as long as a message is kept that was in it");
        assert_eq!(self.deliveries, kept.iter().sum::<usize>());
        assert_eq!(self.unused, kept.iter().filter(|kept| **kept == 0).count());
        for (party, index) in &self.indexes {
            assert_eq!(self.mailbox(*index).party(), party);
        }
        assert_eq!(self.indexes.len(), self.mailboxes.len());
    }

    /// How many things an invariant check has to look at.
    pub(crate) fn size(&self) -> usize {
        self.messages.len() + self.mailboxes.len()
    }
}
