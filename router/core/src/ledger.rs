mod agreement;
mod forgetting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::delivery::{Delivery, DeliveryEvent, Transition};
use crate::id::MailboxIndex;
use crate::load::Load;
use crate::mailbox::{Entry, Mailbox};
use crate::{
    Announcement, Content, EventId, EventKind, IdempotencyKey, MessageId, Millis, PartyId,
    Position, Record,
};

/// How many messages of the session were accepted before this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageNumber(pub(crate) u64);

/// What the records of a session add up to, and nothing else: two ledgers that were given the same
/// records agree.
///
/// Invariant: every accepted delivery is either terminal or in its recipient's mailbox, once;
/// `created_at` never goes back from one message to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    members: Arc<[PartyId]>,
    /// The same, to look one up.
    member_set: BTreeSet<PartyId>,
    /// Whether an event selected members, be it nobody.
    announced: bool,
    /// When an event ended the session, for good.
    ended_at: Option<Millis>,
    /// When it ends by itself; 0 means never.
    expires_at: Millis,
    /// When the newest event or message was accepted.
    touched_at: Millis,
    events: BTreeMap<EventId, Known>,
    /// How many bytes of content they had.
    event_bytes: usize,
    /// How many messages were forgotten. They were the first ones.
    forgotten: u64,
    messages: VecDeque<Message>,
    numbers: BTreeMap<MessageId, MessageNumber>,
    /// By sender and key.
    keys: BTreeMap<PartyId, BTreeMap<Arc<str>, Keyed>>,
    indexes: BTreeMap<PartyId, MailboxIndex>,
    mailboxes: Vec<Mailbox>,
    /// How many of them are in no use.
    unused: usize,
    /// How many deliveries the messages have.
    deliveries: usize,
    latest: Latest,
    /// No older message has an open delivery.
    oldest_open: MessageNumber,
    /// The messages whose content went since the last call of `take_released`.
    released: Vec<Position>,
    /// How many bytes of content are held.
    bytes: usize,
    /// How many deliveries are outstanding.
    outstanding: usize,
    /// The mailboxes whose load changed since the last call of `take_loads`, each once.
    changed: Vec<MailboxIndex>,
}

