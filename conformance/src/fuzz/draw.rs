//! Draws programs. Each has a character of its own: which acts there are at all, and how often, is
//! drawn anew for each ("swarm testing": Groce et al., ISSTA 2012), since what some acts hide shows
//! only where they are missing.

mod character;
mod dice;

use rand_core::RngCore;

use self::character::Character;
use self::dice::Dice;
use super::names::Naming;
use super::program::{Act, Event, FULL, Program, Step};
use super::wrong::Wrong;
use crate::requirement::Capability;

/// What may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// At most so many parties. At least two.
    pub parties: u8,
    /// At most so many sessions. At least one.
    pub sessions: u8,
    /// So many steps.
    pub operations: usize,
    /// What the target offers.
    pub offers: Offers,
    /// The target's timers that programs wait for.
    pub timers: Waits,
    /// Whether they seldom wait for them: where time passes by itself, most programs are to be quick.
    pub hurried: bool,
    /// How long payloads may be, beside what tells them from others. Bytes.
    pub bytes: u32,
}

/// What programs may ask of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// Streams and polls of all sessions of a party.
    pub wildcard: bool,
    /// Keys that make it safe to try again.
    pub keys: bool,
    /// That it can be stopped, killed and started again.
    pub power: bool,
    /// That parties may have any names.
    pub names: bool,
    /// That certificates tell who calls.
    pub secure: bool,
}

/// How long programs may wait. Milliseconds; 0 for not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// The target's `ack_timeout`.
    pub ack_timeout: u32,
    /// The target's `heartbeat_timeout`.
    pub heartbeat_timeout: u32,
    /// The target's `message_ttl`.
    pub message_ttl: u32,
}

/// The kinds of act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Register,
    Heartbeat,
    List,
    Publish,
    Route,
    RouteAgain,
    Subscribe,
    Cancel,
    Poll,
    Acknowledge,
    AcknowledgeAll,
    Status,
    Listen,
    StopListening,
    Disconnect,
    Wait,
    Restart,
    Kill,
    Wrong,
}

/// Draws a program.
pub fn draw(random: &mut impl RngCore, bounds: &Bounds) -> Program {
    let mut dice = Dice(random);
    let few = bounds.parties.clamp(2, FEW);
    let parties = match bounds.parties > FEW && dice.percent(3) {
        true => bounds.parties,
        false => 2 + dice.below(u32::from(few) - 1) as u8,
    };
    let count = 1 + dice.below(u32::from(bounds.sessions.max(1)));
    let mut sessions = Vec::new();
    for _ in 0..count {
        // Most of the time everybody is in it: what goes to nobody finds nothing.
        let all: Vec<u8> = match dice.percent(75) {
            true => (0..parties).collect(),
            false => dice.some_of(parties),
        };
        sessions.push(all);
    }
    let character = Character::draw(&mut dice, bounds);
    let mut drawing = Drawing {
        parties,
        sessions: sessions.clone(),
        routed: Vec::new(),
        units: 0,
        messages: 0,
        payloads: 0,
        streams: Vec::new(),
        opened: 0,
        listeners: Vec::new(),
        listened: 0,
        notices: count,
        asleep: None,
        bounds,
        character: &character,
        dice,
    };
    let mut steps = Vec::with_capacity(bounds.operations);
    // Somebody is away for half of the time, and nobody does anything in its name.
    let sleeper = drawing.dice.percent(character.sleepers).then(|| drawing.party());
    let away = bounds.operations / 5..bounds.operations / 10 * 7;
    if let Some(party) = sleeper {
        let channel = 1 + drawing.dice.below(4) as u8;
        steps.push(Step::plain(Act::Register { party, channel }));
    }
    while steps.len() < bounds.operations {
        if steps.len() == away.start && sleeper.is_some() && drawing.asleep.is_none() {
            steps.push(Step::plain(Act::Wait { ms: tenths(bounds.timers.heartbeat_timeout, 18) }));
        }
        drawing.asleep = sleeper.filter(|_| away.contains(&steps.len()));
        let Some(act) = drawing.act() else { continue };
        let together = !steps.is_empty() && drawing.dice.percent(character.together);
        let unheard = drawing.dice.percent(character.unheard);
        steps.push(Step { together, unheard, act });
    }
    let naming = match bounds.offers.names && drawing.dice.percent(25) {
        true => drawing.dice.one_of(&Naming::ALL),
        false => Naming::Plain,
    };
    let odd_labels = drawing.dice.percent(15);
    let late = match drawing.dice.percent(10) {
        true => vec![(parties - 1)],
        false => Vec::new(),
    };
    Program { parties, sessions, late, naming, odd_labels, steps }
}

