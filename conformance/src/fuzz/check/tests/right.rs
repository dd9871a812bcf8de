//! Histories of a right router: each call happens at one moment between its begin and its end.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use crate::fuzz::history::*;
use crate::fuzz::model::Rules;

pub(super) const PARTIES: u32 = 4;
pub(super) const SESSIONS: u32 = 2;

pub(super) const RULES: Rules = Rules {
    heartbeat_timeout: 4_000,
    ack_timeout: 600,
    redelivers: true,
    max_retries: 1_000,
    message_ttl: 1_000_000,
    expires: true,
    slack: 60,
    early: 0,
    is_alone: true,
    membership: true,
    replays_events: true,
    notifies: true,
    has_keys: true,
    secure: false,
    clock_tolerance: 0,
};

/// A delivery.
struct Waiting {
    unit: Unit,
    party: Party,
    phase: Phase,
    delivered_at: i64,
    retries: i32,
}

/// A message that there is.
struct Kept {
    message: Message,
    created_at: i64,
    /// Whether some client knows its `message_id`.
    known: bool,
}

/// An open stream: what it has sent, when last.
struct Open {
    number: usize,
    party: Party,
    session: Option<Session>,
    sent: BTreeMap<Unit, Moment>,
}

struct World {
    random: ChaCha20Rng,
    now: Moment,
    history: History,
    registered: Vec<Option<Moment>>,
    heard: Vec<Moment>,
    members: Vec<Vec<Party>>,
    ended: Vec<bool>,
    kept: BTreeMap<Unit, Kept>,
    boxes: Vec<Waiting>,
    open: Vec<Open>,
    listening: Vec<(usize, Party)>,
}

/// A right history of so many calls.
pub(super) fn right(seed: u64, calls: usize) -> History {
    let history = History { parties: PARTIES, sessions: SESSIONS, ..History::default() };
    let mut world = World {
        random: ChaCha20Rng::seed_from_u64(seed),
        now: 10_000,
        history,
        registered: vec![None; PARTIES as usize],
        heard: vec![0; PARTIES as usize],
        members: vec![Vec::new(); SESSIONS as usize],
        ended: vec![false; SESSIONS as usize],
        kept: BTreeMap::new(),
        boxes: Vec::new(),
        open: Vec::new(),
        listening: Vec::new(),
    };
    for party in 0..PARTIES {
        world.register(Party(party));
    }
    for session in 0..SESSIONS {
        let all = (0..PARTIES).map(Party).collect();
        world.publish(Session(session), Kind::Begins, all, true);
    }
    for _ in 0..calls {
        world.step();
    }
    world.drain();
    world.history
}

