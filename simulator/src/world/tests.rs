//! Worlds go the same way twice, survive whatever may go wrong, and show what must not be.

mod planted;
mod stories;

use super::*;

/// A world of three parties and a small flow, so that many are played in a moment.
fn small() -> Scenario {
    Scenario { parties: 3, threshold: 3, flow: "gg18-sign".into(), ..Scenario::default() }
}

fn told(scenario: &Scenario) -> (Outcome, Vec<String>) {
    let (outcome, lines) = told_when(scenario);
    (outcome, lines.into_iter().map(|(_, line)| line).collect())
}

fn told_when(scenario: &Scenario) -> (Outcome, Vec<(u64, String)>) {
    let mut lines = Vec::new();
    let mut listener = |at: u64, line: &str| lines.push((at, line.to_owned()));
    let audience = Audience { listener: Some(&mut listener), stop: None };
    let outcome = play_before(scenario, audience).unwrap();
    (outcome, lines)
}

fn assert_well(outcome: &Outcome) {
    let text = outcome.scenario.text();
    assert!(outcome.passed(), "{:#?}\n{text}", outcome.troubles);
}

#[test]
fn a_seed_goes_the_same_way_twice_and_unlike_others() {
    let given = Drawing { flow: Some("gg18-sign".into()), ..Drawing::default() };
    let mut traces = std::collections::BTreeSet::new();
    for seed in 1..=100 {
        let scenario = draw(seed, &given);
        let [once, twice] = [play(&scenario).unwrap(), play(&scenario).unwrap()];
        assert_eq!(once.trace, twice.trace, "seed {seed}");
        assert_eq!(once.events, twice.events, "seed {seed}");
        assert_well(&once);
        traces.insert(once.trace);
    }
    assert_eq!(traces.len(), 100);
}

#[test]
fn real_ceremonies_go_the_same_way_twice_too() {
    for seed in 1..=3 {
        let given = Drawing { flow: Some("frost".into()), parties: Some(3), ..Drawing::default() };
        let scenario = draw(seed, &given);
        let (once, lines) = told(&scenario);
        let (twice, again) = told(&scenario);
        assert_well(&once);
        assert_eq!((lines, once.trace), (again, twice.trace), "seed {seed}");
    }
}

#[test]
fn a_scenario_that_is_printed_reads_as_itself() {
    for seed in 0..200 {
        let scenario = draw(seed, &Drawing { idle_parties: 7, hours: 2, ..Drawing::default() });
        assert_eq!(Scenario::parse("drawn", &scenario.text()), Ok(scenario));
    }
}

#[test]
fn every_kind_of_fault_is_drawn() {
    let drawn = (0..300).flat_map(|seed| draw(seed, &Drawing::default()).faults);
    let drawn: std::collections::BTreeSet<&str> = drawn.map(|fault| fault.kind()).collect();
    let every: std::collections::BTreeSet<&str> = every_fault().iter().map(Fault::kind).collect();
    assert_eq!(drawn, every);
}

/// Each kind once, in the middle of a ceremony.
fn every_fault() -> Vec<Fault> {
    let (at_ms, for_ms, party) = (300, 3_000, 2);
    vec![
        Fault::LoseConnection { parties: vec![0, 2], at_ms },
        Fault::Partition { parties: vec![party], at_ms, for_ms },
        Fault::LoseCalls { at_ms: 0, for_ms, percent: 40 },
        Fault::SlowNetwork { at_ms: 0, for_ms, latency_ms: 11_000 },
        Fault::SlowReader { party, at_ms: 0, for_ms, every_ms: 500 },
        Fault::CrashRouter { at_ms, down_ms: 2_000, torn: true, clock_ms: -3_600_000 },
        Fault::StopRouter { at_ms, down_ms: 2_000, clock_ms: 5_000 },
        Fault::ClockJump { at_ms, by_ms: 7_000 },
        Fault::SlowDisk { at_ms: 0, for_ms, commit_ms: 900 },
        Fault::FailDisk { at_ms, for_ms: 2_000 },
        Fault::Skew { party, by_ms: -86_400_000 },
        Fault::CrashParty { party, at_ms, down_ms: 4_000 },
        Fault::Away { party: 3, at_ms: 0, for_ms: 5_000 },
        Fault::LoseParty { party, at_ms },
    ]
}

#[test]
fn each_fault_shows_in_the_trace_and_the_world_survives_it() {
    let (calm, as_usual) = told_when(&small());
    assert_well(&calm);
    for fault in every_fault() {
        let scenario = Scenario { faults: vec![fault.clone()], ..small() };
        let (outcome, mut lines) = told_when(&scenario);
        assert_well(&outcome);
        let begins = format!("fault: {}", fault.kind());
        let told = lines.len();
        lines.retain(|(_, line)| !line.starts_with(&begins));
        assert_eq!(told - lines.len(), 1, "{fault:?}");
        assert_eq!(outcome.faults.get(fault.kind()), Some(&1));
        // Nobody minds whose clock is wrong, as long as nothing is due by it.
        if !matches!(fault.kind(), "skew" | "clock-jump") {
            assert_ne!(lines, as_usual, "{fault:?} changes nothing");
        }
    }
}

#[test]
fn everybody_comes_back_at_once() {
    let storms = (0..8).map(|number| 300 + 400 * number);
    let storms = storms.map(|at_ms| Fault::LoseConnection { parties: Vec::new(), at_ms });
    let scenario = Scenario { parties: 8, faults: storms.collect(), ..small() };
    assert_well(&play(&scenario).unwrap());
}

#[test]
fn idle_parties_send_their_heartbeats_through_a_crash() {
    let scenario = Scenario {
        parties: 0,
        idle_parties: 50,
        hours: 1,
        faults: vec![Fault::CrashRouter {
            at_ms: 60_000,
            down_ms: 15_000,
            torn: true,
            clock_ms: 0,
        }],
        ..Scenario::default()
    };
    let (once, twice) = (play(&scenario).unwrap(), play(&scenario).unwrap());
    assert_well(&once);
    assert_eq!(once.trace, twice.trace);
    // Every ten seconds, but for the first time, when they register, and the crash.
    assert!((50 * 356..50 * 360).contains(&once.heartbeats), "{}", once.heartbeats);
    assert!(once.lasted_ms >= 3_600_000);
}

#[test]
fn a_world_that_is_stopped_says_so() {
    let stop = std::sync::atomic::AtomicBool::new(true);
    let scenario = Scenario { parties: 0, idle_parties: 50, hours: 1, ..Scenario::default() };
    let audience = Audience { listener: None, stop: Some(&stop) };
    let outcome = play_before(&scenario, audience).unwrap();
    assert!(outcome.stopped && outcome.lasted_ms < 3_600_000);
    assert_eq!(outcome.troubles, []);
}
