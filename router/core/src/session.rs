//! One session: its state machine, and how its parts come together. Each operation stands with its
//! input, its outcome and its error in a module of its own.

mod acknowledge;
mod admission;
mod announce;
mod hand_out;
mod route;
mod status;
mod subscribe;
mod timeout;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use acknowledge::{Acknowledge, AcknowledgeError, Acknowledged};
pub use admission::NotAdmitted;
pub use announce::{AnnounceError, Announced};
pub use hand_out::StreamEnded;
pub use route::{Header, IdempotencyKey, Route, RouteError, Routed};
pub use status::{DeliveryStatus, MessageStatus, StatusError};

use crate::delivery::Delivery;
use crate::ledger::{Ledger, MessageNumber};
use crate::streams::{Sending, Streams};
use crate::timers::AckTimers;
use crate::{
    Announcement, DeliveryState, Load, MailboxIndex, MessageId, Millis, PartyId, Position, Record,
    StreamId,
};

/// What a session allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How many bytes of content share one `created_at` at most; a larger message has one for
    /// itself. A poll's answer has to have room for this many bytes and one message more (PND-4).
    pub millisecond_bytes: usize,
    /// How long after it was sent on a stream a message is sent again, if no answer comes, in
    /// milliseconds (RED-1).
    pub ack_timeout: i64,
    /// How often it is sent again before it is given up (RED-4).
    pub max_retries: u32,
    /// How long a delivery may be outstanding, in milliseconds (EXP-1). As long after it became
    /// terminal its status is kept, and as long after its end a session.
    pub message_ttl: i64,
    /// How long a session without an end is kept when nothing happens in it, in milliseconds.
    pub idle_ttl: i64,
    /// Whether only members take part, from the session's announcement to its end (SES).
    pub membership: bool,
    /// How much it holds at most.
    pub capacity: Capacity,
}

/// How much a session holds at most. What would be too much is refused (FLW-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// What is outstanding, over all parties. One message may go over it.
    pub outstanding: Load,
    /// How many messages, those included of which only the status is kept.
    pub messages: usize,
    /// How many events.
    pub events: usize,
    /// How many bytes of content the events have. One event may go over it.
    pub event_bytes: usize,
    /// How many mailboxes of parties that no message is kept for, beside one for each eight
    /// deliveries that are kept.
    pub spare_mailboxes: usize,
}

impl Default for Policy {
    /// 1 MiB; 5 s, five times; 24 h, 30 days; members only; some million messages in 512 MiB.
    fn default() -> Self {
        Self {
            millisecond_bytes: 1 << 20,
            ack_timeout: 5_000,
            max_retries: 5,
            message_ttl: 24 * 60 * 60 * 1_000,
            idle_ttl: 30 * 24 * 60 * 60 * 1_000,
            membership: true,
            capacity: Capacity {
                outstanding: Load { deliveries: 4 << 20, bytes: 512 << 20 },
                messages: 4 << 20,
                events: 10_000,
                event_bytes: 16 << 20,
                spare_mailboxes: 64,
            },
        }
    }
}

/// Something for the shell to do. The order is the order in which to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write this record at the end of the session's log, and call
    /// [`handle_committed`](Session::handle_committed) when it is safe there. A log that cannot take
    /// it makes the session worthless: drop it and build it anew from the records that are there.
    Append {
        /// Its place.
        position: Position,
        /// What to write.
        record: Record,
    },
    /// There is something to pull for this stream, which found nothing the last time.
    Wake {
        /// The stream.
        stream: StreamId,
    },
    /// This stream gets nothing any more: its party has opened a newer one (SUB-5).
    Superseded {
        /// The older stream.
        stream: StreamId,
    },
    /// This stream of all its party's sessions reads here no more: a newer one does, or there is
    /// nothing to read until [`Effect::Outstanding`] tells otherwise.
    Detached {
        /// The stream.
        stream: StreamId,
    },
    /// An event is committed: bring it to those who listen.
    Publish {
        /// The event.
        announcement: Arc<Announcement>,
        /// Until when late subscribers get the session's events, 0 meaning until its end; None if it
        /// has ended (EVT-13).
        until: Option<Millis>,
    },
    /// Nobody needs the content of the message any more whose record is at `position`, once what was
    /// appended before this is safe.
    Release {
        /// The record's place.
        position: Position,
    },
    /// Nobody needs the records up to here any more, those of events excepted.
    Forget {
        /// The place of the last of them.
        through: Position,
    },
    /// This session has nothing for `party` any more, and need not be counted for it.
    Settled {
        /// The party.
        party: PartyId,
    },
    /// Nobody needs any record of this session any more: it is as if nothing had ever happened in it.
    Discard,
    /// This session has something for `party`: count it towards the party's pending messages (HB-4)
    /// from now on, until [`handle_tally`](Session::handle_tally) says that there is nothing. If the
    /// party has a stream of all its sessions, [attach](Session::handle_attach) it.
    Outstanding {
        /// The party.
        party: PartyId,
    },
    /// There is something new for `party`, which has no open stream for it: if it is away it may have
    /// to be told (OFF-2).
    Unattended {
        /// The party.
        party: PartyId,
    },
}

