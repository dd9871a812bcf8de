//! Runs the checks of a selection side by side, and sums up what they found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::calibrate::{Unfit, answers, calibrate};
use crate::clock::Clock;
use crate::connect::Door;
use crate::families;
use crate::outcome::{Finding, Outcome, Stop, Verdict};
use crate::pace::Pace;
use crate::profile::Timers;
use crate::report::{
    Calibration, Counts, FORMAT, OverallVerdict, Report, RequirementReport, TargetReport,
};
use crate::requirement::{Capability, Check, Level, Requirement};
use crate::select::Selection;
use crate::trial::{Ground, Trial};

/// Checks that run at the same time: most of a check is waiting.
const SIDE_BY_SIDE: usize = 24;

/// How often a check that could reach no verdict is tried in all.
const ATTEMPTS: u32 = 3;

/// How long after an attempt without a verdict the next one begins: a target that is being
/// restarted needs it.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// No check takes so long, besides what it waits for the target's timers; one that does has lost
/// its way.
const CHECK_LIMIT: Duration = Duration::from_secs(300);

/// No check waits for the target's timers more often.
const TIMERS_A_CHECK: u32 = 6;

/// Warnings of one check that its finding tells in full.
const WARNINGS_TOLD: usize = 4;

/// How often the run looks whether the target is still there.
const PULSE: Duration = Duration::from_secs(1);

/// So many looks in a row must fail before the target counts as gone.
const PULSES_MISSED: u32 = 3;

/// What is judged.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What reports call it.
    pub name: String,
    /// How it is reached, in words.
    pub reached_by: String,
    /// The way to it.
    pub door: Door,
    /// Its timers and limits.
    pub timers: Timers,
    /// What it claims besides `core`.
    pub capabilities: Vec<Capability>,
}

impl Subject {
    fn claims(&self, capability: Capability) -> bool {
        capability == Capability::Core || self.capabilities.contains(&capability)
    }

    /// What reports say of it.
    pub(crate) fn told(&self) -> TargetReport {
        let Self { name, reached_by, capabilities, timers, .. } = self;
        TargetReport::new(name.clone(), reached_by.clone(), capabilities, *timers)
    }
}

