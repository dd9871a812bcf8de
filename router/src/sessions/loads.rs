use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use mpc_router_core::{Load, MailboxIndex, PartyId, Room, Session};

use crate::limits;

/// What is outstanding for parties over all their sessions, and in all.
///
/// Only counted, so that no session waits for another one: of two that send to a party at the same time
/// both may find room where there was room for one.
#[derive(Debug)]
pub(crate) struct Loads {
    parties: RwLock<Parties>,
    /// How many bytes of messages are held, each counted once.
    bytes: AtomicUsize,
    /// How many there may be.
    limit: usize,
}

#[derive(Debug, Default)]
struct Parties {
    loads: HashMap<PartyId, Weak<PartyLoad>>,
    /// How many entries there may be before those are dropped that nobody uses.
    tidy_at: usize,
}

/// What a party has, over all its sessions.
#[derive(Debug, Default)]
pub(crate) struct PartyLoad {
    deliveries: AtomicUsize,
    bytes: AtomicUsize,
    streams: AtomicUsize,
}

impl PartyLoad {
    fn has_room(&self) -> bool {
        let deliveries = self.deliveries.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed);
        Load { deliveries, bytes }.is_below(limits::PARTY_OUTSTANDING)
    }

    fn change(&self, from: Load, to: Load) {
        change(&self.deliveries, from.deliveries, to.deliveries);
        change(&self.bytes, from.bytes, to.bytes);
    }
}

fn change(counter: &AtomicUsize, from: usize, to: usize) {
    // Wrapping, as the counter does: what is added up is right.
    counter.fetch_add(to.wrapping_sub(from), Ordering::Relaxed);
}

impl Loads {
    pub(super) fn new(limit: usize) -> Self {
        Self { parties: RwLock::default(), bytes: AtomicUsize::new(0), limit }
    }

    /// Whether more messages can be held.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.limit
    }

    /// How many bytes of messages are held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts a stream that a party opens, unless it has too many.
    pub(crate) fn stream(&self, party: &PartyId) -> Option<StreamSlot> {
        let load = self.of(party);
        let others = load.streams.fetch_add(1, Ordering::Relaxed);
        // Its end takes back what was counted.
        let slot = StreamSlot(load);
        (others < limits::STREAMS_PER_PARTY).then_some(slot)
    }

    fn of(&self, party: &PartyId) -> Arc<PartyLoad> {
        if let Some(load) = self.known(party) {
            return load;
        }
        let mut parties = self.parties.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(load) = parties.loads.get(party).and_then(Weak::upgrade) {
            return load;
        }
        if parties.loads.len() >= parties.tidy_at {
            parties.loads.retain(|_, load| load.strong_count() > 0);
            parties.tidy_at = 2 * parties.loads.len() + 1_024;
        }
        let load = Arc::default();
        parties.loads.insert(party.clone(), Arc::downgrade(&load));
        load
    }

    fn known(&self, party: &PartyId) -> Option<Arc<PartyLoad>> {
        let parties = self.parties.read().unwrap_or_else(PoisonError::into_inner);
        parties.loads.get(party)?.upgrade()
    }
}

/// A stream that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct StreamSlot(Arc<PartyLoad>);

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one session adds to the loads. Takes it back when it is dropped.
#[derive(Debug)]
pub(super) struct SessionLoads {
    loads: Arc<Loads>,
    /// By mailbox.
    parties: Vec<Option<(Arc<PartyLoad>, Load)>>,
    bytes: usize,
}

impl SessionLoads {
    pub(super) fn new(loads: Arc<Loads>) -> Self {
        Self { loads, parties: Vec::new(), bytes: 0 }
    }

    /// Counts what has changed in the session.
    pub(super) fn follow(&mut self, session: &mut Session) {
        if session.poll_renumbered() {
            self.clear();
        }
        let Self { loads, parties, bytes } = self;
        session.handle_loads(|mailbox, party, load| {
            if parties.len() <= mailbox.get() {
                parties.resize(mailbox.get() + 1, None);
            }
            let (known, counted) =
                parties[mailbox.get()].get_or_insert_with(|| (loads.of(party), Load::default()));
            known.change(*counted, load);
            *counted = load;
        });
        let held = session.load().bytes;
        change(&loads.bytes, *bytes, held);
        *bytes = held;
    }

