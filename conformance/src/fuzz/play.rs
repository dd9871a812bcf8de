//! Plays a program against a target over gRPC, and writes down what its clients see.

mod draining;
mod reading;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::draw::Offers;
use super::history::{Answer, Asked, End, Got, History, Moment, Notice, Party, Session, Unit};
use super::history::{Listener, Stream};
use super::program::{Act, Event, Program, Step};
use super::record::{Names, Recorder, refused};
use crate::connect::{Cut, Door};
use crate::identity::NoIdentity;
use crate::power::Power;

/// What programs are played on.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The way to the target.
    pub door: Door,
    /// The means to stop, kill and start it, if there are any.
    pub power: Option<Power>,
    /// What the target offers.
    pub offers: Offers,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// How late what is due may come.
    pub slack: Duration,
    /// Whether time costs nothing, so that at the end the slack is waited for before statuses are held
    /// against what was seen.
    pub is_virtual: bool,
    /// How long a subscription is waited for to be seen alive: some targets show it only with what
    /// comes on it.
    pub opening: Duration,
    /// How long a key is good for: the target need not know it for longer (`message_ttl`).
    pub keys_kept: Duration,
    /// How long the target may take to stop.
    pub stop_limit: Duration,
    /// The largest message that clients take. Bytes.
    pub receive_limit: usize,
}

/// Plays `program` under these names, and returns what was seen.
///
/// # Errors
/// If a party has no certificate.
pub async fn play(stage: &Stage, program: &Program, names: Names) -> Result<History, NoIdentity> {
    let play = Play::new(stage, program, names)?;
    play.opens(program).await;
    for wave in program.waves() {
        let mut going_on = JoinSet::new();
        for step in wave {
            let (play, step) = (play.clone(), step.clone());
            going_on.spawn(async move { play.step(&step).await });
        }
        while going_on.join_next().await.is_some() {}
    }
    play.drains(program).await;
    Ok(play.finish())
}

/// A party's way to the target.
#[derive(Clone, Debug)]
struct Client {
    stub: MessageRouterClient<Channel>,
    cut: Cut,
    /// When the target last answered on it.
    life: Arc<AtomicU64>,
}

impl Client {
    fn lived(&self, at: Moment) {
        self.life.fetch_max(at, Ordering::Relaxed);
    }

    fn life(&self) -> Moment {
        self.life.load(Ordering::Relaxed)
    }
}

/// A subscription that is open.
#[derive(Clone, Debug)]
struct Open<N> {
    number: N,
    party: u8,
    end: CancellationToken,
}

/// A program that is being played.
#[derive(Clone)]
struct Play {
    stage: Arc<Stage>,
    began: Instant,
    recorder: Arc<Mutex<Recorder>>,
    clients: Arc<Vec<Client>>,
    coordinator: Client,
    /// The subscriptions that are open, by their numbers in the program.
    streams: Arc<Mutex<BTreeMap<u32, Open<Stream>>>>,
    listeners: Arc<Mutex<BTreeMap<u32, Open<Listener>>>>,
    /// Something came on a stream.
    news: Arc<Notify>,
    /// Held by whoever stops the target, until it has started again.
    restarting: Arc<tokio::sync::Mutex<()>>,
}

