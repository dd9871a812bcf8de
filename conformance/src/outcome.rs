//! How a check ends.

use serde::{Deserialize, Serialize};

/// What a check returns: nothing if the requirement held, else why it stopped.
pub type Verdict = Result<(), Stop>;

/// Why a check stopped before its end.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The target broke the requirement.
    Broken(Finding),
    /// The machine was too slow or the connection broke: there is no verdict.
    Inconclusive(String),
    /// This run cannot exercise the requirement, for the reason given.
    NotChecked(String),
}

/// The verdict on several parts of a check, which were made side by side: what is broken goes before
/// what could not be seen.
pub(crate) fn all_hold(parts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let rank = |stop: &Stop| match stop {
        Stop::Broken(_) => 0,
        Stop::Inconclusive(_) => 1,
        Stop::NotChecked(_) => 2,
    };
    match parts.into_iter().filter_map(Verdict::err).min_by_key(rank) {
        None => Ok(()),
        Some(stop) => Err(stop),
    }
}

impl Stop {
    /// The target broke the requirement: `seen` instead of `accepted`.
    pub fn broken(seen: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self::Broken(Finding { seen: seen.into(), accepted: accepted.into() })
    }

    /// The same, where a finding also tells the circumstances.
    pub(crate) fn told(self, circumstances: &str) -> Self {
        match self {
            Self::Broken(Finding { seen, accepted }) => {
                Self::broken(format!("{seen}: {circumstances}"), accepted)
            }
            other => other,
        }
    }
}

/// What was seen against what would have been accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What the target did, in a sentence.
    pub seen: String,
    /// What a conformant target could have done instead.
    pub accepted: String,
}

/// What is reported of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was exercised and held.
    Passed,
    /// A MUST was broken.
    Failed,
    /// A SHOULD was broken.
    Warned,
    /// It belongs to a capability that the target does not claim.
    NotApplicable,
    /// It is claimed, but this run could not exercise it.
    NotChecked,
    /// The machine was too slow or the connection broke.
    Inconclusive,
}

impl Outcome {
    /// Every outcome, in the order in which reports count them.
    pub const ALL: [Self; 6] = [
        Self::Passed,
        Self::Failed,
        Self::Warned,
        Self::Inconclusive,
        Self::NotChecked,
        Self::NotApplicable,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Warned => "warned",
            Self::NotApplicable => "not_applicable",
            Self::NotChecked => "not_checked",
            Self::Inconclusive => "inconclusive",
        }
    }
}
