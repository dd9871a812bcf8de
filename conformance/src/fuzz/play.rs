//! Plays a program against a target, and writes down what its clients see.

mod board;
mod by_hand;
mod draining;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mpc_router_proto::v1::*;
use tonic::Status;

use self::board::Board;
pub use self::by_hand::{ByHand, Stepping, play_by_hand};
use self::wire::Wire;
use super::calls::{self, By, Call, Reply, Request, wrong};
use super::draw::Offers;
use super::history::{End, Got, History, Moment};
use super::names::{NameTable, Names};
use super::program::{Act, Event, Program, Step};
use super::record::refused;
use crate::connect::Door;
use crate::identity::NoIdentity;
use crate::notices::{Notice, Notices};
use crate::power::Power;

/// What programs are played on over gRPC.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The way to the target.
    pub door: Door,
    /// The means to stop, kill and start it, if there are any.
    pub power: Option<Power>,
    /// Where its notifications come, if they can be seen.
    pub notices: Option<Notices>,
    /// What holds wherever it is played.
    pub conditions: Conditions,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// How long a subscription is waited for to be seen alive: some targets show it only with what
    /// comes on it.
    pub opening: Duration,
    /// How long the target may take to stop.
    pub stop_limit: Duration,
    /// The largest message that clients take. Bytes.
    pub receive_limit: usize,
}

/// Under what conditions programs are played.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// What the target offers.
    pub offers: Offers,
    /// How late what is due may come.
    pub slack: Duration,
    /// Whether time costs nothing, so that at the end the slack is waited for before statuses are held
    /// against what was seen.
    pub is_virtual: bool,
    /// What time it is when the program begins, if that is known: Unix milliseconds.
    pub date: Option<i64>,
    /// The longest payload that the target takes. Bytes.
    pub max_payload: usize,
    /// How long a key is good for: the target need not know it for longer (`message_ttl`).
    pub keys_kept: Duration,
}

/// Plays `program` over gRPC under these names, and returns what was seen.
///
/// # Errors
/// If a party has no certificate.
pub async fn play(stage: &Stage, program: &Program, names: Names) -> Result<History, NoIdentity> {
    let names = NameTable::new(names, program);
    let hands = Wire::new(stage, names.parties())?;
    Ok(Play::new(hands, stage.conditions, program, names).to_the_end(program).await)
}

/// How a program gets at its target.
trait Hands {
    /// How much time has passed since the program began.
    fn now(&self) -> Moment;

    /// Makes a call. None if no answer came in time.
    async fn call(
        &self,
        board: &Arc<Board>,
        by: By,
        request: Request,
    ) -> Option<Result<Reply, Status>>;

    /// Subscribes to messages, and waits a moment for the subscription to be seen alive.
    async fn subscribe(
        &self,
        board: &Arc<Board>,
        number: u32,
        party: u8,
        session: Option<u8>,
        request: SubscribeMessagesRequest,
    );

    /// Subscribes to events.
    async fn listen(
        &self,
        board: &Arc<Board>,
        number: u32,
        party: u8,
        only: &[Event],
        request: SubscribeSessionEventsRequest,
    );

    /// Lets time pass.
    async fn pass(&self, board: &Arc<Board>, time: Duration);

    /// Waits until this is so, or it is that late.
    async fn wait(&self, board: &Arc<Board>, until: Moment, is_so: impl FnMut(&Board) -> bool);

    /// Breaks a party's connection.
    fn cut(&self, party: u8);

    /// The notifications that came for a party; nothing if nobody can see them.
    fn notices(&self, party: &str) -> Option<Vec<(Moment, Notice)>>;

    /// Stops the target in order or kills it, and starts it again, if that can be done.
    async fn restart(&self, board: &Arc<Board>, in_order: bool);
}

/// A program that is being played.
struct Play<H> {
    hands: H,
    conditions: Conditions,
    board: Arc<Board>,
}

impl<H: Hands> Play<H> {
    fn new(hands: H, conditions: Conditions, program: &Program, names: NameTable) -> Self {
        let board = Board::new(program, names, &conditions);
        Self { hands, conditions, board: Arc::new(board) }
    }

