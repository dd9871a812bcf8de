//! Each call counted, timed and told of.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;
use tracing::field::Empty;

use crate::metrics::{Metrics, Rpc, UnderWay, code_name};
use crate::rpc::CALLS;

/// Counts the calls of a server, those that are refused before anybody looks at them included.
#[derive(Debug, Clone)]
pub(super) struct Calls(pub(super) Metrics);

impl<S> Layer<S> for Calls {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Counting { inner, metrics: self.0.clone() }
    }
}

/// A service whose calls are counted.
#[derive(Debug, Clone)]
pub(super) struct Counting<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, B> Service<Request<B>> for Counting<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Call<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let rpc = Rpc::of_path(request.uri().path());
        let span = rpc.map_or_else(Span::none, |rpc| span(rpc, request.headers()));
        let under_way = rpc.map(|rpc| self.metrics.called(rpc));
        let answer = span.in_scope(|| self.inner.call(request));
        Call { under_way, span, answer }
    }
}

/// What all that happens in a call is part of. Who calls and in which session is filled in once it is
/// read.
#[cfg(not(feature = "otel"))]
fn span(rpc: Rpc, _: &HeaderMap) -> Span {
    tracing::debug_span!(
        target: CALLS, "call", rpc = rpc.name(), session = Empty, party = Empty,
    )
}

/// The same as a part of the trace that the caller is in, if it says so.
#[cfg(feature = "otel")]
fn span(rpc: Rpc, headers: &HeaderMap) -> Span {
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    let span = tracing::debug_span!(
        target: CALLS, "call", rpc = rpc.name(), session = Empty, party = Empty,
        otel.name = rpc.name(), otel.kind = "server",
    );
    if !span.is_disabled() {
        let headers = traced::Headers(headers);
        let context = opentelemetry::global::get_text_map_propagator(|it| it.extract(&headers));
        // Without a collector there is nobody to tell.
        let _ = span.set_parent(context);
        span.set_attribute("rpc.system.name", "grpc");
    }
    span
}

#[cfg(not(feature = "otel"))]
fn ended(_: &Span, _: Code) {}

/// Has the trace tell how the call ended.
#[cfg(feature = "otel")]
fn ended(span: &Span, code: Code) {
    use opentelemetry::trace::Status;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    if !span.is_disabled() {
        span.set_attribute("rpc.response.status_code", code_name(code));
        // A caller's own mistakes are no errors of the server.
        if matches!(code, Code::Unknown | Code::Internal | Code::Unavailable | Code::DataLoss) {
            span.set_status(Status::error(code_name(code)));
        }
    }
}

#[cfg(feature = "otel")]
mod traced {
    use http::HeaderMap;
    use opentelemetry::propagation::Extractor;

    /// Where a caller says which trace it is in.
    pub(super) struct Headers<'a>(pub(super) &'a HeaderMap);

    impl Extractor for Headers<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key)?.to_str().ok()
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(http::HeaderName::as_str).collect()
        }
    }
}

/// A call under way.
#[derive(Debug)]
pub(super) struct Call<F> {
    /// None for what is no call of the contract, and once it is answered.
    under_way: Option<UnderWay>,
    span: Span,
    answer: F,
}

impl<F, E> Future for Call<F>
where
    F: Future<Output = Result<Response<Body>, E>> + Unpin,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let _entered = this.span.enter();
        let answer = ready!(Pin::new(&mut this.answer).poll(context))?;
        if let Some(mut under_way) = this.under_way.take() {
            // What fails has its status in the headers; else it comes behind, and is OK, or is of a
            // stream that ends.
            let refused = Status::from_header_map(answer.headers());
            let code = refused.as_ref().map_or(Code::Ok, Status::code);
            ended(&this.span, code);
            let microseconds = under_way.done(code).as_micros();
            let code = code_name(code);
            match refused {
                Some(refused) => {
                    let why = refused.message();
                    tracing::debug!(target: CALLS, code, why, microseconds, "refused");
                }
                None => tracing::trace!(target: CALLS, code, microseconds, "answered"),
            }
        }
        Poll::Ready(Ok(answer))
    }
}
