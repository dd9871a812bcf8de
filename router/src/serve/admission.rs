//! How many calls are under way, and how much of their requests is held: one call too many is refused
//! at once, and who sends half a request is not waited for for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::limits;

/// Counts the calls of a server.
#[derive(Debug, Clone, Default)]
pub(super) struct Admission {
    held: Arc<Held>,
}

/// What calls hold.
#[derive(Debug, Default)]
struct Held {
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

/// A call that is under way, and what it holds.
#[derive(Debug)]
pub(super) struct Call {
    held: Arc<Held>,
    bytes: AtomicUsize,
}

impl Call {
    /// Begins a call, unless there are too many.
    fn begin(held: &Arc<Held>) -> Option<Arc<Self>> {
        let others = held.calls.fetch_add(1, Ordering::Relaxed);
        let call = Self { held: Arc::clone(held), bytes: AtomicUsize::new(0) };
        (others < limits::CALLS).then(|| Arc::new(call))
    }

    /// Counts what has come of its request. Tells whether that can be held.
    fn receive(&self, bytes: usize) -> bool {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let others = self.held.bytes.fetch_add(bytes, Ordering::Relaxed);
        others.saturating_add(bytes) <= limits::REQUEST_BYTES
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.held.calls.fetch_sub(1, Ordering::Relaxed);
        self.held.bytes.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admitted<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Admitted { inner, held: Arc::clone(&self.held) }
    }
}

/// A service whose calls are counted.
#[derive(Debug, Clone)]
pub(super) struct Admitted<S> {
    inner: S,
    held: Arc<Held>,
}

impl<S> Service<Request<Body>> for Admitted<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(call) = Call::begin(&self.held) else { return Answer::Refused };
        let counted = Arc::clone(&call);
        let request = request.map(|body| Body::new(Counted { body, call: counted, late: None }));
        Answer::Awaited { answer: self.inner.call(request), _call: call }
    }
}

/// The answer to a call: counted until it begins, which for all but streams is until it is there.
#[derive(Debug)]
pub(super) enum Answer<F> {
    Refused,
    Awaited { answer: F, _call: Arc<Call> },
}

impl<F, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<Body>, E>> + Unpin,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Refused => Poll::Ready(Ok(too_many_calls().into_http())),
            Self::Awaited { answer, .. } => Pin::new(answer).poll(context),
        }
    }
}

/// A request's body, whose bytes are counted.
struct Counted {
    body: Body,
    call: Arc<Call>,
    /// Until when the rest has to be here; set once it has to be waited for.
    late: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, call, late } = self.get_mut();
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
            let late =
                late.get_or_insert_with(|| Box::pin(tokio::time::sleep(limits::REQUEST_TIMEOUT)));
            ready!(late.as_mut().poll(context));
            return Poll::Ready(Some(Err(half_a_request())));
        };
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let fits = call.receive(bytes);
        Poll::Ready(Some(if fits { Ok(frame) } else { Err(too_much()) }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn too_many_calls() -> Status {
    Status::resource_exhausted("too many calls are under way in this router: try again later")
}

fn too_much() -> Status {
    Status::resource_exhausted("too many requests are on their way to this router: try again later")
}

fn half_a_request() -> Status {
    Status::deadline_exceeded(format!(
        "the rest of the request did not come within {} s",
        limits::REQUEST_TIMEOUT.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let held = Arc::new(Held::default());
        let calls: Vec<_> = (0..limits::CALLS).map(|_| Call::begin(&held).unwrap()).collect();
        assert!(Call::begin(&held).is_none());
        assert!(calls[0].receive(limits::REQUEST_BYTES - 1));
        assert!(calls[1].receive(1));
        assert!(!calls[2].receive(1));
        drop(calls);
        assert_eq!(held.calls.load(Ordering::Relaxed), 0);
        assert_eq!(held.bytes.load(Ordering::Relaxed), 0);
    }
}
