//! Servers that go wrong in one known way.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use mpc_router_benches::{Bare, Ceiling, FanOut};
use mpc_router_proto::Encoded;
use mpc_router_proto::v1::message_router_server::MessageRouter;
use mpc_router_proto::v1::{self, MpcMessage};
use tonic::{Request, Response, Status};

/// What goes wrong, for one of the subscribers, with the message of this number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plant {
    Nothing,
    Lose(u64),
    Double(u64),
    /// It comes after the one that should come next.
    Swap(u64),
    /// The last byte of its payload is another one.
    Garble(u64),
    /// The stream ends before it.
    End(u64),
}

/// Fans out as another does, but for the plant in the stream of whoever subscribes first.
#[derive(Debug)]
pub(crate) struct Faulty<F> {
    fan_out: F,
    plant: Plant,
    planted: AtomicBool,
}

impl<F> Faulty<F> {
    pub(crate) fn new(fan_out: F, plant: Plant) -> Self {
        Self { fan_out, plant, planted: AtomicBool::new(false) }
    }
}

impl<F: FanOut<Messages: Unpin>> FanOut for Faulty<F> {
    type Messages = Planted<F::Messages>;

    async fn publish(&self, message: MpcMessage) {
        self.fan_out.publish(message).await;
    }

    async fn subscribe(&self) -> Self::Messages {
        let first = !self.planted.swap(true, Ordering::SeqCst);
        let plant = if first { self.plant } else { Plant::Nothing };
        let messages = self.fan_out.subscribe().await;
        Planted { messages, plant, ready: VecDeque::new(), held: None }
    }
}

/// A stream with a fault in it.
#[derive(Debug)]
pub(crate) struct Planted<S> {
    messages: S,
    plant: Plant,
    ready: VecDeque<Encoded<MpcMessage>>,
    held: Option<Encoded<MpcMessage>>,
}

impl<S> Stream for Planted<S>
where
    S: Stream<Item = Result<Encoded<MpcMessage>, Status>> + Unpin,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(message) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(message)));
            }
            let Some(message) = ready!(Pin::new(&mut this.messages).poll_next(context)) else {
                return Poll::Ready(None);
            };
            let message = message?;
            let number = number(&message);
            let is_it = |planted: u64| planted == number;
            match this.plant {
                Plant::Lose(planted) if is_it(planted) => {}
                Plant::Double(planted) if is_it(planted) => {
                    this.ready.extend([message.clone(), message]);
                }
                Plant::Swap(planted) if is_it(planted) => this.held = Some(message),
                Plant::Garble(planted) if is_it(planted) => this.ready.push_back(garbled(&message)),
                Plant::End(planted) if is_it(planted) => return Poll::Ready(None),
                _ => {
                    this.ready.push_back(message);
                    this.ready.extend(this.held.take());
                }
            }
        }
    }
}

/// A payload begins with its number.
fn number(message: &Encoded<MpcMessage>) -> u64 {
    let payload = message.decode().unwrap().payload;
    u64::from_le_bytes(*payload.first_chunk().unwrap())
}

fn garbled(message: &Encoded<MpcMessage>) -> Encoded<MpcMessage> {
    let mut message = message.decode().unwrap();
    let mut payload = message.payload.to_vec();
    *payload.last_mut().unwrap() ^= 1;
    message.payload = Bytes::from(payload);
    message.into()
}

/// Delivers as it should, and does not acknowledge as it should.
#[derive(Debug)]
pub(crate) struct Unacknowledging {
    inner: Bare<Ceiling>,
    accepts: bool,
    outstanding: i32,
}

impl Unacknowledging {
    /// Answers acknowledgements with `success = false`.
    pub(crate) fn refusing() -> Self {
        Self { inner: Bare::new(Ceiling::default()), accepts: false, outstanding: 0 }
    }

    /// Answers with `success = true`, and keeps everything outstanding.
    pub(crate) fn forgetting() -> Self {
        Self { inner: Bare::new(Ceiling::default()), accepts: true, outstanding: 1 }
    }
}

#[tonic::async_trait]
impl MessageRouter for Unacknowledging {
    type SubscribeMessagesStream = <Bare<Ceiling> as MessageRouter>::SubscribeMessagesStream;
    type SubscribeSessionEventsStream =
        <Bare<Ceiling> as MessageRouter>::SubscribeSessionEventsStream;

    async fn acknowledge_message(
        &self,
        _: Request<v1::AcknowledgeMessageRequest>,
    ) -> Result<Response<v1::AcknowledgeMessageResponse>, Status> {
        let (success, message) = (self.accepts, String::new());
        Ok(Response::new(v1::AcknowledgeMessageResponse { success, message }))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let mut response = self.inner.heartbeat(request).await?;
        response.get_mut().pending_messages = self.outstanding;
        Ok(response)
    }

    async fn route_message(
        &self,
        request: Request<v1::RouteMessageRequest>,
    ) -> Result<Response<v1::RouteMessageResponse>, Status> {
        self.inner.route_message(request).await
    }

    async fn subscribe_messages(
        &self,
        request: Request<v1::SubscribeMessagesRequest>,
    ) -> Result<Response<Self::SubscribeMessagesStream>, Status> {
        self.inner.subscribe_messages(request).await
    }

    async fn register_party(
        &self,
        request: Request<v1::RegisterPartyRequest>,
    ) -> Result<Response<v1::RegisterPartyResponse>, Status> {
        self.inner.register_party(request).await
    }

    async fn publish_session_event(
        &self,
        request: Request<v1::PublishSessionEventRequest>,
    ) -> Result<Response<v1::PublishSessionEventResponse>, Status> {
        self.inner.publish_session_event(request).await
    }

    async fn get_pending_messages(
        &self,
        request: Request<v1::GetPendingMessagesRequest>,
    ) -> Result<Response<Encoded<v1::GetPendingMessagesResponse>>, Status> {
        self.inner.get_pending_messages(request).await
    }

    async fn get_message_status(
        &self,
        request: Request<v1::GetMessageStatusRequest>,
    ) -> Result<Response<v1::GetMessageStatusResponse>, Status> {
        self.inner.get_message_status(request).await
    }

    async fn subscribe_session_events(
        &self,
        request: Request<v1::SubscribeSessionEventsRequest>,
    ) -> Result<Response<Self::SubscribeSessionEventsStream>, Status> {
        self.inner.subscribe_session_events(request).await
    }

    async fn get_registered_parties(
        &self,
        request: Request<v1::GetRegisteredPartiesRequest>,
    ) -> Result<Response<v1::GetRegisteredPartiesResponse>, Status> {
        self.inner.get_registered_parties(request).await
    }
}
