//! Where records are kept. What a session, or the directory, accepts is a record; a reply leaves
//! only when the log says that the record is safe.

use std::fmt;
use std::sync::{Arc, Weak};

use mpc_router_core::{DirectoryRecord, Position, Record, SessionId};

/// Keeps records, each unit's in the order in which they were appended.
pub trait Log: fmt::Debug + Send + Sync + 'static {
    /// Takes a record. The owner's lock is held meanwhile, so this must not call the owner, nor wait
    /// for anything slow: return [`Appended::Pending`], and call the owner later.
    fn append(&self, entry: Entry) -> Appended;

    /// Calls `each` with the committed records of a session, in order. A router asks for them before
    /// it lets anybody do something in the session.
    fn replay(&self, session: &SessionId, each: &mut dyn FnMut(&Record));

    /// Calls `each` with the committed records of the directory, in order.
    fn replay_directory(&self, each: &mut dyn FnMut(&DirectoryRecord));
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
    /// It is safe already.
    Committed,
    /// The owner will be told.
    Pending,
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
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryLog;

impl Log for MemoryLog {
    fn append(&self, _: Entry) -> Appended {
        Appended::Committed
    }

    fn replay(&self, _: &SessionId, _: &mut dyn FnMut(&Record)) {}

    fn replay_directory(&self, _: &mut dyn FnMut(&DirectoryRecord)) {}
}
