mod end;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use mpc_router_core::{
    Announcement, Budget, Content, Effect, EventId, Header, Millis, NotAdmitted, PartyId, Position,
    Record, Route, RouteError, Routed, Session, SessionId, StreamEnded, StreamId,
};

use super::loads::SessionLoads;
use super::wildcard::Wildcard;
use super::{Around, tally};
use crate::alarms::{Alarm, Sleeper};
use crate::commits::{Commit, Commits, Early, Lost};
use crate::log::{Appended, Disposal, Entry, Owner, UnitRecord, Unreadable};

/// A session's events, with when they were accepted.
pub(super) type Announcements = Vec<(Millis, Arc<Announcement>)>;

/// One session, its open streams, and the replies that wait for its log.
#[derive(Debug)]
pub(crate) struct Cell {
    id: SessionId,
    around: Arc<Around>,
    /// Set once: the log refused a record, so that the state is not to be trusted any more.
    lost: AtomicBool,
    /// Set once: the session was blank, and whoever needs it asks for another cell.
    retired: AtomicBool,
    /// How many work in it, or are about to.
    visitors: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    session: Session,
    /// The open streams, and whom to wake when there is something on one.
    readers: BTreeMap<StreamId, Reader>,
    commits: Commits,
    early: Early,
    /// What is outstanding here, as far as it was counted.
    loads: SessionLoads,
    /// How many parties got an event.
    reached: BTreeMap<EventId, usize>,
    /// When the session is looked at next.
    alarm: Option<Alarm>,
}

/// Whoever reads a stream.
#[derive(Debug)]
enum Reader {
    /// A stream of this session, if it sleeps.
    Session(Option<Waker>),
    /// A stream of all its party's sessions.
    Wildcard(Arc<Wildcard>),
}

impl Reader {
    /// Tells a reader that there is something for it in `cell`. Gives back whom to wake once the lock
    /// is free.
    fn tell(&mut self, cell: &Arc<Cell>) -> Option<Waker> {
        match self {
            Self::Session(sleeper) => sleeper.take(),
            Self::Wildcard(wildcard) => wildcard.ready(cell),
        }
    }
}

