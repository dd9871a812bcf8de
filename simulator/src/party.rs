//! A simulated party: how it lives with the router, whatever the protocol.

mod presence;
mod streams;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mpc_router_proto::v1::{
    AcknowledgeMessageRequest, GetPendingMessagesRequest, MpcMessage, SessionEvent,
};

use crate::action::{Action, Call, CallError, Millis, News, Notice, Reply, StreamId, Ticket};
use crate::calls::Calls;
use crate::encoding::{Digest, hex};
use crate::flow::Flow;
use crate::protocol::{Blame, FrostDkg, FrostSign, KeyShare, NonceUse, Output, Protocol, Scripted};
use crate::record::{Deed, Made, Record, Saw};
use crate::roster::{Identity, Member, Receives, Roster};
use crate::seal::{Seal, Sealer, canary};
use crate::seat::{Effect, Seat, Sending, Standing};
use crate::seed::Seed;
use crate::terms::Terms;
use presence::Presence;
use streams::Streams;

/// What a party runs in the sessions it is asked into.
#[derive(Debug, Clone)]
pub enum Repertoire {
    /// FROST: a key where there is nothing to sign, and a signature with its newest key where there is.
    Frost,
    /// One flow, whatever the session.
    Flow(Arc<Flow>),
}

/// How often and how long a party does things, in milliseconds.
#[derive(Debug, Clone)]
pub struct Habits {
    /// Between heartbeats. The router's time-out should be three times as long (HB-5).
    pub heartbeat_every: Millis,
    /// Between polls of a party that polls.
    pub poll_every: Millis,
    /// How long it waits for a message in whose place something unusable came.
    pub grace: Millis,
    /// How long it goes on listening after a session is over, to notice what should not come.
    pub linger: Millis,
    /// A temporary party comes as late as this at most, and half of it at least.
    pub lateness: Millis,
    /// Vanish for good once so many messages were accepted.
    pub vanish_after: Option<u32>,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            heartbeat_every: 10_000,
            poll_every: 100,
            grace: 2_000,
            linger: 300,
            lateness: 600,
            vanish_after: None,
        }
    }
}

/// What a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    Register,
    Heartbeat,
    Poll { session: String, sent: u64 },
    Route { session: String, kind: String, digest: Digest },
    Acknowledge { message_id: String, good: bool },
}

/// A party, as a state machine without clock, network or threads.
///
/// `handle_*` takes what happened and the time; `poll_action` gives what to do, `poll_record` what to
/// write down, and `poll_timeout` when to call [`handle_timeout`](Self::handle_timeout); the others
/// only tell. Every [`Action::Call`] is answered by one [`handle_reply`](Self::handle_reply).
#[derive(Debug)]
pub struct Party {
    me: Member,
    roster: Arc<Roster>,
    sealer: Sealer,
    seal: Seal,
    seed: Seed,
    habits: Habits,
    repertoire: Repertoire,
    presence: Presence,
    calls: Calls<Purpose>,
    streams: Streams,
    /// One for each session it joined.
    sessions: BTreeMap<String, Attendance>,
    keys: Vec<KeyShare>,
    /// Messages whose acknowledgement the router took, and when in this party's life.
    acknowledged: BTreeMap<String, u64>,
    /// Counts what happens, to tell before from after.
    moment: u64,
    accepted: u32,
    actions: VecDeque<Action>,
    records: VecDeque<Record>,
}

/// A seat, and how the party attends to it.
#[derive(Debug)]
struct Attendance {
    seat: Seat,
    told: bool,
    /// When to give up waiting for a message in whose place something unusable came.
    grace_until: Option<Millis>,
    /// When to stop listening, once the session is over.
    linger_until: Option<Millis>,
    closed: bool,
    poll_at: Option<Millis>,
    /// The largest `created_at` a poll brought (PND-3).
    polled_to: i64,
}

impl Party {
    /// A party that does nothing before [`handle_start`](Self::handle_start).
    ///
    /// # Panics
    /// If the roster does not have the identity.
    pub fn new(
        identity: Identity,
        roster: Arc<Roster>,
        seed: Seed,
        repertoire: Repertoire,
        habits: Habits,
    ) -> Self {
        let me = roster.get(identity.number).expect("an identity comes with its roster").clone();
        let seal = match repertoire {
            Repertoire::Frost => Seal::Sealed,
            Repertoire::Flow(_) => Seal::Bare,
        };
        Self {
            sealer: Sealer::new(identity, seed.stream("seal", me.number, &me.id)),
            presence: Presence::New,
            calls: Calls::new(seed.stream("calls", me.number, "")),
            streams: Streams::new(seed.stream("streams", me.number, "")),
            me,
            roster,
            seal,
            seed,
            habits,
            repertoire,
            sessions: BTreeMap::new(),
            keys: Vec::new(),
            acknowledged: BTreeMap::new(),
            moment: 0,
            accepted: 0,
            actions: VecDeque::new(),
            records: VecDeque::new(),
        }
    }

