//! The specimen's only clock: tokio's, so that it can be paused, told as Unix time.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Tokio's clock, anchored to one Unix time when it was made. It never goes back.
#[derive(Debug)]
pub(super) struct Clock {
    origin: Instant,
    unix_origin: Duration,
}

impl Clock {
    /// A clock that shows `unix` now.
    pub(super) fn showing(unix: SystemTime) -> Self {
        Self {
            origin: Instant::now(),
            unix_origin: unix.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// Now, in Unix milliseconds.
    pub(super) fn unix_ms(&self) -> i64 {
        let unix = self.unix_origin + self.origin.elapsed();
        i64::try_from(unix.as_millis()).unwrap_or(i64::MAX)
    }
}
