//! The ten RPCs: each is parsed, done, and answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mpc_router_proto::Encoded;
use mpc_router_proto::v1::message_router_server::MessageRouter;
use mpc_router_proto::v1::{self, GetPendingMessagesResponse as Pending};
use tonic::{Request, Response, Status};

use crate::clock::Clock;
use crate::commits::Lost;
use crate::config::Config;
use crate::directory::DirectoryCell;
use crate::events::{EventStream, EventStreams};
use crate::ids::Ids;
use crate::log::{Log, MemoryLog};
use crate::sessions::Sessions;
use crate::streams::MessageStream;
use crate::wire::{self, Rejected};

/// A MessageRouter. A clone is the same router.
#[derive(Debug, Clone)]
pub struct Router {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    clock: Arc<Clock>,
    ids: Ids,
    directory: Arc<DirectoryCell>,
    sessions: Arc<Sessions>,
    events: Arc<EventStreams>,
    stopping: Arc<AtomicBool>,
}

impl Router {
    /// A router that keeps everything in memory: what it accepts is safe as long as it runs.
    pub fn new(config: Config) -> Self {
        Self::with_log(config, Arc::new(MemoryLog))
    }

    /// A router that keeps its records in `log`.
    pub fn with_log(config: Config, log: Arc<dyn Log>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let clock = Arc::new(Clock::start());
        let events = Arc::new(EventStreams::new(Arc::clone(&stopping)));
        let directory = Arc::new(DirectoryCell::new(&config, Arc::clone(&log), Arc::clone(&clock)));
        let sessions = Sessions::new(
            &config,
            log,
            Arc::clone(&clock),
            Arc::clone(&events),
            Arc::clone(&stopping),
        );
        let (ids, sessions) = (Ids::new(), Arc::new(sessions));
        let shared = Shared { config, clock, ids, directory, sessions, events, stopping };
        Self { shared: Arc::new(shared) }
    }

    /// How it behaves.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Sets the router's clock right, never back, whenever the system's is ahead by more than half of
    /// `clock_tolerance`, as it is after the machine slept. Runs until it is dropped; without it the
    /// router's time only passes.
    pub async fn keep_time(&self) {
        self.shared.clock.keep_time(self.shared.config.clock_tolerance / 2).await;
    }

    /// Ends every stream and refuses every call from now on, with UNAVAILABLE (DUR-7). Calls that are
    /// under way go on.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.sessions.wake_all();
        self.shared.events.wake_all();
    }

    /// What a call works with, unless the router stops.
    fn serving(&self) -> Result<&Shared, Status> {
        if self.shared.stopping.load(Ordering::SeqCst) {
            return Err(wire::stopping());
        }
        Ok(&self.shared)
    }
}

/// What a unit gave back, or the status of either way in which it can fail.
fn settled<T, E: Rejected>(called: Result<Result<T, E>, Lost>) -> Result<T, Status> {
    called.map_err(Rejected::status)?.map_err(Rejected::status)
}

#[tonic::async_trait]
impl MessageRouter for Router {
    type SubscribeMessagesStream = MessageStream;
    type SubscribeSessionEventsStream = EventStream;

    async fn route_message(
        &self,
        request: Request<v1::RouteMessageRequest>,
    ) -> Result<Response<v1::RouteMessageResponse>, Status> {
        let shared = self.serving()?;
        let id = shared.ids.message();
        let (session, route, draft) = wire::route(request, id, shared.config.max_payload)?;
        let routed = shared.sessions.call(&session, |session, now| {
            session.handle_route(now, route, |header| draft.encode(header))
        });
        Ok(Response::new(wire::routed(settled(routed.await)?)))
    }

    async fn subscribe_messages(
        &self,
        request: Request<v1::SubscribeMessagesRequest>,
    ) -> Result<Response<MessageStream>, Status> {
        let shared = self.serving()?;
        let request = request.into_inner();
        let (session, party) = wire::reader(&request.session_id, &request.party_id)?;
        settled(shared.directory.alive(&party).await)?;
        let stream = MessageStream::open(Arc::clone(&shared.sessions), &session, party);
        Ok(Response::new(settled(stream.await)?))
    }

