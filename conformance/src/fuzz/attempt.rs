//! A program, played once and judged.

use std::time::Duration;

use super::check::{Finding, check};
use super::draw::{Bounds, Offers, Waits};
use super::history::{History, Moment};
use super::model::Rules;
use super::names::Names;
use super::play::{Stage, play};
use super::program::Program;
use crate::identity::NoIdentity;
use crate::profile::Timers;
use crate::requirement::Capability;

/// How early a target's timers may be: it may count whole milliseconds, and round.
const EARLY: Duration = Duration::from_millis(2);

/// What came of playing a program.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What was seen.
    pub history: History,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// What is known of a target before it is fuzzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// By which rules a history is judged.
    pub rules: Rules,
    /// What programs may ask for.
    pub bounds: Bounds,
}

impl Terms {
    /// What follows from a target's timers and from what it claims besides `core`. Whatever its timers
    /// do may be late by `slack`. Programs may kill the target where `has_power` says so.
    pub fn new(timers: &Timers, claims: &[Capability], slack: Duration, has_power: bool) -> Self {
        let has = |capability| claims.contains(&capability);
        let ns = |time: Duration| time.as_nanos() as Moment;
        let ms = |it: u64| u32::try_from(it).unwrap_or(u32::MAX);
        let rules = Rules {
            heartbeat_timeout: ns(timers.heartbeat_timeout()),
            ack_timeout: ns(timers.ack_timeout()),
            redelivers: has(Capability::Redelivery),
            max_retries: timers.max_retries,
            message_ttl: ns(timers.message_ttl()),
            expires: has(Capability::Expiry),
            slack: ns(slack),
            early: ns(EARLY),
            is_alone: true,
            membership: has(Capability::Membership),
            replays_events: has(Capability::EventReplay),
            notifies: has(Capability::Offline),
            has_keys: has(Capability::Idempotency),
            secure: has(Capability::Secure),
            clock_tolerance: ns(timers.clock_tolerance()),
        };
        let bounds = Bounds {
            parties: 70,
            sessions: 2,
            operations: 50,
            offers: Offers {
                wildcard: has(Capability::Wildcard),
                keys: has(Capability::Idempotency),
                power: has_power && has(Capability::Durable),
                names: true,
                secure: has(Capability::Secure),
            },
            timers: Waits {
                ack_timeout: ms(timers.ack_timeout_ms),
                heartbeat_timeout: ms(timers.heartbeat_timeout_ms),
                message_ttl: ms(timers.message_ttl_ms),
            },
            hurried: false,
            // Beside what tells it from others.
            bytes: ms(timers.max_payload_bytes).saturating_sub(200),
        };
        Self { rules, bounds }
    }
}

/// Plays a program on a stage, and judges what was seen.
///
/// # Errors
/// If a party has no certificate.
pub async fn attempt(
    stage: &Stage,
    rules: Rules,
    program: &Program,
    names: Names,
) -> Result<Attempt, NoIdentity> {
    let history = play(stage, program, names).await?;
    let findings = check(&history, rules);
    Ok(Attempt { history, findings })
}
