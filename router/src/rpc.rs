//! The ten RPCs: each is parsed, done, and answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mpc_router_proto::Encoded;
use mpc_router_proto::v1::message_router_server::MessageRouter;
use mpc_router_proto::v1::{self, GetPendingMessagesResponse as Pending};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::clock::{Clock, Telling};
use crate::commits::Lost;
use crate::config::Config;
use crate::directory::DirectoryCell;
use crate::events::{EventStream, EventStreams};
use crate::identity::Caller;
use crate::ids::Ids;
use crate::limits;
use crate::log::{Health, Log, MemoryLog, Unreadable};
use crate::metrics::{Metrics, Seen};
use crate::notify::{Gateways, Notifier};
use crate::sessions::Sessions;
use crate::streams::MessageStream;
use crate::wire::{self, Named, Rejected};

/// A MessageRouter. A clone is the same router.
///
/// It does what a call says, in whoever's name, unless the call carries a [`Caller`] that says who
/// makes it; [`Config::identified_callers`] is for routers that take no others.
#[derive(Debug, Clone)]
pub struct Router {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    clock: Arc<Clock>,
    telling: Telling,
    ids: Ids,
    directory: Arc<DirectoryCell>,
    sessions: Arc<Sessions>,
    events: Arc<EventStreams>,
    health: watch::Receiver<Health>,
    metrics: Metrics,
    stopping: Arc<AtomicBool>,
}

impl Router {
    /// A router that keeps everything in memory: what it accepts is safe as long as it runs.
    pub fn new(config: Config) -> Self {
        let router = Self::with_log(config, Arc::new(MemoryLog::default()));
        router.expect("what is in memory can be read")
    }

    /// A router that keeps its records in `log`, and goes on where that ends.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn with_log(config: Config, log: Arc<dyn Log>) -> Result<Self, Unreadable> {
        let clock = Clock::start(log.latest());
        Self::start(config, log, clock, Ids::new())
    }

    /// A router on this clock, with these identifiers.
    pub(crate) fn start(
        config: Config,
        log: Arc<dyn Log>,
        clock: Clock,
        ids: Ids,
    ) -> Result<Self, Unreadable> {
        let stopping = Arc::new(AtomicBool::new(false));
        let clock = Arc::new(clock);
        let metrics = Metrics::new(log.commits().unwrap_or_default());
        let events = Arc::new(EventStreams::new(Arc::clone(&stopping), metrics.clone()));
        let directory = DirectoryCell::open(&config, Arc::clone(&log), Arc::clone(&clock))?;
        let directory = Arc::new(directory);
        let (health, telling) = (log.health(), Telling::new(Arc::clone(&log)));
        let sessions = Sessions::new(
            &config,
            log,
            Arc::clone(&clock),
            Arc::clone(&events),
            Arc::clone(&directory),
            Arc::clone(&stopping),
            metrics.clone(),
        );
        sessions.load()?;
        // OFF-3: nobody could be heard of while the sessions were read.
        directory.start();
        let sessions = Arc::new(sessions);
        let shared = Shared {
            config,
            clock,
            telling,
            ids,
            directory,
            sessions,
            events,
            health,
            metrics,
            stopping,
        };
        Ok(Self { shared: Arc::new(shared) })
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

    /// Has parties that are away told that something waits for them (OFF-2), from this call on and as
    /// long as what it gives back runs. That ends when the router has stopped and nothing is on its way
    /// any more. A router has this done once at most.
    pub fn notify(&self, gateways: Gateways) -> impl Future<Output = ()> + Send + use<> {
        let Shared { config, clock, directory, sessions, stopping, .. } = &*self.shared;
        let notifier = Notifier {
            gateways,
            directory: Arc::clone(directory),
            sessions: Arc::clone(sessions),
            clock: Arc::clone(clock),
            stopping: Arc::clone(stopping),
            heartbeat_timeout: config.heartbeat_timeout,
            message_ttl: config.message_ttl,
        };
        notifier.run()
    }

    /// Ends every stream and refuses every call from now on, with UNAVAILABLE (DUR-7). Calls that are
    /// under way go on.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.sessions.wake_all();
        self.shared.events.wake_all();
        self.shared.directory.wake();
    }

    /// Whether what it accepts can be kept. It tells of changes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.clone()
    }

    /// Whether it takes no calls any more.
    pub fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::SeqCst)
    }

    /// Its time.
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Its parties.
    pub(crate) fn directory(&self) -> &Arc<DirectoryCell> {
        &self.shared.directory
    }

    /// Its sessions.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.shared.sessions
    }

    /// Its counters.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Its metrics, in the OpenMetrics text format. It looks at every session and party for them,
    /// each for a moment.
    pub fn metrics_text(&self) -> String {
        let (sessions, outstanding) = self.shared.sessions.size();
        let parties = self.shared.directory.presence();
        let health = self.shared.health.borrow().clone();
        let outstanding_bytes = self.shared.sessions.outstanding_bytes();
        let seen = Seen { outstanding, outstanding_bytes, sessions, parties, health };
        self.shared.metrics.text(&seen)
    }

    /// As [`serving`](Self::serving), for a call that gives the router something to keep.
    fn accepting<T: Named>(&self, request: &Request<T>) -> Result<(&Shared, Caller), Status> {
        let (shared, caller) = self.serving(request)?;
        match &*shared.health.borrow() {
            Health::Fine => Ok((shared, caller)),
            Health::Full(why) => Err(wire::full(why)),
            Health::Failing(why) => Err(wire::failing(why)),
        }
    }

    /// As [`serving`](Self::serving), for a call that ends something that is kept.
    fn concluding<T: Named>(&self, request: &Request<T>) -> Result<(&Shared, Caller), Status> {
        let (shared, caller) = self.serving(request)?;
        match &*shared.health.borrow() {
            Health::Fine | Health::Full(_) => Ok((shared, caller)),
            Health::Failing(why) => Err(wire::failing(why)),
        }
    }

    /// What a call works with, and who makes it; unless the router stops, or has to know who it is
    /// and does not.
    fn serving<T: Named>(&self, request: &Request<T>) -> Result<(&Shared, Caller), Status> {
        note(request.get_ref());
        let shared = &*self.shared;
        if shared.stopping.load(Ordering::SeqCst) {
            return Err(wire::stopping());
        }
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
        caller
            .admitted(shared.config.identified_callers, shared.clock.now())
            .map_err(Rejected::status)?;
        Ok((shared, caller))
    }
}

