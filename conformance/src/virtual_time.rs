//! Runs in which waiting costs nothing, and which are the same every time.

use std::time::{Duration, SystemTime};

/// What time it is when such a run begins: the first day of 2026.
pub(crate) fn begin() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// Runs this on one thread, under a clock that goes on when nothing else does.
pub(crate) fn on_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads needs nothing of the system");
    runtime.block_on(work)
}
