//! The machine that the router runs on: its process, its log, its clock.

mod bell;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream as _;
use mpc_router::stepped::Stepped;
use mpc_router::{Config, Router, limits};
use mpc_router_core::{Channel, Errand};
use mpc_router_proto::v1::message_router_server::MessageRouter;
use mpc_router_proto::v1::{MpcMessage, SessionEvent};
use tonic::Status;

use super::call::{Answer, Ask, Working, begin};
use super::log::{Kept, Shared, VirtualLog};
use crate::action::Millis;
use bell::{Bells, Ready};

/// Names a call or a stream in the world: never given twice.
pub(super) type Key = u64;

/// The router's host.
pub(super) struct Host {
    config: Config,
    /// What survived the run before, while there is none.
    kept: Option<Kept>,
    up: Option<Up>,
    /// How many runs there were.
    runs: u64,
    /// How far its clock is ahead of the world's.
    ahead: i64,
    work: BTreeMap<Key, Work>,
    ready: Ready,
    outputs: VecDeque<Output>,
    channels: BTreeSet<Channel>,
    /// What a router that is not right makes of its outputs.
    #[cfg(test)]
    pub(super) tamper: Option<super::bugs::Tamper>,
    /// A log that is not right loses what was safe.
    #[cfg(test)]
    pub(super) loses_records: bool,
    /// A log that is not right says that a record is safe before that is so.
    #[cfg(test)]
    pub(super) log_is_hasty: bool,
}

struct Up {
    router: Stepped,
    log: Shared,
    /// How far the router's time is ahead of the world's: more than the host's after a start with a
    /// clock that was behind what was told.
    ahead: i64,
}

/// What is polled.
struct Work {
    task: Task,
    bells: Bells,
    /// Read only when the world says so, as a slow reader does.
    held: bool,
}

enum Task {
    Call(Working),
    Messages(Box<<Router as MessageRouter>::SubscribeMessagesStream>),
    Events(Box<<Router as MessageRouter>::SubscribeSessionEventsStream>),
}

/// What comes out of the router.
pub(super) enum Output {
    Answer(Key, Result<Answer, Status>),
    Message(Key, Box<MpcMessage>),
    Event(Key, Box<SessionEvent>),
    End(Key, Status),
    /// There is something on a stream that is held.
    Readable(Key),
}

