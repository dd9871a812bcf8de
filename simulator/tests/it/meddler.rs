//! The reference router behind somebody who meddles with it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mpc_router::{Config, Router};
use mpc_router_proto::Encoded;
use mpc_router_proto::v1::message_router_server::{MessageRouter, MessageRouterServer};
use mpc_router_proto::v1::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

type Hand = dyn Fn(&str, MpcMessage) -> Vec<MpcMessage> + Send + Sync;
type Lose = dyn Fn(&str, u64) -> bool + Send + Sync;

/// What a meddler does. Each hook leaves things alone unless it is set.
#[derive(Clone)]
pub(crate) struct Hooks {
    /// What a party is handed instead of a message.
    pub(crate) handed: Arc<Hand>,
    /// Whether the answer to the call with this name and number is lost after the deed.
    pub(crate) loses_reply: Arc<Lose>,
    /// Whether the call with this number finds nobody there.
    pub(crate) absent: Arc<dyn Fn(u64) -> bool + Send + Sync>,
    /// Whether a message stream breaks before the item with this number, counted over all streams.
    pub(crate) breaks: Arc<dyn Fn(u64) -> bool + Send + Sync>,
    /// Hears of every event that is published.
    pub(crate) published: Arc<dyn Fn(&SessionEvent) + Send + Sync>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            handed: Arc::new(|_, message| vec![message]),
            loses_reply: Arc::new(|_, _| false),
            absent: Arc::new(|_| false),
            breaks: Arc::new(|_| false),
            published: Arc::new(|_| {}),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Meddler {
    inner: Router,
    hooks: Hooks,
    calls: Arc<AtomicU64>,
    items: Arc<AtomicU64>,
}

impl Meddler {
    /// A service that can be called without any network.
    pub(crate) fn service(hooks: Hooks) -> MessageRouterServer<Self> {
        let inner = Router::new(Config::default());
        MessageRouterServer::new(Self {
            inner,
            hooks,
            calls: Arc::default(),
            items: Arc::default(),
        })
    }

    /// Before a call: its number, unless nobody is there.
    fn begin(&self) -> Result<u64, Status> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        if (self.hooks.absent)(number) {
            Err(Status::unavailable("nobody is there"))
        } else {
            Ok(number)
        }
    }

    /// After a call: its answer, unless that is lost.
    fn end<T>(&self, name: &str, number: u64, answer: T) -> Result<T, Status> {
        if (self.hooks.loses_reply)(name, number) {
            Err(Status::unavailable("the answer was lost"))
        } else {
            Ok(answer)
        }
    }
}

type Items<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl MessageRouter for Meddler {
    async fn route_message(
        &self,
        request: Request<RouteMessageRequest>,
    ) -> Result<Response<RouteMessageResponse>, Status> {
        let number = self.begin()?;
        let answer = self.inner.route_message(request).await?;
        self.end("RouteMessage", number, answer)
    }

    type SubscribeMessagesStream = Items<Encoded<MpcMessage>>;

    async fn subscribe_messages(
        &self,
        request: Request<SubscribeMessagesRequest>,
    ) -> Result<Response<Self::SubscribeMessagesStream>, Status> {
        self.begin()?;
        let party = request.get_ref().party_id.clone();
        let mut inner = self.inner.subscribe_messages(request).await?.into_inner();
        let (out, items) = mpsc::channel(1);
        let this = self.clone();
        tokio::spawn(async move {
            while let Some(Ok(item)) = tokio::select! {
                item = inner.next() => item,
                () = out.closed() => None,
            } {
                let item = item.decode().expect("the router encodes what it sends");
                for message in (this.hooks.handed)(&party, item) {
                    if (this.hooks.breaks)(this.items.fetch_add(1, Ordering::Relaxed)) {
                        drop(out.send(Err(Status::unavailable("the stream broke"))).await);
                        return;
                    }
                    drop(out.send(Ok(Encoded::from(message))).await);
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(items))))
    }

    async fn get_pending_messages(
        &self,
        request: Request<GetPendingMessagesRequest>,
    ) -> Result<Response<Encoded<GetPendingMessagesResponse>>, Status> {
        let number = self.begin()?;
        let party = request.get_ref().party_id.clone();
        let answer = self.inner.get_pending_messages(request).await?.into_inner();
        let mut answer = answer.decode().expect("the router encodes what it sends");
        answer.messages = answer
            .messages
            .into_iter()
            .flat_map(|message| (self.hooks.handed)(&party, message))
            .collect();
        self.end("GetPendingMessages", number, Response::new(Encoded::from(answer)))
    }

    async fn acknowledge_message(
        &self,
        request: Request<AcknowledgeMessageRequest>,
    ) -> Result<Response<AcknowledgeMessageResponse>, Status> {
        let number = self.begin()?;
        let answer = self.inner.acknowledge_message(request).await?;
        self.end("AcknowledgeMessage", number, answer)
    }

    async fn get_message_status(
        &self,
        request: Request<GetMessageStatusRequest>,
    ) -> Result<Response<GetMessageStatusResponse>, Status> {
        self.inner.get_message_status(request).await
    }

    async fn register_party(
        &self,
        request: Request<RegisterPartyRequest>,
    ) -> Result<Response<RegisterPartyResponse>, Status> {
        let number = self.begin()?;
        let answer = self.inner.register_party(request).await?;
        self.end("RegisterParty", number, answer)
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let number = self.begin()?;
        let answer = self.inner.heartbeat(request).await?;
        self.end("Heartbeat", number, answer)
    }

    type SubscribeSessionEventsStream = Items<SessionEvent>;

    async fn subscribe_session_events(
        &self,
        request: Request<SubscribeSessionEventsRequest>,
    ) -> Result<Response<Self::SubscribeSessionEventsStream>, Status> {
        self.begin()?;
        let answer = self.inner.subscribe_session_events(request).await?;
        Ok(Response::new(Box::pin(answer.into_inner())))
    }

    async fn publish_session_event(
        &self,
        request: Request<PublishSessionEventRequest>,
    ) -> Result<Response<PublishSessionEventResponse>, Status> {
        let number = self.begin()?;
        if let Some(event) = &request.get_ref().event {
            (self.hooks.published)(event);
        }
        let answer = self.inner.publish_session_event(request).await?;
        self.end("PublishSessionEvent", number, answer)
    }

    async fn get_registered_parties(
        &self,
        request: Request<GetRegisteredPartiesRequest>,
    ) -> Result<Response<GetRegisteredPartiesResponse>, Status> {
        let number = self.begin()?;
        let answer = self.inner.get_registered_parties(request).await?;
        self.end("GetRegisteredParties", number, answer)
    }
}
