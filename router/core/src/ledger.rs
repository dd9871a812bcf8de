use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::delivery::{Delivery, DeliveryEvent, Transition};
use crate::mailbox::{Entry, Mailbox};
use crate::{
    Announcement, Content, EventId, EventKind, IdempotencyKey, MessageId, Millis, PartyId,
    Position, Record,
};

/// How many messages of the session were accepted before this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageNumber(pub(crate) u64);

/// Which of the session's mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MailboxIndex(u32);

impl MailboxIndex {
    pub(crate) fn get(self) -> usize {
        self.0 as usize
    }
}

/// What the records of a session add up to, and nothing else: two ledgers that were given the same
/// records are equal.
///
/// Invariant: every accepted delivery is either terminal or in its recipient's mailbox, once;
/// `created_at` never goes back from one message to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    members: Arc<[PartyId]>,
    /// The same, to look one up.
    member_set: BTreeSet<PartyId>,
    /// Whether an event selected members, be it nobody.
    announced: bool,
    /// Whether an event ended the session, for good.
    ended: bool,
    /// When it ends by itself; 0 means never.
    expires_at: Millis,
    events: BTreeMap<EventId, Known>,
    messages: VecDeque<Message>,
    numbers: BTreeMap<MessageId, MessageNumber>,
    /// By sender and key.
    keys: BTreeMap<PartyId, BTreeMap<Arc<str>, Keyed>>,
    indexes: BTreeMap<PartyId, MailboxIndex>,
    mailboxes: Vec<Mailbox>,
    latest: Latest,
    /// No older message has an open delivery.
    oldest_open: MessageNumber,
}

/// A message that was accepted.
///
/// Invariant: `open` counts the deliveries that are not terminal; without any there is no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) created_at: Millis,
    pub(crate) position: Position,
    pub(crate) content: Content,
    /// Ascending by mailbox.
    pub(crate) deliveries: Box<[Delivery]>,
    open: usize,
}

/// What is kept of an event, to tell whether one of the same name is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    kind: EventKind,
    members: Arc<[PartyId]>,
    expires_at: Millis,
}

impl Known {
    pub(crate) fn of(announcement: &Announcement) -> Self {
        let Announcement { kind, members, expires_at, .. } = announcement;
        Self { kind: kind.clone(), members: Arc::clone(members), expires_at: *expires_at }
    }
}

/// A call that may be made again: what stands for all that it asks for, and the message it became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keyed {
    pub(crate) fingerprint: [u8; 32],
    pub(crate) message: MessageNumber,
}

/// The newest millisecond in which a message was accepted, and how many bytes those of it have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Latest {
    at: Millis,
    bytes: usize,
}

/// A message that has just been accepted, ready to be entered.
pub(crate) struct Accepted {
    pub(crate) id: MessageId,
    pub(crate) created_at: Millis,
    pub(crate) content: Content,
}

impl Message {
    /// Where the delivery for `mailbox` is, if it is a recipient's.
    pub(crate) fn slot(&self, mailbox: MailboxIndex) -> Option<u32> {
        let found = self.deliveries.binary_search_by_key(&mailbox, |delivery| delivery.mailbox);
        found.ok().map(|slot| slot as u32)
    }
}

impl Ledger {
    /// Enters a record that was written at `position`. Total: what cannot be, because the record it
    /// builds on was lost or it is there already, changes nothing.
    pub(crate) fn apply(&mut self, position: Position, record: &Record) {
        match record {
            Record::Routed { message, from, recipients, created_at, content, key, .. } => {
                if !self.numbers.contains_key(message) {
                    let to = self.open_mailboxes(recipients);
                    let accepted = Accepted {
                        id: *message,
                        created_at: *created_at,
                        content: content.clone(),
                    };
                    let number = self.next_number();
                    self.enter(position, accepted, &to);
                    if let Some(key) = key {
                        self.keep_key(from, key, number);
                    }
                }
            }
            Record::Delivered { recipient, messages, again, at } => {
                for (message, times) in again {
                    if let Some((number, slot)) = self.delivery(message, recipient) {
                        let message = &mut self.messages[number.0 as usize];
                        let delivery = &mut message.deliveries[slot as usize];
                        delivery.retry_count = delivery.retry_count.max(*times);
                    }
                }
                for message in messages {
                    if let Some((number, slot)) = self.delivery(message, recipient) {
                        self.handle(number, slot, DeliveryEvent::HandedOut, *at);
                    }
                }
            }
            Record::GivenUp { deliveries, at } => {
                for (message, party) in deliveries {
                    if let Some((number, slot)) = self.delivery(message, party) {
                        self.handle(number, slot, DeliveryEvent::GivenUp, *at);
                    }
                }
            }
            Record::Acknowledged { message, party, success, at } => {
                if let Some((number, slot)) = self.delivery(message, party) {
                    self.handle(number, slot, DeliveryEvent::acknowledged(*success), *at);
                }
            }
            Record::Announced { announcement, at } => self.announce(announcement, *at),
        }
    }

