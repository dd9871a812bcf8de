//! Programs against a router that is called by hand, without gRPC and without a runtime, and whose time
//! is told to it: that is fast, and the same program always goes the same way.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use mpc_router_proto::Encoded;
use mpc_router_proto::v1::message_router_server::MessageRouter;
use mpc_router_proto::v1::*;
use tokio_stream::Stream;
use tonic::{Request as Asking, Response, Status};

use super::super::calls::{By, Reply, Request};
use super::super::history::{End, History, Listener, Moment, Stream as StreamNumber};
use super::super::names::{NameTable, Names};
use super::super::program::{Event, Program};
use super::board::{Board, Open, broken_off, not_opened};
use super::wire::with_key;
use super::{Conditions, Hands, Play};
use crate::notices::Notice;

/// A router whose time is told to it. Each of its calls is done when it was polled once, and each of its
/// streams gives at once what it has; it does nothing by itself.
pub trait Stepping {
    /// What is called.
    type Router: MessageRouter;

    /// The router.
    fn router(&self) -> &Self::Router;

    /// It is `now`, in Unix milliseconds: what is due by then is done.
    fn handle_time(&mut self, now: i64);

    /// When something is due next. Unix milliseconds.
    fn poll_timeout(&self) -> Option<i64>;
}

/// A way to make routers that are called by hand.
pub trait ByHand: Sync {
    /// What is made.
    type Router: Stepping;

    /// A new router, at this time. Unix milliseconds.
    fn opens(&self, now: i64) -> Self::Router;
}

/// Plays `program` on a router whose time is `begin`, in Unix milliseconds, under these names, and
/// returns what was seen.
pub fn play_by_hand(
    router: impl Stepping,
    begin: i64,
    conditions: Conditions,
    program: &Program,
    names: Names,
) -> History {
    let hands = Hand { begin, state: RefCell::new(State::new(router)) };
    let names = NameTable::new(names, program);
    let play = Play::new(hands, conditions, program, names);
    match pin!(play.to_the_end(program)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(history) => history,
        Poll::Pending => unreachable!("nothing waits for anything"),
    }
}

/// Whether somebody is to look.
#[derive(Debug)]
struct Flag(AtomicBool);

impl Flag {
    fn raised() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A subscription that is read whenever there is something on it.
struct Reading<N, S> {
    /// In the program.
    number: u32,
    open: Open<N>,
    stream: Pin<Box<S>>,
    flag: Arc<Flag>,
}

/// How reading all that there is went.
enum Read {
    Waits,
    Ended(End),
}

impl<N, S, T> Reading<N, S>
where
    S: Stream<Item = Result<T, Status>>,
{
    fn new(number: u32, open: Open<N>, stream: S) -> Self {
        Self { number, open, stream: Box::pin(stream), flag: Flag::raised() }
    }

    /// Reads all that there is, if there is anything.
    fn read(&mut self, mut took: impl FnMut(&Open<N>, T) -> bool) -> Read {
        if !self.flag.0.swap(false, Ordering::Relaxed) {
            return Read::Waits;
        }
        let waker = Waker::from(Arc::clone(&self.flag));
        let mut context = Context::from_waker(&waker);
        // A router knows by being asked again that what it gave has gone on its way.
        let mut gave = true;
        loop {
            match self.stream.as_mut().poll_next(&mut context) {
                Poll::Ready(Some(Ok(item))) => {
                    gave = true;
                    if !took(&self.open, item) {
                        return Read::Ended(End::Ours);
                    }
                }
                Poll::Ready(Some(Err(status))) => return Read::Ended(broken_off(&status)),
                Poll::Ready(None) => return Read::Ended(End::Theirs),
                Poll::Pending if std::mem::take(&mut gave) => {}
                Poll::Pending => return Read::Waits,
            }
        }
    }
}

type Messages<R> = <R as MessageRouter>::SubscribeMessagesStream;
type Events<R> = <R as MessageRouter>::SubscribeSessionEventsStream;

struct State<S: Stepping> {
    router: S,
    now: Moment,
    streams: Vec<Reading<StreamNumber, Messages<S::Router>>>,
    listeners: Vec<Reading<Listener, Events<S::Router>>>,
}

impl<S: Stepping> State<S> {
    fn new(router: S) -> Self {
        Self { router, now: 0, streams: Vec::new(), listeners: Vec::new() }
    }

    /// Lets go of the subscriptions that nobody reads any more, so that the router knows.
    fn sweep(&mut self) {
        self.streams.retain(|it| !it.open.end.is_cancelled());
        self.listeners.retain(|it| !it.open.end.is_cancelled());
    }

    /// Reads all that there is on all subscriptions.
    fn read(&mut self, board: &Board) {
        let now = self.now;
        // What one reads may be what another one waits for.
        loop {
            let mut ended = false;
            for reading in &mut self.streams {
                let took = |open: &Open<StreamNumber>, item: Encoded<MpcMessage>| {
                    item.decode().is_ok_and(|copy| board.came(now, open, &copy))
                };
                if let Read::Ended(end) = reading.read(took) {
                    board.closes(now, reading.number, end);
                    reading.open.end.cancel();
                    ended = true;
                }
            }
            for reading in &mut self.listeners {
                let took =
                    |open: &Open<Listener>, event: SessionEvent| board.heard(now, open, &event);
                if let Read::Ended(_) = reading.read(took) {
                    board.deafens(now, reading.number);
                    reading.open.end.cancel();
                    ended = true;
                }
            }
            if ended {
                self.sweep();
            }
            let is_raised = |flag: &Flag| flag.0.load(Ordering::Relaxed);
            let more = self.streams.iter().any(|it| is_raised(&it.flag))
                || self.listeners.iter().any(|it| is_raised(&it.flag));
            if !more {
                return;
            }
        }
    }
}

/// Calls that are made by hand.
struct Hand<S: Stepping> {
    /// The router's time when the program begins. Unix milliseconds.
    begin: i64,
    state: RefCell<State<S>>,
}

const MILLISECOND: Moment = 1_000_000;

impl<S: Stepping> Hand<S> {
    /// It is `now`.
    fn tell(&self, board: &Board, now: Moment) {
        let state = &mut *self.state.borrow_mut();
        state.sweep();
        state.now = state.now.max(now);
        state.router.handle_time(self.begin + (state.now / MILLISECOND) as i64);
        state.read(board);
    }

