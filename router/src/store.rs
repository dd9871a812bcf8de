//! A log on a disk: what is committed there survives the end of the process, however it comes.
//!
//! In a folder of its own: `router.redb` holds the records; `mark` counts the commits, so that one that
//! was lost by damage is missed; `lock` keeps a second process out.

mod check;
mod file;
mod mark;
mod open;
mod rows;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use mpc_router_core::{DirectoryRecord, Millis, Position, Record, SessionId};
use tokio::sync::{oneshot, watch};

pub use self::check::Contents;
pub use self::open::OpenError;
use self::open::Place;
use self::tables::View;
use self::writer::Writer;
use crate::log::{Appended, Disposal, Entry, Health, Log, Owner, Unreadable};
use crate::metrics::CommitMetrics;

/// A log on a disk. One process at a time may have it open.
#[derive(Debug)]
pub struct Store {
    writer: Arc<Writer>,
    thread: Mutex<Option<JoinHandle<()>>>,
    latest: Millis,
}

impl Store {
    /// Opens the store in a folder, or begins one there. What a crash cut off is repaired; what is
    /// damaged is not touched.
    ///
    /// # Errors
    /// If the folder cannot be had, is another process's, or holds what is no whole store.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        Self::at(Place::new(folder)?)
    }

    /// Reads everything in the store of a folder, and changes nothing.
    ///
    /// # Errors
    /// If the folder is another process's, or holds what is no whole store.
    pub fn check(folder: &Path) -> Result<Contents, OpenError> {
        check::check(&Place::existing(folder)?)
    }

    fn at(place: Place) -> Result<Self, OpenError> {
        let opened = place.open()?;
        let latest = opened.latest;
        let writer = Arc::new(Writer::new(place, opened));
        let thread = std::thread::Builder::new().name("store".into());
        let thread = thread.spawn({
            let writer = Arc::clone(&writer);
            move || writer.run()
        });
        let thread = thread.map_err(OpenError::thread)?;
        Ok(Self { writer, thread: Mutex::new(Some(thread)), latest })
    }

    /// Writes what it was given, and closes. From then on nothing is taken any more.
    ///
    /// It waits for that, but where the store's own thread calls it, as happens when a session that
    /// this thread tells of a commit has the last hold of the store.
    pub fn close(&self) {
        self.writer.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread ended by a panic");
        }
    }

    fn view<T>(
        &self,
        read: impl FnOnce(&View) -> Result<T, tables::TableError>,
    ) -> Result<T, Unreadable> {
        self.writer.view(read)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl Log for Store {
    fn append(&self, entry: Entry) -> Appended {
        self.writer.append(entry)
    }

    fn dispose(&self, session: &SessionId, disposal: Disposal, owner: Weak<dyn Owner>) -> bool {
        self.writer.dispose(session.clone(), disposal, owner)
    }

    fn sessions(&self) -> Result<Vec<SessionId>, Unreadable> {
        self.view(View::sessions)
    }

    fn replay(
        &self,
        session: &SessionId,
        each: &mut dyn FnMut(Position, &Record),
    ) -> Result<(), Unreadable> {
        self.view(|view| view.records(session, each))
    }

    fn replay_directory(&self, each: &mut dyn FnMut(&DirectoryRecord)) -> Result<(), Unreadable> {
        self.view(|view| view.parties(each))
    }

    fn latest(&self) -> Millis {
        self.latest
    }

    fn keep_time(&self, until: Millis) -> Option<oneshot::Receiver<()>> {
        self.writer.keep_time(until)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.writer.health()
    }

    fn commits(&self) -> Option<CommitMetrics> {
        Some(self.writer.commits().clone())
    }
}
