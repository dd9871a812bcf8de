use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use mpc_router_core::{
    Budget, Content, Effect, EventId, Millis, NotAdmitted, PartyId, Position, Session, SessionId,
    StreamEnded, StreamId,
};

use super::Around;
use crate::alarms::{Alarm, Sleeper};
use crate::commits::{Commit, Commits, Lost};
use crate::log::{Appended, Entry, Owner, UnitRecord};

/// One session, its open streams, and the replies that wait for its log.
#[derive(Debug)]
pub(crate) struct Cell {
    id: SessionId,
    around: Arc<Around>,
    /// Set once: the log refused a record, so that the state is not to be trusted any more.
    lost: AtomicBool,
    next_stream: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    session: Session,
    /// The open streams, and whom to wake when there is something on one.
    sleepers: BTreeMap<StreamId, Option<Waker>>,
    commits: Commits,
    /// How many parties got an event.
    reached: BTreeMap<EventId, usize>,
    /// When the session is looked at next.
    alarm: Option<Alarm>,
}

impl State {
    /// Does what is overdue before anything else happens, so that nothing relies on the alarm having
    /// rung: the clock may have been set forward.
    fn catch_up(&mut self, now: Millis) {
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            self.session.handle_timeout(now);
        }
    }
}

/// What came of letting somebody do something in a session.
#[derive(Debug)]
pub(super) struct Acted<T> {
    pub(super) outcome: T,
    /// Nothing ever happened in the session, and nobody waits for it.
    pub(super) blank: bool,
    /// What the reply has to wait for.
    commit: Option<Commit>,
}

impl<T> Acted<T> {
    /// The same with another outcome.
    pub(super) fn map<U>(self, map: impl FnOnce(T) -> U) -> Acted<U> {
        Acted { outcome: map(self.outcome), blank: self.blank, commit: self.commit }
    }

    /// The outcome, once everything that it tells of is safe.
    pub(super) async fn safe(self) -> Result<T, Lost> {
        if let Some(commit) = self.commit {
            commit.safe().await?;
        }
        Ok(self.outcome)
    }
}

/// Why a message stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The party has opened a newer one.
    Superseded,
    /// The router stops.
    Stopping,
    /// The log refused something of this session.
    Lost,
}

impl Cell {
    /// Builds a session from its log.
    pub(super) fn open(id: SessionId, around: Arc<Around>) -> Arc<Self> {
        let mut session = Session::new(around.policy);
        around.log.replay(&id, &mut |record| session.handle_record(record));
        let mut state = State {
            session,
            sleepers: BTreeMap::new(),
            commits: Commits::default(),
            reached: BTreeMap::new(),
            alarm: None,
        };
        // Nobody sleeps in a new session.
        perform(&id, &around, &mut state, || unreachable!("replaying appends nothing"));
        // Whoever opens it acts in it next, which sets its alarm.
        let lost = AtomicBool::new(false);
        let next_stream = AtomicU64::new(1);
        Arc::new(Self { id, around, lost, next_stream, state: Mutex::new(state) })
    }

    pub(super) fn id(&self) -> &SessionId {
        &self.id
    }