    /// Sends FROST's messages as they are. For tests of what the verdict notices when the parties'
    /// own cryptography does not notice first.
    #[cfg(test)]
    pub(crate) fn unsealed(mut self) -> Self {
        self.seal = Seal::Bare;
        self
    }

    /// The party as the roster has it.
    pub fn member(&self) -> &Member {
        &self.me
    }

    /// What it has from a session, or why not; `None` if it did not join or is not done.
    pub fn outcome(&self, session: &str) -> Option<Result<&Output, &Blame>> {
        let seat = &self.sessions.get(session)?.seat;
        match seat.standing() {
            Standing::Running => None,
            Standing::Failed => seat.blame().map(Err),
            Standing::Finished => seat.output().map(Ok),
        }
    }

    /// What its nonces were used for in a session, finished or not.
    pub fn nonce_uses(&self, session: &str) -> &[NonceUse] {
        self.sessions
            .get(session)
            .map(|attendance| attendance.seat.nonce_uses())
            .unwrap_or_default()
    }

    /// The messages it waits for in a session: type and sender.
    pub fn missing(&self, session: &str) -> Vec<(String, u16)> {
        self.sessions.get(session).map(|attendance| attendance.seat.missing()).unwrap_or_default()
    }

    /// Whether nothing is under way: all sessions closed and everything acknowledged.
    pub fn is_idle(&self) -> bool {
        self.presence == Presence::Gone
            || (self.sessions.values().all(|attendance| attendance.closed)
                && !self.calls.any(|purpose| {
                    matches!(purpose, Purpose::Acknowledge { .. } | Purpose::Route { .. })
                }))
    }

    /// Takes a message of a stream.
    pub fn handle_message(&mut self, stream: StreamId, message: MpcMessage, now: Millis) {
        if let Some((session, opened)) = self.streams.handle_message(stream) {
            self.take(&message, &session, opened, now);
            self.settle(now);
        }
    }

    /// Takes an event of a stream.
    pub fn handle_event(&mut self, stream: StreamId, event: &SessionEvent, now: Millis) {
        if self.streams.handle_event(stream) {
            self.attend(event, now);
            self.settle(now);
        }
    }

    /// Takes the end of a stream, and opens another.
    pub fn handle_stream_end(&mut self, stream: StreamId, why: &CallError, now: Millis) {
        if !self.streams.handle_end(stream, now) {
            return;
        }
        self.record(now, Deed::Disconnected(why.to_string()));
        if matches!(why, CallError::Refused(_)) {
            // SUB-7, EVT-10: the router does not know this party, any more or yet.
            self.register(now);
        }
        self.settle(now);
    }

