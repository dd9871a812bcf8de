//! The directory of parties, behind one lock: no message passes through here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mpc_router_core::{Directory, DirectoryEffect, Millis, PartyId, Position, UnknownParty};

use crate::clock::Clock;
use crate::commits::{Commits, Lost};
use crate::config::Config;
use crate::log::{Appended, Entry, Log, Owner, UnitRecord};

/// The directory, and the replies that wait for its log.
#[derive(Debug)]
pub(crate) struct DirectoryCell {
    log: Arc<dyn Log>,
    clock: Arc<Clock>,
    /// In milliseconds.
    heartbeat_timeout: i64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    directory: Directory,
    committed: Position,
    commits: Commits,
}

impl State {
    fn read(log: &dyn Log, heartbeat_timeout: i64) -> Self {
        let mut directory = Directory::new(heartbeat_timeout);
        log.replay_directory(&mut |record| directory.handle_record(record));
        Self { committed: directory.bound(), directory, commits: Commits::default() }
    }
}

impl DirectoryCell {
    pub(crate) fn new(config: &Config, log: Arc<dyn Log>, clock: Arc<Clock>) -> Self {
        let heartbeat_timeout = config.heartbeat_timeout.as_millis();
        let heartbeat_timeout = i64::try_from(heartbeat_timeout).unwrap_or(i64::MAX);
        let state = State::read(&*log, heartbeat_timeout);
        Self { log, clock, heartbeat_timeout, state: Mutex::new(state) }
    }

    /// Lets `act` do something, performs what follows from it, and gives its outcome back when
    /// everything that it tells of is safe.
    pub(crate) async fn call<T>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Directory, Millis) -> T,
    ) -> Result<T, Lost> {
        let (outcome, commit) = {
            let mut state = self.lock();
            let outcome = act(&mut state.directory, self.clock.now());
            self.perform(&mut state);
            let bound = state.directory.bound();
            let commit = (state.committed < bound).then(|| state.commits.wait(bound));
            (outcome, commit)
        };
        if let Some(commit) = commit {
            commit.safe().await?;
        }
        Ok(outcome)
    }

    /// Notes a sign of life of a registered party.
    pub(crate) async fn alive(
        self: &Arc<Self>,
        party: &PartyId,
    ) -> Result<Result<Millis, UnknownParty>, Lost> {
        self.call(|directory, now| directory.handle_sign_of_life(now, party)).await
    }

    fn perform(self: &Arc<Self>, state: &mut State) {
        while let Some(effect) = state.directory.poll_effect() {
            let DirectoryEffect::Append { position, record } = effect;
            let record = UnitRecord::Directory(record);
            let owner = Arc::downgrade(self);
            match self.log.append(Entry { record, position, owner }) {
                Appended::Committed => state.committed = position,
                Appended::Pending => {}
            }
        }
    }

    /// Each of the directory's calls changes one party at most, so it is whole at any time.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner for DirectoryCell {
    fn committed(self: Arc<Self>, through: Position) {
        let mut state = self.lock();
        state.committed = state.committed.max(through);
        let committed = state.committed;
        state.commits.committed(committed);
    }

    fn refused(self: Arc<Self>) {
        // Replies that wait are dropped with the state, and learn by that. Who is online is forgotten
        // too, until the next sign of life.
        // Read with the lock held, so that nothing that is committed meanwhile is missing.
        let mut state = self.lock();
        *state = State::read(&*self.log, self.heartbeat_timeout);
    }
}
