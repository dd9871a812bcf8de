//! What a target promises, as far as it is the target's own.

use crate::fuzz::history::Moment;
use crate::fuzz::wrong::Wrong;
use crate::requirement::Capability;

/// What the target's timers and rules are. Nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A party silent for longer is offline.
    pub heartbeat_timeout: Moment,
    /// What is sent on a stream and not acknowledged for so long may be sent again.
    pub ack_timeout: Moment,
    /// Whether it must be.
    pub redelivers: bool,
    /// How often.
    pub max_retries: u32,
    /// What is outstanding for so long may fail.
    pub message_ttl: Moment,
    /// Whether it must.
    pub expires: bool,
    /// How late anything may be that the target's timers do.
    pub slack: Moment,
    /// How early: its clock may count whole milliseconds.
    pub early: Moment,
    /// Whether nobody else uses the target.
    pub is_alone: bool,
    /// Whether only members of a session send and receive in it.
    pub membership: bool,
    /// Whether who subscribes to events gets those from before that selected it.
    pub replays_events: bool,
    /// Whether parties that are away are told that something waits for them.
    pub notifies: bool,
    /// Whether keys make it safe to try again.
    pub has_keys: bool,
    /// Whether certificates tell who calls.
    pub secure: bool,
    /// How far its clock may be off.
    pub clock_tolerance: Moment,
}

impl Rules {
    /// Whether this must be rejected.
    pub fn forbid(&self, what: Wrong) -> bool {
        match what.needs() {
            Capability::Membership => self.membership,
            Capability::Secure => self.secure,
            Capability::Idempotency => self.has_keys,
            _ => true,
        }
    }

    /// From the first sending on a stream to the failure of what is never acknowledged.
    pub fn all_attempts(&self) -> Moment {
        let attempts = Moment::from(self.max_retries) + 1;
        self.ack_timeout.saturating_mul(attempts)
    }
}
