//! Runs the checks of a selection side by side, and sums up what they found.

mod asking;
mod summing;
mod told_otherwise;
mod turns;
mod under_way;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use self::asking::{gone, is_silent, registered};
use self::summing::{blank, summed_up};
use self::turns::Turns;
use self::under_way::UnderWay;
use crate::calibrate::{Unfit, calibrate};
use crate::clock::Clock;
use crate::connect::Door;
use crate::families;
use crate::means::Means;
use crate::outcome::{Outcome, Stop, Verdict};
use crate::pace::{Pace, Wait};
use crate::profile::Timers;
use crate::report::{
    Calibration, Counts, FORMAT, OverallVerdict, Report, RequirementReport, TargetReport,
};
use crate::requirement::{Capability, Check, Requirement, Turn};
use crate::requirement_set;
use crate::select::Selection;
use crate::trial::{Ground, Trial};

/// Checks that run at the same time: most of a check is waiting.
const SIDE_BY_SIDE: usize = 48;

/// How often a check that could reach no verdict is tried in all.
const ATTEMPTS: u32 = 3;

/// The same where this machine is busy: it may not be so in a while.
const ATTEMPTS_WHILE_BUSY: u32 = 8;

/// How many places an attempt takes: what came to no verdict among many is tried among fewer.
fn places_of(attempt: u32) -> u32 {
    const MOST: u32 = SIDE_BY_SIDE as u32 / 4;
    2_u32.saturating_pow(attempt).min(MOST)
}

/// How long after an attempt without a verdict the next one begins: a target that is being
/// restarted needs it.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// No check takes so long, besides what it waits for the target's timers; one that does has lost
/// its way.
const CHECK_LIMIT: Duration = Duration::from_secs(300);

/// No check waits for the target's timers more often.
const TIMERS_A_CHECK: u32 = 6;

/// Why something was not checked after a run had ended at the first failure.
pub(crate) const ENDED_EARLY: &str = "the run ended at the first failure";

/// Why something has no verdict when the target was lost.
const LOST_MEANWHILE: &str = "the target died, or answers no more, while this was under way";
const LOST_BEFORE: &str = "the target died, or answers no more";

/// A requirement that is to be checked, and its place in the report.
type Due = (usize, &'static Requirement, Check);

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
    /// What the suite has of it besides the way to it.
    pub means: Means,
}

impl Subject {
    /// The same at the end of a long way: see [`Door::far_away`].
    pub(crate) fn far_away(&self, latency: Duration) -> Self {
        Self { door: self.door.clone().far_away(latency), ..self.clone() }
    }

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
    /// How much later what is sent to the target arrives at most, each time another time, and what
    /// comes back; zero for what the network takes anyway.
    pub latency: Duration,
    /// Whether the run ends at the first MUST that is broken.
    pub fail_fast: bool,
    /// The requirements that are known to be broken: the run goes on after them.
    pub known: BTreeSet<String>,
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
            latency: Duration::ZERO,
            fail_fast: false,
            known: BTreeSet::new(),
            replay: "mpc-conformance run".into(),
            begins_at: None,
        }
    }
}

impl Options {
    /// Whether the run ends with this.
    pub(crate) fn end_with(&self, report: &RequirementReport) -> bool {
        let is_new = report.outcome == Outcome::Failed && !self.known.contains(&report.id);
        self.fail_fast && is_new
    }

