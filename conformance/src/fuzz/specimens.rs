//! The specimen as what programs are played against.

use std::time::SystemTime;

use super::rehearsal::Rehearsed;
use crate::connect::Door;
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
}

impl Specimens {
    /// With short timers.
    pub fn new(twist: impl Into<Twist>) -> Self {
        Self { twist: twist.into(), timers: Timers::short() }
    }

    /// What they claim besides `core`.
    pub fn claims(&self) -> Vec<Capability> {
        self.twist.claims()
    }
}

impl Rehearsed for Specimens {
    fn opens(&self, now: SystemTime) -> (Door, Option<Power>) {
        let secure = self.twist.is(Variant::AsksWhoCalls);
        let settings = Settings { secure, ..Settings::of(&self.timers) };
        let machine = Machine::at(now, settings, self.twist.clone(), Notices::default());
        (machine.door(), Some(Power::new(machine)))
    }

    fn is_on_time(&self) -> bool {
        true
    }
}
