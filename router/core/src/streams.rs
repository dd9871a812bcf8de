use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::id::MailboxIndex;
use crate::ledger::{Ledger, MessageNumber};
use crate::mailbox::Entry;
use crate::{PartyId, StreamId};

/// The open message streams of a session: at most one of each kind a party.
///
/// They are no part of what records add up to: a restart ends them.
///
/// Invariant: `by_party`, `open` and `seats` tell the same; what was handed out on an open stream and
/// is outstanding is in its `sent`, `again` or `exhausted`, or a timer waits for it.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    /// Those of this session alone.
    by_party: BTreeMap<PartyId, StreamId>,
    /// By mailbox and kind: the stream that reads it.
    seats: Vec<[Option<Seat>; Kind::COUNT]>,
}

/// What else a stream shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: it is a stream of this session.
    Session,
    /// All other sessions of its party (SUB-9). It reads here only once there is a mailbox.
    Wildcard,
}

impl Kind {
    const COUNT: usize = 2;

    fn other(self) -> Self {
        match self {
            Self::Session => Self::Wildcard,
            Self::Wildcard => Self::Session,
        }
    }
}

/// A reader of one mailbox.
#[derive(Debug)]
struct Stream {
    party: PartyId,
    kind: Kind,
    /// None as long as the party has never had a delivery.
    mailbox: Option<MailboxIndex>,
    /// Everything older was handed out on this stream.
    next: MessageNumber,
    /// What is to be handed out on it again, after what is new.
    again: VecDeque<Sending>,
    /// What was handed out on it and may still be held back by flow control.
    sent: Vec<Sending>,
    /// What it has sent as often as may be, while the party's other stream goes on.
    exhausted: BTreeSet<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Seat {
    stream: StreamId,
    /// Whether it found nothing when it last looked, and so wants to be woken.
    idle: bool,
}

/// A delivery that is handed out on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sending {
    /// The delivery.
    pub(crate) entry: Entry,
    /// Its retry count with this sending. Each stream counts on from what it was when it began, so
    /// that two streams, which send everything twice, use up no retries faster than one.
    pub(crate) retries: u32,
}

impl Streams {
    /// Opens a stream at the beginning of the party's mailbox, which has none of this kind.
    ///
    /// SUB-1, SUB-2, ORD-3: what is replayed and what comes live is one walk along the mailbox, so
    /// there is no seam for anything to fall into.
    pub(crate) fn open(&mut self, id: StreamId, kind: Kind, party: PartyId, ledger: &Ledger) {
        let mailbox = ledger.mailbox_of(&party);
        if let Some(mailbox) = mailbox {
            self.seats[mailbox.get()][kind as usize] = Some(Seat { stream: id, idle: false });
        }
        if kind == Kind::Session {
            self.by_party.insert(party.clone(), id);
        }
        let stream = Stream {
            party,
            kind,
            mailbox,
            next: MessageNumber::default(),
            again: VecDeque::new(),
            sent: Vec::new(),
            exhausted: BTreeSet::new(),
        };
        self.open.insert(id, stream);
    }

    /// Closes a stream, if it is open. Tells what the party's other stream had left to this one.
    pub(crate) fn close(&mut self, id: StreamId) -> Option<(StreamId, BTreeSet<Entry>)> {
        let closed = self.open.remove(&id)?;
        if closed.kind == Kind::Session {
            self.by_party.remove(&closed.party);
        }
        let seats = &mut self.seats[closed.mailbox?.get()];
        seats[closed.kind as usize] = None;
        let other = seats[closed.kind.other() as usize]?.stream;
        let left = std::mem::take(&mut self.open.get_mut(&other)?.exhausted);
        Some((other, left))
    }

    /// The stream of this session that a party has open.
    pub(crate) fn of(&self, party: &PartyId) -> Option<StreamId> {
        self.by_party.get(party).copied()
    }

    /// The stream of all its party's sessions that reads a mailbox.
    pub(crate) fn wildcard(&self, mailbox: MailboxIndex) -> Option<StreamId> {
        self.seats[mailbox.get()][Kind::Wildcard as usize].map(|seat| seat.stream)
    }

    /// Gives the mailboxes opened since the last call the streams that wait for them.
    pub(crate) fn seat_new_mailboxes(&mut self, ledger: &Ledger) {
        for mailbox in &ledger.mailboxes()[self.seats.len()..] {
            let seat =
                self.by_party.get(mailbox.party()).map(|&stream| Seat { stream, idle: true });
            if let Some(Seat { stream, .. }) = seat {
                let reader = self.open.get_mut(&stream).expect("a party's stream is open");
                reader.mailbox = ledger.mailbox_of(mailbox.party());
            }
            self.seats.push([seat, None]);
        }
    }

    /// The mailboxes have these numbers now, by those that they had; those without one are no more.
    /// Whoever reads one of these goes on when there is one again.
    pub(crate) fn renumber(&mut self, numbers: &[Option<MailboxIndex>]) {
        for stream in self.open.values_mut() {
            stream.mailbox = stream.mailbox.and_then(|mailbox| numbers[mailbox.get()]);
        }
        let mut numbers = numbers.iter();
        self.seats.retain(|_| numbers.next().is_some_and(Option::is_some));
    }

