//! Calls and streams on their way to the router and back.

use mpc_router_proto::v1::{MpcMessage, SessionEvent};
use tonic::Status;

use super::clients::told;
use super::{Event, World};
use crate::action::{Call, CallError, Millis, Reply, Stream, StreamId, Ticket};
use crate::drive::call_error;
use crate::world::call::{Answer, Ask};
use crate::world::fault::COORDINATOR;
use crate::world::host::Key;

/// A call under way.
pub(super) struct Flight {
    pub(super) who: u16,
    pub(super) ticket: Ticket,
    call: Call,
    pub(super) stage: Stage,
    /// Nobody waits for the answer any more.
    pub(super) forsaken: bool,
    /// The answer is lost on its way.
    loses_answer: bool,
    answer: Option<Result<Reply, CallError>>,
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Going,
    There,
    Back,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) who: u16,
    pub(super) id: StreamId,
    pub(super) stream: Stream,
    /// Its reader still wants it.
    pub(super) wanted: bool,
    /// When what came last arrives: nothing overtakes it.
    last: Millis,
    /// It is to be read at some time.
    waits: bool,
}

/// A call that takes longer is given up; whether it had its effect is unknown then.
const CALL_DEADLINE_MS: Millis = 10_000;

impl World<'_> {
    /// A machine calls.
    pub(super) fn call(&mut self, who: u16, ticket: Ticket, call: Call) {
        let key = self.key();
        let mut flight = Flight {
            who,
            ticket,
            call,
            stage: Stage::Going,
            forsaken: false,
            loses_answer: false,
            answer: None,
        };
        let at = self.arrival(who);
        match self.loss() {
            Some(true) => {
                // Its request is lost with the connection, which is noticed soon.
                let noticed = self.now + self.network.between([1, 50]);
                self.queue.push(noticed, Event::Lost(who, ticket));
                return;
            }
            Some(false) => flight.loses_answer = true,
            None => {}
        }
        self.flights.insert(key, flight);
        self.queue.push(at, Event::Arrives(key));
        self.queue.push(self.now + CALL_DEADLINE_MS, Event::Deadline(key));
    }

    /// A call is in the router, and nobody waits for its answer but the checks.
    pub(super) fn watch(&mut self, key: Key, ticket: Ticket, call: Call) {
        let flight = Flight {
            who: COORDINATOR,
            ticket,
            call,
            stage: Stage::There,
            forsaken: true,
            loses_answer: false,
            answer: None,
        };
        self.flights.insert(key, flight);
    }

    /// A request reaches the router.
    pub(super) fn arrives(&mut self, key: Key) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        flight.stage = Stage::There;
        let call = flight.call.clone();
        self.tell_time();
        if !self.host.is_up() {
            let why = CallError::Unreachable("connection refused".into());
            return self.go_back(key, Err(why));
        }
        match &call {
            Call::Route(request, idempotency) => {
                let now = self.host.router_time().unwrap_or_default();
                self.checks.handle_route_begun(key, request, idempotency, now);
            }
            Call::Publish(request) => {
                if let Some(event) = &request.event {
                    self.checks.handle_publish_begun(event);
                }
            }
            Call::Heartbeat(_) => self.checks.lives().handle_beat_begun(key),
            Call::Discover(_) => self.checks.lives().handle_list_begun(key),
            Call::Poll(_) => self.checks.handle_poll_begun(key),
            Call::Register(_) | Call::Acknowledge(_) => {}
        }
        self.host.begin(key, Ask::Call(call));
        self.drain();
    }

    /// The router answers a call.
    pub(super) fn answers(&mut self, key: Key, answer: Result<Answer, Status>) {
        if let Some(id) = self.asked.remove(&key) {
            return self.answers_status(&id, answer);
        }
        if self.readings.contains_key(&key) {
            if let Err(status) = answer {
                let why = call_error(&status);
                self.send_end(key, why);
            } else {
                self.opened(key);
            }
            return;
        }
        let Some(flight) = self.flights.get(&key) else {
            return self.answers_idle(key, answer);
        };
        let (who, call) = (flight.who, flight.call.clone());
        let said = match &answer {
            Ok(Answer::Rejected(why)) => format!("rejected: {why}"),
            Ok(Answer::Routed(id)) => format!("accepted as {id}"),
            Ok(Answer::Pending(messages)) => format!("{} messages", messages.len()),
            Ok(_) => "ok".into(),
            Err(status) => format!("{:?}: {}", status.code(), status.message()),
        };
        let name = self.name(who).to_owned();
        self.trace.tell(self.now, format_args!("{name}: {}: {said}", told(&call)));
        match &answer {
            Ok(answer) => self.check(key, &call, answer),
            Err(_) => self.checks.lives().forget(key),
        }
        let reply = match answer {
            Ok(answer) => answer.reply(),
            Err(status) => Err(call_error(&status)),
        };
        self.go_back(key, reply);
    }

    /// Holds an answer against what was asked.
    fn check(&mut self, key: Key, call: &Call, answer: &Answer) {
        match (call, answer) {
            (Call::Route(_, idempotency), Answer::Routed(id)) => {
                let place = self.place(id);
                self.checks.handle_routed(key, idempotency, id, place);
            }
            (Call::Poll(request), Answer::Pending(messages)) => {
                self.check_polled(key, &request.party_id, &request.session_id, messages);
            }
            (Call::Acknowledge(request), Answer::Done) => {
                let (id, party) = (&request.message_id, &request.party_id);
                self.checks.handle_acknowledged(id, party, request.success);
            }
            (Call::Heartbeat(request), Answer::Beat(beat)) => {
                let told = beat.server_timestamp;
                self.checks.lives().handle_beat(key, &request.party_id, told);
            }
            (Call::Register(request), Answer::Done) => {
                self.checks.lives().handle_registered(&request.party_id);
            }
            (Call::Discover(_), Answer::Parties(parties)) => {
                self.checks.lives().handle_list(key, parties);
            }
            _ => {}
        }
    }

    fn go_back(&mut self, key: Key, reply: Result<Reply, CallError>) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        if flight.forsaken {
            self.flights.remove(&key);
            return;
        }
        flight.stage = Stage::Back;
        flight.answer = Some(if flight.loses_answer {
            Err(CallError::Unknown("the connection was lost".into()))
        } else {
            reply
        });
        let who = flight.who;
        let at = self.arrival(who);
        self.queue.push(at, Event::Answered(key));
    }

    /// An answer reaches its caller.
    pub(super) fn answered(&mut self, key: Key) {
        let Some(Flight { who, ticket, answer: Some(answer), .. }) = self.flights.remove(&key)
        else {
            return;
        };
        self.hears(who, ticket, answer);
    }

    pub(super) fn hears(&mut self, who: u16, ticket: Ticket, answer: Result<Reply, CallError>) {
        if who == COORDINATOR && self.over_at.is_none() {
            self.coordinator_silent_for = self.now - self.coordinator_heard_at;
            if matches!(answer, Ok(_) | Err(CallError::Refused(_))) {
                self.coordinator_heard_at = self.now;
            }
        }
        let local = self.local(who);
        match who.checked_sub(1) {
            Some(at) => self.parties[usize::from(at)].handle_reply(ticket, answer, local),
            None => {
                if let Some(coordinator) = &mut self.coordinator {
                    coordinator.handle_reply(ticket, answer, local);
                }
            }
        }
        self.act(who);
    }

    /// A call was lost on its way.
    pub(super) fn lost(&mut self, who: u16, ticket: Ticket) {
        if self.client(who).paused {
            self.client(who).lost.push(ticket);
        } else {
            self.hears(who, ticket, Err(CallError::Unknown("the connection was lost".into())));
        }
    }

    /// A caller waits no longer. What it asked for may still be done.
    pub(super) fn give_up_waiting(&mut self, key: Key) {
        let Some(flight) = self.flights.get_mut(&key).filter(|flight| !flight.forsaken) else {
            return;
        };
        let (who, ticket) = (flight.who, flight.ticket);
        self.forsake(key);
        let name = self.name(who).to_owned();
        self.trace.tell(self.now, format_args!("{name} waits no longer for an answer"));
        self.lost(who, ticket);
    }

    /// Nobody waits for a call any more: it is done all the same, or not.
    pub(super) fn forsake(&mut self, key: Key) {
        let ends = self.network.percent(50);
        let Some(flight) = self.flights.get_mut(&key) else { return };
        flight.forsaken = true;
        match flight.stage {
            Stage::Going | Stage::There if !ends => {}
            Stage::There => {
                self.host.drop_work(key);
                self.flights.remove(&key);
            }
            Stage::Going | Stage::Back => {
                self.flights.remove(&key);
            }
        }
        if ends {
            self.checks.lives().forget(key);
        }
    }

    /// A machine opens a stream.
    pub(super) fn open(&mut self, who: u16, id: StreamId, stream: Stream) {
        let key = self.key();
        let reading = Reading { who, id, stream, wanted: true, last: 0, waits: false };
        self.readings.insert(key, reading);
        let at = self.arrival(who);
        self.queue.push(at, Event::Opens(key));
    }

    pub(super) fn opens(&mut self, key: Key) {
        let Some(reading) = self.readings.get(&key) else { return };
        if !reading.wanted {
            self.readings.remove(&key);
            return;
        }
        let stream = reading.stream.clone();
        self.tell_time();
        if self.host.begin(key, Ask::Open(stream)) {
            self.drain();
        } else {
            self.send_end(key, CallError::Unreachable("connection refused".into()));
        }
    }

    fn opened(&mut self, key: Key) {
        let Some(reading) = self.readings.get(&key) else { return };
        let (who, what) = (reading.who, kind(&reading.stream));
        let name = self.name(who).to_owned();
        self.trace.tell(self.now, format_args!("{name} opened {what}"));
        if self.reads_late(who).is_some() {
            self.host.hold(key, true);
        }
    }

    /// There is something on a slow reader's stream.
    pub(super) fn is_readable(&mut self, key: Key) {
        let Some(reading) = self.readings.get(&key).filter(|reading| !reading.waits) else {
            return;
        };
        let late = self.reads_late(reading.who).unwrap_or_default();
        if let Some(reading) = self.readings.get_mut(&key) {
            reading.waits = true;
        }
        self.queue.push(self.now + late, Event::Read(key));
    }

    pub(super) fn read(&mut self, key: Key) {
        let Some(reading) = self.readings.get_mut(&key) else { return };
        reading.waits = false;
        let who = reading.who;
        self.tell_time();
        if self.reads_late(who).is_some() {
            self.host.read(key);
        } else {
            self.host.hold(key, false);
        }
        self.drain();
    }

    /// The router gives a message on a stream.
    pub(super) fn gives(&mut self, key: Key, message: Box<MpcMessage>) {
        let Some(reading) = self.readings.get(&key) else { return };
        let who = reading.who;
        let asked = match &reading.stream {
            Stream::Messages { session, .. } => session.clone(),
            Stream::Events { .. } => String::new(),
        };
        let name = self.name(who).to_owned();
        self.trace.tell(
            self.now,
            format_args!(
                "{name} <- {} of {} ({})",
                message.message_type, message.from_party, message.message_id
            ),
        );
        self.check_given(&name, &asked, &message);
        if let Some(at) = self.arrival_on(key) {
            self.queue.push(at, Event::Message(key, message));
        }
    }

    /// The router gives an event on a stream.
    pub(super) fn gives_event(&mut self, key: Key, event: Box<SessionEvent>) {
        let Some(reading) = self.readings.get(&key) else { return };
        let name = self.name(reading.who).to_owned();
        let (kind, session) = (&event.event_type, &event.session_id);
        self.trace.tell(self.now, format_args!("{name} <- {kind} of {session}"));
        self.checks.handle_event(&name, &event);
        if let Some(at) = self.arrival_on(key) {
            self.queue.push(at, Event::News(key, event));
        }
    }

    /// The router ends a stream.
    pub(super) fn send_end(&mut self, key: Key, why: CallError) {
        if let Some(at) = self.arrival_on(key) {
            self.queue.push(at, Event::End(key, Box::new(why)));
        }
    }

    /// When what is sent on a stream now arrives. None if its reader has gone.
    fn arrival_on(&mut self, key: Key) -> Option<Millis> {
        let reading = self.readings.get(&key).filter(|reading| reading.wanted)?;
        let at = self.arrival(reading.who);
        let reading = self.readings.get_mut(&key)?;
        reading.last = at.max(reading.last);
        Some(reading.last)
    }

    pub(super) fn message(&mut self, key: Key, message: MpcMessage) {
        let Some(reading) = self.readings.get(&key).filter(|reading| reading.wanted) else {
            return;
        };
        let (who, id) = (reading.who, reading.id);
        let local = self.local(who);
        self.parties[usize::from(who) - 1].handle_message(id, message, local);
        self.act(who);
    }

    pub(super) fn event(&mut self, key: Key, event: &SessionEvent) {
        let Some(reading) = self.readings.get(&key).filter(|reading| reading.wanted) else {
            return;
        };
        let (who, id) = (reading.who, reading.id);
        let local = self.local(who);
        self.parties[usize::from(who) - 1].handle_event(id, event, local);
        self.act(who);
    }

    pub(super) fn end(&mut self, key: Key, why: &CallError) {
        let Some(reading) = self.readings.get(&key).filter(|reading| reading.wanted) else {
            return;
        };
        let (who, id) = (reading.who, reading.id);
        self.readings.remove(&key);
        self.hears_end(who, id, why);
    }

    fn hears_end(&mut self, who: u16, id: StreamId, why: &CallError) {
        let local = self.local(who);
        self.parties[usize::from(who) - 1].handle_stream_end(id, why, local);
        self.act(who);
    }

    /// A stream was lost with its connection.
    pub(super) fn broken(&mut self, who: u16, id: StreamId) {
        if self.client(who).paused {
            self.client(who).broken.push(id);
        } else if who != COORDINATOR {
            self.hears_end(who, id, &CallError::Unknown("the connection was lost".into()));
        }
    }

    /// A machine closes a stream.
    pub(super) fn close(&mut self, who: u16, id: StreamId) {
        let mine = |(_, reading): &(&Key, &mut Reading)| reading.who == who && reading.id == id;
        let found = self.readings.iter_mut().find(mine);
        if let Some((key, reading)) = found {
            reading.wanted = false;
            let key = *key;
            let at = self.arrival(who);
            self.queue.push(at, Event::Hangup(key));
        }
    }

    pub(super) fn hangup(&mut self, key: Key) {
        if self.readings.remove(&key).is_some() {
            self.tell_time();
            self.host.drop_work(key);
            self.drain();
        }
    }

    /// All that is under way between a client and the router is lost.
    pub(super) fn lose_connection(&mut self, who: u16) {
        let mine = self.flights.iter().filter(|(_, it)| it.who == who && !it.forsaken);
        let calls: Vec<(Key, Ticket)> = mine.map(|(key, it)| (*key, it.ticket)).collect();
        for (key, ticket) in calls {
            self.forsake(key);
            let at = self.now + self.network.between([1, 5]);
            self.queue.push(at, Event::Lost(who, ticket));
        }
        let mine = self.readings.iter_mut().filter(|(_, it)| it.who == who && it.wanted);
        let streams = mine.map(|(key, reading)| {
            reading.wanted = false;
            (*key, reading.id)
        });
        for (key, id) in streams.collect::<Vec<_>>() {
            let at = self.now + self.network.between([1, 5]);
            self.queue.push(at, Event::Broken(who, id));
            // The router's side of it may take a while to notice.
            let late = if self.network.percent(50) { 0 } else { self.network.below(3_000) };
            self.queue.push(self.now + late, Event::Hangup(key));
        }
    }
}

fn kind(stream: &Stream) -> String {
    match stream {
        Stream::Events { .. } => "an event stream".into(),
        Stream::Messages { session, .. } => format!("a stream of {session}"),
    }
}
