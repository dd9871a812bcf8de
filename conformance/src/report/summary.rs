//! What a report comes to: the parts of it that several forms show.

use super::{OverallVerdict, Report, RequirementReport};
use crate::families::{self, FAMILIES};
use crate::outcome::Outcome;
use crate::report::wording::{count, ids, words};
use crate::requirement::Capability;

/// The requirements of one family that a run was about.
pub(super) struct FamilyGroup<'a> {
    /// Such as `ORD`.
    pub(super) name: &'a str,
    /// Its subject; empty for a family that this version does not know.
    pub(super) title: &'static str,
    /// What was found of each.
    pub(super) requirements: Vec<&'a RequirementReport>,
}

impl<'a> FamilyGroup<'a> {
    /// Those that ended so.
    pub(super) fn ended(&self, outcome: Outcome) -> Vec<&'a RequirementReport> {
        self.requirements.iter().filter(|it| it.outcome == outcome).copied().collect()
    }
}

/// The families of a report, in its order.
pub(super) fn by_family(report: &Report) -> Vec<FamilyGroup<'_>> {
    let mut groups: Vec<FamilyGroup<'_>> = Vec::new();
    for requirement in &report.requirements {
        match groups.iter_mut().find(|group| group.name == requirement.family) {
            Some(group) => group.requirements.push(requirement),
            None => groups.push(FamilyGroup {
                name: &requirement.family,
                title: title(&requirement.family),
                requirements: vec![requirement],
            }),
        }
    }
    groups
}

/// The subject of a family; empty if this version does not know it.
pub(super) fn title(family: &str) -> &'static str {
    FAMILIES.iter().find(|it| it.name == family).map_or("", |it| it.title)
}

/// How a requirement is checked; empty if this version does not know it.
pub(super) fn how(id: &str) -> &'static str {
    families::find(id).map_or("", |it| it.how)
}

/// Those that ended so.
pub(super) fn ended(report: &Report, outcome: Outcome) -> Vec<&RequirementReport> {
    report.requirements.iter().filter(|it| it.outcome == outcome).collect()
}

/// What was found, in the order in which it matters: first what failed, then what warned.
pub(super) fn findings(report: &Report) -> Vec<&RequirementReport> {
    let mut found = ended(report, Outcome::Failed);
    found.extend(ended(report, Outcome::Warned));
    found
}

/// Those that ended so, with those together that did for the same reason.
pub(super) fn by_reason(report: &Report, outcome: Outcome) -> Vec<(&str, Vec<&RequirementReport>)> {
    let mut groups: Vec<(&str, Vec<_>)> = Vec::new();
    for requirement in ended(report, outcome) {
        match groups.iter_mut().find(|(reason, _)| *reason == requirement.detail) {
            Some((_, group)) => group.push(requirement),
            None => groups.push((&requirement.detail, vec![requirement])),
        }
    }
    groups
}

/// What the target does not claim, by capability.
pub(super) fn not_claimed(report: &Report) -> Vec<(Capability, Vec<&RequirementReport>)> {
    let not_claimed = ended(report, Outcome::NotApplicable);
    Capability::ALL
        .into_iter()
        .map(|capability| {
            let belongs = |it: &&&RequirementReport| it.capability == capability;
            (capability, not_claimed.iter().filter(belongs).copied().collect::<Vec<_>>())
        })
        .filter(|(_, requirements)| !requirements.is_empty())
        .collect()
}

/// The identifiers in a line.
pub(super) fn ids_of(requirements: &[&RequirementReport]) -> String {
    ids(requirements.iter().map(|it| it.id.as_str()))
}

/// The identifiers in brackets, after a number of them.
pub(super) fn bracketed(requirements: &[&RequirementReport]) -> String {
    format!(" ({})", ids_of(requirements))
}

/// If the run was about a part of the contract only: how many requirements there are in all.
pub(super) fn selected_of(report: &Report) -> Option<usize> {
    // Another version of the suite may have had another number of them.
    if report.suite_version != env!("CARGO_PKG_VERSION") {
        return None;
    }
    let all = families::requirements().count();
    (report.requirements.len() < all).then_some(all)
}

/// Why the verdict is what it is, as the rest of a sentence that begins with its words. What broke
/// or warned is followed by what `named` makes of it.
pub(super) fn because(report: &Report, named: impl Fn(&[&RequirementReport]) -> String) -> String {
    let mut parts = reasons(report, &named);
    let counts = &report.counts;
    let hold = if counts.passed == 1 { "holds" } else { "hold" };
    parts.push(format!("{} {hold}", count(counts.passed, "requirement")));
    let warned = ended(report, Outcome::Warned);
    if !warned.is_empty() {
        parts.push(format!("{} warned{}", warned.len(), named(&warned)));
    }
    for outcome in [Outcome::Inconclusive, Outcome::NotChecked, Outcome::NotApplicable] {
        match counts.get(outcome) {
            0 => {}
            some => parts.push(format!("{some} {}", words(outcome))),
        }
    }
    if let Some(all) = selected_of(report) {
        parts.push(format!("{} of {all} were selected", report.requirements.len()));
    }
    parts.join(", ")
}

/// What keeps the verdict from being a good one. What broke is followed by what `named` makes of
/// it.
pub(super) fn reasons(
    report: &Report,
    named: impl Fn(&[&RequirementReport]) -> String,
) -> Vec<String> {
    let mut reasons = Vec::new();
    match report.verdict {
        OverallVerdict::Conformant | OverallVerdict::NotConformant => {}
        OverallVerdict::Incomplete => {
            let open = report.counts.inconclusive + report.counts.not_checked;
            reasons.push(format!(
                "nothing broken, but {} without a verdict",
                count(open, "requirement")
            ));
        }
        OverallVerdict::Unreachable => {
            reasons.push("the target died, or could not be reached any more".into());
        }
    }
    let failed = ended(report, Outcome::Failed);
    if !failed.is_empty() {
        reasons.push(format!("{} broken{}", count(failed.len(), "MUST"), named(&failed)));
    }
    if let Some(ceremony) = &report.ceremony
        && !ceremony.passed()
    {
        let broken: Vec<_> = ceremony.broken().map(|it| it.name.as_str()).collect();
        reasons.push(match broken.as_slice() {
            [] => "nothing of the ceremony could be verified".into(),
            broken => format!("the ceremony failed ({})", broken.join(", ")),
        });
    }
    reasons
}