    /// How many deliveries were outstanding for a party when that was last counted. Takes time
    /// proportional to the number of mailboxes.
    pub(super) fn of(&self, party: &PartyId) -> usize {
        let Some(of_party) = self.loads.known(party) else { return 0 };
        let counted = self.parties.iter().flatten();
        let ours = counted.filter(|(load, _)| Arc::ptr_eq(load, &of_party));
        ours.map(|(_, load)| load.deliveries).sum()
    }

    /// Forgets the session's mailboxes: it has none any more.
    pub(super) fn clear(&mut self) {
        for (party, load) in self.parties.drain(..).flatten() {
            party.change(load, Load::default());
        }
        change(&self.loads.bytes, std::mem::take(&mut self.bytes), 0);
    }
}

impl Room for SessionLoads {
    fn has_room(&self, party: &PartyId, mailbox: Option<MailboxIndex>) -> bool {
        let ours = mailbox.and_then(|mailbox| self.parties.get(mailbox.get())?.as_ref());
        match ours {
            Some((load, _)) => load.has_room(),
            None => self.loads.known(party).is_none_or(|load| load.has_room()),
        }
    }
}

impl Drop for SessionLoads {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use mpc_router_core::{
        Acknowledge, Capacity, Content, Effect, MessageId, Millis, Policy, Route,
    };

    use super::*;

    #[test]
    fn what_is_known_by_mailbox_follows_their_numbers() {
        let capacity = Capacity { spare_mailboxes: 0, ..limits::SESSION_CAPACITY };
        let (message_ttl, membership) = (100, false);
        let mut session =
            Session::new(Policy { message_ttl, membership, capacity, ..Policy::default() });
        let mut loads = SessionLoads::new(Arc::new(Loads::new(1_000)));
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|it| PartyId::parse(it).unwrap());
        let route = |session: &mut Session, loads: &mut SessionLoads, id, at, to: &PartyId| {
            let (id, to) = (MessageId(id), vec![to.clone()]);
            let route = Route { id, from: alice.clone(), to, size: 7, key: None };
            session.handle_route(Millis(at), route, loads, |_| Content::from("content")).unwrap();
            while let Some(effect) = session.poll_effect() {
                if let Effect::Append { position, .. } = effect {
                    session.handle_committed(position);
                }
            }
            loads.follow(session);
        };
        route(&mut session, &mut loads, 1, 0, &bob);
        let acknowledge = Acknowledge { message: MessageId(1), party: bob.clone(), success: true };
        session.handle_acknowledge(Millis(0), acknowledge).unwrap();
        route(&mut session, &mut loads, 2, 90, &carol);
        let counted = |loads: &SessionLoads| [&bob, &carol].map(|party| loads.of(party));
        assert_eq!((counted(&loads), loads.parties.len()), ([0, 1], 2));
        // Bob's mailbox goes with the last message that was in it.
        session.handle_timeout(Millis(150));
        loads.follow(&mut session);
        assert_eq!((counted(&loads), loads.parties.len()), ([0, 1], 1));
        assert_eq!((loads.bytes, loads.loads.bytes()), (7, 7));
        route(&mut session, &mut loads, 3, 151, &bob);
        assert_eq!(counted(&loads), [1, 1]);
    }

    #[test]
    fn who_has_too_many_streams_opens_no_more() {
        let loads = Loads::new(0);
        let party = PartyId::parse("p").unwrap();
        let mut slots: Vec<_> =
            (0..limits::STREAMS_PER_PARTY).map(|_| loads.stream(&party).unwrap()).collect();
        assert!(loads.stream(&party).is_none());
        assert!(loads.stream(&party).is_none(), "a refusal counts for nothing");
        slots.pop();
        assert!(loads.stream(&party).is_some());
    }

    #[test]
    fn nobody_is_remembered_for_having_been_there() {
        let loads = Loads::new(0);
        for number in 0..10_000 {
            loads.stream(&PartyId::parse(&format!("p{number}")).unwrap()).unwrap();
        }
        assert!(loads.parties.read().unwrap().loads.len() < 2_000);
    }
}
