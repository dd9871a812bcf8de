//! The specimen as a gRPC service, and the twists that are decided on the wire: what no
//! implementation of the generated trait gets to see.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderValue, Request, Response};
use http_body::{Body as _, Frame};
use mpc_router_proto::v1::message_router_server::MessageRouterServer;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::gate::Gate;
use super::{Fault, Specimen, Variant};

/// A gRPC frame's head: one byte that tells whether it is compressed, and four of length.
pub(super) const HEAD: usize = 5;

/// A field of a later version: number 2000, with the bytes "later".
const LATER_FIELD: &[u8] = &[0x82, 0x7d, 5, b'l', b'a', b't', b'e', b'r'];

/// The specimen as a gRPC service. Without a twist that is decided on the wire every call goes
/// straight through.
#[derive(Clone, Debug)]
pub struct SpecimenService {
    inner: MessageRouterServer<Specimen>,
    specimen: Specimen,
    gate: Gate,
}

impl SpecimenService {
    pub(super) fn new(specimen: Specimen) -> Self {
        // RTE-9: the router's own limit decides, not the transport's.
        let limit = (4 * 1024 * 1024).max(specimen.max_payload + 64 * 1024);
        let inner = MessageRouterServer::new(specimen.clone()).max_decoding_message_size(limit);
        let gate = Gate::new(specimen.twist.clone());
        Self { inner, specimen, gate }
    }
}

impl NamedService for SpecimenService {
    const NAME: &'static str = <MessageRouterServer<Specimen> as NamedService>::NAME;
}

impl Service<Request<Body>> for SpecimenService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let mut inner = self.inner.clone();
        let (twist, gate) = (self.specimen.twist.clone(), self.gate.clone());
        let under_way = UnderWay::new(&self.specimen.under_way);
        Box::pin(async move {
            let _under_way = under_way;
            request = match gate.enters(request).await {
                Ok(request) => request,
                Err(status) => return Ok(status.into_http()),
            };
            // RTE-15: unknown fields are as good as absent.
            if twist.has(Fault::UnknownFieldsRefused) || twist.has(Fault::UnknownFieldEndsParsing) {
                let (parts, body) = request.into_parts();
                let body = match collect(body).await {
                    Ok(body) => body,
                    Err(status) => return Ok(status.into_http()),
                };
                let known = known_part(parts.uri.path(), &body);
                if known < body.len() && twist.has(Fault::UnknownFieldsRefused) {
                    return Ok(Status::invalid_argument("a field is unknown").into_http());
                }
                let body = if known < body.len() { framed(&body[HEAD..known]) } else { body };
                request = Request::from_parts(parts, Body::new(Whole(Some(body))));
            }
            let mut response = if twist.has(Fault::HeadersMeetTheDeadline) {
                headers_first(inner, request)
            } else {
                inner.call(request).await?
            };
            gate.leaves();
            if twist.is(Variant::ExtraMetadata) {
                response.headers_mut().insert("x-served-by", HeaderValue::from_static("node-7"));
            }
            if twist.is(Variant::UnknownFieldsInAnswers) {
                response =
                    response.map(|body| Body::new(LaterVersion { body, frames: BytesMut::new() }));
            }
            Ok(response)
        })
    }
}

/// An answer whose headers leave before the call is looked at: FLW-5. Only a fault does that.
fn headers_first(
    mut inner: MessageRouterServer<Specimen>,
    request: Request<Body>,
) -> Response<Body> {
    let answer = Box::pin(async move { inner.call(request).await });
    let mut response = Response::new(Body::new(Late::Coming(answer)));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
    response
}

/// The body of an answer that has not come yet.
enum Late {
    Coming(Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>),
    Come(Body),
    /// It has no body, and its headers are to be trailers.
    Over,
}

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            match &mut *self {
                Self::Coming(answer) => {
                    let (parts, body) = match ready!(answer.as_mut().poll(cx)) {
                        Ok(response) => response.into_parts(),
                        Err(never) => match never {},
                    };
                    if parts.headers.contains_key("grpc-status") {
                        *self = Self::Over;
                        return Poll::Ready(Some(Ok(Frame::trailers(parts.headers))));
                    }
                    *self = Self::Come(body);
                }
                Self::Come(body) => return Pin::new(body).poll_frame(cx),
                Self::Over => return Poll::Ready(None),
            }
        }
    }
}

/// A call that has not been answered.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The whole of a request's body.
pub(super) async fn collect(mut body: Body) -> Result<Bytes, Status> {
    let mut whole = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

/// How much of a request's frame stands before its first unknown field.
fn known_part(path: &str, frame: &[u8]) -> usize {
    let highest = match path.rsplit('/').next() {
        Some("RouteMessage") => 6,
        Some("AcknowledgeMessage") => 5,
        Some("RegisterParty") => 4,
        Some("GetPendingMessages") => 3,
        Some("PublishSessionEvent") => 1,
        _ => 2,
    };
    let mut rest = frame.get(HEAD..).unwrap_or_default();
    while !rest.is_empty() {
        let before = frame.len() - rest.len();
        let Ok((tag, wire_type)) = decode_key(&mut rest) else { break };
        if tag > highest {
            return before;
        }
        if skip_field(wire_type, tag, &mut rest, DecodeContext::default()).is_err() {
            break;
        }
    }
    frame.len()
}

/// A message as an uncompressed gRPC frame.
fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a part of a frame fits into a frame"));
    frame.put_slice(message);
    frame.freeze()
}

/// A body of one chunk.
pub(super) struct Whole(pub(super) Option<Bytes>);

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// An answer's body as a later version of the contract would send it.
struct LaterVersion {
    body: Body,
    /// What has come and is no whole frame yet.
    frames: BytesMut,
}

impl LaterVersion {
    /// Takes whole frames, and appends the later field to each.
    fn take_frames(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        while self.frames.len() >= HEAD {
            let length = u32::from_be_bytes([
                self.frames[1],
                self.frames[2],
                self.frames[3],
                self.frames[4],
            ]) as usize;
            if self.frames.len() < HEAD + length {
                break;
            }
            let mut frame = self.frames.split_to(HEAD + length);
            frame.advance(HEAD);
            frame.extend_from_slice(LATER_FIELD);
            out.extend_from_slice(&framed(&frame));
        }
        out.freeze()
    }
}

impl http_body::Body for LaterVersion {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                return Poll::Pending;
            };
            let data = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            };
            self.frames.extend_from_slice(&data);
            let whole = self.take_frames();
            if !whole.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(whole))));
            }
        }
    }
}
