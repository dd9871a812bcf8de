//! Whether a party is there: registration, heartbeats, coming, leaving, vanishing.

use mpc_router_proto::v1::{
    HeartbeatRequest, NotificationChannel, RegisterPartyRequest, SessionEvent,
};
use rand_core::RngCore as _;

use super::{Party, Purpose};
use crate::action::{Action, Call, Millis};
use crate::record::Deed;
use crate::roster::{Receives, Role};

/// How a party stands to the router.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Presence {
    /// Not begun.
    New,
    /// Registering for the first time.
    Registering,
    /// A visitor that is known, and away.
    Away,
    /// A visitor that was asked to come, and when it will.
    Coming(Millis, Vec<SessionEvent>),
    /// There. With the time of the next heartbeat, if it sends any.
    Here(Option<Millis>),
    /// Vanished for good.
    Gone,
}

impl Presence {
    pub(super) fn due(&self) -> Option<Millis> {
        match self {
            Self::Coming(at, _) => Some(*at),
            Self::Here(at) => *at,
            Self::New | Self::Registering | Self::Away | Self::Gone => None,
        }
    }
}

impl Party {
    /// Begins: registers. A resident then stays; a visitor goes away until it is asked to come.
    pub fn handle_start(&mut self, now: Millis) {
        if self.presence == Presence::New {
            self.presence = Presence::Registering;
            self.register(now);
        }
    }

    /// Takes an event that was brought to it and not streamed: how visitors learn that they are
    /// wanted. A delegate comes at once; a temporary party comes late; a poller reads its mail.
    pub fn handle_brought(&mut self, event: SessionEvent, now: Millis) {
        match &mut self.presence {
            Presence::Gone => {}
            Presence::Here(_) => {
                self.attend(&event, now);
                self.settle(now);
            }
            Presence::Coming(_, events) => events.push(event),
            Presence::New | Presence::Registering | Presence::Away => {
                let late = match (self.me.role, self.me.receives) {
                    (Role::Temporary, _) => self.habits.lateness,
                    (_, Receives::Poll) => self.habits.lateness / 4,
                    (_, Receives::Stream) => 0,
                };
                let mut rng = self.seed.stream("lateness", self.me.number, &event.session_id);
                let late = late / 2 + rng.next_u64() % (late / 2 + 1);
                self.presence = Presence::Coming(now + late, vec![event]);
            }
        }
    }

    /// Goes for good, as a party does whose device breaks.
    pub fn vanish(&mut self, now: Millis) {
        self.presence = Presence::Gone;
        self.calls.forget(|_| true);
        self.actions.extend(self.streams.close_all().into_iter().map(Action::Close));
        for attendance in self.sessions.values_mut() {
            (attendance.poll_at, attendance.grace_until, attendance.linger_until) =
                (None, None, None);
        }
        self.record(now, Deed::Vanished);
    }

    pub(super) fn register(&mut self, now: Millis) {
        if self.calls.any(|purpose| *purpose == Purpose::Register) {
            return;
        }
        let notification = (self.me.receives == Receives::Poll).then(|| NotificationChannel {
            push_token: format!("push-{}", self.me.id),
            ..Default::default()
        });
        let request = RegisterPartyRequest {
            party_id: self.me.id.clone(),
            party_role: self.me.role.name().into(),
            version: concat!("mpc-simulator ", env!("CARGO_PKG_VERSION")).into(),
            notification,
        };
        self.calls.start(Call::Register(request), Purpose::Register, true, now);
    }

    pub(super) fn handle_registered(&mut self, now: Millis) {
        self.record(now, Deed::Registered);
        if self.presence == Presence::Registering {
            if self.me.is_resident() {
                self.arrive(now);
            } else {
                self.presence = Presence::Away;
            }
        }
    }

    pub(super) fn handle_presence_timeout(&mut self, now: Millis) {
        if self.presence.due().is_none_or(|at| at > now) {
            return;
        }
        match &mut self.presence {
            Presence::Coming(_, events) => {
                let events = std::mem::take(events);
                self.record(now, Deed::Came);
                self.register(now);
                self.arrive(now);
                for event in events {
                    self.attend(&event, now);
                }
            }
            Presence::Here(at) => {
                *at = Some(now + self.habits.heartbeat_every);
                let request = HeartbeatRequest {
                    party_id: self.me.id.clone(),
                    timestamp: i64::try_from(now).unwrap_or(i64::MAX),
                };
                self.calls.start(Call::Heartbeat(request), Purpose::Heartbeat, false, now);
            }
            Presence::New | Presence::Registering | Presence::Away | Presence::Gone => {}
        }
    }

    fn arrive(&mut self, now: Millis) {
        let streams = self.me.receives == Receives::Stream;
        if streams {
            self.streams.open_events(&self.me.id, now);
        }
        self.presence = Presence::Here(streams.then_some(now));
    }

    /// A visitor leaves when its sessions are over and everything is acknowledged.
    pub(super) fn leave_if_done(&mut self, now: Millis) {
        let here = matches!(self.presence, Presence::Here(_));
        if here && !self.me.is_resident() && !self.sessions.is_empty() && self.is_idle() {
            self.actions.extend(self.streams.close_all().into_iter().map(Action::Close));
            self.presence = Presence::Away;
            self.record(now, Deed::Left);
        }
    }
}