/// What a program holds so far.
struct Drawing<'b, 'r, R> {
    parties: u8,
    sessions: Vec<Vec<u8>>,
    /// Units, with their sessions, senders and recipients, and whether they have a key.
    routed: Vec<Routed>,
    units: u32,
    messages: u32,
    payloads: u32,
    streams: Vec<u32>,
    opened: u32,
    listeners: Vec<u32>,
    listened: u32,
    notices: u32,
    /// Who is away.
    asleep: Option<u8>,
    bounds: &'b Bounds,
    character: &'b Character,
    dice: Dice<'r, R>,
}

#[derive(Clone)]
struct Routed {
    unit: u32,
    count: u16,
    to: Vec<u8>,
    keyed: bool,
}

/// Most programs have no more parties than this.
const FEW: u8 = 4;

/// More messages than this are in no program, and no longer payloads in all. Bytes.
const MESSAGES: u32 = 700;
const PAYLOADS: u32 = 1_500_000;

impl<R: RngCore> Drawing<'_, '_, R> {
    fn act(&mut self) -> Option<Act> {
        Some(match self.dice.weighted(&self.character.weights) {
            Kind::Register => Act::Register {
                party: self.party(),
                channel: self.dice.one_of(&[0, 0, 1, 2, 3, 4]),
            },
            Kind::Heartbeat => Act::Heartbeat {
                party: self.party(),
                ahead: self.dice.one_of(&[0, 0, 0, 0, -600, 600]),
            },
            Kind::List => Act::List {
                only_online: self.dice.percent(40),
                role: self.dice.one_of(&[None, None, Some(0), Some(1), Some(2)]),
                by: self.dice.percent(30).then(|| self.party()),
            },
            Kind::Wrong => self.wrong()?,
            Kind::Publish => self.publish(),
            Kind::Route => self.route(),
            Kind::RouteAgain => {
                let keyed: Vec<_> = self.routed.iter().filter(|it| it.keyed).collect();
                if keyed.is_empty() {
                    return None;
                }
                Act::RouteAgain { unit: keyed[self.dice.below(keyed.len() as u32) as usize].unit }
            }
            Kind::Subscribe => {
                let stream = self.opened;
                self.opened += 1;
                self.streams.push(stream);
                let session = self.of_session();
                Act::Subscribe { stream, party: self.member(session), session }
            }
            Kind::Cancel => Act::Cancel { stream: self.dice.take(&mut self.streams)? },
            Kind::Poll => {
                let session = self.of_session();
                let party = self.member(session);
                Act::Poll { party, session, newer: self.dice.percent(20) }
            }
            Kind::Acknowledge => {
                let (unit, party) = self.delivery()?;
                let session = self.dice.percent(self.character.mistakes).then(|| self.session());
                let success = !self.dice.percent(self.character.useless);
                Act::Acknowledge { party, unit, session, success }
            }
            Kind::AcknowledgeAll => {
                let session = self.session();
                Act::AcknowledgeAll { party: self.member(Some(session)), session }
            }
            Kind::Status => {
                let (unit, _) = self.delivery()?;
                let session = self.dice.percent(self.character.mistakes).then(|| self.session());
                Act::Status { unit, session }
            }
            Kind::Listen => {
                let listener = self.listened;
                self.listened += 1;
                self.listeners.push(listener);
                let only = match self.dice.below(3) {
                    0 => self.dice.two_of(&Event::ALL),
                    _ => Vec::new(),
                };
                Act::Listen { listener, party: self.party(), only }
            }
            Kind::StopListening => {
                Act::StopListening { listener: self.dice.take(&mut self.listeners)? }
            }
            Kind::Disconnect => Act::Disconnect { party: self.party() },
            Kind::Wait => Act::Wait { ms: self.wait() },
            Kind::Restart => Act::Restart,
            Kind::Kill => Act::Kill,
        })
    }

    /// A party that is not away.
    fn party(&mut self) -> u8 {
        let party = self.dice.below(u32::from(self.parties)) as u8;
        self.awake(party)
    }

    /// This party, or the next one if it is away.
    fn awake(&self, party: u8) -> u8 {
        if self.asleep == Some(party) { (party + 1) % self.parties } else { party }
    }

    fn session(&mut self) -> u8 {
        self.dice.below(self.sessions.len() as u32) as u8
    }

    /// A session, or all of them where that is offered.
    fn of_session(&mut self) -> Option<u8> {
        let all = self.bounds.offers.wildcard && self.dice.percent(20);
        (!all).then(|| self.session())
    }

    /// A member of a session; by mistake anybody.
    fn member(&mut self, session: Option<u8>) -> u8 {
        let members = session.and_then(|it| self.sessions.get(usize::from(it)));
        let mistaken = self.dice.percent(self.character.mistakes);
        match members {
            Some(members) if !members.is_empty() && !mistaken => {
                let member = members[self.dice.below(members.len() as u32) as usize];
                self.awake(member)
            }
            _ => self.party(),
        }
    }

