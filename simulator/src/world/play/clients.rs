//! The machines that call the router: what they want done, and what they hear.

use mpc_router_proto::v1::SessionEvent;

use super::{Event, World};
use crate::action::{Action, Call, Millis, Notice, StreamId, Ticket};
use crate::coordinator::Phase;
use crate::record::{Deed, Record};
use crate::roster::Receives;
use crate::world::fault::{COORDINATOR, Fault};
use crate::world::scenario::Scenario;

/// What is known of a party, or the coordinator, besides its machine.
#[derive(Debug)]
pub(super) struct Client {
    /// How far its clock is ahead.
    skew: i64,
    wake_at: Option<Millis>,
    /// Its process does not run.
    pub(super) paused: bool,
    /// What it finds lost when it runs again.
    pub(super) lost: Vec<Ticket>,
    pub(super) broken: Vec<StreamId>,
    mail: Vec<SessionEvent>,
}

/// How long a party that polls takes to read what was brought, at most, unless it is notified.
const MAIL_READ_MS: Millis = 500;

impl Client {
    pub(super) fn new(who: u16, scenario: &Scenario) -> Self {
        let skew = scenario.faults.iter().map(|fault| match fault {
            Fault::Skew { party, by_ms } if *party == who => *by_ms,
            _ => 0,
        });
        let (skew, mail) = (skew.sum(), Vec::new());
        let (lost, broken) = (Vec::new(), Vec::new());
        Self { skew, wake_at: None, paused: false, lost, broken, mail }
    }
}

