//! A world as it goes on: one event after the other.

mod clients;
mod ending;
mod idle;
mod outputs;
mod traffic;
mod weather;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mpc_router::Config;
use mpc_router_proto::v1::{MpcMessage, SessionEvent};

use super::checks::Checks;
use super::dice::Dice;
use super::host::{Host, Key};
use super::outcome::Outcome;
use super::queue::Queue;
use super::scenario::{Scenario, ScenarioError};
use super::trace::{Listener, Trace};
use crate::action::{CallError, Millis, Notice, StreamId, Ticket};
use crate::coordinator::{Agenda, Coordinator, Phase};
use crate::party::{Habits, Party};
use crate::plan::{Cast, Plan};
use crate::record::Record;
use crate::roster::{Enrolment, Roster};
use crate::seed::Seed;
use clients::Client;
use idle::Idle;
use traffic::{Flight, Reading};

/// When each world begins. Unix milliseconds.
const BEGINNING: Millis = 1_800_000_000_000;

/// How often it is looked whether the coordinator is done, and then whether the parties are.
const LOOK_EVERY_MS: [Millis; 2] = [1_000, 100];

/// Who watches a world, and may stop it.
#[derive(Default)]
pub struct Audience<'a> {
    /// Hears each line of the trace, and how long after the beginning that is, in milliseconds.
    pub listener: Option<Listener<'a>>,
    /// Stops the world when it is set.
    pub stop: Option<&'a AtomicBool>,
}

impl std::fmt::Debug for Audience<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audience").finish_non_exhaustive()
    }
}

/// Plays a scenario to its end.
///
/// # Errors
/// If it cannot be played. Whatever goes wrong in it is in the outcome.
pub fn play(scenario: &Scenario) -> Result<Outcome, ScenarioError> {
    play_before(scenario, Audience::default())
}

/// Plays a scenario before an audience.
///
/// # Errors
/// If it cannot be played.
pub fn play_before<'a>(
    scenario: &'a Scenario,
    audience: Audience<'a>,
) -> Result<Outcome, ScenarioError> {
    let world = World::new(scenario, audience)?;
    Ok(world.run())
}

/// Plays a scenario on a router that is not right.
#[cfg(test)]
pub(super) fn play_on(scenario: &Scenario, break_it: impl FnOnce(&mut Host)) -> Outcome {
    let mut world = World::new(scenario, Audience::default()).unwrap();
    break_it(&mut world.host);
    world.run()
}

/// Something that happens.
enum Event {
    /// A request reaches the router.
    Arrives(Key),
    /// An answer reaches its caller.
    Answered(Key),
    /// A caller waits no longer.
    Deadline(Key),
    /// A call was lost, and its caller notices.
    Lost(u16, Ticket),
    /// A request for a stream reaches the router.
    Opens(Key),
    /// Something on a stream reaches its reader.
    Message(Key, Box<MpcMessage>),
    News(Key, Box<SessionEvent>),
    End(Key, Box<CallError>),
    /// A slow reader reads.
    Read(Key),
    /// The router notices that a stream's reader has gone.
    Hangup(Key),
    /// A stream was lost, and its reader notices.
    Broken(u16, StreamId),
    /// A commit of the router's log is done.
    Commit(u64),
    /// Something is due in the router.
    RouterDue,
    /// Something is due for a machine.
    Wake(u16),
    /// An event is brought to a party past the router.
    Brought(u16, Box<SessionEvent>),
    /// A party reads what was brought.
    Mail(u16),
    /// A party tells the coordinator something.
    Notice(Box<Notice>),
    /// A fault begins, or is over.
    Fault(usize),
    Over(usize),
    /// The router is started.
    Start,
    /// A router that stops has ended.
    Down(u64),
    /// Somebody asks for a message's status.
    Probe,
    /// It is looked whether all is done.
    Look,
}

