//! Several runs on one target: what did not end the same way every time.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::wording::{count, words};
use super::{Counts, OverallVerdict, Report};
use crate::outcome::Outcome;

/// What several runs were like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeats {
    /// How many runs there were to be. With fewer there was a reason to end.
    pub asked: u32,
    /// The number of the worst run, from 1: the report is about that one.
    pub worst: usize,
    /// Every run, in their order.
    pub runs: Vec<OneRun>,
    /// Each requirement that did not end the same way every time, in the order of the contract.
    pub unsteady: Vec<Unsteady>,
}

/// One of several runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneRun {
    /// What its names and random choices were derived from.
    pub seed: u64,
    /// What came of it.
    pub verdict: OverallVerdict,
    /// Its requirements by outcome.
    pub counts: Counts,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// A requirement that did not end the same way every time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsteady {
    /// Such as `ORD-1`.
    pub id: String,
    /// Runs by its outcome.
    pub counts: Counts,
    /// How it ended in each run, in their order.
    pub outcomes: Vec<Outcome>,
}

impl Repeats {
    /// What these runs were like, of which there were to be so many. At least one there was.
    ///
    /// # Panics
    /// If there was none.
    pub fn of(reports: &[Report], asked: u32) -> Self {
        let worst = (0..reports.len()).min_by_key(|it| (rank(&reports[*it]), *it));
        Self {
            asked,
            worst: worst.expect("there was a run") + 1,
            runs: reports.iter().map(OneRun::of).collect(),
            unsteady: unsteady(reports),
        }
    }

    /// All of it in lines: what came of the runs, then what was not steady.
    pub(super) fn lines(&self) -> Vec<String> {
        let verdicts = [
            OverallVerdict::Conformant,
            OverallVerdict::NotConformant,
            OverallVerdict::Incomplete,
            OverallVerdict::Unreachable,
        ];
        let came_of_it = verdicts.into_iter().filter_map(|verdict| {
            let many = self.runs.iter().filter(|it| it.verdict == verdict).count();
            (many > 0).then(|| format!("{} {many}", verdict.words()))
        });
        let came_of_it: Vec<_> = came_of_it.collect();
        let runs = match usize::try_from(self.asked) {
            Ok(asked) if asked != self.runs.len() => format!("{} of {asked} runs", self.runs.len()),
            _ => count(self.runs.len(), "run"),
        };
        let seed = self.runs[self.worst - 1].seed;
        let mut lines = vec![format!("{runs}: {}", came_of_it.join(", "))];
        if self.runs.len() > 1 {
            lines.push(format!("this is run {}, the worst, with seed {seed}", self.worst));
            match self.unsteady.is_empty() {
                true => lines.push("every requirement ended the same way every time".into()),
                false => lines.extend(self.unsteady.iter().map(Unsteady::line)),
            }
        }
        lines
    }
}

impl OneRun {
    fn of(report: &Report) -> Self {
        let Report { seed, verdict, counts, duration_ms, .. } = *report;
        Self { seed, verdict, counts, duration_ms }
    }
}

impl Unsteady {
    /// `ORD-1: passed 3, inconclusive 1`.
    pub(super) fn line(&self) -> String {
        let ended = Outcome::ALL.into_iter().filter(|it| self.counts.get(*it) > 0);
        let parts: Vec<_> =
            ended.map(|it| format!("{} {}", words(it), self.counts.get(it))).collect();
        format!("{}: {}", self.id, parts.join(", "))
    }
}

/// The worse, the lower.
fn rank(report: &Report) -> impl Ord + use<> {
    let verdict = match report.verdict {
        OverallVerdict::Unreachable => 0,
        OverallVerdict::NotConformant => 1,
        OverallVerdict::Incomplete => 2,
        OverallVerdict::Conformant => 3,
    };
    let counts = &report.counts;
    let open = counts.inconclusive + counts.not_checked;
    (verdict, Reverse((counts.failed, open, counts.warned)))
}

fn unsteady(reports: &[Report]) -> Vec<Unsteady> {
    let Some(first) = reports.first() else { return Vec::new() };
    // All runs are about the same requirements, in the same order.
    let all = first.requirements.iter().enumerate().map(|(place, it)| {
        let outcomes = reports.iter().filter_map(|it| it.requirements.get(place));
        let outcomes: Vec<_> = outcomes.map(|it| it.outcome).collect();
        let counts = Counts::of(outcomes.iter().copied());
        Unsteady { id: it.id.clone(), counts, outcomes }
    });
    all.filter(|it| it.outcomes.iter().any(|outcome| *outcome != it.outcomes[0])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    /// `small()` with these outcomes of two of its requirements, in a run with this seed.
    fn run(seed: u64, reg_1: Outcome, ord_2: Outcome) -> Report {
        let mut report = samples::incomplete();
        report.requirements.retain(|it| it.outcome == Outcome::Passed);
        for requirement in &mut report.requirements {
            match requirement.id.as_str() {
                "REG-1" => requirement.outcome = reg_1,
                "ORD-2" => requirement.outcome = ord_2,
                _ => {}
            }
        }
        Report { seed, ..samples::sum_up(report) }
    }

    #[test]
    fn the_worst_run_is_the_report_and_what_is_not_steady_is_counted() {
        let (passed, failed, open) = (Outcome::Passed, Outcome::Failed, Outcome::Inconclusive);
        let runs = [run(7, passed, passed), run(8, passed, open), run(9, open, failed)];
        let repeats = Repeats::of(&runs, 4);
        assert_eq!(
            repeats.lines(),
            [
                "3 of 4 runs: conformant 1, not conformant 1, incomplete 1",
                "this is run 3, the worst, with seed 9",
                "REG-1: passed 2, inconclusive 1",
                "ORD-2: passed 1, failed 1, inconclusive 1",
            ]
        );
        assert_eq!(repeats.unsteady[1].outcomes, [passed, open, failed]);
        assert_eq!(repeats.runs.iter().map(|it| it.seed).collect::<Vec<_>>(), [7, 8, 9]);
    }

    #[test]
    fn among_equals_the_first_is_the_worst() {
        let (passed, failed) = (Outcome::Passed, Outcome::Failed);
        let runs = [run(7, passed, passed), run(8, passed, failed), run(9, passed, failed)];
        assert_eq!(Repeats::of(&runs, 3).worst, 2);
        let more = [run(7, passed, failed), run(8, failed, failed)];
        assert_eq!(Repeats::of(&more, 2).worst, 2);
        let lost = Report { verdict: OverallVerdict::Unreachable, ..run(8, passed, passed) };
        assert_eq!(Repeats::of(&[run(7, failed, failed), lost], 2).worst, 2);
    }

    #[test]
    fn steady_runs_say_so() {
        let runs =
            [run(7, Outcome::Failed, Outcome::Passed), run(8, Outcome::Failed, Outcome::Passed)];
        let lines = Repeats::of(&runs, 2).lines();
        assert_eq!(lines[0], "2 runs: not conformant 2");
        assert_eq!(lines[2], "every requirement ended the same way every time");
    }
}
