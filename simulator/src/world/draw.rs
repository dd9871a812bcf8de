//! Scenarios from seeds.

use super::dice::Dice;
use super::fault::Fault;
use super::scenario::Scenario;
use crate::action::Millis;

/// What is given of a scenario whose rest a seed gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawing {
    /// How many parties, if that is given.
    pub parties: Option<u16>,
    /// How many of them sign, if that is given.
    pub threshold: Option<u16>,
    /// What they run, if that is given.
    pub flow: Option<String>,
    /// How many idle parties there are besides.
    pub idle_parties: u32,
    /// How long these stay, in hours.
    pub hours: u32,
}

/// What parties run, besides FROST: small flows, whose worlds are quick.
const FLOWS: [&str; 4] = ["gg18-sign", "cggmp24-keygen", "cggmp24-sign", "dkls23-sign"];

/// So many kinds of faults there are to draw from.
const KINDS: u64 = 13;

/// As long as this after the beginning faults come.
const FAULTS_FOR_MS: [Millis; 2] = [3_000, 30_000];

/// The longest that the router may be gone, or cut off from the coordinator: one that is away for
/// longer is given up, rightly.
const OUTAGE_MS: Millis = 6_000;
/// It is there first: one that never answered is given up sooner.
const FIRST_OUTAGE_MS: Millis = 2_000;
/// How long it is there between two such times.
const BETWEEN_OUTAGES_MS: Millis = 5_000;
/// The longest that a party is cut off: what is sent to it meanwhile is given up after half a minute.
const CUT_MS: Millis = 18_000;

/// Draws a scenario. Each seed has some kinds of faults only, and a number of these: where all kinds
/// come together, some hide others.
pub fn draw(seed: u64, given: &Drawing) -> Scenario {
    let mut drawer =
        Drawer { dice: Dice::new(seed, "scenario"), parties: 0, busy_until: FIRST_OUTAGE_MS };
    let dice = &mut drawer.dice;
    let few = dice.between([2, 6]) as u16;
    let parties = given.parties.unwrap_or(few);
    let threshold = dice.between([2, u64::from(parties.max(2))]) as u16;
    let flow = dice.percent(60).then(|| dice.pick(&FLOWS).copied()).flatten();
    let flow = flow.unwrap_or("frost").to_owned();
    let latency_ms = *dice.pick(&[[1, 20], [0, 3], [5, 150], [1, 400]]).unwrap_or(&[1, 20]);
    let commit_ms = *dice.pick(&[[1, 10], [0, 0], [5, 60], [20, 300]]).unwrap_or(&[1, 10]);
    let span = dice.between(FAULTS_FOR_MS);
    let kinds: Vec<u64> = (0..KINDS).filter(|_| dice.percent(30)).collect();
    drawer.parties = parties;
    let mut faults = Vec::new();
    for kind in kinds {
        for _ in 0..drawer.dice.between([1, 4]) {
            faults.extend(drawer.fault(kind, span));
        }
    }
    // Where no ceremony is run there is nobody to be named.
    faults.retain(|fault| fault.names().iter().all(|whom| *whom <= parties));
    faults.sort_by_key(Fault::begins);
    Scenario {
        seed,
        parties,
        threshold: given.threshold.unwrap_or(threshold),
        flow: given.flow.clone().unwrap_or(flow),
        latency_ms,
        commit_ms,
        idle_parties: given.idle_parties,
        hours: given.hours,
        faults,
        ..Scenario::default()
    }
}

struct Drawer {
    dice: Dice,
    parties: u16,
    /// The router may not be taken away before that again.
    busy_until: Millis,
}

impl Drawer {
    fn fault(&mut self, kind: u64, span: Millis) -> Option<Fault> {
        let at_ms = self.dice.below(span);
        let party = self.dice.between([1, u64::from(self.parties.max(1))]) as u16;
        Some(match kind {
            0 => {
                let everybody = self.dice.percent(30);
                let parties = if everybody { Vec::new() } else { vec![party] };
                Fault::LoseConnection { parties, at_ms }
            }
            1 => Fault::Partition {
                parties: self.some_parties(),
                at_ms,
                for_ms: self.dice.between([100, CUT_MS]),
            },
            2 => {
                let (at_ms, for_ms) = self.outage();
                Fault::Partition { parties: vec![0], at_ms, for_ms }
            }
            3 => Fault::LoseCalls {
                at_ms,
                for_ms: self.dice.between([500, 10_000]),
                percent: self.dice.between([1, 50]),
            },
            4 => Fault::SlowNetwork {
                at_ms,
                for_ms: self.dice.between([500, 10_000]),
                latency_ms: self.dice.between([100, 12_000]),
            },
            5 => Fault::SlowReader {
                party,
                at_ms,
                for_ms: self.dice.between([500, 20_000]),
                every_ms: self.dice.between([50, 5_000]),
            },
            6 => {
                let (at_ms, down_ms) = self.outage();
                let torn = self.dice.percent(70);
                Fault::CrashRouter { at_ms, down_ms, torn, clock_ms: self.date() }
            }
            7 => {
                let (at_ms, down_ms) = self.outage();
                Fault::StopRouter { at_ms, down_ms, clock_ms: self.date() }
            }
            8 => Fault::ClockJump { at_ms, by_ms: self.dice.between([1, 8_000]) },
            9 => Fault::SlowDisk {
                at_ms,
                for_ms: self.dice.between([500, 10_000]),
                commit_ms: self.dice.between([100, 3_000]),
            },
            10 => {
                let (at_ms, for_ms) = self.outage();
                Fault::FailDisk { at_ms, for_ms }
            }
            11 => Fault::CrashParty { party, at_ms, down_ms: self.dice.between([1, 20_000]) },
            _ if self.dice.percent(20) => Fault::LoseParty { party, at_ms },
            _ if self.dice.percent(50) => {
                Fault::Away { party, at_ms: 0, for_ms: self.dice.between([1_000, 60_000]) }
            }
            _ => {
                let ahead = self.dice.percent(50);
                let by = i64::try_from(self.dice.between([1, 3_600_000])).unwrap_or_default();
                Fault::Skew { party, by_ms: if ahead { by } else { -by } }
            }
        })
    }

    /// A time for which the router is not to be reached, apart from others.
    fn outage(&mut self) -> (Millis, Millis) {
        let at = self.busy_until + self.dice.between([0, 8_000]);
        let lasts = self.dice.between([1, OUTAGE_MS]);
        self.busy_until = at + lasts + BETWEEN_OUTAGES_MS;
        (at, lasts)
    }

    /// How far a machine's date is off when it starts again. All together stays within what sessions
    /// have to spare.
    fn date(&mut self) -> i64 {
        let off = i64::try_from(self.dice.between([0, 5_000])).unwrap_or_default();
        if self.dice.percent(50) { off } else { -off * 1_000 }
    }

    fn some_parties(&mut self) -> Vec<u16> {
        let some: Vec<u16> = (1..=self.parties).filter(|_| self.dice.percent(40)).collect();
        if some.is_empty() { vec![1] } else { some }
    }
}