/// One session: its members, messages, mailboxes and message streams, all in one order.
///
/// It decides on what was appended so far, and shows a message to its recipients only once its
/// record is committed. A shell replies to a call once [`bound`](Self::bound) is committed; that is so
/// for reads and rejections too, since they must not tell what could still be lost.
///
/// Invariant: the ledger is what the appended records add up to; nothing uncommitted was handed out.
#[derive(Debug)]
pub struct Session {
    policy: Policy,
    ledger: Ledger,
    streams: Streams,
    timers: AckTimers,
    broadcasts: BTreeMap<PartyId, route::Addressees>,
    effects: VecDeque<Effect>,
    /// The last record appended.
    appended: Position,
    /// The last binding record appended.
    bound: Position,
    /// The last record committed.
    committed: Position,
    /// What becomes visible with the commit of a record.
    unseen: VecDeque<(Position, Unseen)>,
    /// All older messages are committed.
    visible: MessageNumber,
    /// By mailbox: whether the shell counts it.
    counted: Vec<bool>,
    /// Whether mailboxes got other numbers since the last call of `poll_renumbered`.
    renumbered: bool,
    /// Kept for its memory, empty between calls.
    taken: Vec<Sending>,
    /// Calls since the invariants were last checked in full.
    unchecked: usize,
}

#[derive(Debug)]
enum Unseen {
    Message(MessageNumber),
    Event { announcement: Arc<Announcement>, until: Option<Millis> },
}

