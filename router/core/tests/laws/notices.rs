//! Whom a directory has told of what, against a model of it: a plain table of who is owed what.

use std::collections::{BTreeMap, BTreeSet};

use mpc_router_core::*;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::steps::party;

const HEARTBEAT_TIMEOUT: i64 = 30;
const CROWD: Crowd = Crowd { parties: 1_000, bytes: 100_000 };
const PARTIES: usize = 3;
const SESSIONS: usize = 3;
/// As many sessions may a party be told of.
const MOST: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Register {
        party: usize,
        channels: BTreeSet<Channel>,
    },
    Beat(usize),
    Message {
        party: usize,
        session: usize,
    },
    /// What is due is begun.
    Take,
    Sent(Index),
    Failed {
        which: Index,
        wait: i64,
    },
    /// The log commits some of what it holds, or refuses all of it.
    Commit(Index),
    Refuse,
    /// The router stops in good order, and begins anew.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let channels = || prop::collection::btree_set(prop::sample::select(&Channel::ALL[..]), 0..4);
    prop_oneof![
        4 => (0..40i64).prop_map(Step::Wait),
        2 => (0..PARTIES, channels())
            .prop_map(|(party, channels)| Step::Register { party, channels }),
        2 => (0..PARTIES).prop_map(Step::Beat),
        8 => (0..PARTIES, 0..SESSIONS)
            .prop_map(|(party, session)| Step::Message { party, session }),
        6 => Just(Step::Take),
        4 => any::<Index>().prop_map(Step::Sent),
        3 => (any::<Index>(), 0..50i64).prop_map(|(which, wait)| Step::Failed { which, wait }),
        6 => any::<Index>().prop_map(Step::Commit),
        1 => Just(Step::Refuse),
        1 => Just(Step::Restart),
    ]
}

type Key = (PartyId, SessionId, Channel);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// Not before the record there is safe.
    Uncommitted(Position),
    Since(Millis),
    BeingTried {
        number: u64,
        failures: u32,
    },
    Told,
}

struct World {
    now: Millis,
    started_at: Millis,
    channels: BTreeSet<Channel>,
    directory: Directory,
    log: Vec<DirectoryRecord>,
    held: Vec<(Position, DirectoryRecord)>,
    known: BTreeMap<PartyId, (BTreeSet<Channel>, Millis)>,
    owed: BTreeMap<Key, (Owed, u32)>,
    /// Numbers that mean nothing any more.
    stale: Vec<u64>,
    /// The log lacks something that is known.
    log_lacks: bool,
}

impl World {
    fn new() -> Self {
        Self {
            now: Millis(100),
            started_at: Millis(0),
            channels: [Channel::Email, Channel::Phone].into(),
            directory: Directory::new(HEARTBEAT_TIMEOUT, CROWD),
            log: Vec::new(),
            held: Vec::new(),
            known: BTreeMap::new(),
            owed: BTreeMap::new(),
            stale: Vec::new(),
            log_lacks: false,
        }
    }

