use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::{Announcement, Millis, PartyId, SessionId};

/// The events that late subscribers still get (EVT-13): those that selected somebody, of sessions
/// that have neither ended nor expired.
///
/// Invariant: `by_party` and `by_expiry` tell what `sessions` do.
#[derive(Debug)]
pub(crate) struct KeptEvents<E> {
    sessions: BTreeMap<SessionId, KeptSession<E>>,
    by_party: BTreeMap<PartyId, BTreeSet<SessionId>>,
    by_expiry: BTreeSet<(Millis, SessionId)>,
    published: u64,
}

#[derive(Debug)]
struct KeptSession<E> {
    /// 0 means never.
    expires_at: Millis,
    /// Each with a number that grows from one publication to the next, whatever the session.
    events: Vec<(u64, Arc<E>)>,
}

impl<E> Default for KeptEvents<E> {
    fn default() -> Self {
        Self {
            sessions: BTreeMap::new(),
            by_party: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            published: 0,
        }
    }
}

impl<E: AsRef<Announcement>> KeptEvents<E> {
    /// Keeps an event until `until`, as all of its session, 0 meaning its end; with None the session
    /// has ended, and nothing of it is kept.
    pub(crate) fn publish(
        &mut self,
        now: Millis,
        session: &SessionId,
        event: &Arc<E>,
        until: Option<Millis>,
    ) {
        self.published += 1;
        if let Some(expires_at) = until {
            self.keep(session, event, expires_at);
        } else {
            self.forget(session);
        }
        self.expire(now);
    }

    fn keep(&mut self, session: &SessionId, event: &Arc<E>, expires_at: Millis) {
        let members = &(**event).as_ref().members;
        if let Some(kept) = self.sessions.get_mut(session) {
            self.by_expiry.remove(&(kept.expires_at, session.clone()));
            kept.expires_at = expires_at;
        } else if members.is_empty() {
            return;
        }
        let kept = self
            .sessions
            .entry(session.clone())
            .or_insert_with(|| KeptSession { expires_at, events: Vec::new() });
        if expires_at != Millis(0) {
            self.by_expiry.insert((expires_at, session.clone()));
        }
        if !members.is_empty() {
            kept.events.push((self.published, Arc::clone(event)));
            for party in members.iter() {
                self.by_party.entry(party.clone()).or_default().insert(session.clone());
            }
        }
    }

    /// What selected `party`, in the order of publication.
    pub(crate) fn of(&mut self, now: Millis, party: &PartyId) -> Vec<Arc<E>> {
        self.expire(now);
        let sessions = self.by_party.get(party).into_iter().flatten();
        let events = sessions.flat_map(|session| &self.sessions[session].events);
        let mut selected: Vec<_> =
            events.filter(|(_, event)| (**event).as_ref().members.contains(party)).collect();
        selected.sort_unstable_by_key(|(number, _)| *number);
        selected.into_iter().map(|(_, event)| Arc::clone(event)).collect()
    }

    /// Of how many sessions there are events.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    fn expire(&mut self, now: Millis) {
        while let Some((at, _)) = self.by_expiry.first()
            && *at <= now
            && let Some((_, session)) = self.by_expiry.pop_first()
        {
            self.forget(&session);
        }
    }

    /// Keeps nothing of a session any more.
    pub(crate) fn forget(&mut self, session: &SessionId) {
        let Some(kept) = self.sessions.remove(session) else { return };
        self.by_expiry.remove(&(kept.expires_at, session.clone()));
        for party in kept.events.iter().flat_map(|(_, event)| (**event).as_ref().members.iter()) {
            if let Some(sessions) = self.by_party.get_mut(party) {
                sessions.remove(session);
                if sessions.is_empty() {
                    self.by_party.remove(party);
                }
            }
        }
    }

    pub(crate) fn assert_invariants(&self) {
        let mut by_party: BTreeMap<&PartyId, BTreeSet<&SessionId>> = BTreeMap::new();
        for (session, kept) in &self.sessions {
            for party in kept.events.iter().flat_map(|(_, it)| (**it).as_ref().members.iter()) {
                by_party.entry(party).or_default().insert(session);
            }
        }
        let told = self.by_party.iter().map(|(party, sessions)| (party, sessions.iter().collect()));
        assert_eq!(told.collect::<BTreeMap<_, BTreeSet<_>>>(), by_party);
        let expire = self.sessions.iter().filter(|(_, kept)| kept.expires_at != Millis(0));
        let expire: BTreeSet<_> = expire.map(|(id, kept)| (kept.expires_at, id.clone())).collect();
        assert_eq!(self.by_expiry, expire);
    }
}