    /// Takes what came of a call.
    pub fn handle_reply(&mut self, ticket: Ticket, result: Result<Reply, CallError>, now: Millis) {
        let Some((purpose, result)) = self.calls.handle_reply(ticket, result, now) else { return };
        self.moment += 1;
        match (purpose, result) {
            (Purpose::Register, Ok(_)) => self.handle_registered(now),
            (Purpose::Register, Err(why)) => {
                self.record(now, Deed::Disconnected(format!("it may not register: {why}")));
            }
            (Purpose::Heartbeat, Ok(_)) => {}
            (Purpose::Heartbeat, Err(why)) => {
                if matches!(why, CallError::Refused(_)) {
                    // HB-2: as for streams.
                    self.register(now);
                }
            }
            (Purpose::Poll { session, sent }, Ok(Reply::Pending(messages))) => {
                self.handle_polled(messages, &session, sent, now);
            }
            (Purpose::Poll { .. }, Ok(_)) => {}
            (Purpose::Poll { .. }, Err(why)) => {
                if matches!(why, CallError::Refused(_)) {
                    // PND-7: as for streams.
                    self.register(now);
                }
            }
            (Purpose::Route { session, digest, .. }, Ok(reply)) => {
                let id = if let Reply::Routed(id) = reply { id } else { String::new() };
                self.record(now, Deed::Accepted(digest, id));
                self.accepted += 1;
                if let Some(attendance) = self.sessions.get_mut(&session) {
                    attendance.seat.handle_accepted(digest);
                }
                if self.habits.vanish_after.is_some_and(|after| self.accepted >= after) {
                    return self.vanish(now);
                }
            }
            (Purpose::Route { session, kind, .. }, Err(why)) => {
                if let Some(attendance) = self.sessions.get_mut(&session) {
                    attendance.seat.handle_refused(&kind, &why.to_string());
                }
            }
            (Purpose::Acknowledge { message_id, good }, Ok(_)) => {
                self.acknowledged.insert(message_id.clone(), self.moment);
                self.record(now, Deed::Acknowledged(message_id, good));
            }
            (Purpose::Acknowledge { message_id, .. }, Err(why)) => {
                self.record(now, Deed::AcknowledgementRefused(message_id, why.to_string()));
            }
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Millis) {
        self.handle_presence_timeout(now);
        let due = |at: Option<Millis>| at.is_some_and(|at| at <= now);
        let sessions: Vec<String> = self.sessions.keys().cloned().collect();
        for session in sessions {
            let Some(attendance) = self.sessions.get_mut(&session) else { continue };
            if due(attendance.grace_until) {
                attendance.grace_until = None;
                attendance.seat.handle_grace_over();
            }
            if due(attendance.linger_until) {
                attendance.linger_until = None;
                self.close(&session, now);
            } else if due(attendance.poll_at) {
                self.poll_messages(&session, now);
            }
        }
        self.settle(now);
    }

    /// The next thing to do.
    pub fn poll_action(&mut self, now: Millis) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        if let Some(action) = self.streams.poll_action(now, self.moment) {
            return Some(action);
        }
        let (action, purpose) = self.calls.poll_action(now)?;
        if let Purpose::Route { digest, .. } = purpose {
            self.record(now, Deed::Attempted(digest));
        }
        Some(action)
    }

    /// The next line to write down.
    pub fn poll_record(&mut self) -> Option<Record> {
        self.records.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let attendances = self.sessions.values().flat_map(|attendance| {
            [attendance.grace_until, attendance.linger_until, attendance.poll_at]
        });
        attendances
            .chain([self.presence.due(), self.calls.poll_timeout(), self.streams.poll_timeout()])
            .flatten()
            .min()
    }

    /// Acts on an event of a session it is a member of.
    fn attend(&mut self, event: &SessionEvent, now: Millis) {
        // EVT-12 is a SHOULD: events of others' sessions may come, and are nothing to this party.
        if !event.selected_parties.contains(&self.me.id) {
            return;
        }
        match event.event_type.as_str() {
            kind @ ("session_created" | "session_started") => {
                let joined = self.join(event, now);
                if joined && kind == "session_started" {
                    self.start(&event.session_id, now);
                }
            }
            "session_completed" | "session_failed" | "session_cancelled" | "session_expired" => {
                let why = self.interrupted(&event.session_id);
                let Some(attendance) = self.sessions.get_mut(&event.session_id) else { return };
                attendance.seat.handle_end(&why);
                if !attendance.closed && attendance.linger_until.is_none() {
                    attendance.linger_until = Some(now + self.habits.linger);
                }
            }
            _ => {}
        }
    }

    /// What a party says that is told of a session's end before it is done.
    fn interrupted(&self, session: &str) -> String {
        let mut why = "the coordinator ended the session".to_owned();
        if let [(kind, from), rest @ ..] = &self.missing(session)[..] {
            let more = if rest.is_empty() { "" } else { " and others" };
            why.push_str(&format!(", waiting for `{kind}` of {}{more}", self.roster.name(*from)));
        }
        let routes = |p: &Purpose| matches!(p, Purpose::Route { session: s, .. } if s == session);
        if let Some(trouble) = self.calls.trouble(routes) {
            why.push_str(&format!(", still trying to send: {trouble}"));
        }
        why
    }

    /// Joins, unless it has; `false` if it cannot.
    fn join(&mut self, event: &SessionEvent, now: Millis) -> bool {
        let session = &event.session_id;
        let terms = match Terms::verified(event, self.me.number, &self.roster) {
            Ok(terms) => terms,
            Err(why) => {
                if !self.sessions.contains_key(session) {
                    let blame = Blame::nobody(why.to_string());
                    self.record(now, Deed::Failed(session.clone(), blame.reason.clone()));
                    self.tell(session, News::Failed(blame));
                }
                return false;
            }
        };
        if let Some(attendance) = self.sessions.get(session) {
            return attendance.seat.terms == terms;
        }
        let poll_at = (self.me.receives == Receives::Poll).then_some(now);
        let attendance = Attendance {
            seat: Seat::new(terms, self.seal),
            told: false,
            grace_until: None,
            linger_until: None,
            closed: false,
            poll_at,
            polled_to: 0,
        };
        self.sessions.insert(session.clone(), attendance);
        if poll_at.is_none() {
            self.streams.open_messages(&self.me.id, session, now);
        }
        self.record(now, Deed::Joined(session.clone()));
        let token = event.join_tokens.get(&self.me.id).cloned().unwrap_or_default();
        self.tell(session, News::Joined(token));
        true
    }

