//! The sessions: each in a cell of its own, behind a lock of its own. What all sessions share is locked
//! for moments only: the map's part to look a session up, the count of who has something waiting at a
//! party's first message since it was last found to have none, the event streams at an event, the alarms
//! where a session has to be looked at sooner than before. The time of messages is one for all sessions,
//! and kept without a lock.

mod cell;
mod cells;
mod counted;
mod loads;
mod of_party;
mod stamps;
mod tally;
mod wildcard;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cell::Acted;
pub(crate) use cell::{Cell, End};
use cells::Cells;
use counted::Counted;
use loads::Loads;
pub(crate) use loads::StreamSlot;
use mpc_router_core::{
    Budget, Content, EventId, Header, Millis, NotAdmitted, PartyId, Policy, Route, RouteError,
    Routed, Session, SessionId, StreamId,
};
use stamps::Stamps;
pub(crate) use wildcard::WildcardReader;

use crate::alarms::Alarms;
use crate::clock::Clock;
use crate::commits::Lost;
use crate::config::Config;
use crate::directory::DirectoryCell;
use crate::events::EventStreams;
use crate::limits;
use crate::log::{Disposal, Log, Unreadable};
use crate::metrics::Metrics;

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    cells: Arc<Cells>,
    around: Arc<Around>,
}

/// What cells act on.
#[derive(Debug)]
pub(crate) struct Around {
    /// Where they stand. Gone with the router.
    cells: Weak<Cells>,
    pub(crate) policy: Policy,
    pub(crate) alarms: Arc<Alarms<Cell>>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) events: Arc<EventStreams>,
    pub(crate) directory: Arc<DirectoryCell>,
    /// Raised once, before every stream is woken.
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) counted: Counted,
    pub(crate) streams: StreamNames,
    pub(crate) stamps: Option<Stamps>,
    pub(crate) loads: Arc<Loads>,
    pub(crate) metrics: Metrics,
}

/// Names streams: each is above those before it.
#[derive(Debug, Default)]
pub(crate) struct StreamNames(AtomicU64);

impl StreamNames {
    fn name(&self) -> StreamId {
        StreamId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

fn policy(config: &Config) -> Policy {
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Policy {
        millisecond_bytes: limits::millisecond_bytes(config.max_payload),
        ack_timeout: millis(config.ack_timeout),
        max_retries: config.max_retries,
        message_ttl: millis(config.message_ttl),
        idle_ttl: millis(config.session_idle_ttl),
        membership: config.membership,
        capacity: limits::SESSION_CAPACITY,
    }
}

/// Nothing new is taken for now (FLW-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overload {
    /// Too many bytes of messages wait for their recipients.
    Messages,
    /// There are too many sessions.
    Sessions,
    /// The party has too many streams.
    Streams,
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Messages => {
                "too many messages wait in this router for their recipients: try again later"
            }
            Self::Sessions => {
                "this router has too many sessions: end some with a session_completed event, or try \
                 again later"
            }
            Self::Streams => {
                "the party has too many streams open: end some, or open one of all its sessions with \
                 an empty session_id"
            }
        })
    }
}

impl Sessions {
    pub(crate) fn new(
        config: &Config,
        log: Arc<dyn Log>,
        clock: Arc<Clock>,
        events: Arc<EventStreams>,
        directory: Arc<DirectoryCell>,
        stopping: Arc<AtomicBool>,
        metrics: Metrics,
    ) -> Self {
        let cells = Arc::new(Cells::default());
        let policy = policy(config);
        let around = Around {
            cells: Arc::downgrade(&cells),
            policy,
            alarms: Arc::new(Alarms::new(Arc::clone(&clock))),
            log,
            clock,
            events,
            directory,
            stopping,
            counted: Counted::default(),
            streams: StreamNames::default(),
            stamps: Stamps::new(policy.millisecond_bytes),
            loads: Arc::new(Loads::new(config.max_outstanding)),
            metrics,
        };
        Self { cells, around: Arc::new(around) }
    }

