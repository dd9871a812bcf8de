//! Keeps what a check called and what came back, for the evidence of a failure.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::report::TimelineEntry;

/// The entries kept of one check: enough to see what led to its end, whatever its volume.
const ENTRIES_KEPT: usize = 200;

/// What came back of a call that is under way when the check ends.
pub(crate) const UNDER_WAY: &str = "was under way when the check ended";

/// What one check called, in the order of beginning.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Mutex<Entries>>);

#[derive(Debug)]
struct Entries {
    began: Instant,
    kept: VecDeque<TimelineEntry>,
    dropped: usize,
}

impl Entries {
    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A call that is under way.
#[derive(Debug)]
pub struct Call {
    journal: Journal,
    number: usize,
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal {
    /// An empty journal that counts its times from now.
    pub fn new() -> Self {
        let began = Instant::now();
        Self(Arc::new(Mutex::new(Entries { began, kept: VecDeque::new(), dropped: 0 })))
    }

    /// Notes that `party` begins a call.
    pub fn begin(&self, party: &str, action: String) -> Call {
        let mut entries = self.entries();
        let at_us = entries.now_us();
        entries.push(TimelineEntry {
            at_us,
            until_us: None,
            party: party.into(),
            action,
            result: UNDER_WAY.into(),
        });
        let number = entries.dropped + entries.kept.len() - 1;
        drop(entries);
        Call { journal: self.clone(), number }
    }

    /// Notes that something happened to `party`.
    pub fn note(&self, party: &str, action: &str, result: String) {
        let mut entries = self.entries();
        let at_us = entries.now_us();
        let (party, action) = (party.into(), action.into());
        entries.push(TimelineEntry { at_us, until_us: None, party, action, result });
    }

    /// What is kept, and how many earlier entries are not.
    pub fn timeline(&self) -> (Vec<TimelineEntry>, usize) {
        let entries = self.entries();
        (entries.kept.iter().cloned().collect(), entries.dropped)
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Entries {
    fn push(&mut self, entry: TimelineEntry) {
        if self.kept.len() == ENTRIES_KEPT {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(entry);
    }
}

impl Call {
    /// Notes what the call returned.
    pub fn end(self, result: String) {
        let mut entries = self.journal.entries();
        let now = entries.now_us();
        let dropped = entries.dropped;
        if let Some(entry) =
            self.number.checked_sub(dropped).and_then(|index| entries.kept.get_mut(index))
        {
            entry.until_us = Some(now);
            entry.result = result;
        }
    }
}
