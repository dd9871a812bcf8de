use std::collections::BTreeMap;

use mpc_router_core::Position;
use tokio::sync::oneshot;

/// The log refused a record, so that nobody knows whether what a call tells of has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// Replies that wait until a record is safe.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    waiting: BTreeMap<Position, Vec<oneshot::Sender<()>>>,
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
        self.waiting.clear();
    }
}
