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

/// What time it is when a program begins, as Unix time: the first day of 2026.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads needs nothing of the system");
    runtime.block_on(async {
        let (door, power) = router.opens(SystemTime::UNIX_EPOCH + BEGIN);
        let stage = Stage {
            door,
            power,
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
