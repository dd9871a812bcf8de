//! The session coordinator: finds the parties, announces sessions, and ends them.

mod announcing;
mod session;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mpc_router_proto::v1::{GetRegisteredPartiesRequest, RegisteredParty};

use crate::action::{About, Action, Call, CallError, Millis, News, Notice, Reply, Ticket, Token};
use crate::calls::Calls;
use crate::roster::{CoordinatorKey, Member, Roster};
use crate::seed::Seed;
use session::{Session, Stage};

/// A session to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agenda {
    /// Its name.
    pub session: String,
    /// The members' numbers.
    pub members: Vec<u16>,
    /// What is to be signed; empty for the generation of a key.
    pub message_hash: Vec<u8>,
}

/// What goes on in a ceremony.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Parties register and are found.
    Gathering,
    /// The sessions of the step with this number, from 0, are held.
    Step(usize),
    /// It is over.
    Over,
}

/// How a ceremony ended, as the coordinator has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// All sessions were completed.
    Completed,
    /// A session failed, or could not begin.
    Failed(String),
    /// The router could not be reached, or not any more.
    Unreachable(String),
    /// Somebody stopped it.
    Interrupted,
}

/// How long to ask again whether all parties are there.
const DISCOVER_EVERY_MS: Millis = 100;
/// How often to look whether the router is there while sessions are held.
const WATCH_EVERY_MS: Millis = 1_000;
/// How often to announce again what somebody does not know yet: less often, the longer that goes on.
const ANNOUNCE_EVERY_MS: [Millis; 2] = [1_000, 600_000];
/// How long a router that never answered may be unreachable.
pub(crate) const FIRST_CONTACT_MS: Millis = 3_000;
/// How long a router may be unreachable that has answered: a restart takes some time.
pub(crate) const LOST_CONTACT_MS: Millis = 10_000;
/// How long to wait for parties to know that a session is over.
const PARTING_MS: Millis = 3_000;
/// How much longer than the ceremony its sessions last before they expire by themselves.
const EXPIRY_MARGIN_MS: Millis = 60_000;

/// The types of the events that end a session.
const COMPLETED: &str = "session_completed";
const FAILED: &str = "session_failed";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    Discover,
    Publish { session: String, end: bool },
}

/// Holds sessions, step by step; those of one step at the same time. The next step begins when all
/// sessions of this one are completed.
///
/// `handle_*` takes what happened and the time, `poll_*` gives what to do; as for
/// [`Party`](crate::party::Party).
#[derive(Debug)]
pub struct Coordinator {
    roster: Arc<Roster>,
    key: CoordinatorKey,
    threshold: u16,
    steps: VecDeque<Vec<Agenda>>,
    step: usize,
    phase: Phase,
    sessions: BTreeMap<String, Session>,
    calls: Calls<Purpose>,
    discover_at: Option<Millis>,
    deadline: Millis,
    /// How long everything may take.
    allowed: Millis,
    unreachable_since: Option<Millis>,
    /// Why, the last time.
    unreachable: Option<String>,
    heard: bool,
    /// Who was not there when the router was asked last.
    absent: Vec<String>,
    /// Why the router did not list its parties, the last time it did not.
    unlisted: Option<String>,
    ending: Option<Ending>,
    actions: VecDeque<Action>,
    events: u64,
}

impl Coordinator {
    /// Holds `steps` with the roster's parties; everything must be done within `allowed`
    /// milliseconds.
    pub fn new(
        roster: Arc<Roster>,
        key: CoordinatorKey,
        seed: Seed,
        threshold: u16,
        steps: Vec<Vec<Agenda>>,
        allowed: Millis,
    ) -> Self {
        Self {
            key,
            threshold,
            steps: steps.into(),
            step: 0,
            phase: Phase::Gathering,
            sessions: BTreeMap::new(),
            calls: Calls::new(seed.stream("calls", 0, "")),
            discover_at: None,
            deadline: 0,
            allowed,
            unreachable_since: None,
            unreachable: None,
            heard: false,
            absent: roster.members().iter().map(|member| member.id.clone()).collect(),
            unlisted: None,
            ending: None,
            actions: VecDeque::new(),
            events: 0,
            roster,
        }
    }

