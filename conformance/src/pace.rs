//! How long to wait: long for what must happen, short for what must not.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::report::Calibration;

/// The least time in which what must happen may happen. It is long, since a wait ends as soon as
/// the thing has happened: only a target that breaks the requirement makes anybody wait for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The least quiet window in which what must not happen may show.
const QUIET: Duration = Duration::from_millis(250);

/// How often the watch looks whether this process runs.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// A tick that is late by less than this shows nothing.
const LEAST_STALL: Duration = Duration::from_millis(20);

/// The waits of one run, fitted to the machine by a [`Calibration`].
#[derive(Clone, Debug)]
pub struct Pace {
    patience: Duration,
    quiet: Duration,
    lag: Arc<Lag>,
}

impl Pace {
    /// Fits the waits to the machine, and watches from now on whether it keeps up. Must be called
    /// within a tokio runtime.
    pub fn new(calibration: &Calibration) -> Self {
        let round_trip = Duration::from_micros(calibration.round_trip_max_us);
        let slack = Duration::from_micros(calibration.timer_slack_us);
        let lag = Arc::new(Lag::new());
        tokio::spawn(watch(Arc::downgrade(&lag)));
        Self {
            patience: PATIENCE + 20 * round_trip + 20 * slack,
            quiet: QUIET + (2 * round_trip + 2 * slack).min(Duration::from_secs(2)),
            lag,
        }
    }

    /// How long to wait for what must happen.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// How long to watch for what must not happen.
    pub fn quiet(&self) -> Duration {
        self.quiet
    }

    /// Begins a wait.
    pub fn wait(&self) -> Wait {
        Wait { pace: self.clone(), began: Instant::now(), lag_before: self.lag.total() }
    }
}

/// A wait under way.
#[derive(Debug)]
pub struct Wait {
    pace: Pace,
    began: Instant,
    lag_before: Duration,
}

impl Wait {
    /// When patience ends.
    pub fn deadline(&self) -> Instant {
        self.began + self.pace.patience
    }

    /// How long it has been.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// For how long of it this process was kept from running.
    pub fn lag(&self) -> Duration {
        self.pace.lag.total().saturating_sub(self.lag_before)
    }

    /// If this process was kept from running for so much of the wait that it cannot blame the
    /// target for what it did not see: for how long.
    pub fn stalled(&self) -> Option<Duration> {
        let lag = self.lag();
        (lag > self.elapsed() / 4).then_some(lag)
    }

    /// If this process hardly ran during the wait, so that nothing that it saw, and when, proves
    /// anything: for how long it did not.
    pub(crate) fn starved(&self) -> Option<Duration> {
        let lag = self.lag();
        (lag > self.elapsed() / 2).then_some(lag)
    }

    /// Such a stall, in words.
    pub(crate) fn told(&self, stall: Duration) -> String {
        format!(
            "this machine kept the suite from running for {:.1} of {:.1} s",
            stall.as_secs_f64(),
            self.elapsed().as_secs_f64()
        )
    }

    /// Whether this process was kept from running for so much of the wait that another one may go
    /// better.
    pub(crate) fn was_disturbed(&self) -> bool {
        self.lag() > self.elapsed() / 20
    }
}

/// For how long this process was kept from running, summed up.
#[derive(Debug)]
struct Lag(Mutex<Ticks>);

#[derive(Debug)]
struct Ticks {
    booked: Duration,
    last: Instant,
}

impl Lag {
    fn new() -> Self {
        Self(Mutex::new(Ticks { booked: Duration::ZERO, last: Instant::now() }))
    }

    /// What is under way counts as well: after a stall all timers fire in one batch, and those that
    /// ask what it was may come before the watch.
    fn total(&self) -> Duration {
        let ticks = self.0.lock().expect("nobody panics with it");
        ticks.booked + late(ticks.last)
    }

    fn tick(&self) {
        let mut ticks = self.0.lock().expect("nobody panics with it");
        let late = late(ticks.last);
        ticks.booked += late;
        ticks.last = Instant::now();
    }
}

/// By how much the tick after `last` is late already. Every timer is late by a little: that is no
/// stall, and must not become one by adding up.
fn late(last: Instant) -> Duration {
    let late = last.elapsed().saturating_sub(WATCH_INTERVAL);
    if late < LEAST_STALL { Duration::ZERO } else { late }
}

async fn watch(lag: Weak<Lag>) {
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let Some(lag) = lag.upgrade() else { return };
        lag.tick();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stall_counts_once_and_before_the_watch_has_seen_it() {
        let lag = Lag::new();
        tokio::time::advance(WATCH_INTERVAL).await;
        assert_eq!(lag.total(), Duration::ZERO);
        lag.tick();
        tokio::time::advance(WATCH_INTERVAL + LEAST_STALL / 2).await;
        lag.tick();
        assert_eq!(lag.total(), Duration::ZERO, "timers are late by a little");
        let stall = Duration::from_secs(13);
        tokio::time::advance(WATCH_INTERVAL + stall).await;
        assert_eq!(lag.total(), stall);
        lag.tick();
        assert_eq!(lag.total(), stall);
    }

    #[tokio::test(start_paused = true)]
    async fn how_much_of_a_wait_was_lost_decides_what_it_proves() {
        let calibration =
            Calibration { round_trip_us: 100, round_trip_max_us: 100, timer_slack_us: 100 };
        let pace = Pace::new(&calibration);
        for (percent, expected) in [
            (4, [false; 3]),
            (10, [true, false, false]),
            (30, [true, true, false]),
            (60, [true; 3]),
        ] {
            let wait = pace.wait();
            tokio::time::advance(WATCH_INTERVAL + Duration::from_millis(10) * percent).await;
            pace.lag.tick();
            for _ in percent..100 {
                tokio::time::advance(Duration::from_millis(10)).await;
                pace.lag.tick();
            }
            let judged = [wait.was_disturbed(), wait.stalled().is_some(), wait.starved().is_some()];
            assert_eq!(judged, expected, "{percent} % of {:?}", wait.elapsed());
        }
    }
}
