//! What is known of a target not to hold, in a small file, and what is worse or better than that.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::wording::words;
use super::{OverallVerdict, Report};
use crate::families;
use crate::outcome::Outcome;
use crate::requirement_set;
use crate::run::ENDED_EARLY;

/// The version of the file. It grows when a field changes its meaning or goes.
const FORMAT: u32 = 1;

/// What is known of a target not to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    format: u32,
    /// The [digest](requirement_set::digest) of the requirements that it is about.
    requirement_set: String,
    /// How each requirement ends that did not pass; all others are to pass.
    known: BTreeMap<String, Outcome>,
}

/// A run held against a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// The baseline's file.
    pub file: String,
    /// Whether the baseline was written for another set of requirements.
    pub other_requirement_set: bool,
    /// What does not hold, and is known not to.
    pub known: Vec<Change>,
    /// What is worse than it is known to be.
    pub worse: Vec<Change>,
    /// What is better than it is known to be: the baseline can be written anew.
    pub better: Vec<Change>,
    /// What the baseline names, and no requirement is called.
    pub unknown: Vec<String>,
}

/// A requirement in the baseline, and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Such as `ORD-1`.
    pub id: String,
    /// How it ends according to the baseline.
    pub before: Outcome,
    /// How it ended; after several runs, at worst.
    pub now: Outcome,
}

/// Why a file was not read as a baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file cannot be read.
    #[error("cannot read the baseline {file}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no baseline.
    #[error("{file} is no baseline: {why}; `run --write-baseline` writes one")]
    NoBaseline {
        /// The file.
        file: String,
        /// What is missing or wrong, with the line.
        why: String,
    },
}

impl Baseline {
    /// What these runs of one target showed not to hold: of each requirement, the worst. What was
    /// inconclusive may hold the next time, and is not in it.
    pub fn of(reports: &[Report]) -> Self {
        let mut known: BTreeMap<String, Outcome> = BTreeMap::new();
        for requirement in reports.iter().flat_map(|it| &it.requirements) {
            let outcome = requirement.outcome;
            if matches!(outcome, Outcome::Failed | Outcome::Warned | Outcome::NotChecked) {
                let worst = known.entry(requirement.id.clone()).or_insert(outcome);
                *worst = worse_of(*worst, outcome);
            }
        }
        Self { format: FORMAT, requirement_set: requirement_set::digest().into(), known }
    }

    /// Reads one.
    ///
    /// # Errors
    /// If the file cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, file),
            Err(source) => Err(BaselineError::Unreadable { file, source }),
        }
    }

    fn parse(text: &str, file: String) -> Result<Self, BaselineError> {
        match serde_json::from_str::<Self>(text) {
            Ok(Self { format, .. }) if format != FORMAT => {
                let why = format!("it has format {format}, and this version reads {FORMAT}");
                Err(BaselineError::NoBaseline { file, why })
            }
            Ok(baseline) => Ok(baseline),
            Err(why) => Err(BaselineError::NoBaseline { file, why: why.to_string() }),
        }
    }

    /// The text of its file.
    pub fn render(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("it has no keys but strings");
        text + "\n"
    }

    /// How many requirements it names.
    pub fn size(&self) -> usize {
        self.known.len()
    }

    /// The requirements that it knows to be broken.
    pub fn broken(&self) -> impl Iterator<Item = &str> {
        self.known.iter().filter(|(_, it)| **it == Outcome::Failed).map(|(id, _)| id.as_str())
    }

    /// Holds these runs of one target against it. `file` is its own.
    pub fn compare(&self, reports: &[Report], file: &Path) -> Compared {
        let (mut known, mut worse, mut better) = (Vec::new(), Vec::new(), Vec::new());
        for (id, now) in at_worst(reports) {
            let before = self.known.get(id).copied().unwrap_or(Outcome::Passed);
            let change = Change { id: id.into(), before, now };
            match (badness(before), badness(now)) {
                (then, now) if now > then => worse.push(change),
                (0, _) => {}
                // That it has no verdict now does not make it better.
                (then, now) if now == then || now == badness(Outcome::Inconclusive) => {
                    known.push(change);
                }
                _ => better.push(change),
            }
        }
        let unknown = self.known.keys().filter(|id| families::find(id).is_none());
        Compared {
            file: file.display().to_string(),
            other_requirement_set: self.requirement_set != requirement_set::digest(),
            known,
            worse,
            better,
            unknown: unknown.cloned().collect(),
        }
    }
}

