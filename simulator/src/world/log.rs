//! A durable log that is no disk: commits take virtual time, and a crash cuts it off where chance
//! says.

mod kept;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use mpc_router::log::{Appended, Disposal, Entry, Health, Log, Owner, UnitRecord, Unreadable};
use mpc_router_core::{DirectoryRecord, MessageId, Millis, PartyId, Position, Record, SessionId};
use tokio::sync::{oneshot, watch};

pub(super) use kept::Kept;

/// Keeps what is committed, until the next run of the router.
///
/// What waits becomes one commit when [`begin_commit`](Self::begin_commit) is called, and is safe at
/// [`finish_commit`](Self::finish_commit): the world says when.
#[derive(Debug)]
pub(super) struct VirtualLog {
    state: Mutex<State>,
    health: watch::Sender<Health>,
    latest: Millis,
    /// It says that a record is safe before that is so.
    #[cfg(test)]
    pub(super) hasty: std::sync::atomic::AtomicBool,
}

#[derive(Debug)]
struct State {
    kept: Kept,
    /// In the order in which it was given; the first ones are being written.
    waiting: VecDeque<Change>,
    writing: usize,
    refuses: bool,
    given_up: Vec<(MessageId, PartyId)>,
}

/// What is to be kept.
#[derive(Debug)]
enum Change {
    Append(Entry),
    Dispose(SessionId, Disposal, Weak<dyn Owner>),
    Time(Millis, oneshot::Sender<()>),
}

/// Whom a change belongs to, and how far its records are safe with it.
type Told = (Weak<dyn Owner>, Position);

impl VirtualLog {
    /// Goes on where a run before ended.
    pub(super) fn open(kept: Kept) -> Self {
        let (latest, health) = (kept.latest(), watch::Sender::new(Health::Fine));
        let (waiting, given_up) = (VecDeque::new(), Vec::new());
        let state = State { kept, waiting, writing: 0, refuses: false, given_up };
        Self {
            state: Mutex::new(state),
            health,
            latest,
            #[cfg(test)]
            hasty: false.into(),
        }
    }

    /// Begins to write what waits. Tells whether there is something, and nothing is written yet.
    pub(super) fn begin_commit(&self) -> bool {
        self.lock().begin_commit()
    }

    /// What is being written is safe.
    pub(super) fn finish_commit(&self) {
        let told = {
            let mut state = self.lock();
            let writing = std::mem::take(&mut state.writing);
            owners(state.keep(writing))
        };
        for (owner, through) in told {
            if let Some(owner) = owner.upgrade() {
                owner.committed(through);
            }
        }
    }

    /// Whether something is not safe yet.
    pub(super) fn is_behind(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// How many changes are not safe yet.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The end of a run, by a crash: of what was not safe yet the first `survive` changes are. Gives
    /// what the next run begins with.
    pub(super) fn cut(&self, survive: usize) -> Kept {
        let mut state = self.lock();
        state.keep(survive);
        state.waiting.clear();
        state.refuses = true;
        std::mem::take(&mut state.kept)
    }

    /// From now on nothing is taken; of what was not safe yet the first `survive` changes are, though
    /// nobody hears of it.
    pub(super) fn fail(&self, survive: usize) {
        let refused = {
            let mut state = self.lock();
            state.writing = 0;
            let mut refused = state.keep(survive);
            state.refuses = true;
            refused.extend(state.waiting.drain(..));
            // Dropped, it tells by itself that it is not kept.
            refused.retain(|change| !matches!(change, Change::Time(..)));
            owners(refused)
        };
        self.health.send_replace(Health::Failing("the virtual disk fails: try later".into()));
        for (owner, _) in refused {
            if let Some(owner) = owner.upgrade() {
                owner.refused();
            }
        }
    }

    /// Everything is taken again.
    pub(super) fn recover(&self) {
        self.lock().refuses = false;
        self.health.send_replace(Health::Fine);
    }

    /// The place of a message's record in its session, if that is safe.
    pub(super) fn place(&self, message: MessageId) -> Option<Position> {
        self.lock().kept.place(message)
    }

    /// Takes the deliveries that were given up since this was asked last, and begins a commit as
    /// [`begin_commit`](Self::begin_commit) does.
    pub(super) fn turn(&self) -> (Vec<(MessageId, PartyId)>, bool) {
        let mut state = self.lock();
        (std::mem::take(&mut state.given_up), state.begin_commit())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn readable(&self) -> Result<MutexGuard<'_, State>, Unreadable> {
        let state = self.lock();
        if state.refuses { Err(Unreadable("the virtual disk fails".into())) } else { Ok(state) }
    }
}

impl State {
    fn begin_commit(&mut self) -> bool {
        let begins = self.writing == 0 && !self.waiting.is_empty();
        if begins {
            self.writing = self.waiting.len();
        }
        begins
    }

