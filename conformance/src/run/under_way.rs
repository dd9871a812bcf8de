//! The checks that are under way, for what is to be told of them if the run ends before they do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::journal::Journal;
use crate::report::TimelineEntry;
use crate::trial::Trial;

/// The journals of the checks that have begun, by their places in the report.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<Mutex<BTreeMap<usize, Journal>>>);

impl UnderWay {
    /// Notes that the check at this place has begun, in this world.
    pub(super) fn note(&self, place: usize, trial: &Trial) {
        self.journals().insert(place, trial.journal().clone());
    }

    /// What the check at this place has called so far, and how much of it is not kept; nothing if it
    /// has not begun.
    pub(super) fn timeline(&self, place: usize) -> Option<(Vec<TimelineEntry>, usize)> {
        self.journals().get(&place).map(Journal::timeline)
    }

    fn journals(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Journal>> {
        self.0.lock().expect("nobody panics with it")
    }
}
