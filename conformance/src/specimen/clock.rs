//! The specimen's only clock: tokio's, so that it can be paused, told as Unix time.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Tokio's clock, anchored to one Unix time when it was made. It never goes back.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    origin: Instant,
    unix_origin: Duration,
    /// Where it stands while what has happened is read back.
    stands_at: Option<Duration>,
}

impl Clock {
    /// A clock that shows `unix` now.
    pub(super) fn showing(unix: SystemTime) -> Self {
        Self {
            origin: Instant::now(),
            unix_origin: unix.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            stands_at: None,
        }
    }

    /// Now, in Unix milliseconds.
    pub(super) fn unix_ms(&self) -> i64 {
        let unix = self.unix_origin + self.age();
        i64::try_from(unix.as_millis()).unwrap_or(i64::MAX)
    }

    /// How long ago it was made.
    pub(super) fn age(&self) -> Duration {
        self.stands_at.unwrap_or_else(|| self.origin.elapsed())
    }

    /// Now, as tokio has it.
    pub(super) fn now(&self) -> Instant {
        self.origin + self.age()
    }

    /// Lets it stand at an age, or go on; where it stood before.
    pub(super) fn stands_at(&mut self, age: Option<Duration>) -> Option<Duration> {
        std::mem::replace(&mut self.stands_at, age)
    }
}