/// The target of what calls log, and of the spans that they are.
pub const CALLS: &str = "mpc_router::calls";

/// Has the call's span tell of which session it is, and whose.
fn note(request: &impl Named) {
    if !tracing::span_enabled!(target: CALLS, tracing::Level::DEBUG) {
        return;
    }
    let span = tracing::Span::current();
    for (field, name) in [("session", request.session()), ("party", request.party())] {
        if !name.is_empty() {
            // Whatever somebody calls himself, it is one word in the log.
            let name: String = name.chars().take(limits::LOGGED_NAME_CHARACTERS).collect();
            span.record(field, tracing::field::debug(name));
        }
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
        let (shared, caller) = self.accepting(&request)?;
        let id = shared.ids.message();
        let (session, route, draft) = wire::route(&caller, request, id, shared.config.max_payload)?;
        shared.sessions.let_in(&session).map_err(Rejected::status)?;
        let routed = shared.sessions.route(&session, route, |header| draft.encode(header));
        Ok(Response::new(wire::routed(settled(routed.await)?)))
    }

    async fn subscribe_messages(
        &self,
        request: Request<v1::SubscribeMessagesRequest>,
    ) -> Result<Response<MessageStream>, Status> {
        let (shared, caller) = self.serving(&request)?;
        let request = request.into_inner();
        let (session, party) = wire::reader(&caller, &request.session_id, &request.party_id)?;
        // SUB-7. Only a stream that is opened is a sign of life: a rejected call has no effect.
        shared.directory.known(&party).map_err(Rejected::status)?;
        let slot = shared.sessions.stream_slot(&party).map_err(Rejected::status)?;
        let sessions = Arc::clone(&shared.sessions);
        let stream = MessageStream::open(sessions, session.as_ref(), party.clone(), slot);
        let stream = settled(stream.await)?;
        settled(shared.directory.alive(&party).await)?;
        Ok(Response::new(stream))
    }

    async fn get_pending_messages(
        &self,
        request: Request<v1::GetPendingMessagesRequest>,
    ) -> Result<Response<Encoded<Pending>>, Status> {
        let (shared, caller) = self.serving(&request)?;
        let request = request.into_inner();
        let (session, party, after) = wire::fetch(&caller, &request)?;
        // PND-7. Only a poll that is answered is a sign of life: a rejected call has no effect.
        shared.directory.known(&party).map_err(Rejected::status)?;
        let fetched = shared.sessions.fetch(session.as_ref(), &party, after, wire::answer_budget());
        let fetched = settled(fetched.await)?;
        settled(shared.directory.alive(&party).await)?;
        Ok(Response::new(wire::pending(&fetched)))
    }

    async fn acknowledge_message(
        &self,
        request: Request<v1::AcknowledgeMessageRequest>,
    ) -> Result<Response<v1::AcknowledgeMessageResponse>, Status> {
        let (shared, caller) = self.concluding(&request)?;
        let (session, acknowledge) = wire::acknowledge(&caller, request.get_ref())?;
        let acknowledged = shared
            .sessions
            .call(&session, |session, now| session.handle_acknowledge(now, acknowledge));
        Ok(Response::new(wire::acknowledged(settled(acknowledged.await)?)))
    }

    async fn get_message_status(
        &self,
        request: Request<v1::GetMessageStatusRequest>,
    ) -> Result<Response<v1::GetMessageStatusResponse>, Status> {
        let (shared, caller) = self.serving(&request)?;
        let (session, message) = wire::status_of(request.get_ref())?;
        let status = shared.sessions.call(&session, |session, _| session.status(message));
        let status = settled(status.await)?;
        Ok(Response::new(wire::status(&caller, request.into_inner(), status)?))
    }

    async fn register_party(
        &self,
        request: Request<v1::RegisterPartyRequest>,
    ) -> Result<Response<v1::RegisterPartyResponse>, Status> {
        let (shared, caller) = self.accepting(&request)?;
        let registration = wire::registration(&caller, request.into_inner())?;
        let (party, role) = (registration.party.clone(), registration.role);
        let registered =
            shared.directory.call(|directory, now| directory.handle_register(now, registration));
        let registered = settled(registered.await)?;
        if !registered.again {
            let (party, role) = (party.as_str(), role.as_str());
            tracing::info!(?party, role, "a party is registered");
        }
        Ok(Response::new(wire::registered(registered)))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let (shared, caller) = self.serving(&request)?;
        let party = wire::alive(&caller, request.get_ref())?;
        let at = settled(shared.directory.alive(&party).await)?;
        let outstanding = shared.sessions.outstanding(&party).await.map_err(Rejected::status)?;
        shared.telling.tell(at).await;
        Ok(Response::new(wire::heartbeat(at, outstanding)))
    }

    async fn subscribe_session_events(
        &self,
        request: Request<v1::SubscribeSessionEventsRequest>,
    ) -> Result<Response<EventStream>, Status> {
        let (shared, caller) = self.serving(&request)?;
        let (party, kinds) = wire::listener(&caller, request.get_ref())?;
        // EVT-10. Only a stream that is opened is a sign of life: a rejected call has no effect.
        shared.directory.known(&party).map_err(Rejected::status)?;
        let slot = shared.sessions.stream_slot(&party).map_err(Rejected::status)?;
        settled(shared.directory.alive(&party).await)?;
        let (events, now) = (Arc::clone(&shared.events), shared.clock.now());
        Ok(Response::new(EventStream::open(events, now, party, kinds, slot)))
    }

    async fn publish_session_event(
        &self,
        request: Request<v1::PublishSessionEventRequest>,
    ) -> Result<Response<v1::PublishSessionEventResponse>, Status> {
        let (shared, caller) = self.accepting(&request)?;
        let now = shared.clock.now();
        let (session, announcement) =
            wire::announcement(&caller, request.into_inner(), now, || shared.ids.event())?;
        shared.sessions.let_in(&session).map_err(Rejected::status)?;
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
        let (shared, caller) = self.serving(&request)?;
        let filter = wire::filter(request.get_ref())?;
        let listed = shared.directory.call(|directory, now| {
            let listed = directory.list(now, filter);
            (now, listed.map(|party| wire::listed(&caller, party)).collect::<Vec<_>>())
        });
        let (at, listed) = listed.await.map_err(Rejected::status)?;
        // HB-9: nobody was seen later.
        shared.telling.tell(at).await;
        Ok(Response::new(wire::parties(listed)))
    }
}