impl Session {
    /// A session that nothing has happened in.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            ledger: Ledger::default(),
            streams: Streams::default(),
            timers: AckTimers::default(),
            broadcasts: BTreeMap::new(),
            effects: VecDeque::new(),
            appended: Position::default(),
            bound: Position::default(),
            committed: Position::default(),
            unseen: VecDeque::new(),
            visible: MessageNumber::default(),
            counted: Vec::new(),
            renumbered: false,
            taken: Vec::new(),
            unchecked: 0,
        }
    }

    /// Takes in the next record that the log holds already: that is how a session is built from its
    /// log. Its position is after the last one's; between them may be what was forgotten.
    ///
    /// # Panics
    /// If records of this session's own are still uncommitted: a log has one writer at a time. If
    /// the position is not after the last one's.
    pub fn handle_record(&mut self, position: Position, record: &Record) {
        assert_eq!(self.appended, self.committed, "a log has one writer at a time");
        assert!(position > self.appended, "records come in their order");
        let number = self.ledger.next_number();
        self.ledger.apply(position, record);
        if let Record::Announced { .. } = record {
            self.broadcasts.clear();
        }
        self.streams.seat_new_mailboxes(&self.ledger);
        self.appended = position;
        if record.is_binding() {
            self.bound = position;
        }
        if self.ledger.next_number() > number {
            self.entered(position, number);
        }
        self.release();
        self.commit(position, true);
    }

    /// Learns that every record up to `through` is safe in the log.
    pub fn handle_committed(&mut self, through: Position) {
        self.commit(through, false);
    }

    fn commit(&mut self, through: Position, replayed: bool) {
        self.committed = self.committed.max(through.min(self.appended));
        while let Some((_, unseen)) =
            self.unseen.pop_front_if(|(position, _)| *position <= self.committed)
        {
            match unseen {
                Unseen::Message(number) => {
                    self.visible = MessageNumber(number.0 + 1);
                    let message = self.ledger.get(number).into_iter();
                    for delivery in message.flat_map(|message| &message.deliveries) {
                        // OFF-2: known already is what a session is built from.
                        if !replayed && self.is_unattended(delivery) {
                            let party = self.ledger.mailbox(delivery.mailbox).party().clone();
                            self.effects.push_back(Effect::Unattended { party });
                        }
                        let awakened = self.streams.wake(delivery.mailbox);
                        self.effects.extend(awakened.map(|stream| Effect::Wake { stream }));
                    }
                }
                Unseen::Event { announcement, until } => {
                    self.effects.push_back(Effect::Publish { announcement, until });
                }
            }
        }
        self.check();
    }

    /// Tells how many deliveries are outstanding for `party` (HB-4). If there are none, the shell need
    /// not ask again until [`Effect::Outstanding`] tells otherwise: so whoever adds up a party's
    /// sessions looks at those only in which something happened. Nor does a stream of all the party's
    /// sessions read here until then.
    pub fn handle_tally(&mut self, party: &PartyId) -> usize {
        let Some(index) = self.ledger.mailbox_of(party) else { return 0 };
        let outstanding = self.ledger.mailbox(index).outstanding();
        if outstanding == 0 {
            self.counted[index.get()] = false;
            self.detach(index);
        }
        outstanding
    }

    /// The parties that have something here that was never handed out, and no open stream for it.
    pub fn unattended(&self) -> impl Iterator<Item = &PartyId> {
        self.ledger.mailboxes().iter().filter_map(|mailbox| {
            let party = mailbox.party();
            let entries =
                self.outstanding_since(self.ledger.mailbox_of(party)?, MessageNumber::default());
            let mut deliveries = entries.map(|entry| self.ledger.behind(entry).1);
            deliveries.any(|delivery| self.is_unattended(delivery)).then_some(party)
        })
    }

    fn is_unattended(&self, delivery: &Delivery) -> bool {
        delivery.state == DeliveryState::Pending && !self.streams.are_open(delivery.mailbox)
    }

    /// Hands out the next thing for the shell to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The last binding record appended: what a reply has to wait for, as it is right after the call
    /// that is replied to, whether that wrote or read and whether it was rejected.
    pub fn bound(&self) -> Position {
        self.bound
    }

    /// The last record that is safe in the log.
    pub fn committed(&self) -> Position {
        self.committed
    }

    /// Whether nothing is known here and nobody waits for it: then the session can be dropped.
    pub fn is_blank(&self) -> bool {
        self.ledger.is_blank() && self.streams.is_empty() && self.committed >= self.appended
    }

    /// Until when late subscribers get the session's events, 0 meaning until its end; None if it has
    /// ended (EVT-13).
    pub fn lasts_until(&self, now: Millis) -> Option<Millis> {
        self.ledger.lasts_until(now)
    }

    /// What is outstanding, over all parties. The bytes are those of the messages, each counted once.
    pub fn load(&self) -> Load {
        self.ledger.load()
    }

    /// Tells once when mailboxes have got other numbers. What the shell knows by mailbox is void
    /// then, and [`handle_loads`](Self::handle_loads) tells all of it.
    pub fn poll_renumbered(&mut self) -> bool {
        std::mem::take(&mut self.renumbered)
    }

    /// Tells of each party what is outstanding for it here, if that has changed since the last call.
    pub fn handle_loads(&mut self, each: impl FnMut(MailboxIndex, &PartyId, Load)) {
        self.ledger.take_loads(each);
    }

    /// A message that is outstanding for somebody and has no content, as it may be if the records are
    /// not those that were written.
    pub fn lacks_content(&self) -> Option<MessageId> {
        self.ledger.lacks_content()
    }

    /// When the newest message or event was accepted that is known.
    pub fn touched_at(&self) -> Millis {
        self.ledger.touched_at()
    }

    /// The members, in the order in which they were selected.
    pub fn members(&self) -> &[PartyId] {
        self.ledger.members()
    }

    /// Whether the records of both add up to the same.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.ledger.agrees_with(&other.ledger)
    }

    /// Checks what the types say of themselves; takes time proportional to the session's size.
    ///
    /// # Panics
    /// If an invariant is broken.
    pub fn assert_invariants(&self) {
        self.ledger.assert_invariants();
        self.streams.assert_invariants(&self.ledger);
        self.timers.assert_invariants();
        assert!(self.committed <= self.appended && self.bound <= self.appended);
        assert!(self.visible <= self.ledger.next_number());
        assert!(self.unseen.iter().is_sorted_by_key(|(position, _)| *position));
        assert!(self.unseen.iter().all(|(position, _)| *position > self.committed));
        assert_eq!(self.counted.len(), self.ledger.mailboxes().len());
        for (mailbox, counted) in self.ledger.mailboxes().iter().zip(&self.counted) {
            assert!(*counted || mailbox.outstanding() == 0, "HB-4: what is outstanding is counted");
            let index = self.ledger.mailbox_of(mailbox.party()).expect("a mailbox has its party");
            assert!(*counted || self.streams.wildcard(index).is_none(), "counted while attached");
        }
    }

    /// Appends a record that was entered into the ledger already.
    fn append(&mut self, position: Position, record: Record) {
        self.appended = position;
        if record.is_binding() {
            self.bound = position;
        }
        self.effects.push_back(Effect::Append { position, record });
    }

    /// Has the log let go what nobody needs any more of messages.
    fn release(&mut self) {
        let released = self.ledger.take_released();
        self.effects.extend(released.map(|position| Effect::Release { position }));
    }

    /// A message was entered into the ledger by the record at `position`.
    fn entered(&mut self, position: Position, number: MessageNumber) {
        self.streams.seat_new_mailboxes(&self.ledger);
        self.counted.resize(self.ledger.mailboxes().len(), false);
        for delivery in &self.ledger.message(number).deliveries {
            if !std::mem::replace(&mut self.counted[delivery.mailbox.get()], true) {
                let party = self.ledger.mailbox(delivery.mailbox).party().clone();
                self.effects.push_back(Effect::Outstanding { party });
            }
        }
        self.unseen.push_back((position, Unseen::Message(number)));
    }

    /// The end of each method that changes something: checks the invariants in debug builds, often
    /// enough to find a fault close to its cause and seldom enough to cost each call the same.
    fn check(&mut self) {
        if cfg!(debug_assertions) {
            self.unchecked += 1;
            if self.unchecked * 16 >= self.ledger.size() {
                self.unchecked = 0;
                self.assert_invariants();
            }
        }
    }
}
