use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::anomaly::Anomaly;
use super::attempt::{Attempt, Terms};
use super::corpus::{self, Saved};
use super::draw::{Bounds, draw};
use super::history::{Answer, Asked, Got, History};
use super::program::Program;
use super::rehearsal::{Rehearsed, SLACK, rehearse};
use super::search::{program_of, shrink, worst};
use super::specimens::Specimens;
use super::tell;
use crate::profile::{Profile, Timers};
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

/// Whatever is legal is no anomaly; what breaks a SHOULD only may be told.
#[test]
fn a_legal_variant_has_no_anomaly() {
    let programs: u64 = std::env::var("PROGRAMS").map_or(12, |it| it.parse().unwrap());
    let alarms = |variant: &Variant| {
        let specimens = Specimens::new(*variant);
        let terms = terms_of(&specimens);
        (0..programs).find_map(|case| {
            let program = program_of(&terms, 2, case);
            let play = |program: &Program| rehearse(&specimens, &terms, &specimens.timers, program);
            let attempt = play(&program);
            let finding = worst(&attempt.findings).filter(|it| !it.anomaly.is_warning())?.clone();
            let shrunk = shrink(program, attempt, finding.anomaly, play);
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
    is_right(&InMemory::new(timers), &terms, &timers);
}

/// The same with times since the first one that a router told: it has the system's.
fn since_the_first(mut history: History) -> History {
    let mut times = Vec::new();
    each_time(&mut history, |it| times.push(*it));
    let first = times.into_iter().filter(|it| *it > 0).min().unwrap_or_default();
    each_time(&mut history, |it| *it -= if *it > 0 { first } else { 0 });
    history
}

fn each_time(history: &mut History, mut tell: impl FnMut(&mut i64)) {
    history.items.iter_mut().for_each(|it| tell(&mut it.seen.created_at));
    for call in &mut history.calls {
        if let Asked::Poll(_, _, after) = &mut call.asked {
            tell(after);
        }
        match &mut call.got {
            Got::Done(Answer::Heartbeat { server_ms, .. }) => tell(server_ms),
            Got::Done(Answer::Polled(all)) => {
                all.iter_mut().for_each(|it| tell(&mut it.created_at))
            }
            Got::Done(Answer::Status { deliveries, .. }) => {
                deliveries.iter_mut().for_each(|it| tell(&mut it.delivered_at));
            }
            Got::Done(Answer::Listed(all)) => {
                all.iter_mut().for_each(|it| tell(&mut it.last_seen_at))
            }
            _ => {}
        }
    }
}

/// So many programs, each played twice against new routers.
fn is_the_same_every_time(router: &impl Rehearsed, terms: Terms, timers: &Timers, programs: u64) {
    let terms = Terms { bounds: Bounds { operations: 8, ..terms.bounds }, ..terms };
    let seeds: Vec<u64> = (0..programs).collect();
    let differ = |seed: &u64| {
        let program = drawn(&terms, *seed);
        let play = || since_the_first(rehearse(router, &terms, timers, &program).history);
        (play() != play()).then_some(*seed)
    };
    let differing = on_all_cores(&seeds, differ, |_| {});
    assert_eq!(differing.into_iter().flatten().collect::<Vec<_>>(), [0; 0]);
}

#[test]
fn the_same_program_goes_the_same_way_on_a_specimen() {
    let specimens = Specimens::new(Twist::default());
    is_the_same_every_time(&specimens, terms_of(&specimens), &specimens.timers, 200);
}

#[test]
fn the_same_program_goes_the_same_way_on_the_reference_router() {
    let Profile { timers, target, .. } = Profile::built_in();
    let terms = Terms::new(&timers, &target.capabilities, SLACK, false);
    is_the_same_every_time(&InMemory::new(timers), terms, &timers, 1_000);
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
            let anomaly = worst(&attempt.findings)?.anomaly;
            Some((program, attempt, anomaly))
        });
        let (program, attempt, found) = found.expect("it is found");
        assert_eq!(found.name(), anomaly, "{fault}: {}", told(&program, &attempt));
        let shrunk = shrink(program, attempt, found, play);
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
