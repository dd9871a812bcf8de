//! Runs on one target, one after the other.

use anstream::eprintln;

use super::super::Failure;
use super::Run;
use crate::calibrate::Unfit;
use crate::ceremony;
use crate::profile::Profile;
use crate::report::live::{self, Live, Show};
use crate::report::{OverallVerdict, Repeats, Report};
use crate::run::{Options, run, unjudged};
use crate::select::Selection;
use crate::target::{Spec, Target};

/// What came of all runs.
pub(super) struct Judged {
    /// Of each run, in their order; at least one.
    pub(super) reports: Vec<Report>,
    /// Why the target is not there, or not any more, where more is known than the report says.
    pub(super) lost: Option<String>,
}

/// What came of one run.
struct Ended {
    report: Report,
    /// As in [`Judged`].
    lost: Option<String>,
    /// Whether there is nothing left to run on.
    is_last: bool,
}

impl Ended {
    fn lost(report: Report, lost: String) -> Self {
        Self { report, lost: Some(lost), is_last: true }
    }
}

/// The report on the worst of these runs, with what all of them were like if there were to be
/// several.
pub(super) fn worst(reports: &[Report], asked: u32) -> Report {
    let repeats = Repeats::of(reports, asked);
    let worst = reports[repeats.worst - 1].clone();
    Report { repeats: (asked > 1).then_some(repeats), ..worst }
}

impl Run {
    /// Judges the target as often as asked for.
    pub(super) async fn judge(
        &self,
        spec: &Spec,
        profile: &Profile,
        options: &Options,
    ) -> Result<Judged, Failure> {
        let mut target = match Target::open(spec, profile).await {
            Ok(target) => target,
            Err(error) if error.is_usage() => return Err(Failure::usage(error)),
            Err(error) => {
                let lost = error.to_string();
                // Without what the command printed: every requirement would tell it again.
                let why = lost.lines().next().unwrap_or_default().trim_end_matches(':');
                let report = unjudged(Target::told(spec, profile), options, why);
                return Ok(Judged { reports: vec![report], lost: Some(lost) });
            }
        };
        let mut judged = Judged { reports: Vec::new(), lost: None };
        for number in 1..=self.repeat {
            let seed = options.seed.wrapping_add(u64::from(number - 1));
            let options = Options { seed, ..options.clone() };
            let ended = self.judge_once(spec, &mut target, &options, number).await;
            if self.repeat > 1 && !self.quiet {
                eprintln!("{}", live::sum_up(number, self.repeat, &ended.report));
            }
            let is_over = options.end_with_any(&ended.report);
            judged.reports.push(ended.report);
            judged.lost = ended.lost;
            if ended.is_last || is_over {
                break;
            }
        }
        target.close().await;
        Ok(judged)
    }

    async fn judge_once(
        &self,
        spec: &Spec,
        target: &mut Target,
        options: &Options,
        number: u32,
    ) -> Ended {
        let mut live = Live::new(Show::fitting(self.quiet));
        if self.repeat > 1 {
            live.is_run(number, self.repeat);
        }
        let judged = run(&target.subject, options, |progress| live.tell(progress)).await;
        drop(live);
        let mut report = match judged {
            Ok(report) => report,
            Err(unfit) => {
                let lost = lost(spec, &unfit, target.obituary().await);
                let why = format!("the target {unfit}");
                return Ended::lost(unjudged(target.subject.told(), options, &why), lost);
            }
        };
        let power = target.subject.means.power.clone();
        if let Some(trouble) = power.and_then(|it| it.trouble()) {
            if report.counts.failed > 0 {
                // The report tells what was found, and why the rest was not looked at.
                return Ended { report, lost: None, is_last: true };
            }
            report.verdict = OverallVerdict::Unreachable;
            let lost = format!("{spec} could not be started again: {trouble}");
            return Ended::lost(report, lost);
        }
        let mut obituary = target.obituary().await;
        let is_there = obituary.is_none() && report.verdict != OverallVerdict::Unreachable;
        if is_there && !options.end_with_any(&report) && self.with_ceremony(&options.selection) {
            let tell = |phase: &str| self.tell_phase(phase);
            ceremony::add(&mut report, &target.subject.far_away(options.latency), tell).await;
            obituary = target.obituary().await;
        }
        if let Some(obituary) = obituary {
            report.verdict = OverallVerdict::Unreachable;
            return Ended::lost(report, format!("{spec} died: {obituary}"));
        }
        if report.verdict == OverallVerdict::Unreachable {
            return Ended::lost(report, format!("{spec} died, or answers no more"));
        }
        Ended { report, lost: None, is_last: false }
    }

    fn tell_phase(&self, phase: &str) {
        if !self.quiet {
            eprintln!("ceremony: {phase}");
        }
    }

    fn with_ceremony(&self, selection: &Selection) -> bool {
        !self.no_ceremony && selection.is_everything()
    }
}

fn lost(spec: &Spec, unfit: &Unfit, obituary: Option<String>) -> String {
    let hint = match (spec, unfit) {
        (Spec::Attach(_), Unfit::Unreachable(_)) => {
            "; is the router running, and is this its address?"
        }
        _ => "",
    };
    let obituary = obituary.map(|it| format!("; {it}")).unwrap_or_default();
    format!("the target {spec} {unfit}{hint}{obituary}")
}
