//! A world for tests: virtual time, and a router small enough to be read at a glance, whose
//! deliveries come in an order that a seed gives, and which does wrong on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mpc_router_proto::v1::{
    AcknowledgeMessageRequest, MpcMessage, RegisteredParty, RouteMessageRequest, SessionEvent,
};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore as _;

use crate::action::{Action, Call, CallError, Millis, Reply, Stream, StreamId, Ticket};
use crate::ceremony::patience;
use crate::coordinator::Phase;
use crate::party::{Habits, Party};
use crate::plan::{Cast, Plan};
use crate::record::Record;
use crate::report::{PhaseReport, Remains, Report};
use crate::seed::Seed;

/// What a router does to one delivery: it hands out these messages, to these parties.
pub(crate) type Fault = Box<dyn FnMut(&MpcMessage, u16) -> Vec<(u16, MpcMessage)>>;

/// What a router does to an event before it hands it on.
pub(crate) type EventFault = Box<dyn FnMut(&mut SessionEvent)>;

/// What a router says to a call instead of answering it.
pub(crate) type Retort = Box<dyn FnMut(u16, &Call) -> Option<CallError>>;

/// What goes wrong that may go wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    /// Of a hundred calls, how many lose their request or their reply.
    pub(crate) lost_calls: u64,
    /// Of a hundred deliveries, how many come twice.
    pub(crate) redelivered: u64,
    /// Of a hundred deliveries, after how many the stream breaks.
    pub(crate) broken: u64,
    /// Whether the router ignores idempotency keys, which it need not know.
    pub(crate) keyless: bool,
    /// Whether the router lets nobody into a session of which it does not know it is a member (SES-7).
    pub(crate) members_only: bool,
}

pub(crate) struct World {
    pub(crate) parties: Vec<Party>,
    pub(crate) fault: Option<Fault>,
    pub(crate) event_fault: Option<EventFault>,
    /// Acknowledgements are refused.
    pub(crate) deaf: bool,
    /// What was acknowledged is handed out again by the next stream or poll.
    pub(crate) forgetful: bool,
    /// So many calls that announce something are lost on their way, and have to be made again.
    pub(crate) loses_announcements: u32,
    /// What the router says to calls of some kinds: `None` for what it should.
    pub(crate) retorts: Option<Retort>,
    /// When the router goes away for good.
    pub(crate) dies_at: Option<Millis>,
    /// When somebody stops the ceremony.
    pub(crate) interrupt_at: Option<Millis>,
    weather: Weather,
    cast_rest: (std::sync::Arc<crate::roster::Roster>, Vec<crate::coordinator::Agenda>),
    coordinator: crate::coordinator::Coordinator,
    plan: Plan,
    rng: ChaCha20Rng,
    now: Millis,
    /// What is on its way.
    flying: Vec<Flying>,
    registered: BTreeSet<u16>,
    /// The sessions it knows, and their members; in others it routes nothing, as it may.
    announced: BTreeMap<String, Vec<String>>,
    streams: BTreeMap<(u16, StreamId), Stream>,
    /// Every delivery: to whom, what, and how it was acknowledged.
    deliveries: Vec<(u16, MpcMessage, Option<bool>)>,
    keys: BTreeMap<String, String>,
    pub(crate) records: Vec<Record>,
    next_id: u64,
}

enum Flying {
    Request(u16, Ticket, Call),
    Reply(u16, Ticket, Result<Reply, CallError>),
    Message(u16, StreamId, MpcMessage),
    Event(u16, StreamId, SessionEvent),
    Brought(u16, SessionEvent),
    End(u16, StreamId, CallError),
}

fn not_let_in() -> CallError {
    CallError::Refused("not a member of that session".into())
}

/// The coordinator, among the parties.
const COORDINATOR: u16 = 0;

impl World {
    pub(crate) fn new(plan: &Plan, weather: Weather) -> Self {
        Self::with_habits(plan, weather, |_| Habits::default())
    }

