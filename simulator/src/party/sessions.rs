//! What a party does in its sessions: joins, begins, tells how it stands, and closes.

use std::sync::Arc;

use mpc_router_proto::v1::SessionEvent;

use super::{Attendance, Party, Purpose, Repertoire};
use crate::action::{Action, Millis, News, Token};
use crate::protocol::{Blame, FrostDkg, FrostSign, Output, Protocol, Scripted};
use crate::record::Deed;
use crate::roster::Receives;
use crate::seat::{Effect, Seat, Standing};
use crate::terms::Terms;

impl Party {
    /// Acts on an event of a session it is a member of.
    pub(super) fn attend(&mut self, event: &SessionEvent, now: Millis) {
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
    pub(super) fn interrupted(&self, session: &str) -> String {
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
    pub(super) fn join(&mut self, event: &SessionEvent, now: Millis) -> bool {
        let session = &event.session_id;
        let terms = match Terms::verified(event, self.me.number, &self.roster) {
            Ok(terms) => terms,
            Err(why) => {
                if !self.sessions.contains_key(session) {
                    let blame = Blame::nobody(why.to_string());
                    self.record(now, Deed::Failed(session.clone(), blame.reason.clone()));
                    self.tell_of(session, News::Failed(blame));
                }
                return false;
            }
        };
        if let Some(attendance) = self.sessions.get(session) {
            return attendance.seat.terms == terms;
        }
        let poll_at = (self.me.receives == Receives::Poll).then_some(now);
        let attendance = Attendance {
            seat: Seat::new(terms, self.seal, self.repertoire.kinds()),
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
        self.tell_of(session, News::Joined(Token(token)));
        true
    }

    pub(super) fn start(&mut self, session: &str, now: Millis) {
        let Some(attendance) = self.sessions.get(session) else { return };
        if attendance.seat.has_started() || attendance.seat.standing() != Standing::Running {
            return;
        }
        let protocol = self.protocol(&attendance.seat.terms);
        self.record(now, Deed::Started(session.into()));
        self.tell_of(session, News::Started);
        if let Some(attendance) = self.sessions.get_mut(session) {
            attendance.seat.start(protocol, &mut self.sealer, &self.roster);
        }
    }

    pub(super) fn protocol(&self, terms: &Terms) -> Result<Box<dyn Protocol>, Blame> {
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

    /// Performs what the seats want, and tells how they stand.
    pub(super) fn settle(&mut self, now: Millis) {
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
                    self.tell_of(&session, News::Finished);
                }
                (Standing::Failed, _, Some(blame)) => {
                    attendance.told = true;
                    let blame = blame.clone();
                    let told = self.in_words(&blame);
                    self.record(now, Deed::Failed(session.clone(), told));
                    self.tell_of(&session, News::Failed(blame));
                    self.drop_routes(&session);
                }
                _ => {}
            }
        }
        self.leave_if_done(now);
    }

    /// Stops listening in a session.
    pub(super) fn close(&mut self, session: &str, now: Millis) {
        let Some(attendance) = self.sessions.get_mut(session) else { return };
        attendance.closed = true;
        attendance.poll_at = None;
        attendance.grace_until = None;
        if let Some(id) = self.streams.close_messages(session) {
            self.actions.push_back(Action::Close(id));
        }
        self.drop_routes(session);
        self.record(now, Deed::Closed(session.into()));
        self.tell_of(session, News::Closed);
    }

    pub(super) fn in_words(&self, blame: &Blame) -> String {
        match blame.whom {
            Some(whom) => format!("{}: {}", self.roster.name(whom), blame.reason),
            None => blame.reason.clone(),
        }
    }
}