    /// A unit and one of its recipients; by mistake anybody. Rather a late one than an early one.
    fn delivery(&mut self) -> Option<(u32, u8)> {
        let among = self.routed.len() as u32;
        if among == 0 {
            return None;
        }
        let back = self.dice.below(among).min(self.dice.below(among));
        let routed = &self.routed[(among - 1 - back) as usize];
        let (unit, count) = (routed.unit, u32::from(routed.count));
        let to = routed.to.clone();
        let unit = unit + self.dice.below(count);
        let mistaken = to.is_empty() || self.dice.percent(self.character.mistakes);
        let party =
            if mistaken { self.party() } else { to[self.dice.below(to.len() as u32) as usize] };
        Some((unit, self.awake(party)))
    }

    fn route(&mut self) -> Act {
        let character = self.character;
        let session = self.session();
        let sender = self.member(Some(session));
        let members = self.sessions[usize::from(session)].clone();
        let others: Vec<u8> = members.iter().copied().filter(|it| *it != sender).collect();
        let for_all = others.is_empty() || self.dice.percent(character.broadcasts);
        let mut to = Vec::new();
        if !for_all {
            let many = 1 + self.dice.below(others.len() as u32).min(self.dice.below(3));
            for _ in 0..many {
                // Somebody may be named twice (RTE-6).
                to.push(others[self.dice.below(others.len() as u32) as usize]);
            }
            if self.dice.percent(character.mistakes) {
                to.push(self.party());
            }
        }
        let bytes = if character.bytes == 0 { 0 } else { self.dice.below(character.bytes + 1) };
        let is_burst = self.dice.percent(character.bursts);
        let count = if is_burst { character.burst } else { 1 };
        let left = MESSAGES.saturating_sub(self.messages).max(1);
        let room = PAYLOADS.saturating_sub(self.payloads);
        let bytes = bytes.min(room / 4);
        let count = u32::from(count).min(left).min(room / (bytes + 100)).max(1) as u16;
        let is_full = count == 1 && character.full && self.dice.percent(3);
        self.payloads += match is_full {
            true => self.bounds.bytes,
            false => u32::from(count) * bytes,
        };
        let bytes = if is_full { FULL } else { bytes };
        let keyed = self.bounds.offers.keys && count == 1 && self.dice.percent(20);
        let unit = self.units;
        self.units += u32::from(count);
        self.messages += u32::from(count);
        let recipients = if for_all { others } else { to.clone() };
        self.routed.push(Routed { unit, count, to: recipients, keyed });
        Act::Route { unit, count, session, sender, to, bytes, keyed }
    }

    fn wrong(&mut self) -> Option<Act> {
        let what = self.dice.one_of(Wrong::ALL);
        if what.needs() == Capability::Secure && !self.bounds.offers.secure {
            return None;
        }
        if what.needs() == Capability::Idempotency && !self.bounds.offers.keys {
            return None;
        }
        if what == Wrong::RouteTooLarge && !self.dice.percent(20) {
            // It takes long to send.
            return None;
        }
        let session = self.session();
        let party = self.member(Some(session));
        let (unit, party) = match what.is_about_a_message() {
            true => self.delivery()?,
            false => (0, party),
        };
        Some(Act::Wrong { what, party, session, unit })
    }

    fn publish(&mut self) -> Act {
        let notice = self.notices;
        self.notices += 1;
        let session = self.session();
        let event = match self.dice.below(20) {
            0 => Event::Completed,
            1 => Event::Failed,
            2..5 => Event::Created,
            5..9 => Event::Started,
            9..13 => Event::Longer,
            _ => Event::Other,
        };
        let members = self.sessions[usize::from(session)].clone();
        let selected = match self.dice.below(4) {
            0 => Vec::new(),
            1 => self.dice.some_of(self.parties),
            _ => members,
        };
        if matches!(event, Event::Created | Event::Started) && !selected.is_empty() {
            self.sessions[usize::from(session)].clone_from(&selected);
        }
        let expires_in = match self.character.expiring && self.dice.percent(30) {
            true => self.dice.one_of(&[300, 2_000, 60_000]),
            false => 0,
        };
        Act::Publish { notice, session, event, selected, expires_in }
    }

    fn wait(&mut self) -> u32 {
        let Waits { ack_timeout, heartbeat_timeout, message_ttl } = self.bounds.timers;
        if !self.dice.percent(self.character.timers) {
            return 1 + self.dice.below(20);
        }
        match self.dice.below(8) {
            0..3 if ack_timeout > 0 => tenths(ack_timeout, self.dice.one_of(&[1, 6, 12, 13, 25])),
            3..6 if heartbeat_timeout > 0 => {
                tenths(heartbeat_timeout, self.dice.one_of(&[5, 8, 18]))
            }
            6 if message_ttl > 0 => tenths(message_ttl, self.dice.one_of(&[4, 8, 17])),
            _ => 1 + self.dice.below(20),
        }
    }
}

/// So many tenths of a time.
fn tenths(time: u32, tenths: u32) -> u32 {
    u32::try_from(u64::from(time) * u64::from(tenths) / 10).unwrap_or(u32::MAX)
}