impl World<'_> {
    pub(super) fn client(&mut self, who: u16) -> &mut Client {
        &mut self.clients[usize::from(who)]
    }

    /// What a client's clock shows.
    pub(super) fn local(&self, who: u16) -> Millis {
        self.now.saturating_add_signed(self.clients[usize::from(who)].skew)
    }

    /// What a client is called in the trace.
    pub(super) fn name(&self, who: u16) -> &str {
        if who == COORDINATOR { "coordinator" } else { self.roster.name(who) }
    }

    /// Does what a machine wants done, and sees to it that it is woken in time.
    pub(super) fn act(&mut self, who: u16) {
        let local = self.local(who);
        loop {
            let action = match who.checked_sub(1) {
                Some(at) => self.parties[usize::from(at)].poll_action(local),
                None => self.coordinator.as_mut().and_then(|it| it.poll_action(local)),
            };
            self.write_down(who);
            let Some(action) = action else { break };
            self.perform(who, action);
        }
        if who == COORDINATOR
            && self.coordinator.as_ref().is_some_and(|it| it.phase() == Phase::Over)
        {
            self.over_at.get_or_insert(self.now);
        }
        let timeout = match who.checked_sub(1) {
            Some(at) => self.parties[usize::from(at)].poll_timeout(),
            None => self.coordinator.as_ref().and_then(|it| it.poll_timeout()),
        };
        let now = self.now;
        let client = self.client(who);
        let Some(at) = timeout.map(|at| at.saturating_add_signed(-client.skew).max(now)) else {
            return;
        };
        if client.wake_at.is_none_or(|before| at < before) {
            client.wake_at = Some(at);
            self.queue.push(at, Event::Wake(who));
        }
    }

    fn perform(&mut self, who: u16, action: Action) {
        match action {
            Action::Call(ticket, call) => self.call(who, ticket, call),
            Action::Open(id, stream) => self.open(who, id, stream),
            Action::Close(id) => self.close(who, id),
            Action::Tell(notice) => {
                let at = self.past_the_router();
                self.queue.push(at, Event::Notice(Box::new(notice)));
            }
            Action::Bring(to, event) => {
                let at = self.past_the_router();
                self.queue.push(at, Event::Brought(to, Box::new(event)));
            }
        }
    }

    /// When something arrives that does not go through the router.
    fn past_the_router(&mut self) -> Millis {
        self.now + self.network.between(self.scenario.latency_ms)
    }

    /// Keeps what a party wrote down, by the world's time.
    fn write_down(&mut self, who: u16) {
        let Some(at) = who.checked_sub(1) else { return };
        while let Some(record) = self.parties[usize::from(at)].poll_record() {
            if is_told(&record.deed) {
                let name = self.roster.name(who);
                self.trace.tell(self.now, format_args!("{name} {}", record.deed));
            }
            self.records.push(Record { at: self.now, ..record });
        }
    }

    pub(super) fn wake(&mut self, who: u16) {
        let now = self.now;
        let client = self.client(who);
        if client.wake_at != Some(now) {
            return;
        }
        client.wake_at = None;
        if !client.paused {
            self.time_out(who);
        }
    }

    /// A machine does what is due.
    pub(super) fn time_out(&mut self, who: u16) {
        let local = self.local(who);
        match who.checked_sub(1) {
            Some(at) => self.parties[usize::from(at)].handle_timeout(local),
            None => {
                if let Some(coordinator) = &mut self.coordinator {
                    coordinator.handle_timeout(local);
                }
            }
        }
        self.act(who);
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        let local = self.local(COORDINATOR);
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.handle_notice(notice, local);
        }
        self.act(COORDINATOR);
    }

    /// An event comes to where a party reads it: at once if it watches, later if it polls, and not
    /// before it is back if it is away.
    pub(super) fn brought(&mut self, who: u16, event: SessionEvent) {
        let polls = self.roster.get(who).is_some_and(|it| it.receives == Receives::Poll);
        let late = if polls { self.network.below(MAIL_READ_MS) } else { 0 };
        let at = self.now + late;
        self.client(who).mail.push(event);
        self.queue.push(at, Event::Mail(who));
    }

    pub(super) fn read_mail(&mut self, who: u16) {
        if self.client(who).paused {
            // It reads it when it is back.
            return;
        }
        if let Some(until) = self.away_until(who) {
            self.queue.push(until, Event::Mail(who));
            return;
        }
        let mail = std::mem::take(&mut self.client(who).mail);
        if mail.is_empty() {
            return;
        }
        let local = self.local(who);
        if let Some(party) = self.parties.get_mut(usize::from(who).wrapping_sub(1)) {
            for event in mail {
                party.handle_brought(event, local);
            }
        }
        self.act(who);
    }

    /// The end of the time for which a party does not hear of anything, if it is such a time.
    fn away_until(&self, who: u16) -> Option<Millis> {
        let since = self.now - super::BEGINNING;
        let ends = self.scenario.faults.iter().filter_map(|fault| match fault {
            Fault::Away { party, at_ms, .. } if *party == who && *at_ms <= since => {
                Some(fault.ends()).filter(|end| since < *end)
            }
            _ => None,
        });
        ends.max().map(|end| end + super::BEGINNING)
    }

    /// A party's process ends. What is on its way to it and from it is lost.
    pub(super) fn pause(&mut self, who: u16) {
        self.client(who).paused = true;
        self.lose_connection(who);
    }

    /// A party's process goes on with what it kept.
    pub(super) fn resume(&mut self, who: u16) {
        let client = self.client(who);
        client.paused = false;
        let (lost, broken) = (std::mem::take(&mut client.lost), std::mem::take(&mut client.broken));
        for ticket in lost {
            self.lost(who, ticket);
        }
        for id in broken {
            self.broken(who, id);
        }
        self.read_mail(who);
        self.time_out(who);
    }

    /// A party vanishes for good.
    pub(super) fn vanish(&mut self, who: u16) {
        let local = self.local(who);
        self.parties[usize::from(who) - 1].vanish(local);
        self.act(who);
        self.lose_connection(who);
    }
}

/// The trace has everything else from where it happens.
fn is_told(deed: &Deed) -> bool {
    !matches!(deed, Deed::Attempted(_) | Deed::Saw(_) | Deed::Accepted(..) | Deed::Acknowledged(..))
}

/// What a call is, in the trace.
pub(super) fn told(call: &Call) -> String {
    match call {
        Call::Route(request, _) => format!("RouteMessage of {}", request.message_type),
        Call::Acknowledge(request) => format!("AcknowledgeMessage of {}", request.message_id),
        Call::Publish(request) => {
            let kind = request.event.as_ref().map_or("", |event| event.event_type.as_str());
            format!("PublishSessionEvent of {kind}")
        }
        _ => call.name().to_owned(),
    }
}
