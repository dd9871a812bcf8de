use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use mpc_router_core::{PartyId, SessionId};

use super::StreamNames;
use super::cell::End;
use super::wildcard::Wildcard;

/// Which sessions may have something for a party: all that have, and some in which it was taken since
/// the party's last heartbeat. So a heartbeat costs what is going on, not what ever was, and a message
/// of a session that is counted already touches nothing here.
///
/// With it, which party has a stream of all its sessions: that reads exactly those counted here, and
/// as both change under one lock, no session begins in between and is missed (SUB-9).
#[derive(Debug, Default)]
pub(crate) struct Counted {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<PartyId, BTreeSet<SessionId>>,
    wildcards: BTreeMap<PartyId, Arc<Wildcard>>,
}

impl State {
    fn of(&self, party: &PartyId) -> Vec<SessionId> {
        self.sessions.get(party).into_iter().flatten().cloned().collect()
    }
}

impl Counted {
    /// Gives back the party's stream of all its sessions, which has to be attached to this one too.
    ///
    /// To be called with the session locked, as [`remove`](Self::remove) is, so that they agree.
    pub(super) fn add(&self, party: PartyId, session: SessionId) -> Option<Arc<Wildcard>> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let wildcard = state.wildcards.get(&party).cloned();
        state.sessions.entry(party).or_default().insert(session);
        wildcard
    }

    pub(super) fn remove(&self, party: &PartyId, session: &SessionId) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = state.sessions.get_mut(party) {
            counted.remove(session);
            if counted.is_empty() {
                state.sessions.remove(party);
            }
        }
    }

    /// The sessions counted for a party.
    pub(super) fn of(&self, party: &PartyId) -> Vec<SessionId> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).of(party)
    }

    /// Opens a party's stream of all its sessions, which has yet to be attached to those that are told.
    /// Ends an older one (SUB-5).
    pub(super) fn open(
        &self,
        party: PartyId,
        names: &StreamNames,
    ) -> (Arc<Wildcard>, Vec<SessionId>) {
        let (wildcard, sessions, older) = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            // Named with the lock held, so that of two streams the one that stays is the newer.
            let wildcard = Arc::new(Wildcard::new(names.name(), party.clone()));
            let sessions = state.of(&party);
            (Arc::clone(&wildcard), sessions, state.wildcards.insert(party, wildcard))
        };
        if let Some(older) = older {
            older.end(End::Superseded);
        }
        (wildcard, sessions)
    }

    /// Closes such a stream, which has yet to be taken out of the sessions that are told.
    pub(super) fn close(&self, wildcard: &Arc<Wildcard>) -> Vec<SessionId> {
        let party = wildcard.party();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.wildcards.get(party).is_some_and(|known| Arc::ptr_eq(known, wildcard)) {
            state.wildcards.remove(party);
        }
        state.of(party)
    }

    /// The open streams of all their parties' sessions.
    pub(super) fn wildcards(&self) -> Vec<Arc<Wildcard>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.wildcards.values().cloned().collect()
    }
}
