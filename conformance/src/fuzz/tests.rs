use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::anomaly::Anomaly;
use super::attempt::{Attempt, Terms};
use super::corpus::{self, Saved};
use super::draw::draw;
use super::program::Program;
use super::rehearsal::{SLACK, rehearse, step};
use super::search::{program_of, shrink, worst};
use super::specimens::Specimens;
use super::tell;
use crate::profile::Profile;
use crate::selftest::on_all_cores;
use crate::specimen::{Fault, Twist, Variant};
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
fn is_right(terms: &Terms, programs: u64, play: impl Fn(&Program) -> Attempt) {
    let from = std::env::var("FROM").map_or(0, |it| it.parse().unwrap());
    let mut wrong = std::collections::BTreeMap::new();
    for seed in from..from + programs {
        let program = drawn(terms, seed);
        let attempt = play(&program);
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
    let terms = terms_of(&specimens);
    is_right(&terms, 150, |program| rehearse(&specimens, &terms, &specimens.timers, program));
}

/// Whatever is legal is no anomaly; what breaks a SHOULD only may be told.
#[test]
fn a_legal_variant_has_no_anomaly() {
    let programs: u64 = std::env::var("PROGRAMS").map_or(6, |it| it.parse().unwrap());
    let alarms = |variant: &Variant| {
        let specimens = Specimens::new(*variant);
        let terms = terms_of(&specimens);
        (0..programs).find_map(|case| {
            let program = program_of(&terms, 2, case);
            let play = |program: &Program| rehearse(&specimens, &terms, &specimens.timers, program);
            let attempt = play(&program);
            let finding = worst(&attempt.findings).filter(|it| !it.is_warning())?.clone();
            let shrunk = shrink(program, attempt, &finding, play);
            let finding = worst(&shrunk.attempt.findings)?;
            let (program, story) = (&shrunk.program, tell::story(&shrunk.attempt, finding));
            let (headline, place) = (tell::headline(finding), tell::place(finding));
            Some(format!("{variant}, case {case}: {headline}\n{place}\n{program}\n{story}"))
        })
    };
    let alarms = on_all_cores(Variant::ALL, alarms, |_| {});
    let alarms: Vec<_> = alarms.into_iter().flatten().collect();
    assert!(alarms.is_empty(), "{} variants:\n{}", alarms.len(), alarms.join("\n\n"));
}

#[test]
fn the_reference_router_has_no_anomaly() {
    let Profile { timers, target, .. } = Profile::built_in();
    let terms = Terms::new(&timers, &target.capabilities, SLACK, false);
    let router = InMemory::new(timers);
    is_right(&terms, 50, |program| rehearse(&router, &terms, &timers, program));
    is_right(&terms, 200, |program| step(&router, &terms, &timers, program));
}

/// So many programs, each played twice against new routers.
fn is_the_same_every_time(terms: Terms, programs: u64, play: impl Fn(&Program) -> Attempt + Sync) {
    let seeds: Vec<u64> = (0..programs).collect();
    let differ = |seed: &u64| {
        let program = drawn(&terms, *seed);
        let [one, other] = [(); 2].map(|()| play(&program));
        (one.history != other.history).then_some(*seed)
    };
    let differing = on_all_cores(&seeds, differ, |_| {});
    assert_eq!(differing.into_iter().flatten().collect::<Vec<_>>(), [0; 0]);
}

#[test]
fn the_same_program_goes_the_same_way_on_a_specimen() {
    let specimens = Specimens::new(Twist::default());
    let mut terms = terms_of(&specimens);
    terms.bounds.operations = 8;
    is_the_same_every_time(terms, 200, |program| {
        rehearse(&specimens, &terms, &specimens.timers, program)
    });
}

#[test]
fn the_same_program_goes_the_same_way_on_the_reference_router() {
    let Profile { timers, target, .. } = Profile::built_in();
    let terms = Terms::new(&timers, &target.capabilities, SLACK, false);
    let router = InMemory::new(timers);
    is_the_same_every_time(terms, 1_000, |program| step(&router, &terms, &timers, program));
}

#[test]
fn a_fault_is_found_and_made_small() {
    for (fault, anomaly, operations) in [
        (Fault::AcknowledgedReplayed, "resurrected", 8),
        (Fault::PollIgnoresStreamAcks, "resurrected", 8),
    ] {
        let specimens = Specimens::new(fault);
        let terms = terms_of(&specimens);
        let play = |program: &Program| rehearse(&specimens, &terms, &specimens.timers, program);
        let found = (0..200).find_map(|case| {
            let program = program_of(&terms, 1, case);
            let attempt = play(&program);
            let finding = worst(&attempt.findings)?.clone();
            Some((program, attempt, finding))
        });
        let (program, attempt, found) = found.expect("it is found");
        assert_eq!(found.anomaly.name(), anomaly, "{fault}: {}", told(&program, &attempt));
        let shrunk = shrink(program, attempt, &found, play);
        assert!(shrunk.program.steps.len() <= operations, "{fault}: {}", shrunk.program);
        // Its story tells of it.
        let finding = worst(&shrunk.attempt.findings).expect("it still shows");
        assert!(tell::story(&shrunk.attempt, finding).contains("AcknowledgeMessage m"));
    }
}

#[test]
fn what_is_saved_is_what_is_read() {
    let folder = tempfile::TempDir::new().expect("there is room");
    let program = drawn(&terms_of(&Specimens::new(Twist::default())), 5);
    let saved = Saved::new(Anomaly::Lost, "a router".into(), (1, 2), program);
    let file = saved.write(folder.path()).expect("it can be written");
    assert_eq!(Saved::read(&file).expect("it can be read"), saved);
    assert_eq!(corpus::files(folder.path()).expect("a folder"), [file]);
    assert_eq!(corpus::files(&folder.path().join("none")).expect("none yet").len(), 0);
}
