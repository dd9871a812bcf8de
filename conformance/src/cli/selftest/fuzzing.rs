//! `mpc-conformance selftest --fuzz`: each fault is looked for by random programs, which are not told
//! what to look for.

use std::time::{Duration, Instant};

use anstream::println;
use owo_colors::OwoColorize as _;

use crate::fuzz::anomaly::Anomaly;
use crate::fuzz::attempt::Terms;
use crate::fuzz::program::Program;
use crate::fuzz::rehearsal::{SLACK, rehearse};
use crate::fuzz::search::{program_of, shrink, worst};
use crate::fuzz::specimens::Specimens;
use crate::specimen::{Fault, Twist};

/// What came of looking for a fault.
pub(super) struct Hunt {
    fault: Fault,
    /// How many programs were played until one showed something, or in vain.
    cases: u64,
    took: Duration,
    found: Option<Hit>,
}

struct Hit {
    anomaly: Anomaly,
    /// How many operations show it.
    operations: usize,
    /// How many programs were played to make it so small.
    played: usize,
    program: Program,
}

/// Looks for a fault for so long.
pub(super) fn hunt(fault: Fault, seed: u64, limit: Duration) -> Hunt {
    let open = Specimens::new(Twist::from(fault));
    let secure = Specimens::new(Twist::from(fault)).asking_who_calls();
    let grounds = [open, secure].map(|specimens| {
        let terms = Terms::new(&specimens.timers, &specimens.claims(), SLACK, true);
        (specimens, terms)
    });
    let began = Instant::now();
    let mut cases = 0;
    while began.elapsed() < limit {
        // Certificates hide what is wrong with those that name others, and show other things.
        let (specimens, terms) = &grounds[(cases % 2) as usize];
        let play = |program: &Program| rehearse(specimens, terms, &specimens.timers, program);
        let program = program_of(terms, seed, cases);
        cases += 1;
        let attempt = play(&program);
        let Some(finding) = worst(&attempt.findings).cloned() else { continue };
        let (anomaly, took) = (finding.anomaly, began.elapsed());
        let shrunk = shrink(program, attempt, &finding, play);
        let operations = shrunk.program.steps.len();
        let played = shrunk.played;
        let found = Some(Hit { anomaly, operations, played, program: shrunk.program });
        return Hunt { fault, cases, took, found };
    }
    Hunt { fault, cases, took: began.elapsed(), found: None }
}

/// Prints what came of all hunts, and what they come to.
pub(super) fn print(hunts: &mut [Hunt], verbose: bool) {
    hunts.sort_by_key(|it| Fault::ALL.iter().position(|fault| *fault == it.fault));
    println!("breaks   fault                                          cases  seconds  operations");
    for hunt in &*hunts {
        let (kills, name) = (hunt.fault.kills(), hunt.fault.name());
        let start =
            format!("{kills:<8} {name:<44} {:>7} {:>8.2}", hunt.cases, hunt.took.as_secs_f64());
        match &hunt.found {
            Some(hit) => {
                println!("{start} {:>11}  {} ({} played)", hit.operations, hit.anomaly, hit.played);
                if verbose {
                    println!("{}", hit.program);
                }
            }
            None => println!("{start} {:>11}", "not found".red()),
        }
    }
    let hits: Vec<_> = hunts.iter().filter(|it| it.found.is_some()).collect();
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let operations = hits.iter().filter_map(|it| Some(it.found.as_ref()?.operations as f64));
    println!(
        "{} of {} faults found ({:.0} %); median: {} cases, {:.2} s, {} operations",
        hits.len(),
        hunts.len(),
        100.0 * hits.len() as f64 / hunts.len().max(1) as f64,
        median(hits.iter().map(|it| it.cases as f64).collect()),
        median(hits.iter().map(|it| it.took.as_secs_f64()).collect()),
        median(operations.collect()),
    );
}
