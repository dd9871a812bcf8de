//! A router whose time is told to it, for simulations: nothing in it happens by itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mpc_router_core::{Channel, Errand, Millis};

use crate::clock::Clock;
use crate::config::Config;
use crate::ids::Ids;
use crate::log::{Log, Unreadable};
use crate::rpc::Router;

/// A [`Router`] on a clock that stands until it is [told](Self::handle_time) that time has passed. It
/// needs no runtime, starts no task, and asks neither the system's clock nor chance: the same calls
/// at the same times, on a log that does the same, have the same answers.
///
/// Its calls are done at once where the log takes records at once, as
/// [`MemoryLog`](crate::log::MemoryLog) does; else when the log says that these are safe.
///
/// ```
/// use std::sync::Arc;
/// use std::task::{Context, Poll, Waker};
///
/// use mpc_router::{Config, log::MemoryLog, stepped::Stepped};
/// use mpc_router_proto::v1::{HeartbeatRequest, message_router_server::MessageRouter as _};
///
/// let mut router = Stepped::start(Config::default(), Arc::new(MemoryLog::default()), 1_000, 1)?;
/// router.handle_time(5_000);
/// let request = HeartbeatRequest { party_id: "alice".into(), timestamp: 0 };
/// let mut beat = router.router().heartbeat(tonic::Request::new(request));
/// let Poll::Ready(answer) = beat.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
///     panic!("what is in memory is safe at once")
/// };
/// assert_eq!(answer.unwrap_err().code(), tonic::Code::NotFound);
/// # Ok::<(), mpc_router::log::Unreadable>(())
/// ```
#[derive(Debug)]
pub struct Stepped {
    router: Router,
    /// When whoever has something unread, and was not heard of since the start, is away.
    looks_for_unread_at: Option<Millis>,
}

impl Stepped {
    /// Starts a router that keeps its records in `log` and goes on where that ends. It is `date` then,
    /// in Unix milliseconds, or what the log says if that is later. Its identifiers differ from those
    /// of other runs if `run` does.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn start(
        config: Config,
        log: Arc<dyn Log>,
        date: i64,
        run: u64,
    ) -> Result<Self, Unreadable> {
        let clock = Clock::standing(Millis(date), log.latest());
        let router = Router::start(config, log, clock, Ids::of_run(run))?;
        Ok(Self { router, looks_for_unread_at: None })
    }

    /// The router. Its calls may be made; what needs a runtime, as
    /// [`notify`](Router::notify) and [`keep_time`](Router::keep_time) do, may not.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Its time. Unix milliseconds.
    pub fn now(&self) -> i64 {
        self.router.clock().now().0
    }

    /// It is `now`, in Unix milliseconds; an earlier time than before changes nothing. What is due by
    /// then is done.
    pub fn handle_time(&mut self, now: i64) {
        self.router.clock().reach(Millis(now));
        self.router.sessions().ring_due();
        if self.looks_for_unread_at.is_some_and(|at| at.0 <= self.now()) {
            self.looks_for_unread_at = None;
            self.router.sessions().look_for_unread();
        }
    }

    /// When something is due next. Unix milliseconds.
    pub fn poll_timeout(&self) -> Option<i64> {
        let rings = self.router.sessions().next_ring();
        rings.into_iter().chain(self.looks_for_unread_at).map(|at| at.0).min()
    }

    /// Has parties that are away told on these channels from now on; once at most.
    pub fn handle_channels(&mut self, channels: BTreeSet<Channel>) {
        self.router.directory().tell_on(channels);
        let timeout = self.router.config().heartbeat_timeout.as_millis();
        let silent = i64::try_from(timeout).unwrap_or(i64::MAX).saturating_add(1);
        self.looks_for_unread_at = Some(Millis(self.now()).after(silent));
    }

    /// Takes the next notification that is due on one of these channels.
    pub fn poll_errand(&mut self, channels: &BTreeSet<Channel>) -> Option<Errand> {
        self.router.directory().take(channels).ok()
    }

    /// A notification was brought, or is given up.
    pub fn handle_told(&mut self, errand: &Errand) {
        self.router.directory().told(errand.number);
    }

    /// A notification was tried in vain, and is to be tried again after this time.
    pub fn handle_failed(&mut self, errand: &Errand, wait: Duration) {
        self.router.directory().failed(errand.number, wait);
    }
}

#[cfg(test)]
mod tests;
