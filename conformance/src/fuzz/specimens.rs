//! The specimen as what programs are played against.

use std::time::{Duration, SystemTime};

use super::rehearsal::Rehearsed;
use crate::connect::Door;
use crate::notices::Notices;
use crate::power::Power;
use crate::profile::Timers;
use crate::requirement::Capability;
use crate::specimen::{Machine, Settings, Specimen, Twist, Variant};

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
        let variants = Variant::ALL.iter().filter(|variant| self.twist.is(**variant));
        let lacking: Vec<_> = variants.flat_map(|variant| variant.lacks()).collect();
        let claims = |it: &Capability| {
            let name = it.name();
            Specimen::CAPABILITIES.contains(&name) && !lacking.iter().any(|it| **it == name)
        };
        Capability::ALL.into_iter().filter(claims).collect()
    }
}

impl Rehearsed for Specimens {
    fn opens(&self, now: SystemTime) -> (Door, Option<Power>) {
        let settings = Settings {
            heartbeat_timeout: self.timers.heartbeat_timeout(),
            ack_timeout: self.timers.ack_timeout(),
            max_retries: self.timers.max_retries,
            message_ttl: Duration::from_millis(self.timers.message_ttl_ms),
            max_payload: usize::try_from(self.timers.max_payload_bytes).unwrap_or(usize::MAX),
            seed: 0,
            secure: self.twist.is(Variant::AsksWhoCalls),
        };
        let machine = Machine::at(now, settings, self.twist.clone(), Notices::default());
        (machine.door(), Some(Power::new(machine)))
    }
}