    async fn to_the_end(&self, program: &Program) -> History {
        self.opens(program).await;
        for wave in program.waves() {
            join_all(wave.iter().map(|step| self.step(step))).await;
        }
        self.drains(program).await;
        for party in 0..program.parties {
            let mut recorder = self.board.recorder();
            let name = recorder.names().party(party);
            if let Some(notices) = self.hands.notices(&name) {
                recorder.woken(party, notices.iter().map(|(at, notice)| (*at, notice)));
            }
        }
        self.board.recorder().finish()
    }

    /// Makes a call and writes it down. What was answered goes to the caller only if it is heard.
    async fn call(&self, call: Call, unheard: bool) {
        let Call { by, asked, request } = call;
        let sent = request.repeated();
        let place = self.board.recorder().begin(self.hands.now(), asked);
        let answer = self.hands.call(&self.board, by, request).await;
        let mut recorder = self.board.recorder();
        let got = match &answer {
            _ if unheard => Got::Unknown,
            Some(Ok(reply)) => calls::read(&mut recorder, place, &sent, reply),
            Some(Err(status)) => refused(status),
            None => Got::Unknown,
        };
        let is_alive = match &answer {
            Some(Ok(_)) => true,
            // Others may be made by this side of the connection.
            Some(Err(_)) => got == Got::Refused,
            None => false,
        };
        let ended = recorder.end(self.hands.now(), place, got);
        if is_alive {
            self.board.lived(by, ended);
        }
    }

    /// What has had its key for longer may be new to the target.
    fn keys_since(&self) -> Moment {
        let kept = self.conditions.keys_kept - self.conditions.keys_kept / 10;
        self.hands.now().saturating_sub(kept.as_nanos() as Moment)
    }

    /// What is there before the first step.
    async fn opens(&self, program: &Program) {
        for party in (0..program.parties).filter(|it| !program.late.contains(it)) {
            self.registers(party, 0, false).await;
        }
        for (session, members) in (0..).zip(&program.sessions) {
            let event = (Event::Created, 0);
            self.publishes(u32::from(session), session, event, members, false).await;
        }
    }

