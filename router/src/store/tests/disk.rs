//! A disk in memory. What was written since the last flush may or may not be on it after a crash.

use std::io;
use std::sync::{Arc, Mutex};

use mpc_router_core::Position;
use redb::StorageBackend;

#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

/// Tells what was known outside of the disk.
#[derive(Clone)]
pub(super) struct Witness(Arc<dyn Fn() -> Known + Send + Sync>);

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Witness")
    }
}

/// What was known outside of the disk at some time.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) committed: Position,
    pub(super) mark: Vec<u8>,
}

/// What was done from one flush to the next.
#[derive(Debug, Clone)]
pub(super) struct Interval {
    pub(super) safe: Vec<u8>,
    pub(super) done: Vec<Operation>,
    pub(super) known: Known,
}

#[derive(Debug, Default)]
struct State {
    /// What the disk has: what was flushed.
    safe: Vec<u8>,
    /// What was done since the last flush.
    unsafe_since: Vec<Operation>,
    /// What readers see: all that was done, be it lost since.
    seen: Vec<u8>,
    /// What was done from one flush to the next, and what the witness said before the next began.
    history: Vec<Interval>,
    witness: Option<Witness>,
    flushes: usize,
    fails: Option<Failure>,
}

#[derive(Debug, Clone)]
pub(super) enum Operation {
    SetLen(u64),
    Write(u64, Vec<u8>),
}

/// How it fails from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing can be written.
    Writes(io::ErrorKind),
    /// What was written cannot be flushed. The system shows it all the same, and tries no more.
    Flushes,
}

impl Operation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => bytes.resize(*len as usize, 0),
            Self::Write(offset, data) => {
                let (begin, end) = (*offset as usize, *offset as usize + data.len());
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[begin..end].copy_from_slice(data);
            }
        }
    }

    /// Only its first `bytes` bytes were done.
    pub(super) fn cut(&self, bytes: usize) -> Self {
        match self {
            Self::SetLen(len) => Self::SetLen(*len),
            Self::Write(offset, data) => Self::Write(*offset, data[..bytes.min(data.len())].into()),
        }
    }
}

impl Disk {
    /// One with an empty store.
    pub(super) fn formatted() -> Self {
        let disk = Self::default();
        let database = redb::Builder::new().create_with_backend(disk.clone()).unwrap();
        database.close().unwrap();
        disk
    }

    pub(super) fn flushes(&self) -> usize {
        self.0.lock().unwrap().flushes
    }

    pub(super) fn fail(&self, failure: Option<Failure>) {
        self.0.lock().unwrap().fails = failure;
    }

    /// Has `witness` asked before each flush.
    pub(super) fn witnessed_by(&self, witness: impl Fn() -> Known + Send + Sync + 'static) {
        let mut state = self.0.lock().unwrap();
        state.witness = Some(Witness(Arc::new(witness)));
    }

    pub(super) fn history(&self) -> Vec<Interval> {
        self.0.lock().unwrap().history.clone()
    }

    /// What a crash may leave of it, if these operations were done since the last flush.
    pub(super) fn after(mut safe: Vec<u8>, done: &[Operation]) -> Self {
        done.iter().for_each(|operation| operation.apply(&mut safe));
        Self(Arc::new(Mutex::new(State { seen: safe.clone(), safe, ..State::default() })))
    }

    /// Flushes it, and has readers see what it has.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.sync_data()?;
        let mut state = self.0.lock().unwrap();
        state.seen = state.safe.clone();
        Ok(())
    }

    /// What is left when the power goes.
    pub(super) fn without_power(&self) -> Self {
        Self::after(self.0.lock().unwrap().safe.clone(), &[])
    }

    fn act(&self, operation: Operation) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if let Some(Failure::Writes(kind)) = state.fails {
            return Err(kind.into());
        }
        operation.apply(&mut state.seen);
        state.unsafe_since.push(operation);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let begin = offset as usize;
        let bytes = state.seen.get(begin..begin + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.act(Operation::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.fails == Some(Failure::Flushes) {
            state.unsafe_since.clear();
            return Err(io::Error::other("the disk is broken"));
        }
        let done = std::mem::take(&mut state.unsafe_since);
        let before = state.witness.is_some().then(|| state.safe.clone());
        done.iter().for_each(|operation| operation.apply(&mut state.safe));
        if let (Some(safe), Some(Witness(witness))) = (before, &state.witness) {
            let known = witness();
            state.history.push(Interval { safe, done, known });
        }
        state.flushes += 1;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.act(Operation::Write(offset, data.into()))
    }
}