    /// Enters a message for the recipients with these mailboxes, which ascend.
    pub(crate) fn enter(&mut self, position: Position, accepted: Accepted, to: &[MailboxIndex]) {
        let Accepted { id, created_at, content } = accepted;
        let number = self.next_number();
        if created_at > self.latest.at {
            self.latest = Latest { at: created_at, bytes: 0 };
        }
        self.latest.bytes += content.len();
        for (slot, mailbox) in to.iter().enumerate() {
            self.mailboxes[mailbox.get()].push(number, slot as u32);
        }
        self.numbers.insert(id, number);
        self.messages.push_back(Message {
            id,
            created_at,
            position,
            content: if to.is_empty() { Content::default() } else { content },
            deliveries: to.iter().copied().map(Delivery::pending).collect(),
            open: to.len(),
        });
        self.pass_over_closed();
    }

    /// Counts that a delivery is sent again. Tells how often that was by now.
    pub(crate) fn send_again(&mut self, number: MessageNumber, slot: u32) -> u32 {
        let delivery = &mut self.messages[number.0 as usize].deliveries[slot as usize];
        delivery.retry_count += 1;
        delivery.retry_count
    }

    /// Keeps the sender's key of a message.
    pub(crate) fn keep_key(&mut self, from: &PartyId, key: &IdempotencyKey, number: MessageNumber) {
        let keys = self.keys.entry(from.clone()).or_default();
        let keyed = Keyed { fingerprint: key.fingerprint, message: number };
        keys.insert(Arc::clone(&key.name), keyed);
    }

    /// What a sender's key stands for.
    pub(crate) fn keyed(&self, from: &PartyId, key: &str) -> Option<Keyed> {
        self.keys.get(from)?.get(key).copied()
    }

    /// The oldest message that is outstanding for anybody.
    pub(crate) fn oldest_open(&self) -> Option<MessageNumber> {
        (self.oldest_open < self.next_number()).then_some(self.oldest_open)
    }

    fn pass_over_closed(&mut self) {
        while self.messages.get(self.oldest_open.0 as usize).is_some_and(|it| it.open == 0) {
            self.oldest_open.0 += 1;
        }
    }

    /// Lets something happen to a delivery. When the last one of a message is terminal, its content
    /// goes and its status stays.
    pub(crate) fn handle(
        &mut self,
        number: MessageNumber,
        slot: u32,
        event: DeliveryEvent,
        at: Millis,
    ) -> Transition {
        let message = &mut self.messages[number.0 as usize];
        let delivery = &mut message.deliveries[slot as usize];
        let transition = delivery.handle(event, at);
        if let Transition::To(state) = transition
            && state.is_terminal()
        {
            // ACK-9, SUB-4: what is acknowledged is in no mailbox, so nothing hands it out.
            self.mailboxes[delivery.mailbox.get()].close(number);
            message.open -= 1;
            if message.open == 0 {
                message.content = Content::default();
                self.pass_over_closed();
            }
        }
        transition
    }

    /// Enters an event.
    pub(crate) fn announce(&mut self, announcement: &Announcement, at: Millis) {
        let Announcement { event, kind, members, expires_at, .. } = announcement;
        if self.events.contains_key(event) {
            return;
        }
        self.events.insert(event.clone(), Known::of(announcement));
        // SES-4: the end is for good, so no later time moves one that has passed.
        self.ended = self.has_ended(at) || kind.ends_the_session();
        if kind.selects_members() {
            self.announced = true;
            if !members.is_empty() {
                self.members = Arc::clone(members);
                self.member_set = members.iter().cloned().collect();
            }
            if *expires_at != Millis(0) {
                self.expires_at = *expires_at;
            }
        }
    }

    pub(crate) fn is_member(&self, party: &PartyId) -> bool {
        self.member_set.contains(party)
    }

