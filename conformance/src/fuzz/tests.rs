use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::attempt::{Attempt, Terms};
use super::draw::draw;
use super::program::Program;
use super::rehearsal::{Rehearsed, SLACK, rehearse};
use super::specimens::Specimens;
use crate::profile::{Profile, Timers};
use crate::specimen::Twist;
use crate::target::InMemory;

fn drawn(terms: &Terms, seed: u64) -> Program {
    draw(&mut ChaCha20Rng::seed_from_u64(seed), &terms.bounds)
}

fn terms_of(specimens: &Specimens) -> Terms {
    Terms::new(&specimens.timers, &specimens.claims(), SLACK, true)
}

fn told(program: &Program, attempt: &Attempt) -> String {
    let findings: Vec<_> = attempt
        .findings
        .iter()
        .map(|it| format!("{} at {} {:?} {:?}: {}", it.anomaly, it.at, it.party, it.unit, it.words))
        .collect();
    format!("{program}\n{}", findings.join("\n"))
}

/// Plays programs on a right router.
fn is_right(router: &impl Rehearsed, terms: &Terms, timers: &Timers) {
    let from = std::env::var("FROM").map_or(0, |it| it.parse().unwrap());
    let mut wrong = std::collections::BTreeMap::new();
    for seed in from..from + 150 {
        let program = drawn(terms, seed);
        let attempt = rehearse(router, terms, timers, &program);
        for finding in &attempt.findings {
            let known: &mut Vec<u64> = wrong.entry(finding.anomaly).or_default();
            if known.is_empty() {
                println!("seed {seed}\n{}", told(&program, &attempt));
            }
            if known.last() != Some(&seed) {
                known.push(seed);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_right_specimen_has_no_anomaly() {
    let specimens = Specimens::new(Twist::default());
    is_right(&specimens, &terms_of(&specimens), &specimens.timers);
}

#[test]
fn the_reference_router_has_no_anomaly() {
    let Profile { timers, target, .. } = Profile::built_in();
    let terms = Terms::new(&timers, &target.capabilities, SLACK, false);
    is_right(&InMemory::new(timers), &terms, &timers);
}