    /// Which mailbox a stream reads and from where; None if it is not open.
    pub(crate) fn reading(
        &self,
        stream: StreamId,
    ) -> Option<Option<(MailboxIndex, MessageNumber)>> {
        let stream = self.open.get(&stream)?;
        Some(stream.mailbox.map(|mailbox| (mailbox, stream.next)))
    }

    /// Moves a stream on to `next`, past what was `taken`; it is idle if that is nothing.
    pub(crate) fn advance(
        &mut self,
        id: StreamId,
        mailbox: MailboxIndex,
        next: MessageNumber,
        taken: &[Sending],
    ) {
        let Some(stream) = self.open.get_mut(&id) else { return };
        stream.next = next;
        stream.sent.extend_from_slice(taken);
        if let Some(seat) = &mut self.seats[mailbox.get()][stream.kind as usize] {
            seat.idle = taken.is_empty();
        }
    }

    /// Whether anybody reads a mailbox.
    pub(crate) fn are_open(&self, mailbox: MailboxIndex) -> bool {
        self.seats[mailbox.get()].iter().any(Option::is_some)
    }

    pub(crate) fn is_open(&self, stream: StreamId) -> bool {
        self.open.contains_key(&stream)
    }

    /// Has a delivery handed out on a stream again. Tells whether the stream is to be woken for it.
    pub(crate) fn send_again(
        &mut self,
        stream: StreamId,
        mailbox: MailboxIndex,
        last: Sending,
    ) -> bool {
        let Some(reader) = self.open.get_mut(&stream) else { return false };
        reader.again.push_back(Sending { retries: last.retries + 1, ..last });
        let seat = &mut self.seats[mailbox.get()][reader.kind as usize];
        seat.as_mut().is_some_and(|seat| std::mem::take(&mut seat.idle))
    }

    /// Takes the next delivery that is to be handed out on a stream again.
    pub(crate) fn pop_again(&mut self, stream: StreamId) -> Option<Sending> {
        self.open.get_mut(&stream)?.again.pop_front()
    }

    /// Takes what was handed out on a stream since the last call.
    pub(crate) fn take_sent(&mut self, stream: StreamId) -> impl Iterator<Item = Sending> + '_ {
        self.open.get_mut(&stream).into_iter().flat_map(|stream| stream.sent.drain(..))
    }

    /// A stream has sent a delivery as often as may be, in vain. Tells whether that is all that could
    /// be done: the party's other stream may go on with it, and then the last of them decides.
    pub(crate) fn exhaust(
        &mut self,
        id: StreamId,
        mailbox: MailboxIndex,
        entry: Entry,
        is_over: impl Fn(Entry) -> bool,
    ) -> bool {
        let Some(kind) = self.open.get(&id).map(|stream| stream.kind) else { return true };
        let other = self.seats[mailbox.get()][kind.other() as usize];
        let other = other.and_then(|seat| self.open.get_mut(&seat.stream));
        let goes_on =
            other.is_some_and(|other| other.next > entry.number && !other.exhausted.remove(&entry));
        if goes_on && let Some(stream) = self.open.get_mut(&id) {
            while stream.exhausted.first().is_some_and(|first| is_over(*first)) {
                stream.exhausted.pop_first();
            }
            stream.exhausted.insert(entry);
        }
        !goes_on
    }

    /// The streams to wake because there is something for them in `mailbox`, if they wait.
    pub(crate) fn wake(&mut self, mailbox: MailboxIndex) -> impl Iterator<Item = StreamId> + '_ {
        let seats = self.seats[mailbox.get()].iter_mut().flatten();
        seats.filter_map(|seat| std::mem::take(&mut seat.idle).then_some(seat.stream))
    }

    /// The streams of all their parties' sessions that read here.
    pub(crate) fn wildcards(&self) -> impl Iterator<Item = StreamId> + '_ {
        let wildcards = self.open.iter().filter(|(_, stream)| stream.kind == Kind::Wildcard);
        wildcards.map(|(id, _)| *id)
    }

    /// Whether anybody reads this session alone.
    pub(crate) fn has_own(&self) -> bool {
        !self.by_party.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn assert_invariants(&self, ledger: &Ledger) {
        for (party, id) in &self.by_party {
            let stream = &self.open[id];
            assert_eq!((&stream.party, stream.kind), (party, Kind::Session));
            assert_eq!(stream.mailbox, ledger.mailbox_of(party), "a stream reads its mailbox");
        }
        assert_eq!(self.seats.len(), ledger.mailboxes().len());
        let mut wildcards = 0;
        for (mailbox, seats) in ledger.mailboxes().iter().zip(&self.seats) {
            let [session, wildcard] = seats.map(|seat| seat.map(|seat| seat.stream));
            assert_eq!(session, self.by_party.get(mailbox.party()).copied());
            if let Some(id) = wildcard {
                let stream = &self.open[&id];
                assert_eq!((&stream.party, stream.kind), (mailbox.party(), Kind::Wildcard));
                assert_eq!(stream.mailbox, ledger.mailbox_of(mailbox.party()));
                wildcards += 1;
            }
        }
        assert_eq!(self.open.len(), self.by_party.len() + wildcards, "one of each kind a party");
    }
}