/// A message that was accepted.
///
/// Invariant: `open` counts the deliveries that are not terminal; without any there is no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) from: PartyId,
    pub(crate) created_at: Millis,
    pub(crate) position: Position,
    pub(crate) content: Content,
    /// The sender's own name for it.
    key: Option<Arc<str>>,
    /// Ascending by mailbox.
    pub(crate) deliveries: Box<[Delivery]>,
    open: usize,
    /// When the newest of its deliveries became terminal.
    closed_at: Millis,
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
pub(crate) struct Accepted<'a> {
    pub(crate) id: MessageId,
    pub(crate) from: &'a PartyId,
    pub(crate) created_at: Millis,
    pub(crate) content: Content,
    pub(crate) key: Option<&'a IdempotencyKey>,
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
                        from,
                        created_at: *created_at,
                        content: content.clone(),
                        key: key.as_ref(),
                    };
                    self.enter(position, accepted, &to);
                }
            }
            Record::Delivered { recipient, messages, again, at } => {
                for (message, times) in again {
                    if let Some((number, slot)) = self.delivery(message, recipient) {
                        let delivery = &mut self.message_mut(number).deliveries[slot as usize];
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
    pub(crate) fn enter(
        &mut self,
        position: Position,
        accepted: Accepted<'_>,
        to: &[MailboxIndex],
    ) {
        let Accepted { id, from, created_at, content, key } = accepted;
        let number = self.next_number();
        if created_at > self.latest.at {
            self.latest = Latest { at: created_at, bytes: 0 };
        }
        self.latest.bytes += content.len();
        self.touched_at = self.touched_at.max(created_at);
        for (slot, index) in to.iter().enumerate() {
            let mailbox = &mut self.mailboxes[index.get()];
            self.unused -= usize::from(!mailbox.is_used());
            mailbox.push(number, slot as u32, content.len());
            self.change_load(*index);
        }
        self.outstanding += to.len();
        self.deliveries += to.len();
        self.bytes += content.len();
        self.numbers.insert(id, number);
        if let Some(key) = key {
            let keys = self.keys.entry(from.clone()).or_default();
            let keyed = Keyed { fingerprint: key.fingerprint, message: number };
            keys.insert(Arc::clone(&key.name), keyed);
        }
        self.messages.push_back(Message {
            id,
            from: from.clone(),
            created_at,
            position,
            content,
            key: key.map(|key| Arc::clone(&key.name)),
            deliveries: to.iter().copied().map(Delivery::pending).collect(),
            open: to.len(),
            closed_at: created_at,
        });
        self.release_if_closed(number);
    }

    /// Lets a message's content go if nobody needs it any more. Its status stays.
    fn release_if_closed(&mut self, number: MessageNumber) {
        let message = self.message_mut(number);
        if message.open == 0 {
            let (content, position) = (std::mem::take(&mut message.content), message.position);
            if !content.is_empty() {
                self.bytes -= content.len();
                self.released.push(position);
            }
            self.pass_over_closed();
        }
    }

    fn change_load(&mut self, mailbox: MailboxIndex) {
        if self.mailboxes[mailbox.get()].change_load() {
            self.changed.push(mailbox);
        }
    }

    /// The mailboxes whose load changed since the last call, with their parties and loads.
    pub(crate) fn take_loads(&mut self, mut each: impl FnMut(MailboxIndex, &PartyId, Load)) {
        for index in self.changed.drain(..) {
            let mailbox = &mut self.mailboxes[index.get()];
            let load = mailbox.take_load();
            each(index, mailbox.party(), load);
        }
    }

    /// How many deliveries are outstanding, and how many bytes of content are held for them.
    pub(crate) fn load(&self) -> Load {
        Load { deliveries: self.outstanding, bytes: self.bytes }
    }

    /// How many messages are kept, statuses included.
    pub(crate) fn messages(&self) -> usize {
        self.messages.len()
    }

    /// How many bytes of content the events had that are known.
    pub(crate) fn event_bytes(&self) -> usize {
        self.event_bytes
    }

    /// How many events are known.
    pub(crate) fn events(&self) -> usize {
        self.events.len()
    }

    /// The messages whose content went since the last call.
    pub(crate) fn take_released(&mut self) -> impl Iterator<Item = Position> + '_ {
        self.released.drain(..)
    }

    /// Whether any event is known.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Counts that a delivery is sent again. Tells how often that was by now.
    pub(crate) fn send_again(&mut self, number: MessageNumber, slot: u32) -> u32 {
        let delivery = &mut self.message_mut(number).deliveries[slot as usize];
        delivery.retry_count += 1;
        delivery.retry_count
    }

    /// What a sender's key stands for.
    pub(crate) fn keyed(&self, from: &PartyId, key: &str) -> Option<Keyed> {
        self.keys.get(from)?.get(key).copied()
    }

    /// A message that is outstanding for somebody and has no content.
    pub(crate) fn lacks_content(&self) -> Option<MessageId> {
        let lacks = |message: &&Message| message.open > 0 && message.content.is_empty();
        self.messages.iter().find(lacks).map(|message| message.id)
    }

    /// The oldest message that is outstanding for anybody.
    pub(crate) fn oldest_open(&self) -> Option<MessageNumber> {
        (self.oldest_open < self.next_number()).then_some(self.oldest_open)
    }

    fn pass_over_closed(&mut self) {
        while self.get(self.oldest_open).is_some_and(|message| message.open == 0) {
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
        let message = self.message_mut(number);
        let delivery = &mut message.deliveries[slot as usize];
        let transition = delivery.handle(event, at);
        if let Transition::To(state) = transition
            && state.is_terminal()
        {
            let (mailbox, bytes) = (delivery.mailbox, message.content.len());
            message.open -= 1;
            message.closed_at = message.closed_at.max(at);
            // ACK-9, SUB-4: what is acknowledged is in no mailbox, so nothing hands it out.
            self.mailboxes[mailbox.get()].close(number, bytes);
            self.outstanding -= 1;
            self.change_load(mailbox);
            self.release_if_closed(number);
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
        self.event_bytes += announcement.content.len();
        self.touched_at = self.touched_at.max(at);
        // SES-4: the end is for good, so no later time moves one that has passed.
        if self.ended_at.is_none() && (kind.ends_the_session() || self.has_ended(at)) {
            self.ended_at = Some(self.end().map_or(at, |end| end.min(at)));
        }
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
        self.end().is_some_and(|end| self.ended_at.is_some() || end <= now)
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
                    self.unused += 1;
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
        MessageNumber(self.forgotten + self.messages.len() as u64)
    }

    pub(crate) fn number(&self, message: MessageId) -> Option<MessageNumber> {
        self.numbers.get(&message).copied()
    }

    /// A message, unless it was forgotten or is none yet.
    pub(crate) fn get(&self, number: MessageNumber) -> Option<&Message> {
        self.messages.get(number.0.checked_sub(self.forgotten)? as usize)
    }

    pub(crate) fn message(&self, number: MessageNumber) -> &Message {
        self.get(number).expect("only what is terminal is forgotten")
    }

    fn message_mut(&mut self, number: MessageNumber) -> &mut Message {
        let index = number.0.checked_sub(self.forgotten).map(|index| index as usize);
        let message = index.and_then(|index| self.messages.get_mut(index));
        message.expect("only what is terminal is forgotten")
    }

    /// The first message that is not older than `at`.
    pub(crate) fn first_since(&self, at: Millis) -> MessageNumber {
        let older = self.messages.partition_point(|message| message.created_at < at);
        MessageNumber(self.forgotten + older as u64)
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

    /// Whether the delivery behind an entry is not terminal.
    pub(crate) fn is_outstanding(&self, entry: Entry) -> bool {
        let message = self.get(entry.number);
        message.is_some_and(|it| !it.deliveries[entry.slot as usize].state.is_terminal())
    }

    /// When a message of `size` bytes is accepted, if it is accepted now.
    ///
    /// ORD-7: never before the one accepted last, whatever the clock says. PND-4: and in a
    /// millisecond of its own where the last one has messages and this one would take them past
    /// `millisecond_bytes`, so that all of one millisecond fits into a poll's answer and leaves room.
    pub(crate) fn created_at(&self, now: Millis, size: usize, millisecond_bytes: usize) -> Millis {
        let Latest { at, bytes } = self.latest;
        if now > at {
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
}
