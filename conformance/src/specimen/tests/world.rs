//! A specimen behind an in-memory connection on a paused clock, and short words for its calls.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::{
    AcknowledgeMessageRequest, GetMessageStatusRequest, GetMessageStatusResponse,
    GetPendingMessagesRequest, GetRegisteredPartiesRequest, GetRegisteredPartiesResponse,
    HeartbeatRequest, HeartbeatResponse, MpcMessage, NotificationChannel,
    PublishSessionEventRequest, RegisterPartyRequest, RegisterPartyResponse, RouteMessageRequest,
    RouteMessageResponse, SessionEvent, SubscribeMessagesRequest, SubscribeSessionEventsRequest,
};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::connect::Door;
use crate::notices::Notices;
use crate::specimen::{Machine, Settings, Specimen, Twist};

pub(super) const MIB: usize = 1024 * 1024;

/// The Unix time at which every world begins, in milliseconds.
pub(super) const BEGIN: i64 = 1_800_000_000_957;

/// Long enough for all that a specimen does by itself short of a redelivery.
pub(super) const QUIET: Duration = Duration::from_millis(100);

pub(super) fn settings() -> Settings {
    Settings {
        heartbeat_timeout: Duration::from_millis(1500),
        ack_timeout: Duration::from_millis(400),
        max_retries: 3,
        message_ttl: Duration::from_secs(6),
        max_payload: 2 * MIB,
        seed: 7,
        secure: false,
    }
}

/// Why a call was rejected: a status code, or `None` for `success = false`.
pub(super) type Rejected = Option<Code>;

#[derive(Clone)]
pub(super) struct World {
    pub(super) client: MessageRouterClient<Channel>,
    pub(super) channel: Channel,
    pub(super) notices: Notices,
    way: Way,
}

/// How a world's specimen is reached.
#[derive(Clone)]
enum Way {
    Pipes(mpsc::UnboundedSender<DuplexStream>),
    Door(Door),
}

impl World {
    pub(super) async fn of(twist: impl Into<Twist>) -> Self {
        let begin = SystemTime::UNIX_EPOCH + Duration::from_millis(BEGIN.unsigned_abs());
        let notices = Notices::default();
        let specimen = Specimen::at(begin, settings(), twist).notifying(notices.clone());
        let service = specimen.into_service();
        let (connections, incoming) = mpsc::unbounded_channel::<DuplexStream>();
        let incoming = UnboundedReceiverStream::new(incoming).map(Ok::<_, std::io::Error>);
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        Self::by(Way::Pipes(connections), notices).await
    }

    /// A world of what a machine serves now.
    pub(super) async fn on(machine: &Machine) -> Self {
        Self::through(machine.door()).await
    }

    /// A world as whoever walks this door sees it.
    pub(super) async fn through(door: Door) -> Self {
        Self::by(Way::Door(door), Notices::default()).await
    }

    /// What the specimen says of an event that it refuses.
    pub(super) async fn error_of(&self, event: SessionEvent) -> Option<String> {
        let request = PublishSessionEventRequest { event: Some(event) };
        let answer = self.client.clone().publish_session_event(request).await;
        answer.err().map(|status| status.message().to_owned())
    }

    async fn by(way: Way, notices: Notices) -> Self {
        let channel = connect(&way).await;
        Self { client: MessageRouterClient::new(channel.clone()), channel, notices, way }
    }

    /// A world of `parties`, registered as persistent, and one session `s` with all of them.
    pub(super) async fn with(twist: impl Into<Twist>, parties: &[&str]) -> Self {
        let world = Self::of(twist).await;
        for party in parties {
            world.register(party, "persistent", None).await.expect("a new party registers");
        }
        world.announce("s", parties).await;
        world
    }

    pub(super) async fn announce(&self, session: &str, members: &[&str]) {
        self.announce_until(session, members, 0).await;
    }

    /// Announces a session that ends at a time, in Unix milliseconds.
    pub(super) async fn announce_until(&self, session: &str, members: &[&str], expires_at: i64) {
        self.publish(SessionEvent {
            event_type: "session_started".to_owned(),
            session_id: session.to_owned(),
            threshold_n: 1,
            threshold_t: 1,
            selected_parties: names(members),
            expires_at,
            ..SessionEvent::default()
        })
        .await
        .expect("a session is announced");
    }

    /// Ends a session by an event of this type.
    pub(super) async fn end(&self, session: &str, event_type: &str) {
        self.publish(SessionEvent {
            event_type: event_type.to_owned(),
            session_id: session.to_owned(),
            threshold_n: 1,
            threshold_t: 1,
            ..SessionEvent::default()
        })
        .await
        .expect("an announced session ends");
    }

    pub(super) async fn register(
        &self,
        party: &str,
        role: &str,
        notification: Option<NotificationChannel>,
    ) -> Result<RegisterPartyResponse, Rejected> {
        let request = RegisterPartyRequest {
            party_id: party.to_owned(),
            party_role: role.to_owned(),
            version: "1".to_owned(),
            notification,
        };
        accepted(self.client.clone().register_party(request).await, |answer| answer.success)
    }

