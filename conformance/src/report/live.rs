//! Shows that a run goes on: on standard error, so that standard output is the report alone.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::summary::{self, title};
use super::wording::{count, glyph, ids, micros, visible, words};
use super::{Calibration, Report, RequirementReport};
use crate::families;
use crate::outcome::Outcome;
use crate::requirement::Requirement;
use crate::run::Progress;

/// When so few checks are left, the bar names them: it is these that the run waits for.
const NAMED: usize = 8;

/// How often the bar is drawn while nothing happens, so that its clock goes on.
const TICK: Duration = Duration::from_millis(200);

/// Says in a line what came of one of several runs.
pub fn sum_up(number: u32, of: u32, report: &Report) -> String {
    let because = summary::because(report, summary::bracketed);
    let line = format!("run {number} of {of}: {}, {because}", report.verdict.words());
    visible(&line).into_owned()
}

/// How a run that goes on is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// A bar that is gone when the run ends; failures are told at once.
    Bar,
    /// One line a family, when all its checks have ended.
    Lines,
    /// Not at all.
    Nothing,
}

impl Show {
    /// What fits standard error: a bar on a terminal, else lines.
    pub fn fitting(quiet: bool) -> Self {
        match (quiet, io::stderr().is_terminal()) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }
}

/// A run as it goes on. Give each [`Progress`] to [`Self::tell`], and drop it before the report is
/// printed.
#[derive(Debug)]
pub struct Live<W: io::Write = io::Stderr> {
    screen: Screen<W>,
    left: Vec<&'static Requirement>,
    ended: Vec<(String, Outcome)>,
    broken: usize,
}

#[derive(Debug)]
enum Screen<W> {
    Bar(ProgressBar),
    Lines(W),
    Nothing,
}

impl Live {
    /// Shows a run on standard error.
    pub fn new(show: Show) -> Self {
        Self::on(match show {
            Show::Bar => Screen::Bar(bar(ProgressDrawTarget::stderr())),
            Show::Lines => Screen::Lines(io::stderr()),
            Show::Nothing => Screen::Nothing,
        })
    }
}

impl<W: io::Write> Live<W> {
    fn on(screen: Screen<W>) -> Self {
        Self { screen, left: Vec::new(), ended: Vec::new(), broken: 0 }
    }

    /// Says that this is one of several runs.
    pub fn is_run(&mut self, number: u32, of: u32) {
        let run = format!("run {number} of {of}");
        match &mut self.screen {
            Screen::Bar(bar) => bar.set_prefix(format!("{run} ")),
            Screen::Lines(out) => put(out, &run),
            Screen::Nothing => {}
        }
    }

    /// Takes in what the run tells.
    pub fn tell(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Began(calibration, checked) => self.began(calibration, checked),
            Progress::Ended(report) => self.ended(report),
        }
    }

    fn began(&mut self, calibration: &Calibration, checked: &[&'static Requirement]) {
        self.left = checked.to_vec();
        match &mut self.screen {
            Screen::Bar(bar) => {
                bar.set_length(u64::try_from(checked.len()).unwrap_or(u64::MAX));
                bar.enable_steady_tick(TICK);
            }
            Screen::Lines(out) => {
                let round_trip = micros(calibration.round_trip_us);
                put(out, &format!("{}, round trip {round_trip}", count(checked.len(), "check")));
            }
            Screen::Nothing => {}
        }
    }

    fn ended(&mut self, report: &RequirementReport) {
        self.left.retain(|it| it.id != report.id);
        self.ended.push((report.id.clone(), report.outcome));
        self.broken += usize::from(report.outcome == Outcome::Failed);
        let is_complete = self.left.iter().all(|it| it.family() != report.family);
        let news = self.news();
        match &mut self.screen {
            Screen::Bar(bar) => {
                bar.set_message(news);
                bar.inc(1);
                if report.outcome == Outcome::Failed {
                    let line =
                        format!("{} {}  {}", glyph(report.outcome), report.id, report.detail);
                    bar.println(visible(&line));
                }
            }
            Screen::Lines(out) if is_complete => {
                put(out, &family_line(&report.family, &self.ended));
            }
            Screen::Lines(_) | Screen::Nothing => {}
        }
    }

    /// What the bar says besides its numbers.
    fn news(&self) -> String {
        let broken = match self.broken {
            0 => String::new(),
            some => format!("{some} broken  "),
        };
        match self.left.as_slice() {
            [] => broken,
            few if few.len() <= NAMED => {
                format!("{broken}waiting for {}", ids(few.iter().map(|it| it.id)))
            }
            _ => broken,
        }
    }
}

