//! What is going on while a program is played: what was seen so far, and which subscriptions are open.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use mpc_router_proto::v1::{MpcMessage, SessionEvent};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::super::calls::By;
use super::super::history::{End, Got, Listener, Moment, Stream};
use super::super::names::NameTable;
use super::super::program::{Event, Program};
use super::super::record::{Recorder, refused};
use super::Conditions;

/// A subscription that is open.
#[derive(Clone, Debug)]
pub(super) struct Open<N> {
    pub(super) number: N,
    pub(super) party: u8,
    /// Nobody reads it any more.
    pub(super) end: CancellationToken,
}

#[derive(Debug)]
pub(super) struct Board {
    recorder: Mutex<Recorder>,
    /// When the target last answered each party.
    lives: Vec<AtomicU64>,
    /// The subscriptions that are open, by their numbers in the program.
    streams: Mutex<BTreeMap<u32, Open<Stream>>>,
    listeners: Mutex<BTreeMap<u32, Open<Listener>>>,
    /// Something came on a stream.
    pub(super) news: Notify,
}

/// Nobody panics while holding one.
fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Board {
    pub(super) fn new(program: &Program, names: NameTable, conditions: &Conditions) -> Self {
        let (date, max_payload) = (conditions.date, conditions.max_payload);
        Self {
            recorder: Mutex::new(Recorder::new(names, program, date, max_payload)),
            lives: (0..program.parties).map(|_| AtomicU64::new(0)).collect(),
            streams: Mutex::default(),
            listeners: Mutex::default(),
            news: Notify::new(),
        }
    }

    pub(super) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.recorder)
    }

    /// The target answered.
    pub(super) fn lived(&self, by: By, at: Moment) {
        if let By::Party(party) = by {
            self.lives[usize::from(party)].fetch_max(at, Ordering::Relaxed);
        }
    }

    fn life(&self, party: u8) -> Moment {
        self.lives[usize::from(party)].load(Ordering::Relaxed)
    }

    /// A party subscribes to messages.
    pub(super) fn opens(
        &self,
        now: Moment,
        number: u32,
        party: u8,
        session: Option<u8>,
    ) -> Open<Stream> {
        let stream = self.recorder().opens(now, party, session);
        let open = Open { number: stream, party, end: CancellationToken::new() };
        lock(&self.streams).insert(number, open.clone());
        open
    }

    /// The subscription's headers came.
    pub(super) fn is_open(&self, now: Moment, open: &Open<Stream>) {
        let at = self.recorder().is_alive(now, open.number);
        self.lived(By::Party(open.party), at);
    }

    /// A copy came on it. Tells whether anybody reads it still.
    pub(super) fn came(&self, now: Moment, open: &Open<Stream>, copy: &MpcMessage) -> bool {
        let mut recorder = self.recorder();
        if open.end.is_cancelled() {
            return false;
        }
        let at = recorder.came(now, open.number, copy);
        drop(recorder);
        self.lived(By::Party(open.party), at);
        self.news.notify_waiters();
        true
    }

    /// The subscription of that number in the program ends, if it has not.
    pub(super) fn closes(&self, now: Moment, number: u32, end: End) {
        let open = lock(&self.streams).remove(&number);
        if let Some(open) = open {
            self.closed(now, &open, end);
        }
    }

    /// A subscription ends: until the target last answered its party it was surely there.
    fn closed(&self, now: Moment, open: &Open<Stream>, end: End) {
        let mut recorder = self.recorder();
        open.end.cancel();
        recorder.closes(now, open.number, self.life(open.party), end);
    }

    /// The subscription of that number in the program, if it is open.
    pub(super) fn stream(&self, number: u32) -> Option<Stream> {
        lock(&self.streams).get(&number).map(|it| it.number)
    }

    /// All that are open.
    pub(super) fn streams(&self) -> Vec<Stream> {
        lock(&self.streams).values().map(|it| it.number).collect()
    }

    /// A party subscribes to events.
    pub(super) fn listens(
        &self,
        now: Moment,
        number: u32,
        party: u8,
        only: &[Event],
    ) -> Open<Listener> {
        let listener = self.recorder().listens(now, party, only);
        let open = Open { number: listener, party, end: CancellationToken::new() };
        lock(&self.listeners).insert(number, open.clone());
        open
    }

    /// The subscription's headers came.
    pub(super) fn hears(&self, now: Moment, open: &Open<Listener>) {
        let at = self.recorder().hears(now, open.number);
        self.lived(By::Party(open.party), at);
    }

    /// An event came on it. Tells whether anybody reads it still.
    pub(super) fn heard(&self, now: Moment, open: &Open<Listener>, event: &SessionEvent) -> bool {
        let mut recorder = self.recorder();
        if open.end.is_cancelled() {
            return false;
        }
        let at = recorder.heard(now, open.number, event);
        drop(recorder);
        self.lived(By::Party(open.party), at);
        self.news.notify_waiters();
        true
    }

    /// The subscription to events of that number in the program ends, if it has not.
    pub(super) fn deafens(&self, now: Moment, number: u32) {
        let open = lock(&self.listeners).remove(&number);
        if let Some(open) = open {
            self.deafened(now, &open);
        }
    }

    fn deafened(&self, now: Moment, open: &Open<Listener>) {
        let mut recorder = self.recorder();
        open.end.cancel();
        recorder.deaf(now, open.number, self.life(open.party));
    }

    /// The subscriptions of these parties end with their connections.
    pub(super) fn breaks(&self, now: Moment, whose: impl Fn(u8) -> bool) {
        let streams: Vec<_> =
            lock(&self.streams).extract_if(.., |_, open| whose(open.party)).collect();
        streams.iter().for_each(|(_, open)| self.closed(now, open, End::Lost));
        let listeners: Vec<_> =
            lock(&self.listeners).extract_if(.., |_, open| whose(open.party)).collect();
        listeners.iter().for_each(|(_, open)| self.deafened(now, open));
    }
}

/// How a subscription ended that was not to be opened.
pub(super) fn not_opened(status: &Status) -> End {
    if refused(status) == Got::Refused { End::Refused } else { End::Lost }
}

/// How a subscription ended that was open.
pub(super) fn broken_off(status: &Status) -> End {
    let is_theirs =
        refused(status) == Got::Refused || matches!(status.code(), Code::ResourceExhausted);
    if is_theirs { End::Theirs } else { End::Lost }
}