    /// The first changes are safe. Gives them back.
    fn keep(&mut self, count: usize) -> Vec<Change> {
        let changes: Vec<Change> = self.waiting.drain(..count.min(self.waiting.len())).collect();
        for change in &changes {
            match change {
                Change::Append(Entry {
                    record: UnitRecord::Session(session, record),
                    position,
                    ..
                }) => {
                    if let Record::GivenUp { deliveries, .. } = record {
                        self.given_up.extend(deliveries.iter().cloned());
                    }
                    self.kept.append(session, *position, record);
                }
                Change::Append(Entry { record: UnitRecord::Directory(record), .. }) => {
                    self.kept.enter(record);
                }
                Change::Dispose(session, disposal, _) => self.kept.dispose(session, *disposal),
                Change::Time(until, _) => self.kept.note_time(*until),
            }
        }
        changes
    }
}

/// Whom changes belong to, each once, in the order of their first ones; who waits for a time hears.
fn owners(changes: Vec<Change>) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for change in changes {
        let (owner, position) = match change {
            Change::Append(Entry { position, owner, .. }) => (owner, position),
            Change::Dispose(_, _, owner) => (owner, Position::default()),
            Change::Time(_, kept) => {
                // Whoever asked may have gone since.
                let _ = kept.send(());
                continue;
            }
        };
        match told.iter_mut().find(|(before, _)| before.ptr_eq(&owner)) {
            Some((_, through)) => *through = position.max(*through),
            None => told.push((owner, position)),
        }
    }
    told
}

impl Log for VirtualLog {
    fn append(&self, entry: Entry) -> Appended {
        let binds = match &entry.record {
            UnitRecord::Session(_, record) => record.is_binding(),
            UnitRecord::Directory(record) => record.is_binding(),
        };
        let mut state = self.lock();
        if state.refuses {
            return if binds { Appended::Refused } else { Appended::Committed };
        }
        state.waiting.push_back(Change::Append(entry));
        #[cfg(test)]
        if self.hasty.load(std::sync::atomic::Ordering::Relaxed) {
            return Appended::Committed;
        }
        Appended::Pending
    }

    fn dispose(&self, session: &SessionId, disposal: Disposal, owner: Weak<dyn Owner>) -> bool {
        let mut state = self.lock();
        if !state.refuses {
            state.waiting.push_back(Change::Dispose(session.clone(), disposal, owner));
        }
        !state.refuses
    }

    fn sessions(&self) -> Result<Vec<SessionId>, Unreadable> {
        Ok(self.readable()?.kept.sessions())
    }

    fn replay(
        &self,
        session: &SessionId,
        each: &mut dyn FnMut(Position, &Record),
    ) -> Result<(), Unreadable> {
        self.readable()?.kept.records(session).for_each(|(at, record)| each(*at, record));
        Ok(())
    }

    fn replay_directory(&self, each: &mut dyn FnMut(&DirectoryRecord)) -> Result<(), Unreadable> {
        self.readable()?.kept.directory().for_each(each);
        Ok(())
    }

    fn latest(&self) -> Millis {
        self.latest
    }

    fn keep_time(&self, until: Millis) -> Option<oneshot::Receiver<()>> {
        let mut state = self.lock();
        if state.refuses {
            return None;
        }
        let (kept, told) = oneshot::channel();
        state.waiting.push_back(Change::Time(until, kept));
        Some(told)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
}

/// The log as the world holds it.
pub(super) type Shared = Arc<VirtualLog>;
