//! Programs against a router in this process, on virtual time: waiting costs nothing, and the same
//! program always goes the same way.

use std::time::{Duration, SystemTime};

use super::attempt::{Attempt, Terms, attempt};
use super::play::Stage;
use super::program::Program;
use super::record::Names;
use crate::connect::Door;
use crate::power::Power;
use crate::profile::Timers;
use crate::virtual_time::{begin, on_virtual_time};

/// How late what is due may come: nothing but the router's own timers takes any time.
pub const SLACK: Duration = Duration::from_secs(1);

/// What a program is played against: a new one for each.
pub trait Rehearsed: Sync {
    /// A new router, at this time of day. Called within a tokio runtime.
    fn opens(&self, now: SystemTime) -> (Door, Option<Power>);
}

/// Plays a program against a new router, on virtual time.
pub fn rehearse(
    router: &impl Rehearsed,
    terms: &Terms,
    timers: &Timers,
    program: &Program,
) -> Attempt {
    on_virtual_time(async {
        let (door, power) = router.opens(begin());
        let stage = Stage {
            door,
            power,
            offers: terms.bounds.offers,
            patience: Duration::from_secs(10),
            slack: SLACK,
            is_virtual: true,
            opening: Duration::from_millis(20),
            keys_kept: timers.message_ttl(),
            stop_limit: Duration::from_millis(timers.stop_timeout_ms),
            receive_limit: timers.receive_limit(),
        };
        let names = Names::new("f");
        attempt(&stage, terms.rules, program, names).await.expect("whoever calls has a name")
    })
}
