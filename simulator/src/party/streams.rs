//! The streams a party holds open, and opens again when they end.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;

use crate::action::{Action, Millis, Stream, StreamId};
use crate::calls::backoff;

#[derive(Debug)]
pub(super) struct Streams {
    next: u64,
    rng: ChaCha20Rng,
    watches: Vec<Watch>,
    open: BTreeMap<StreamId, usize>,
}

#[derive(Debug)]
struct Watch {
    stream: Stream,
    /// When to open it, while it is not.
    open_at: Option<Millis>,
    id: Option<StreamId>,
    /// The party's moment when it was opened.
    opened: u64,
    failures: u32,
    over: bool,
}

impl Streams {
    pub(super) fn new(rng: ChaCha20Rng) -> Self {
        Self { next: 0, rng, watches: Vec::new(), open: BTreeMap::new() }
    }

    pub(super) fn open_events(&mut self, party: &str, now: Millis) {
        self.watch(Stream::Events { party: party.into() }, now);
    }

    pub(super) fn open_messages(&mut self, party: &str, session: &str, now: Millis) {
        self.watch(Stream::Messages { party: party.into(), session: session.into() }, now);
    }

    fn watch(&mut self, stream: Stream, now: Millis) {
        self.watches.push(Watch {
            stream,
            open_at: Some(now),
            id: None,
            opened: 0,
            failures: 0,
            over: false,
        });
    }

    /// An item came: gives the session and the moment the stream was opened.
    pub(super) fn handle_message(&mut self, id: StreamId) -> Option<(String, u64)> {
        let watch = self.watches.get_mut(*self.open.get(&id)?)?;
        watch.failures = 0;
        match &watch.stream {
            Stream::Messages { session, .. } => Some((session.clone(), watch.opened)),
            Stream::Events { .. } => None,
        }
    }

    /// An event came: `true` if the stream is still wanted.
    pub(super) fn handle_event(&mut self, id: StreamId) -> bool {
        let Some(watch) = self.open.get(&id).and_then(|at| self.watches.get_mut(*at)) else {
            return false;
        };
        watch.failures = 0;
        true
    }

    /// A stream ended: `true` if it was still wanted, and is opened again later.
    pub(super) fn handle_end(&mut self, id: StreamId, now: Millis) -> bool {
        let Some(watch) = self.open.remove(&id).and_then(|at| self.watches.get_mut(at)) else {
            return false;
        };
        watch.id = None;
        watch.open_at = Some(now + backoff(watch.failures, &mut self.rng));
        watch.failures += 1;
        true
    }

    /// Closes a session's stream; gives its id if it is open.
    pub(super) fn close_messages(&mut self, session: &str) -> Option<StreamId> {
        self.close(|stream| matches!(stream, Stream::Messages { session: s, .. } if s == session))
            .pop()
    }

    /// Closes all; gives the ids of those that are open.
    pub(super) fn close_all(&mut self) -> Vec<StreamId> {
        self.close(|_| true)
    }

    fn close(&mut self, which: impl Fn(&Stream) -> bool) -> Vec<StreamId> {
        let mut closed = Vec::new();
        for watch in self.watches.iter_mut().filter(|watch| which(&watch.stream)) {
            watch.over = true;
            watch.open_at = None;
            if let Some(id) = watch.id.take() {
                self.open.remove(&id);
                closed.push(id);
            }
        }
        closed
    }

    pub(super) fn poll_action(&mut self, now: Millis, moment: u64) -> Option<Action> {
        let due = |watch: &Watch| watch.open_at.is_some_and(|at| at <= now);
        let at = self.watches.iter().position(due)?;
        let id = StreamId(self.next);
        self.next += 1;
        let watch = &mut self.watches[at];
        watch.open_at = None;
        watch.id = Some(id);
        watch.opened = moment;
        self.open.insert(id, at);
        Some(Action::Open(id, watch.stream.clone()))
    }

    pub(super) fn poll_timeout(&self) -> Option<Millis> {
        self.watches.iter().filter_map(|watch| watch.open_at).min()
    }
}
