//! What changed between two reports.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{OverallVerdict, Report, RequirementReport};
use crate::outcome::Outcome;
use crate::requirement::Level;

mod text;

/// A check that took less than this longer is not called slower, whatever the ratio: short times
/// are the machine's as much as the target's. Milliseconds.
const GROWTH_LEAST_MS: u64 = 100;

/// What changed between two reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The earlier report.
    pub old: Side,
    /// The later report.
    pub new: Side,
    /// Whether something is broken that was not, or the target was lost that was not.
    pub regression: bool,
    /// Whether both were about the same set of requirements; absent where one does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_requirement_set: Option<bool>,
    /// A MUST that is broken and was not, or a SHOULD that is not kept and was not broken.
    pub newly_broken: Vec<Changed>,
    /// What holds and did not; also a MUST that was broken, and holds with a warning.
    pub mended: Vec<Changed>,
    /// What ended otherwise: what lost or got its verdict, or is not claimed any more.
    pub otherwise: Vec<Changed>,
    /// What only the earlier report has.
    pub only_old: Vec<Single>,
    /// What only the later report has. A broken MUST among these is a regression.
    pub only_new: Vec<Single>,
    /// Checks that took more than twice as long. That is told, and held against nobody.
    pub slower: Vec<Slower>,
}

/// One of the two reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// What was judged.
    pub target: String,
    /// When the run began, in Unix milliseconds.
    pub started_at_ms: i64,
    /// The verdict over all.
    pub verdict: OverallVerdict,
    /// Whether a ceremony passed; absent if none was run, or if it has no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceremony_passed: Option<bool>,
}

/// A requirement that did not end as before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Such as `ORD-1`.
    pub id: String,
    /// MUST or SHOULD.
    pub level: Level,
    /// How it ended in the earlier report.
    pub old: Outcome,
    /// How it ended in the later one.
    pub new: Outcome,
    /// Why it ended so in the later one; empty for what passed.
    pub detail: String,
}

/// A requirement that only one report has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Single {
    /// Such as `ORD-1`.
    pub id: String,
    /// How it ended there.
    pub outcome: Outcome,
}

/// A check that took longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slower {
    /// Such as `ORD-1`.
    pub id: String,
    /// How long it took, in milliseconds.
    pub old_ms: u64,
    /// How long it takes now, in milliseconds.
    pub new_ms: u64,
}

impl Diff {
    /// What changed from `old` to `new`.
    pub fn between(old: &Report, new: &Report) -> Self {
        let before = by_id(old);
        let after = by_id(new);
        let mut diff = Self {
            old: Side::of(old),
            new: Side::of(new),
            regression: false,
            same_requirement_set: old
                .requirement_set
                .as_ref()
                .zip(new.requirement_set.as_ref())
                .map(|(old, new)| old == new),
            newly_broken: Vec::new(),
            mended: Vec::new(),
            otherwise: Vec::new(),
            only_old: singles(old, &after),
            only_new: singles(new, &before),
            slower: Vec::new(),
        };
        for now in &new.requirements {
            if let Some(then) = before.get(now.id.as_str()) {
                diff.take(then, now);
            }
        }
        diff.regression = diff.is_regression();
        diff
    }

    fn take(&mut self, then: &RequirementReport, now: &RequirementReport) {
        let is_slower = now.duration_ms > then.duration_ms.saturating_mul(2)
            && now.duration_ms - then.duration_ms >= GROWTH_LEAST_MS;
        // Where none ran there is nothing to compare.
        if is_slower && then.duration_ms > 0 {
            let (old_ms, new_ms) = (then.duration_ms, now.duration_ms);
            self.slower.push(Slower { id: now.id.clone(), old_ms, new_ms });
        }
        let list = match (brokenness(then.outcome), brokenness(now.outcome)) {
            _ if then.outcome == now.outcome => return,
            (old, new) if new > old => &mut self.newly_broken,
            (old, new) if old > new && has_held(now.outcome) => &mut self.mended,
            _ => &mut self.otherwise,
        };
        list.push(Changed {
            id: now.id.clone(),
            level: now.level,
            old: then.outcome,
            new: now.outcome,
            detail: now.detail.clone(),
        });
    }

    fn is_regression(&self) -> bool {
        !self.newly_broken.is_empty()
            || self.only_new.iter().any(|it| it.outcome == Outcome::Failed)
            || self.ceremony_fails_now()
            || self.is_lost_now()
    }

    fn ceremony_fails_now(&self) -> bool {
        self.new.ceremony_passed == Some(false) && self.old.ceremony_passed != Some(false)
    }

    fn is_lost_now(&self) -> bool {
        let lost = OverallVerdict::Unreachable;
        self.new.verdict == lost && self.old.verdict != lost
    }
}

impl Side {
    fn of(report: &Report) -> Self {
        let ceremony = report.ceremony.as_ref();
        // A failure that says nothing about the target is none.
        let ceremony = ceremony.filter(|it| it.passed() || it.excuse.is_none());
        Self {
            target: report.target.name.clone(),
            started_at_ms: report.started_at_ms,
            verdict: report.verdict,
            ceremony_passed: ceremony.map(|it| it.passed()),
        }
    }
}

fn by_id(report: &Report) -> BTreeMap<&str, &RequirementReport> {
    report.requirements.iter().map(|it| (it.id.as_str(), it)).collect()
}

/// What a report has and the other one has not.
fn singles(report: &Report, other: &BTreeMap<&str, &RequirementReport>) -> Vec<Single> {
    let only = report.requirements.iter().filter(|it| !other.contains_key(it.id.as_str()));
    only.map(|it| Single { id: it.id.clone(), outcome: it.outcome }).collect()
}

fn brokenness(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Failed => 2,
        Outcome::Warned => 1,
        _ => 0,
    }
}

fn has_held(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Passed | Outcome::Warned)
}

#[cfg(test)]
mod tests;
