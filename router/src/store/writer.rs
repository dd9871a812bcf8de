//! The thread that commits: whatever waits when it gets to it becomes one commit, and one flush of the
//! disk.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Instant;

use mpc_router_core::{Millis, Position, Record, SessionId};
use redb::Database;
use tokio::sync::{oneshot, watch};

use super::mark::Mark;
use super::open::{Opened, Place};
use super::tables::{TableError, Tables, View};
use crate::limits;
use crate::log::{Appended, Disposal, Entry, Health, Owner, UnitRecord, Unreadable};
use crate::metrics::CommitMetrics;

/// What is to be written.
#[derive(Debug)]
pub(super) enum Change {
    Append(Entry),
    Dispose(SessionId, Disposal, Weak<dyn Owner>),
    /// Times up to there may be told.
    Time(Millis, oneshot::Sender<()>),
}

impl Change {
    /// How much memory it holds, more or less.
    fn bytes(&self) -> usize {
        const OVERHEAD_BYTES: usize = 256;
        let content = match self {
            Self::Append(Entry { record: UnitRecord::Session(_, record), .. }) => match record {
                Record::Routed { content, .. } => content.len(),
                Record::Announced { announcement, .. } => announcement.content.len(),
                _ => 0,
            },
            _ => 0,
        };
        content + OVERHEAD_BYTES
    }
}

/// The queue of changes, and the thread's side of it.
#[derive(Debug)]
pub(super) struct Writer {
    place: Place,
    /// None while it could not be opened again.
    database: RwLock<Option<Database>>,
    disk: Mutex<Disk>,
    queue: Mutex<Queue>,
    /// There is something in the queue, or it was closed.
    changed: Condvar,
    health: watch::Sender<Health>,
    commits: CommitMetrics,
}

/// What only the thread uses.
#[derive(Debug)]
struct Disk {
    mark: Mark,
    looked_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Queue {
    changes: Vec<Change>,
    /// Nothing is taken any more: the store fails, or is closed.
    refuses: bool,
    closed: bool,
}

impl Writer {
    pub(super) fn new(place: Place, opened: Opened) -> Self {
        let Opened { database, mark, .. } = opened;
        Self {
            place,
            database: RwLock::new(Some(database)),
            disk: Mutex::new(Disk { mark, looked_at: None }),
            queue: Mutex::default(),
            changed: Condvar::new(),
            health: watch::Sender::new(Health::Fine),
            commits: CommitMetrics::default(),
        }
    }

    pub(super) fn commits(&self) -> &CommitMetrics {
        &self.commits
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(super) fn append(&self, entry: Entry) -> Appended {
        let binds = match &entry.record {
            UnitRecord::Session(_, record) => record.is_binding(),
            UnitRecord::Directory(record) => record.is_binding(),
        };
        let mut queue = self.lock_queue();
        if queue.refuses {
            return if binds { Appended::Refused } else { Appended::Committed };
        }
        queue.changes.push(Change::Append(entry));
        drop(queue);
        self.changed.notify_one();
        Appended::Pending
    }

    pub(super) fn dispose(
        &self,
        session: SessionId,
        disposal: Disposal,
        owner: Weak<dyn Owner>,
    ) -> bool {
        let mut queue = self.lock_queue();
        let takes = !queue.refuses;
        if takes {
            queue.changes.push(Change::Dispose(session, disposal, owner));
            drop(queue);
            self.changed.notify_one();
        }
        takes
    }

    pub(super) fn keep_time(&self, until: Millis) -> Option<oneshot::Receiver<()>> {
        let mut queue = self.lock_queue();
        if queue.refuses {
            return None;
        }
        let (kept, told) = oneshot::channel();
        queue.changes.push(Change::Time(until, kept));
        drop(queue);
        self.changed.notify_one();
        Some(told)
    }

    /// Has the thread end once it has written what is in the queue.
    pub(super) fn close(&self) {
        self.lock_queue().closed = true;
        self.changed.notify_one();
    }

    pub(super) fn view<T>(
        &self,
        read: impl FnOnce(&View) -> Result<T, TableError>,
    ) -> Result<T, Unreadable> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &*database else {
            return Err(Unreadable("the store is closed, or its disk fails".into()));
        };
        View::of(database)
            .and_then(|view| read(&view))
            .map_err(|error| Unreadable(format!("{:?}: {error}", self.place)))
    }

