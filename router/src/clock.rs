use std::time::{SystemTime, UNIX_EPOCH};

use mpc_router_core::Millis;
use tokio::time::Instant;

/// The router's time: Unix milliseconds that never go back.
///
/// The system is asked for the date once; from then on time passes as tokio's clock does. So a
/// system clock that is set back moves nothing (HB-3), and under a paused clock time is virtual.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    start_unix: Millis,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), start_unix: system_time() }
    }

    pub(crate) fn now(&self) -> Millis {
        Millis(self.start_unix.0.saturating_add(self.start.elapsed().as_millis() as i64))
    }
}

fn system_time() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since_epoch.as_millis() as i64)
}
