//! The sessions: each in a cell of its own, behind a lock of its own. What all sessions share is locked
//! for moments only: the map's part to look a session up, the count of who has something waiting at a
//! party's first message since it was last found to have none, the event streams at an event, the alarms
//! where a session has to be looked at sooner than before.

mod cell;

use std::collections::hash_map::{HashMap, RandomState};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

pub(crate) use cell::{Cell, End};
use mpc_router_core::{
    EventId, Millis, NotAdmitted, PartyId, Policy, Session, SessionId, StreamId,
};

use crate::alarms::Alarms;
use crate::clock::Clock;
use crate::commits::Lost;
use crate::config::Config;
use crate::events::EventStreams;
use crate::limits;
use crate::log::Log;

/// All sessions, by name.
#[derive(Debug)]
pub(crate) struct Sessions {
    shards: Vec<RwLock<HashMap<SessionId, Arc<Cell>>>>,
    hasher: RandomState,
    around: Arc<Around>,
}

/// What cells act on.
#[derive(Debug)]
pub(crate) struct Around {
    pub(crate) policy: Policy,
    pub(crate) alarms: Arc<Alarms<Cell>>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) events: Arc<EventStreams>,
    /// Raised once, before every stream is woken.
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) counted: Counted,
}

/// Which sessions may have something for a party: all that have, and some in which it was taken since
/// the party's last heartbeat. So a heartbeat costs what is going on, not what ever was, and a message
/// of a session that is counted already touches nothing here.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    sessions: RwLock<BTreeMap<PartyId, BTreeSet<SessionId>>>,
}

impl Counted {
    /// To be called with the session locked, as [`remove`](Self::remove) is, so that they agree.
    pub(crate) fn add(&self, party: PartyId, session: SessionId) {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        sessions.entry(party).or_default().insert(session);
    }

    pub(crate) fn remove(&self, party: &PartyId, session: &SessionId) {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = sessions.get_mut(party) {
            counted.remove(session);
            if counted.is_empty() {
                sessions.remove(party);
            }
        }
    }

    fn of(&self, party: &PartyId) -> Vec<SessionId> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.get(party).into_iter().flatten().cloned().collect()
    }
}

fn policy(config: &Config) -> Policy {
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Policy {
        millisecond_bytes: limits::millisecond_bytes(config.max_payload),
        ack_timeout: millis(config.ack_timeout),
        max_retries: config.max_retries,
        message_ttl: millis(config.message_ttl),
        membership: config.membership,
    }
}

impl Sessions {
    pub(crate) fn new(
        config: &Config,
        log: Arc<dyn Log>,
        clock: Arc<Clock>,
        events: Arc<EventStreams>,
        stopping: Arc<AtomicBool>,
    ) -> Self {
        let alarms = Arc::new(Alarms::new(Arc::clone(&clock)));
        let policy = policy(config);
        let around =
            Around { policy, alarms, log, clock, events, stopping, counted: Counted::default() };
        Self {
            shards: (0..limits::SESSION_SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            around: Arc::new(around),
        }
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
        let acted = {
            let cell = self.cell(id);
            let acted = cell.act(act)?;
            if acted.blank {
                self.forget(cell);
            }
            acted
        };
        acted.safe().await
    }

    /// How many deliveries of a party are outstanding, over all its sessions (HB-4).
    pub(crate) async fn outstanding(&self, party: &PartyId) -> Result<usize, Lost> {
        let mut outstanding = 0;
        for session in self.around.counted.of(party) {
            let tallied = self.cell(&session).tally(party)?;
            outstanding += tallied.safe().await?;
        }
        Ok(outstanding)
    }

    /// How many parties got an event that was published by this router (EVT-5).
    pub(crate) fn reached(&self, id: &SessionId, event: &EventId) -> Result<usize, Lost> {
        self.cell(id).reached(event)
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
        let subscribed = {
            let cell = self.cell(id);
            let subscribed = cell.subscribe(party)?;
            match subscribed.outcome {
                // What a stream shows is committed, so it need not wait.
                Ok(stream) => return Ok(Ok((cell, stream))),
                Err(error) => {
                    if subscribed.blank {
                        self.forget(cell);
                    }
                    subscribed.map(|_| error)
                }
            }
        };
        Ok(Err(subscribed.safe().await?))
    }

    /// Closes a message stream.
    pub(crate) fn unsubscribe(&self, cell: Arc<Cell>, stream: StreamId) {
        if cell.unsubscribe(stream) {
            self.forget(cell);
        }
    }

    /// Wakes every message stream, so that each finds out that the router stops.
    pub(crate) fn wake_all(&self) {
        for shard in &self.shards {
            let cells: Vec<_> = {
                let cells = shard.read().unwrap_or_else(PoisonError::into_inner);
                cells.values().map(Arc::clone).collect()
            };
            for cell in cells {
                cell.wake_all();
            }
        }
    }

    fn shard(&self, id: &SessionId) -> &RwLock<HashMap<SessionId, Arc<Cell>>> {
        &self.shards[self.hasher.hash_one(id) as usize % self.shards.len()]
    }

    /// The session's cell: the one there is, or a new one built from the log.
    fn cell(&self, id: &SessionId) -> Arc<Cell> {
        let shard = self.shard(id);
        let known = {
            let cells = shard.read().unwrap_or_else(PoisonError::into_inner);
            cells.get(id).filter(|cell| !cell.is_lost()).cloned()
        };
        if let Some(cell) = known {
            return cell;
        }
        let mut cells = shard.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get(id).filter(|cell| !cell.is_lost()) {
            return Arc::clone(cell);
        }
        let cell = Cell::open(id.clone(), Arc::clone(&self.around));
        cells.insert(id.clone(), Arc::clone(&cell));
        cell
    }

    /// Takes a blank session out of the map, so that naming sessions at random fills no memory. If
    /// somebody else has its cell too, the last one to have it does.
    fn forget(&self, cell: Arc<Cell>) {
        let mut cells = self.shard(cell.id()).write().unwrap_or_else(PoisonError::into_inner);
        let ours_and_the_maps = 2;
        if Arc::strong_count(&cell) == ours_and_the_maps
            && cell.is_blank()
            && cells.get(cell.id()).is_some_and(|known| Arc::ptr_eq(known, &cell))
        {
            cells.remove(cell.id());
        }
        // While the lock is held, so that of two who forget at once the second counts right.
        drop(cell);
    }
}

#[cfg(test)]
mod tests {
    use mpc_router_core::{Acknowledge, MessageId, Route};

    use super::*;
    use crate::log::MemoryLog;

    fn sessions() -> Arc<Sessions> {
        let stopping = Arc::new(AtomicBool::new(false));
        let events = Arc::new(EventStreams::new(Arc::clone(&stopping)));
        let clock = Arc::new(Clock::start());
        let config = Config { membership: false, ..Config::default() };
        Arc::new(Sessions::new(&config, Arc::new(MemoryLog), clock, events, stopping))
    }

    fn count(sessions: &Sessions) -> usize {
        sessions.shards.iter().map(|shard| shard.read().unwrap().len()).sum()
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
        sessions.unsubscribe(cell, stream);
        assert_eq!(count(&sessions), 0);
        let route =
            Route { id: MessageId(1), from: party("q"), to: vec![party("p")], size: 9, key: None };
        let routed = sessions
            .call(&id, |session, now| session.handle_route(now, route, |_| "x".into()))
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
                .call(&id, |session, now| session.handle_route(now, route, |_| "x".into()))
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
                            sessions.unsubscribe(cell, stream);
                        }
                    });
                });
            }
        });
        assert_eq!(count(&sessions), 0);
    }
}
