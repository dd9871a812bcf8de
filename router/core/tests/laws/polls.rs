//! A poller that passes on the largest `created_at` it has seen misses nothing (PND-3).

use std::collections::BTreeSet;

use mpc_router_core::*;
use proptest::prelude::*;

use crate::steps::{content, name, party};

/// How many bytes share a millisecond, where answers have room for them and a large message.
const MILLISECOND: usize = 100;
/// What an answer may have.
const BUDGET: usize = 400;
/// A message that leaves room in an answer for a full millisecond.
const LARGE: usize = BUDGET - MILLISECOND;
/// A message that leaves none.
const HUGE: usize = BUDGET;

#[derive(Debug, Clone)]
enum Step {
    /// Some messages come, mostly within one millisecond.
    Route { sizes: Vec<usize>, then: i64 },
    /// The poller asks, and may not get the answer.
    Poll { arrives: bool, acknowledge: Vec<bool> },
}

fn step(largest: usize) -> impl Strategy<Value = Step> {
    let size = prop_oneof![16..40usize, 16..=largest];
    let then = prop_oneof![3 => Just(0i64), 1 => 0..5i64];
    prop_oneof![
        (prop::collection::vec(size, 1..12), then)
            .prop_map(|(sizes, then)| Step::Route { sizes, then }),
        (prop::bool::weighted(0.8), prop::collection::vec(any::<bool>(), 1..8))
            .prop_map(|(arrives, acknowledge)| Step::Poll { arrives, acknowledge }),
    ]
}

struct World {
    sessions: Vec<Session>,
    /// The newest millisecond of several sessions, and how many bytes it has: as many as one may.
    newest: (Millis, usize),
    now: Millis,
    sent: Vec<(MessageId, Millis)>,
    acknowledged: BTreeSet<MessageId>,
    seen: BTreeSet<MessageId>,
    /// What the poller asks with.
    after: Millis,
}

impl World {
    fn route(&mut self, size: usize) {
        let id = MessageId(self.sent.len() as u128 + 1);
        let route = Route { id, from: party(0), to: vec![party(1)], size, key: None };
        let mut now = self.now;
        if self.sessions.len() > 1 {
            let (at, bytes) = self.newest;
            self.newest = match bytes + size {
                _ if now > at => (now, size),
                bytes if bytes > MILLISECOND => (at.next(), size),
                bytes => (at, bytes),
            };
            now = self.newest.0;
        }
        let session = self.session_of(id);
        let routed = session.handle_route(now, route, &(), |_| content(id, size)).unwrap();
        self.sent.push((id, routed.created_at));
        self.perform();
    }

    fn session_of(&mut self, id: MessageId) -> &mut Session {
        let sessions = self.sessions.len() as u128;
        &mut self.sessions[(id.0 % sessions) as usize]
    }

    fn poll(&mut self) -> Vec<MessageId> {
        let (now, after, budget) = (self.now, self.after, Budget::bytes(BUDGET));
        let answer: Vec<_> = if let [session] = &mut *self.sessions {
            session.handle_fetch(now, &party(1), after, budget).unwrap()
        } else {
            let mut gathering = Gathering::new(after, self.newest.0, budget, true);
            for session in &self.sessions {
                session.gather(&party(1), &mut gathering);
            }
            let take = |Selected { session, message }| {
                self.sessions[session].handle_take(now, &party(1), &[message]).remove(0).unwrap()
            };
            gathering.select().into_iter().map(take).collect()
        };
        self.perform();
        let size: usize = answer.iter().map(Content::len).sum();
        assert!(size <= BUDGET, "PND-4: {size} bytes");
        let answer: Vec<_> = answer.iter().map(name).collect();
        assert!(answer.is_sorted_by_key(|id| self.created_at(*id)), "ORD-6");
        for session in 0..self.sessions.len() as u128 {
            let of_session =
                answer.iter().filter(|id| id.0 % self.sessions.len() as u128 == session);
            assert!(of_session.is_sorted(), "ORD-6");
        }
        answer
    }