impl World {
    fn below(&mut self, limit: u32) -> u32 {
        self.random.next_u32() % limit
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    fn party(&mut self) -> Party {
        Party(self.below(PARTIES))
    }

    fn session(&mut self) -> Session {
        Session(self.below(SESSIONS))
    }

    fn ms(&self) -> i64 {
        (self.now / 100) as i64
    }

    /// Lets time pass; what is due again is sent again.
    fn pass(&mut self) {
        let until = self.now + 10 + Moment::from(self.below(30));
        let timeout = RULES.ack_timeout;
        for place in 0..self.open.len() {
            let open = &self.open[place];
            let (party, number) = (open.party, open.number);
            let due: Vec<_> =
                open.sent.iter().filter(|it| it.1 + timeout <= until).map(|it| *it.0).collect();
            for unit in due {
                let over = |it: &&mut Waiting| it.unit == unit && it.party == party;
                let Some(own) = self.boxes.iter_mut().find(over) else { continue };
                if own.phase >= Phase::Acknowledged {
                    continue;
                }
                own.retries += 1;
                let at = self.open[place].sent[&unit] + timeout;
                self.open[place].sent.insert(unit, at);
                self.item(number, unit, at + 1);
            }
        }
        self.history.items.sort_by_key(|it| it.at);
        self.now = until;
    }

    /// A call that happens now.
    fn call(&mut self, asked: Asked, got: Got) {
        let begun = self.now - 1 - Moment::from(self.below(9));
        let ended = self.now + 1 + Moment::from(self.below(9));
        self.history.calls.push(Call { begun, ended, asked, got });
    }

    fn answered(&mut self, answer: Answer) -> Got {
        // The reply may be lost.
        if self.chance(4) { Got::Unknown } else { Got::Done(answer) }
    }

    fn register(&mut self, party: Party) {
        self.pass();
        self.registered[party.index()].get_or_insert(self.now);
        self.heard[party.index()] = self.now;
        self.call(Asked::Register(party, 0), Got::Done(Answer::Registered(1)));
    }

    fn publish(&mut self, session: Session, kind: Kind, selected: Vec<Party>, surely: bool) {
        self.pass();
        let notice = Notice(self.history.notices.len() as u32);
        if !self.ended[session.index()] {
            if kind == Kind::Begins && !selected.is_empty() {
                self.members[session.index()] = selected.clone();
            }
            self.ended[session.index()] = kind == Kind::Ends;
        }
        let mut parties = Vec::new();
        for (number, party) in self.listening.clone() {
            if selected.is_empty() || selected.contains(&party) {
                parties.push(party);
                let listener = Listener(number as u32);
                let (at, notice) = (self.now + 2, Some(notice));
                self.history.heard.push(Heard {
                    listener,
                    at,
                    notice,
                    whole: true,
                    has_others_tokens: false,
                });
            }
        }
        parties.sort_unstable();
        parties.dedup();
        self.history.notices.push(Published { session, kind, event: 1, selected, expires: None });
        let answer = Answer::Published(parties.len() as i64);
        let got = if surely { Got::Done(answer) } else { self.answered(answer) };
        self.call(Asked::Publish(notice), got);
    }

    fn item(&mut self, stream: usize, unit: Unit, at: Moment) {
        let seen = self.seen(unit);
        let stream = Stream(stream as u32);
        let opened = &mut self.history.streams[stream.index()];
        opened.alive = opened.alive.min(at);
        self.history.items.push(Item { stream, at, seen });
    }

    fn seen(&mut self, unit: Unit) -> Seen {
        let kept = self.kept.get_mut(&unit).expect("it is there");
        kept.known = true;
        Seen {
            message: kept.message,
            session: self.history.units[unit.index()].session,
            unit: Some(unit),
            whole: true,
            created_at: kept.created_at,
        }
    }

    /// Hands a delivery out on a stream.
    fn send(&mut self, place: usize, which: usize) {
        let (unit, party) = (self.boxes[which].unit, self.boxes[which].party);
        let ms = self.ms();
        let own = &mut self.boxes[which];
        if own.phase == Phase::Pending {
            (own.phase, own.delivered_at) = (Phase::Delivered, ms);
        }
        assert_eq!(self.open[place].party, party);
        let (number, now) = (self.open[place].number, self.now);
        self.open[place].sent.insert(unit, now);
        self.item(number, unit, now + 1);
    }

    fn step(&mut self) {
        self.pass();
        match self.below(100) {
            0..30 => self.route(),
            30..42 => self.poll(),
            42..52 => self.subscribe(),
            52..56 => self.unsubscribe(),
            56..76 => self.acknowledge(),
            76..84 => self.status(),
            84..92 => self.heartbeat(),
            92..95 => self.list(),
            95..97 => self.listen(),
            97..98 => {
                let (session, party) = (self.session(), self.party());
                let parties = (0..PARTIES).map(Party).filter(|it| *it != party).collect();
                self.publish(session, Kind::Begins, parties, false);
            }
            98..99 => {
                let session = self.session();
                self.publish(session, Kind::Other, Vec::new(), false);
            }
            _ => {
                let party = self.party();
                self.register(party);
            }
        }
    }

    fn route(&mut self) {
        let (session, sender) = (self.session(), self.party());
        let mut to = Vec::new();
        if self.chance(60) {
            for number in 0..PARTIES {
                if Party(number) != sender && self.chance(40) {
                    to.push(Party(number));
                }
            }
        }
        let unit = Unit(self.history.units.len() as u32);
        self.history.units.push(Routed { session, sender, to: to.clone(), bytes: 0 });
        let members = self.members[session.index()].clone();
        let is_right = members.contains(&sender)
            && to.iter().all(|it| members.contains(it))
            && !self.ended[session.index()];
        // The call may never have arrived.
        if !is_right || self.chance(3) {
            let got = if is_right { Got::Unknown } else { Got::Refused };
            self.call(Asked::Route(unit), got);
            return;
        }
        let members = members.into_iter().filter(|it| *it != sender).collect();
        let to: Vec<_> = if to.is_empty() { members } else { to };
        let message = Message(self.history.messages);
        self.history.messages += 1;
        let created_at = self.ms();
        self.kept.insert(unit, Kept { message, created_at, known: false });
        for party in to {
            let (phase, delivered_at, retries) = (Phase::Pending, 0, 0);
            self.boxes.push(Waiting { unit, party, phase, delivered_at, retries });
            for place in 0..self.open.len() {
                let open = &self.open[place];
                if open.party == party && open.session.is_none_or(|it| it == session) {
                    self.send(place, self.boxes.len() - 1);
                }
            }
        }
        let got = self.answered(Answer::Routed(message));
        self.kept.get_mut(&unit).expect("it was put in").known |= got != Got::Unknown;
        self.call(Asked::Route(unit), got);
    }

    /// The outstanding deliveries of a party.
    fn outstanding(&self, party: Party, session: Option<Session>) -> Vec<usize> {
        let is_own = |it: &Waiting| {
            let own = self.history.units[it.unit.index()].session;
            it.party == party
                && it.phase < Phase::Acknowledged
                && session.is_none_or(|session| session == own)
        };
        (0..self.boxes.len()).filter(|place| is_own(&self.boxes[*place])).collect()
    }

    fn poll(&mut self) {
        let party = self.party();
        let session = if self.chance(20) { None } else { Some(self.session()) };
        self.poll_of(party, session);
    }

    fn poll_of(&mut self, party: Party, session: Option<Session>) {
        let ms = self.ms();
        let mut listed = Vec::new();
        for place in self.outstanding(party, session) {
            let own = &mut self.boxes[place];
            if own.phase == Phase::Pending {
                (own.phase, own.delivered_at) = (Phase::Delivered, ms);
            }
            let unit = own.unit;
            listed.push(self.seen(unit));
        }
        self.call(Asked::Poll(party, session, 0), Got::Done(Answer::Polled(listed)));
    }

    fn subscribe(&mut self) {
        let party = self.party();
        let session = if self.chance(20) { None } else { Some(self.session()) };
        let number = self.history.streams.len();
        self.history.streams.push(Opened {
            party,
            session,
            begun: self.now - 2,
            alive: self.now + 2,
            sound: NEVER,
            over: NEVER,
            end: End::Ours,
        });
        self.open.push(Open { number, party, session, sent: BTreeMap::new() });
        for which in self.outstanding(party, session) {
            self.send(self.open.len() - 1, which);
        }
    }

    fn unsubscribe(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let place = self.below(self.open.len() as u32) as usize;
        let open = self.open.swap_remove(place);
        let stream = &mut self.history.streams[open.number];
        (stream.sound, stream.over) = (self.now, self.now);
    }

    fn acknowledge(&mut self) {
        let party = self.party();
        let mut outstanding = self.outstanding(party, None);
        outstanding.retain(|place| self.kept[&self.boxes[*place].unit].known);
        if outstanding.is_empty() {
            return;
        }
        let place = outstanding[self.below(outstanding.len() as u32) as usize];
        let success = !self.chance(10);
        let own = &mut self.boxes[place];
        own.phase = if success { Phase::Acknowledged } else { Phase::Failed };
        let (message, unit) = (self.kept[&own.unit].message, own.unit);
        let session = self.history.units[unit.index()].session;
        let asked = Asked::Acknowledge { party, session, message, success };
        let got = self.answered(Answer::Accepted);
        self.call(asked.clone(), got);
        if self.chance(20) {
            self.pass();
            self.call(asked, Got::Done(Answer::Accepted));
        } else if self.chance(20) {
            self.pass();
            let contrary = Asked::Acknowledge { party, session, message, success: !success };
            self.call(contrary, Got::Refused);
        }
    }

    fn status(&mut self) {
        let known: Vec<_> = self.kept.iter().filter(|it| it.1.known).map(|it| *it.0).collect();
        if known.is_empty() {
            return;
        }
        let unit = &known[self.below(known.len() as u32) as usize];
        let kept = &self.kept[unit];
        let asked = Asked::Status(self.history.units[unit.index()].session, kept.message);
        let own = self.boxes.iter().filter(|it| it.unit == *unit);
        let deliveries: Vec<_> = own
            .map(|it| Standing {
                party: it.party,
                phase: it.phase,
                delivered_at: it.delivered_at,
                acknowledged_at: match it.phase {
                    Phase::Acknowledged => it.delivered_at + 1,
                    _ => 0,
                },
                retries: it.retries,
            })
            .collect();
        let all_acknowledged = deliveries.iter().all(|it| it.phase == Phase::Acknowledged);
        self.call(asked, Got::Done(Answer::Status { deliveries, all_acknowledged }));
    }

    fn heartbeat(&mut self) {
        let party = self.party();
        self.heard[party.index()] = self.now;
        let pending = self.outstanding(party, None).len() as i64;
        let got = Got::Done(Answer::Heartbeat { server_ms: self.ms(), pending });
        self.call(Asked::Heartbeat(party), got);
    }

    fn list(&mut self) {
        let entries = (0..PARTIES).map(Party).filter(|it| self.registered[it.index()].is_some());
        let online = |party: Party| self.heard[party.index()] + RULES.heartbeat_timeout > self.now;
        let entries: Vec<_> = entries
            .map(|party| Entry {
                party,
                online: online(party),
                last_seen_at: (self.heard[party.index()] / 100) as i64,
                registered_at: 1,
                role: Some(party.role()),
                channel: Some(0),
            })
            .collect();
        let all = entries.len() as i64;
        let listing = Listing { entries, nobodies: 0, all, total: all };
        let asked = Asked::List { only_online: false, role: None, by: None };
        self.call(asked, Got::Done(Answer::Listed(listing)));
    }

    fn listen(&mut self) {
        let party = self.party();
        let (begun, alive) = (self.now - 2, self.now + 2);
        self.listening.push((self.history.listeners.len(), party));
        let listener = Listener(self.history.listeners.len() as u32);
        self.history.listeners.push(Listening {
            party,
            only: 0,
            begun,
            alive,
            sound: NEVER,
            over: NEVER,
        });
        for (number, published) in (0..).zip(&self.history.notices) {
            let is_over = self.ended[published.session.index()];
            if published.selected.contains(&party) && !is_over {
                let notice = Some(Notice(number));
                self.history.heard.push(Heard {
                    listener,
                    at: alive,
                    notice,
                    whole: true,
                    has_others_tokens: false,
                });
            }
        }
    }

    fn drain(&mut self) {
        self.pass();
        self.now += 2_000;
        self.history.drain = self.now;
        for open in self.open.drain(..) {
            let stream = &mut self.history.streams[open.number];
            // What was due again meanwhile did not come: nobody looked.
            stream.sound = stream.sound.min(self.now - 2_000);
        }
        for party in 0..PARTIES {
            for session in 0..SESSIONS {
                self.pass();
                self.poll_of(Party(party), Some(Session(session)));
            }
        }
        for listener in &mut self.history.listeners {
            listener.sound = self.now;
        }
        self.history.calls.sort_by_key(|it| it.begun);
        self.history.items.sort_by_key(|it| it.at);
    }
}