    /// Builds the sessions that the log has, so that their timers run, their deliveries are counted
    /// and their events are told to late subscribers.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub(crate) fn load(&self) -> Result<(), Unreadable> {
        let mut events = Vec::new();
        for id in self.around.log.sessions()? {
            let (cell, announced) = Cell::open(id.clone(), Arc::clone(&self.around))?;
            if cell.is_blank() {
                // All of it was forgotten, and nobody was there to discard it.
                let owner: Weak<Cell> = Arc::downgrade(&cell);
                self.around.log.dispose(&id, Disposal::Session, owner);
                continue;
            }
            let Ok(until) = cell.lasts_until() else { continue };
            let kept =
                announced.into_iter().filter_map(|(at, it)| Some((at, id.clone(), it, until?)));
            events.extend(kept);
            self.cells.insert(cell);
        }
        // EVT-13: in the order in which they were published, whatever the session.
        events.sort_by_key(|(at, ..)| *at);
        let now = self.around.clock.now();
        for (_, session, announcement, until) in events {
            self.around.events.publish(now, &session, &announcement, Some(until));
        }
        Ok(())
    }

    /// Lets `act` do something in a session, performs what follows from it, and gives its outcome
    /// back when everything that it tells of is safe.
    ///
    /// # Errors
    /// If the log refused something of this session meanwhile.
    pub(crate) async fn call<T>(
        &self,
        id: &SessionId,
        act: impl FnOnce(&mut Session, Millis) -> T,
    ) -> Result<T, Lost> {
        self.visit(id, |cell| cell.act(act))?.safe().await
    }

    /// Whether the router has room for something new in a session.
    ///
    /// # Errors
    /// If it has not.
    pub(crate) fn let_in(&self, id: &SessionId) -> Result<(), Overload> {
        if !self.around.loads.has_room() {
            return Err(Overload::Messages);
        }
        if self.cells.count() >= limits::SESSIONS && self.cells.get(id).is_none() {
            return Err(Overload::Sessions);
        }
        Ok(())
    }

    /// Counts a stream that a party opens.
    ///
    /// # Errors
    /// If it has too many.
    pub(crate) fn stream_slot(&self, party: &PartyId) -> Result<StreamSlot, Overload> {
        self.around.loads.stream(party).ok_or(Overload::Streams)
    }

    /// Accepts a message, as [`Session::handle_route`] does.
    ///
    /// # Errors
    /// If the log refused something of this session meanwhile.
    pub(crate) async fn route(
        &self,
        id: &SessionId,
        route: Route,
        encode: impl FnOnce(&Header) -> Content,
    ) -> Result<Result<Routed, RouteError>, Lost> {
        let acted = {
            let size = route.size;
            let stamp = |now| {
                let stamps = self.around.stamps.as_ref();
                stamps.map_or(now, |stamps| stamps.stamp(now, size))
            };
            self.cells.pass(id, || self.visit(id, |cell| cell.route(stamp, route, encode)))?
        };
        acted.safe().await
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.around.metrics
    }

    /// How many bytes of messages wait for their recipients.
    pub(crate) fn outstanding_bytes(&self) -> usize {
        self.around.loads.bytes()
    }

    /// How many sessions there are, and how many deliveries are outstanding in them.
    pub(crate) fn size(&self) -> (usize, usize) {
        let (mut sessions, mut outstanding) = (0, 0);
        self.cells.each(|cell| {
            sessions += 1;
            outstanding += cell.outstanding();
        });
        (sessions, outstanding)
    }

    /// How many parties got an event that was published by this router (EVT-5).
    pub(crate) fn reached(&self, id: &SessionId, event: &EventId) -> Result<usize, Lost> {
        self.cells.get(id).map_or(Ok(0), |cell| cell.reached(event))
    }

    /// Answers a poll: with messages of one session, or of all of the party's (SUB-9).
    ///
    /// # Errors
    /// If the party may not read the session, or if the log refused something meanwhile.
    pub(crate) async fn fetch(
        &self,
        session: Option<&SessionId>,
        party: &PartyId,
        after: Millis,
        budget: Budget,
    ) -> Result<Result<Vec<Content>, NotAdmitted>, Lost> {
        match session {
            Some(session) => {
                let fetch =
                    |session: &mut Session, now| session.handle_fetch(now, party, after, budget);
                self.call(session, fetch).await
            }
            None => self.fetch_of_all(party, after, budget).await.map(Ok),
        }
    }

    /// Opens a message stream.
    ///
    /// # Errors
    /// If the party may not read the session, or if the log refused something of it meanwhile.
    pub(crate) async fn subscribe(
        &self,
        id: &SessionId,
        party: PartyId,
    ) -> Result<Result<(Arc<Cell>, StreamId), NotAdmitted>, Lost> {
        let subscribed = self.visit(id, |cell| {
            let subscribed = cell.subscribe(party)?;
            Ok(subscribed.map(|opened| opened.map(|stream| (Arc::clone(cell), stream))))
        })?;
        match subscribed.outcome {
            // What a stream shows is committed, so it need not wait.
            Ok(opened) => Ok(Ok(opened)),
            Err(error) => Ok(Err(subscribed.map(|_| error).safe().await?)),
        }
    }

    /// Closes a message stream.
    pub(crate) fn unsubscribe(&self, cell: &Arc<Cell>, stream: StreamId) {
        if cell.unsubscribe(stream) {
            self.cells.forget(cell);
        }
    }

    /// Tells the directory who has something that was never handed out: a crash may have kept it from
    /// learning that.
    pub(crate) fn look_for_unread(&self) {
        self.cells.each(|cell| cell.look_for_unread());
    }

    /// Rings the alarms whose time has come: what a task does else, where there is a runtime.
    pub(crate) fn ring_due(&self) {
        self.around.alarms.ring_due();
    }

    /// When the next alarm is to be rung.
    pub(crate) fn next_ring(&self) -> Option<Millis> {
        self.around.alarms.first()
    }

    /// Wakes every message stream, so that each finds out that the router stops.
    pub(crate) fn wake_all(&self) {
        self.cells.each(|cell| cell.wake_all());
        for wildcard in self.around.counted.wildcards() {
            wildcard.wake();
        }
    }

    /// Lets `act` do something in a session's cell, and forgets the session if it is blank still.
    fn visit<T>(
        &self,
        id: &SessionId,
        act: impl FnOnce(&Arc<Cell>) -> Result<Acted<T>, Lost>,
    ) -> Result<Acted<T>, Lost> {
        loop {
            let cell = self.cell(id)?;
            let Some(visit) = cell.visit() else { continue };
            let acted = act(&cell)?;
            drop(visit);
            if acted.blank {
                self.cells.forget(&cell);
            }
            return Ok(acted);
        }
    }

    fn cell(&self, id: &SessionId) -> Result<Arc<Cell>, Lost> {
        let opened = self.cells.get_or_open(id, || {
            let (cell, _) = Cell::open(id.clone(), Arc::clone(&self.around))?;
            Ok(cell)
        });
        opened.map_err(|Unreadable(error)| {
            let session = id.as_str();
            tracing::error!(?session, error, "the session cannot be read");
            Lost
        })
    }
}

