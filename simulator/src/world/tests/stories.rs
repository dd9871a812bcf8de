//! A day away.

use super::{assert_well, told};
use crate::ceremony::Ended;
use crate::world::fault::Fault;
use crate::world::scenario::Scenario;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// The fifth party polls, and reads its mail so long after the beginning. Another one comes late, so
/// that it is offline by the time the first message is sent.
fn away_for(for_ms: u64) -> Scenario {
    Scenario {
        deadline_ms: DAY_MS,
        faults: vec![
            Fault::Away { party: 5, at_ms: 0, for_ms },
            Fault::CrashParty { party: 1, at_ms: 0, down_ms: MINUTE_MS },
        ],
        ..Scenario::default()
    }
}

#[test]
fn who_comes_within_a_day_gets_everything() {
    let (outcome, lines) = told(&away_for(DAY_MS - MINUTE_MS));
    assert_well(&outcome);
    assert_eq!(outcome.excuse, None);
    let report = outcome.ceremony.unwrap();
    assert!(report.passed(), "{:#?}", report.verdict);
    assert!(lines.iter().any(|line| line == "w-p5 is notified of w-keygen"), "OFF-2");
    assert!((DAY_MS - MINUTE_MS..DAY_MS).contains(&outcome.lasted_ms), "{}", outcome.lasted_ms);
}

#[test]
fn who_comes_after_a_day_finds_that_it_is_over() {
    let (outcome, lines) = told(&away_for(DAY_MS + 3 * MINUTE_MS));
    assert_well(&outcome);
    let report = outcome.ceremony.unwrap();
    assert_eq!(report.ended, Ended::Failed);
    assert!(lines.iter().any(|line| line.ends_with("for w-p5 is given up")), "EXP-1");
    let late = report.parties.iter().find(|party| party.id == "w-p5").unwrap();
    assert_eq!((late.received, late.finished.len()), (0, 0));
    let failed = |id: &str| {
        let begins = format!("{id} failed in w-keygen");
        lines.iter().any(|line| line.starts_with(&begins))
    };
    for party in &report.parties {
        assert!(failed(&party.id), "{} does not know", party.id);
    }
}