    /// Whether the target offers what this needs: else it is not done.
    fn is_offered(&self, act: &Act) -> bool {
        let offers = self.conditions.offers;
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
            Act::Register { party, channel } => self.registers(*party, *channel, unheard).await,
            Act::Heartbeat { party, ahead } => {
                let clock = self.clock(*ahead);
                self.beats(*party, clock, unheard).await;
            }
            Act::List { only_online, role, by } => {
                self.lists(*only_online, *role, *by, unheard).await;
            }
            Act::Wrong { what, party, session, unit } => {
                let max_payload = self.conditions.max_payload;
                let (party, session, unit) = (*party, *session, *unit);
                let keys_since = self.keys_since();
                let subject = wrong::Subject { party, session, unit, keys_since, max_payload };
                let call = wrong::call(&mut self.board.recorder(), *what, &subject);
                if let Some(call) = call {
                    self.call(call, unheard).await;
                }
            }
            Act::Publish { notice, session, event, selected, expires_in } => {
                let event = (*event, *expires_in);
                self.publishes(*notice, *session, event, selected, unheard).await;
            }
            Act::Route { unit, count, .. } => {
                for unit in *unit..*unit + u32::from(*count) {
                    self.routes(&step.act, unit, unheard).await;
                }
            }
            Act::RouteAgain { unit } => {
                let is_known = self.board.recorder().has_key(*unit, self.keys_since());
                if is_known {
                    self.routes(&step.act, *unit, unheard).await;
                }
            }
            Act::Subscribe { stream, party, session } => {
                self.subscribes(*stream, *party, *session).await;
            }
            Act::Cancel { stream } => self.board.closes(self.hands.now(), *stream, End::Ours),
            Act::Poll { party, session, newer } => {
                let after = match newer {
                    true => self.board.recorder().newest(*party, *session),
                    false => 0,
                };
                self.polls(*party, *session, after, unheard).await;
            }
            Act::Acknowledge { party, unit, session, success } => {
                self.acknowledges(*party, *unit, *session, *success, unheard).await;
            }
            Act::AcknowledgeAll { party, session } => {
                let units = self.board.recorder().had(*party, *session);
                for unit in units {
                    self.acknowledges(*party, unit, None, true, unheard).await;
                }
            }
            Act::Status { unit, session } => self.asks(*unit, *session, unheard).await,
            Act::Listen { listener, party, only } => self.listens(*listener, *party, only).await,
            Act::StopListening { listener } => self.board.deafens(self.hands.now(), *listener),
            Act::Disconnect { party } => {
                self.board.breaks(self.hands.now(), |it| it == *party);
                self.hands.cut(*party);
            }
            Act::Wait { ms } => {
                self.hands.pass(&self.board, Duration::from_millis(u64::from(*ms))).await;
            }
            Act::Restart => self.hands.restart(&self.board, true).await,
            Act::Kill => self.hands.restart(&self.board, false).await,
        }
    }

    async fn registers(&self, party: u8, channel: u8, unheard: bool) {
        let call = calls::register(&self.board.recorder(), party, channel);
        self.call(call, unheard).await;
    }

    /// What a clock shows that is ahead by so many minutes.
    fn clock(&self, ahead: i32) -> i64 {
        let now = (self.hands.now() / 1_000_000) as i64;
        self.conditions.date.map_or(0, |date| date + now + i64::from(ahead) * 60_000)
    }

    async fn lives(&self, party: u8) {
        self.beats(party, self.clock(0), false).await;
    }

    async fn beats(&self, party: u8, clock: i64, unheard: bool) {
        let call = calls::heartbeat(&self.board.recorder(), party, clock);
        self.call(call, unheard).await;
    }

    async fn lists(&self, only_online: bool, role: Option<u8>, by: Option<u8>, unheard: bool) {
        self.call(calls::list(only_online, role, by), unheard).await;
    }

    async fn publishes(
        &self,
        notice: u32,
        session: u8,
        (event, expires_in): (Event, u32),
        selected: &[u8],
        unheard: bool,
    ) {
        let call = {
            let mut recorder = self.board.recorder();
            calls::publish(&mut recorder, notice, session, (event, expires_in), selected)
        };
        self.call(call, unheard).await;
    }

    async fn routes(&self, act: &Act, unit: u32, unheard: bool) {
        let call = calls::route(&mut self.board.recorder(), act, unit);
        if let Some(call) = call {
            self.call(call, unheard).await;
        }
    }

    async fn polls(&self, party: u8, session: Option<u8>, after: i64, unheard: bool) {
        let call = calls::poll(&self.board.recorder(), party, session, after);
        self.call(call, unheard).await;
    }

    async fn acknowledges(
        &self,
        party: u8,
        unit: u32,
        session: Option<u8>,
        success: bool,
        unheard: bool,
    ) {
        let call = calls::acknowledge(&mut self.board.recorder(), party, unit, session, success);
        if let Some(call) = call {
            self.call(call, unheard).await;
        }
    }

    /// Asks for a status, as the unit's sender.
    async fn asks(&self, unit: u32, session: Option<u8>, unheard: bool) {
        let call = calls::status(&mut self.board.recorder(), unit, session);
        if let Some(call) = call {
            self.call(call, unheard).await;
        }
    }

    async fn subscribes(&self, number: u32, party: u8, session: Option<u8>) {
        let request = {
            let recorder = self.board.recorder();
            let names = recorder.names();
            SubscribeMessagesRequest {
                session_id: session.map(|it| names.session(it)).unwrap_or_default(),
                party_id: names.party(party),
            }
        };
        self.hands.subscribe(&self.board, number, party, session, request).await;
    }

    async fn listens(&self, number: u32, party: u8, only: &[Event]) {
        let party_id = self.board.recorder().names().party(party);
        let event_types = only.iter().map(|it| it.name().into()).collect();
        let request = SubscribeSessionEventsRequest { party_id, event_types };
        self.hands.listen(&self.board, number, party, only, request).await;
    }
}
