//! One session: its state machine, and how its parts come together. Each operation stands with its
//! input, its outcome and its error in a module of its own.

mod acknowledge;
mod admission;
mod announce;
mod hand_out;
mod route;
mod status;
mod timeout;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use acknowledge::{Acknowledge, AcknowledgeError, Acknowledged};
pub use admission::NotAdmitted;
pub use announce::{AnnounceError, Announced};
pub use hand_out::StreamEnded;
pub use route::{Header, IdempotencyKey, Route, RouteError, Routed};
pub use status::{DeliveryStatus, MessageStatus, StatusError};

use crate::ledger::{Ledger, MessageNumber};
use crate::mailbox::Entry;
use crate::streams::Streams;
use crate::timers::AckTimers;
use crate::{Announcement, Millis, PartyId, Position, Record, StreamId};

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
    /// How long a delivery may be outstanding, in milliseconds (EXP-1).
    pub message_ttl: i64,
    /// Whether only members take part, from the session's announcement to its end (SES).
    pub membership: bool,
}

impl Default for Policy {
    /// 1 MiB; 5 s, five times; 24 h; members only.
    fn default() -> Self {
        Self {
            millisecond_bytes: 1 << 20,
            ack_timeout: 5_000,
            max_retries: 5,
            message_ttl: 24 * 60 * 60 * 1_000,
            membership: true,
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
    /// An event is committed: bring it to those who listen.
    Publish {
        /// The event.
        announcement: Arc<Announcement>,
        /// Until when late subscribers get the session's events, 0 meaning until its end; None if it
        /// has ended (EVT-13).
        until: Option<Millis>,
    },
    /// This session has something for `party`: count it towards the party's pending messages (HB-4)
    /// from now on, until [`handle_tally`](Session::handle_tally) says that there is nothing.
    Outstanding {
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
    /// Kept for its memory, empty between calls.
    taken: Vec<Entry>,
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
            taken: Vec::new(),
            unchecked: 0,
        }
    }

    /// Takes in the next record that the log holds already: that is how a session is built from its
    /// log. Its position is the one after the last.
    ///
    /// # Panics
    /// If records of this session's own are still uncommitted: a log has one writer at a time.
    pub fn handle_record(&mut self, record: &Record) {
        assert_eq!(self.appended, self.committed, "a log has one writer at a time");
        let position = self.appended.next();
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
        self.handle_committed(position);
    }

    /// Learns that every record up to `through` is safe in the log.
    pub fn handle_committed(&mut self, through: Position) {
        self.committed = self.committed.max(through.min(self.appended));
        while let Some((_, unseen)) =
            self.unseen.pop_front_if(|(position, _)| *position <= self.committed)
        {
            match unseen {
                Unseen::Message(number) => {
                    self.visible = MessageNumber(number.0 + 1);
                    for delivery in &self.ledger.message(number).deliveries {
                        if let Some(stream) = self.streams.wake(delivery.mailbox) {
                            self.effects.push_back(Effect::Wake { stream });
                        }
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
    /// sessions looks at those only in which something happened.
    pub fn handle_tally(&mut self, party: &PartyId) -> usize {
        let Some(index) = self.ledger.mailbox_of(party) else { return 0 };
        let outstanding = self.ledger.mailbox(index).outstanding();
        self.counted[index.get()] &= outstanding > 0;
        outstanding
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

    /// Whether nothing ever happened here and nobody waits for it: then it can be forgotten.
    pub fn is_blank(&self) -> bool {
        self.appended == Position::default() && self.streams.is_empty()
    }

    /// The members, in the order in which they were selected.
    pub fn members(&self) -> &[PartyId] {
        self.ledger.members()
    }

    /// Whether the records of both add up to the same.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.ledger == other.ledger
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

/// Streams open and close without a record: a restart ends them anyway.
impl Session {
    /// Opens a stream for a party, from its oldest outstanding delivery on. An older stream of the
    /// party is superseded (SUB-5).
    ///
    /// # Errors
    /// If the party may not read here; nothing has changed then.
    ///
    /// # Panics
    /// If there has been a stream of that name: naming them is the caller's duty.
    pub fn handle_subscribe(
        &mut self,
        stream: StreamId,
        party: PartyId,
    ) -> Result<(), NotAdmitted> {
        self.admit(&party)?;
        assert!(self.streams.reading(stream).is_none(), "each stream has a name of its own");
        if let Some(stream) = self.streams.open(stream, party, &self.ledger) {
            self.effects.push_back(Effect::Superseded { stream });
        }
        self.check();
        Ok(())
    }

    /// Closes a stream; one that has ended already is no matter. Nothing is lost by it: what was not
    /// acknowledged is outstanding still (SUB-3).
    pub fn handle_unsubscribe(&mut self, stream: StreamId) {
        self.streams.close(stream);
        self.trim_timers();
        self.check();
    }
}
