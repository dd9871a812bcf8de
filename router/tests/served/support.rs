//! A served router, and parties that call it.

use std::time::Duration;

use mpc_router::serve::{Server, serve_connections};
use mpc_router::{Config, Router};
use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::message_router_server::MessageRouter as _;
use mpc_router_proto::v1::*;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

pub(crate) type Client = MessageRouterClient<Channel>;

/// Long enough for anything that must happen, on a machine however busy.
const LONG: Duration = Duration::from_secs(60);

/// A router in which anybody takes part in any session, and in which nothing is sent again while a
/// test lasts.
pub(crate) fn open_sessions() -> Config {
    let ack_timeout = Duration::from_hours(1);
    Config { membership: false, ack_timeout, ..Config::default() }
}

/// Waits for what must happen.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, what).await.expect("what must happen does not happen")
}

/// A router that is served: on a port, or over pipes.
pub(crate) struct Served {
    pub(crate) router: Router,
    way: Way,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

enum Way {
    Port(String),
    Pipes(Pipes),
}

/// Where a server takes its connections from.
pub(crate) type Pipes = mpsc::UnboundedSender<std::io::Result<DuplexStream>>;

/// Connects to a server that takes pipes.
pub(crate) async fn over_a_pipe(connect: &Pipes) -> Channel {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    connect.send(Ok(theirs)).unwrap();
    over(ours).await
}

/// A client's connection over this.
pub(crate) async fn over(pipe: DuplexStream) -> Channel {
    let mut pipe = Some(hyper_util::rt::TokioIo::new(pipe));
    let connector = tower::service_fn(move |_| {
        let pipe = pipe.take().ok_or_else(|| std::io::Error::other("there is one pipe"));
        async move { pipe }
    });
    let endpoint = Endpoint::from_static("http://router.invalid");
    within(endpoint.connect_with_connector(connector)).await.unwrap()
}

impl Served {
    /// Serves a router on a port of the system's choice.
    pub(crate) async fn on_port(config: Config) -> Self {
        let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let way = Way::Port(format!("http://{}", server.local_addr()));
        let (router, (stop, stopped)) = (Router::new(config), oneshot::channel());
        let serve = server.serve(router.clone(), async { stopped.await.unwrap_or_default() });
        Self { router, way, stop, serving: tokio::spawn(async { serve.await.unwrap() }) }
    }

    /// Serves a router over pipes in memory, which a paused clock can go along with.
    pub(crate) fn over_pipes(config: Config) -> Self {
        Self::piping(Router::new(config))
    }

    /// Serves this router over pipes.
    pub(crate) fn piping(router: Router) -> Self {
        let (connect, incoming) = mpsc::unbounded_channel();
        let incoming = UnboundedReceiverStream::new(incoming);
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { stopped.await.unwrap_or_default() };
        let serve = serve_connections(router.clone(), incoming, shutdown);
        let serving = tokio::spawn(async { serve.await.unwrap() });
        Self { router, way: Way::Pipes(connect), stop, serving }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Channel {
        match &self.way {
            Way::Port(address) => {
                let endpoint = Endpoint::from_shared(address.clone()).unwrap();
                within(endpoint.tcp_nodelay(true).connect()).await.unwrap()
            }
            Way::Pipes(connect) => over_a_pipe(connect).await,
        }
    }

    /// Gives the server a connection that is no client's.
    pub(crate) fn add(&self, connection: DuplexStream) {
        let Way::Pipes(connect) = &self.way else { panic!("a port takes no pipes") };
        connect.send(Ok(connection)).unwrap();
    }

    /// A party with a connection of its own, not registered.
    pub(crate) async fn stranger(&self, name: &str) -> Party {
        Party { name: name.into(), client: MessageRouterClient::new(self.connect().await) }
    }

    /// A registered party with a connection of its own.
    pub(crate) async fn party(&self, name: &str) -> Party {
        let mut party = self.stranger(name).await;
        party.register("persistent").await.unwrap();
        party
    }

    /// Registered parties.
    pub(crate) async fn parties<const N: usize>(&self, names: [&str; N]) -> [Party; N] {
        let mut parties = Vec::new();
        for name in names {
            parties.push(self.party(name).await);
        }
        parties.try_into().unwrap_or_else(|_| unreachable!("one party a name"))
    }

    /// Tells the server to stop, and gives back its end.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.serving
    }
}

/// A party, or whoever else calls the router.
#[derive(Clone)]
pub(crate) struct Party {
    pub(crate) name: String,
    pub(crate) client: Client,
}

impl Party {
    pub(crate) async fn register(&mut self, role: &str) -> Result<RegisterPartyResponse, Status> {
        let request = RegisterPartyRequest {
            party_id: self.name.clone(),
            party_role: role.into(),
            ..Default::default()
        };
        within(self.client.register_party(request)).await.map(|answer| answer.into_inner())
    }

    /// Registers with a notification channel that has these addresses.
    pub(crate) async fn reachable(&mut self, email: &str, phone: &str, push_token: &str) {
        let notification = NotificationChannel {
            email: email.into(),
            phone: phone.into(),
            push_token: push_token.into(),
        };
        let request = RegisterPartyRequest {
            party_id: self.name.clone(),
            party_role: "persistent".into(),
            notification: Some(notification),
            ..Default::default()
        };
        within(self.client.register_party(request)).await.unwrap();
    }

    pub(crate) async fn beat(&mut self) -> Result<HeartbeatResponse, Status> {
        let request = HeartbeatRequest { party_id: self.name.clone(), timestamp: -1 };
        within(self.client.heartbeat(request)).await.map(|answer| answer.into_inner())
    }

