//! What a requirement comes to.

use crate::causes;
use crate::outcome::{Finding, Outcome, Stop, Verdict};
use crate::report::RequirementReport;
use crate::requirement::{Level, Requirement};

/// Warnings of one check that its finding tells in full.
const WARNINGS_TOLD: usize = 4;

/// What a check's verdict comes to in a report.
pub(super) fn summed_up(
    requirement: &Requirement,
    verdict: Verdict,
    warnings: Vec<Finding>,
) -> RequirementReport {
    let (outcome, finding) = match verdict {
        Ok(()) if warnings.is_empty() => return blank(requirement, Outcome::Passed, String::new()),
        Ok(()) => (Outcome::Warned, together(&warnings)),
        Err(Stop::Broken(finding)) => match requirement.level {
            Level::Must => (Outcome::Failed, finding),
            Level::Should => (Outcome::Warned, finding),
        },
        Err(Stop::Inconclusive(why)) => return blank(requirement, Outcome::Inconclusive, why),
        Err(Stop::NotChecked(why)) => return blank(requirement, Outcome::NotChecked, why),
    };
    let detail = format!("{}; accepted: {}", finding.seen, finding.accepted);
    let likely_causes =
        causes::likely(requirement.id, &finding).into_iter().map(|it| it.story().into()).collect();
    let blank = blank(requirement, outcome, detail);
    RequirementReport { finding: Some(finding), likely_causes, ..blank }
}

/// Several warnings as one finding.
fn together(warnings: &[Finding]) -> Finding {
    let told = |part: fn(&Finding) -> &str| {
        let mut parts: Vec<&str> = Vec::new();
        for part in warnings.iter().map(part) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        let more = parts.len().saturating_sub(WARNINGS_TOLD);
        parts.truncate(WARNINGS_TOLD);
        let told = parts.join("; ");
        if more == 0 { told } else { format!("{told}; and {more} more") }
    };
    Finding { seen: told(|it| &it.seen), accepted: told(|it| &it.accepted) }
}

/// A requirement's place in a report, with nothing found.
pub(super) fn blank(
    requirement: &Requirement,
    outcome: Outcome,
    detail: String,
) -> RequirementReport {
    RequirementReport {
        id: requirement.id.into(),
        family: requirement.family().into(),
        level: requirement.level,
        capability: requirement.capability,
        outcome,
        known: false,
        detail,
        says: requirement.says.into(),
        duration_ms: 0,
        finding: None,
        likely_causes: Vec::new(),
        timeline: Vec::new(),
        timeline_cut: 0,
        replay: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_warnings_of_a_check_are_told() {
        let warning = |seen: &str| Finding { seen: seen.into(), accepted: "NOT_FOUND".into() };
        let few = together(&[warning("a"), warning("b"), warning("a")]);
        assert_eq!((few.seen.as_str(), few.accepted.as_str()), ("a; b", "NOT_FOUND"));
        let many: Vec<_> = (0..7).map(|number| warning(&number.to_string())).collect();
        assert_eq!(together(&many).seen, "0; 1; 2; 3; and 3 more");
    }
}