impl Compared {
    /// Marks in a report what is known.
    pub fn mark(&self, report: &mut Report) {
        for requirement in &mut report.requirements {
            requirement.known = badness(requirement.outcome) > 0
                && self.known.iter().any(|it| it.id == requirement.id);
        }
    }

    /// The exit code of `mpc-conformance run`, where nothing is held against a target that is
    /// known.
    pub fn exit_code(&self, reports: &[Report]) -> u8 {
        let is_broken = |it: &Change| matches!(it.now, Outcome::Failed | Outcome::Warned);
        let ceremonies = || reports.iter().filter_map(|it| it.ceremony.as_ref());
        let mut failed = ceremonies().filter(|it| !it.passed());
        if reports.iter().any(|it| it.verdict == OverallVerdict::Unreachable) {
            OverallVerdict::Unreachable.exit_code()
        } else if self.worse.iter().any(is_broken) || failed.any(|it| it.excuse.is_none()) {
            OverallVerdict::NotConformant.exit_code()
        } else if !self.worse.is_empty()
            || ceremonies().any(|it| !it.passed())
            || reports.iter().any(judges_nothing)
        {
            OverallVerdict::Incomplete.exit_code()
        } else {
            0
        }
    }

    /// It in lines, each with a label, and at last what it comes to.
    pub(super) fn lines(&self) -> (Vec<(&'static str, String)>, String) {
        let mut lines = vec![("baseline", self.file.clone())];
        for it in &self.known {
            lines.push(("known", told(it)));
        }
        for it in &self.worse {
            lines.push(("worse", told(it)));
        }
        for it in &self.better {
            lines.push(("better", told(it)));
        }
        for id in &self.unknown {
            lines.push(("unknown", format!("{id} is no requirement of this suite")));
        }
        let anew = format!("write it anew: --write-baseline {}", self.file);
        if self.other_requirement_set {
            let why = "the baseline is about another set of requirements";
            lines.push(("hint", format!("{why}; {anew}")));
        } else if !self.better.is_empty() || !self.unknown.is_empty() {
            lines.push(("hint", format!("the baseline is out of date; {anew}")));
        }
        let all = match self.worse.as_slice() {
            [] => format!("nothing is worse than {}", self.file),
            worse => {
                let ids: Vec<_> = worse.iter().map(|it| it.id.as_str()).collect();
                format!("worse than {}: {}", self.file, ids.join(", "))
            }
        };
        (lines, all)
    }
}

fn told(change: &Change) -> String {
    let Change { id, before, now } = change;
    match before == now {
        true => format!("{id}: {}", words(*now)),
        false => format!("{id}: {}, in the baseline {}", words(*now), words(*before)),
    }
}

/// How each requirement ended at worst, in the order of the contract.
fn at_worst(reports: &[Report]) -> Vec<(&str, Outcome)> {
    let mut ended: Vec<(&str, Outcome)> = Vec::new();
    for requirement in reports.iter().flat_map(|it| &it.requirements) {
        // A run that ended early says nothing about it.
        if requirement.outcome == Outcome::NotChecked && requirement.detail == ENDED_EARLY {
            continue;
        }
        match ended.iter_mut().find(|(id, _)| *id == requirement.id) {
            Some((_, worst)) => *worst = worse_of(*worst, requirement.outcome),
            None => ended.push((&requirement.id, requirement.outcome)),
        }
    }
    ended
}

fn worse_of(one: Outcome, other: Outcome) -> Outcome {
    if badness(other) > badness(one) { other } else { one }
}

fn badness(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Passed | Outcome::NotApplicable => 0,
        Outcome::Warned => 1,
        Outcome::NotChecked | Outcome::Inconclusive => 2,
        Outcome::Failed => 3,
    }
}

fn judges_nothing(report: &Report) -> bool {
    report.counts.passed + report.counts.warned + report.counts.failed == 0
}

#[cfg(test)]
mod tests;
