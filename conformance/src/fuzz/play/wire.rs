//! Programs over gRPC: a connection for each party, and a task for each subscription.

use std::sync::Arc;
use std::time::Duration;

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Request as Asking, Response, Status};

use super::super::calls::{By, Reply, Request};
use super::super::history::{End, Moment};
use super::super::program::Event;
use super::board::{Board, broken_off, not_opened};
use super::{Hands, Stage};
use crate::connect::{Cut, Door};
use crate::identity::NoIdentity;
use crate::notices::Notice;

/// A way to the target.
#[derive(Clone, Debug)]
struct Client {
    stub: MessageRouterClient<Channel>,
    cut: Cut,
}

/// Clients of a target.
#[derive(Debug)]
pub(super) struct Wire<'a> {
    stage: &'a Stage,
    began: Instant,
    clients: Vec<Client>,
    coordinator: Client,
    /// Held by whoever stops the target, until it has started again.
    restarting: tokio::sync::Mutex<()>,
}

impl<'a> Wire<'a> {
    /// Clients with these names, one for each party.
    ///
    /// # Errors
    /// If a party has no certificate.
    pub(super) fn new(stage: &'a Stage, parties: &[String]) -> Result<Self, NoIdentity> {
        let client = |door: &Door| {
            let (channel, cut) = door.connect_cuttable();
            let stub = MessageRouterClient::new(channel)
                .max_decoding_message_size(stage.receive_limit)
                .max_encoding_message_size(usize::MAX);
            Client { stub, cut }
        };
        let doors =
            parties.iter().map(|name| stage.door.named(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            stage,
            began: Instant::now(),
            clients: doors.iter().map(client).collect(),
            coordinator: client(&stage.door),
            restarting: tokio::sync::Mutex::default(),
        })
    }

    fn stub(&self, by: By) -> MessageRouterClient<Channel> {
        match by {
            By::Party(party) => self.clients[usize::from(party)].stub.clone(),
            By::Coordinator => self.coordinator.stub.clone(),
        }
    }
}

/// The answer without its metadata, as one of all kinds.
fn kind<T>(of: fn(T) -> Reply) -> impl Fn(Response<T>) -> Reply {
    move |it| of(it.into_inner())
}

/// Makes a call. Whether a subscription is refused is waited for by so long.
async fn ask(
    mut stub: MessageRouterClient<Channel>,
    request: Request,
    refusal: Duration,
) -> Result<Reply, Status> {
    match request {
        Request::Register(it) => stub.register_party(it).await.map(kind(Reply::Register)),
        Request::Heartbeat(it) => stub.heartbeat(it).await.map(kind(Reply::Heartbeat)),
        Request::List(it) => stub.get_registered_parties(it).await.map(kind(Reply::List)),
        Request::Publish(it) => stub.publish_session_event(it).await.map(kind(Reply::Publish)),
        Request::Route(it, key) => {
            stub.route_message(with_key(it, key)).await.map(kind(Reply::Route))
        }
        Request::Poll(it) => stub.get_pending_messages(it).await.map(kind(Reply::Poll)),
        Request::Acknowledge(it) => {
            stub.acknowledge_message(it).await.map(kind(Reply::Acknowledge))
        }
        Request::Status(it) => stub.get_message_status(it).await.map(kind(Reply::Status)),
        Request::Subscribe(it) => {
            let opening = async { stub.subscribe_messages(it).await?.into_inner().message().await };
            is_open(tokio::time::timeout(refusal, opening).await)
        }
        Request::Listen(it) => {
            let opening =
                async { stub.subscribe_session_events(it).await?.into_inner().message().await };
            is_open(tokio::time::timeout(refusal, opening).await)
        }
    }
}

/// Whether a subscription was refused: it says so by its headers, or as the first that comes.
fn is_open<T>(
    came: Result<Result<T, Status>, tokio::time::error::Elapsed>,
) -> Result<Reply, Status> {
    match came {
        Ok(Err(status)) => Err(status),
        Ok(Ok(_)) | Err(_) => Ok(Reply::Open),
    }
}

/// The request to route, with its key if it has one.
pub(super) fn with_key(
    request: RouteMessageRequest,
    key: Option<String>,
) -> Asking<RouteMessageRequest> {
    let mut request = Asking::new(request);
    if let Some(key) = key.and_then(|it| it.parse().ok()) {
        request.metadata_mut().insert("idempotency-key", key);
    }
    request
}