    pub(super) async fn heartbeat(
        &self,
        party: &str,
        timestamp: i64,
    ) -> Result<HeartbeatResponse, Rejected> {
        let request = HeartbeatRequest { party_id: party.to_owned(), timestamp };
        accepted(self.client.clone().heartbeat(request).await, |answer| answer.success)
    }

    pub(super) async fn pending(&self, party: &str) -> i32 {
        self.heartbeat(party, 0).await.expect("the party is known").pending_messages
    }

    pub(super) async fn directory(
        &self,
        role: &str,
        only_online: bool,
    ) -> Result<GetRegisteredPartiesResponse, Rejected> {
        let request = GetRegisteredPartiesRequest { role_filter: role.to_owned(), only_online };
        let mut client = self.client.clone().max_decoding_message_size(usize::MAX);
        accepted(client.get_registered_parties(request).await, |_| true)
    }

    pub(super) async fn send(&self, request: RouteMessageRequest) -> Result<String, Rejected> {
        self.send_keyed(request, None).await
    }

    /// Routes a message under a key that makes it safe to try again.
    pub(super) async fn send_keyed(
        &self,
        request: RouteMessageRequest,
        key: Option<&str>,
    ) -> Result<String, Rejected> {
        let mut request = tonic::Request::new(request);
        if let Some(key) = key {
            request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
        }
        accepted(self.client.clone().route_message(request).await, |answer| answer.success)
            .map(|answer| answer.message_id)
    }

    /// Routes a message, of which the specimen gets nothing but the beginning for a while.
    pub(super) async fn send_late(
        &self,
        request: RouteMessageRequest,
        after: Duration,
    ) -> Result<String, Rejected> {
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            sender.send(request)
        });
        let mut client = tonic::client::Grpc::new(connect(&self.way).await);
        client.ready().await.expect("the specimen listens");
        let requests = tonic::Request::new(UnboundedReceiverStream::new(requests));
        let path = PathAndQuery::from_static("/mpc.router.v1.MessageRouter/RouteMessage");
        let answer = client.client_streaming(requests, path, ProstCodec::default()).await;
        accepted(answer, |answer: &RouteMessageResponse| answer.success)
            .map(|answer| answer.message_id)
    }

    /// Routes a message of type `type` and round 1.
    pub(super) async fn route(
        &self,
        session: &str,
        from: &str,
        to: &[&str],
        payload: impl Into<Bytes>,
    ) -> Result<String, Rejected> {
        self.send(message(session, from, to, payload)).await
    }

    pub(super) async fn open(
        &self,
        session: &str,
        party: &str,
    ) -> Result<Streaming<MpcMessage>, Rejected> {
        let request =
            SubscribeMessagesRequest { session_id: session.to_owned(), party_id: party.to_owned() };
        // A stream that is not read takes the window of its whole connection: each has its own.
        let mut client =
            MessageRouterClient::new(connect(&self.way).await).max_decoding_message_size(4 * MIB);
        accepted(client.subscribe_messages(request).await, |_| true)
    }

    pub(super) async fn poll(
        &self,
        session: &str,
        party: &str,
        after_timestamp: i64,
    ) -> Result<Vec<MpcMessage>, Rejected> {
        let request = GetPendingMessagesRequest {
            session_id: session.to_owned(),
            party_id: party.to_owned(),
            after_timestamp,
        };
        let pending = self.limitless().get_pending_messages(request).await;
        accepted(pending, |_| true).map(|answer| answer.messages)
    }

    pub(super) async fn ack(
        &self,
        session: &str,
        party: &str,
        message_id: &str,
        success: bool,
    ) -> Result<(), Rejected> {
        let request = AcknowledgeMessageRequest {
            message_id: message_id.to_owned(),
            party_id: party.to_owned(),
            session_id: session.to_owned(),
            success,
            error_message: String::new(),
        };
        accepted(self.client.clone().acknowledge_message(request).await, |answer| answer.success)
            .map(|_| ())
    }

    pub(super) async fn status(
        &self,
        session: &str,
        message_id: &str,
    ) -> Result<GetMessageStatusResponse, Rejected> {
        let request = GetMessageStatusRequest {
            message_id: message_id.to_owned(),
            session_id: session.to_owned(),
        };
        accepted(self.client.clone().get_message_status(request).await, |_| true)
    }

    pub(super) async fn publish(&self, event: SessionEvent) -> Result<i32, Rejected> {
        self.publish_this(Some(event)).await
    }

    pub(super) async fn publish_this(&self, event: Option<SessionEvent>) -> Result<i32, Rejected> {
        let request = PublishSessionEventRequest { event };
        accepted(self.client.clone().publish_session_event(request).await, |answer| answer.success)
            .map(|answer| answer.subscriber_count)
    }

    pub(super) async fn listen(
        &self,
        party: &str,
        event_types: &[&str],
    ) -> Result<Streaming<SessionEvent>, Rejected> {
        let request = SubscribeSessionEventsRequest {
            party_id: party.to_owned(),
            event_types: names(event_types),
        };
        accepted(self.client.clone().subscribe_session_events(request).await, |_| true)
    }

    /// Opens a stream in the background: the response headers are not waited for.
    pub(super) fn inbox(&self, session: &str, party: &str) -> Inbox<MpcMessage> {
        let (world, session, party) = (self.clone(), session.to_owned(), party.to_owned());
        Inbox::fill(async move { world.open(&session, &party).await })
    }

    /// The same for session events.
    pub(super) fn events(&self, party: &str, event_types: &[&str]) -> Inbox<SessionEvent> {
        let (world, party, event_types) = (self.clone(), party.to_owned(), names(event_types));
        Inbox::fill(async move {
            let event_types: Vec<&str> = event_types.iter().map(String::as_str).collect();
            world.listen(&party, &event_types).await
        })
    }

    /// A client that receives as much as the contract asks it to.
    pub(super) fn limitless(&self) -> MessageRouterClient<Channel> {
        self.client.clone().max_decoding_message_size(4 * MIB)
    }
}