    /// Whether a run with this report ended early, and no other one is to follow.
    pub(crate) fn end_with_any(&self, report: &Report) -> bool {
        report.requirements.iter().any(|it| self.end_with(it))
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
    let subject = &subject.far_away(options.latency);
    let clock = Clock::showing(options.begins_at.unwrap_or_else(SystemTime::now));
    let began = Instant::now();
    let started_at_ms = clock.now_ms();
    let calibration = calibrate(&subject.door).await?;
    if subject.door.has_certain_names() {
        subject.door.takes_names(&registered(&subject.door).await?);
    }
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
    let ground = Ground {
        door: subject.door.clone(),
        timers: subject.timers,
        capabilities: subject.capabilities.clone(),
        means: subject.means.clone(),
        timer_limit: options.timer_limit,
        is_long: due.len() == 1 || due.iter().any(|it| it.1.turn == Turn::First),
        pace: Pace::new(&calibration),
        clock,
        seed: options.seed,
        run: format!("{:06x}{:05x}", options.seed & 0xff_ffff, started_at_ms & 0xf_ffff),
    };
    let checked: Vec<_> = due.iter().map(|it| it.1).collect();
    tell(Progress::Began(&calibration, &checked));

    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let under_way = UnderWay::default();
    let mut unfinished: BTreeMap<_, _> = due.iter().map(|it| (it.0, it.1)).collect();
    let begin = |checks: &mut JoinSet<_>, (place, requirement, check): Due| {
        let (ground, places, under_way) = (ground.clone(), places.clone(), under_way.clone());
        let replay =
            format!("{} --only {} --seed {}", options.replay, requirement.id, options.seed);
        let begun = checks.spawn(async move {
            let tell = |trial: &Trial| under_way.note(place, trial);
            (place, examine(&ground, &places, requirement, check, replay, tell).await)
        });
        (begun.id(), requirement.turn)
    };
    // Whether the run ends with this.
    let mut note = |ended: Result<(usize, RequirementReport), JoinError>| {
        // What failed by itself stays unfinished, and is reported below.
        let Ok((place, report)) = ended else { return false };
        let is_last = options.end_with(&report);
        tell(Progress::Ended(&report));
        unfinished.remove(&place);
        reports.insert(place, report);
        is_last
    };

    let mut turns = Turns::new(due);
    let mut checks = JoinSet::new();
    let mut going_on = BTreeMap::new();
    let mut gone = std::pin::pin!(gone(&subject.door, &ground.pace));
    let mut is_over = false;
    let mut lost = loop {
        let next = turns.beside(going_on.values().copied());
        going_on.extend(next.into_iter().map(|it| begin(&mut checks, it)));
        tokio::select! {
            biased;
            ended = checks.join_next_with_id() => match ended {
                None => break false,
                Some(ended) => {
                    let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
                    let turn = going_on.remove(&id);
                    is_over = note(ended.map(|(_, report)| report));
                    if turn == Some(Turn::Quiet) && is_silent(&subject.door, &ground.pace).await {
                        break true;
                    }
                }
            },
            // What takes all that the target has leaves nothing for others.
            () = &mut gone, if !going_on.values().any(|it| *it == Turn::Quiet) => break true,
        }
        if is_over {
            break false;
        }
    };
    // What has ended meanwhile is judged, too.
    while let Some(ended) = checks.try_join_next() {
        note(ended);
    }
    checks.shutdown().await;
    while !lost
        && !is_over
        && let Some(check) = turns.alone()
    {
        begin(&mut checks, check);
        while let Some(ended) = checks.join_next().await {
            is_over = note(ended);
        }
        // Also where the check itself failed.
        if let Some(power) = &subject.means.power {
            // Why it does not is told by `trouble`.
            let _ = power.comes_back().await;
        }
        lost = trouble(subject).is_some() || is_silent(&subject.door, &ground.pace).await;
    }
    // Where every connection is refused, the checks are over before the target has missed enough
    // pulses.
    if !lost && reports.values().any(|it| it.outcome == Outcome::Inconclusive) {
        lost = is_silent(&subject.door, &ground.pace).await;
    }
    for (place, requirement) in unfinished {
        let timeline = under_way.timeline(place);
        let (outcome, why) = match trouble(subject) {
            Some(trouble) => (Outcome::Inconclusive, trouble),
            None if lost && timeline.is_some() => (Outcome::Inconclusive, LOST_MEANWHILE.into()),
            None if lost => (Outcome::Inconclusive, LOST_BEFORE.into()),
            None if is_over => (Outcome::NotChecked, ENDED_EARLY.into()),
            None => (Outcome::Inconclusive, "the check itself failed: a bug of the suite".into()),
        };
        let mut report = blank(requirement, outcome, why);
        if lost && let Some(timeline) = timeline {
            (report.timeline, report.timeline_cut) = timeline;
        }
        reports.insert(place, report);
    }

    told_otherwise::note(&subject.timers, reports.values_mut());
    let report = whole(subject.told(), options, reports.into_values().collect());
    Ok(Report {
        started_at_ms,
        duration_ms: millis(began.elapsed()),
        calibration: Some(calibration),
        verdict: match lost {
            // That it does not start again is what was found.
            true if trouble(subject).is_none() || report.counts.failed == 0 => {
                OverallVerdict::Unreachable
            }
            _ => report.verdict,
        },
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
        requirement_set: Some(requirement_set::digest().into()),
        ceremony: None,
        repeats: None,
        baseline: None,
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

/// Why the target is not there any more, if a check has stopped it and it did not start again.
fn trouble(subject: &Subject) -> Option<String> {
    let trouble = subject.means.power.as_ref()?.trouble()?;
    // Without what it printed: every requirement would tell it again.
    let trouble = trouble.lines().next().unwrap_or_default().trim_end_matches(':');
    Some(format!("the target could not be started again: {trouble}"))
}

/// Runs one check, again if there was no verdict.
async fn examine(
    ground: &Ground,
    places: &Semaphore,
    requirement: &Requirement,
    check: Check,
    replay: String,
    mut tell: impl FnMut(&Trial),
) -> RequirementReport {
    let mut began = None;
    let limit = check_limit(ground);
    let mut attempt = 0;
    let (trial, verdict) = loop {
        let place = places.acquire_many(places_of(attempt)).await.expect("nobody closes it");
        began.get_or_insert_with(Instant::now);
        let trial = Trial::new(ground, requirement.id, attempt);
        tell(&trial);
        attempt += 1;
        let wait = ground.pace.wait();
        let ended = tokio::time::timeout(limit, check(trial.clone())).await;
        let ended = ended.map(|verdict| believed(verdict, &trial, &wait));
        let mut is_last = attempt >= attempts(ground, &wait);
        if requirement.turn == Turn::Alone
            && let Some(power) = &ground.means.power
            && power.comes_back().await.is_err()
        {
            // The run tells why, and ends here.
            is_last = true;
        }
        match ended {
            Ok(Err(Stop::Inconclusive(_))) if !is_last => {
                drop(place);
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
    let verdict = match trial.lacking() {
        Some(why) => Err(Stop::NotChecked(why.to_string())),
        None => verdict,
    };
    let mut report = summed_up(requirement, verdict, trial.warnings());
    report.duration_ms = began.map_or(0, |it| millis(it.elapsed()));
    if !matches!(report.outcome, Outcome::Passed | Outcome::NotApplicable) {
        (report.timeline, report.timeline_cut) = trial.journal().timeline();
    }
    if report.finding.is_some() {
        report.replay = Some(replay);
    }
    report
}

/// How often the check is tried, after this attempt at it.
fn attempts(ground: &Ground, wait: &Wait) -> u32 {
    // Each attempt takes new names, of which there are not many then.
    if wait.was_disturbed() && !ground.door.has_certain_names() {
        ATTEMPTS_WHILE_BUSY
    } else {
        ATTEMPTS
    }
}

/// The verdict, unless this process was kept from running for so long meanwhile that what it saw, and
/// when, proves nothing.
fn believed(verdict: Verdict, trial: &Trial, wait: &Wait) -> Verdict {
    let against = match &verdict {
        Err(Stop::Broken(finding)) => Some(finding.clone()),
        Ok(()) => trial.warnings().into_iter().next(),
        Err(_) => None,
    };
    match (against, wait.starved()) {
        (Some(finding), Some(stall)) => {
            let why = format!("{}: it does not count that {}", wait.told(stall), finding.seen);
            Err(Stop::Inconclusive(why))
        }
        _ => verdict,
    }
}

/// How long a check may take: one that waits for long timers takes several times as long as these.
fn check_limit(ground: &Ground) -> Duration {
    let timers = [
        ground.timers.heartbeat_timeout(),
        ground.timers.all_attempts(),
        ground.timers.message_ttl(),
    ];
    let timer = timers.into_iter().max().unwrap_or_default();
    let waited = timer.min(ground.timer_limit).saturating_mul(TIMERS_A_CHECK);
    CHECK_LIMIT.saturating_add(waited)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
