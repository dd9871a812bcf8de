//! What comes out of the router, and what is found out about it.

use mpc_router_core::MessageId;
use mpc_router_proto::v1::{GetMessageStatusRequest, MpcMessage};
use tonic::{Code, Status};

use super::{Event, World};
use crate::coordinator::{Coordinator, Phase};
use crate::world::call::{Answer, Ask};
use crate::world::checks::Way;
use crate::world::host::{Key, Output};

/// How long until the next status is asked for.
const PROBE_AFTER_MS: [u64; 2] = [200, 2_000];

impl World<'_> {
    /// Takes all that the router has to say now, and sees to its log and its timers.
    pub(super) fn drain(&mut self) {
        loop {
            self.host.settle();
            while let Some(output) = self.host.poll_output() {
                match output {
                    Output::Answer(key, answer) => self.answers(key, answer),
                    Output::Message(key, message) => self.gives(key, message),
                    Output::Event(key, event) => self.gives_event(key, event),
                    Output::End(key, status) => self.ends(key, &status),
                    Output::Readable(key) => self.is_readable(key),
                }
            }
            if !self.host.is_ready() {
                break;
            }
        }
        let Some(log) = self.host.log().cloned() else { return };
        let now = self.host.router_time().unwrap_or_default();
        let (given_up, begins) = log.turn();
        for (message, party) in given_up {
            let (id, party) = (message.to_string(), party.to_string());
            self.trace.tell(self.now, format_args!("{id} for {party} is given up"));
            self.checks.handle_given_up(&id, &party, now);
        }
        if begins {
            let at = self.now + self.commit_time();
            self.queue.push(at, Event::Commit(self.host.run()));
        }
        if !self.parties.is_empty() {
            self.run_errands();
        }
        if let Some(due) = self.host.poll_timeout() {
            let due = due.max(self.now + 1);
            if self.due_at.is_none_or(|at| due < at) {
                self.due_at = Some(due);
                self.queue.push(due, Event::RouterDue);
            }
        }
    }

    /// Brings notifications: whoever gets one reads what was brought to it.
    fn run_errands(&mut self) {
        while let Some(errand) = self.host.poll_errand() {
            let (party, session) = (errand.party.as_str(), errand.session.as_str());
            self.trace.tell(self.now, format_args!("{party} is notified of {session}"));
            if let Some(who) = self.roster.find(party).map(|member| member.number) {
                let at = self.now + self.network.between(self.scenario.latency_ms);
                self.queue.push(at, Event::Mail(who));
            }
        }
    }

    /// A message's place in its session's log, if it is safe.
    pub(super) fn place(&self, id: &str) -> Option<u64> {
        let id = MessageId::parse(id).ok()?;
        Some(self.host.log()?.place(id)?.0)
    }

    pub(super) fn check_given(&mut self, to: &str, asked: &str, message: &MpcMessage) {
        let place = self.place(&message.message_id);
        self.checks.handle_given(to, asked, message, Way::Stream, place);
    }

    pub(super) fn check_polled(
        &mut self,
        call: Key,
        to: &str,
        asked: &str,
        messages: &[MpcMessage],
    ) {
        for message in messages {
            let place = self.place(&message.message_id);
            self.checks.handle_given(to, asked, message, Way::Poll(call), place);
        }
    }

    /// Asks for the status of a message that was accepted.
    pub(super) fn probe(&mut self) {
        let accepted: Vec<(&str, &str)> = self.checks.accepted().collect();
        let picked = self.probes.pick(&accepted).map(|(id, session)| (*id, *session));
        if let Some((id, session)) = picked
            && self.host.is_up()
        {
            let (id, session) = (id.to_owned(), session.to_owned());
            self.tell_time();
            self.ask_status(&id, &session);
            self.drain();
        }
        if self.coordinator.as_ref().map(Coordinator::phase) != Some(Phase::Over) {
            let after = self.probes.between(PROBE_AFTER_MS);
            self.queue.push(self.now + after, Event::Probe);
        }
    }

    pub(super) fn ask_status(&mut self, id: &str, session: &str) {
        let key = self.key();
        self.asked.insert(key, id.to_owned());
        let request = GetMessageStatusRequest { message_id: id.into(), session_id: session.into() };
        self.host.begin(key, Ask::Status(request));
    }

    pub(super) fn answers_status(&mut self, id: &str, answer: Result<Answer, Status>) {
        match answer {
            Ok(Answer::Status(reply)) => {
                // After a failure of its disk a router reads its log anew, as after a restart.
                let run = self.host.run() + self.disk_failures;
                self.checks.handle_status(&reply, run);
            }
            Err(status) if status.code() == Code::NotFound => {
                self.checks.handle_unknown(id, status.message());
            }
            // A router whose disk fails cannot say.
            Ok(_) | Err(_) => {}
        }
    }
}
