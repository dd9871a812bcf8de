use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mpc_router_core::Millis;
use tokio::time::Instant;

use crate::limits;
use crate::log::Log;

/// The router's time: Unix milliseconds that never go back, neither in a run nor from one to the
/// next.
///
/// The system is asked for the date at the start; from then on time passes as tokio's clock does. So a
/// system clock that is set back moves nothing (HB-3), and under a paused clock time is virtual.
///
/// A system clock that is far ahead when the router starts, or stays so while it runs, sets this
/// one forward for good: what was told cannot be taken back, and pollers would miss what gets an
/// older time than they have seen (PND-3). One that is ahead for a moment only is not believed.
#[derive(Debug)]
pub(crate) struct Clock {
    passing: Passing,
    /// What the date was at the start. It only grows.
    start_unix: AtomicI64,
    /// An earlier run may have told it.
    told: Millis,
}

/// How time passes.
#[derive(Debug)]
enum Passing {
    /// As tokio's clock does, from then on.
    Since(Instant),
    /// As somebody tells: these milliseconds have passed.
    Told(AtomicI64),
}

impl Passing {
    fn millis(&self) -> i64 {
        match self {
            Self::Since(start) => start.elapsed().as_millis() as i64,
            Self::Told(passed) => passed.load(Ordering::Relaxed),
        }
    }
}

impl Clock {
    /// Starts with the system's time, unless that is before `told`.
    pub(crate) fn start(told: Millis) -> Self {
        Self::start_at(Passing::Since(Instant::now()), system_time(), told)
    }

    /// Starts with the time `date`, unless that is before `told`, and stands until it is
    /// [moved](Self::reach).
    pub(crate) fn standing(date: Millis, told: Millis) -> Self {
        Self::start_at(Passing::Told(AtomicI64::new(0)), date, told)
    }

    /// On a clock that stands, time passes until it is `now`, unless it is later already.
    pub(crate) fn reach(&self, now: Millis) {
        if let Passing::Told(passed) = &self.passing {
            let start = Millis(self.start_unix.load(Ordering::Relaxed));
            passed.fetch_max(now.since(start), Ordering::Relaxed);
        }
    }

    fn start_at(passing: Passing, system: Millis, told: Millis) -> Self {
        // Times are kept ahead of being told (see `Telling`), so time stands for a moment after a
        // restart that is as quick as that: or each would set it forward.
        let earliest = Millis(told.0.saturating_sub(limits::TIME_KEPT_MILLIS));
        let date = system.max(earliest);
        if date > system {
            tracing::warn!(
                milliseconds = told.since(system),
                "the system's clock is behind what the router told: its time goes on from there"
            );
        }
        Self { passing, start_unix: AtomicI64::new(date.0), told }
    }

    pub(crate) fn now(&self) -> Millis {
        let start = self.start_unix.load(Ordering::Relaxed);
        Millis(start.saturating_add(self.passing.millis())).max(self.told)
    }

    /// Catches up with the system's clock whenever that is ahead by more than `tolerance`, as it is
    /// after the machine slept, and still is a second later. Never ends.
    pub(crate) async fn keep_time(&self, tolerance: Duration) {
        const INTERVAL: Duration = Duration::from_secs(1);
        let mut was_behind = false;
        loop {
            tokio::time::sleep(INTERVAL).await;
            if let Some(behind) = self.look(system_time(), tolerance, &mut was_behind) {
                tracing::warn!(milliseconds = behind, "the clock was behind the system's");
            }
        }
    }

    /// Catches up if it was behind when it was looked at last as well. Tells by how much.
    fn look(&self, system: Millis, tolerance: Duration, was_behind: &mut bool) -> Option<i64> {
        let is_behind = self.behind(system, tolerance).is_some();
        let is_believed = std::mem::replace(was_behind, is_behind);
        is_believed.then(|| self.catch_up(system, tolerance))?
    }