    fn take(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Wait(passed) => self.now = Millis(now.0 + passed),
            Step::Register { party: number, channels } => {
                let address = |channel| {
                    if channels.contains(&channel) { "somewhere".into() } else { String::new() }
                };
                let notification = Some(Notification {
                    email: address(Channel::Email),
                    phone: address(Channel::Phone),
                    push_token: address(Channel::PushToken),
                });
                let (party, role) = (party(number), Role::Delegate);
                let registration = Registration { party: party.clone(), role, notification };
                self.directory.handle_register(now, registration).unwrap();
                self.come_back(&party);
                self.known.insert(party, (channels, now));
            }
            Step::Beat(number) => {
                let party = party(number);
                let beaten = self.directory.handle_sign_of_life(now, &party);
                assert_eq!(beaten.is_ok(), self.known.contains_key(&party), "HB-2");
                if let Some((_, seen)) = self.known.get_mut(&party) {
                    *seen = now;
                    self.come_back(&party);
                }
            }
            Step::Message { party: number, session } => self.message(number, session),
            Step::Take => self.begin(),
            Step::Sent(which) => {
                if let Some((key, number, _)) = self.one_being_tried(which) {
                    self.directory.handle_told(number);
                    self.owed.insert(key, (Owed::Told, 0));
                }
            }
            Step::Failed { which, wait } => {
                if let Some((key, number, failures)) = self.one_being_tried(which) {
                    let again = Millis(now.0 + wait);
                    self.directory.handle_failed(number, again);
                    self.owed.insert(key, (Owed::Since(again), failures + 1));
                }
            }
            Step::Commit(some) => {
                if !self.held.is_empty() {
                    self.commit(some.index(self.held.len()) + 1);
                }
            }
            Step::Refuse => {
                if self.held.iter().all(|(_, record)| !record.is_binding()) {
                    self.refuse();
                }
            }
            // Else it would tell once more what it was not to forget.
            Step::Restart if self.log_lacks => {}
            Step::Restart => self.restart(),
        }
        self.perform();
        self.directory.assert_invariants();
        for number in &self.stale {
            // What is over is no matter, whatever comes of it.
            self.directory.handle_told(*number);
            self.directory.handle_failed(*number, now);
        }
        assert_eq!(self.directory.poll_effect(), None);
    }

    fn come_back(&mut self, who: &PartyId) {
        self.owed.retain(|(party, ..), (owed, _)| {
            if party == who
                && let Owed::BeingTried { number, .. } = owed
            {
                self.stale.push(*number);
            }
            party != who
        });
    }

    fn message(&mut self, number: usize, session: usize) {
        let (party, session) = (party(number), SessionId::parse(&format!("s{session}")).unwrap());
        self.directory.handle_unattended(self.now, &party, &session, &self.channels, MOST);
        let appended = match self.directory.poll_effect() {
            Some(DirectoryEffect::Append { position, record }) => {
                self.held.push((position, record));
                Some(position)
            }
            None => None,
        };
        let told: BTreeSet<_> =
            self.owed.keys().filter(|key| key.0 == party).map(|key| &key.1).collect();
        let (is_told, many) = (told.contains(&session), told.len());
        let Some((channels, seen)) = self.known.get(&party) else {
            return assert_eq!(appended, None);
        };
        let is_away = self.now.since((*seen).max(self.started_at)) > HEARTBEAT_TIMEOUT;
        let left: Vec<_> = channels.intersection(&self.channels).copied().collect();
        let raises = is_away && !left.is_empty() && !is_told && many < MOST;
        assert_eq!(appended.is_some(), raises, "OFF-2, OFF-3, OFF-5");
        for channel in left.into_iter().filter(|_| raises) {
            let key = (party.clone(), session.clone(), channel);
            self.owed.insert(key, (Owed::Uncommitted(appended.unwrap()), 0));
        }
    }

    fn begin(&mut self) {
        let mut begun = BTreeMap::new();
        while let Some(errand) = self.directory.handle_take(self.now, &Channel::ALL.into()) {
            assert_eq!(errand.address, "somewhere");
            let key = (errand.party, errand.session, errand.channel);
            assert!(begun.insert(key, (errand.number, errand.failures)).is_none(), "each once");
        }
        let due = self.owed.iter().filter_map(|(key, (owed, failures))| match owed {
            Owed::Since(at) if *at <= self.now => Some((key.clone(), *failures)),
            _ => None,
        });
        let taken = begun.iter().map(|(key, (_, failures))| (key.clone(), *failures));
        assert!(taken.eq(due), "OFF-2, OFF-4");
        let next = self.owed.values().filter_map(|(owed, _)| match owed {
            Owed::Since(at) if *at > self.now => Some(*at),
            _ => None,
        });
        let polled = Channel::ALL.into_iter().filter_map(|it| self.directory.poll_due(it));
        assert_eq!(polled.min(), next.min());
        for (key, (number, failures)) in begun {
            self.owed.insert(key, (Owed::BeingTried { number, failures }, failures));
        }
    }

    fn one_being_tried(&self, which: Index) -> Option<(Key, u64, u32)> {
        let tried = self.owed.iter().filter_map(|(key, (owed, _))| match owed {
            Owed::BeingTried { number, failures } => Some((key.clone(), *number, *failures)),
            _ => None,
        });
        let tried: Vec<_> = tried.collect();
        (!tried.is_empty()).then(|| tried[which.index(tried.len())].clone())
    }

    fn perform(&mut self) {
        while let Some(DirectoryEffect::Append { position, record }) = self.directory.poll_effect()
        {
            self.held.push((position, record));
        }
    }

    fn commit(&mut self, records: usize) {
        for (position, record) in self.held.drain(..records) {
            self.log.push(record);
            self.directory.handle_committed(position);
            for (owed, _) in self.owed.values_mut() {
                if *owed == Owed::Uncommitted(position) {
                    *owed = Owed::Since(Millis(0));
                }
            }
        }
    }

    /// What was told, and who came back, is known still; what was to be told is written again.
    fn refuse(&mut self) {
        self.log_lacks |= !self.held.is_empty();
        self.held.clear();
        let mut read = self.read();
        read.handle_takeover(&mut self.directory);
        self.directory = read;
        self.perform();
        for (position, record) in &self.held {
            let DirectoryRecord::Notice { party, session, left, .. } = record else {
                panic!("only that is written again: {record:?}")
            };
            for channel in left {
                let key = (party.clone(), session.clone(), *channel);
                let (owed, _) = self.owed.get_mut(&key).expect("OFF-2: no phantom");
                assert!(matches!(owed, Owed::Uncommitted(_)), "{owed:?}");
                *owed = Owed::Uncommitted(*position);
            }
        }
        let uncommitted = self.owed.values().filter_map(|(owed, _)| match owed {
            Owed::Uncommitted(position) => Some(*position),
            _ => None,
        });
        let written: BTreeSet<_> = self.held.iter().map(|(position, _)| *position).collect();
        assert_eq!(uncommitted.collect::<BTreeSet<_>>(), written, "OFF-4: nothing is lost");
    }

    fn restart(&mut self) {
        self.commit(self.held.len());
        let before = self.last_seen();
        self.directory = self.read();
        self.directory.handle_start(self.now);
        let after = self.last_seen();
        assert_eq!(before.len(), after.len(), "DUR-3");
        assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "HB-9");
        self.started_at = self.now;
        self.stale.clear();
        for (owed, failures) in self.owed.values_mut() {
            *failures = 0;
            if let Owed::BeingTried { .. } | Owed::Since(_) = owed {
                *owed = Owed::Since(Millis(0));
            }
        }
    }

    fn last_seen(&self) -> Vec<Millis> {
        let everybody = Filter { role: None, only_online: false };
        self.directory.list(self.now, everybody).map(|party| party.last_seen_at).collect()
    }

    fn read(&self) -> Directory {
        let mut read = Directory::new(HEARTBEAT_TIMEOUT, CROWD);
        self.log.iter().for_each(|record| read.handle_record(record));
        read
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_directory_owes_each_notification_once(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
    }
}

