use std::collections::VecDeque;

use crate::PartyId;
use crate::ledger::MessageNumber;
use crate::load::Load;

/// One party's outstanding deliveries in one session, oldest first.
///
/// An ordered set, kept as a queue: messages are added at its end, and mostly closed at its front.
/// What is closed further back stays as a gap until it reaches the front or until gaps prevail, so
/// that closing is cheap in any order and one that is missing costs the others nothing (ACK-11).
///
/// Invariant: entries ascend by number; the first one is open; `open` counts the open ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mailbox {
    party: PartyId,
    entries: VecDeque<Entry>,
    open: usize,
    /// How many deliveries there are of messages that are kept, be they over.
    kept: usize,
    /// How many bytes of content the open ones have.
    bytes: usize,
    /// Whether somebody has yet to be told what is outstanding.
    load_changed: bool,
}

/// An outstanding delivery: the `slot`-th of message `number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) number: MessageNumber,
    pub(crate) slot: u32,
    open: bool,
}

impl Entry {
    /// The `slot`-th delivery of message `number`.
    pub(crate) fn of(number: MessageNumber, slot: u32) -> Self {
        Self { number, slot, open: true }
    }
}

impl Mailbox {
    /// Below this many gaps, closing does not tidy up.
    const GAPS_KEPT: usize = 32;

    pub(crate) fn new(party: PartyId) -> Self {
        Self { party, entries: VecDeque::new(), open: 0, kept: 0, bytes: 0, load_changed: false }
    }

    /// Whose it is.
    pub(crate) fn party(&self) -> &PartyId {
        &self.party
    }

    /// How many deliveries are outstanding.
    pub(crate) fn outstanding(&self) -> usize {
        self.open
    }

    /// Adds a delivery of a message newer than all in here.
    pub(crate) fn push(&mut self, number: MessageNumber, slot: u32, bytes: usize) {
        self.entries.push_back(Entry::of(number, slot));
        self.open += 1;
        self.kept += 1;
        self.bytes += bytes;
    }

    /// A message that had a delivery in here, which is over, is forgotten.
    pub(crate) fn forget(&mut self) {
        self.kept -= 1;
    }

    /// How many deliveries of messages that are kept were in here.
    pub(crate) fn kept(&self) -> usize {
        self.kept
    }

    /// Whether any message that is kept was in here.
    pub(crate) fn is_used(&self) -> bool {
        self.kept > 0
    }

    /// Notes that what is outstanding is another. Tells whether that is new.
    pub(crate) fn change_load(&mut self) -> bool {
        !std::mem::replace(&mut self.load_changed, true)
    }

    /// Tells what is outstanding.
    pub(crate) fn take_load(&mut self) -> Load {
        self.load_changed = false;
        Load { deliveries: self.open, bytes: self.bytes }
    }

    /// Takes a delivery out.
    pub(crate) fn close(&mut self, number: MessageNumber, bytes: usize) {
        let at = self.entries.partition_point(|entry| entry.number < number);
        let entry = self.entries.get_mut(at).filter(|entry| entry.number == number && entry.open);
        entry.expect("a mailbox holds what is outstanding").open = false;
        self.open -= 1;
        self.bytes -= bytes;
        while self.entries.front().is_some_and(|entry| !entry.open) {
            self.entries.pop_front();
        }
        if self.entries.len() > 2 * self.open + Self::GAPS_KEPT {
            self.entries.retain(|entry| entry.open);
        }
    }

    /// The outstanding deliveries of message `from` and of later ones, oldest first.
    pub(crate) fn since(&self, from: MessageNumber) -> impl Iterator<Item = Entry> + '_ {
        let at = self.entries.partition_point(|entry| entry.number < from);
        self.entries.range(at..).filter(|entry| entry.open).copied()
    }

    pub(crate) fn assert_invariants(&self) {
        assert!(self.entries.iter().is_sorted_by(|a, b| a.number < b.number), "entries ascend");
        assert!(self.entries.front().is_none_or(|entry| entry.open), "the first entry is open");
        assert_eq!(self.open, self.entries.iter().filter(|entry| entry.open).count());
        assert!(self.open <= self.kept, "what is outstanding is kept");
        assert!(self.entries.len() <= 2 * self.open + Self::GAPS_KEPT, "gaps do not prevail");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_an_ordered_set(steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..400)) {
            let mut mailbox = Mailbox::new(PartyId::parse("p").unwrap());
            let mut model = BTreeSet::new();
            for (number, (close, which)) in steps.into_iter().enumerate() {
                if close && !model.is_empty() {
                    let closed = *model.iter().nth(which.index(model.len())).unwrap();
                    model.remove(&closed);
                    mailbox.close(closed, 7);
                } else {
                    model.insert(MessageNumber(number as u64));
                    mailbox.push(MessageNumber(number as u64), 0, 7);
                }
                mailbox.assert_invariants();
                prop_assert_eq!(mailbox.outstanding(), model.len());
                let load = Load { deliveries: model.len(), bytes: 7 * model.len() };
                prop_assert_eq!((mailbox.change_load(), mailbox.take_load()), (true, load));
                let from = MessageNumber(which.index(number + 1) as u64);
                let seen: Vec<_> = mailbox.since(from).map(|entry| entry.number).collect();
                let expected: Vec<_> = model.range(from..).copied().collect();
                prop_assert_eq!(seen, expected);
            }
        }
    }
}