    fn start(&mut self, session: &str, now: Millis) {
        let Some(attendance) = self.sessions.get(session) else { return };
        if attendance.seat.has_started() || attendance.seat.standing() != Standing::Running {
            return;
        }
        let protocol = self.protocol(&attendance.seat.terms);
        self.record(now, Deed::Started(session.into()));
        self.tell(session, News::Started);
        if let Some(attendance) = self.sessions.get_mut(session) {
            attendance.seat.start(protocol, &mut self.sealer, &self.roster);
        }
    }

    fn protocol(&self, terms: &Terms) -> Result<Box<dyn Protocol>, Blame> {
        let Terms { session, members, threshold, .. } = terms;
        let me = self.me.number;
        match &self.repertoire {
            Repertoire::Flow(flow) => Ok(Box::new(Scripted::new(
                self.seed,
                session,
                Arc::clone(flow),
                me,
                members,
                (terms.holders, *threshold),
            ))),
            Repertoire::Frost if terms.message_hash.is_empty() => {
                let rng = self.seed.stream("frost keygen", me, session);
                Ok(Box::new(FrostDkg::new(session, me, members, *threshold, rng)?))
            }
            Repertoire::Frost => {
                let key = self.keys.last().cloned();
                let key = key.ok_or_else(|| Blame::of(me, "it holds no share of a key"))?;
                let rng = self.seed.stream("frost nonces", me, session);
                let message = terms.message_hash.clone();
                Ok(Box::new(FrostSign::new(session, me, members, key, message, rng)?))
            }
        }
    }

    /// Takes a message that came by the stream or poll of the session `asked`, opened or sent at
    /// the moment `since`.
    fn take(&mut self, message: &MpcMessage, asked: &str, since: u64, now: Millis) {
        self.moment += 1;
        let acknowledged = self.acknowledged.get(&message.message_id);
        self.record(
            now,
            Deed::Saw(Saw {
                message_id: message.message_id.clone(),
                session: message.session_id.clone(),
                asked: asked.into(),
                from: message.from_party.clone(),
                kind: message.message_type.clone(),
                round: message.round_number,
                broadcast: message.is_broadcast,
                digest: Digest::of(&message.payload),
                canary: canary(&message.payload),
                after_acknowledgement: acknowledged.is_some_and(|taken| *taken <= since),
            }),
        );
        if message.session_id != asked {
            // RTE-10: what belongs to another session is not for this one's protocol.
            let why = format!("it belongs to {}, and came in {asked}", message.session_id);
            return self.acknowledge(&message.message_id, asked, Err(why), now);
        }
        // Streams and polls are of sessions that the party has joined.
        if let Some(attendance) = self.sessions.get_mut(asked) {
            attendance.seat.handle_message(message, &mut self.sealer, &self.roster);
        }
    }

    fn handle_polled(&mut self, messages: Vec<MpcMessage>, session: &str, sent: u64, now: Millis) {
        let mut listed = BTreeSet::new();
        let mut newest = 0;
        for message in messages {
            newest = newest.max(message.created_at);
            if !listed.insert(message.message_id.clone()) {
                self.record(now, Deed::ListedTwice(message.message_id.clone()));
            }
            self.take(&message, session, sent, now);
        }
        if let Some(attendance) = self.sessions.get_mut(session) {
            // PND-3: the largest `created_at` seen.
            attendance.polled_to = attendance.polled_to.max(newest);
        }
    }

    fn poll_messages(&mut self, session: &str, now: Millis) {
        let Some(attendance) = self.sessions.get_mut(session) else { return };
        attendance.poll_at = Some(now + self.habits.poll_every);
        let request = GetPendingMessagesRequest {
            session_id: session.into(),
            party_id: self.me.id.clone(),
            after_timestamp: attendance.polled_to,
        };
        let under_way =
            |purpose: &Purpose| matches!(purpose, Purpose::Poll { session: s, .. } if s == session);
        if !self.calls.any(under_way) {
            self.moment += 1;
            let purpose = Purpose::Poll { session: session.into(), sent: self.moment };
            self.calls.start(Call::Poll(request), purpose, false, now);
        }
    }

