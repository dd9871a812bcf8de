//! Servers of the contract without its promises: what a message costs on the way through gRPC alone.

mod ceiling;
mod usual;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

pub use ceiling::Ceiling;
use futures_core::Stream;
use mpc_router_proto::Encoded;
use mpc_router_proto::v1::message_router_server::MessageRouter;
use mpc_router_proto::v1::{self, MpcMessage};
use tonic::{Request, Response, Status};
pub use usual::Usual;

/// How a bare server brings a message to all who subscribe.
pub trait FanOut: Send + Sync + 'static {
    /// What one subscriber gets.
    type Messages: Stream<Item = Result<Encoded<MpcMessage>, Status>> + Send + 'static;

    /// Brings a message to everybody who has subscribed, to all in the same order.
    fn publish(&self, message: MpcMessage) -> impl Future<Output = ()> + Send;

    /// Lets one more have what is published from now on.
    fn subscribe(&self) -> impl Future<Output = Self::Messages> + Send;
}

/// The ten RPCs around a [`FanOut`]. There is one session; whoever subscribes gets every message;
/// acknowledgements are answered and forgotten.
#[derive(Debug)]
pub struct Bare<F> {
    fan_out: Arc<F>,
    routed: AtomicU64,
}

impl<F: FanOut> Bare<F> {
    /// A server with nobody subscribed.
    pub fn new(fan_out: F) -> Self {
        Self { fan_out: Arc::new(fan_out), routed: AtomicU64::new(0) }
    }

    /// As long as a UUID, like the identifiers of the router.
    fn next_id(&self) -> String {
        format!("{:036}", self.routed.fetch_add(1, Ordering::Relaxed))
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

fn beyond_fan_out<T>() -> Result<T, Status> {
    Err(Status::unimplemented("a bare server fans messages out, and does no more"))
}

#[tonic::async_trait]
impl<F: FanOut> MessageRouter for Bare<F> {
    type SubscribeMessagesStream = F::Messages;
    type SubscribeSessionEventsStream =
        Pin<Box<dyn Stream<Item = Result<v1::SessionEvent, Status>> + Send>>;

    async fn route_message(
        &self,
        request: Request<v1::RouteMessageRequest>,
    ) -> Result<Response<v1::RouteMessageResponse>, Status> {
        let request = request.into_inner();
        let message_id = self.next_id();
        let message = MpcMessage {
            message_id: message_id.clone(),
            session_id: request.session_id,
            from_party: request.from_party,
            is_broadcast: true,
            round_number: request.round_number,
            message_type: request.message_type,
            payload: request.payload,
            created_at: now(),
        };
        self.fan_out.publish(message).await;
        Ok(Response::new(v1::RouteMessageResponse { success: true, message_id }))
    }

    async fn subscribe_messages(
        &self,
        _: Request<v1::SubscribeMessagesRequest>,
    ) -> Result<Response<F::Messages>, Status> {
        Ok(Response::new(self.fan_out.subscribe().await))
    }

    async fn acknowledge_message(
        &self,
        _: Request<v1::AcknowledgeMessageRequest>,
    ) -> Result<Response<v1::AcknowledgeMessageResponse>, Status> {
        let message = "acknowledged".into();
        Ok(Response::new(v1::AcknowledgeMessageResponse { success: true, message }))
    }

    async fn register_party(
        &self,
        _: Request<v1::RegisterPartyRequest>,
    ) -> Result<Response<v1::RegisterPartyResponse>, Status> {
        let message = "registered".into();
        let registered_at = now();
        Ok(Response::new(v1::RegisterPartyResponse { success: true, message, registered_at }))
    }

    async fn heartbeat(
        &self,
        _: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let server_timestamp = now();
        let pending_messages = 0;
        let success = true;
        Ok(Response::new(v1::HeartbeatResponse { success, server_timestamp, pending_messages }))
    }

    async fn publish_session_event(
        &self,
        _: Request<v1::PublishSessionEventRequest>,
    ) -> Result<Response<v1::PublishSessionEventResponse>, Status> {
        Ok(Response::new(v1::PublishSessionEventResponse { success: true, subscriber_count: 0 }))
    }

    async fn get_pending_messages(
        &self,
        _: Request<v1::GetPendingMessagesRequest>,
    ) -> Result<Response<Encoded<v1::GetPendingMessagesResponse>>, Status> {
        beyond_fan_out()
    }

    async fn get_message_status(
        &self,
        _: Request<v1::GetMessageStatusRequest>,
    ) -> Result<Response<v1::GetMessageStatusResponse>, Status> {
        beyond_fan_out()
    }

    async fn subscribe_session_events(
        &self,
        _: Request<v1::SubscribeSessionEventsRequest>,
    ) -> Result<Response<Self::SubscribeSessionEventsStream>, Status> {
        beyond_fan_out()
    }

    async fn get_registered_parties(
        &self,
        _: Request<v1::GetRegisteredPartiesRequest>,
    ) -> Result<Response<v1::GetRegisteredPartiesResponse>, Status> {
        beyond_fan_out()
    }
}