impl Hands for Wire<'_> {
    fn now(&self) -> Moment {
        self.began.elapsed().as_nanos() as Moment
    }

    async fn call(
        &self,
        _: &Arc<Board>,
        by: By,
        request: Request,
    ) -> Option<Result<Reply, Status>> {
        let asking = ask(self.stub(by), request, self.stage.conditions.slack);
        tokio::time::timeout(self.stage.patience, asking).await.ok()
    }

    async fn subscribe(
        &self,
        board: &Arc<Board>,
        number: u32,
        party: u8,
        session: Option<u8>,
        request: SubscribeMessagesRequest,
    ) {
        let (board, began) = (Arc::clone(board), self.began);
        let now = move || began.elapsed().as_nanos() as Moment;
        let open = board.opens(now(), number, party, session);
        let mut stub = self.stub(By::Party(party));
        let (opened, is_open) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(async move {
            let ended = open.end.clone();
            let reading = async {
                let end = match stub.subscribe_messages(request).await {
                    Ok(stream) => {
                        board.is_open(now(), &open);
                        drop(opened);
                        let mut stream = stream.into_inner();
                        loop {
                            match stream.message().await {
                                Ok(Some(copy)) if board.came(now(), &open, &copy) => {}
                                Ok(Some(_)) => break End::Ours,
                                Ok(None) => break End::Theirs,
                                Err(status) => break broken_off(&status),
                            }
                        }
                    }
                    Err(status) => not_opened(&status),
                };
                board.closes(now(), number, end);
            };
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = reading => {}
            }
        });
        let _ = tokio::time::timeout(self.stage.opening, is_open).await;
    }

    async fn listen(
        &self,
        board: &Arc<Board>,
        number: u32,
        party: u8,
        only: &[Event],
        request: SubscribeSessionEventsRequest,
    ) {
        let (board, began) = (Arc::clone(board), self.began);
        let now = move || began.elapsed().as_nanos() as Moment;
        let open = board.listens(now(), number, party, only);
        let mut stub = self.stub(By::Party(party));
        let (opened, is_open) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(async move {
            let ended = open.end.clone();
            let reading = async {
                if let Ok(stream) = stub.subscribe_session_events(request).await {
                    board.hears(now(), &open);
                    drop(opened);
                    let mut stream = stream.into_inner();
                    while let Ok(Some(event)) = stream.message().await
                        && board.heard(now(), &open, &event)
                    {}
                }
                board.deafens(now(), number);
            };
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = reading => {}
            }
        });
        let _ = tokio::time::timeout(self.stage.opening, is_open).await;
    }

    async fn pass(&self, _: &Arc<Board>, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn wait(&self, board: &Arc<Board>, until: Moment, mut is_so: impl FnMut(&Board) -> bool) {
        let until = self.began + Duration::from_nanos(until);
        loop {
            let news = board.news.notified();
            if is_so(board) || tokio::time::timeout_at(until, news).await.is_err() {
                return;
            }
            // Where something has come, more comes.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn cut(&self, party: u8) {
        self.clients[usize::from(party)].cut.throw();
    }

    fn notices(&self, party: &str) -> Option<Vec<(Moment, Notice)>> {
        let all = self.stage.notices.as_ref()?.of(party).into_iter();
        // What is written down at the same time may have later moments, so that no two are the same.
        let soon = Duration::from_millis(1);
        let at =
            |it: &Notice| (it.at.saturating_duration_since(self.began) + soon).as_nanos() as Moment;
        Some(all.map(|it| (at(&it), it)).collect())
    }

    async fn restart(&self, board: &Arc<Board>, in_order: bool) {
        let Some(power) = &self.stage.power else { return };
        // Only what runs can be stopped.
        let _turn = self.restarting.lock().await;
        let from = self.now();
        board.breaks(from, |_| true);
        match in_order {
            true => drop(power.stop(self.stage.stop_limit).await),
            false => power.kill().await,
        }
        // What does not come back is found by every call from now on.
        let _ = power.start().await;
        let to = self.now();
        board.recorder().outage(from, to);
    }
}
