//! Programs against a target over the wire: many at once, but for those that stop or kill it.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstream::eprint;
use futures_util::future::join_all;

use super::super::{Failure, block_on};
use super::{Found, Fuzz, Limits, Outcome};
use crate::calibrate::{answers, calibrate};
use crate::fuzz::Names;
use crate::fuzz::attempt::{Attempt, Terms, attempt};
use crate::fuzz::check::Finding;
use crate::fuzz::history::Got;
use crate::fuzz::model::Rules;
use crate::fuzz::play::{Conditions, Stage};
use crate::fuzz::program::Program;
use crate::fuzz::search::{SHRINKING, program_of, worst};
use crate::fuzz::shrink::Shrinking;
use crate::pace::Pace;
use crate::profile::Profile;
use crate::target::{Spec, Target};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How late what is due may come.
const SLACK: Duration = Duration::from_secs(2);

/// How long a subscription is waited for to be seen alive.
const OPENING: Duration = Duration::from_millis(50);

/// So many programs are played at once: they wait most of the time.
const SIDE_BY_SIDE: usize = 16;

/// How often a program that showed something is played to see whether it does again.
const TIMES: u32 = 5;

/// A program that is under way to a smaller one may be right by chance: so often it is tried.
const TRIES: u32 = 3;

/// A target, and how programs are played on it.
pub(super) struct Ground {
    pub(super) target: Target,
    pub(super) terms: Terms,
    stage: Stage,
    pace: Pace,
    run: String,
    played: AtomicU64,
    /// Whether nothing of the last program was answered.
    is_silent: AtomicBool,
}

