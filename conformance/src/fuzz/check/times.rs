//! Times of day, held against the clock of whoever watches.

use super::super::anomaly::Anomaly;
use super::super::history::{Answer, Asked, Got, Moment, Party, Unit};
use super::super::model::Model;
use super::Findings;

/// How far the times of a status may be off: nobody promises more than that they are times of day.
/// Milliseconds.
const ROUGHLY: i64 = 3_600_000;

pub(super) fn check(model: &Model<'_>, found: &mut Findings) {
    let Some(date) = model.history.date else { return };
    let millis = |at: Moment| i64::try_from(at / 1_000_000).unwrap_or(i64::MAX);
    let tolerance = millis(model.rules.clock_tolerance.saturating_add(model.rules.slack));
    let mut look = |breaks, told: Told, from: Moment, off: i64| {
        let earliest = date.saturating_add(millis(from)).saturating_sub(off);
        let latest = date.saturating_add(millis(told.at)).saturating_add(off);
        if told.time < earliest || told.time > latest {
            found.add_as(Anomaly::WrongTime, breaks, told.at, told.party, told.unit, || {
                format!("{} is {}, and not from {earliest} to {latest}", told.name, told.time)
            });
        }
    };
    for call in &model.history.calls {
        let Got::Done(answer) = &call.got else { continue };
        let told = |name, time| Told { name, time, at: call.ended, party: None, unit: None };
        match (&call.asked, answer) {
            (Asked::Heartbeat(party), Answer::Heartbeat { server_ms, .. }) => {
                let told = Told { party: Some(*party), ..told("server_timestamp", *server_ms) };
                look("HB-1", told, call.begun, tolerance);
            }
            (Asked::Register(party, _), Answer::Registered(at)) => {
                let told = Told { party: Some(*party), ..told("registered_at", *at) };
                look("REG-5", told, 0, tolerance);
            }
            (Asked::Status(_, message), Answer::Status { deliveries, .. }) => {
                let Some(unit) = model.units[message.index()] else { continue };
                let from = model.fates[unit.index()].begun;
                for standing in deliveries {
                    for (name, time, breaks) in [
                        ("delivered_at", standing.delivered_at, "STS-3"),
                        ("acknowledged_at", standing.acknowledged_at, "STS-4"),
                    ] {
                        if time != 0 {
                            let party = Some(standing.party);
                            let told = Told { party, unit: Some(unit), ..told(name, time) };
                            look(breaks, told, from, ROUGHLY);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    for copy in &model.copies {
        let Some(unit) = copy.seen.unit else { continue };
        let told = Told {
            name: "created_at",
            time: copy.seen.created_at,
            at: copy.at,
            party: Some(copy.party),
            unit: Some(unit),
        };
        look("RTE-11", told, model.fates[unit.index()].begun.min(copy.at), tolerance);
    }
}

/// A time that was told.
struct Told {
    name: &'static str,
    time: i64,
    at: Moment,
    party: Option<Party>,
    unit: Option<Unit>,
}
