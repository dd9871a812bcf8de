//! Parties that are there and have nothing to do: heartbeats, and a stream that is open.

use std::collections::{BTreeMap, VecDeque};

use mpc_router_proto::v1::{HeartbeatRequest, RegisterPartyRequest};
use tonic::{Code, Status};

use super::{BEGINNING, World};
use crate::action::{Call, Millis, Stream};
use crate::world::call::{Answer, Ask};
use crate::world::host::Key;
use crate::world::scenario::Scenario;

/// How often an idle party sends a heartbeat.
const BEAT_EVERY_MS: Millis = 10_000;

/// The idle parties.
#[derive(Debug)]
pub(super) struct Idle {
    parties: Vec<IdleParty>,
    /// Whose turn is when. All come again after the same time, so that no queue has to be sorted.
    turns: VecDeque<(Millis, u32)>,
    until: Millis,
    /// Calls under way, and the newest time that anybody was told when they began.
    calls: BTreeMap<Key, (u32, i64)>,
    /// The call that was just made: most are answered at once.
    newest: Option<(Key, u32, i64)>,
    pub(super) beats: u64,
}

#[derive(Debug)]
struct IdleParty {
    id: String,
    registered: bool,
    /// Its stream is open.
    listens: bool,
}

impl Idle {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let party = |number| {
            let id = format!("idle-{:06}", number + 1);
            IdleParty { id, registered: false, listens: false }
        };
        // Spread evenly over the time between two heartbeats.
        let count = u64::from(scenario.idle_parties);
        let first = |number| BEGINNING + u64::from(number) * BEAT_EVERY_MS / count.max(1);
        Self {
            turns: (0..scenario.idle_parties).map(|number| (first(number), number)).collect(),
            parties: (0..scenario.idle_parties).map(party).collect(),
            until: BEGINNING + Millis::from(scenario.hours) * 3_600_000,
            calls: BTreeMap::new(),
            newest: None,
            beats: 0,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.parties.len() as u32
    }

    /// Whose turn is next, if that is before something else happens at `next`.
    pub(super) fn take_turn(&mut self, next: Option<Millis>) -> Option<(Millis, u32)> {
        self.turns.pop_front_if(|(at, _)| next.is_none_or(|next| *at < next))
    }

    /// How many registered, and whose last heartbeat was answered.
    pub(super) fn there(&self) -> usize {
        self.parties.iter().filter(|party| party.registered).count()
    }

    /// All that was under way is lost.
    pub(super) fn handle_router_gone(&mut self) {
        self.calls.clear();
        self.parties.iter_mut().for_each(|party| party.listens = false);
    }
}

impl World<'_> {
    /// An idle party registers, opens its stream, or sends a heartbeat, and comes again later.
    pub(super) fn idle(&mut self, number: u32) {
        let next = self.now + BEAT_EVERY_MS;
        if next <= self.idle.until {
            self.idle.turns.push_back((next, number));
        }
        if !self.host.is_up() {
            return;
        }
        self.tell_time();
        let Some(party) = self.idle.parties.get_mut(number as usize) else { return };
        let registers = !party.registered;
        let listens = std::mem::replace(&mut party.listens, party.registered) || registers;
        let id = party.id.clone();
        if !listens {
            let key = self.key();
            self.host.begin(key, Ask::Open(Stream::Events { party: id.clone() }));
        }
        let key = self.key();
        let floor = self.checks.lives().newest_beat();
        self.idle.newest = Some((key, number, floor));
        let call = if registers {
            let party_role = "persistent".into();
            Call::Register(RegisterPartyRequest { party_id: id, party_role, ..Default::default() })
        } else {
            let timestamp = i64::try_from(self.now).unwrap_or(i64::MAX);
            Call::Heartbeat(HeartbeatRequest { party_id: id, timestamp })
        };
        self.host.begin(key, Ask::Call(call));
        self.drain();
        if let Some((key, number, floor)) = self.idle.newest.take() {
            self.idle.calls.insert(key, (number, floor));
        }
    }

    /// The router answers an idle party.
    pub(super) fn answers_idle(&mut self, key: Key, answer: Result<Answer, Status>) {
        let newest = self.idle.newest.take_if(|(newest, ..)| *newest == key);
        let newest = newest.map(|(_, number, floor)| (number, floor));
        let Some((number, floor)) = newest.or_else(|| self.idle.calls.remove(&key)) else { return };
        let Some(party) = self.idle.parties.get_mut(number as usize) else { return };
        match answer {
            Ok(Answer::Beat(beat)) => {
                let told = beat.server_timestamp;
                self.idle.beats += 1;
                self.trace.idle(number, told.unsigned_abs());
                if told < floor {
                    let id = party.id.clone();
                    return self.checks.lives().handle_beat_after(floor, &id, told);
                }
                self.checks.lives().handle_beat_after(floor, "", told);
            }
            Ok(_) => party.registered = true,
            Err(status) if status.code() == Code::NotFound => {
                let what = format!("{} is registered, and not known (DUR-3)", party.id);
                self.checks.found("directory", what);
            }
            // It comes again.
            Err(_) => {}
        }
    }
}