#[cfg(test)]
mod tests {
    use mpc_router_core::{Acknowledge, MessageId, Route};

    use super::*;
    use crate::log::MemoryLog;
    use crate::metrics::CommitMetrics;

    fn sessions() -> Arc<Sessions> {
        let stopping = Arc::new(AtomicBool::new(false));
        let metrics = Metrics::new(CommitMetrics::default());
        let events = Arc::new(EventStreams::new(Arc::clone(&stopping), metrics.clone()));
        let clock = Arc::new(Clock::start(Millis(0)));
        let config = Config { membership: false, ..Config::default() };
        let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
        let directory = DirectoryCell::open(&config, Arc::clone(&log), Arc::clone(&clock));
        let directory = Arc::new(directory.unwrap());
        Arc::new(Sessions::new(&config, log, clock, events, directory, stopping, metrics))
    }

    fn count(sessions: &Sessions) -> usize {
        let mut count = 0;
        sessions.cells.each(|_| count += 1);
        assert_eq!(sessions.cells.count(), count);
        count
    }

    fn party(name: &str) -> PartyId {
        PartyId::parse(name).unwrap()
    }

    #[tokio::test]
    async fn a_session_in_which_nothing_happened_is_forgotten() {
        let sessions = sessions();
        let id = SessionId::parse("s").unwrap();
        sessions.call(&id, |session, _| session.handle_tally(&party("p"))).await.unwrap();
        assert_eq!(count(&sessions), 0);
        let (cell, stream) = sessions.subscribe(&id, party("p")).await.unwrap().unwrap();
        assert_eq!(count(&sessions), 1);
        sessions.call(&id, |session, _| session.handle_tally(&party("p"))).await.unwrap();
        assert_eq!(count(&sessions), 1);
        sessions.unsubscribe(&cell, stream);
        assert_eq!(count(&sessions), 0);
        let route =
            Route { id: MessageId(1), from: party("q"), to: vec![party("p")], size: 9, key: None };
        let routed = sessions
            .call(&id, |session, now| session.handle_route(now, route, &(), |_| "x".into()))
            .await;
        routed.unwrap().unwrap();
        assert_eq!(count(&sessions), 1, "what happened is kept");
        assert_eq!(sessions.outstanding(&party("p")).await, Ok(1));
    }

    #[tokio::test]
    async fn a_session_is_counted_while_it_has_something() {
        let sessions = sessions();
        let (id, p) = (SessionId::parse("s").unwrap(), party("p"));
        for message in [1, 2].map(MessageId) {
            let route =
                Route { id: message, from: party("q"), to: vec![p.clone()], size: 9, key: None };
            let routed = sessions
                .call(&id, |session, now| session.handle_route(now, route, &(), |_| "x".into()))
                .await;
            routed.unwrap().unwrap();
            assert_eq!(sessions.outstanding(&p).await, Ok(1));
            assert_eq!(sessions.around.counted.of(&p), std::slice::from_ref(&id));
            let acknowledge = Acknowledge { message, party: p.clone(), success: true };
            let acknowledged =
                sessions.call(&id, |session, now| session.handle_acknowledge(now, acknowledge));
            acknowledged.await.unwrap().unwrap();
            assert_eq!(sessions.outstanding(&p).await, Ok(0));
            assert!(sessions.around.counted.of(&p).is_empty());
        }
    }

    #[test]
    fn whoever_has_it_last_forgets_it() {
        let sessions = sessions();
        let id = SessionId::parse("s").unwrap();
        std::thread::scope(|scope| {
            for name in ["p", "q", "r", "s"] {
                let (sessions, id) = (&sessions, &id);
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        for _ in 0..2_000 {
                            let subscribed = sessions.subscribe(id, party(name)).await;
                            let (cell, stream) = subscribed.unwrap().unwrap();
                            sessions.unsubscribe(&cell, stream);
                        }
                    });
                });
            }
        });
        assert_eq!(count(&sessions), 0);
    }
}
