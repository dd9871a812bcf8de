//! Any gRPC service of the MessageRouter, in the shape in which it can be served.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use mpc_router_proto::v1::message_router_server::SERVICE_NAME;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, StdError};
use tonic::server::NamedService;
use tower::ServiceExt as _;

/// A gRPC service, whatever its bodies and errors are: layers around generated code change both.
#[derive(Clone)]
pub(super) struct Served<S>(pub(super) S);

impl<S> NamedService for Served<S> {
    const NAME: &'static str = SERVICE_NAME;
}

impl<S, B> Service<http::Request<Body>> for Served<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + 'static,
    S::Error: Into<StdError>,
    S::Future: Send,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Each call waits for a clone of the service to be ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.0.clone().oneshot(request);
        Box::pin(async move {
            Ok(match answer.await {
                Ok(response) => response.map(Body::new),
                Err(error) => Status::from_error(error.into()).into_http(),
            })
        })
    }
}
