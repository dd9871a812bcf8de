//! What came of a world.

use std::collections::BTreeMap;

use serde::Serialize;

use super::checks::Trouble;
use super::scenario::Scenario;
use crate::action::Millis;
use crate::ceremony::Report;
use crate::encoding::Digest;

/// What came of a world. It holds no secret but the seed, which has them all.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// What was played.
    pub scenario: Scenario,
    /// The digest of all that happened: another world that has it went the same way.
    pub trace: Digest,
    /// How many events there were.
    pub events: u64,
    /// How many heartbeats of idle parties were answered.
    pub heartbeats: u64,
    /// How long it lasted, in virtual milliseconds.
    pub lasted_ms: Millis,
    /// How long after the last fault the ceremony was over, in virtual milliseconds.
    pub healed_ms: Option<Millis>,
    /// How many faults of a kind there were.
    pub faults: BTreeMap<&'static str, u32>,
    /// Why the ceremony might rightly fail, if it might.
    pub excuse: Option<String>,
    /// What came of the ceremony, if there was one.
    pub ceremony: Option<Report>,
    /// What must not be. Empty: all is well.
    pub troubles: Vec<Trouble>,
    /// It was stopped before its end, and says nothing of what should have happened.
    pub stopped: bool,
}

impl Outcome {
    /// Whether nothing was found that must not be.
    pub fn passed(&self) -> bool {
        self.troubles.is_empty()
    }
}
