//! The reference router keeps the contract, requirement by requirement.

use mpc_conformance::in_process::InProcess;
use mpc_conformance::profile::{Profile, Timers};
use mpc_router::{Config, Router};

/// The router with the timers that it has as the built-in target.
fn router() -> InProcess {
    let timers = Timers::built_in();
    let router = Router::new(Config {
        heartbeat_timeout: timers.heartbeat_timeout(),
        ack_timeout: timers.ack_timeout(),
        max_retries: timers.max_retries,
        ..Config::default()
    });
    InProcess::new(router).profile(Profile { timers, ..Profile::default() })
}

mpc_conformance::one_test_per_requirement!(router());
