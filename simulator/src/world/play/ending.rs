//! How a world ends: everybody is done, all that was accepted is still known, and every ceremony has
//! come to the end that it must.

use std::time::Duration;

use mpc_router_proto::v1::GetPendingMessagesRequest;

use super::{BEGINNING, World};
use crate::action::{Call, Millis, Ticket};
use crate::ceremony::patience;
use crate::coordinator::{Coordinator, Ending, FIRST_CONTACT_MS, LOST_CONTACT_MS};
use crate::party::Party;
use crate::report::{Ended, PhaseReport, Remains, Report};
use crate::world::call::Ask;
use crate::world::checks::Trouble;
use crate::world::fault::Fault;
use crate::world::outcome::Outcome;

/// How long it may take from the last deadline until all is over.
const AFTER_DEADLINE_MS: Millis = 60_000;

/// How long everybody has, once all is well, to hear of that.
const SETTLES_IN_MS: Millis = 2_000;

/// The items of a verdict that are about the router, however the ceremony ended.
const OF_THE_ROUTER: [&str; 8] = [
    "lost",
    "duplicated",
    "phantom",
    "misrouted",
    "mislabelled",
    "altered",
    "canaries",
    "acknowledged",
];

impl World<'_> {
    /// Whether all is done, or will never be.
    pub(super) fn is_over(&self) -> bool {
        if self.now < self.lasts_until() + SETTLES_IN_MS || !self.host.is_up() {
            return false;
        }
        let Some(plan) = &self.plan else { return true };
        let deadline = BEGINNING + plan.deadline.as_millis() as Millis;
        let Some(over) = self.over_at else {
            return self.now > deadline.max(self.lasts_until()) + AFTER_DEADLINE_MS;
        };
        let Some(ending) = self.coordinator.as_ref().and_then(Coordinator::ending) else {
            return false;
        };
        let took = Duration::from_millis(over - BEGINNING);
        let until = BEGINNING + patience(ending, took, plan.deadline).as_millis() as Millis;
        let until = until.max(self.lasts_until() + AFTER_DEADLINE_MS / 2);
        (self.parties.iter().all(Party::is_idle) && self.flights.is_empty()) || until <= self.now
    }

    /// Looks at what is left, and tells what came of it all.
    pub(super) fn finish(mut self, stopped: bool) -> Outcome {
        let ending = self.coordinator.as_ref().and_then(Coordinator::ending).cloned();
        let mut more = Vec::new();
        let mut trouble = |check, what: String| more.push(Trouble { check, what });
        if !stopped {
            self.audit();
            if self.plan.is_some() && ending.is_none() {
                trouble("liveness", "the ceremony never ended".into());
            }
            let idle = self.idle.count() as usize;
            if self.scenario.hours > 0 && self.idle.there() < idle {
                let there = self.idle.there();
                trouble("liveness", format!("only {there} of {idle} idle parties registered"));
            }
        }
        let excuse = self.excuse(ending.as_ref());
        let report = self.report(ending);
        if let (Some(report), false) = (&report, stopped) {
            more.extend(self.judge(report, excuse.as_deref()));
        }
        let troubles = self.checks.troubles().cloned().chain(more).collect();
        let heals = BEGINNING + self.scenario.heals();
        Outcome {
            scenario: self.scenario.clone(),
            events: self.events,
            heartbeats: self.idle.beats,
            lasted_ms: self.now - BEGINNING,
            healed_ms: self.over_at.map(|over| over.saturating_sub(heals)),
            faults: self.faults,
            excuse,
            ceremony: report,
            troubles,
            stopped,
            trace: self.trace.digest(),
        }
    }

    /// What was accepted is still known, and what waits is rightly there.
    fn audit(&mut self) {
        self.tell_time();
        let accepted = self.checks.accepted();
        let accepted: Vec<(String, String)> =
            accepted.map(|(id, session)| (id.to_owned(), session.to_owned())).collect();
        for (id, session) in accepted {
            self.ask_status(&id, &session);
        }
        let members = self.agendas.iter().flat_map(|agenda| {
            let names = agenda.members.iter().map(|number| self.roster.name(*number).to_owned());
            names.map(|name| (agenda.session.clone(), name))
        });
        for (session_id, party_id) in members.collect::<Vec<_>>() {
            let request = GetPendingMessagesRequest { session_id, party_id, after_timestamp: 0 };
            self.audits(Call::Poll(request));
        }
        // Whatever is under way becomes safe.
        while let Some(log) = self.host.log().cloned() {
            self.drain();
            if !log.is_behind() {
                break;
            }
            log.begin_commit();
            log.finish_commit();
        }
        if !self.asked.is_empty() {
            let what = format!("{} calls for a status have no answer", self.asked.len());
            self.checks.found("liveness", what);
        }
    }

    fn audits(&mut self, call: Call) {
        let key = self.key();
        self.watch(key, Ticket(0), call.clone());
        self.checks.handle_poll_begun(key);
        self.host.begin(key, Ask::Call(call));
        self.drain();
    }

    /// Why the ceremony might rightly fail.
    fn excuse(&self, ending: Option<&Ending>) -> Option<String> {
        let lost = self.scenario.faults.iter().find_map(|fault| match fault {
            Fault::LoseParty { party, .. } => Some(*party),
            _ => None,
        });
        if let Some(lost) = lost {
            return Some(format!("{} vanished", self.roster.name(lost)));
        }
        let deadline = self.plan.as_ref().map(|plan| plan.deadline.as_millis() as Millis);
        if deadline.is_some_and(|deadline| deadline < self.scenario.heals()) {
            return Some("its deadline is before all is well".into());
        }
        let silent = self.coordinator_silent_for;
        let heard = self.coordinator_heard_at > BEGINNING;
        let patience = if heard { LOST_CONTACT_MS } else { FIRST_CONTACT_MS };
        if matches!(ending, Some(Ending::Unreachable(_))) && silent >= patience {
            return Some(format!("the coordinator heard nothing of the router for {silent} ms"));
        }
        self.checks.gave_up()
    }

    fn report(&self, ending: Option<Ending>) -> Option<Report> {
        let plan = self.plan.as_ref()?;
        let milliseconds = self.over_at.unwrap_or(self.now) - BEGINNING;
        let remains = Remains {
            plan,
            roster: &self.roster,
            agendas: &self.agendas,
            parties: &self.parties,
            records: &self.records,
            ending: ending.unwrap_or(Ending::Interrupted),
            phases: vec![PhaseReport { name: "all", milliseconds }],
            held_up: self.scenario.faults.iter().map(Fault::lasts).sum(),
        };
        Some(remains.report())
    }

    /// What is wrong with how the ceremony ended.
    fn judge(&self, report: &Report, excuse: Option<&str>) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        let mut found = |check, what: String| troubles.push(Trouble { check, what });
        // Who answers what was rightly given up is refused (ACK-4).
        let refuses = self.checks.gave_up().is_some();
        for item in report.verdict.iter().filter(|item| !item.passed) {
            if refuses && item.name == "acknowledged" {
                continue;
            }
            if OF_THE_ROUTER.contains(&item.name) {
                found("verdict", format!("{}: {}", item.name, item.detail));
            } else if excuse.is_none() {
                found("liveness", format!("{}: {}", item.name, item.detail));
            }
        }
        if excuse.is_none() && report.ended != Ended::Completed {
            let why = report.reason.clone().unwrap_or_default();
            found("liveness", format!("the ceremony failed though all was well: {why}"));
        }
        // All finish, or all know that it failed.
        for agenda in &self.agendas {
            let unaware = self.parties.iter().filter(|party| {
                let member = party.member().number;
                agenda.members.contains(&member)
                    && !self.is_lost(member)
                    && report.ended != Ended::Unreachable
                    && party.has_joined(&agenda.session)
                    && party.outcome(&agenda.session).is_none()
            });
            for party in unaware {
                let (id, session) = (&party.member().id, &agenda.session);
                found("liveness", format!("{id} never knew how {session} ended"));
            }
        }
        troubles
    }

    fn is_lost(&self, who: u16) -> bool {
        let mut faults = self.scenario.faults.iter();
        faults.any(|fault| matches!(fault, Fault::LoseParty { party, .. } if *party == who))
    }
}
