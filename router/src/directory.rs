//! The directory of parties, behind one lock: no message passes through here, but those for parties
//! that do not listen, if these are to be told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use mpc_router_core::{
    Channel, Directory, DirectoryEffect, Errand, Filter, Millis, PartyId, Position, Role,
    SessionId, UnknownParty,
};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::commits::{Commits, Early, Lost};
use crate::config::Config;
use crate::limits;
use crate::log::{Appended, Entry, Log, Owner, UnitRecord, Unreadable};

/// The directory, and the replies that wait for its log.
#[derive(Debug)]
pub(crate) struct DirectoryCell {
    log: Arc<dyn Log>,
    clock: Arc<Clock>,
    /// In milliseconds.
    heartbeat_timeout: i64,
    /// On which channels parties that are away are told; none as long as nobody tells them.
    channels: OnceLock<BTreeSet<Channel>>,
    /// There is something to tell sooner than before.
    due: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    directory: Directory,
    committed: Position,
    commits: Commits,
    early: Early,
    /// The log refused a record, so that the state is to be read anew.
    lost: bool,
}

impl State {
    fn read(log: &dyn Log, heartbeat_timeout: i64) -> Result<Self, Unreadable> {
        let mut directory = Directory::new(heartbeat_timeout, limits::PARTIES);
        log.replay_directory(&mut |record| directory.handle_record(record))?;
        Ok(Self {
            committed: directory.bound(),
            directory,
            commits: Commits::default(),
            early: Early::default(),
            lost: false,
        })
    }

    /// Gives up what nobody may build on any more.
    fn lose(&mut self) {
        self.lost = true;
        self.commits.refused();
    }

    /// All records through there are safe, or through where they were before.
    fn committed(&mut self, through: Position) {
        self.committed = self.early.through(self.committed.max(through));
        self.directory.handle_committed(self.committed);
    }
}

/// When something is due on each channel.
type Due = [Option<Millis>; Channel::ALL.len()];

fn due(directory: &Directory) -> Due {
    Channel::ALL.map(|channel| directory.poll_due(channel))
}

