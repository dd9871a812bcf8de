//! The specimen as what programs are played against.

use std::time::SystemTime;

use super::rehearsal::{Opening, Rehearsed};
use crate::notices::Notices;
use crate::power::Power;
use crate::profile::Timers;
use crate::requirement::Capability;
use crate::specimen::{Machine, Settings, Twist, Variant};

/// Specimens with one fault, with variants, or right ones.
#[derive(Clone, Debug)]
pub struct Specimens {
    /// What is wrong or different about them.
    pub twist: Twist,
    /// Their timers.
    pub timers: Timers,
    /// Whether certificates tell who calls.
    pub secure: bool,
}

impl Specimens {
    /// With short timers.
    pub fn new(twist: impl Into<Twist>) -> Self {
        let twist = twist.into();
        let secure = twist.is(Variant::AsksWhoCalls);
        Self { twist, timers: Timers::short(), secure }
    }

    /// The same, whose certificates tell who calls.
    pub fn asking_who_calls(self) -> Self {
        Self { secure: true, ..self }
    }

    /// What they claim besides `core`.
    pub fn claims(&self) -> Vec<Capability> {
        let mut claims = self.twist.claims();
        claims.extend(self.secure.then_some(Capability::Secure));
        claims
    }
}

impl Rehearsed for Specimens {
    fn opens(&self, now: SystemTime) -> Opening {
        let settings = Settings { secure: self.secure, ..Settings::of(&self.timers) };
        let notices = Notices::default();
        let machine = Machine::at(now, settings, self.twist.clone(), notices.clone());
        let (door, power) = (machine.door(), Some(Power::new(machine)));
        Opening { door, power, notices: Some(notices) }
    }

    fn is_on_time(&self) -> bool {
        true
    }
}
