//! Performs what machines want done, over gRPC and by the wall clock.

mod call;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::{
    MpcMessage, SessionEvent, SubscribeMessagesRequest, SubscribeSessionEventsRequest,
};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tonic::client::GrpcService;
use tonic::codegen::{Body, Bytes, StdError};
use tonic::{Request, Status};

use crate::action::{Action, Call, CallError, Millis, Notice, Reply, Stream, StreamId, Ticket};
use crate::party::Party;
use crate::record::Record;
pub(crate) use call::{error as call_error, perform};

/// A connection that calls can be made on: a tonic `Channel`, or a server's service itself.
pub trait Wire:
    GrpcService<
        tonic::body::Body,
        Error: Into<StdError>,
        Future: Send,
        ResponseBody: Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<T> Wire for T where
    T: GrpcService<
            tonic::body::Body,
            Error: Into<StdError>,
            Future: Send,
            ResponseBody: Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// Unix time that never goes back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began: Instant,
    unix: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), unix }
    }

    pub(crate) fn now(&self) -> Millis {
        (self.unix + self.began.elapsed()).as_millis() as Millis
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The instant so long after the beginning.
    pub(crate) fn at(&self, elapsed: Duration) -> Instant {
        self.began + elapsed
    }

    /// Sleeps until `at`, or for ever.
    pub(crate) async fn sleep_until(&self, at: Option<Millis>) {
        match at {
            // A timer may be early by less than a millisecond, and then nothing would be due.
            Some(at) => {
                let since = Duration::from_millis(at.saturating_add(1)).saturating_sub(self.unix);
                tokio::time::sleep_until(self.began + since).await;
            }
            None => std::future::pending().await,
        }
    }
}

/// What comes back to a machine.
pub(crate) enum Input {
    Reply(Ticket, Result<Reply, CallError>),
    Message(StreamId, MpcMessage),
    Event(StreamId, SessionEvent),
    End(StreamId, CallError),
}

/// How many inputs wait for a party before its streams are held back.
const INPUTS: usize = 256;

/// What a party is connected to besides the router.
pub(crate) struct Lines {
    /// To the coordinator.
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
    /// To whoever writes down what parties do.
    pub(crate) records: mpsc::UnboundedSender<Record>,
    /// Events brought to it.
    pub(crate) mailbox: mpsc::UnboundedReceiver<SessionEvent>,
    /// Says that the ceremony is over, and when to stop waiting for what is under way.
    pub(crate) over: watch::Receiver<Option<Instant>>,
}

/// Runs a party until the ceremony is over and nothing of the party is under way any more, and gives
/// it back.
pub(crate) async fn run_party<T: Wire>(
    mut party: Party,
    client: MessageRouterClient<T>,
    clock: Clock,
    mut lines: Lines,
) -> Party {
    let (mut hands, mut arrivals) = Hands::new(client);
    party.handle_start(clock.now());
    loop {
        while let Some(action) = party.poll_action(clock.now()) {
            match action {
                Action::Call(ticket, call) => hands.call(ticket, call),
                Action::Open(id, stream) => hands.open(id, stream),
                Action::Close(id) => hands.close(id),
                // The other side is gone only when the whole ceremony is.
                Action::Tell(notice) => drop(lines.notices.send(notice)),
                Action::Bring(..) => {}
            }
        }
        while let Some(record) = party.poll_record() {
            drop(lines.records.send(record));
        }
        let until = *lines.over.borrow_and_update();
        if let Some(until) = until
            && (party.is_idle() || until <= Instant::now())
        {
            return party;
        }
        let patience = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(input) = arrivals.recv() => {
                let now = clock.now();
                match input {
                    Input::Reply(ticket, result) => party.handle_reply(ticket, result, now),
                    Input::Message(id, message) => party.handle_message(id, message, now),
                    Input::Event(id, event) => party.handle_event(id, &event, now),
                    Input::End(id, why) => {
                        hands.forget(id);
                        party.handle_stream_end(id, &why, now);
                    }
                }
            }
            Some(event) = lines.mailbox.recv() => party.handle_brought(event, clock.now()),
            () = clock.sleep_until(party.poll_timeout()) => party.handle_timeout(clock.now()),
            changed = lines.over.changed() => {
                if changed.is_err() {
                    return party;
                }
            }
            () = patience => {}
        }
        hands.reap();
    }
}

/// Calls and streams under way; all are given up when it is dropped.
pub(crate) struct Hands<T> {
    client: MessageRouterClient<T>,
    inputs: mpsc::Sender<Input>,
    tasks: JoinSet<()>,
    streams: BTreeMap<StreamId, AbortHandle>,
}

impl<T: Wire> Hands<T> {
    pub(crate) fn new(client: MessageRouterClient<T>) -> (Self, mpsc::Receiver<Input>) {
        let (inputs, arrivals) = mpsc::channel(INPUTS);
        (Self { client, inputs, tasks: JoinSet::new(), streams: BTreeMap::new() }, arrivals)
    }

    pub(crate) fn call(&mut self, ticket: Ticket, call: Call) {
        let (client, inputs) = (self.client.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            let result = perform(client, call).await;
            drop(inputs.send(Input::Reply(ticket, result)).await);
        });
    }

    fn open(&mut self, id: StreamId, stream: Stream) {
        let (client, inputs) = (self.client.clone(), self.inputs.clone());
        let task = self.tasks.spawn(async move {
            let why = follow(client, id, stream, &inputs).await;
            drop(inputs.send(Input::End(id, why)).await);
        });
        self.streams.insert(id, task);
    }

    fn close(&mut self, id: StreamId) {
        if let Some(task) = self.streams.remove(&id) {
            task.abort();
        }
    }

    /// A stream ended by itself.
    fn forget(&mut self, id: StreamId) {
        self.streams.remove(&id);
    }

    /// Forgets what is done.
    pub(crate) fn reap(&mut self) {
        while let Some(result) = self.tasks.try_join_next() {
            if let Err(error) = result
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

/// A stream lives no longer than this; then another is opened. Whether the connection is alive is
/// for keep-alive to tell, since a stream may rightly be silent (SUB-8).
const STREAM_DEADLINE: Duration = Duration::from_secs(3600);

async fn follow<T: Wire>(
    mut client: MessageRouterClient<T>,
    id: StreamId,
    stream: Stream,
    inputs: &mpsc::Sender<Input>,
) -> CallError {
    let followed = async {
        match stream {
            Stream::Events { party } => {
                let request =
                    SubscribeSessionEventsRequest { party_id: party, event_types: Vec::new() };
                let mut request = Request::new(request);
                request.set_timeout(STREAM_DEADLINE);
                let mut items = client.subscribe_session_events(request).await?.into_inner();
                while let Some(event) = items.message().await? {
                    drop(inputs.send(Input::Event(id, event)).await);
                }
            }
            Stream::Messages { party, session } => {
                let request = SubscribeMessagesRequest { session_id: session, party_id: party };
                let mut request = Request::new(request);
                request.set_timeout(STREAM_DEADLINE);
                let mut items = client.subscribe_messages(request).await?.into_inner();
                while let Some(message) = items.message().await? {
                    drop(inputs.send(Input::Message(id, message)).await);
                }
            }
        }
        Ok::<(), Status>(())
    };
    match tokio::time::timeout(STREAM_DEADLINE, followed).await {
        Ok(Ok(())) => CallError::Unknown("the router ended it".into()),
        Ok(Err(status)) => call::error(&status),
        Err(_) => CallError::Unknown("it was open for an hour".into()),
    }
}

/// The innermost reason of an error, which is the one that helps.
pub(crate) fn root(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
