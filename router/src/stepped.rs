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
/// let router = Stepped::start(Config::default(), Arc::new(MemoryLog::default()), 1_000, 1)?;
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
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use mpc_router_proto::v1::message_router_server::MessageRouter as _;
    use mpc_router_proto::v1::*;
    use tokio_stream::Stream as _;
    use tonic::{Request, Response, Status};

    use super::*;
    use crate::log::MemoryLog;

    fn router() -> Stepped {
        let config = Config { membership: false, ..Config::default() };
        Stepped::start(config, Arc::new(MemoryLog::default()), 1_000_000, 7).unwrap()
    }

    fn at_once<T>(
        mut call: Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + '_>>,
    ) -> T {
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer.unwrap().into_inner(),
            Poll::Pending => panic!("in memory all is safe at once"),
        }
    }

    fn registers(router: &Stepped, party: &str, push_token: &str) {
        let notification =
            NotificationChannel { push_token: push_token.into(), ..Default::default() };
        let request = RegisterPartyRequest {
            party_id: party.into(),
            party_role: "persistent".into(),
            notification: Some(notification),
            ..Default::default()
        };
        at_once(router.router().register_party(Request::new(request)));
    }

    fn sends(router: &Stepped) -> String {
        let request = RouteMessageRequest {
            session_id: "s".into(),
            from_party: "alice".into(),
            to_parties: vec!["bob".into()],
            ..Default::default()
        };
        at_once(router.router().route_message(Request::new(request))).message_id
    }

    #[test]
    fn time_passes_only_when_told_and_what_is_due_then_is_done() {
        let mut router = router();
        assert_eq!((router.now(), router.poll_timeout()), (1_000_000, None));
        registers(&router, "alice", "");
        registers(&router, "bob", "");
        let request = SubscribeMessagesRequest { session_id: "s".into(), party_id: "bob".into() };
        let mut stream = at_once(router.router().subscribe_messages(Request::new(request)));
        let mut comes = || {
            let polled = Pin::new(&mut stream).poll_next(&mut Context::from_waker(Waker::noop()));
            match polled {
                Poll::Ready(item) => Some(item.unwrap().unwrap().decode().unwrap().message_id),
                Poll::Pending => None,
            }
        };
        let sent = sends(&router);
        // Asked once more, the stream knows that what it gave has gone on its way.
        assert_eq!([comes(), comes(), comes()], [Some(sent.clone()), None, None]);
        let due = router.poll_timeout().unwrap();
        assert_eq!(due, 1_005_000, "RED-1");
        router.handle_time(due - 1);
        assert_eq!(comes(), None);
        router.handle_time(due);
        assert_eq!([comes(), comes()], [Some(sent), None]);
        router.handle_time(due - 1_000);
        assert_eq!(router.now(), due, "it never goes back");
    }

    #[test]
    fn who_is_away_is_to_be_told() {
        let mut router = router();
        let push = BTreeSet::from([Channel::PushToken]);
        router.handle_channels(push.clone());
        registers(&router, "alice", "");
        registers(&router, "bob", "token");
        sends(&router);
        assert_eq!(router.poll_errand(&push), None, "OFF-3: bob is online");
        router.handle_time(1_030_001);
        sends(&router);
        let errand = router.poll_errand(&push).unwrap();
        assert_eq!((errand.party.as_str(), errand.address.as_str()), ("bob", "token"));
        router.handle_failed(&errand, Duration::from_secs(10));
        assert_eq!(router.poll_errand(&push), None);
        router.handle_time(1_040_001);
        let errand = router.poll_errand(&push).unwrap();
        router.handle_told(&errand);
        router.handle_time(2_000_000);
        assert_eq!(router.poll_errand(&push), None, "OFF-2");
    }

    #[test]
    fn two_runs_of_one_number_give_the_same_identifiers() {
        let sent = || {
            let router = router();
            registers(&router, "alice", "");
            registers(&router, "bob", "");
            sends(&router)
        };
        assert_eq!(sent(), sent());
    }
}