impl<W: io::Write> Drop for Live<W> {
    fn drop(&mut self) {
        if let Screen::Bar(bar) = &self.screen {
            bar.finish_and_clear();
        }
    }
}

fn bar(target: ProgressDrawTarget) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{prefix}{elapsed:>4} {bar:32} {pos}/{len}  {wide_msg}")
            .expect("the template is well-formed")
            .progress_chars("━━╌");
    ProgressBar::with_draw_target(None, target).with_style(style)
}

/// One family in a line: `ORD  ordering: 7 passed, 1 failed (ORD-1)`.
fn family_line(family: &str, ended: &[(String, Outcome)]) -> String {
    let mut parts = Vec::new();
    for outcome in Outcome::ALL {
        let own: Vec<_> = ended
            .iter()
            .filter(|(id, it)| *it == outcome && id.split('-').next() == Some(family))
            .map(|(id, _)| id.as_str())
            .collect();
        match (own.len(), outcome) {
            (0, _) => {}
            (number, Outcome::Passed) => parts.push(format!("{number} {}", words(outcome))),
            (number, _) => {
                let mut own = own;
                own.sort_by_key(|id| families::requirements().position(|it| it.id == *id));
                parts.push(format!("{number} {} ({})", words(outcome), ids(own)));
            }
        }
    }
    format!("{family:<4} {}: {}", title(family), parts.join(", "))
}

fn put(out: &mut impl io::Write, line: &str) {
    // Whoever closed standard error does not want to know, and the verdict stands without it.
    let _ = writeln!(out, "{}", visible(line));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    const CALIBRATION: Calibration =
        Calibration { round_trip_us: 312, round_trip_max_us: 900, timer_slack_us: 80 };

    fn dir_and_ord_1() -> Vec<&'static Requirement> {
        families::requirements().filter(|it| it.family() == "DIR" || it.id == "ORD-1").collect()
    }

    fn report(id: &str, outcome: Outcome) -> RequirementReport {
        let family = id.split('-').next().unwrap().into();
        RequirementReport { id: id.into(), family, outcome, ..samples::ord_1() }
    }

    #[test]
    fn a_family_gets_its_line_when_it_is_complete() {
        let mut live = Live::on(Screen::Lines(Vec::new()));
        live.tell(Progress::Began(&CALIBRATION, &dir_and_ord_1()));
        for (id, outcome) in [
            ("DIR-6", Outcome::Failed),
            ("DIR-1", Outcome::Passed),
            ("DIR-5", Outcome::Failed),
            ("DIR-4", Outcome::Failed),
            ("DIR-2", Outcome::Passed),
        ] {
            live.tell(Progress::Ended(&report(id, outcome)));
        }
        let text = |live: &Live<Vec<u8>>| match &live.screen {
            Screen::Lines(out) => String::from_utf8(out.clone()).unwrap(),
            _ => unreachable!("it shows lines"),
        };
        assert_eq!(text(&live), "7 checks, round trip 312 µs\n");
        live.tell(Progress::Ended(&report("DIR-3", Outcome::Inconclusive)));
        live.tell(Progress::Ended(&report("ORD-1", Outcome::Passed)));
        assert_eq!(
            text(&live),
            "7 checks, round trip 312 µs\n\
             DIR  the party directory: 2 passed, 3 failed (DIR-4 to DIR-6), 1 inconclusive \
             (DIR-3)\n\
             ORD  ordering: 1 passed\n"
        );
    }

    #[test]
    fn the_bar_counts_and_names_the_last_ones() {
        let bar = bar(ProgressDrawTarget::hidden());
        let mut live = Live::<Vec<u8>>::on(Screen::Bar(bar.clone()));
        live.tell(Progress::Began(&CALIBRATION, &dir_and_ord_1()));
        assert_eq!(bar.length(), Some(7));
        live.tell(Progress::Ended(&report("DIR-2", Outcome::Failed)));
        assert_eq!(bar.position(), 1);
        assert_eq!(bar.message(), "1 broken  waiting for DIR-1, DIR-3 to DIR-6, ORD-1");
        assert!(!bar.is_finished());
        drop(live);
        assert!(bar.is_finished());
    }

    #[test]
    fn one_of_several_runs_says_which_and_what_came_of_it() {
        let mut live = Live::on(Screen::Lines(Vec::new()));
        live.is_run(2, 5);
        let Screen::Lines(out) = &live.screen else { unreachable!("it shows lines") };
        assert_eq!(String::from_utf8(out.clone()).unwrap(), "run 2 of 5\n");
        let text = sum_up(2, 5, &samples::small());
        assert!(text.starts_with("run 2 of 5: not conformant, 1 MUST broken (ORD-1), "), "{text}");
    }
}
