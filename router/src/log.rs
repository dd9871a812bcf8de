//! Where records are kept. What a session, or the directory, accepts is a record; a reply leaves
//! only when the log says that the record is safe.

use std::fmt;
use std::sync::{Arc, Weak};

use mpc_router_core::{DirectoryRecord, Millis, Position, Record, SessionId};
use tokio::sync::{oneshot, watch};

use crate::metrics::CommitMetrics;

/// Keeps records, each unit's in the order in which they were appended.
pub trait Log: fmt::Debug + Send + Sync + 'static {
    /// Takes a record. The owner's lock is held meanwhile, so this must not call the owner, nor wait
    /// for anything slow: return [`Appended::Pending`], and call the owner later.
    fn append(&self, entry: Entry) -> Appended;

    /// Learns what nobody needs any more of a session, once everything appended to it before is safe.
    /// The session's lock is held meanwhile. Tells whether it took this; if it can then not do it after
    /// all, it refuses `owner`. That is told again when the session is built from what is kept.
    fn dispose(&self, session: &SessionId, disposal: Disposal, owner: Weak<dyn Owner>) -> bool;

    /// The sessions that have records.
    ///
    /// # Errors
    /// If they cannot be read.
    fn sessions(&self) -> Result<Vec<SessionId>, Unreadable>;

    /// Calls `each` with the committed records of a session that are kept, in order. A router asks for
    /// them before it lets anybody do something in the session.
    ///
    /// # Errors
    /// If they cannot be read, or are not what was written.
    fn replay(
        &self,
        session: &SessionId,
        each: &mut dyn FnMut(Position, &Record),
    ) -> Result<(), Unreadable>;

    /// Calls `each` with the committed records of the directory that are kept, in order.
    ///
    /// # Errors
    /// If they cannot be read, or are not what was written.
    fn replay_directory(&self, each: &mut dyn FnMut(&DirectoryRecord)) -> Result<(), Unreadable>;

    /// The newest time that its records told of when it was opened, or that it was to
    /// [keep](Self::keep_time): the router's clock goes on from there at the least (HB-3, ORD-7).
    fn latest(&self) -> Millis;

    /// Learns that times up to `until` may be told though no record tells of them, as a heartbeat's
    /// are. What it gives back is done once that is safe, and fails if it cannot be made so. None
    /// if nothing is to be waited for.
    fn keep_time(&self, until: Millis) -> Option<oneshot::Receiver<()>> {
        let _ = until;
        None
    }

    /// Whether records are taken, now and from now on.
    fn health(&self) -> watch::Receiver<Health>;

    /// What it counts of its commits, if it does.
    fn commits(&self) -> Option<CommitMetrics> {
        None
    }
}

/// A record on its way into the log.
#[derive(Debug)]
pub struct Entry {
    /// What the record says, and of which unit.
    pub record: UnitRecord,
    /// Its place among the unit's records.
    pub position: Position,
    /// Whom to tell. Gone if nobody waits any more.
    pub owner: Weak<dyn Owner>,
}

/// A record of one of the units that have a log.
#[derive(Debug)]
pub enum UnitRecord {
    /// Of a session.
    Session(SessionId, Record),
    /// Of the directory of parties.
    Directory(DirectoryRecord),
}

/// What became of a record at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is safe already, or nobody needs it to be.
    Committed,
    /// The owner will be told.
    Pending,
    /// The log cannot take it, nor anything that follows from it: as [`Owner::refused`], at once.
    Refused,
}

/// What nobody needs any more of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposal {
    /// The content of the message whose record is there. The record stays.
    Content(Position),
    /// All records up to there, those of events excepted.
    Through(Position),
    /// Everything.
    Session,
}

/// Records cannot be read. The text names the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Whether a log takes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Fine,
    /// It takes what ends deliveries, and nothing that begins any. The text says why, and what to do.
    Full(String),
    /// It takes none: what is appended is refused. The text says why, and what to do.
    Failing(String),
}

/// A unit whose records are on their way.
pub trait Owner: fmt::Debug + Send + Sync {
    /// All records up to `through` are safe.
    fn committed(self: Arc<Self>, through: Position);

    /// The log cannot take what is not committed yet, nor anything that follows from it. The unit's
    /// state is dropped and built anew from the log, which may be asked for it during this call.
    fn refused(self: Arc<Self>);
}

/// Keeps nothing: what is accepted is safe as long as the router runs, and lost when it ends.
#[derive(Debug)]
pub struct MemoryLog {
    health: watch::Sender<Health>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self { health: watch::Sender::new(Health::Fine) }
    }
}

impl Log for MemoryLog {
    fn append(&self, _: Entry) -> Appended {
        Appended::Committed
    }

    fn dispose(&self, _: &SessionId, _: Disposal, _: Weak<dyn Owner>) -> bool {
        true
    }

    fn sessions(&self) -> Result<Vec<SessionId>, Unreadable> {
        Ok(Vec::new())
    }

    fn replay(
        &self,
        _: &SessionId,
        _: &mut dyn FnMut(Position, &Record),
    ) -> Result<(), Unreadable> {
        Ok(())
    }

    fn replay_directory(&self, _: &mut dyn FnMut(&DirectoryRecord)) -> Result<(), Unreadable> {
        Ok(())
    }

    fn latest(&self) -> Millis {
        Millis(0)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
}