/// Nobody panics while holding one.
fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Play {
    fn new(stage: &Stage, program: &Program, names: Names) -> Result<Self, NoIdentity> {
        let client = |door: &Door| {
            let (channel, cut) = door.connect_cuttable();
            let stub = MessageRouterClient::new(channel)
                .max_decoding_message_size(stage.receive_limit)
                .max_encoding_message_size(usize::MAX);
            Client { stub, cut, life: Arc::default() }
        };
        let door_of = |party| stage.door.named(&names.party(party));
        let doors = (0..program.parties).map(door_of).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            stage: Arc::new(stage.clone()),
            began: Instant::now(),
            clients: Arc::new(doors.iter().map(client).collect()),
            coordinator: client(&stage.door),
            recorder: Arc::new(Mutex::new(Recorder::new(names, program))),
            streams: Arc::default(),
            listeners: Arc::default(),
            news: Arc::default(),
            restarting: Arc::default(),
        })
    }

    fn finish(&self) -> History {
        self.recorder().finish()
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.recorder)
    }

    fn now(&self) -> Moment {
        self.began.elapsed().as_nanos() as Moment
    }

    /// Makes a call and writes it down. What was answered goes to the caller only if it is heard.
    async fn call<T>(
        &self,
        client: &Client,
        asked: Asked,
        unheard: bool,
        calling: impl Future<Output = Result<Response<T>, Status>>,
        mut read: impl FnMut(&mut Recorder, &T) -> Got,
    ) {
        let call = self.recorder().begin(self.now(), asked);
        let answer = tokio::time::timeout(self.stage.patience, calling).await;
        let mut recorder = self.recorder();
        let got = match &answer {
            _ if unheard => Got::Unknown,
            Ok(Ok(answer)) => read(&mut recorder, answer.get_ref()),
            Ok(Err(status)) => refused(status),
            Err(_) => Got::Unknown,
        };
        let is_alive = match &answer {
            Ok(Ok(_)) => true,
            // Others may be made by this side of the connection.
            Ok(Err(_)) => got == Got::Refused,
            Err(_) => false,
        };
        let ended = recorder.end(self.now(), call, got);
        if is_alive {
            client.lived(ended);
        }
    }

    /// What has had its key for longer may be new to the target.
    fn keys_since(&self) -> Moment {
        let kept = self.stage.keys_kept - self.stage.keys_kept / 10;
        self.now().saturating_sub(kept.as_nanos() as Moment)
    }

    fn client(&self, party: u8) -> &Client {
        &self.clients[usize::from(party)]
    }

    /// What is there before the first step.
    async fn opens(&self, program: &Program) {
        for party in 0..program.parties {
            self.registers(party, false).await;
        }
        for (session, members) in (0..).zip(&program.sessions) {
            self.publishes(u32::from(session), session, Event::Created, members, false).await;
        }
    }

    /// Whether the target offers what this needs: else it is not done.
    fn is_offered(&self, act: &Act) -> bool {
        let offers = self.stage.offers;
        match act {
            Act::Subscribe { session: None, .. } | Act::Poll { session: None, .. } => {
                offers.wildcard
            }
            Act::RouteAgain { .. } => offers.keys,
            Act::Restart | Act::Kill => offers.power,
            _ => true,
        }
    }

    async fn step(&self, step: &Step) {
        if !self.is_offered(&step.act) {
            return;
        }
        let unheard = step.unheard;
        match &step.act {
            Act::Register { party } => self.registers(*party, unheard).await,
            Act::Heartbeat { party } => self.lives(*party, unheard).await,
            Act::List { only_online } => self.lists(*only_online, unheard).await,
            Act::Publish { notice, session, event, selected } => {
                self.publishes(*notice, *session, *event, selected, unheard).await;
            }
            Act::Route { unit, count, .. } => {
                for unit in *unit..*unit + u32::from(*count) {
                    self.routes(&step.act, unit, unheard).await;
                }
            }
            Act::RouteAgain { unit } => {
                let is_known = self.recorder().has_key(*unit, self.keys_since());
                if is_known {
                    self.routes(&step.act, *unit, unheard).await;
                }
            }
            Act::Subscribe { stream, party, session } => {
                self.subscribes(*stream, *party, *session).await;
            }
            Act::Cancel { stream } => {
                let open = lock(&self.streams).remove(stream);
                if let Some(open) = open {
                    self.closes(&open, End::Ours);
                }
            }
            Act::Poll { party, session, newer } => {
                let after = match newer {
                    true => self.recorder().newest(*party, *session),
                    false => 0,
                };
                self.polls(*party, *session, after, unheard).await;
            }
            Act::Acknowledge { party, unit, session, success } => {
                self.acknowledges(*party, *unit, *session, *success, unheard).await;
            }
            Act::AcknowledgeAll { party, session } => {
                let units = self.recorder().had(*party, *session);
                for unit in units {
                    self.acknowledges(*party, unit, None, true, unheard).await;
                }
            }
            Act::Status { unit, session } => self.asks(*unit, *session, unheard).await,
            Act::Listen { listener, party } => self.listens(*listener, *party).await,
            Act::StopListening { listener } => {
                let open = lock(&self.listeners).remove(listener);
                if let Some(open) = open {
                    self.stops_listening(&open);
                }
            }
            Act::Disconnect { party } => self.disconnects(*party),
            Act::Wait { ms } => tokio::time::sleep(Duration::from_millis(u64::from(*ms))).await,
            Act::Restart => self.restarts(true).await,
            Act::Kill => self.restarts(false).await,
        }
    }

    async fn registers(&self, party: u8, unheard: bool) {
        let request = RegisterPartyRequest {
            party_id: self.recorder().names().party(party),
            party_role: ["persistent", "delegate", "temporary"][usize::from(party % 3)].into(),
            version: "1".into(),
            notification: None,
        };
        let client = self.client(party);
        let mut stub = client.stub.clone();
        let asked = Asked::Register(Party(u32::from(party)));
        let calling = stub.register_party(request);
        let read = |_: &mut Recorder, it: &RegisterPartyResponse| accepted(it.success);
        self.call(client, asked, unheard, calling, read).await;
    }

    async fn lives(&self, party: u8, unheard: bool) {
        let party_id = self.recorder().names().party(party);
        let client = self.client(party);
        let mut stub = client.stub.clone();
        let asked = Asked::Heartbeat(Party(u32::from(party)));
        let calling = stub.heartbeat(HeartbeatRequest { party_id, timestamp: 0 });
        let read = |_: &mut Recorder, it: &HeartbeatResponse| {
            done(it.success, || Answer::Heartbeat {
                server_ms: it.server_timestamp,
                pending: i64::from(it.pending_messages),
            })
        };
        self.call(client, asked, unheard, calling, read).await;
    }

    async fn lists(&self, only_online: bool, unheard: bool) {
        let client = &self.coordinator;
        let mut stub = client.stub.clone();
        let request = GetRegisteredPartiesRequest { role_filter: String::new(), only_online };
        let calling = stub.get_registered_parties(request);
        let read = |recorder: &mut Recorder, it: &GetRegisteredPartiesResponse| {
            Got::Done(Answer::Listed(recorder.listed(it)))
        };
        self.call(client, Asked::List { only_online }, unheard, calling, read).await;
    }

    async fn publishes(
        &self,
        notice: u32,
        session: u8,
        event: Event,
        selected: &[u8],
        unheard: bool,
    ) {
        let event = Some(self.recorder().publish(notice, session, event, selected));
        let client = &self.coordinator;
        let mut stub = client.stub.clone();
        let calling = stub.publish_session_event(PublishSessionEventRequest { event });
        let read = |_: &mut Recorder, it: &PublishSessionEventResponse| {
            done(it.success, || Answer::Published(i64::from(it.subscriber_count)))
        };
        self.call(client, Asked::Publish(Notice(notice)), unheard, calling, read).await;
    }

    /// Routes a unit, or tries again to.
    async fn routes(&self, act: &Act, unit: u32, unheard: bool) {
        let (sender, request, key) = {
            let mut recorder = self.recorder();
            let request = recorder.route(act, unit);
            let key = recorder.has_key(unit, 0).then(|| recorder.names().key(unit));
            (recorder.sender_of(unit), request, key)
        };
        let Some(sender) = sender else { return };
        let mut request = Request::new(request);
        if let Some(key) = key.and_then(|it| it.parse().ok()) {
            request.metadata_mut().insert("idempotency-key", key);
        }
        let client = self.client(sender);
        let mut stub = client.stub.clone();
        let calling = stub.route_message(request);
        let read = |recorder: &mut Recorder, it: &RouteMessageResponse| {
            done(it.success, || Answer::Routed(recorder.routed(unit, &it.message_id)))
        };
        self.call(client, Asked::Route(Unit(unit)), unheard, calling, read).await;
    }

    /// Polls, and returns how much came.
    async fn polls(&self, party: u8, session: Option<u8>, after: i64, unheard: bool) {
        let request = {
            let recorder = self.recorder();
            let names = recorder.names();
            GetPendingMessagesRequest {
                session_id: session.map(|it| names.session(it)).unwrap_or_default(),
                party_id: names.party(party),
                after_timestamp: after,
            }
        };
        let client = self.client(party);
        let mut stub = client.stub.clone();
        let session = session.map(|it| Session(u32::from(it)));
        let asked = Asked::Poll(Party(u32::from(party)), session, after);
        let calling = stub.get_pending_messages(request);
        let read = |recorder: &mut Recorder, it: &GetPendingMessagesResponse| {
            Got::Done(Answer::Polled(recorder.polled(party, &it.messages)))
        };
        self.call(client, asked, unheard, calling, read).await;
    }

    async fn acknowledges(
        &self,
        party: u8,
        unit: u32,
        session: Option<u8>,
        success: bool,
        unheard: bool,
    ) {
        let (request, asked) = {
            let mut recorder = self.recorder();
            // Nobody can name what nobody knows.
            let Some((message, id)) = recorder.id_of(unit) else { return };
            let own = recorder.session_of(unit);
            let session = session.unwrap_or(own);
            if session == own {
                recorder.acknowledges(party, unit);
            }
            let request = AcknowledgeMessageRequest {
                message_id: id,
                party_id: recorder.names().party(party),
                session_id: recorder.names().session(session),
                success,
                error_message: String::new(),
            };
            let (party, session) = (Party(u32::from(party)), Session(u32::from(session)));
            (request, Asked::Acknowledge { party, session, message, success })
        };
        let client = self.client(party);
        let mut stub = client.stub.clone();
        let calling = stub.acknowledge_message(request);
        let read = |_: &mut Recorder, it: &AcknowledgeMessageResponse| accepted(it.success);
        self.call(client, asked, unheard, calling, read).await;
    }

    /// Asks for a status, as the unit's sender.
    async fn asks(&self, unit: u32, session: Option<u8>, unheard: bool) {
        let (sender, request, asked) = {
            let mut recorder = self.recorder();
            let Some((message, message_id)) = recorder.id_of(unit) else { return };
            let Some(sender) = recorder.sender_of(unit) else { return };
            let session = session.unwrap_or_else(|| recorder.session_of(unit));
            let session_id = recorder.names().session(session);
            let request = GetMessageStatusRequest { message_id, session_id };
            (sender, request, Asked::Status(Session(u32::from(session)), message))
        };
        let client = self.client(sender);
        let mut stub = client.stub.clone();
        let calling = stub.get_message_status(request.clone());
        let read = |recorder: &mut Recorder, it: &GetMessageStatusResponse| {
            let is_it =
                (&it.message_id, &it.session_id) == (&request.message_id, &request.session_id);
            let answer = recorder.status(it).filter(|_| is_it);
            Got::Done(answer.unwrap_or(Answer::Nonsense))
        };
        self.call(client, asked, unheard, calling, read).await;
    }

    /// A party's connection breaks.
    fn disconnects(&self, party: u8) {
        let client = self.client(party);
        self.breaks(|it| it == party);
        client.cut.throw();
    }

    /// The streams of these parties end with their connections.
    fn breaks(&self, whose: impl Fn(u8) -> bool) {
        let streams: Vec<_> =
            lock(&self.streams).extract_if(.., |_, open| whose(open.party)).collect();
        streams.iter().for_each(|(_, open)| self.closes(open, End::Lost));
        let listeners: Vec<_> =
            lock(&self.listeners).extract_if(.., |_, open| whose(open.party)).collect();
        listeners.iter().for_each(|(_, open)| self.stops_listening(open));
    }

    /// Stops or kills the target, and starts it again.
    async fn restarts(&self, in_order: bool) {
        let Some(power) = &self.stage.power else { return };
        // Only what runs can be stopped.
        let _turn = self.restarting.lock().await;
        let from = self.now();
        self.breaks(|_| true);
        match in_order {
            true => drop(power.stop(self.stage.stop_limit).await),
            false => power.kill().await,
        }
        // What does not come back is found by every call from now on.
        let _ = power.start().await;
        let to = self.now();
        self.recorder().outage(from, to);
    }
}

fn done(success: bool, answer: impl FnOnce() -> Answer) -> Got {
    if success { Got::Done(answer()) } else { Got::Refused }
}

fn accepted(success: bool) -> Got {
    done(success, || Answer::Accepted)
}
