//! What a run found, as data, and the forms in which it is written.
//!
//! [`terminal`] is for who waits for the verdict, [`html`] for who looks into it, [`json`] for
//! programs, [`junit`], [`outputs`] and `github` for CI systems, [`badge`] for a page; [`live`] shows
//! that the run goes on. [`schema`] says what a JSON report is like. Names, messages and status texts
//! in a report come from the target: every form takes them for untrusted text.

pub mod badge;
pub mod baseline;
pub mod ceremony;
pub mod diff;
mod file;
pub(crate) mod github;
pub mod html;
pub mod json;
pub mod junit;
pub mod live;
pub mod outputs;
pub mod repeats;
#[cfg(test)]
mod samples;
pub mod schema;
mod summary;
pub mod terminal;
mod timeline;
mod wording;

pub use ceremony::CeremonyReport;
pub(crate) use file::append;
pub use file::{Form, WriteError};
pub use repeats::Repeats;

use serde::{Deserialize, Serialize};

use crate::outcome::{Finding, Outcome};
use crate::requirement::{Capability, Level};

/// The version of the JSON report. It grows when a field changes its meaning or goes.
pub const FORMAT: u32 = 1;

/// Everything that a run found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`] of the suite that wrote it.
    pub format: u32,
    /// The suite's version.
    pub suite_version: String,
    /// What was judged.
    pub target: TargetReport,
    /// What names and random choices of the run were derived from.
    pub seed: u64,
    /// When the run began, in Unix milliseconds.
    pub started_at_ms: i64,
    /// How long the run took, in milliseconds.
    pub duration_ms: u64,
    /// What the machine and the connection were like; absent if the target did not answer.
    pub calibration: Option<Calibration>,
    /// The verdict over all.
    pub verdict: OverallVerdict,
    /// Requirements by outcome.
    pub counts: Counts,
    /// One entry a requirement, in the order of the contract.
    pub requirements: Vec<RequirementReport>,
    /// The [digest](crate::requirement_set::digest) of all requirements that the suite knew, also
    /// of those that were not selected; absent in reports from before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement_set: Option<String>,
    /// The ceremony that was run through the target, if one was.
    #[serde(default)]
    pub ceremony: Option<CeremonyReport>,
    /// If there were to be several runs: what they were like. This report is that of the worst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeats>,
    /// If the run was held against a baseline: what is known, worse and better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<baseline::Compared>,
}

/// What was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetReport {
    /// Its name from the profile, or what it was reached by.
    pub name: String,
    /// How it was reached: `built-in`, an address, `exec:COMMAND` or `in process`.
    pub reached_by: String,
    /// What it claims, `core` included.
    pub capabilities: Vec<Capability>,
    /// Its timers and limits.
    pub timers: crate::profile::Timers,
}

impl TargetReport {
    /// A target that claims these capabilities, besides `core`.
    pub fn new(
        name: String,
        reached_by: String,
        claimed: &[Capability],
        timers: crate::profile::Timers,
    ) -> Self {
        let mut capabilities = vec![Capability::Core];
        capabilities.extend(claimed.iter().filter(|it| **it != Capability::Core));
        Self { name, reached_by, capabilities, timers }
    }
}

/// How fast machine and connection were.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The median time of an idle call, in microseconds.
    pub round_trip_us: u64,
    /// The longest of these calls, in microseconds.
    pub round_trip_max_us: u64,
    /// By how much a timer came late at most, in microseconds.
    pub timer_slack_us: u64,
}

/// The verdict over all requirements, and over the ceremony.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverallVerdict {
    /// Every MUST that applies held.
    Conformant,
    /// A MUST was broken, or the ceremony failed.
    NotConformant,
    /// Nothing was broken, but something was inconclusive or not checked, or nothing applied.
    Incomplete,
    /// The target could not be reached, or died.
    Unreachable,
}

impl OverallVerdict {
    /// The exit code of `mpc-conformance run` for it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Conformant => 0,
            Self::NotConformant => 1,
            Self::Incomplete => 2,
            Self::Unreachable => 4,
        }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conformant => "conformant",
            Self::NotConformant => "not_conformant",
            Self::Incomplete => "incomplete",
            Self::Unreachable => "unreachable",
        }
    }

    /// It in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Conformant => "conformant",
            Self::NotConformant => "not conformant",
            Self::Incomplete => "incomplete",
            Self::Unreachable => "target lost",
        }
    }
}

/// Requirements by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Exercised and held.
    pub passed: usize,
    /// A MUST broken.
    pub failed: usize,
    /// A SHOULD broken.
    pub warned: usize,
    /// No verdict.
    pub inconclusive: usize,
    /// Claimed, and not exercised.
    pub not_checked: usize,
    /// Not claimed.
    pub not_applicable: usize,
}

impl Counts {
    /// Counts the outcomes given.
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            *counts.slot(outcome) += 1;
        }
        counts
    }

    /// How many had this outcome.
    pub fn get(mut self, outcome: Outcome) -> usize {
        *self.slot(outcome)
    }

    fn slot(&mut self, outcome: Outcome) -> &mut usize {
        match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Failed => &mut self.failed,
            Outcome::Warned => &mut self.warned,
            Outcome::NotApplicable => &mut self.not_applicable,
            Outcome::NotChecked => &mut self.not_checked,
            Outcome::Inconclusive => &mut self.inconclusive,
        }
    }
}

/// What was found of one requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementReport {
    /// Such as `ORD-1`.
    pub id: String,
    /// Such as `ORD`.
    pub family: String,
    /// MUST or SHOULD.
    pub level: Level,
    /// What it belongs to.
    pub capability: Capability,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the baseline knows that it does not hold.
    #[serde(default, skip_serializing_if = "is_false")]
    pub known: bool,
    /// Why, in a sentence; empty for what passed.
    pub detail: String,
    /// The requirement itself.
    pub says: String,
    /// How long the check took, in milliseconds; 0 where none ran.
    pub duration_ms: u64,
    /// For what failed or warned: seen against accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// For what failed or warned: bugs that look like it, the likeliest first. A hint, and no part of
    /// the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub likely_causes: Vec<String>,
    /// For what failed, warned or was inconclusive: what was called, in the order of beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<TimelineEntry>,
    /// How many earlier entries the timeline leaves out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeline_cut: usize,
    /// For what failed or warned: the command that runs this check again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

fn is_false(it: &bool) -> bool {
    !it
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// One call, or one thing that a stream brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When it began, in microseconds since the check did.
    pub at_us: u64,
    /// When it returned; absent for stream items and for calls that did not.
    pub until_us: Option<u64>,
    /// Whose call or stream it was.
    pub party: String,
    /// What was asked: the RPC and what matters of its arguments, or the stream.
    pub action: String,
    /// What came back.
    pub result: String,
}