    /// By how much it is behind the system's clock, if that is more than `tolerance`.
    fn behind(&self, system: Millis, tolerance: Duration) -> Option<i64> {
        let behind = system.since(self.now());
        let tolerance = i64::try_from(tolerance.as_millis()).unwrap_or(i64::MAX);
        (behind > tolerance).then_some(behind)
    }

    /// Tells by how much the clock was set forward, if it was.
    fn catch_up(&self, system: Millis, tolerance: Duration) -> Option<i64> {
        let behind = self.behind(system, tolerance)?;
        // Of two that catch up at the same time the later counts, not both.
        let start = system.since(Millis(self.passing.millis()));
        self.start_unix.fetch_max(start, Ordering::Relaxed);
        Some(behind)
    }
}

/// Has a log keep the times that are told though no record tells of them, before they are.
#[derive(Debug)]
pub(crate) struct Telling {
    log: Arc<dyn Log>,
    /// Up to there they are kept.
    until: AtomicI64,
}

impl Telling {
    pub(crate) fn new(log: Arc<dyn Log>) -> Self {
        // What the log holds may be told.
        let until = AtomicI64::new(log.latest().0);
        Self { log, until }
    }

    /// Waits until `at` may be told (HB-3): it is kept with what comes soon after it, so that one
    /// commit in that time does, however many ask. A log that fails holds nobody up: liveness goes
    /// first.
    pub(crate) async fn tell(&self, at: Millis) {
        if at.0 <= self.until.load(Ordering::Relaxed) {
            return;
        }
        let until = at.after(limits::TIME_KEPT_MILLIS);
        if let Some(kept) = self.log.keep_time(until)
            && kept.await.is_ok()
        {
            self.until.fetch_max(until.0, Ordering::Relaxed);
        }
    }
}

/// The system's time.
fn system_time() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since_epoch.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_catches_up_and_never_goes_back() {
        let clock = Clock::start(Millis(0));
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

    #[tokio::test(start_paused = true)]
    async fn what_the_system_says_for_a_moment_is_not_believed() {
        let (clock, second) = (Clock::start(Millis(0)), Duration::from_secs(1));
        let Millis(start) = clock.now();
        let mut was_behind = false;
        let mut look = |system| clock.look(Millis(system), second, &mut was_behind);
        let year = 31_536_000_000;
        for system in [start + year, start, start + 900, start + year, start + 1_000] {
            assert_eq!(look(system), None);
        }
        assert_eq!(clock.now(), Millis(start));
        assert_eq!([start + 5_000, start + 6_000].map(look), [None, Some(6_000)]);
        assert_eq!(clock.now(), Millis(start + 6_000));
    }

    #[test]
    fn one_that_stands_reaches_what_it_is_told_and_never_goes_back() {
        let clock = Clock::standing(Millis(1_000_000), Millis(1_000_700));
        let mut reached = |now| {
            clock.reach(Millis(now));
            clock.now().0
        };
        let told = [1_000_500, 1_000_701, 1_000_800, 1_000_750].map(&mut reached);
        assert_eq!(told, [1_000_700, 1_000_701, 1_000_800, 1_000_800]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_from_what_was_told() {
        let pass = |milliseconds| tokio::time::advance(Duration::from_millis(milliseconds));
        let system = Millis(1_000_000);
        let start = |told| Clock::start_at(Passing::Since(Instant::now()), system, told);
        let went_back = start(Millis(system.0 + 90_000));
        assert_eq!(went_back.now(), Millis(system.0 + 90_000), "HB-3");
        let at_once = start(Millis(system.0 + 700));
        assert_eq!(at_once.now(), Millis(system.0 + 700), "HB-3");
        pass(600).await;
        assert_eq!(went_back.now(), Millis(system.0 + 90_000));
        assert_eq!(at_once.now(), Millis(system.0 + 700));
        pass(200).await;
        assert_eq!(at_once.now(), Millis(system.0 + 800), "it is right again");
        pass(500).await;
        assert_eq!(went_back.now(), Millis(system.0 + 90_300), "it goes on");
    }
}
