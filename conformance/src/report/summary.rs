//! What a report comes to: the parts of it that several forms show.

use std::borrow::Cow;

use super::timeline::Story;
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

/// Requirements that ended so for the same reason.
pub(super) struct ReasonGroup<'a> {
    /// The reason, in the words of the first of them.
    pub(super) reason: Cow<'a, str>,
    /// Whether the reasons of others differ from it, in their figures only.
    pub(super) is_alike: bool,
    /// Which.
    pub(super) requirements: Vec<&'a RequirementReport>,
}

impl ReasonGroup<'_> {
    /// The reason, and that others are alike if they are.
    pub(super) fn words(&self) -> String {
        let alike = if self.is_alike { " (the others: the same with other figures)" } else { "" };
        format!("{}{alike}", self.reason)
    }
}

/// Those that ended so, with those together that did for the same reason.
pub(super) fn by_reason(report: &Report, outcome: Outcome) -> Vec<ReasonGroup<'_>> {
    let without_figures =
        |text: &str| text.replace(|it: char| it.is_ascii_digit() || it == '.', "");
    let mut groups: Vec<(String, ReasonGroup<'_>)> = Vec::new();
    for requirement in ended(report, outcome) {
        let reason = Story::of(requirement).detail();
        let key = without_figures(&reason);
        match groups.iter_mut().find(|(of, _)| *of == key) {
            Some((_, group)) => {
                group.is_alike |= group.reason != reason;
                group.requirements.push(requirement);
            }
            None => {
                let requirements = vec![requirement];
                groups.push((key, ReasonGroup { reason, is_alike: false, requirements }));
            }
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
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
            // It is the reason, and told already.
            _ if report.verdict == OverallVerdict::Incomplete
                && outcome != Outcome::NotApplicable => {}
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
            let open: Vec<_> = [Outcome::Inconclusive, Outcome::NotChecked]
                .into_iter()
                .filter(|it| report.counts.get(*it) > 0)
                .map(|it| format!("{} {}", report.counts.get(it), words(it)))
                .collect();
            reasons.push(match open.as_slice() {
                // Else a ceremony without a verdict is the reason, and told below.
                [] if counts_nothing(report) => "nothing was checked".into(),
                [] => "nothing broken".into(),
                open => format!("nothing broken, but {}", open.join(" and ")),
            });
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
        let broken: Vec<_> = ceremony.broken().map(|it| it.title()).collect();
        reasons.push(match broken.as_slice() {
            _ if ceremony.excuse.is_some() => "the ceremony has no verdict".into(),
            [] => "nothing of the ceremony could be verified".into(),
            broken => format!("the ceremony failed ({})", broken.join(", ")),
        });
    }
    reasons
}

/// Whether nothing that was selected applies to the target.
fn counts_nothing(report: &Report) -> bool {
    report.counts.passed + report.counts.warned + report.counts.failed == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn reasons_are_the_same_but_for_names_and_figures() {
        let mut report = samples::incomplete();
        let reasons = [
            ("REG-1", "it took 5.5 s"),
            ("REG-2", "it took 10 s"),
            ("ORD-2", "RegisterParty(2a1f-ord2-bob) was lost"),
            ("RED-1", "RegisterParty(2a1f-red1-bob) was lost"),
        ];
        report.requirements.retain(|it| reasons.iter().any(|(id, _)| it.id == *id));
        for (requirement, (id, reason)) in report.requirements.iter_mut().zip(reasons) {
            assert_eq!(requirement.id, id);
            requirement.outcome = Outcome::Inconclusive;
            requirement.detail = reason.into();
        }
        let groups: Vec<_> = by_reason(&report, Outcome::Inconclusive)
            .iter()
            .map(|it| (ids_of(&it.requirements), it.words()))
            .collect();
        let alike = "it took 5.5 s (the others: the same with other figures)";
        assert_eq!(
            groups,
            [
                ("REG-1, REG-2".into(), alike.into()),
                ("ORD-2, RED-1".into(), "RegisterParty(bob) was lost".into())
            ]
        );
    }
}