impl Ground {
    pub(super) async fn open(spec: &Spec, profile: &Profile, seed: u64) -> Result<Self, Failure> {
        let unreachable =
            |message: String| Failure { exit_code: super::super::UNREACHABLE, message };
        let target = Target::open(spec, profile).await.map_err(|error| match error.is_usage() {
            true => Failure::usage(error),
            false => unreachable(error.to_string()),
        })?;
        let subject = &target.subject;
        let calibration = calibrate(&subject.door)
            .await
            .map_err(|unfit| unreachable(format!("{spec} {unfit}")))?;
        let pace = Pace::new(&calibration);
        let slack = SLACK.max(pace.quiet() * 4);
        let power = subject.means.power.clone();
        let mut terms = Terms::new(&subject.timers, &subject.capabilities, slack, power.is_some());
        // What has to be waited for takes its time here.
        terms.bounds.timers.message_ttl = 0;
        terms.bounds.hurried = true;
        // What the suite has not started may have other users.
        terms.rules.is_alone = power.is_some();
        let stage = Stage {
            door: subject.door.clone(),
            patience: PATIENCE.max(pace.patience()),
            notices: subject.means.notices.clone(),
            conditions: Conditions {
                offers: terms.bounds.offers,
                slack,
                is_virtual: false,
                date: None,
                max_payload: usize::try_from(subject.timers.max_payload_bytes)
                    .unwrap_or(usize::MAX),
                keys_kept: subject.timers.message_ttl(),
            },
            opening: OPENING.max(Duration::from_micros(4 * calibration.round_trip_max_us)),
            stop_limit: Duration::from_millis(subject.timers.stop_timeout_ms),
            receive_limit: subject.timers.receive_limit(),
            power,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let run = format!("{:06x}{:05x}", seed & 0xff_ffff, now & 0xf_ffff);
        Ok(Self {
            target,
            terms,
            stage,
            pace,
            run,
            played: AtomicU64::new(0),
            is_silent: AtomicBool::new(false),
        })
    }

    /// Plays a program, under names that nothing else has, and no other one at the same time.
    pub(super) async fn play(&self, program: &Program) -> Result<Attempt, Failure> {
        self.play_by(self.terms.rules, program).await
    }

    /// Plays a program beside others.
    async fn play_beside(&self, program: &Program) -> Result<Attempt, Failure> {
        self.play_by(Rules { is_alone: false, ..self.terms.rules }, program).await
    }

    async fn play_by(&self, rules: Rules, program: &Program) -> Result<Attempt, Failure> {
        let number = self.played.fetch_add(1, Ordering::Relaxed) + 1;
        let names = Names::new(format!("{}z{number}", self.run));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut stage = self.stage.clone();
        stage.conditions.date = i64::try_from(now.as_millis()).ok();
        let wait = self.pace.wait();
        let mut attempt = attempt(&stage, rules, program, names).await.map_err(Failure::usage)?;
        let is_silent = attempt.history.calls.iter().all(|it| it.got == Got::Unknown);
        self.is_silent.store(is_silent, Ordering::Relaxed);
        if wait.stalled().is_some() {
            // What was late may have been so by this machine.
            attempt.findings.retain(|it| !it.anomaly.is_lateness());
        }
        Ok(attempt)
    }

    /// Plays programs, and returns what came of each, in their order: side by side, but for those that
    /// stop or kill the target.
    async fn play_all(&self, programs: &[Program]) -> Result<Vec<Attempt>, Failure> {
        let beside = programs.iter().map(|program| async move {
            match program.needs_power() {
                true => None,
                false => Some(self.play_beside(program).await),
            }
        });
        let mut attempts = Vec::new();
        for (program, attempt) in programs.iter().zip(join_all(beside).await) {
            attempts.push(match attempt {
                Some(attempt) => attempt?,
                None => self.play(program).await?,
            });
        }
        Ok(attempts)
    }

    /// Why the target is not there any more, if nothing of this was answered.
    async fn lost(&mut self, spec: &Spec) -> Option<String> {
        if let Some(trouble) = self.stage.power.as_ref().and_then(|it| it.trouble()) {
            return Some(format!("{spec} could not be started again: {trouble}"));
        }
        if let Some(obituary) = self.target.obituary().await {
            return Some(obituary);
        }
        let is_silent = self.is_silent.load(Ordering::Relaxed) && !answers(&self.stage.door).await;
        is_silent.then(|| format!("{spec} answers no more"))
    }

    /// Whether a program shows something like this, tried until it does.
    async fn shows(
        &self,
        program: &Program,
        like: &Finding,
        tries: u32,
    ) -> Result<Option<Attempt>, Failure> {
        for _ in 0..tries {
            let attempt = self.play(program).await?;
            if attempt.findings.iter().any(|it| it.is_like(like)) {
                return Ok(Some(attempt));
            }
        }
        Ok(None)
    }
}

pub(super) fn fuzz(
    fuzz: &Fuzz,
    spec: &Spec,
    profile: &Profile,
    seed: u64,
    limits: Limits,
    kept: &[Program],
) -> Result<Outcome, Failure> {
    let ended = block_on(async {
        let mut ground = Ground::open(spec, profile, seed).await?;
        let outcome = search(fuzz, spec, &mut ground, seed, limits, kept).await;
        ground.target.close().await;
        outcome
    })?;
    ended.unwrap_or_else(|| Ok(Outcome { interrupted: true, ..Outcome::default() }))
}

async fn search(
    fuzz: &Fuzz,
    spec: &Spec,
    ground: &mut Ground,
    seed: u64,
    limits: Limits,
    kept: &[Program],
) -> Result<Outcome, Failure> {
    let terms = fuzz.bounded(ground.terms);
    let is_told = std::io::stderr().is_terminal() && !fuzz.quiet;
    let mut outcome = Outcome::default();
    let mut kept = kept.iter().cloned().map(|program| (None, program)).peekable();
    let mut next = 0;
    'all: loop {
        let mut batch = Vec::new();
        while batch.len() < SIDE_BY_SIDE {
            match kept.next() {
                Some(program) => batch.push(program),
                // What was kept is played before anything else.
                None if batch.iter().any(|it: &(Option<u64>, Program)| it.0.is_none()) => break,
                None if limits.is_over(next) => break,
                None => {
                    batch.push((Some(next), program_of(&terms, seed, next)));
                    next += 1;
                }
            }
        }
        if batch.is_empty() {
            break;
        }
        let programs: Vec<_> = batch.iter().map(|it| it.1.clone()).collect();
        let attempts = ground.play_all(&programs).await?;
        outcome.played += attempts.len() as u64;
        if is_told {
            eprint!("\r{} programs", outcome.played);
        }
        if let Some(lost) = ground.lost(spec).await {
            outcome.lost = Some(lost);
            break;
        }
        for ((number, program), attempt) in batch.into_iter().zip(attempts) {
            let Some(finding) = worst(&attempt.findings).cloned() else { continue };
            if finding.is_warning() {
                if outcome.warned.iter().all(|it| it.anomaly != finding.anomaly) {
                    outcome.warned.push(finding);
                }
                continue;
            }
            if is_told {
                eprint!("\r\x1b[Kfound something: making it small\n");
            }
            outcome.found = Some(small(ground, program, attempt, finding, number).await?);
            break 'all;
        }
    }
    if is_told {
        eprint!("\r\x1b[K");
    }
    Ok(outcome)
}

async fn small(
    ground: &mut Ground,
    program: Program,
    attempt: Attempt,
    finding: Finding,
    case: Option<u64>,
) -> Result<Found, Failure> {
    let before = program.steps.len();
    let mut shown = attempt;
    let again = ground.shows(&program, &finding, TRIES).await?.is_some();
    let mut shrinking = Shrinking::new(program, &finding, if again { SHRINKING } else { 0 });
    while let Some(next) = shrinking.next_program() {
        let attempt = ground.shows(&next, &finding, TRIES).await?;
        shrinking.tell(attempt.is_some());
        shown = attempt.unwrap_or(shown);
        if ground.is_silent.load(Ordering::Relaxed) {
            break;
        }
    }
    let mut shows = 0;
    for _ in 0..TIMES {
        shows += u32::from(ground.shows(shrinking.best(), &finding, 1).await?.is_some());
    }
    let shown_now = shown.findings.iter().find(|it| it.is_like(&finding)).cloned();
    Ok(Found {
        case,
        program: shrinking.best().clone(),
        finding: shown_now.unwrap_or(finding),
        attempt: shown,
        before,
        played: shrinking.played(),
        shows: (shows, TIMES),
    })
}
