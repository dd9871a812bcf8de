use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::attempt::{Attempt, Terms};
use super::draw::draw;
use super::program::Program;
use super::rehearsal::{SLACK, rehearse};
use super::specimens::Specimens;
use crate::specimen::Twist;

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

#[test]
fn a_right_specimen_has_no_anomaly() {
    let specimens = Specimens::new(Twist::default());
    let terms = terms_of(&specimens);
    let from = std::env::var("FROM").map_or(0, |it| it.parse().unwrap());
    let mut wrong = std::collections::BTreeMap::new();
    for seed in from..from + 300 {
        let program = drawn(&terms, seed);
        let attempt = rehearse(&specimens, &terms, &specimens.timers, &program);
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
#[ignore = "a survey"]
fn survey_of_faults() {
    use crate::fuzz::search::{program_of, shrink, worst};
    use crate::selftest::{faults_with_a_check, on_all_cores};
    let cases: u64 = std::env::var("CASES").map_or(60, |it| it.parse().unwrap());
    let only = std::env::var("ONLY").unwrap_or_default();
    let faults: Vec<_> =
        faults_with_a_check().filter(|it| it.kills().starts_with(only.as_str())).collect();
    let began = std::time::Instant::now();
    let rows = on_all_cores(
        &faults,
        |fault| {
            let specimens = Specimens::new(*fault);
            let terms = terms_of(&specimens);
            let mut play =
                |program: &Program| rehearse(&specimens, &terms, &specimens.timers, program);
            for case in 0..cases {
                let program = program_of(&terms, 1, case);
                let attempt = play(&program);
                let Some(finding) = worst(&attempt.findings) else { continue };
                let anomaly = finding.anomaly;
                let shrunk = shrink(program, attempt, anomaly, &mut play);
                let row = (case, anomaly, shrunk.program.steps.len(), shrunk.played);
                return (fault.name(), fault.kills(), Some(row), shrunk.program.to_string());
            }
            (fault.name(), fault.kills(), None, String::new())
        },
        |_| {},
    );
    let found = rows.iter().filter(|it| it.2.is_some()).count();
    let mut rows = rows;
    rows.sort_by_key(|it| (it.1.to_owned(), it.0.to_owned()));
    for (name, kills, row, program) in &rows {
        match row {
            Some((case, anomaly, steps, played)) => {
                println!(
                    "ROW {kills} {name} found case {case} {anomaly} {steps} steps {played} plays"
                );
                if std::env::var("SHOW").is_ok() {
                    println!("{program}");
                }
            }
            None => println!("ROW {kills} {name} MISSED"),
        }
    }
    println!("{found} of {} in {:?}", rows.len(), began.elapsed());
}
