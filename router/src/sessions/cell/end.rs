//! How a cell comes to its end: lost, because the log refused something of it; broken, because its
//! rules did while somebody worked in it; or retired, because there is nothing in it.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;
use std::task::Waker;

use mpc_router_core::PartyId;

use super::{Cell, End, Reader, State, wake};
use crate::commits::Lost;

/// Keeps a cell from being retired.
#[derive(Debug)]
pub(in crate::sessions) struct Visit<'a>(&'a Cell);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.visitors.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Cell {
    /// Begins to work in it. None if it is retired, or lost: there is another one, or will be.
    pub(in crate::sessions) fn visit(&self) -> Option<Visit<'_>> {
        self.visitors.fetch_add(1, Ordering::SeqCst);
        // Whoever retires it sets the flag first and counts then, so that one of the two gives way.
        let visit = Visit(self);
        (!self.is_lost()).then_some(visit)
    }

    /// Gives up a blank session's cell, unless somebody works in it. To be called with its part of the
    /// map locked, so that nobody asks for another one before it is decided. Tells whether it is given up.
    pub(in crate::sessions) fn retire(&self) -> bool {
        let Ok(state) = self.lock() else { return false };
        if !state.session.is_blank() {
            return false;
        }
        self.retired.store(true, Ordering::SeqCst);
        let retires = self.visitors.load(Ordering::SeqCst) == 0;
        if !retires {
            self.retired.store(false, Ordering::SeqCst);
        }
        retires
    }

    /// Gives up a state that nobody may build on any more. Gives back whom to wake once the lock is
    /// free.
    pub(super) fn lose(&self, state: &mut State) -> Vec<Waker> {
        self.lost.store(true, Ordering::SeqCst);
        state.commits.refused();
        state.loads.clear();
        for reader in state.readers.values() {
            // SUB-9: rather no stream than one that this session is missing from.
            if let Reader::Wildcard(wildcard) = reader {
                wildcard.end(End::Lost);
            }
        }
        state.take_sleepers()
    }

    /// A session that broke is as good as lost, and what it holds is not given up silently: it
    /// stays in the map, and its calls fail. Those who wait for it learn that from whoever comes
    /// next; the streams of all their party's sessions go on with the others.
    pub(super) fn lock(&self) -> Result<MutexGuard<'_, State>, Lost> {
        match self.state.lock() {
            Ok(state) => (!self.is_lost()).then_some(state).ok_or(Lost),
            Err(broken) => {
                let mut state = broken.into_inner();
                state.commits.refused();
                let awakened = state.take_sleepers();
                drop(state);
                wake(awakened);
                Err(Lost)
            }
        }
    }

    /// Whether its rules broke.
    pub(super) fn is_broken(&self) -> bool {
        self.state.is_poisoned()
    }

    /// How many deliveries of a party were outstanding when the session was last whole, if it
    /// broke. A heartbeat is told of them still: it is about all of the party's sessions, and none
    /// of them takes away that it is alive (HB-5).
    pub(super) fn left_broken(&self, party: &PartyId) -> Option<usize> {
        let broken = self.state.lock().err()?;
        Some(broken.into_inner().loads.of(party))
    }

    /// Whether nobody may work in it any more.
    pub(in crate::sessions) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst) || self.retired.load(Ordering::SeqCst)
    }

    pub(in crate::sessions) fn is_blank(&self) -> bool {
        self.lock().is_ok_and(|state| state.session.is_blank())
    }
}