    /// Writes until it is closed.
    pub(super) fn run(&self) {
        let _end = End(self);
        while let Some(changes) = self.next_changes() {
            let begun = Instant::now();
            match self.commit(&changes) {
                Ok(()) => {
                    self.commits.committed(changes.len(), begun.elapsed());
                    tell_committed(changes);
                }
                Err(why) => {
                    self.commits.failed();
                    self.fail(changes, &why);
                    self.recover();
                }
            }
            self.look_at_room();
        }
    }

    /// From here on there is nobody to write.
    fn end(&self) {
        let late = self.refuse();
        self.set_database(None);
        let ended = "the router's store is closed: the router is stopping, or has to be restarted";
        self.health.send_replace(Health::Failing(ended.to_owned()));
        tell_refused(late);
    }

    /// Takes nothing any more. Gives back what waits.
    fn refuse(&self) -> Vec<Change> {
        let mut queue = self.lock_queue();
        queue.refuses = true;
        std::mem::take(&mut queue.changes)
    }

    /// Closes the database that was open, and has this one looked at from now on.
    fn set_database(&self, database: Option<Database>) {
        let closed = {
            let mut open = self.database.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *open, database)
        };
        drop(closed);
    }

    /// Waits for something to write: all that waits, as far as it fits into one commit. None if there
    /// is nothing, and will be nothing.
    fn next_changes(&self) -> Option<Vec<Change>> {
        let mut queue = self.lock_queue();
        while queue.changes.is_empty() {
            if queue.closed {
                return None;
            }
            // Not for ever, so that a disk that has room again is noticed.
            let waited = self.changed.wait_timeout(queue, limits::DISK_INTERVAL);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            if queue.changes.is_empty() {
                drop(queue);
                self.look_at_room();
                queue = self.lock_queue();
            }
        }
        let mut bytes = 0;
        let fits = queue.changes.iter().take_while(|change| {
            let is_first = bytes == 0;
            bytes += change.bytes();
            is_first || bytes <= limits::COMMIT_BYTES
        });
        let count = fits.count();
        let rest = queue.changes.split_off(count);
        Some(std::mem::replace(&mut queue.changes, rest))
    }

    fn commit(&self, changes: &[Change]) -> Result<(), String> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &*database else { return Err("the store is closed".into()) };
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        match write(database, changes) {
            Ok(commits) => {
                // Without it, damage to the last commit could look like a crash: worth a word, no more.
                if let Err(error) = disk.mark.write(commits) {
                    tracing::warn!(%error, "cannot count the store's commits");
                }
                Ok(())
            }
            Err(error) => {
                let failure = self.place.watch().take_failure();
                Err(failure.map_or_else(|| error.to_string(), |failure| failure.to_string()))
            }
        }
    }

    /// Refuses what was not committed, and all that follows from it.
    fn fail(&self, mut changes: Vec<Change>, why: &str) {
        tracing::error!(error = why, "the store cannot be written: nothing is accepted");
        changes.extend(self.refuse());
        // What the disk has of it is seen when it is opened again, and not before.
        self.set_database(None);
        let text = if self.place.watch().sync_failed() {
            format!(
                "the router's disk failed ({why}): nothing is accepted any more; see to the disk, \
                 and restart the router (where that is not Linux, the machine): until then the \
                 system may show what the disk does not have"
            )
        } else {
            format!("the router's disk takes nothing ({why}): try again later")
        };
        self.health.send_replace(Health::Failing(text));
        tell_refused(changes);
    }

    /// Waits until the store can be written again, or is closed.
    fn recover(&self) {
        loop {
            {
                let queue = self.lock_queue();
                let waited =
                    self.changed
                        .wait_timeout_while(queue, limits::DISK_INTERVAL, |queue| !queue.closed);
                if waited.unwrap_or_else(PoisonError::into_inner).0.closed {
                    return;
                }
            }
            if self.reopen() {
                self.lock_queue().refuses = false;
                self.health.send_replace(Health::Fine);
                tracing::info!("the store can be written again");
                return;
            }
        }
    }

    /// Opens the store anew. Tells whether it can be written.
    pub(super) fn reopen(&self) -> bool {
        if self.place.watch().sync_failed() {
            return false;
        }
        // That takes long, so nobody waits for it: what is asked for meanwhile cannot be read.
        let opened = self.place.open().map_err(|error| error.to_string());
        let written = opened.and_then(|opened| {
            write(&opened.database, &[]).map_err(|error| error.to_string())?;
            Ok(opened)
        });
        match written {
            Ok(opened) => {
                self.disk.lock().unwrap_or_else(PoisonError::into_inner).mark = opened.mark;
                self.set_database(Some(opened.database));
                true
            }
            Err(error) => {
                tracing::debug!(error, "the store cannot be opened yet");
                false
            }
        }
    }

    /// Sees whether the disk has room, now and then.
    fn look_at_room(&self) {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = disk.looked_at.is_none_or(|at| now - at >= limits::DISK_INTERVAL);
        if !due {
            return;
        }
        disk.looked_at = Some(now);
        let health = match self.place.room() {
            Some(room) if room < limits::DISK_RESERVE_BYTES => Health::Full(format!(
                "the router's disk is full: {} MiB are left, and {} MiB are kept for \
                 acknowledgements; make room, or try again later",
                room >> 20,
                limits::DISK_RESERVE_BYTES >> 20
            )),
            _ => Health::Fine,
        };
        self.health.send_if_modified(|known| {
            let changes = match (&*known, &health) {
                (Health::Fine, Health::Full(why)) => {
                    tracing::error!(why, "nothing new is accepted");
                    true
                }
                (Health::Full(_), Health::Fine) => {
                    tracing::info!("the disk has room again");
                    true
                }
                (Health::Fine | Health::Full(_) | Health::Failing(_), _) => false,
            };
            if changes {
                *known = health;
            }
            changes
        });
    }

    fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes changes in one commit, and waits until the disk has them. Tells how many commits there are.
