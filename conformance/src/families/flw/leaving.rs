//! When a request has left for the target, as far as this side can know it.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use mpc_router_proto::v1::{RouteMessageRequest, RouteMessageResponse};
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::Status;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use crate::answer::Answer;
use crate::party::Party;

/// RouteMessage, and when all of it had left. A client lets calls wait for streams that the target
/// allows, and for room on the connection: that is no time of the target's. None if it was answered
/// before.
pub(super) async fn route(
    party: &Party,
    request: RouteMessageRequest,
) -> (Answer<RouteMessageResponse>, Option<Instant>) {
    let call = format!("RouteMessage({}, {} bytes)", request.session_id, request.payload.len());
    let left = Arc::new(OnceLock::new());
    let requests = Leaving { request: Some(request), left: left.clone() };
    let mut client = tonic::client::Grpc::new(party.channel());
    let answer = party.call(call, async move {
        client.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::from_static("/mpc.router.v1.MessageRouter/RouteMessage");
        client.client_streaming(tonic::Request::new(requests), path, ProstCodec::default()).await
    });
    let answer = answer.await;
    (answer, left.get().copied())
}

/// The one message of a request. The connection asks for the end when it has taken the rest.
struct Leaving {
    request: Option<RouteMessageRequest>,
    left: Arc<OnceLock<Instant>>,
}

impl Stream for Leaving {
    type Item = RouteMessageRequest;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let request = self.request.take();
        if request.is_none() {
            self.left.get_or_init(Instant::now);
        }
        Poll::Ready(request)
    }
}