struct World<'a> {
    scenario: &'a Scenario,
    plan: Option<Plan>,
    stop: Option<&'a AtomicBool>,
    now: Millis,
    queue: Queue<Event>,
    trace: Trace<'a>,
    events: u64,
    network: Dice,
    disk: Dice,
    probes: Dice,
    host: Host,
    checks: Checks,
    /// When the router is looked at next.
    due_at: Option<Millis>,
    next_key: Key,
    flights: BTreeMap<Key, Flight>,
    readings: BTreeMap<Key, Reading>,
    /// The messages whose status is asked for.
    asked: BTreeMap<Key, String>,
    clients: Vec<Client>,
    roster: Arc<Roster>,
    parties: Vec<Party>,
    coordinator: Option<Coordinator>,
    agendas: Vec<Agenda>,
    records: Vec<Record>,
    idle: Idle,
    /// How many faults of a kind took effect.
    faults: BTreeMap<&'static str, u32>,
    disk_failures: u64,
    /// When the coordinator last had an answer of the router, and for how long it had none at last.
    coordinator_heard_at: Millis,
    coordinator_silent_for: Millis,
    over_at: Option<Millis>,
    done: bool,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, audience: Audience<'a>) -> Result<Self, ScenarioError> {
        let plan = scenario.plan()?;
        let cast = plan
            .as_ref()
            .map(|plan| plan.cast(|_| habits(plan)).expect("a plan of a scenario was checked"));
        let (roster, parties, coordinator, agendas) = match cast {
            Some(Cast { roster, parties, coordinator, agendas }) => {
                (roster, parties, Some(coordinator), agendas)
            }
            None => {
                let Enrolment { roster, .. } = Roster::enrol(Seed(scenario.seed), "w", 0);
                (Arc::new(roster), Vec::new(), None, Vec::new())
            }
        };
        let config = Config::default();
        let ttl = i64::try_from(config.message_ttl.as_millis()).unwrap_or(i64::MAX);
        let checks = Checks::new(config.max_retries, ttl);
        let clients = (0..=scenario.parties).map(|who| Client::new(who, scenario)).collect();
        let dice = |concern| Dice::new(scenario.seed, concern);
        Ok(Self {
            plan,
            stop: audience.stop,
            now: BEGINNING,
            queue: Queue::new(),
            trace: Trace::new(BEGINNING, audience.listener),
            events: 0,
            network: dice("network"),
            disk: dice("disk"),
            probes: dice("probes"),
            host: Host::new(config),
            checks,
            due_at: None,
            next_key: 1,
            flights: BTreeMap::new(),
            readings: BTreeMap::new(),
            asked: BTreeMap::new(),
            clients,
            roster,
            parties,
            coordinator,
            agendas,
            records: Vec::new(),
            idle: Idle::new(scenario),
            faults: BTreeMap::new(),
            disk_failures: 0,
            coordinator_heard_at: BEGINNING,
            coordinator_silent_for: 0,
            over_at: None,
            done: false,
            scenario,
        })
    }

    fn run(mut self) -> Outcome {
        self.begin();
        let mut stopped = false;
        while !self.done {
            let next = self.queue.first_at();
            if let Some((at, party)) = self.idle.take_turn(next) {
                self.now = at;
                self.idle(party);
            } else {
                let Some((at, event)) = self.queue.pop() else { break };
                self.now = at;
                self.handle(event);
            }
            self.events += 1;
            if self.events.is_multiple_of(1024)
                && self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
            {
                stopped = true;
                break;
            }
        }
        self.finish(stopped)
    }

    fn begin(&mut self) {
        self.start_router();
        for (number, fault) in self.scenario.faults.iter().enumerate() {
            self.queue.push(BEGINNING + fault.begins(), Event::Fault(number));
        }
        for who in 1..=self.parties.len() {
            let who = who as u16;
            let local = self.local(who);
            self.parties[usize::from(who) - 1].handle_start(local);
            self.act(who);
        }
        if self.coordinator.is_some() {
            let local = self.local(0);
            if let Some(coordinator) = &mut self.coordinator {
                coordinator.handle_start(local);
            }
            self.act(0);
            self.queue.push(self.now + 1_000, Event::Probe);
        }
        self.queue.push(self.now + LOOK_EVERY_MS[1], Event::Look);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrives(key) => self.arrives(key),
            Event::Answered(key) => self.answered(key),
            Event::Deadline(key) => self.give_up_waiting(key),
            Event::Lost(who, ticket) => self.lost(who, ticket),
            Event::Opens(key) => self.opens(key),
            Event::Message(key, message) => self.message(key, *message),
            Event::News(key, event) => self.event(key, &event),
            Event::End(key, why) => self.end(key, &why),
            Event::Read(key) => self.read(key),
            Event::Hangup(key) => self.hangup(key),
            Event::Broken(who, id) => self.broken(who, id),
            Event::Commit(run) => self.commit(run),
            Event::RouterDue => self.router_due(),
            Event::Wake(who) => self.wake(who),
            Event::Brought(who, event) => self.brought(who, *event),
            Event::Mail(who) => self.read_mail(who),
            Event::Notice(notice) => self.notice(*notice),
            Event::Fault(number) => self.fault(number),
            Event::Over(number) => self.fault_over(number),
            Event::Start => self.start_router(),
            Event::Down(run) => self.router_ended(run),
            Event::Probe => self.probe(),
            Event::Look => self.look(),
        }
    }

    /// The router's machine sees what time it is.
    fn tell_time(&mut self) {
        self.host.handle_time(self.now);
    }

    fn router_due(&mut self) {
        if self.due_at == Some(self.now) {
            self.due_at = None;
            self.tell_time();
            self.drain();
        }
    }

    fn commit(&mut self, run: u64) {
        if self.host.run() != run {
            return;
        }
        self.tell_time();
        if let Some(log) = self.host.log().cloned() {
            log.finish_commit();
        }
        self.drain();
    }

    fn key(&mut self) -> Key {
        let key = self.next_key;
        self.next_key += 1;
        key
    }

    /// When all ends that lasts a given time.
    fn lasts_until(&self) -> Millis {
        let hours = Millis::from(self.scenario.hours) * 3_600_000;
        BEGINNING + hours.max(self.scenario.heals())
    }

    /// Looks whether all is done.
    fn look(&mut self) {
        let phase = self.coordinator.as_ref().map_or(Phase::Over, Coordinator::phase);
        if phase == Phase::Over {
            self.over_at.get_or_insert(self.now);
        }
        if self.is_over() {
            self.done = true;
        } else {
            let [seldom, often] = LOOK_EVERY_MS;
            let after = if self.over_at.is_some() { often } else { seldom };
            self.queue.push(self.now + after, Event::Look);
        }
    }
}

/// The parties' habits: where a ceremony may take hours, they poll less often.
fn habits(plan: &Plan) -> Habits {
    let deadline = plan.deadline.as_millis() as Millis;
    let poll_every = (deadline / 10_000).clamp(100, 10_000);
    Habits { poll_every, ..Habits::default() }
}
