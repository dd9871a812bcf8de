//! Programs against the reference router, in this process and on virtual time, on all cores.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anstream::eprint;

use super::{Found, Fuzz, Limits, Outcome};
use crate::fuzz::attempt::{Attempt, Terms};
use crate::fuzz::program::Program;
use crate::fuzz::rehearsal::{SLACK, rehearse, step};
use crate::fuzz::search::{program_of, shrink, worst};
use crate::profile::Profile;
use crate::target::InMemory;

/// How often it is told how far it is.
const TELLING: Duration = Duration::from_millis(500);

pub(super) fn terms(profile: &Profile) -> Terms {
    Terms::new(&profile.timers, &profile.target.capabilities, SLACK, false)
}

pub(super) fn fuzz(
    fuzz: &Fuzz,
    profile: &Profile,
    seed: u64,
    limits: Limits,
    kept: &[Program],
) -> Outcome {
    let terms = fuzz.bounded(terms(profile));
    let router = InMemory::new(profile.timers);
    let play = |program: &Program| match fuzz.direct {
        true => step(&router, &terms, &profile.timers, program),
        false => rehearse(&router, &terms, &profile.timers, program),
    };
    let first = kept.iter().find_map(|program| {
        let attempt = play(program);
        let finding = worst(&attempt.findings).filter(|it| !it.is_warning());
        finding.cloned().map(|finding| (None, program.clone(), finding, attempt))
    });
    let (next, played) = (AtomicU64::new(0), AtomicU64::new(kept.len() as u64));
    let is_over = AtomicBool::new(first.is_some());
    let interrupted = AtomicBool::new(false);
    let outcome = Mutex::new((first, Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if limits.is_over(case) {
                        break;
                    }
                    let program = program_of(&terms, seed, case);
                    let attempt = play(&program);
                    played.fetch_add(1, Ordering::Relaxed);
                    let Some(finding) = worst(&attempt.findings).cloned() else { continue };
                    let mut outcome = outcome.lock().unwrap_or_else(|it| it.into_inner());
                    let (found, warned) = &mut *outcome;
                    if finding.is_warning() {
                        let is_new =
                            |it: &crate::fuzz::check::Finding| it.anomaly != finding.anomaly;
                        if warned.iter().all(is_new) {
                            warned.push(finding);
                        }
                        continue;
                    }
                    is_over.store(true, Ordering::Relaxed);
                    // The first one, whichever thread was faster.
                    if !matches!(found, Some(known) if known.0 < Some(case)) {
                        *found = Some((Some(case), program, finding, attempt));
                    }
                }
            });
        }
        scope.spawn(|| watch(fuzz, &played, &is_over, &interrupted, limits));
    });
    let (found, warned) = outcome.into_inner().unwrap_or_else(|it| it.into_inner());
    let found = found.map(|(case, program, finding, attempt)| {
        let before = program.steps.len();
        let shrunk = shrink(program, attempt, &finding, play);
        let finding = shrunk.attempt.findings.iter().find(|it| it.is_like(&finding));
        let finding = finding.cloned().expect("it shows that");
        let again = |_: &u32| shows(&play(&shrunk.program), &finding);
        let shows = (0..3).filter(again).count() as u32;
        Found {
            case,
            finding: finding.clone(),
            attempt: shrunk.attempt.clone(),
            before,
            played: shrunk.played,
            shows: (shows, 3),
            program: shrunk.program.clone(),
        }
    });
    Outcome {
        played: played.into_inner(),
        found,
        warned,
        lost: None,
        interrupted: interrupted.into_inner(),
    }
}

fn shows(attempt: &Attempt, finding: &crate::fuzz::check::Finding) -> bool {
    attempt.findings.iter().any(|it| it.is_like(finding))
}

/// Tells how far it is, and ends it all on Ctrl-C.
fn watch(
    fuzz: &Fuzz,
    played: &AtomicU64,
    is_over: &AtomicBool,
    interrupted: &AtomicBool,
    limits: Limits,
) {
    let is_told = std::io::stderr().is_terminal() && !fuzz.quiet;
    let waiting = async {
        let mut told = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let played = played.load(Ordering::Relaxed);
            if is_over.load(Ordering::Relaxed) || limits.is_over(played) {
                return;
            }
            if is_told && told.elapsed() >= TELLING {
                eprint!("\r{played} programs");
                told = Instant::now();
            }
        }
    };
    if let Ok(None) = super::super::block_on(waiting) {
        interrupted.store(true, Ordering::Relaxed);
    }
    is_over.store(true, Ordering::Relaxed);
    if is_told {
        eprint!("\r\x1b[K");
    }
}
