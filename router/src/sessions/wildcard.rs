use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use mpc_router_core::{Budget, Content, PartyId, SessionId, StreamId};

use super::cell::{Cell, End};
use crate::commits::Lost;

/// A stream of all of a party's sessions, as these see it: they tell it where there is something, so
/// that it looks at no others (SUB-9).
#[derive(Debug)]
pub(crate) struct Wildcard {
    stream: StreamId,
    party: PartyId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The sessions in which there may be something, in the order in which they get their turn.
    ready: VecDeque<Arc<Cell>>,
    /// The same, to look one up.
    listed: HashSet<SessionId>,
    sleeper: Option<Waker>,
    end: Option<End>,
}

impl Wildcard {
    pub(super) fn new(stream: StreamId, party: PartyId) -> Self {
        Self { stream, party, state: Mutex::default() }
    }

    pub(super) fn stream(&self) -> StreamId {
        self.stream
    }

    pub(super) fn party(&self) -> &PartyId {
        &self.party
    }

    /// Learns that there is something in a session. Gives back whom to wake.
    pub(super) fn ready(&self, cell: &Arc<Cell>) -> Option<Waker> {
        let mut state = self.lock();
        if state.end.is_none() && state.listed.insert(cell.id().clone()) {
            state.ready.push_back(Arc::clone(cell));
        }
        state.sleeper.take()
    }

    /// Ends the stream, unless it has ended already.
    pub(super) fn end(&self, end: End) {
        let sleeper = {
            let mut state = self.lock();
            state.end.get_or_insert(end);
            state.ready.clear();
            state.listed.clear();
            state.sleeper.take()
        };
        sleeper.into_iter().for_each(Waker::wake);
    }

    /// Wakes whoever reads it, if he sleeps.
    pub(super) fn wake(&self) {
        let sleeper = self.lock().sleeper.take();
        sleeper.into_iter().for_each(Waker::wake);
    }

    /// Takes the session whose turn it is, or sleeps until there is one.
    fn poll_turn(
        &self,
        stopping: &AtomicBool,
        context: &mut Context<'_>,
    ) -> Poll<Result<Arc<Cell>, End>> {
        let mut state = self.lock();
        // Asked with the state locked, which whoever raises the flag locks next to wake the sleeper.
        if stopping.load(Ordering::SeqCst) {
            return Poll::Ready(Err(End::Stopping));
        }
        if let Some(end) = state.end {
            return Poll::Ready(Err(end));
        }
        let Some(cell) = state.ready.pop_front() else {
            state.sleeper = Some(context.waker().clone());
            return Poll::Pending;
        };
        state.listed.remove(cell.id());
        Poll::Ready(Ok(cell))
    }

    /// What is behind the lock is whole at any time.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads such a stream.
#[derive(Debug)]
pub(crate) struct WildcardReader {
    wildcard: Arc<Wildcard>,
    stopping: Arc<AtomicBool>,
    /// Where what was taken may not be on its way yet.
    given: Vec<Arc<Cell>>,
}

impl WildcardReader {
    pub(super) fn new(wildcard: Arc<Wildcard>, stopping: Arc<AtomicBool>) -> Self {
        Self { wildcard, stopping, given: Vec::new() }
    }

    pub(super) fn wildcard(&self) -> &Arc<Wildcard> {
        &self.wildcard
    }

    /// Takes what comes next into `batch`, which is empty, or sleeps until there is something: of one
    /// session at a time, and of each in its turn. `sent` tells that all it gave before has gone on
    /// its way.
    pub(crate) fn poll_pull(
        &mut self,
        sent: bool,
        budget: Budget,
        batch: &mut VecDeque<Content>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), End>> {
        let stream = self.wildcard.stream;
        // What is lost ends the stream by itself; what broke is passed over (see `Cell::lock`).
        if sent {
            for cell in self.given.drain(..) {
                let (Ok(()) | Err(Lost)) = cell.sent(stream);
            }
        }
        loop {
            let Poll::Ready(turn) = self.wildcard.poll_turn(&self.stopping, context) else {
                return Poll::Pending;
            };
            let cell = turn?;
            let (Ok(()) | Err(Lost)) = cell.pull(stream, budget, batch);
            if !batch.is_empty() {
                // There may be more, but the others come first. Whoever is told is awake already.
                self.wildcard.ready(&cell);
                self.given.push(cell);
                return Poll::Ready(Ok(()));
            }
        }
    }
}