    /// Announces a session with these members. Returns how many parties heard of it.
    pub(crate) async fn announce(&mut self, session: &str, members: &[&str]) -> i32 {
        self.publish(event(session, "session_created", members)).await.unwrap()
    }

    pub(crate) async fn publish(&mut self, event: SessionEvent) -> Result<i32, Status> {
        let request = PublishSessionEventRequest { event: Some(event) };
        let published = within(self.client.publish_session_event(request)).await?.into_inner();
        assert!(published.success);
        Ok(published.subscriber_count)
    }

    /// Routes a message. Returns its name.
    pub(crate) async fn send(
        &mut self,
        session: &str,
        to: &[&str],
        payload: impl Into<bytes::Bytes>,
    ) -> Result<String, Status> {
        let request = RouteMessageRequest {
            session_id: session.into(),
            from_party: self.name.clone(),
            to_parties: to.iter().map(|&party| party.into()).collect(),
            round_number: 1,
            message_type: "commitment".into(),
            payload: payload.into(),
        };
        let routed = within(self.client.route_message(request)).await?.into_inner();
        assert!(routed.success);
        Ok(routed.message_id)
    }

    pub(crate) async fn open(&mut self, session: &str) -> Result<Streaming<MpcMessage>, Status> {
        let request =
            SubscribeMessagesRequest { session_id: session.into(), party_id: self.name.clone() };
        within(self.client.subscribe_messages(request)).await.map(|answer| answer.into_inner())
    }

    pub(crate) async fn hear(&mut self, kinds: &[&str]) -> Result<Streaming<SessionEvent>, Status> {
        let request = SubscribeSessionEventsRequest {
            party_id: self.name.clone(),
            event_types: kinds.iter().map(|&kind| kind.into()).collect(),
        };
        within(self.client.subscribe_session_events(request))
            .await
            .map(|answer| answer.into_inner())
    }

    pub(crate) async fn poll(
        &mut self,
        session: &str,
        after_timestamp: i64,
    ) -> Result<Vec<MpcMessage>, Status> {
        let request = GetPendingMessagesRequest {
            session_id: session.into(),
            party_id: self.name.clone(),
            after_timestamp,
        };
        let answer = within(self.client.get_pending_messages(request)).await?.into_inner();
        Ok(answer.messages)
    }

    pub(crate) async fn ack(&mut self, session: &str, message: &str) -> Result<(), Status> {
        self.answer(session, message, true).await
    }

    pub(crate) async fn answer(
        &mut self,
        session: &str,
        message: &str,
        success: bool,
    ) -> Result<(), Status> {
        let request = AcknowledgeMessageRequest {
            message_id: message.into(),
            party_id: self.name.clone(),
            session_id: session.into(),
            success,
            error_message: String::new(),
        };
        let answer = within(self.client.acknowledge_message(request)).await?.into_inner();
        assert!(answer.success);
        Ok(())
    }

    pub(crate) async fn status(
        &mut self,
        session: &str,
        message: &str,
    ) -> Result<GetMessageStatusResponse, Status> {
        let request =
            GetMessageStatusRequest { message_id: message.into(), session_id: session.into() };
        within(self.client.get_message_status(request)).await.map(|answer| answer.into_inner())
    }

    pub(crate) async fn list(
        &mut self,
        role: &str,
        only_online: bool,
    ) -> Result<Vec<RegisteredParty>, Status> {
        let request = GetRegisteredPartiesRequest { role_filter: role.into(), only_online };
        let answer = within(self.client.get_registered_parties(request)).await?.into_inner();
        assert_eq!(answer.total_count as usize, answer.parties.len(), "DIR-4");
        Ok(answer.parties)
    }
}

/// Registers a party without a connection in between.
pub(crate) async fn register(router: &Router, party: &str) {
    let request = RegisterPartyRequest {
        party_id: party.into(),
        party_role: "persistent".into(),
        ..Default::default()
    };
    router.register_party(Request::new(request)).await.unwrap();
}

/// Routes a message without a connection in between, where there are many to route.
pub(crate) async fn route(
    router: &Router,
    from: &str,
    to: &[&str],
    payload_bytes: usize,
) -> String {
    route_in(router, "s", from, to, payload_bytes).await
}

/// The same in another session.
pub(crate) async fn route_in(
    router: &Router,
    session: &str,
    from: &str,
    to: &[&str],
    payload_bytes: usize,
) -> String {
    let request = RouteMessageRequest {
        session_id: session.into(),
        from_party: from.into(),
        to_parties: to.iter().map(|&party| party.into()).collect(),
        payload: vec![0; payload_bytes].into(),
        ..Default::default()
    };
    router.route_message(Request::new(request)).await.unwrap().into_inner().message_id
}

/// An event.
pub(crate) fn event(session: &str, kind: &str, members: &[&str]) -> SessionEvent {
    SessionEvent {
        session_id: session.into(),
        event_type: kind.into(),
        selected_parties: members.iter().map(|&party| party.into()).collect(),
        ..Default::default()
    }
}

/// The next item of a stream that has one coming.
pub(crate) async fn next<T>(stream: &mut Streaming<T>) -> T {
    within(stream.next()).await.expect("the stream goes on").expect("the stream is well")
}

/// The status that a stream ends with.
pub(crate) async fn end<T: std::fmt::Debug>(stream: &mut Streaming<T>) -> Status {
    within(stream.next()).await.expect("it ends with a status").expect_err("it ends")
}

/// The next `count` messages, by name.
pub(crate) async fn names(stream: &mut Streaming<MpcMessage>, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(next(stream).await.message_id);
    }
    names
}