impl Host {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            kept: Some(Kept::default()),
            up: None,
            runs: 0,
            ahead: 0,
            work: BTreeMap::new(),
            ready: Ready::default(),
            outputs: VecDeque::new(),
            channels: BTreeSet::from([Channel::PushToken]),
            #[cfg(test)]
            tamper: None,
            #[cfg(test)]
            loses_records: false,
            #[cfg(test)]
            log_is_hasty: false,
        }
    }

    /// Starts the router. Tells whether it did; it does unless it cannot read its log.
    pub(super) fn start(&mut self, now: Millis) -> bool {
        let Some(kept) = self.kept.take() else { return false };
        let log = Arc::new(VirtualLog::open(kept));
        #[cfg(test)]
        log.hasty.store(self.log_is_hasty, std::sync::atomic::Ordering::Relaxed);
        self.runs += 1;
        let date = signed(now) + self.ahead;
        let as_log = Arc::<VirtualLog>::clone(&log);
        match Stepped::start(self.config.clone(), as_log, date, self.runs) {
            Ok(mut router) => {
                router.handle_channels(self.channels.clone());
                // With a clock that is behind what was told, it goes on from there.
                let began = date.max(router.now().saturating_sub(limits::TIME_KEPT_MILLIS));
                self.up = Some(Up { router, log, ahead: began - signed(now) });
                true
            }
            Err(_) => {
                self.kept = Some(log.cut(0));
                false
            }
        }
    }

    /// Kills the router: of what was not safe yet, the first `survive` changes are.
    pub(super) fn kill(&mut self, survive: usize) {
        if let Some(up) = self.up.take() {
            self.kept = Some(up.log.cut(survive));
        }
        #[cfg(test)]
        if let Some(kept) = self.kept.as_mut().filter(|_| self.loses_records) {
            kept.lose_newest_message();
        }
        // Nobody hears what else the run would have said.
        self.work.clear();
        self.outputs.clear();
        self.ready.take();
    }

    /// Has the router refuse calls and end streams; what is under way goes on.
    pub(super) fn stop(&mut self) {
        if let Some(up) = &self.up {
            up.router.router().stop();
        }
        self.settle();
    }

    /// The host's date is set forward, or back: which a router that runs does not follow.
    pub(super) fn set_ahead(&mut self, by: i64) {
        self.ahead += by;
    }

    /// The router notices that it slept for so long, as its clock shows.
    pub(super) fn leap(&mut self, by: i64) {
        self.ahead += by;
        if let Some(up) = &mut self.up {
            up.ahead += by;
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// Which run of the router this is.
    pub(super) fn run(&self) -> u64 {
        self.runs
    }

    pub(super) fn log(&self) -> Option<&Shared> {
        self.up.as_ref().map(|up| &up.log)
    }

    /// The router's time.
    pub(super) fn router_time(&self) -> Option<i64> {
        self.up.as_ref().map(|up| up.router.now())
    }

    /// The world's time is `now`: what is due is done.
    pub(super) fn handle_time(&mut self, now: Millis) {
        if let Some(up) = &mut self.up {
            up.router.handle_time(signed(now) + up.ahead);
        }
    }

    /// When something is due in the router, in the world's time.
    pub(super) fn poll_timeout(&self) -> Option<Millis> {
        let up = self.up.as_ref()?;
        let due = up.router.poll_timeout()? - up.ahead;
        Some(Millis::try_from(due).unwrap_or_default())
    }

    /// Begins a call, or opens a stream. False if nobody listens.
    pub(super) fn begin(&mut self, key: Key, ask: Ask) -> bool {
        let Some(up) = &self.up else { return false };
        let mut call = begin(up.router.router().clone(), ask);
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => self.answered(key, answer),
            Poll::Pending => {
                self.insert(key, Task::Call(call));
            }
        }
        true
    }

    /// A call's caller has gone, or a stream's reader.
    pub(super) fn drop_work(&mut self, key: Key) {
        self.work.remove(&key);
    }

    /// From now on a stream is read only when the world says so, or whenever there is something.
    pub(super) fn hold(&mut self, key: Key, held: bool) {
        if let Some(work) = self.work.get_mut(&key) {
            work.held = held;
        }
        if !held {
            self.poll(key);
        }
    }

    /// Reads a stream that is held.
    pub(super) fn read(&mut self, key: Key) {
        self.poll(key);
    }

    /// Polls whatever has something to say.
    pub(super) fn settle(&mut self) {
        loop {
            let ready = self.ready.take();
            if ready.is_empty() {
                break;
            }
            for key in ready {
                match self.work.get_mut(&key) {
                    Some(work) if work.held => self.outputs.push_back(Output::Readable(key)),
                    Some(_) => self.poll(key),
                    None => {}
                }
            }
        }
        #[cfg(test)]
        if let Some(tamper) = &mut self.tamper {
            self.outputs = std::mem::take(&mut self.outputs).into_iter().flat_map(tamper).collect();
        }
    }

    /// Whether something woke up since that was polled last.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A party that is to be told of something; it is told by that.
    pub(super) fn poll_errand(&mut self) -> Option<Errand> {
        let up = self.up.as_mut()?;
        let errand = up.router.poll_errand(&self.channels)?;
        up.router.handle_told(&errand);
        Some(errand)
    }

    fn insert(&mut self, key: Key, task: Task) {
        let bells = Bells::new(key, &self.ready);
        self.work.insert(key, Work { task, bells, held: false });
        self.poll(key);
    }

    fn answered(&mut self, key: Key, answer: Result<Answer, Status>) {
        let stream = match answer {
            Ok(Answer::Messages(stream)) => Task::Messages(Box::new(stream)),
            Ok(Answer::Events(stream)) => Task::Events(Box::new(stream)),
            answer => return self.outputs.push_back(Output::Answer(key, answer)),
        };
        self.outputs.push_back(Output::Answer(key, Ok(Answer::Done)));
        self.insert(key, stream);
    }

    fn poll(&mut self, key: Key) {
        let Some(work) = self.work.get_mut(&key) else { return };
        let waker = work.bells.waker();
        let mut context = Context::from_waker(&waker);
        loop {
            let output = match &mut work.task {
                Task::Call(call) => match call.as_mut().poll(&mut context) {
                    Poll::Pending => return,
                    Poll::Ready(answer) => {
                        self.work.remove(&key);
                        return self.answered(key, answer);
                    }
                },
                Task::Messages(stream) => match Pin::new(stream).poll_next(&mut context) {
                    Poll::Pending => return,
                    Poll::Ready(Some(Ok(item))) => match item.decode() {
                        Ok(message) => Output::Message(key, Box::new(message)),
                        Err(error) => Output::End(key, Status::internal(error.to_string())),
                    },
                    Poll::Ready(Some(Err(status))) => Output::End(key, status),
                    Poll::Ready(None) => Output::End(key, Status::ok("")),
                },
                Task::Events(stream) => match Pin::new(stream).poll_next(&mut context) {
                    Poll::Pending => return,
                    Poll::Ready(Some(Ok(event))) => Output::Event(key, Box::new(event)),
                    Poll::Ready(Some(Err(status))) => Output::End(key, status),
                    Poll::Ready(None) => Output::End(key, Status::ok("")),
                },
            };
            let ended = matches!(output, Output::End(..));
            self.outputs.push_back(output);
            if ended {
                self.work.remove(&key);
                return;
            }
        }
    }
}

fn signed(at: Millis) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
