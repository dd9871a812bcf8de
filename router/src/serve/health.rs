//! What the gRPC health service tells.

use std::convert::Infallible;

use mpc_router_proto::v1::message_router_server::MessageRouterServer;
use tokio::sync::watch;
use tonic::server::NamedService as _;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::Health as HealthRpcs;
use tonic_health::server::{HealthReporter, HealthService};

use crate::Router;
use crate::log::Health;

/// The services that are told of: everything, and the router's.
const SERVICES: [&str; 2] = ["", MessageRouterServer::<Router>::NAME];

/// Tells whoever asks, or watches, whether the router serves.
#[derive(Debug)]
pub(super) struct Told {
    reporter: HealthReporter,
    health: watch::Receiver<Health>,
}

impl Told {
    /// Tells what this health makes of it.
    pub(super) async fn new(mut health: watch::Receiver<Health>) -> Self {
        let status = status(&health.borrow_and_update());
        let told = Self { reporter: HealthReporter::new(), health };
        told.tell(status).await;
        told
    }

    pub(super) fn service(&self) -> impl HealthRpcs + use<> {
        HealthService::from_health_reporter(self.reporter.clone())
    }

    /// Tells of changes. Never ends.
    pub(super) async fn follow(&mut self) -> Infallible {
        let mut before = status(&self.health.borrow());
        while self.health.changed().await.is_ok() {
            let now = status(&self.health.borrow_and_update());
            if now != before {
                self.tell(now).await;
                before = now;
            }
        }
        std::future::pending().await
    }

    /// Says that nothing is served any more, and ends the streams of those who watch that: they
    /// would hold up the stop.
    pub(super) async fn end(mut self) {
        self.tell(ServingStatus::NotServing).await;
        for service in SERVICES {
            self.reporter.clear_service_status(service).await;
        }
    }

    async fn tell(&self, status: ServingStatus) {
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }
}

/// A log that is full is no reason to send callers elsewhere: what they acknowledge makes room, and
/// whoever brings something new is told why it is refused. A log that fails is one.
fn status(health: &Health) -> ServingStatus {
    match health {
        Health::Fine | Health::Full(_) => ServingStatus::Serving,
        Health::Failing(_) => ServingStatus::NotServing,
    }
}