    /// Whether a poll's answer gets on, as far as there is anything to get on to.
    fn gets_on(&self, answer: &[MessageId]) -> bool {
        let newer = |id: &MessageId| self.created_at(*id) > self.after;
        let mut outstanding = self.sent.iter().filter(|(id, _)| !self.acknowledged.contains(id));
        answer.iter().any(newer) || !outstanding.any(|(id, _)| newer(id))
    }

    /// Takes an answer in. Tells whether there was anything new in it.
    fn see(&mut self, answer: &[MessageId]) -> bool {
        let newest = answer.iter().map(|id| self.created_at(*id)).max();
        self.after = self.after.max(newest.unwrap_or_default());
        answer.iter().filter(|id| self.seen.insert(**id)).count() > 0
    }

    fn acknowledge(&mut self, message: MessageId) {
        let acknowledge = Acknowledge { message, party: party(1), success: true };
        let now = self.now;
        self.session_of(message).handle_acknowledge(now, acknowledge).unwrap();
        self.acknowledged.insert(message);
        self.perform();
    }

    fn created_at(&self, id: MessageId) -> Millis {
        self.sent[id.0 as usize - 1].1
    }

    fn perform(&mut self) {
        for session in &mut self.sessions {
            while let Some(effect) = session.poll_effect() {
                if let Effect::Append { position, .. } = effect {
                    session.handle_committed(position);
                }
            }
        }
    }
}

/// Lets the poller ask in between and to the end. Answers may be lost on the way.
fn poll_on(steps: Vec<Step>, millisecond_bytes: usize, sessions: usize) -> World {
    let policy = Policy { millisecond_bytes, membership: false, ..Policy::default() };
    let mut world = World {
        sessions: (0..sessions).map(|_| Session::new(policy)).collect(),
        newest: (Millis(0), 0),
        now: Millis(1),
        sent: Vec::new(),
        acknowledged: BTreeSet::new(),
        seen: BTreeSet::new(),
        after: Millis(0),
    };
    for step in steps {
        match step {
            Step::Route { sizes, then } => {
                for size in sizes {
                    world.route(size);
                }
                world.now = Millis(world.now.0 + then);
            }
            Step::Poll { arrives, acknowledge } => {
                let answer = world.poll();
                assert!(world.gets_on(&answer), "PND-4");
                if arrives {
                    world.see(&answer);
                    for (id, acknowledge) in answer.iter().zip(acknowledge.iter().cycle()) {
                        if *acknowledge {
                            world.acknowledge(*id);
                        }
                    }
                }
            }
        }
    }
    loop {
        let answer = world.poll();
        if !world.see(&answer) {
            return world;
        }
    }
}

fn polling_on_fetches_everything_of(world: &World) -> Result<(), TestCaseError> {
    let sent: BTreeSet<_> = world.sent.iter().map(|(id, _)| *id).collect();
    prop_assert_eq!(&world.seen, &sent, "PND-3");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn polling_on_fetches_everything(steps in prop::collection::vec(step(LARGE), 1..40)) {
        polling_on_fetches_everything_of(&poll_on(steps, MILLISECOND, 1))?;
    }

    /// Where one message may fill an answer, each has a millisecond of its own.
    #[test]
    fn polling_on_fetches_everything_however_large(
        steps in prop::collection::vec(step(HUGE), 1..40),
    ) {
        polling_on_fetches_everything_of(&poll_on(steps, 0, 1))?;
    }

    /// Of all sessions, as long as they have one time (SUB-9).
    #[test]
    fn polling_on_fetches_everything_of_all_sessions(
        steps in prop::collection::vec(step(LARGE), 1..40),
        sessions in 2..6usize,
    ) {
        polling_on_fetches_everything_of(&poll_on(steps, MILLISECOND, sessions))?;
    }
}
