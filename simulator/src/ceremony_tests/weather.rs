//! On a good router, whatever the order of messages, and whatever goes wrong that may.

use proptest::prelude::*;

use super::*;
use crate::party::Habits;
use crate::protocol::Output;
use crate::pump::{Weather, World};
use crate::record::{Deed, Record};
use crate::report::Ended;
use crate::verdict::Item;

const STORM: Weather =
    Weather { lost_calls: 15, redelivered: 20, broken: 5, keyless: false, members_only: false };

#[test]
fn five_parties_make_a_key_and_sign() {
    let report = World::new(&plan(5, 3, 1), Weather::default()).run();
    assert_passed(&report);
    assert_eq!(report.signatures.len(), 2);
    let told: Vec<_> = report
        .parties
        .iter()
        .map(|p| format!("{} {} {} {}", p.id, p.role, p.receives, p.finished.len()))
        .collect();
    for (told, begins) in told.iter().zip([
        "x-p1 persistent streams",
        "x-p2 persistent streams",
        "x-p3 delegate streams",
        "x-p4 temporary streams",
        "x-p5 persistent polls",
    ]) {
        assert!(told.starts_with(begins), "{told}");
    }
    assert!(report.parties.iter().all(|party| party.finished.len() >= 2));
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains(report.group_public_key.as_ref().unwrap()));
}

#[test]
fn secrets_are_not_shown() {
    World::new(&plan(3, 2, 1), Weather::default()).run_for(|remains| {
        let evidence = remains.evidence();
        let shares: Vec<Vec<u8>> = evidence.minutes[0]
            .outcomes
            .values()
            .map(|outcome| match outcome {
                Some(Ok(Output::Key(share))) => share.secret.signing_share().serialize(),
                other => panic!("{other:?}"),
            })
            .collect();
        let shown = format!("{:?} {evidence:?} {:?}", remains.parties, remains.records);
        let report = serde_json::to_string(&remains.report()).unwrap();
        for share in shares {
            for told in [&shown, &report] {
                assert!(!told.contains(&crate::encoding::hex(&share)));
                assert!(!told.contains(format!("{share:?}").trim_matches(['[', ']'])));
            }
        }
    });
}

#[test]
fn the_same_seed_makes_the_same_ceremony() {
    let run = |seed| World::new(&plan(4, 2, seed), STORM).run();
    let (one, two, other) = (run(7), run(7), run(8));
    let json = |report: &Report| serde_json::to_string(report).unwrap();
    assert_eq!(json(&one), json(&two));
    assert_ne!(one.group_public_key, other.group_public_key);
}

#[test]
fn every_shipped_flow_runs() {
    for flow in Flow::shipped() {
        let report = World::new(&flow_plan(&flow.name, 4, 3, 1), Weather::default()).run();
        assert_passed(&report);
        let names: Vec<_> = report.verdict.iter().map(|item| item.name).collect();
        assert!(names.contains(&"transcripts") && !names.contains(&"signature"), "{names:?}");
        let members = usize::from(flow.member_count(4, 3));
        let finished = report.parties.iter().filter(|party| !party.finished.is_empty());
        assert_eq!(finished.count(), members, "{}", flow.name);
    }
}

#[test]
fn messages_to_several_and_from_some_run_too() {
    let text = r#"
name = "committees"
members = "all"
[[round]]
[[round.send]]
type = "old-to-new"
from = [1, 2]
to = [3, 4, 5]
size = 100
[[round.send]]
type = "old-to-all"
from = [1, 2]
to = "all"
size = "32 + n"
[[round]]
[[round.send]]
type = "both"
to = [1, 5]
size = 40
[[round.send]]
type = "new-to-first"
from = [3]
to = [1]
size = 64
"#;
    let flow = Flow::parse("committees.toml", text).unwrap();
    let plan = Plan { protocol: Protocol::Flow(flow), ..plan(5, 3, 3) };
    assert_passed(&World::new(&plan, STORM).run());
}

/// Visitors are sent for past the router, and can be there before it knows of their session.
#[test]
fn visitors_among_themselves_begin_when_the_router_knows_their_session() {
    let mut world = World::new(&flow_plan("gg18-sign", 5, 3, 1), Weather::default());
    world.loses_announcements = 1;
    let report = world.run();
    assert_passed(&report);
    let finished = report.parties.iter().filter(|party| !party.finished.is_empty());
    let finished: Vec<_> = finished.map(|party| party.id.as_str()).collect();
    assert_eq!(finished, ["x-p3", "x-p4", "x-p5"], "a delegate, a temporary party, a poller");
}

