//! Small rounds against every contender, and against servers with a fault that must be found.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod faulty;

use mpc_router_benches::{
    Bare, Ceiling, Contender, Drivers, Fault, Load, RoundError, Running, Traffic,
};

use self::faulty::{Faulty, Plant, Unacknowledging};

/// More messages than a segment of the arena holds.
const LOAD: Load =
    Load { subscribers: 3, payload_bytes: 256, messages: 300, traffic: Traffic::FanOut };

/// Whether this kernel tells how long a thread has run.
fn counts_time() -> bool {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().is_some_and(|time| time.parse().is_ok_and(|time: u64| time > 0))
}

#[test]
fn every_contender_delivers() {
    let drivers = Drivers::new().unwrap();
    for contender in Contender::ALL {
        for traffic in Traffic::ALL {
            let round = drivers.round(contender, Load { traffic, ..LOAD });
            let round = round.unwrap_or_else(|error| panic!("{contender:?}, {traffic:?}: {error}"));
            assert_eq!(round.deliveries, 900);
            assert!(round.rate() > 0.0);
            if counts_time() {
                assert!(round.cpu_rate().is_some_and(|rate| rate > 0.0), "{contender:?}");
            }
        }
    }
}

#[test]
fn one_subscriber_and_one_message_is_a_round() {
    let drivers = Drivers::new().unwrap();
    for contender in Contender::ALL {
        let load = Load { subscribers: 1, messages: 1, payload_bytes: 16, ..LOAD };
        assert_eq!(drivers.round(contender, load).unwrap().deliveries, 1);
    }
}

fn outcome(plant: Plant) -> Result<(), RoundError> {
    let faulty = Faulty::new(Ceiling::default(), plant);
    let server = Running::tuned(Bare::new(faulty)).unwrap();
    Drivers::new().unwrap().round_on(&server, LOAD).map(drop)
}

#[test]
fn a_server_without_a_fault_passes() {
    outcome(Plant::Nothing).unwrap();
}

#[test]
fn a_lost_message_is_found() {
    let found = outcome(Plant::Lose(150)).unwrap_err();
    assert!(matches!(found, RoundError::Fault(Fault::Early { expected: 150, .. })), "{found}");
}

#[test]
fn a_message_lost_at_the_end_is_found() {
    let found = outcome(Plant::Lose(298)).unwrap_err();
    assert!(
        matches!(found, RoundError::Fault(Fault::Missing { received: 298, of: 299 })),
        "{found}"
    );
}

#[test]
fn a_doubled_message_is_found() {
    let found = outcome(Plant::Double(150)).unwrap_err();
    assert!(
        matches!(found, RoundError::Fault(Fault::Late { expected: 182, arrived: 150 })),
        "{found}"
    );
}

/// Whether the next one is of the same lane is up to the server, so either is right.
#[test]
fn a_swapped_message_is_found() {
    let found = outcome(Plant::Swap(150)).unwrap_err();
    let early = matches!(found, RoundError::Fault(Fault::Early { expected: 150, .. }));
    let disagreement = matches!(found, RoundError::Fault(Fault::Disagreement));
    assert!(early || disagreement, "{found}");
}

#[test]
fn an_altered_payload_is_found() {
    let found = outcome(Plant::Garble(150)).unwrap_err();
    assert!(matches!(found, RoundError::Fault(Fault::Garbled)), "{found}");
}

#[test]
fn a_stream_that_ends_is_found() {
    let found = outcome(Plant::End(150)).unwrap_err();
    assert!(matches!(found, RoundError::Ended), "{found}");
}

#[test]
fn acknowledgements_that_come_to_nothing_are_found() {
    let load = Load { traffic: Traffic::Acknowledged, ..LOAD };
    let drivers = Drivers::new().unwrap();
    let refusing = Running::tuned(Unacknowledging::refusing()).unwrap();
    let found = drivers.round_on(&refusing, load).unwrap_err();
    assert!(matches!(found, RoundError::NotAcknowledged), "{found}");
    let forgetting = Running::tuned(Unacknowledging::forgetting()).unwrap();
    let found = drivers.round_on(&forgetting, load).unwrap_err();
    assert!(matches!(found, RoundError::Outstanding(1)), "{found}");
}
