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
        let (seen, accepted) = (shortened(seen.into()), shortened(accepted.into()));
        Self::Broken(Finding { seen, accepted })
    }

    /// The same, where it stops what only prepares a check: what is broken there others find.
    pub(crate) fn unprepared(self) -> Self {
        match self {
            Self::Broken(finding) => {
                Self::NotChecked(format!("what it needs first did not work: {}", finding.seen))
            }
            other => other,
        }
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

/// The longest text of a finding, in characters: it is to be read.
const TEXT_LIMIT: usize = 1_200;

/// What of a longer text is kept at its end, in characters.
const END_KEPT: usize = 200;

/// A text without its middle if it is too long to be read.
fn shortened(text: String) -> String {
    let length = text.chars().count();
    if length <= TEXT_LIMIT {
        return text;
    }
    let begin: String = text.chars().take(TEXT_LIMIT - END_KEPT).collect();
    let end: String = text.chars().skip(length - END_KEPT).collect();
    format!("{begin} [... {} more characters ...] {end}", length - TEXT_LIMIT)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_short_enough_to_be_read() {
        let short = "ä".repeat(TEXT_LIMIT);
        assert_eq!(shortened(short.clone()), short);
        let long = format!("{}{}end", "a".repeat(5_000), "ü".repeat(5_000));
        let Stop::Broken(finding) = Stop::broken(long, "short") else { unreachable!() };
        assert!(finding.seen.starts_with("aaa") && finding.seen.ends_with("üüend"));
        assert!(finding.seen.contains("[... 8803 more characters ...]"), "{}", finding.seen);
        assert_eq!(finding.accepted, "short");
    }
}
