//! When sessions have to be looked at though nobody calls: one task for all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use mpc_router_core::Millis;
use tokio::sync::Notify;

use crate::clock::Clock;

/// What an alarm is for.
pub(crate) trait Sleeper: Send + Sync + 'static {
    /// The time that it asked for has come.
    fn ring(self: Arc<Self>, alarm: Alarm);
}

/// An alarm that is set: its time, and a number that makes it the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Alarm {
    at: Millis,
    number: u64,
}

/// The alarms of all sessions, at most one each.
#[derive(Debug)]
pub(crate) struct Alarms<S> {
    clock: Arc<Clock>,
    state: Mutex<State<S>>,
    /// The first one is another one now, or nobody is left to set any.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct State<S> {
    set: BTreeMap<Alarm, Weak<S>>,
    next_number: u64,
    /// Whether the task runs that rings.
    runs: bool,
}

impl<S: Sleeper> Alarms<S> {
    pub(crate) fn new(clock: Arc<Clock>) -> Self {
        let state = State { set: BTreeMap::new(), next_number: 0, runs: false };
        Self { clock, state: Mutex::new(state), changed: Arc::default() }
    }

    /// Makes sure that `sleeper`, whose alarm is `alarm`, is rung at `wanted` or before.
    pub(crate) fn set(
        self: &Arc<Self>,
        alarm: &mut Option<Alarm>,
        wanted: Option<Millis>,
        sleeper: impl FnOnce() -> Weak<S>,
    ) {
        let Some(at) = wanted.filter(|at| alarm.is_none_or(|alarm| *at < alarm.at)) else { return };
        let mut state = self.lock();
        if let Some(later) = alarm {
            state.set.remove(later);
        }
        let set = Alarm { at, number: state.next_number };
        state.next_number += 1;
        *alarm = Some(set);
        state.set.insert(set, sleeper());
        let is_first = state.set.first_key_value().is_some_and(|(first, _)| *first == set);
        // Without a runtime nobody sleeps: whoever is in one sets the next alarm.
        let runtime = tokio::runtime::Handle::try_current().ok().filter(|_| !state.runs);
        state.runs |= runtime.is_some();
        drop(state);
        if let Some(runtime) = runtime {
            runtime.spawn(ring(Arc::clone(&self.changed), Running(Arc::downgrade(self))));
        } else if is_first {
            self.changed.notify_one();
        }
    }

    /// When the next one is to be rung.
    pub(crate) fn first(&self) -> Option<Millis> {
        self.lock().set.first_key_value().map(|(first, _)| first.at)
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings those whose time has come. Tells how long it is until the next one.
    pub(crate) fn ring_due(&self) -> Option<Duration> {
        loop {
            let (alarm, sleeper) = {
                let mut state = self.lock();
                let first = state.set.first_entry()?;
                let left = first.key().at.since(self.clock.now());
                if left > 0 {
                    return Some(Duration::from_millis(left.unsigned_abs()));
                }
                first.remove_entry()
            };
            if let Some(sleeper) = sleeper.upgrade() {
                sleeper.ring(alarm);
            }
        }
    }
}

impl<S> Drop for Alarms<S> {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

/// The task that rings. However it ends, with its runtime or by a panic, the next alarm that is set
/// begins another one.
struct Running<S>(Weak<Alarms<S>>);

impl<S> Drop for Running<S> {
    fn drop(&mut self) {
        if let Some(alarms) = self.0.upgrade() {
            alarms.state.lock().unwrap_or_else(PoisonError::into_inner).runs = false;
        }
    }
}

/// Rings until there are no alarms any more that could be set.
async fn ring<S: Sleeper>(changed: Arc<Notify>, running: Running<S>) {
    loop {
        let Some(left) = running.0.upgrade().map(|alarms| alarms.ring_due()) else { return };
        match left {
            None => changed.notified().await,
            Some(left) => {
                let _ = tokio::time::timeout(left, changed.notified()).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Counter(AtomicU64);

    impl Sleeper for Counter {
        fn ring(self: Arc<Self>, _: Alarm) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn pass(milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_rung_once_at_the_first_time_asked_for() {
        let clock = Arc::new(Clock::start(Millis(0)));
        let start = clock.now().0;
        let alarms = Arc::new(Alarms::new(clock));
        let [early, late] = [Arc::new(Counter::default()), Arc::new(Counter::default())];
        let rung = || [&early, &late].map(|counter| counter.0.load(Ordering::SeqCst));
        let (mut first, mut second) = (None, None);
        alarms.set(&mut first, Some(Millis(start + 1_000)), || Arc::downgrade(&early));
        alarms.set(&mut second, Some(Millis(start + 500)), || Arc::downgrade(&late));
        alarms.set(&mut second, Some(Millis(start + 2_000)), || unreachable!("that is later"));
        alarms.set(&mut first, Some(Millis(start + 100)), || Arc::downgrade(&early));
        alarms.set(&mut first, None, || unreachable!("nothing is wanted"));
        pass(99).await;
        assert_eq!(rung(), [0, 0]);
        pass(2).await;
        assert_eq!(rung(), [1, 0]);
        pass(10_000).await;
        assert_eq!(rung(), [1, 1]);
        let mut third = None;
        alarms.set(&mut third, Some(Millis(0)), || Arc::downgrade(&late));
        pass(1).await;
        assert_eq!(rung(), [1, 2]);
    }

    #[test]
    fn another_runtime_goes_on_where_one_ended() {
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_time().start_paused(true).build().unwrap()
        };
        let counter = Arc::new(Counter::default());
        let (first, second) = (runtime(), runtime());
        let alarms = first.block_on(async {
            let alarms = Arc::new(Alarms::new(Arc::new(Clock::start(Millis(0)))));
            let late = Millis(alarms.clock.now().0 + 60_000);
            alarms.set(&mut None, Some(late), || Arc::downgrade(&counter));
            pass(1).await;
            alarms
        });
        drop(first);
        second.block_on(async {
            alarms.set(&mut None, Some(Millis(0)), || Arc::downgrade(&counter));
            pass(1).await;
        });
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_with_them() {
        let alarms = Arc::new(Alarms::<Counter>::new(Arc::new(Clock::start(Millis(0)))));
        let counter = Arc::new(Counter::default());
        let in_a_year = Millis(alarms.clock.now().0 + 31_536_000_000);
        alarms.set(&mut None, Some(in_a_year), || Arc::downgrade(&counter));
        pass(1).await;
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 1);
        drop(alarms);
        pass(1).await;
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    }
}