/// A log may hold parties in another order than they came in.
#[test]
fn each_party_was_last_seen_when_its_own_record_says() {
    let mut directory = Directory::new(HEARTBEAT_TIMEOUT, CROWD);
    for (name, at) in [("late", Millis(200)), ("early", Millis(100))] {
        let party = PartyId::parse(name).unwrap();
        let registration = Registration { party, role: Role::Temporary, notification: None };
        let record = DirectoryRecord::Registered { registration, registered_at: at, at };
        directory.handle_record(&record);
    }
    let everybody = Filter { role: None, only_online: false };
    let listed = directory.list(Millis(300), everybody);
    let seen: Vec<_> = listed.map(|party| party.last_seen_at).collect();
    assert_eq!(seen, [Millis(100), Millis(200)]);
}

/// No log tells of heartbeats.
#[test]
fn whoever_was_heard_of_before_a_start_counts_as_heard_of_at_it() {
    let party = PartyId::parse("alice").unwrap();
    let registration = Registration { party, role: Role::Temporary, notification: None };
    let record =
        DirectoryRecord::Registered { registration, registered_at: Millis(100), at: Millis(100) };
    let mut directory = Directory::new(HEARTBEAT_TIMEOUT, CROWD);
    directory.handle_record(&record);
    let start = Millis(1_000_000);
    directory.handle_start(start);
    let everybody = Filter { role: None, only_online: false };
    let alice = |now| {
        let listed = directory.list(now, everybody).next().unwrap();
        (listed.registered_at, listed.last_seen_at, listed.online)
    };
    assert_eq!(alice(start), (Millis(100), start, true));
    let silent = Millis(start.0 + HEARTBEAT_TIMEOUT + 1);
    assert_eq!(alice(silent), (Millis(100), start, false), "HB-6");
}