    async fn get_pending_messages(
        &self,
        request: Request<v1::GetPendingMessagesRequest>,
    ) -> Result<Response<Encoded<Pending>>, Status> {
        let shared = self.serving()?;
        let request = request.into_inner();
        let (session, party, after) = wire::fetch(&request)?;
        settled(shared.directory.alive(&party).await)?;
        let fetched = shared.sessions.call(&session, |session, now| {
            session.handle_fetch(now, &party, after, wire::answer_budget())
        });
        Ok(Response::new(wire::pending(&settled(fetched.await)?)))
    }

    async fn acknowledge_message(
        &self,
        request: Request<v1::AcknowledgeMessageRequest>,
    ) -> Result<Response<v1::AcknowledgeMessageResponse>, Status> {
        let shared = self.serving()?;
        let (session, acknowledge) = wire::acknowledge(request.get_ref())?;
        let acknowledged = shared
            .sessions
            .call(&session, |session, now| session.handle_acknowledge(now, acknowledge));
        Ok(Response::new(wire::acknowledged(settled(acknowledged.await)?)))
    }

    async fn get_message_status(
        &self,
        request: Request<v1::GetMessageStatusRequest>,
    ) -> Result<Response<v1::GetMessageStatusResponse>, Status> {
        let shared = self.serving()?;
        let (session, message) = wire::status_of(request.get_ref())?;
        let status = shared.sessions.call(&session, |session, _| session.status(message));
        let status = settled(status.await)?;
        Ok(Response::new(wire::status(request.into_inner(), status)))
    }

    async fn register_party(
        &self,
        request: Request<v1::RegisterPartyRequest>,
    ) -> Result<Response<v1::RegisterPartyResponse>, Status> {
        let shared = self.serving()?;
        let registration = wire::registration(request.into_inner())?;
        let registered =
            shared.directory.call(|directory, now| directory.handle_register(now, registration));
        let registered = settled(registered.await)?;
        Ok(Response::new(wire::registered(registered)))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let shared = self.serving()?;
        let party = wire::alive(request.get_ref())?;
        let at = settled(shared.directory.alive(&party).await)?;
        let outstanding = shared.sessions.outstanding(&party).await.map_err(Rejected::status)?;
        Ok(Response::new(wire::heartbeat(at, outstanding)))
    }

    async fn subscribe_session_events(
        &self,
        request: Request<v1::SubscribeSessionEventsRequest>,
    ) -> Result<Response<EventStream>, Status> {
        let shared = self.serving()?;
        let (party, kinds) = wire::listener(request.get_ref())?;
        settled(shared.directory.alive(&party).await)?;
        Ok(Response::new(EventStream::open(
            Arc::clone(&shared.events),
            shared.clock.now(),
            party,
            kinds,
        )))
    }

    async fn publish_session_event(
        &self,
        request: Request<v1::PublishSessionEventRequest>,
    ) -> Result<Response<v1::PublishSessionEventResponse>, Status> {
        let shared = self.serving()?;
        let now = shared.clock.now();
        let (session, announcement) =
            wire::announcement(request.into_inner(), now, || shared.ids.event())?;
        let event = announcement.event.clone();
        let announced = shared
            .sessions
            .call(&session, |session, now| session.handle_announce(now, announcement));
        settled(announced.await)?;
        let reached = shared.sessions.reached(&session, &event).map_err(Rejected::status)?;
        Ok(Response::new(wire::published(reached)))
    }

    async fn get_registered_parties(
        &self,
        request: Request<v1::GetRegisteredPartiesRequest>,
    ) -> Result<Response<v1::GetRegisteredPartiesResponse>, Status> {
        let shared = self.serving()?;
        let filter = wire::filter(request.get_ref())?;
        let listed = shared.directory.call(|directory, now| {
            directory.list(now, filter).map(wire::listed).collect::<Vec<_>>()
        });
        Ok(Response::new(wire::parties(listed.await.map_err(Rejected::status)?)))
    }
}