    /// Lets `act` do something, and performs what follows from it.
    pub(super) fn act<T>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Session, Millis) -> T,
    ) -> Result<Acted<T>, Lost> {
        let mut state = self.lock()?;
        let now = self.around.clock.now();
        state.catch_up(now);
        let outcome = act(&mut state.session, now);
        let awakened = self.perform(&mut state);
        let bound = state.session.bound();
        let commit = (state.session.committed() < bound).then(|| state.commits.wait(bound));
        let blank = state.session.is_blank();
        drop(state);
        wake(awakened);
        Ok(Acted { outcome, blank, commit })
    }

    /// How many deliveries of a party are outstanding. With none, the session is not counted for it
    /// any more.
    pub(super) fn tally(self: &Arc<Self>, party: &PartyId) -> Result<Acted<usize>, Lost> {
        self.act(|session, _| {
            let outstanding = session.handle_tally(party);
            // What is not committed yet may be outstanding still.
            if outstanding == 0 && session.committed() >= session.bound() {
                self.around.counted.remove(party, &self.id);
            }
            outstanding
        })
    }

    pub(super) fn reached(&self, event: &EventId) -> Result<usize, Lost> {
        Ok(self.lock()?.reached.get(event).copied().unwrap_or_default())
    }

    /// Opens a stream.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        party: PartyId,
    ) -> Result<Acted<Result<StreamId, NotAdmitted>>, Lost> {
        let stream = StreamId(self.next_stream.fetch_add(1, Ordering::Relaxed));
        let subscribed = self.act(|session, _| session.handle_subscribe(stream, party))?;
        Ok(subscribed.map(|subscribed| subscribed.map(|()| stream)))
    }

    /// Closes a stream. Tells whether the session is blank now.
    pub(super) fn unsubscribe(&self, stream: StreamId) -> bool {
        let Ok(mut state) = self.lock() else { return false };
        state.sleepers.remove(&stream);
        state.session.handle_unsubscribe(stream);
        state.session.is_blank()
    }

    /// Takes what comes next on a stream into `batch`, which is empty, or sleeps until there is
    /// something. `sent` tells that all it gave before has gone on its way.
    pub(crate) fn poll_pull(
        self: &Arc<Self>,
        stream: StreamId,
        sent: bool,
        budget: Budget,
        batch: &mut VecDeque<Content>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), End>> {
        let Ok(mut state) = self.lock() else { return Poll::Ready(Err(End::Lost)) };
        // Asked with the state locked, which whoever raises the flag locks next to wake the sleepers.
        if self.around.stopping.load(Ordering::SeqCst) {
            return Poll::Ready(Err(End::Stopping));
        }
        let now = self.around.clock.now();
        state.catch_up(now);
        if sent {
            state.session.handle_sent(now, stream);
        }
        if let Err(StreamEnded) = state.session.handle_pull(now, stream, budget, batch) {
            return Poll::Ready(Err(End::Superseded));
        }
        let awakened = self.perform(&mut state);
        if batch.is_empty() {
            let sleeper = state.sleepers.entry(stream).or_default();
            match sleeper {
                Some(waker) => waker.clone_from(context.waker()),
                None => *sleeper = Some(context.waker().clone()),
            }
        }
        drop(state);
        wake(awakened);
        if batch.is_empty() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Wakes whoever sleeps on a stream.
    pub(super) fn wake_all(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let awakened = state.sleepers.values_mut().filter_map(Option::take).collect();
        drop(state);
        wake(awakened);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    pub(super) fn is_blank(&self) -> bool {
        self.lock().is_ok_and(|state| state.session.is_blank())
    }

    /// A session whose rules broke while somebody worked in it is as good as lost, and what it holds
    /// is not given up silently: it stays in the map, and its calls fail.
    fn lock(&self) -> Result<MutexGuard<'_, State>, Lost> {
        let state = self.state.lock().map_err(|_| Lost)?;
        if self.is_lost() { Err(Lost) } else { Ok(state) }
    }

    fn perform(self: &Arc<Self>, state: &mut State) -> Vec<Waker> {
        let awakened = perform(&self.id, &self.around, state, || Arc::clone(self));
        let wanted = state.session.poll_timeout();
        self.around.alarms.set(&mut state.alarm, wanted, || Arc::downgrade(self));
        awakened
    }
}

impl Sleeper for Cell {
    fn ring(self: Arc<Self>, alarm: Alarm) {
        let Ok(mut state) = self.lock() else { return };
        if state.alarm == Some(alarm) {
            state.alarm = None;
        }
        state.session.handle_timeout(self.around.clock.now());
        let awakened = self.perform(&mut state);
        drop(state);
        wake(awakened);
    }
}

impl Owner for Cell {
    fn committed(self: Arc<Self>, through: Position) {
        let Ok(mut state) = self.lock() else { return };
        state.session.handle_committed(through);
        let awakened = self.perform(&mut state);
        drop(state);
        wake(awakened);
    }

    fn refused(self: Arc<Self>) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.lost.store(true, Ordering::SeqCst);
            state.commits.refused();
        }
        self.wake_all();
    }
}

/// Does what the session asks for. Gives back whom to wake once the lock is free.
fn perform(
    id: &SessionId,
    around: &Around,
    state: &mut State,
    owner: impl Fn() -> Arc<Cell>,
) -> Vec<Waker> {
    let mut awakened = Vec::new();
    while let Some(effect) = state.session.poll_effect() {
        match effect {
            Effect::Append { position, record } => {
                let record = UnitRecord::Session(id.clone(), record);
                let owner = Arc::downgrade(&owner());
                match around.log.append(Entry { record, position, owner }) {
                    Appended::Committed => state.session.handle_committed(position),
                    Appended::Pending => {}
                }
            }
            Effect::Wake { stream } | Effect::Superseded { stream } => {
                awakened.extend(state.sleepers.get_mut(&stream).and_then(Option::take));
            }
            Effect::Publish { announcement, until } => {
                let now = around.clock.now();
                let reached = around.events.publish(now, id, &announcement, until);
                state.reached.insert(announcement.event.clone(), reached);
            }
            Effect::Outstanding { party } => around.counted.add(party, id.clone()),
        }
    }
    let committed = state.session.committed();
    state.commits.committed(committed);
    awakened
}

fn wake(awakened: Vec<Waker>) {
    awakened.into_iter().for_each(Waker::wake);
}