impl DirectoryCell {
    /// The directory that the log tells of.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub(crate) fn open(
        config: &Config,
        log: Arc<dyn Log>,
        clock: Arc<Clock>,
    ) -> Result<Self, Unreadable> {
        let heartbeat_timeout = config.heartbeat_timeout.as_millis();
        let heartbeat_timeout = i64::try_from(heartbeat_timeout).unwrap_or(i64::MAX);
        let state = State::read(&*log, heartbeat_timeout)?;
        let (channels, due, state) = (OnceLock::new(), Notify::new(), Mutex::new(state));
        Ok(Self { log, clock, heartbeat_timeout, channels, due, state })
    }

    /// Begins to listen to parties, now.
    pub(crate) fn start(&self) {
        self.lock().directory.handle_start(self.clock.now());
    }

    /// Lets `act` do something, performs what follows from it, and gives its outcome back when
    /// everything that it tells of is safe.
    pub(crate) async fn call<T>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Directory, Millis) -> T,
    ) -> Result<T, Lost> {
        let (outcome, commit) = self.act(act, |state| {
            let bound = state.directory.bound();
            (state.committed < bound).then(|| state.commits.wait(bound))
        })?;
        if let Some(commit) = commit {
            commit.safe().await?;
        }
        Ok(outcome)
    }

    /// Lets `act` do something, performs what follows from it, and lets `then` look at what came of it.
    fn act<T, U>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Directory, Millis) -> T,
        then: impl FnOnce(&mut State) -> U,
    ) -> Result<(T, U), Lost> {
        let mut state = self.lock();
        if state.lost {
            self.read_anew(&mut state)?;
        }
        let due = due(&state.directory);
        let outcome = act(&mut state.directory, self.clock.now());
        self.perform(&mut state);
        self.look_for_due(due, &state);
        let then = then(&mut state);
        Ok((outcome, then))
    }

    /// Whether a party is registered. That is no sign of life.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) fn known(&self, party: &PartyId) -> Result<(), UnknownParty> {
        if self.lock().directory.is_registered(party) { Ok(()) } else { Err(UnknownParty) }
    }

    /// Notes a sign of life of a registered party.
    pub(crate) async fn alive(
        self: &Arc<Self>,
        party: &PartyId,
    ) -> Result<Result<Millis, UnknownParty>, Lost> {
        self.call(|directory, now| directory.handle_sign_of_life(now, party)).await
    }

    /// Has parties that are away told on these channels from now on; only the first call counts.
    pub(crate) fn tell_on(&self, channels: BTreeSet<Channel>) {
        let _ = self.channels.set(channels);
    }

    /// A session has something new for a party that does not listen there. What the log refuses is
    /// tried again: a message is not held up by it (OFF-4).
    pub(crate) fn unattended(self: &Arc<Self>, party: &PartyId, session: &SessionId) {
        self.raise(|directory, now, channels| {
            let most = limits::NOTICES_PER_PARTY;
            directory.handle_unattended(now, party, session, channels, most);
        });
    }

    /// A session has something unread for a party, maybe from before the start.
    pub(crate) fn unread(self: &Arc<Self>, party: &PartyId, session: &SessionId) {
        self.raise(|directory, now, channels| {
            let most = limits::NOTICES_PER_PARTY;
            directory.handle_unread(now, party, session, channels, most);
        });
    }

    fn raise(self: &Arc<Self>, raise: impl FnOnce(&mut Directory, Millis, &BTreeSet<Channel>)) {
        if let Some(channels) = self.channels.get() {
            let _ = self.act(|directory, now| raise(directory, now, channels), |_| ());
        }
    }

    /// The next errand on one of `channels` that is due; with none, how long it is until there will be
    /// one.
    pub(crate) fn take(
        self: &Arc<Self>,
        channels: &BTreeSet<Channel>,
    ) -> Result<Errand, Option<Duration>> {
        let take = |directory: &mut Directory, now| {
            let errand = directory.handle_take(now, channels);
            errand.ok_or_else(|| {
                let due = channels.iter().filter_map(|&channel| directory.poll_due(channel));
                due.min().map(|due| due.since(now))
            })
        };
        match self.act(take, |_| ()) {
            Ok((taken, ())) => taken
                .map_err(|left| left.map(|left| Duration::from_millis(left.max(0).unsigned_abs()))),
            Err(Lost) => Err(Some(limits::DISK_INTERVAL)),
        }
    }

    /// An errand is done, or given up.
    pub(crate) fn told(self: &Arc<Self>, number: u64) {
        self.note(|directory, _| directory.handle_told(number));
    }

    /// An errand was tried in vain, and is to be tried again after that time.
    pub(crate) fn failed(self: &Arc<Self>, number: u64, wait: Duration) {
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        self.note(|directory, now| directory.handle_failed(number, now.after(wait)));
    }

    /// Notes what is known here, whether or not the log can be read just now.
    fn note(self: &Arc<Self>, note: impl Fn(&mut Directory, Millis)) {
        if let Err(Lost) = self.act(&note, |_| ()) {
            note(&mut self.lock().directory, self.clock.now());
        }
    }

    /// Waits until something may be due sooner than before.
    pub(crate) async fn due(&self) {
        self.due.notified().await;
    }

    /// Wakes whoever tells parties, so that he finds out that the router stops.
    pub(crate) fn wake(&self) {
        self.due.notify_one();
    }

    /// What is overdue on a channel that is held up hides nothing of the others.
    fn look_for_due(&self, before: Due, state: &State) {
        let sooner = |(next, before): (Option<Millis>, Option<Millis>)| {
            next.is_some_and(|next| before.is_none_or(|before| next < before))
        };
        if due(&state.directory).into_iter().zip(before).any(sooner) {
            self.due.notify_one();
        }
    }

    /// The role of each registered party, and whether it is online.
    pub(crate) fn presence(&self) -> Vec<(Role, bool)> {
        let state = self.lock();
        let everybody = Filter { role: None, only_online: false };
        let listed = state.directory.list(self.clock.now(), everybody);
        listed.map(|party| (party.role, party.online)).collect()
    }

    fn perform(self: &Arc<Self>, state: &mut State) {
        while let Some(effect) = state.directory.poll_effect() {
            let DirectoryEffect::Append { position, record } = effect;
            let record = UnitRecord::Directory(record);
            let owner = Arc::downgrade(self);
            match self.log.append(Entry { record, position, owner }) {
                Appended::Committed => {
                    state.early.add(position);
                    state.committed(Position::default());
                }
                Appended::Pending => {}
                Appended::Refused => state.lose(),
            }
        }
    }

    /// Reads from the log who is registered. Who is online is known from before.
    fn read_anew(&self, state: &mut State) -> Result<(), Lost> {
        let mut read = State::read(&*self.log, self.heartbeat_timeout).map_err(|error| {
            tracing::error!(%error, "the directory of parties cannot be read");
            Lost
        })?;
        read.directory.handle_takeover(&mut state.directory);
        *state = read;
        Ok(())
    }

    /// Each of the directory's calls changes one party at most, so it is whole at any time.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner for DirectoryCell {
    fn committed(self: Arc<Self>, through: Position) {
        let mut state = self.lock();
        // What was refused before is not safe by what was appended after it was read anew.
        if state.lost {
            return;
        }
        let due = due(&state.directory);
        state.committed(through);
        self.look_for_due(due, &state);
        let committed = state.committed;
        state.commits.committed(committed);
    }

    fn refused(self: Arc<Self>) {
        self.lock().lose();
    }
}