/// SES-7: until the router knows of the session, it lets none of its members in.
#[test]
fn visitors_that_the_router_does_not_let_in_yet_ask_again() {
    let weather = Weather { members_only: true, ..Weather::default() };
    let mut world = World::new(&flow_plan("gg18-sign", 5, 3, 1), weather);
    world.loses_announcements = 5;
    let report = world.run_for(|remains| {
        let did = |party: u16, deed: fn(&Deed) -> bool| {
            let mine = remains.records.iter().filter(|record| record.party == party);
            mine.filter(|record| deed(&record.deed)).count()
        };
        for party in [3, 4] {
            assert!(did(party, |deed| matches!(deed, Deed::SubscriptionRefused(_))) > 0);
        }
        // Who polls and is refused registers again, and not only at first and when it comes.
        assert!(did(5, |deed| *deed == Deed::Registered) > 2);
        remains.report()
    });
    assert_passed(&report);
    for party in &report.parties {
        assert_eq!((party.reconnects, party.refused), (0, 0), "{}", party.id);
    }
}

#[test]
fn when_a_party_vanishes_the_others_know_that_it_failed() {
    let habits = |number| Habits { vanish_after: (number == 4).then_some(2), ..Habits::default() };
    let report = World::with_habits(&plan(5, 3, 1), Weather::default(), habits).run();
    assert_eq!(report.ended, Ended::Failed);
    let Item { detail, .. } = &report.verdict[0];
    assert!(
        detail.contains("while x-p4 had not finished")
            || report.reason.as_ref().unwrap().contains("x-p4"),
        "{detail}"
    );
    assert!(!detail.contains("the router"), "nothing is the router's fault: {detail}");
    // Each of the others says what it waited for; only the vanished party does not know.
    assert_eq!(report.parties.iter().filter(|party| !party.finished.is_empty()).count(), 0);
    for name in ["lost", "duplicated", "phantom", "misrouted", "mislabelled", "altered"] {
        assert!(!failing(&report).contains(name), "{name}");
    }
}

#[test]
fn an_interrupted_ceremony_ends_with_everybody_told() {
    let mut world = World::new(&plan(5, 3, 1), Weather::default());
    world.interrupt_at = Some(1_000_250);
    let report = world.run_for(|remains| {
        let evidence = remains.evidence();
        let keygen = &evidence.minutes[0];
        let told = keygen.outcomes.values().all(|outcome| matches!(outcome, Some(Err(_))));
        assert!(told, "{:?}", keygen.outcomes);
        remains.report()
    });
    assert_eq!(report.ended, Ended::Interrupted);
    assert!(!report.passed());
}

#[test]
fn an_interrupt_while_parties_part_lets_no_other_session_begin() {
    let is = |record: &Record, what: Deed| record.deed == what;
    let closed = World::new(&plan(5, 3, 1), Weather::default()).run_for(|remains| {
        let closed = |record: &&Record| is(record, Deed::Closed("x-keygen".into()));
        remains.records.iter().find(closed).unwrap().at
    });
    let mut world = World::new(&plan(5, 3, 1), Weather::default());
    world.interrupt_at = Some(closed - 1);
    let report = world.run_for(|remains| {
        let joined = |record: &Record| is(record, Deed::Joined("x-sign-1".into()));
        assert!(!remains.records.iter().any(joined));
        remains.report()
    });
    assert_eq!(report.ended, Ended::Interrupted);
}

/// Whoever has to try again is still waited for when a ceremony is over before its time.
#[test]
fn acknowledgements_are_taken_though_a_ceremony_was_stopped() {
    for seed in 0..3 {
        let mut world = World::new(&plan(5, 3, seed), Weather { lost_calls: 45, ..STORM });
        world.interrupt_at = Some(1_001_500);
        let report = world.run();
        assert_eq!(report.ended, Ended::Interrupted);
        assert!(!failing(&report).contains("acknowledged"), "{:#?}", report.verdict);
    }
}

#[test]
fn a_router_that_dies_is_noticed_before_the_deadline() {
    for dies_at in [0, 1_000_150] {
        let mut world = World::new(&plan(3, 2, 1), Weather::default());
        world.dies_at = Some(dies_at);
        let report = world.run();
        assert_eq!(report.ended, Ended::Unreachable);
        assert_eq!(report.reason.as_deref(), Some("connection refused"));
        assert!(report.phases[0].milliseconds < 15_000, "{:?}", report.phases);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_number_of_parties_finish_in_any_order_and_any_weather(
        seed: u64,
        parties in 2_u16..=8,
        threshold in 2_u16..=8,
        lost_calls in 0_u64..30,
        redelivered in 0_u64..40,
        broken in 0_u64..10,
        keyless: bool,
        members_only: bool,
    ) {
        let weather = Weather { lost_calls, redelivered, broken, keyless, members_only };
        let report = World::new(&plan(parties, threshold.min(parties), seed), weather).run();
        assert_passed(&report);
    }

    #[test]
    fn flows_finish_in_any_order_and_any_weather(seed: u64, parties in 2_u16..=6) {
        let report = World::new(&flow_plan("gg18-sign", parties, parties.max(3) - 1, seed), STORM).run();
        assert_passed(&report);
    }
}
