//! How sessions end: by an event, or at a time.

use std::time::Duration;

use crate::trial::Trial;

/// The types of event that end a session.
pub(crate) const ENDING: [&str; 4] =
    ["session_completed", "session_failed", "session_cancelled", "session_expired"];

/// How long sessions last by the target's clock, at least.
const SHORT: Duration = Duration::from_secs(1);

/// How late a target may notice that a session's time is over.
const ALLOWANCE: Duration = Duration::from_secs(1);

/// A time by the target's clock, which this side knows by `clock_tolerance` only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Unix milliseconds.
    pub(crate) unix_ms: i64,
    tolerance: Duration,
}

impl End {
    /// A time that is soon, and still to come by whatever clock.
    pub(crate) fn soon(trial: &Trial) -> Self {
        let tolerance = Duration::from_millis(trial.timers().clock_tolerance_ms);
        Self { unix_ms: trial.clock().now_ms() + millis(SHORT + tolerance), tolerance }
    }

    /// Whether it is still to come, by whatever clock.
    pub(crate) fn is_to_come(self, trial: &Trial) -> bool {
        trial.clock().now_ms() + millis(self.tolerance) < self.unix_ms
    }

    /// Milliseconds until it has passed, by whatever clock.
    fn left(self, trial: &Trial) -> u64 {
        let passed = self.unix_ms + millis(self.tolerance + ALLOWANCE);
        u64::try_from(passed - trial.clock().now_ms()).unwrap_or(0)
    }

    /// Whether it has passed, by whatever clock.
    pub(crate) fn has_passed(self, trial: &Trial) -> bool {
        self.left(trial) == 0
    }

    /// Waits until it has passed, by whatever clock.
    pub(crate) async fn passes(self, trial: &Trial) {
        trial.sleep(Duration::from_millis(self.left(trial))).await;
    }

    /// Whether what is routed in a session that ends soon is kept for longer than that.
    pub(crate) fn is_soon_for(trial: &Trial) -> bool {
        let tolerance = Duration::from_millis(trial.timers().clock_tolerance_ms);
        let kept = Duration::from_millis(trial.timers().message_ttl_ms);
        SHORT + tolerance + ALLOWANCE < kept / 4 * 3
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
