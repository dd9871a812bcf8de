//! A router in Rust, judged in the tests of its own crate, without a port.
//!
//! `cargo test --example in_process` shows what that looks like, `cargo run --example in_process`
//! judges once. In a crate of your own, put what is below `YourRouter` into `tests/conformance.rs`,
//! with mpc-conformance among the `dev-dependencies`.

use std::time::Duration;

use mpc_conformance::in_process::InProcess;
use mpc_conformance::profile::{Profile, Timers};
use mpc_router::{Config, Router};
use mpc_router_proto::Encoded;
use mpc_router_proto::v1::message_router_server::MessageRouter;
use mpc_router_proto::v1::*;
use tonic::{Request, Response, Status};

/// Stands for your router. This one lets another do the work.
struct YourRouter(Router);

impl YourRouter {
    fn new(timers: &Timers) -> Self {
        let ms = Duration::from_millis;
        Self(Router::new(Config {
            heartbeat_timeout: ms(timers.heartbeat_timeout_ms),
            ack_timeout: ms(timers.ack_timeout_ms),
            ..Config::default()
        }))
    }
}

#[tonic::async_trait]
impl MessageRouter for YourRouter {
    type SubscribeMessagesStream = <Router as MessageRouter>::SubscribeMessagesStream;
    type SubscribeSessionEventsStream = <Router as MessageRouter>::SubscribeSessionEventsStream;

    async fn route_message(
        &self,
        call: Request<RouteMessageRequest>,
    ) -> Result<Response<RouteMessageResponse>, Status> {
        self.0.route_message(call).await
    }

    async fn subscribe_messages(
        &self,
        call: Request<SubscribeMessagesRequest>,
    ) -> Result<Response<Self::SubscribeMessagesStream>, Status> {
        self.0.subscribe_messages(call).await
    }

    async fn get_pending_messages(
        &self,
        call: Request<GetPendingMessagesRequest>,
    ) -> Result<Response<Encoded<GetPendingMessagesResponse>>, Status> {
        self.0.get_pending_messages(call).await
    }

    async fn acknowledge_message(
        &self,
        call: Request<AcknowledgeMessageRequest>,
    ) -> Result<Response<AcknowledgeMessageResponse>, Status> {
        self.0.acknowledge_message(call).await
    }

    async fn get_message_status(
        &self,
        call: Request<GetMessageStatusRequest>,
    ) -> Result<Response<GetMessageStatusResponse>, Status> {
        self.0.get_message_status(call).await
    }

    async fn register_party(
        &self,
        call: Request<RegisterPartyRequest>,
    ) -> Result<Response<RegisterPartyResponse>, Status> {
        self.0.register_party(call).await
    }

    async fn heartbeat(
        &self,
        call: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        self.0.heartbeat(call).await
    }

    async fn subscribe_session_events(
        &self,
        call: Request<SubscribeSessionEventsRequest>,
    ) -> Result<Response<Self::SubscribeSessionEventsStream>, Status> {
        self.0.subscribe_session_events(call).await
    }

    async fn publish_session_event(
        &self,
        call: Request<PublishSessionEventRequest>,
    ) -> Result<Response<PublishSessionEventResponse>, Status> {
        self.0.publish_session_event(call).await
    }

    async fn get_registered_parties(
        &self,
        call: Request<GetRegisteredPartiesRequest>,
    ) -> Result<Response<GetRegisteredPartiesResponse>, Status> {
        self.0.get_registered_parties(call).await
    }
}

/// Your router as it is to be judged: with short timers, of which the suite is told.
fn judged() -> InProcess {
    let timers = Timers { heartbeat_timeout_ms: 1_500, ack_timeout_ms: 400, ..Timers::default() };
    let profile = Profile { timers, ..Profile::default() };
    InProcess::new(YourRouter::new(&timers)).profile(profile)
}

mpc_conformance::one_test_per_requirement!(judged());

#[tokio::main(flavor = "current_thread")]
async fn main() {
    judged().run().await.assert_conformant();
    println!("conformant");
}
