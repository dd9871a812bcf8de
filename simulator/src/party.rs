//! A simulated party: how it lives with the router, whatever the protocol.

mod presence;
mod sessions;
mod streams;
mod traffic;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use mpc_router_proto::v1::{MpcMessage, SessionEvent};

use crate::action::{About, Action, CallError, Millis, News, Notice, Reply, StreamId, Ticket};
use crate::calls::Calls;
use crate::encoding::Digest;
use crate::flow::Flow;
use crate::protocol::{Blame, FrostDkg, FrostSign, KeyShare, NonceUse, Output};
use crate::record::{Deed, Record};
use crate::roster::{Identity, Member, Roster};
use crate::seal::{Seal, Sealer};
use crate::seat::{Seat, Standing};
use crate::seed::Seed;
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

impl Repertoire {
    /// How many types of messages a session of it has at most.
    fn kinds(&self) -> usize {
        match self {
            Self::Frost => FrostDkg::KINDS.len().max(FrostSign::KINDS.len()),
            Self::Flow(flow) => flow.rounds.iter().map(|round| round.sends.len()).sum(),
        }
    }
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

    /// Whether it has joined a session.
    pub fn has_joined(&self, session: &str) -> bool {
        self.sessions.contains_key(session)
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
        if matches!(why, CallError::Refused(_)) {
            // SUB-7, EVT-10: the router does not know this party, any more or yet; or, SES-7, not the
            // session, which a visitor can hear of before the router does.
            self.record(now, Deed::SubscriptionRefused(why.to_string()));
            self.register(now);
        } else {
            self.record(now, Deed::Disconnected(why.to_string()));
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
                self.record(now, Deed::RegistrationRefused(why.to_string()));
                self.tell(About::Registration(why));
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
                    // PND-7, SES-7: as for streams.
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

    fn tell(&mut self, about: About) {
        self.actions.push_back(Action::Tell(Notice { party: self.me.number, about }));
    }

    fn tell_of(&mut self, session: &str, news: News) {
        self.tell(About::Session(session.into(), news));
    }

    fn record(&mut self, at: Millis, deed: Deed) {
        self.records.push_back(Record { at, party: self.me.number, deed });
    }
}