    pub(crate) fn with_habits(
        plan: &Plan,
        weather: Weather,
        habits: impl Fn(u16) -> Habits,
    ) -> Self {
        let Cast { roster, parties, coordinator, agendas } = plan.cast(habits).unwrap();
        Self {
            parties,
            fault: None,
            event_fault: None,
            deaf: false,
            forgetful: false,
            loses_announcements: 0,
            retorts: None,
            dies_at: None,
            interrupt_at: None,
            weather,
            cast_rest: (roster, agendas),
            coordinator,
            plan: plan.clone(),
            rng: Seed(plan.seed).stream("pump", 0, ""),
            now: 1_000_000,
            flying: Vec::new(),
            registered: BTreeSet::new(),
            announced: BTreeMap::new(),
            streams: BTreeMap::new(),
            deliveries: Vec::new(),
            keys: BTreeMap::new(),
            records: Vec::new(),
            next_id: 0,
        }
    }

    pub(crate) fn unsealed(mut self) -> Self {
        self.parties = self.parties.into_iter().map(Party::unsealed).collect();
        self
    }

    /// Runs the ceremony to its end.
    pub(crate) fn run(self) -> Report {
        self.run_for(|remains| remains.report())
    }

    /// Runs the ceremony to its end, for what it leaves behind.
    pub(crate) fn run_for<R>(mut self, then: impl FnOnce(Remains<'_>) -> R) -> R {
        for party in &mut self.parties {
            party.handle_start(self.now);
        }
        self.coordinator.handle_start(self.now);
        let begun = self.now;
        let mut took = None;
        for _ in 0..2_000_000 {
            self.perform();
            let until = self.coordinator.ending().map(|ending| {
                let took = *took.get_or_insert(self.now - begun);
                let patience = patience(ending, Duration::from_millis(took), self.plan.deadline);
                begun + patience.as_millis() as Millis
            });
            let idle = self.parties.iter().all(Party::is_idle);
            // What is on its way yet comes; then everybody is asked no more.
            if self.flying.is_empty() && until.is_some_and(|until| idle || until <= self.now) {
                break;
            }
            if self.flying.is_empty() {
                let timeouts = self.parties.iter().map(Party::poll_timeout);
                let next =
                    timeouts.chain([self.coordinator.poll_timeout(), self.interrupt_at, until]);
                let Some(next) = next.flatten().min() else { break };
                self.now = self.now.max(next);
                if self.interrupt_at.is_some_and(|at| at <= self.now) {
                    self.interrupt_at = None;
                    self.coordinator.handle_interrupt(self.now);
                }
                self.coordinator.handle_timeout(self.now);
                for party in &mut self.parties {
                    party.handle_timeout(self.now);
                }
            } else {
                self.step();
            }
        }
        self.perform();
        assert_eq!(self.coordinator.phase(), Phase::Over, "the ceremony never ends");
        let phases = vec![PhaseReport { name: "all", milliseconds: self.now - begun }];
        then(Remains {
            plan: &self.plan,
            roster: &self.cast_rest.0,
            agendas: &self.cast_rest.1,
            parties: &self.parties,
            records: &self.records,
            ending: self.coordinator.ending().cloned().unwrap(),
            phases,
            held_up: 0,
        })
    }

    fn perform(&mut self) {
        loop {
            let mut actions = Vec::new();
            for at in 0..self.parties.len() {
                let party = &mut self.parties[at];
                while let Some(action) = party.poll_action(self.now) {
                    actions.push((at as u16 + 1, action));
                }
                while let Some(record) = party.poll_record() {
                    self.records.push(record);
                }
            }
            while let Some(action) = self.coordinator.poll_action(self.now) {
                actions.push((COORDINATOR, action));
            }
            if actions.is_empty() {
                return;
            }
            for (who, action) in actions {
                match action {
                    Action::Call(ticket, call) => {
                        self.flying.push(Flying::Request(who, ticket, call));
                    }
                    Action::Open(id, stream) => {
                        if let Stream::Messages { session, .. } = &stream {
                            if !self.lets_in(who, session) {
                                self.flying.push(Flying::End(who, id, not_let_in()));
                                continue;
                            }
                            for (to, message, acknowledged) in &self.deliveries {
                                let due = acknowledged.is_none() || self.forgetful;
                                if *to == who && message.session_id == *session && due {
                                    self.flying.push(Flying::Message(who, id, message.clone()));
                                }
                            }
                        }
                        self.streams.insert((who, id), stream);
                    }
                    Action::Close(id) => {
                        self.streams.remove(&(who, id));
                    }
                    Action::Tell(notice) => self.coordinator.handle_notice(notice, self.now),
                    Action::Bring(to, event) => self.flying.push(Flying::Brought(to, event)),
                }
            }
        }
    }

    fn chance(&mut self, of_hundred: u64) -> bool {
        self.rng.next_u64() % 100 < of_hundred
    }

    /// One of the things on their way arrives.
    fn step(&mut self) {
        let at = self.rng.next_u64() % self.flying.len() as u64;
        self.now += u64::from(self.rng.next_u64().is_multiple_of(20));
        match self.flying.swap_remove(at as usize) {
            Flying::Request(who, ticket, call) => {
                let unknown = || Err(CallError::Unknown("the connection was lost".into()));
                let reply = if self.dies_at.is_some_and(|at| at <= self.now) {
                    Err(CallError::Unreachable("connection refused".into()))
                } else if self.loses_announcements > 0 && matches!(call, Call::Publish(_)) {
                    self.loses_announcements -= 1;
                    unknown()
                } else if self.chance(self.weather.lost_calls) {
                    if self.chance(50) {
                        let _ = self.answer(who, call);
                    }
                    unknown()
                } else {
                    self.answer(who, call)
                };
                self.flying.push(Flying::Reply(who, ticket, reply));
            }
            Flying::Reply(COORDINATOR, ticket, reply) => {
                self.coordinator.handle_reply(ticket, reply, self.now);
            }
            Flying::Reply(who, ticket, reply) => {
                self.parties[usize::from(who) - 1].handle_reply(ticket, reply, self.now);
            }
            Flying::Message(who, id, message) => {
                if !self.streams.contains_key(&(who, id)) {
                    return;
                }
                if self.chance(self.weather.redelivered) {
                    self.flying.push(Flying::Message(who, id, message.clone()));
                }
                if self.chance(self.weather.broken) {
                    let why = CallError::Unknown("the stream broke".into());
                    self.flying.push(Flying::End(who, id, why));
                }
                self.parties[usize::from(who) - 1].handle_message(id, message, self.now);
            }
            Flying::Event(who, id, event) => {
                self.parties[usize::from(who) - 1].handle_event(id, &event, self.now);
            }
            Flying::Brought(who, event) => {
                self.parties[usize::from(who) - 1].handle_brought(event, self.now);
            }
            Flying::End(who, id, why) => {
                self.streams.remove(&(who, id));
                self.parties[usize::from(who) - 1].handle_stream_end(id, &why, self.now);
            }
        }
    }

    fn number(&self, id: &str) -> u16 {
        self.cast_rest.0.find(id).map_or(0, |member| member.number)
    }

    fn lets_in(&self, who: u16, session: &str) -> bool {
        let name = self.cast_rest.0.name(who);
        let members = self.announced.get(session);
        !self.weather.members_only
            || members.is_some_and(|members| members.iter().any(|id| id == name))
    }

    /// What the router does on a call.
    fn answer(&mut self, who: u16, call: Call) -> Result<Reply, CallError> {
        if let Some(why) = self.retorts.as_mut().and_then(|retorts| retorts(who, &call)) {
            return Err(why);
        }
        match call {
            Call::Register(_) => {
                self.registered.insert(who);
                Ok(Reply::Done)
            }
            Call::Heartbeat(_) => Ok(Reply::Done),
            Call::Discover(_) => {
                let parties = self.registered.iter().map(|number| RegisteredParty {
                    party_id: self.cast_rest.0.name(*number).into(),
                    online: true,
                    ..Default::default()
                });
                Ok(Reply::Parties(parties.collect()))
            }
            Call::Publish(request) => {
                let mut event = request.event.unwrap();
                if let Some(fault) = &mut self.event_fault {
                    fault(&mut event);
                }
                let members = event.selected_parties.clone();
                self.announced.insert(event.session_id.clone(), members);
                for ((who, id), stream) in &self.streams {
                    if matches!(stream, Stream::Events { .. }) {
                        self.flying.push(Flying::Event(*who, *id, event.clone()));
                    }
                }
                Ok(Reply::Done)
            }
            Call::Route(request, _) if !self.announced.contains_key(&request.session_id) => {
                Err(CallError::Refused("no such session was announced".into()))
            }
            Call::Route(request, key) => Ok(Reply::Routed(self.route(who, request, key))),
            Call::Poll(request) if !self.lets_in(who, &request.session_id) => Err(not_let_in()),
            Call::Poll(request) => {
                let due = |(to, message, acknowledged): &&(u16, MpcMessage, Option<bool>)| {
                    *to == who
                        && message.session_id == request.session_id
                        && message.created_at >= request.after_timestamp
                        && (acknowledged.is_none() || self.forgetful)
                };
                let due = self.deliveries.iter().filter(due);
                Ok(Reply::Pending(due.map(|(_, message, _)| message.clone()).collect()))
            }
            Call::Acknowledge(request) => {
                if self.deaf {
                    return Err(CallError::Refused("no such message".into()));
                }
                let mine = |(to, message, _): &&mut (u16, MpcMessage, Option<bool>)| {
                    *to == who
                        && message.message_id == request.message_id
                        && message.session_id == request.session_id
                };
                let mut mine: Vec<_> = self.deliveries.iter_mut().filter(mine).collect();
                if mine.is_empty() {
                    // ACK-5 to ACK-7.
                    return Err(CallError::Refused("no such delivery".into()));
                }
                if mine.iter().any(|(_, _, before)| *before == Some(!request.success)) {
                    // ACK-4.
                    return Err(CallError::Refused("it was acknowledged the other way".into()));
                }
                mine.iter_mut().for_each(|(.., how)| *how = Some(request.success));
                Ok(Reply::Done)
            }
        }
    }

    fn route(&mut self, who: u16, request: RouteMessageRequest, key: String) -> String {
        if let Some(id) = self.keys.get(&key)
            && !self.weather.keyless
        {
            return id.clone();
        }
        self.next_id += 1;
        let id = format!("m{}", self.next_id);
        self.keys.insert(key, id.clone());
        let message = MpcMessage {
            message_id: id.clone(),
            session_id: request.session_id.clone(),
            from_party: request.from_party,
            is_broadcast: request.to_parties.is_empty(),
            round_number: request.round_number,
            message_type: request.message_type,
            payload: request.payload,
            created_at: i64::try_from(self.now).unwrap(),
        };
        let recipients: Vec<u16> = if message.is_broadcast {
            let agendas = &self.cast_rest.1;
            let agenda = agendas.iter().find(|a| a.session == request.session_id).unwrap();
            agenda.members.iter().copied().filter(|member| *member != who).collect()
        } else {
            request.to_parties.iter().map(|id| self.number(id)).collect()
        };
        for recipient in recipients {
            let handed = match &mut self.fault {
                Some(fault) => fault(&message, recipient),
                None => vec![(recipient, message.clone())],
            };
            for (to, message) in handed {
                for ((who, id), stream) in &self.streams {
                    if *who == to
                        && matches!(stream, Stream::Messages { session, .. } if *session == message.session_id)
                    {
                        self.flying.push(Flying::Message(to, *id, message.clone()));
                    }
                }
                self.deliveries.push((to, message, None));
            }
        }
        id
    }
}

#[test]
fn acknowledgements_that_contradict_or_are_nobodys_are_refused() {
    let plan = Plan { parties: 2, threshold: 2, prefix: "x".into(), ..Plan::default() };
    let mut world = World::new(&plan, Weather::default());
    let routed = RouteMessageRequest {
        session_id: "x-keygen".into(),
        from_party: "x-p1".into(),
        to_parties: vec!["x-p2".into()],
        ..Default::default()
    };
    let id = world.route(1, routed, "key".into());
    let mut acknowledges = |who: u16, id: &str, success: bool| {
        let call = Call::Acknowledge(AcknowledgeMessageRequest {
            message_id: id.into(),
            session_id: "x-keygen".into(),
            success,
            ..Default::default()
        });
        world.answer(who, call).is_ok()
    };
    assert!(!acknowledges(1, &id, true) && !acknowledges(2, "another", true));
    assert!(acknowledges(2, &id, true) && acknowledges(2, &id, true));
    assert!(!acknowledges(2, &id, false));
}