    /// What goes on.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// How it ended, once all is done and everybody was told.
    pub fn ending(&self) -> Option<&Ending> {
        if self.phase == Phase::Over { self.ending.as_ref() } else { None }
    }

    /// Begins.
    pub fn handle_start(&mut self, now: Millis) {
        self.deadline = now + self.allowed;
        self.discover_at = Some(now);
        self.discover(now);
    }

    /// Takes what a party tells.
    pub fn handle_notice(&mut self, notice: Notice, now: Millis) {
        let Notice { party, about } = notice;
        let (name, news) = match about {
            About::Session(name, news) => (name, news),
            About::Registration(why) => return self.handle_unregistered(party, why, now),
        };
        let Some(session) = self.sessions.get_mut(&name) else { return };
        if !session.agenda.members.contains(&party) {
            return;
        }
        match news {
            News::Joined(Token(token)) => {
                let terms = session.terms(&self.roster, self.threshold);
                if token == terms.token(party, &self.key) {
                    session.joined.insert(party);
                } else {
                    let name = self.roster.name(party);
                    session.failure.get_or_insert(format!("{name} joined with a wrong token"));
                }
            }
            News::Started => {
                session.started.insert(party);
            }
            News::Finished => {
                session.finished.insert(party);
            }
            News::Failed(blame) => {
                let name = self.roster.name(party);
                let through =
                    blame.whom.map(|whom| format!(", through {}", self.roster.name(whom)));
                let why = format!("{name} failed{}: {}", through.unwrap_or_default(), blame.reason);
                session.failure.get_or_insert(why);
            }
            News::Closed => {
                session.closed.insert(party);
            }
        }
        self.settle(now);
    }

    /// A party that is not registered can take part in nothing.
    fn handle_unregistered(&mut self, party: u16, why: CallError, now: Millis) {
        if let (CallError::Unimplemented(why), false) = (&why, self.heard) {
            return self.give_up(no_router(why));
        }
        let why = format!("the router does not register {}: {why}", self.roster.name(party));
        if self.phase == Phase::Gathering {
            return self.give_up(Ending::Failed(why));
        }
        for session in self.sessions.values_mut() {
            if session.agenda.members.contains(&party) {
                session.failure.get_or_insert_with(|| why.clone());
            }
        }
        self.settle(now);
    }

