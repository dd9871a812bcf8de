use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::fuzz::anomaly::Anomaly;
use crate::fuzz::draw::{Bounds, Offers, Waits, draw};
use crate::fuzz::history::{Party, Unit};

const BOUNDS: Bounds = Bounds {
    parties: 5,
    sessions: 3,
    operations: 1_000,
    offers: Offers { wildcard: true, keys: true, power: true, names: true, secure: true },
    timers: Waits { ack_timeout: 400, heartbeat_timeout: 1_500, message_ttl: 0 },
    hurried: false,
    bytes: 100_000,
};

/// A right step and one that goes wrong after it, by their places.
fn needs(program: &Program) -> Option<(Step, Step, Finding)> {
    let routed = program.steps.iter().enumerate().find_map(|(place, step)| match &step.act {
        Act::Route { unit, to, count: 1, .. } if !to.is_empty() && place > 300 => {
            Some((place, step, *unit, to[0]))
        }
        _ => None,
    });
    let (place, routed, unit, to) = routed?;
    let polls = program.steps[place..].iter().find(|it| match &it.act {
        Act::Poll { party, .. } => *party == to,
        _ => false,
    })?;
    let finding = Finding {
        anomaly: Anomaly::Lost,
        breaks: "SUB-3",
        at: 0,
        party: Some(Party(u32::from(to))),
        unit: Some(Unit(unit)),
        words: String::new(),
    };
    Some((routed.clone(), polls.clone(), finding))
}

#[test]
fn a_thousand_steps_become_two_in_sixty_tries() {
    let mut shrunk = 0;
    for seed in 0..40 {
        let program = draw(&mut ChaCha20Rng::seed_from_u64(seed), &BOUNDS);
        let Some((routed, polls, finding)) = needs(&program) else { continue };
        let same = |a: &Step, b: &Step| match (&a.act, &b.act) {
            (Act::Route { unit: a, .. }, Act::Route { unit: b, .. }) => a == b,
            (Act::Poll { .. }, Act::Poll { .. }) => true,
            _ => false,
        };
        let mut shrinking = Shrinking::new(program, &finding, 500);
        while let Some(next) = shrinking.next_program() {
            let routed = next.steps.iter().position(|it| same(it, &routed));
            let shows =
                routed.is_some_and(|place| next.steps[place..].iter().any(|it| same(it, &polls)));
            shrinking.tell(shows);
        }
        assert_eq!(shrinking.best().steps.len(), 2, "seed {seed}:\n{}", shrinking.best());
        assert!(shrinking.played() <= 60, "seed {seed}: {} tries", shrinking.played());
        shrunk += 1;
    }
    assert!(shrunk > 15, "{shrunk}");
}

#[test]
fn what_needs_any_five_of_its_steps_keeps_them() {
    for seed in 0..20 {
        let bounds = Bounds { operations: 200, ..BOUNDS };
        let program = draw(&mut ChaCha20Rng::seed_from_u64(seed), &bounds);
        let places: Vec<usize> = (0..5).map(|it| (it * 37 + seed as usize * 11) % 200).collect();
        let kinds: Vec<_> = places.iter().map(|it| program.steps[*it].act.clone()).collect();
        let finding = Finding {
            anomaly: Anomaly::Lost,
            breaks: "SUB-3",
            at: 0,
            party: None,
            unit: None,
            words: String::new(),
        };
        let kind = std::mem::discriminant::<Act>;
        let mut shrinking = Shrinking::new(program, &finding, 2_000);
        while let Some(next) = shrinking.next_program() {
            let mut left: Vec<_> = next.steps.iter().map(|it| kind(&it.act)).collect();
            let all = kinds.iter().all(|wanted| {
                let place = left.iter().position(|it| *it == kind(wanted));
                place.map(|place| left.swap_remove(place)).is_some()
            });
            shrinking.tell(all);
        }
        assert_eq!(shrinking.best().steps.len(), 5, "seed {seed}:\n{}", shrinking.best());
    }
}
