use std::collections::{BTreeMap, VecDeque};

use crate::ledger::{Ledger, MailboxIndex, MessageNumber};
use crate::mailbox::Entry;
use crate::{PartyId, StreamId};

/// The open message streams of a session: at most one a party.
///
/// They are no part of what records add up to: a restart ends them.
///
/// Invariant: `by_party`, `open` and `seats` tell the same.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    by_party: BTreeMap<PartyId, StreamId>,
    /// By mailbox: the stream that reads it.
    seats: Vec<Option<Seat>>,
}

/// A reader of one mailbox.
#[derive(Debug)]
struct Stream {
    party: PartyId,
    /// None as long as the party has never had a delivery.
    mailbox: Option<MailboxIndex>,
    /// Everything older was handed out on this stream.
    next: MessageNumber,
    /// What is to be handed out on it again, after what is new.
    again: VecDeque<Entry>,
    /// What was handed out on it and may still be held back by flow control.
    sent: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Seat {
    stream: StreamId,
    /// Whether it found nothing when it last looked, and so wants to be woken.
    idle: bool,
}

impl Streams {
    /// Opens a stream at the beginning of the party's mailbox. Gives back the one that it supersedes.
    ///
    /// SUB-1, SUB-2, ORD-3: what is replayed and what comes live is one walk along the mailbox, so
    /// there is no seam for anything to fall into.
    pub(crate) fn open(
        &mut self,
        stream: StreamId,
        party: PartyId,
        ledger: &Ledger,
    ) -> Option<StreamId> {
        // SUB-5: the newer one gets everything; the older one gets nothing more.
        let superseded = self.by_party.insert(party.clone(), stream);
        if let Some(older) = superseded {
            self.open.remove(&older);
        }
        let mailbox = ledger.mailbox_of(&party);
        if let Some(mailbox) = mailbox {
            self.seats[mailbox.get()] = Some(Seat { stream, idle: false });
        }
        let next = MessageNumber::default();
        let (again, sent) = (VecDeque::new(), Vec::new());
        self.open.insert(stream, Stream { party, mailbox, next, again, sent });
        superseded
    }

    /// Closes a stream, if it is open.
    pub(crate) fn close(&mut self, stream: StreamId) -> bool {
        let Some(closed) = self.open.remove(&stream) else { return false };
        self.by_party.remove(&closed.party);
        if let Some(mailbox) = closed.mailbox {
            self.seats[mailbox.get()] = None;
        }
        true
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
            self.seats.push(seat);
        }
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
        taken: &[Entry],
    ) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.next = next;
            stream.sent.extend_from_slice(taken);
        }
        if let Some(seat) = &mut self.seats[mailbox.get()] {
            seat.idle = taken.is_empty();
        }
    }

    pub(crate) fn is_open(&self, stream: StreamId) -> bool {
        self.open.contains_key(&stream)
    }

    /// Has a delivery handed out on a stream again. Tells whether the stream is to be woken for it.
    pub(crate) fn send_again(
        &mut self,
        stream: StreamId,
        mailbox: MailboxIndex,
        entry: Entry,
    ) -> bool {
        let Some(reader) = self.open.get_mut(&stream) else { return false };
        reader.again.push_back(entry);
        self.wake(mailbox).is_some()
    }

    /// Takes the next delivery that is to be handed out on a stream again.
    pub(crate) fn pop_again(&mut self, stream: StreamId) -> Option<Entry> {
        self.open.get_mut(&stream)?.again.pop_front()
    }

    /// Takes what was handed out on a stream since the last call.
    pub(crate) fn take_sent(&mut self, stream: StreamId) -> impl Iterator<Item = Entry> + '_ {
        self.open.get_mut(&stream).into_iter().flat_map(|stream| stream.sent.drain(..))
    }

    /// The stream to wake because there is something for it in `mailbox`, if it waits.
    pub(crate) fn wake(&mut self, mailbox: MailboxIndex) -> Option<StreamId> {
        let seat = self.seats[mailbox.get()].as_mut()?;
        std::mem::take(&mut seat.idle).then_some(seat.stream)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn assert_invariants(&self, ledger: &Ledger) {
        assert_eq!(self.open.len(), self.by_party.len(), "one stream a party");
        for (party, id) in &self.by_party {
            let stream = &self.open[id];
            assert_eq!(&stream.party, party);
            assert_eq!(stream.mailbox, ledger.mailbox_of(party), "a stream reads its mailbox");
        }
        assert_eq!(self.seats.len(), ledger.mailboxes().len());
        for (mailbox, seat) in ledger.mailboxes().iter().zip(&self.seats) {
            let seated = seat.map(|seat| seat.stream);
            assert_eq!(seated, self.by_party.get(mailbox.party()).copied());
        }
    }
}
