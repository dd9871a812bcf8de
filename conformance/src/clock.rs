//! The suite's own time.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Unix time that runs with tokio's clock, so that it stands still where that one does.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    unix_at_start: Duration,
    start: Instant,
}

impl Clock {
    /// A clock that is right now.
    pub fn new() -> Self {
        Self::showing(SystemTime::now())
    }

    /// A clock that shows `time` now.
    pub fn showing(time: SystemTime) -> Self {
        let unix_at_start = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { unix_at_start, start: Instant::now() }
    }

    /// Now, in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.ms_at(Instant::now())
    }

    /// A moment in Unix milliseconds.
    pub fn ms_at(&self, moment: Instant) -> i64 {
        let unix = self.unix_at_start + moment.duration_since(self.start);
        i64::try_from(unix.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