/// How it is judged.
#[derive(Clone, Debug)]
pub struct Options {
    /// What names and random choices derive from.
    pub seed: u64,
    /// Which requirements are checked.
    pub selection: Selection,
    /// The longest of the target's timers that is waited for.
    pub timer_limit: Duration,
    /// The command that reports give to run one check again, without the check's name.
    pub replay: String,
    /// What time it is when the run begins, for runs that are to be the same every time; without
    /// it, the time of day.
    pub begins_at: Option<SystemTime>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            selection: Selection::default(),
            timer_limit: Duration::from_secs(60),
            replay: "mpc-conformance run".into(),
            begins_at: None,
        }
    }
}

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum Progress<'a> {
    /// The target answered; these requirements will be checked.
    Began(&'a Calibration, &'a [&'static Requirement]),
    /// A check ended.
    Ended(&'a RequirementReport),
}

/// Judges `subject`.
///
/// # Errors
/// If there is no MessageRouter to judge. A target that dies during the run is no error, but a
/// [`OverallVerdict::Unreachable`].
pub async fn run(
    subject: &Subject,
    options: &Options,
    mut tell: impl FnMut(Progress<'_>),
) -> Result<Report, Unfit> {
    let clock = Clock::showing(options.begins_at.unwrap_or_else(SystemTime::now));
    let began = Instant::now();
    let started_at_ms = clock.now_ms();
    let calibration = calibrate(&subject.door).await?;
    let ground = Ground {
        door: subject.door.clone(),
        timers: subject.timers,
        timer_limit: options.timer_limit,
        pace: Pace::new(&calibration),
        clock,
        seed: options.seed,
        run: format!("{:06x}{:05x}", options.seed & 0xff_ffff, started_at_ms & 0xf_ffff),
    };

    let mut reports = BTreeMap::new();
    let mut due = Vec::new();
    let selected = families::requirements().filter(|it| options.selection.contains(it));
    for (place, requirement) in selected.enumerate() {
        match (subject.claims(requirement.capability), requirement.check) {
            (true, Some(check)) => due.push((place, requirement, check)),
            (true, None) => {
                let why = "this version of the suite has no check for it yet";
                let report = blank(requirement, Outcome::NotChecked, why.into());
                reports.insert(place, report);
            }
            (false, _) => {
                let why = format!("the target does not claim `{}`", requirement.capability);
                reports.insert(place, blank(requirement, Outcome::NotApplicable, why));
            }
        }
    }
    let checked: Vec<_> = due.iter().map(|it| it.1).collect();
    tell(Progress::Began(&calibration, &checked));

    let mut checks = JoinSet::new();
    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut unfinished: BTreeMap<_, _> = due.iter().map(|it| (it.0, it.1)).collect();
    for (place, requirement, check) in due {
        let (ground, places) = (ground.clone(), places.clone());
        let replay =
            format!("{} --only {} --seed {}", options.replay, requirement.id, options.seed);
        checks.spawn(async move {
            let _place = places.acquire().await.expect("nobody closes it");
            (place, examine(&ground, requirement, check, replay).await)
        });
    }
    let mut gone = std::pin::pin!(gone(&subject.door));
    let mut lost = loop {
        tokio::select! {
            biased;
            ended = checks.join_next() => match ended {
                None => break false,
                Some(Ok((place, report))) => {
                    tell(Progress::Ended(&report));
                    unfinished.remove(&place);
                    reports.insert(place, report);
                }
                // What it was about stays unfinished, and is reported below.
                Some(Err(_)) => {}
            },
            () = &mut gone => break true,
        }
    };
    checks.shutdown().await;
    // Where every connection is refused, the checks are over before the target has missed enough
    // pulses.
    if !lost && reports.values().any(|it| it.outcome == Outcome::Inconclusive) {
        lost = is_silent(&subject.door).await;
    }
    for (place, requirement) in unfinished {
        let why =
            if lost { "the target died" } else { "the check itself failed: a bug of the suite" };
        reports.insert(place, blank(requirement, Outcome::Inconclusive, why.into()));
    }

    let report = whole(subject.told(), options, reports.into_values().collect());
    Ok(Report {
        started_at_ms,
        duration_ms: millis(began.elapsed()),
        calibration: Some(calibration),
        verdict: if lost { OverallVerdict::Unreachable } else { report.verdict },
        ..report
    })
}

/// The report on a target that cannot be judged at all: nothing that was selected has a verdict.
pub(crate) fn unjudged(target: TargetReport, options: &Options, why: &str) -> Report {
    let selected = families::requirements().filter(|it| options.selection.contains(it));
    let blanks = selected.map(|it| blank(it, Outcome::Inconclusive, why.into())).collect();
    let report = whole(target, options, blanks);
    Report { started_at_ms: Clock::new().now_ms(), verdict: OverallVerdict::Unreachable, ..report }
}

/// The report on these requirements, without what was measured.
fn whole(target: TargetReport, options: &Options, requirements: Vec<RequirementReport>) -> Report {
    let counts = Counts::of(requirements.iter().map(|it| it.outcome));
    Report {
        format: FORMAT,
        suite_version: env!("CARGO_PKG_VERSION").into(),
        target,
        seed: options.seed,
        started_at_ms: 0,
        duration_ms: 0,
        calibration: None,
        verdict: verdict(&counts),
        counts,
        requirements,
        ceremony: None,
    }
}

fn verdict(counts: &Counts) -> OverallVerdict {
    if counts.failed > 0 {
        OverallVerdict::NotConformant
    } else if counts.inconclusive + counts.not_checked > 0 || counts.passed + counts.warned == 0 {
        OverallVerdict::Incomplete
    } else {
        OverallVerdict::Conformant
    }
}

/// Returns when the target cannot be reached any more.
async fn gone(door: &Door) {
    loop {
        tokio::time::sleep(PULSE).await;
        if is_silent(door).await {
            return;
        }
    }
}

/// Whether the target, asked as often as it may miss a pulse, answers never.
async fn is_silent(door: &Door) -> bool {
    for pulse in 0..PULSES_MISSED {
        if pulse > 0 {
            tokio::time::sleep(PULSE).await;
        }
        if answers(door).await {
            return false;
        }
    }
    true
}

/// Runs one check, again if there was no verdict.
async fn examine(
    ground: &Ground,
    requirement: &Requirement,
    check: Check,
    replay: String,
) -> RequirementReport {
    let began = Instant::now();
    let limit = check_limit(ground);
    let mut attempt = 0;
    let (trial, verdict) = loop {
        let trial = Trial::new(ground, requirement.id, attempt);
        attempt += 1;
        match tokio::time::timeout(limit, check(trial.clone())).await {
            Ok(Err(Stop::Inconclusive(_))) if attempt < ATTEMPTS => {
                tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            }
            Ok(verdict) => break (trial, verdict),
            // What has lost its way once is not given as long again.
            Err(_) => {
                let why = format!("the check did not end within {} s", limit.as_secs());
                break (trial, Err(Stop::Inconclusive(why)));
            }
        }
    };
    let mut report = summed_up(requirement, verdict, trial.warnings());
    report.duration_ms = millis(began.elapsed());
    if matches!(report.outcome, Outcome::Failed | Outcome::Warned | Outcome::Inconclusive) {
        (report.timeline, report.timeline_cut) = trial.journal().timeline();
    }
    if report.finding.is_some() {
        report.replay = Some(replay);
    }
    report
}

/// How long a check may take: one that waits for long timers takes several times as long as these.
fn check_limit(ground: &Ground) -> Duration {
    let timer = ground.timers.heartbeat_timeout().max(ground.timers.ack_timeout());
    let waited = timer.min(ground.timer_limit).saturating_mul(TIMERS_A_CHECK);
    CHECK_LIMIT.saturating_add(waited)
}

fn summed_up(
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
    RequirementReport { finding: Some(finding), ..blank(requirement, outcome, detail) }
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

fn blank(requirement: &Requirement, outcome: Outcome, detail: String) -> RequirementReport {
    RequirementReport {
        id: requirement.id.into(),
        family: requirement.family().into(),
        level: requirement.level,
        capability: requirement.capability,
        outcome,
        detail,
        says: requirement.says.into(),
        duration_ms: 0,
        finding: None,
        timeline: Vec::new(),
        timeline_cut: 0,
        replay: None,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_checked_nothing_is_no_conformance() {
        let mut counts = Counts { not_applicable: 9, ..Counts::default() };
        assert_eq!(verdict(&counts), OverallVerdict::Incomplete);
        counts.warned = 1;
        assert_eq!(verdict(&counts), OverallVerdict::Conformant);
    }

    #[test]
    fn all_warnings_of_a_check_are_told() {
        let warning = |seen: &str| Finding { seen: seen.into(), accepted: "NOT_FOUND".into() };
        let few = together(&[warning("a"), warning("b"), warning("a")]);
        assert_eq!((few.seen.as_str(), few.accepted.as_str()), ("a; b", "NOT_FOUND"));
        let many: Vec<_> = (0..7).map(|number| warning(&number.to_string())).collect();
        assert_eq!(together(&many).seen, "0; 1; 2; 3; and 3 more");
    }
}