impl State {
    /// Does what is overdue before anything else happens, so that nothing relies on the alarm having
    /// rung: the clock may have been set forward.
    fn catch_up(&mut self, now: Millis) {
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            self.session.handle_timeout(now);
            // Whoever looks for room finds the mailboxes by the numbers that they have now.
            self.loads.follow(&mut self.session);
        }
    }

    fn acted<T>(&mut self, outcome: T) -> Acted<T> {
        let bound = self.session.bound();
        let commit = (self.session.committed() < bound).then(|| self.commits.wait(bound));
        Acted { outcome, blank: self.session.is_blank(), commit }
    }

    /// All records through there are safe, or through where they were before.
    fn committed(&mut self, through: Position) {
        let through = through.max(self.session.committed());
        self.session.handle_committed(self.early.through(through));
    }

    /// Whoever sleeps on a stream of this session.
    fn take_sleepers(&mut self) -> Vec<Waker> {
        let sleepers = self.readers.values_mut().filter_map(|reader| match reader {
            Reader::Session(sleeper) => sleeper.take(),
            Reader::Wildcard(_) => None,
        });
        sleepers.collect()
    }

    fn attach(&mut self, wildcard: &Arc<Wildcard>) {
        if self.session.handle_attach(wildcard.stream(), wildcard.party()) {
            self.readers.insert(wildcard.stream(), Reader::Wildcard(Arc::clone(wildcard)));
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
    /// What is known of a session in which nothing was done.
    fn at_once(outcome: T) -> Self {
        Self { outcome, blank: false, commit: None }
    }

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
    /// Builds a session from its log. Gives its events as well.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub(super) fn open(
        id: SessionId,
        around: Arc<Around>,
    ) -> Result<(Arc<Self>, Announcements), Unreadable> {
        let mut session = Session::new(around.policy);
        let mut announced = Vec::new();
        around.log.replay(&id, &mut |position, record| {
            if let Record::Announced { announcement, at } = record {
                announced.push((*at, Arc::clone(announcement)));
            }
            session.handle_record(position, record);
        })?;
        if let Some(message) = session.lacks_content() {
            return Err(Unreadable(format!("session {id:?}: the content of {message} is missing")));
        }
        if let Some(stamps) = &around.stamps {
            stamps.raise(session.touched_at());
        }
        let state = State {
            session,
            readers: BTreeMap::new(),
            commits: Commits::default(),
            early: Early::default(),
            loads: SessionLoads::new(Arc::clone(&around.loads)),
            reached: BTreeMap::new(),
            alarm: None,
        };
        let lost = AtomicBool::new(false);
        let (retired, visitors) = (AtomicBool::new(false), AtomicUsize::new(0));
        let cell = Arc::new(Self { id, around, lost, retired, visitors, state: Mutex::new(state) });
        if let Ok(mut state) = cell.lock() {
            let awakened = cell.perform(&mut state);
            drop(state);
            wake(awakened);
        }
        Ok((cell, announced))
    }

    /// Until when late subscribers get the session's events, 0 meaning until its end; None if it has
    /// ended.
    pub(super) fn lasts_until(&self) -> Result<Option<Millis>, Lost> {
        Ok(self.lock()?.session.lasts_until(self.around.clock.now()))
    }

    pub(super) fn id(&self) -> &SessionId {
        &self.id
    }

    /// Lets `act` do something, and performs what follows from it.
    pub(super) fn act<T>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Session, Millis) -> T,
    ) -> Result<Acted<T>, Lost> {
        self.work(|state, now| act(&mut state.session, now), |state, outcome| state.acted(outcome))
    }

    /// Accepts a message, as [`Session::handle_route`] does, at the time that `stamp` makes of now.
    pub(super) fn route(
        self: &Arc<Self>,
        stamp: impl FnOnce(Millis) -> Millis,
        route: Route,
        encode: impl FnOnce(&Header) -> Content,
    ) -> Result<Acted<Result<Routed, RouteError>>, Lost> {
        let work = |state: &mut State, now| {
            let State { session, loads, .. } = state;
            session.handle_route(stamp(now), route, loads, encode)
        };
        self.work(work, |state, routed| state.acted(routed))
    }

    /// Lets `work` be done, performs what follows from it, and lets `then` look at what came of it.
    fn work<T, U>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut State, Millis) -> T,
        then: impl FnOnce(&mut State, T) -> U,
    ) -> Result<U, Lost> {
        let mut state = self.lock()?;
        let now = self.around.clock.now();
        state.catch_up(now);
        let outcome = work(&mut state, now);
        let awakened = self.perform(&mut state);
        let outcome = then(&mut state, outcome);
        drop(state);
        wake(awakened);
        Ok(outcome)
    }

    /// How many deliveries of a party are outstanding. With none, the session is not counted for it
    /// any more.
    pub(super) fn tally(self: &Arc<Self>, party: &PartyId) -> Result<Acted<usize>, Lost> {
        let tallied = self.act(|session, _| {
            let outstanding = session.handle_tally(party);
            // What is not committed yet may be outstanding still.
            if outstanding == 0 && session.committed() >= session.bound() {
                self.around.counted.remove(party, &self.id);
            }
            outstanding
        });
        tallied.or_else(|Lost| self.left_broken(party).map(Acted::at_once).ok_or(Lost))
    }

    /// How many deliveries are outstanding.
    pub(super) fn outstanding(&self) -> usize {
        self.lock().map_or(0, |state| state.session.load().deliveries)
    }

    pub(super) fn reached(&self, event: &EventId) -> Result<usize, Lost> {
        Ok(self.lock()?.reached.get(event).copied().unwrap_or_default())
    }

    /// Opens a stream.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        party: PartyId,
    ) -> Result<Acted<Result<StreamId, NotAdmitted>>, Lost> {
        let stream = self.around.streams.name();
        let subscribed = self.act(|session, _| session.handle_subscribe(stream, party))?;
        Ok(subscribed.map(|subscribed| subscribed.map(|()| stream)))
    }

    /// Lets a stream of all its party's sessions read here, if there is anything for it.
    pub(super) fn attach(self: &Arc<Self>, wildcard: &Arc<Wildcard>) -> Result<Acted<()>, Lost> {
        let attached = self.work(|state, _| state.attach(wildcard), State::acted);
        attached.or_else(|Lost| self.is_broken().then(|| Acted::at_once(())).ok_or(Lost))
    }

    /// Closes a stream. Tells whether the session is blank now.
    pub(super) fn unsubscribe(self: &Arc<Self>, stream: StreamId) -> bool {
        let close = |state: &mut State, _| {
            state.readers.remove(&stream);
            state.session.handle_unsubscribe(stream);
        };
        self.work(close, |state, ()| state.session.is_blank()).unwrap_or(false)
    }

    /// Takes what comes next on a stream of this session into `batch`, which is empty, or sleeps until
    /// there is something. `sent` tells that all it gave before has gone on its way.
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
            let reader = state.readers.entry(stream).or_insert(Reader::Session(None));
            match reader {
                Reader::Session(Some(waker)) => waker.clone_from(context.waker()),
                Reader::Session(sleeper) => *sleeper = Some(context.waker().clone()),
                Reader::Wildcard(_) => unreachable!("streams have names of their own"),
            }
        }
        drop(state);
        wake(awakened);
        if batch.is_empty() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Takes what comes next here on a stream of all its party's sessions. With nothing, the stream is
    /// told when there is something; it may read here no more.
    pub(super) fn pull(
        self: &Arc<Self>,
        stream: StreamId,
        budget: Budget,
        batch: &mut VecDeque<Content>,
    ) -> Result<(), Lost> {
        // Nothing is there any more.
        if self.retired.load(Ordering::SeqCst) {
            return Ok(());
        }
        // What a stream shows is committed, so it need not wait.
        self.work(
            |state, now| state.session.handle_pull(now, stream, budget, batch),
            |_, pulled| pulled.unwrap_or(()),
        )
    }

    /// What was pulled on a stream before has gone on its way.
    pub(super) fn sent(self: &Arc<Self>, stream: StreamId) -> Result<(), Lost> {
        self.work(|state, now| state.session.handle_sent(now, stream), |_, ()| ())
    }

    /// Tells the directory who has something here that was never handed out.
    pub(super) fn look_for_unread(&self) {
        let parties: Vec<_> = match self.lock() {
            Ok(state) => state.session.unattended().cloned().collect(),
            Err(Lost) => return,
        };
        for party in parties {
            self.around.directory.unread(&party, &self.id);
        }
    }

    /// Wakes whoever sleeps on a stream of this session.
    pub(super) fn wake_all(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let awakened = state.take_sleepers();
        drop(state);
        wake(awakened);
    }

    /// Does what the session asks for. Gives back whom to wake once the lock is free.
    fn perform(self: &Arc<Self>, state: &mut State) -> Vec<Waker> {
        let Self { id, around, .. } = &**self;
        let mut awakened = Vec::new();
        while let Some(effect) = state.session.poll_effect() {
            match effect {
                Effect::Append { position, record } => {
                    tally::appended(id, &state.session, &record, around);
                    let record = UnitRecord::Session(id.clone(), record);
                    let owner: Weak<Self> = Arc::downgrade(self);
                    match around.log.append(Entry { record, position, owner }) {
                        Appended::Committed => {
                            state.early.add(position);
                            state.committed(Position::default());
                        }
                        Appended::Pending => {}
                        Appended::Refused => {
                            awakened.extend(self.lose(state));
                            return awakened;
                        }
                    }
                }
                Effect::Wake { stream } | Effect::Superseded { stream } => {
                    let reader = state.readers.get_mut(&stream);
                    awakened.extend(reader.and_then(|reader| reader.tell(self)));
                }
                Effect::Detached { stream } => {
                    state.readers.remove(&stream);
                }
                Effect::Publish { announcement, until } => {
                    let now = around.clock.now();
                    let reached = around.events.publish(now, id, &announcement, until);
                    tally::published(id, &announcement, reached);
                    state.reached.insert(announcement.event.clone(), reached);
                }
                Effect::Outstanding { party } => {
                    if let Some(wildcard) = around.counted.add(party, id.clone()) {
                        state.attach(&wildcard);
                    }
                }
                Effect::Unattended { party } => around.directory.unattended(&party, id),
                Effect::Settled { party } => around.counted.remove(&party, id),
                // Told again when the session is built from what is kept.
                Effect::Release { position } => drop(self.dispose(Disposal::Content(position))),
                Effect::Forget { through } => drop(self.dispose(Disposal::Through(through))),
                Effect::Discard => {
                    tracing::debug!(session = ?id.as_str(), "a session is forgotten");
                    // What begins anew must not be added to what is still there.
                    if !self.dispose(Disposal::Session) {
                        awakened.extend(self.lose(state));
                        return awakened;
                    }
                    around.events.forget(id);
                    state.reached.clear();
                    state.loads.clear();
                }
            }
        }
        let committed = state.session.committed();
        state.commits.committed(committed);
        state.loads.follow(&mut state.session);
        let wanted = state.session.poll_timeout();
        around.alarms.set(&mut state.alarm, wanted, || Arc::downgrade(self));
        awakened
    }

    /// Tells the log what nobody needs any more. Tells whether it took that.
    fn dispose(self: &Arc<Self>, disposal: Disposal) -> bool {
        let owner: Weak<Self> = Arc::downgrade(self);
        self.around.log.dispose(&self.id, disposal, owner)
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
        let blank = state.session.is_blank();
        drop(state);
        wake(awakened);
        if blank && let Some(cells) = self.around.cells.upgrade() {
            cells.forget(&self);
        }
    }
}

impl Owner for Cell {
    fn committed(self: Arc<Self>, through: Position) {
        let Ok(mut state) = self.lock() else { return };
        state.committed(through);
        let awakened = self.perform(&mut state);
        drop(state);
        wake(awakened);
    }

    fn refused(self: Arc<Self>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let awakened = self.lose(&mut state);
        drop(state);
        wake(awakened);
    }
}

fn wake(awakened: Vec<Waker>) {
    awakened.into_iter().for_each(Waker::wake);
}