fn write(database: &Database, changes: &[Change]) -> Result<u64, TableError> {
    let transaction = database.begin_write()?;
    let commits = {
        let mut tables = Tables::open(&transaction)?;
        for change in changes {
            match change {
                Change::Append(Entry { record, position, .. }) => match record {
                    UnitRecord::Session(session, record) => {
                        tables.append(session, *position, record)?;
                    }
                    UnitRecord::Directory(record) => tables.enter(record)?,
                },
                Change::Dispose(session, disposal, _) => tables.dispose(session, *disposal)?,
                Change::Time(until, _) => tables.note_time(*until),
            }
        }
        tables.count()?
    };
    transaction.commit()?;
    Ok(commits)
}

fn tell_committed(mut changes: Vec<Change>) {
    for time in changes.extract_if(.., |change| matches!(change, Change::Time(..))) {
        if let Change::Time(_, kept) = time {
            // Whoever waited may have given up since.
            let _ = kept.send(());
        }
    }
    tell(changes, |owner, through| owner.committed(through));
}

fn tell_refused(changes: Vec<Change>) {
    tell(changes, |owner, _| owner.refused());
}

/// An owner whose rules break must not take the others' disk along: it is poisoned, and they go on.
fn tell(changes: Vec<Change>, what: impl Fn(Arc<dyn Owner>, Position)) {
    for (owner, through) in owners(changes) {
        if let Some(owner) = owner.upgrade()
            && std::panic::catch_unwind(AssertUnwindSafe(|| what(owner, through))).is_err()
        {
            tracing::error!("a session broke when it learnt what became of its records");
        }
    }
}

/// However the thread ends, by a panic too, those who wait learn of it.
struct End<'a>(&'a Writer);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Whom the changes belong to, each once, with the last of their positions.
fn owners(changes: Vec<Change>) -> Vec<(Weak<dyn Owner>, Position)> {
    let mut owners = BTreeMap::new();
    for change in changes {
        let (owner, position) = match change {
            Change::Append(Entry { position, owner, .. }) => (owner, position),
            Change::Dispose(_, _, owner) => (owner, Position::default()),
            // Dropped, it tells by itself that it is not kept.
            Change::Time(..) => continue,
        };
        let name = owner.as_ptr().cast::<()>().addr();
        let (_, last) = owners.entry(name).or_insert((owner, position));
        *last = position.max(*last);
    }
    owners.into_values().collect()
}
