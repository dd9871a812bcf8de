use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mpc_router_core::Millis;
use tokio::time::Instant;

/// The router's time: Unix milliseconds that never go back.
///
/// The system is asked for the date at the start; from then on time passes as tokio's clock does. So a
/// system clock that is set back moves nothing (HB-3), and under a paused clock time is virtual.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// What the date was at the start. It only grows.
    start_unix: AtomicI64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), start_unix: AtomicI64::new(system_time().0) }
    }

    pub(crate) fn now(&self) -> Millis {
        let start = self.start_unix.load(Ordering::Relaxed);
        Millis(start.saturating_add(self.start.elapsed().as_millis() as i64))
    }

    /// Catches up with the system's clock whenever that is ahead by more than `tolerance`, as it is
    /// after the machine slept. Never ends.
    pub(crate) async fn keep_time(&self, tolerance: Duration) {
        const INTERVAL: Duration = Duration::from_secs(1);
        loop {
            tokio::time::sleep(INTERVAL).await;
            if let Some(behind) = self.catch_up(system_time(), tolerance) {
                tracing::warn!(milliseconds = behind, "the clock was behind the system's");
            }
        }
    }

    /// Tells by how much the clock was set forward, if it was.
    fn catch_up(&self, system: Millis, tolerance: Duration) -> Option<i64> {
        let behind = system.since(self.now());
        let tolerance = i64::try_from(tolerance.as_millis()).unwrap_or(i64::MAX);
        if behind <= tolerance {
            return None;
        }
        // Of two that catch up at the same time the later counts, not both.
        let start = system.since(Millis(self.start.elapsed().as_millis() as i64));
        self.start_unix.fetch_max(start, Ordering::Relaxed);
        Some(behind)
    }
}

fn system_time() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since_epoch.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_catches_up_and_never_goes_back() {
        let clock = Clock::start();
        let start = clock.now();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), Millis(start.0 + 5_000));
        let second = Duration::from_secs(1);
        assert_eq!(clock.catch_up(Millis(start.0 + 6_000), second), None);
        assert_eq!(clock.catch_up(Millis(start.0), second), None);
        assert_eq!(clock.now(), Millis(start.0 + 5_000));
        assert_eq!(clock.catch_up(Millis(start.0 + 65_000), second), Some(60_000));
        assert_eq!(clock.now(), Millis(start.0 + 65_000));
    }
}
