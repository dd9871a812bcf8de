//! The reference router as a target: in this process, over real gRPC on the loopback interface.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mpc_router::log::MemoryLog;
use mpc_router::notify::{Gateways, HttpGateway};
use mpc_router::serve::Server;
use mpc_router::stepped::Stepped;
use mpc_router::{Config, Router};
use mpc_router_proto::v1::message_router_server::MessageRouterServer;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Uri;

use super::TargetError;
use crate::connect::Door;
use crate::fuzz::play::{ByHand, Stepping};
use crate::fuzz::rehearsal::{Opening, Rehearsed};
use crate::profile::Timers;

/// What reports call it.
pub(super) fn name() -> String {
    format!("mpc-router {} (built in)", env!("CARGO_PKG_VERSION"))
}

#[derive(Debug)]
pub(super) struct BuiltIn {
    address: Uri,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

fn config(timers: &Timers) -> Config {
    let ms = Duration::from_millis;
    Config {
        heartbeat_timeout: ms(timers.heartbeat_timeout_ms),
        ack_timeout: ms(timers.ack_timeout_ms),
        max_retries: timers.max_retries,
        message_ttl: ms(timers.message_ttl_ms),
        membership: true,
        max_payload: usize::try_from(timers.max_payload_bytes).unwrap_or(usize::MAX),
        clock_tolerance: ms(timers.clock_tolerance_ms),
        stop_timeout: ms(timers.stop_timeout_ms),
        ..Config::default()
    }
}

/// Reference routers that keep everything in memory, each served in this process.
#[derive(Clone, Copy, Debug)]
pub struct InMemory {
    timers: Timers,
}

impl InMemory {
    /// With these timers.
    pub fn new(timers: Timers) -> Self {
        Self { timers }
    }
}

impl Rehearsed for InMemory {
    fn opens(&self, _now: SystemTime) -> Opening {
        let router = MessageRouterServer::new(Router::new(config(&self.timers)));
        let limit = self.timers.receive_limit();
        let door = Door::memory(router.max_decoding_message_size(limit));
        Opening { door, power: None, notices: None }
    }

    fn is_on_time(&self) -> bool {
        false
    }
}

impl ByHand for InMemory {
    type Router = Stepped;

    fn opens(&self, now: i64) -> Stepped {
        let log = Arc::new(MemoryLog::default());
        Stepped::start(config(&self.timers), log, now, 1).expect("what is in memory can be read")
    }
}

impl Stepping for Stepped {
    type Router = Router;

    fn router(&self) -> &Router {
        self.router()
    }

    fn handle_time(&mut self, now: i64) {
        self.handle_time(now);
    }

    fn poll_timeout(&self) -> Option<i64> {
        self.poll_timeout()
    }
}

impl BuiltIn {
    /// It sends its notifications to `notify`, a URL, or has none.
    pub(super) async fn start(timers: &Timers, notify: Option<&str>) -> Result<Self, TargetError> {
        let failed = |error: &dyn std::fmt::Display| TargetError::BuiltIn(error.to_string());
        let config = config(timers);
        let gateway = notify.map(HttpGateway::new).transpose().map_err(|error| failed(&error))?;
        let server = Server::bind("127.0.0.1:0".parse().expect("an address"))
            .await
            .map_err(|error| failed(&error))?;
        let address = format!("http://{}", server.local_addr()).parse().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new(config);
        let notifying =
            gateway.map(|it| tokio::spawn(router.notify(Gateways::new(vec![Arc::new(it)]))));
        let serving = tokio::spawn(async move {
            // Dropping the sender stops it as well.
            let stopped = async { drop(stopped.await) };
            drop(server.serve(router, stopped).await);
            if let Some(notifying) = notifying {
                // What nobody takes any more it would go on sending.
                notifying.abort();
            }
        });
        Ok(Self { address, stop, serving })
    }

    pub(super) fn address(&self) -> Uri {
        self.address.clone()
    }

    pub(super) async fn stop(self) {
        drop(self.stop);
        drop(self.serving.await);
    }
}