    /// When something is due next, if that is before `until`.
    fn due(&self, until: Moment) -> Option<Moment> {
        let state = self.state.borrow();
        let due = state.router.poll_timeout()?.saturating_sub(self.begin).max(0);
        let due = (due as Moment).saturating_mul(MILLISECOND);
        (due < until).then_some(due)
    }
}

/// What an answer is that is there at once.
fn at_once<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Option<Result<T, Status>> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer.map(Response::into_inner)),
        Poll::Pending => None,
    }
}

fn ask<R: MessageRouter>(router: &R, request: Request) -> Option<Result<Reply, Status>> {
    Some(match request {
        Request::Register(it) => {
            at_once(router.register_party(Asking::new(it)))?.map(Reply::Register)
        }
        Request::Heartbeat(it) => at_once(router.heartbeat(Asking::new(it)))?.map(Reply::Heartbeat),
        Request::List(it) => {
            at_once(router.get_registered_parties(Asking::new(it)))?.map(Reply::List)
        }
        Request::Publish(it) => {
            at_once(router.publish_session_event(Asking::new(it)))?.map(Reply::Publish)
        }
        Request::Route(it, key) => {
            at_once(router.route_message(with_key(it, key)))?.map(Reply::Route)
        }
        Request::Poll(it) => {
            let answer = at_once(router.get_pending_messages(Asking::new(it)))?;
            let decoded = answer
                .and_then(|it| it.decode().map_err(|error| Status::internal(error.to_string())));
            decoded.map(Reply::Poll)
        }
        Request::Acknowledge(it) => {
            at_once(router.acknowledge_message(Asking::new(it)))?.map(Reply::Acknowledge)
        }
        Request::Status(it) => {
            at_once(router.get_message_status(Asking::new(it)))?.map(Reply::Status)
        }
        Request::Subscribe(it) => {
            at_once(router.subscribe_messages(Asking::new(it)))?.and_then(is_open)
        }
        Request::Listen(it) => {
            at_once(router.subscribe_session_events(Asking::new(it)))?.and_then(is_open)
        }
    })
}

/// Whether a subscription was refused, by the first that is on it.
fn is_open<T>(stream: impl Stream<Item = Result<T, Status>>) -> Result<Reply, Status> {
    match pin!(stream).poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Err(status))) => Err(status),
        _ => Ok(Reply::Open),
    }
}

impl<S: Stepping> Hands for Hand<S> {
    fn now(&self) -> Moment {
        self.state.borrow().now
    }

    async fn call(
        &self,
        board: &Arc<Board>,
        _: By,
        request: Request,
    ) -> Option<Result<Reply, Status>> {
        let state = &mut *self.state.borrow_mut();
        state.sweep();
        let answer = ask(state.router.router(), request);
        state.read(board);
        answer
    }

    async fn subscribe(
        &self,
        board: &Arc<Board>,
        number: u32,
        party: u8,
        session: Option<u8>,
        request: SubscribeMessagesRequest,
    ) {
        let state = &mut *self.state.borrow_mut();
        state.sweep();
        let open = board.opens(state.now, number, party, session);
        match at_once(state.router.router().subscribe_messages(Asking::new(request))) {
            Some(Ok(stream)) => {
                board.is_open(state.now, &open);
                state.streams.push(Reading::new(number, open, stream));
            }
            Some(Err(status)) => board.closes(state.now, number, not_opened(&status)),
            None => board.closes(state.now, number, End::Lost),
        }
        state.read(board);
    }

    async fn listen(
        &self,
        board: &Arc<Board>,
        number: u32,
        party: u8,
        only: &[Event],
        request: SubscribeSessionEventsRequest,
    ) {
        let state = &mut *self.state.borrow_mut();
        state.sweep();
        let open = board.listens(state.now, number, party, only);
        match at_once(state.router.router().subscribe_session_events(Asking::new(request))) {
            Some(Ok(stream)) => {
                board.hears(state.now, &open);
                state.listeners.push(Reading::new(number, open, stream));
            }
            _ => board.deafens(state.now, number),
        }
        state.read(board);
    }

    async fn pass(&self, board: &Arc<Board>, time: Duration) {
        self.wait(board, self.now() + time.as_nanos() as Moment, |_| false).await;
    }

    async fn wait(&self, board: &Arc<Board>, until: Moment, mut is_so: impl FnMut(&Board) -> bool) {
        while !is_so(board) {
            match self.due(until) {
                Some(due) => self.tell(board, due),
                None => return self.tell(board, until),
            }
        }
    }

    fn cut(&self, _: u8) {}

    fn notices(&self, _: &str) -> Option<Vec<(Moment, Notice)>> {
        None
    }

    /// Nothing of it would be left.
    async fn restart(&self, _: &Arc<Board>, _: bool) {}
}