    /// Takes what came of a call.
    pub fn handle_reply(&mut self, ticket: Ticket, result: Result<Reply, CallError>, now: Millis) {
        match &result {
            Err(CallError::Unreachable(why)) => {
                self.unreachable = Some(why.clone());
                let since = *self.unreachable_since.get_or_insert(now);
                let patience = if self.heard { LOST_CONTACT_MS } else { FIRST_CONTACT_MS };
                if now - since >= patience {
                    return self.give_up(Ending::Unreachable(why.clone()));
                }
            }
            Err(CallError::Unimplemented(why)) if !self.heard => {
                return self.give_up(no_router(why));
            }
            Err(CallError::Unknown(_) | CallError::Unimplemented(_)) => {}
            Ok(_) | Err(CallError::Refused(_)) => {
                self.unreachable_since = None;
                self.heard = true;
            }
        }
        let Some((purpose, result)) = self.calls.handle_reply(ticket, result, now) else { return };
        match (purpose, result) {
            (Purpose::Discover, Ok(Reply::Parties(parties))) => self.handle_parties(&parties, now),
            (Purpose::Discover, Err(CallError::Unknown(why))) => self.unlisted = Some(why),
            (Purpose::Discover, Err(CallError::Refused(why))) => {
                let why = format!("the router does not list its parties: {why}");
                self.give_up(Ending::Failed(why));
            }
            (Purpose::Discover, _) => {}
            (Purpose::Publish { session: name, end }, result) => {
                // Whoever does not hear the end from the router hears it otherwise.
                if let (false, Some(session)) = (end, self.sessions.get_mut(&name)) {
                    match result {
                        Ok(_) => session.announced = true,
                        Err(why) => {
                            let why = format!("the router refused its announcement: {why}");
                            session.failure.get_or_insert(why);
                        }
                    }
                }
                self.publish(&name, now);
            }
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Millis) {
        if self.phase == Phase::Over {
            return;
        }
        if now >= self.deadline && self.unreachable_since.is_some() && !self.is_parting() {
            let why = self.unreachable.take().unwrap_or_default();
            return self.give_up(Ending::Unreachable(why));
        }
        if now >= self.deadline {
            self.fail_all("the deadline passed", now);
        }
        if self.discover_at.is_some_and(|at| at <= now) {
            self.discover(now);
        }
        self.settle(now);
    }

    /// Stops: fails all sessions and lets everybody know.
    pub fn handle_interrupt(&mut self, now: Millis) {
        if self.phase != Phase::Over {
            self.ending = Some(Ending::Interrupted);
            self.fail_all("it was stopped", now);
            self.settle(now);
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self, now: Millis) -> Option<Action> {
        self.actions.pop_front().or_else(|| self.calls.poll_action(now).map(|(action, _)| action))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Millis> {
        if self.phase == Phase::Over {
            return None;
        }
        let sessions = self.sessions.values().flat_map(|session| {
            let parting = match session.stage {
                Stage::Ended(_, until) => Some(until),
                Stage::Created | Stage::Started | Stage::Done(_) => None,
            };
            [session.announce_at, parting]
        });
        let deadline = (!self.is_parting()).then_some(self.deadline);
        sessions.chain([self.discover_at, self.calls.poll_timeout(), deadline]).flatten().min()
    }

    fn is_parting(&self) -> bool {
        self.phase != Phase::Gathering
            && self.sessions.values().all(|s| matches!(s.stage, Stage::Ended(..) | Stage::Done(_)))
    }

    fn discover(&mut self, now: Millis) {
        let gathering = self.phase == Phase::Gathering;
        self.discover_at = Some(now + if gathering { DISCOVER_EVERY_MS } else { WATCH_EVERY_MS });
        if !self.calls.any(|purpose| *purpose == Purpose::Discover) {
            let request = GetRegisteredPartiesRequest::default();
            self.calls.start(Call::Discover(request), Purpose::Discover, false, now);
        }
    }

    /// Residents must be online; visitors must be known, and are sent for when there is something
    /// to do.
    fn handle_parties(&mut self, parties: &[RegisteredParty], now: Millis) {
        if self.phase != Phase::Gathering {
            return;
        }
        let there = |id: &str, resident: bool| {
            parties.iter().any(|party| party.party_id == id && (party.online || !resident))
        };
        let absent = |member: &&Member| !there(&member.id, member.is_resident());
        let absent = self.roster.members().iter().filter(absent);
        self.absent = absent.map(|member| member.id.clone()).collect();
        self.unlisted = None;
        if self.absent.is_empty() {
            self.begin_step(0, now);
        }
    }

    fn begin_step(&mut self, step: usize, now: Millis) {
        let Some(agendas) = self.steps.pop_front() else {
            self.phase = Phase::Over;
            self.ending.get_or_insert(Ending::Completed);
            return;
        };
        (self.step, self.phase) = (step, Phase::Step(step));
        for agenda in agendas {
            let expires_at = self.deadline.saturating_add(EXPIRY_MARGIN_MS);
            let expires_at = i64::try_from(expires_at).unwrap_or(i64::MAX);
            let session = Session::new(agenda, expires_at, now);
            let name = session.agenda.session.clone();
            self.sessions.insert(name.clone(), session);
            self.announce(&name, now);
        }
    }

    /// Moves every session on as far as it goes.
    fn settle(&mut self, now: Millis) {
        if self.phase == Phase::Over {
            return;
        }
        let names: Vec<String> = self.sessions.keys().cloned().collect();
        for name in names {
            self.settle_session(&name, now);
        }
        let done = |good: bool| move |session: &Session| session.stage == Stage::Done(good);
        let sessions = self.sessions.values();
        if self.phase == Phase::Gathering
            || !sessions.clone().all(|s| done(true)(s) || done(false)(s))
        {
            return;
        }
        if let Some(failed) = sessions.clone().find(|session| done(false)(session)) {
            let why = failed.failure.clone().unwrap_or_default();
            self.give_up(Ending::Failed(why));
        } else if self.ending.is_some() {
            // It was stopped while the parties of this step were parting.
            self.phase = Phase::Over;
        } else {
            self.begin_step(self.step + 1, now);
        }
    }

    fn settle_session(&mut self, name: &str, now: Millis) {
        let publishing = self.is_publishing(name);
        let Some(session) = self.sessions.get_mut(name) else { return };
        let members = &session.agenda.members;
        let all = |who: &BTreeSet<u16>| members.iter().all(|member| who.contains(member));
        let due = session.announce_at.is_some_and(|at| at <= now);
        let next = match session.stage {
            Stage::Created | Stage::Started if session.failure.is_some() => {
                Some(Stage::Ended(false, now + PARTING_MS))
            }
            Stage::Created => {
                // Visitors may come later: what is sent to them meanwhile waits for them (SUB-1). They
                // are also told otherwise, and must not speak in a session that the router does not
                // know yet (RTE-3): where all are visitors, nobody's joining shows that it does.
                let resident =
                    |number: &u16| self.roster.get(*number).is_some_and(|m| m.is_resident());
                let mut residents = members.iter().filter(|member| resident(member));
                let joined = residents.all(|member| session.joined.contains(member));
                (session.announced && joined).then_some(Stage::Started)
            }
            Stage::Started if all(&session.finished) => Some(Stage::Ended(true, now + PARTING_MS)),
            Stage::Started => {
                if all(&session.started) {
                    session.announce_at = None;
                }
                None
            }
            Stage::Ended(good, until)
                if (all(&session.closed) && !publishing && session.unpublished.is_empty())
                    || until <= now =>
            {
                session.stage = Stage::Done(good);
                session.announce_at = None;
                return;
            }
            Stage::Ended(..) => {
                if due {
                    // Who does not know after a while is told otherwise.
                    session.unheard = true;
                }
                None
            }
            Stage::Done(_) => return,
        };
        if let Some(next) = next {
            (session.stage, session.since) = (next, now);
            self.announce(name, now);
        } else if due && session.announce_at.is_some() {
            self.announce(name, now);
        }
    }

    fn fail_all(&mut self, why: &str, now: Millis) {
        if self.phase == Phase::Gathering {
            let absent = some(self.absent.clone());
            let last = self.unlisted.take().map(|last| format!(" (the last time it said: {last})"));
            let last = last.unwrap_or_default();
            let why = format!("{why} before the router listed {absent} as there{last}");
            return self.give_up(Ending::Failed(why));
        }
        let waited: Vec<(String, String)> = self
            .sessions
            .iter()
            .filter(|(_, s)| matches!(s.stage, Stage::Created | Stage::Started))
            .map(|(name, session)| {
                let late = session
                    .agenda
                    .members
                    .iter()
                    .filter(|member| !session.finished.contains(member))
                    .map(|member| self.roster.name(*member));
                let late = some(late.map(str::to_owned).collect());
                (name.clone(), format!("{why} while {late} had not finished {name}"))
            })
            .collect();
        for (name, why) in waited {
            if let Some(session) = self.sessions.get_mut(&name) {
                session.failure.get_or_insert(why);
            }
            self.settle_session(&name, now);
        }
    }

    fn give_up(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
        self.phase = Phase::Over;
    }
}

/// Somebody is there who has never been known to be a router.
fn no_router(why: &str) -> Ending {
    Ending::Unreachable(format!("what is there is none: {why}"))
}

/// Names in a line that is not too long.
fn some(names: Vec<String>) -> String {
    const TOLD: usize = 5;
    match names.len().checked_sub(TOLD) {
        Some(more @ 1..) => format!("{} and {more} more", names[..TOLD].join(", ")),
        _ => names.join(", "),
    }
}
