//! Annotations: commands to GitHub's runner, a line each.

use super::super::ceremony::CeremonyReport;
use super::super::summary::{because, bracketed, by_reason, ended, ids_of};
use super::super::timeline::Story;
use super::super::wording::{ending, shortened, visible, words};
use super::super::{OverallVerdict, Report, RequirementReport};
use crate::outcome::Outcome;

/// How many annotations of one kind GitHub shows of a step.
const SHOWN: usize = 10;

/// The longest line of a message, in characters.
const LENGTH_LIMIT: usize = 1_000;

/// Whether it is shown as an error or as a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Error,
    Warning,
}

/// One thing to be shown beside a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    kind: Kind,
    title: String,
    lines: Vec<String>,
}

impl Annotation {
    /// An error that is told in these lines.
    pub(crate) fn error(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self { kind: Kind::Error, title: title.into(), lines }
    }

    fn warning(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self { kind: Kind::Warning, title: title.into(), lines }
    }

    /// It as a command.
    fn command(&self) -> String {
        let name = match self.kind {
            Kind::Error => "error",
            Kind::Warning => "warning",
        };
        let lines = self.lines.iter().map(|it| shortened(&visible(it), LENGTH_LIMIT).into_owned());
        let message = lines.collect::<Vec<_>>().join("\n");
        format!("::{name} title={}::{}", property(&visible(&self.title)), data(&message))
    }
}

/// What a command says, in one line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What a property of a command says.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The commands for these, with one that counts what GitHub would not show. Errors come first.
pub(crate) fn commands(annotations: &[Annotation]) -> Vec<String> {
    let mut commands = Vec::new();
    for (kind, thing) in [(Kind::Error, "errors"), (Kind::Warning, "warnings")] {
        let all: Vec<_> = annotations.iter().filter(|it| it.kind == kind).collect();
        let shown = if all.len() > SHOWN { SHOWN - 1 } else { all.len() };
        commands.extend(all[..shown].iter().map(|it| it.command()));
        let rest = &all[shown..];
        if !rest.is_empty() {
            let titles: Vec<_> = rest.iter().map(|it| it.title.as_str()).collect();
            let lines =
                vec!["The summary and the reports have all of them.".into(), titles.join("; ")];
            let title = format!("{} more {thing}", rest.len());
            commands.push(Annotation { kind, title, lines }.command());
        }
    }
    commands
}

/// What to show of a report: as errors what the exit code is 1 for, and a target that was lost; as
/// warnings what else did not pass and is not known. `lost` is more on why the target was lost.
pub(crate) fn annotations(report: &Report, lost: Option<&str>) -> Vec<Annotation> {
    let mut all = Vec::new();
    if report.verdict == OverallVerdict::Unreachable {
        let mut lines: Vec<_> = lost.into_iter().flat_map(str::lines).map(Into::into).collect();
        lines.push(because(report, bracketed));
        all.push(Annotation::error(report.verdict.words(), lines));
    }
    all.extend(ended(report, Outcome::Failed).into_iter().filter(|it| !it.known).map(finding));
    for requirement in ended(report, Outcome::Warned).into_iter().filter(|it| !it.known) {
        let fails = is_worse(report, &requirement.id);
        let kind = if fails { Kind::Error } else { Kind::Warning };
        all.push(Annotation { kind, ..finding(requirement) });
    }
    all.extend(report.ceremony.as_ref().and_then(ceremony));
    all.extend(elsewhere(report));
    for outcome in [Outcome::Inconclusive, Outcome::NotChecked] {
        for group in by_reason(report, outcome) {
            let open: Vec<_> = group.requirements.iter().copied().filter(|it| !it.known).collect();
            if !open.is_empty() {
                let title = format!("{}: {}", words(outcome), ids_of(&open));
                all.push(Annotation::warning(title, vec![group.words()]));
            }
        }
    }
    all
}

/// What failed or warned.
fn finding(requirement: &RequirementReport) -> Annotation {
    let RequirementReport { id, level, outcome, .. } = requirement;
    let mut lines = vec![requirement.says.clone()];
    let story = Story::of(requirement);
    match story.finding() {
        Some(finding) => {
            lines.push(format!("seen: {}", finding.seen));
            lines.push(format!("accepted: {}", finding.accepted));
        }
        None => lines.push(story.detail().into_owned()),
    }
    lines.extend(requirement.replay.iter().map(|it| format!("replay: {it}")));
    Annotation::error(format!("{id} {level} {}", ending(*outcome, *level)), lines)
}

/// Whether a run against a baseline is worse for it.
fn is_worse(report: &Report, id: &str) -> bool {
    report.baseline.as_ref().is_some_and(|it| it.worse.iter().any(|worse| worse.id == id))
}

fn is_known(report: &Report, id: &str) -> bool {
    report.baseline.as_ref().is_some_and(|it| it.known.iter().any(|known| known.id == id))
}

fn ceremony(ceremony: &CeremonyReport) -> Option<Annotation> {
    let mut lines = vec![ceremony.title()];
    lines.extend(ceremony.broken().map(|it| format!("{}: {}", it.title(), it.detail)));
    if ceremony.verdict.is_empty() {
        lines.push("nothing of it could be verified".into());
    }
    lines.extend(ceremony.excuse.clone());
    match ceremony.outcome() {
        Outcome::Passed => None,
        Outcome::Failed => Some(Annotation::error("the ceremony failed", lines)),
        _ => Some(Annotation::warning("the ceremony has no verdict", lines)),
    }
}

/// What is broken in another of several runs, and not in the one that the report is of.
fn elsewhere(report: &Report) -> Vec<Annotation> {
    let Some(repeats) = &report.repeats else { return Vec::new() };
    let is_told = |id: &str| {
        let here = report.requirements.iter().find(|it| it.id == id);
        here.is_some_and(|it| matches!(it.outcome, Outcome::Failed | Outcome::Warned))
    };
    let broken = repeats.unsteady.iter().filter(|it| {
        let fails = it.counts.failed > 0 || it.counts.warned > 0 && is_worse(report, &it.id);
        fails && !is_known(report, &it.id) && !is_told(&it.id)
    });
    let annotations = broken.map(|it| {
        Annotation::error(format!("{} did not hold in every run", it.id), vec![it.line()])
    });
    annotations.collect()
}

#[cfg(test)]
mod tests;
