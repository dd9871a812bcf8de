use std::collections::{BTreeMap, VecDeque};

use mpc_router_core::Position;
use tokio::sync::oneshot;

/// The log refused a record, so that nobody knows whether what a call tells of has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// Records that the log took at once, though not yet all before them: these are not safe by that.
#[derive(Debug, Default)]
pub(crate) struct Early(VecDeque<Position>);

impl Early {
    /// The log took a record at once.
    pub(crate) fn add(&mut self, position: Position) {
        self.0.push_back(position);
    }

    /// How far all is safe, if it is so through `committed`.
    pub(crate) fn through(&mut self, mut committed: Position) -> Position {
        while let Some(early) = self.0.pop_front_if(|early| *early <= committed.next()) {
            committed = committed.max(early);
        }
        committed
    }
}

/// Replies that wait until a record is safe.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    waiting: BTreeMap<Position, Vec<oneshot::Sender<()>>>,
    /// Nothing is waited for any more: it would be in vain.
    refused: bool,
}

/// A reply's turn to wait.
#[derive(Debug)]
pub(crate) struct Commit(oneshot::Receiver<()>);

impl Commit {
    /// Waits until the record is safe.
    pub(crate) async fn safe(self) -> Result<(), Lost> {
        self.0.await.map_err(|_| Lost)
    }
}

impl Commits {
    /// Lets a reply wait for `position`.
    pub(crate) fn wait(&mut self, position: Position) -> Commit {
        let (waiting, commit) = oneshot::channel();
        if self.refused {
            return Commit(commit);
        }
        self.waiting.entry(position).or_default().push(waiting);
        Commit(commit)
    }

    /// Lets go all replies that wait for nothing after `through`.
    pub(crate) fn committed(&mut self, through: Position) {
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() <= through
        {
            for waiting in entry.remove() {
                // Whoever waited may have given up since.
                let _ = waiting.send(());
            }
        }
    }

    /// Tells all replies that they wait in vain.
    pub(crate) fn refused(&mut self) {
        self.refused = true;
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_early_waits_for_what_is_before() {
        let (mut early, mut committed) = (Early::default(), Position(0));
        // Taken at once, or said to be safe; and how far all is safe then.
        for (taken, told, through) in [
            (Some(1), 0, 1),
            (Some(3), 0, 1),
            (Some(4), 0, 1),
            (Some(6), 0, 1),
            (None, 2, 4),
            (None, 2, 4),
            (None, 7, 7),
            (Some(8), 0, 8),
        ] {
            if let Some(position) = taken {
                early.add(Position(position));
            }
            committed = early.through(committed.max(Position(told)));
            assert_eq!(committed, Position(through), "{taken:?}, {told}");
        }
    }
}