async fn connect(way: &Way) -> Channel {
    let connections = match way {
        Way::Pipes(connections) => connections.clone(),
        Way::Door(door) => return door.connect(),
    };
    Endpoint::from_static("http://specimen.test")
        .connect_with_connector(tower::service_fn(move |_| {
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let sent = connections.send(theirs);
            async move { sent.map(|()| TokioIo::new(ours)).map_err(std::io::Error::other) }
        }))
        .await
        .expect("the specimen listens")
}

fn accepted<T>(
    result: Result<tonic::Response<T>, Status>,
    success: impl Fn(&T) -> bool,
) -> Result<T, Rejected> {
    match result.map(tonic::Response::into_inner) {
        Ok(answer) if success(&answer) => Ok(answer),
        Ok(_) => Err(None),
        Err(status) => Err(Some(status.code())),
    }
}

pub(super) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub(super) fn message(
    session: &str,
    from: &str,
    to: &[&str],
    payload: impl Into<Bytes>,
) -> RouteMessageRequest {
    RouteMessageRequest {
        session_id: session.to_owned(),
        from_party: from.to_owned(),
        to_parties: names(to),
        round_number: 1,
        message_type: "type".to_owned(),
        payload: payload.into(),
    }
}

/// A stream that is read in the background. Dropping it cancels the stream.
pub(super) struct Inbox<T> {
    items: mpsc::UnboundedReceiver<T>,
    reader: tokio::task::JoinHandle<()>,
    seen: BTreeSet<String>,
}

impl<T: Send + 'static> Inbox<T> {
    fn fill(
        opening: impl Future<Output = Result<Streaming<T>, Rejected>> + Send + 'static,
    ) -> Self {
        let (sender, items) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            let mut stream = opening.await.expect("the stream is accepted");
            while let Ok(Some(item)) = stream.message().await {
                if sender.send(item).is_err() {
                    return;
                }
            }
        });
        Self { items, reader, seen: BTreeSet::new() }
    }

    /// The next one, which must come soon.
    pub(super) async fn next(&mut self) -> T {
        timeout(QUIET, self.items.recv()).await.expect("it comes soon").expect("it is open")
    }

    /// What comes until nothing comes for a while.
    pub(super) async fn take(&mut self) -> Vec<T> {
        let mut taken = Vec::new();
        while let Ok(Some(item)) = timeout(QUIET, self.items.recv()).await {
            taken.push(item);
        }
        taken
    }

    /// What has come by now.
    pub(super) fn arrived(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.items.try_recv().ok()).collect()
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        !self.reader.is_finished()
    }
}

impl Inbox<MpcMessage> {
    /// The first copies among what comes.
    pub(super) async fn fresh(&mut self) -> Vec<MpcMessage> {
        let taken = self.take().await;
        taken.into_iter().filter(|message| self.seen.insert(message.message_id.clone())).collect()
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// How a stream stands after all that came until it was silent for `quiet`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    Open,
    Ended,
    Failed(Code),
}

/// What comes on a stream until it is silent for `quiet`.
pub(super) async fn drain_for<T>(stream: &mut Streaming<T>, quiet: Duration) -> (Vec<T>, Then) {
    let mut items = Vec::new();
    loop {
        match timeout(quiet, stream.message()).await {
            Err(_) => return (items, Then::Open),
            Ok(Ok(Some(item))) => items.push(item),
            Ok(Ok(None)) => return (items, Then::Ended),
            Ok(Err(status)) => return (items, Then::Failed(status.code())),
        }
    }
}

/// What comes on a stream at once.
pub(super) async fn drain<T>(stream: &mut Streaming<T>) -> Vec<T> {
    drain_for(stream, QUIET).await.0
}

/// The payloads, as text.
pub(super) fn texts(messages: &[MpcMessage]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
}
