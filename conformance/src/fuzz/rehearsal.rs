//! Programs against a router in this process, on virtual time: waiting costs nothing, and the same
//! program always goes the same way.

use std::time::{Duration, SystemTime};

use super::attempt::{Attempt, Terms, attempt};
use super::check::check;
use super::names::Names;
use super::play::{ByHand, Conditions, Stage, play_by_hand};
use super::program::Program;
use crate::connect::Door;
use crate::notices::Notices;
use crate::power::Power;
use crate::profile::Timers;
use crate::virtual_time::{begin, on_virtual_time};

/// How late what is due may come: nothing but the router's own timers takes any time.
pub const SLACK: Duration = Duration::from_secs(1);

/// A router that was made for one program.
#[derive(Debug)]
pub struct Opening {
    /// The way to it.
    pub door: Door,
    /// The means to stop, kill and start it, if there are any.
    pub power: Option<Power>,
    /// Where its notifications come, if they can be seen.
    pub notices: Option<Notices>,
}

/// What a program is played against: a new one for each.
pub trait Rehearsed: Sync {
    /// A new router, at this time of day. Called within a tokio runtime.
    fn opens(&self, now: SystemTime) -> Opening;

    /// Whether it is that time for it as well: one that asks the system has another time of day.
    fn is_on_time(&self) -> bool;
}

fn unix_millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn conditions(terms: &Terms, timers: &Timers, date: Option<i64>) -> Conditions {
    Conditions {
        offers: terms.bounds.offers,
        slack: SLACK,
        is_virtual: true,
        date,
        max_payload: usize::try_from(timers.max_payload_bytes).unwrap_or(usize::MAX),
        keys_kept: timers.message_ttl(),
    }
}

/// Plays a program against a new router that is called by hand, and judges what was seen.
pub fn step(router: &impl ByHand, terms: &Terms, timers: &Timers, program: &Program) -> Attempt {
    let begin = unix_millis(begin());
    let conditions = conditions(terms, timers, Some(begin));
    let history = play_by_hand(router.opens(begin), begin, conditions, program, Names::new("f"));
    let findings = check(&history, terms.rules);
    Attempt { history, findings }
}

/// Plays a program against a new router over gRPC, on virtual time.
pub fn rehearse(
    router: &impl Rehearsed,
    terms: &Terms,
    timers: &Timers,
    program: &Program,
) -> Attempt {
    on_virtual_time(async {
        let Opening { door, power, notices } = router.opens(begin());
        let date = router.is_on_time().then(|| unix_millis(begin()));
        let stage = Stage {
            door,
            power,
            notices,
            conditions: conditions(terms, timers, date),
            patience: Duration::from_secs(10),
            opening: Duration::from_millis(20),
            stop_limit: Duration::from_millis(timers.stop_timeout_ms),
            receive_limit: timers.receive_limit(),
        };
        let names = Names::new("f");
        attempt(&stage, terms.rules, program, names).await.expect("whoever calls has a name")
    })
}
