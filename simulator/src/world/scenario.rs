//! A world as it begins, and what is to go wrong in it.

mod read;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::action::Millis;
use crate::flow::{Flow, FlowError};
use crate::plan::{MAX_DEADLINE, Plan, Protocol};

/// A world to be played: the same scenario goes the same way each time.
///
/// ```
/// use mpc_simulator::world::{Scenario, play};
///
/// let scenario = Scenario::parse("mine.toml", r#"
///     seed = 7
///     parties = 3
///     threshold = 2
///     [[fault]]
///     kind = "crash-router"
///     at_ms = 1500
///     down_ms = 2000
///     torn = true
/// "#)?;
/// let outcome = play(&scenario)?;
/// assert!(outcome.passed(), "{:?}", outcome.troubles);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Where keys, nonces, latencies and pauses come from.
    #[serde(default = "one")]
    pub seed: u64,
    /// How many parties run a ceremony; 0: none is run.
    #[serde(default = "five")]
    pub parties: u16,
    /// How many of them sign.
    #[serde(default = "three")]
    pub threshold: u16,
    /// What they run: `frost`, a flow that comes with the simulator, or a file with one.
    #[serde(default = "frost")]
    pub flow: String,
    /// How long the ceremony may take; 0: two minutes after the last fault is over.
    #[serde(default)]
    pub deadline_ms: Millis,
    /// How long a request, an answer or a message is on its way, from and to.
    #[serde(default = "latency")]
    pub latency_ms: [Millis; 2],
    /// How long a commit of the router's log takes, from and to.
    #[serde(default = "commit")]
    pub commit_ms: [Millis; 2],
    /// How many parties are there besides, with a heartbeat every ten seconds and an open stream.
    #[serde(default)]
    pub idle_parties: u32,
    /// How long these stay, in hours.
    #[serde(default)]
    pub hours: u32,
    /// What goes wrong.
    #[serde(default, rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

fn one() -> u64 {
    1
}

fn three() -> u16 {
    3
}

fn five() -> u16 {
    5
}

fn frost() -> String {
    FROST.into()
}

fn latency() -> [Millis; 2] {
    [1, 20]
}

fn commit() -> [Millis; 2] {
    [1, 10]
}

/// What `flow` says where it is the real protocol.
const FROST: &str = "frost";

/// How long after the last fault a ceremony has to be over.
const HEALED_WITHIN: Duration = Duration::from_secs(120);

/// The most idle parties.
pub const MAX_IDLE_PARTIES: u32 = 100_000;
/// The most hours.
pub const MAX_HOURS: u32 = 24 * 366;
/// The longest latency, commit and pause that is no fault.
const MAX_PAUSE_MS: Millis = 1_000;

/// What is wrong with a scenario, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ScenarioError(#[from] pub FlowError);

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: one(),
            parties: five(),
            threshold: three(),
            flow: frost(),
            deadline_ms: 0,
            latency_ms: latency(),
            commit_ms: commit(),
            idle_parties: 0,
            hours: 0,
            faults: Vec::new(),
        }
    }
}

impl Scenario {
    /// Reads a scenario; `file` is what errors call it.
    ///
    /// # Errors
    /// If the text is none.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        read::scenario(file, text)
    }

    /// The text that reads as this scenario.
    pub fn text(&self) -> String {
        toml::to_string(self).expect("a scenario has nothing that TOML has not")
    }

    /// Checks that it can be played.
    ///
    /// # Errors
    /// If it cannot; the sentence says why.
    pub fn check(&self) -> Result<(), ScenarioError> {
        self.plan().map(drop)
    }

    /// When the last fault is over.
    pub fn heals(&self) -> Millis {
        self.faults.iter().map(Fault::ends).max().unwrap_or_default()
    }

    /// The ceremony; none if there is none.
    pub(super) fn plan(&self) -> Result<Option<Plan>, ScenarioError> {
        let wrong = |field: &str, what: String| {
            let (file, field) = ("the scenario".into(), field.into());
            ScenarioError(FlowError { file, line: 0, field, what })
        };
        for (field, [low, high]) in [("latency_ms", self.latency_ms), ("commit_ms", self.commit_ms)]
        {
            if low > high || high > MAX_PAUSE_MS {
                let what = format!("is [from, to], {MAX_PAUSE_MS} at most");
                return Err(wrong(field, what));
            }
        }
        if self.idle_parties > MAX_IDLE_PARTIES {
            return Err(wrong("idle_parties", format!("is {MAX_IDLE_PARTIES} at most")));
        }
        if self.hours > MAX_HOURS {
            return Err(wrong("hours", format!("is {MAX_HOURS} at most")));
        }
        for fault in &self.faults {
            if let Some(whom) = fault.names().iter().find(|whom| **whom > self.parties) {
                let what = format!("there is no party {whom}: there are {}", self.parties);
                return Err(wrong(&format!("fault.{}", fault.kind()), what));
            }
        }
        if self.parties == 0 {
            return Ok(None);
        }
        let protocol = match self.flow.as_str() {
            FROST => Protocol::Frost,
            name => Protocol::Flow(Flow::find(name).map_err(ScenarioError)?),
        };
        let deadline = match self.deadline_ms {
            0 => (Duration::from_millis(self.heals()) + HEALED_WITHIN).min(MAX_DEADLINE),
            given => Duration::from_millis(given),
        };
        let plan = Plan {
            parties: self.parties,
            threshold: self.threshold,
            protocol,
            seed: self.seed,
            prefix: "w".into(),
            deadline,
        };
        plan.check().map_err(|error| wrong("", error.to_string()))?;
        Ok(Some(plan))
    }
}