    /// Whether the session was announced.
    pub(crate) fn is_announced(&self) -> bool {
        self.announced
    }

    /// Whether the session has ended by now.
    pub(crate) fn has_ended(&self, now: Millis) -> bool {
        self.ended || (self.expires_at != Millis(0) && self.expires_at <= now)
    }

    /// Until when the session lasts, 0 meaning until an event ends it; None if it has ended by now.
    pub(crate) fn lasts_until(&self, now: Millis) -> Option<Millis> {
        (!self.has_ended(now)).then_some(self.expires_at)
    }

    /// The mailboxes of these parties, ascending and each once; opened where there is none yet.
    pub(crate) fn open_mailboxes(&mut self, parties: &[PartyId]) -> Vec<MailboxIndex> {
        let mut found: Vec<_> = parties
            .iter()
            .map(|party| {
                *self.indexes.entry(party.clone()).or_insert_with(|| {
                    self.mailboxes.push(Mailbox::new(party.clone()));
                    MailboxIndex(self.mailboxes.len() as u32 - 1)
                })
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    pub(crate) fn members(&self) -> &Arc<[PartyId]> {
        &self.members
    }

    /// The event of that name, if there was one.
    pub(crate) fn event(&self, event: &EventId) -> Option<&Known> {
        self.events.get(event)
    }

    /// The number that the next message gets.
    pub(crate) fn next_number(&self) -> MessageNumber {
        MessageNumber(self.messages.len() as u64)
    }

    pub(crate) fn number(&self, message: MessageId) -> Option<MessageNumber> {
        self.numbers.get(&message).copied()
    }

    pub(crate) fn message(&self, number: MessageNumber) -> &Message {
        &self.messages[number.0 as usize]
    }

    /// The first message that is not older than `at`.
    pub(crate) fn first_since(&self, at: Millis) -> MessageNumber {
        MessageNumber(self.messages.partition_point(|message| message.created_at < at) as u64)
    }

    pub(crate) fn mailbox_of(&self, party: &PartyId) -> Option<MailboxIndex> {
        self.indexes.get(party).copied()
    }

    pub(crate) fn mailbox(&self, index: MailboxIndex) -> &Mailbox {
        &self.mailboxes[index.get()]
    }

    pub(crate) fn mailboxes(&self) -> &[Mailbox] {
        &self.mailboxes
    }

    /// The message and the delivery behind a mailbox's entry.
    pub(crate) fn behind(&self, entry: Entry) -> (&Message, &Delivery) {
        let message = self.message(entry.number);
        (message, &message.deliveries[entry.slot as usize])
    }

    /// When a message of `size` bytes is accepted, if it is accepted now.
    ///
    /// ORD-7: never before the one accepted last, whatever the clock says. PND-4: and in a
    /// millisecond of its own where the last one has messages and this one would take them past
    /// `millisecond_bytes`, so that all of one millisecond fits into a poll's answer and leaves room.
    pub(crate) fn created_at(&self, now: Millis, size: usize, millisecond_bytes: usize) -> Millis {
        let Latest { at, bytes } = self.latest;
        if now > at || self.messages.is_empty() {
            now
        } else if self.messages.back().is_some_and(|message| message.created_at == at)
            && bytes.saturating_add(size) > millisecond_bytes
        {
            at.next()
        } else {
            at
        }
    }

    /// Where the delivery of `message` to `party` is.
    fn delivery(&self, message: &MessageId, party: &PartyId) -> Option<(MessageNumber, u32)> {
        let number = self.number(*message)?;
        let slot = self.message(number).slot(self.mailbox_of(party)?)?;
        Some((number, slot))
    }

    /// How many things an invariant check has to look at.
    pub(crate) fn size(&self) -> usize {
        self.messages.len() + self.mailboxes.len()
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
        for (number, message) in self.messages.iter().enumerate() {
            let number = MessageNumber(number as u64);
            assert_eq!(self.number(message.id), Some(number));
            assert!(
                message.deliveries.is_sorted_by(|a, b| a.mailbox < b.mailbox),
                "RTE-6: one delivery a recipient"
            );
            let mut open = 0;
            for delivery in &message.deliveries {
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
        assert_eq!(self.oldest_open.0 as usize, oldest_open.unwrap_or(self.messages.len()));
        let held: Vec<_> = self.mailboxes.iter().map(Mailbox::outstanding).collect();
        assert_eq!(held, outstanding, "a mailbox holds what is outstanding and nothing else");
    }
}