    /// Performs what the seats want, and tells how they stand.
    fn settle(&mut self, now: Millis) {
        let sessions: Vec<String> = self.sessions.keys().cloned().collect();
        for session in sessions {
            while let Some(effect) =
                self.sessions.get_mut(&session).and_then(|attendance| attendance.seat.poll_effect())
            {
                match effect {
                    Effect::Send(sending) => self.send(&session, sending, now),
                    Effect::Applied(digest) => self.record(now, Deed::Applied(digest)),
                    Effect::Acknowledge(id, result) => self.acknowledge(&id, &session, result, now),
                }
            }
            let Some(attendance) = self.sessions.get_mut(&session) else { continue };
            if !attendance.seat.is_suspicious() {
                attendance.grace_until = None;
            } else if attendance.grace_until.is_none() {
                attendance.grace_until = Some(now + self.habits.grace);
            }
            if attendance.told {
                continue;
            }
            match (attendance.seat.standing(), attendance.seat.output(), attendance.seat.blame()) {
                (Standing::Finished, output, _) => {
                    attendance.told = true;
                    if let Some(Output::Key(share)) = output {
                        self.keys.push((**share).clone());
                    }
                    self.record(now, Deed::Finished(session.clone()));
                    self.tell(&session, News::Finished);
                }
                (Standing::Failed, _, Some(blame)) => {
                    attendance.told = true;
                    let blame = blame.clone();
                    let told = self.in_words(&blame);
                    self.record(now, Deed::Failed(session.clone(), told));
                    self.tell(&session, News::Failed(blame));
                    self.drop_routes(&session);
                }
                _ => {}
            }
        }
        self.leave_if_done(now);
    }

    fn send(&mut self, session: &str, sending: Sending, now: Millis) {
        let Sending { request, recipients, digest } = sending;
        self.record(
            now,
            Deed::Made(Made {
                session: session.into(),
                kind: request.message_type.clone(),
                round: request.round_number,
                broadcast: request.to_parties.is_empty(),
                recipients,
                digest,
                canary: canary(&request.payload).unwrap_or_default(),
                bytes: request.payload.len(),
            }),
        );
        let kind = request.message_type.clone();
        let purpose = Purpose::Route { session: session.into(), kind, digest };
        self.calls.start(Call::Route(request, hex(&digest.0)), purpose, true, now);
    }

    fn acknowledge(
        &mut self,
        message_id: &str,
        session: &str,
        result: Result<(), String>,
        now: Millis,
    ) {
        if let Err(why) = &result {
            self.record(now, Deed::Refused(message_id.into(), why.clone()));
        }
        let good = result.is_ok();
        let same = |purpose: &Purpose| matches!(purpose, Purpose::Acknowledge { message_id: id, .. } if id == message_id);
        if self.calls.any(same) {
            return;
        }
        let request = AcknowledgeMessageRequest {
            message_id: message_id.into(),
            party_id: self.me.id.clone(),
            session_id: session.into(),
            success: good,
            error_message: result.err().unwrap_or_default(),
        };
        let purpose = Purpose::Acknowledge { message_id: message_id.into(), good };
        self.calls.start(Call::Acknowledge(request), purpose, true, now);
    }

    /// Stops listening in a session.
    fn close(&mut self, session: &str, now: Millis) {
        let Some(attendance) = self.sessions.get_mut(session) else { return };
        attendance.closed = true;
        attendance.poll_at = None;
        attendance.grace_until = None;
        if let Some(id) = self.streams.close_messages(session) {
            self.actions.push_back(Action::Close(id));
        }
        self.drop_routes(session);
        self.record(now, Deed::Closed(session.into()));
        self.tell(session, News::Closed);
    }

    /// What was not accepted yet is not wanted any more.
    fn drop_routes(&mut self, session: &str) {
        self.calls
            .forget(|purpose| matches!(purpose, Purpose::Route { session: s, .. } if s == session));
    }

    fn in_words(&self, blame: &Blame) -> String {
        match blame.whom {
            Some(whom) => format!("{}: {}", self.roster.name(whom), blame.reason),
            None => blame.reason.clone(),
        }
    }

    fn tell(&mut self, session: &str, news: News) {
        let session = session.into();
        self.actions.push_back(Action::Tell(Notice { party: self.me.number, session, news }));
    }

    fn record(&mut self, at: Millis, deed: Deed) {
        self.records.push_back(Record { at, party: self.me.number, deed });
    }
}
