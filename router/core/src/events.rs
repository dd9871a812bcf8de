use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use crate::kept::KeptEvents;
use crate::{Announcement, Budget, EventKind, Millis, PartyId, SessionId, StreamId};

/// Something for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventEffect {
    /// There is something to pull for this stream, or it has ended; it found nothing the last time.
    Wake {
        /// The stream.
        stream: StreamId,
    },
}

/// How far an event stream may lag behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// How many events may wait in a stream's queue.
    pub events: usize,
    /// How many bytes of them. A single event may have more.
    pub bytes: usize,
}

/// An event stream has no more to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventStreamError {
    /// There is no such stream, or not any more.
    Closed,
    /// It lagged too far behind. What it had in its queue before that was handed out.
    Lagged,
}

impl fmt::Display for EventStreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the event stream was closed",
            Self::Lagged => {
                "the event stream lagged too far behind and missed events: subscribe again, and read faster"
            }
        })
    }
}

impl std::error::Error for EventStreamError {}

/// Who listens for session events, and what is on its way to them.
///
/// An event goes to the streams that are open when it is published. Those whom it selects get it later
/// as well, as long as its session lasts (EVT-13).
/// Each stream has a queue of its own, in the order of publication (EVT-6). A stream whose queue has
/// no room for an event is ended once it has read what is in it: it is told, rather than left with a
/// gap.
///
/// An `E` is an event with whatever the shell has made of it. All who get it share one, so that
/// nothing is copied here, however many listen.
///
/// Invariant: no queue is longer than the backlog allows; `by_party` names each stream once.
#[derive(Debug)]
pub struct Events<E> {
    backlog: Backlog,
    streams: BTreeMap<StreamId, EventStream<E>>,
    by_party: BTreeMap<PartyId, BTreeSet<StreamId>>,
    kept: KeptEvents<E>,
    effects: VecDeque<EventEffect>,
}

#[derive(Debug)]
struct EventStream<E> {
    party: PartyId,
    /// Empty: all of them.
    kinds: BTreeSet<EventKind>,
    /// What was kept for it when it was opened: shared with the others, so that it need not be
    /// bounded.
    kept: VecDeque<Arc<E>>,
    queue: VecDeque<Arc<E>>,
    /// How many bytes the events in the queue have.
    queued: usize,
    lagged: bool,
    /// Whether it found nothing when it last looked.
    idle: bool,
}

/// An event with whatever a shell has made of it, shared by all who get it.
pub trait PublishedEvent: AsRef<Announcement> {
    /// What it takes while it waits. Bytes.
    fn bytes(&self) -> usize;
}

impl PublishedEvent for Announcement {
    fn bytes(&self) -> usize {
        self.content.len()
    }
}

impl<E: PublishedEvent> EventStream<E> {
    /// Adds an event, or notes that there is no room for it. Tells which.
    fn push(&mut self, event: &Arc<E>, backlog: Backlog) -> bool {
        let bytes = event.bytes();
        let fits = self.queued.saturating_add(bytes) <= backlog.bytes;
        let has_room = self.queue.len() < backlog.events && (fits || self.queue.is_empty());
        if has_room {
            self.queued += bytes;
            self.queue.push_back(Arc::clone(event));
        } else {
            self.lagged = true;
        }
        has_room
    }

    fn pop(&mut self) -> Option<Arc<E>> {
        if let Some(kept) = self.kept.pop_front() {
            return Some(kept);
        }
        let event = self.queue.pop_front()?;
        self.queued -= event.bytes();
        Some(event)
    }

    /// EVT-2.
    fn wants(&self, kind: &EventKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(kind)
    }
}

impl<E: PublishedEvent> Events<E> {
    /// Nobody listens.
    pub fn new(backlog: Backlog) -> Self {
        Self {
            backlog,
            streams: BTreeMap::new(),
            by_party: BTreeMap::new(),
            kept: KeptEvents::default(),
            effects: VecDeque::new(),
        }
    }

    /// Opens a stream of the events that concern `party`, of these kinds or, with none named, of
    /// all. A party may have several; each gets everything. What is kept for it comes first.
    ///
    /// # Panics
    /// If there is a stream of that name: naming them is the caller's duty.
    pub fn handle_subscribe(
        &mut self,
        now: Millis,
        stream: StreamId,
        party: PartyId,
        kinds: impl IntoIterator<Item = EventKind>,
    ) {
        self.by_party.entry(party.clone()).or_default().insert(stream);
        let kinds = kinds.into_iter().collect();
        let mut opened = EventStream {
            party,
            kinds,
            kept: VecDeque::new(),
            queue: VecDeque::new(),
            queued: 0,
            lagged: false,
            idle: false,
        };
        // EVT-13: once, and before later ones.
        for event in self.kept.of(now, &opened.party) {
            if opened.wants(&(*event).as_ref().kind) {
                opened.kept.push_back(event);
            }
        }
        let taken = self.streams.insert(stream, opened);
        assert!(taken.is_none(), "each stream has a name of its own");
        self.check();
    }

    /// Closes a stream; one that has ended already is no matter.
    pub fn handle_unsubscribe(&mut self, stream: StreamId) {
        // EVT-11: from here on nothing counts it.
        if let Some(closed) = self.streams.remove(&stream)
            && let Some(streams) = self.by_party.get_mut(&closed.party)
        {
            streams.remove(&stream);
            if streams.is_empty() {
                self.by_party.remove(&closed.party);
            }
        }
        self.check();
    }

    /// Brings an event of `session` to those who listen, and keeps it for those whom it selects
    /// `until` then, 0 meaning until the session's end; with None the session has ended, and all that
    /// was kept of it goes.
    ///
    /// Returns how many distinct parties it was delivered to (EVT-5).
    pub fn handle_publish(
        &mut self,
        now: Millis,
        session: &SessionId,
        event: &Arc<E>,
        until: Option<Millis>,
    ) -> usize {
        self.kept.publish(now, session, event, until);
        let Announcement { kind, members, .. } = (**event).as_ref();
        let mut reached = BTreeSet::new();
        // EVT-1, EVT-12: an event is for those selected, or for all if nobody is.
        let concerned: Vec<_> = if members.is_empty() {
            self.streams.keys().copied().collect()
        } else {
            members.iter().filter_map(|party| self.by_party.get(party)).flatten().copied().collect()
        };
        for id in concerned {
            let stream = self.streams.get_mut(&id).expect("a party's stream is open");
            if stream.lagged || !stream.wants(kind) {
                continue;
            }
            if stream.push(event, self.backlog) {
                reached.insert(stream.party.clone());
            }
            if std::mem::take(&mut stream.idle) {
                self.effects.push_back(EventEffect::Wake { stream: id });
            }
        }
        self.check();
        reached.len()
    }

    /// Forgets what is kept of a session of which nobody needs anything any more.
    pub fn handle_forget(&mut self, session: &SessionId) {
        self.kept.forget(session);
        self.check();
    }

    /// Takes what comes next on a stream: adds to `batch` until it is at the budget or past it by the
    /// last event, or there is no more. Adding nothing means that there is nothing:
    /// [`EventEffect::Wake`] tells when that changes.
    ///
    /// # Errors
    /// If the stream has ended, and all that was in its queue was handed out.
    pub fn handle_pull(
        &mut self,
        stream: StreamId,
        budget: Budget,
        batch: &mut impl Extend<Arc<E>>,
    ) -> Result<(), EventStreamError> {
        let stream = self.streams.get_mut(&stream).ok_or(EventStreamError::Closed)?;
        if stream.kept.is_empty() && stream.queue.is_empty() {
            if stream.lagged {
                return Err(EventStreamError::Lagged);
            }
            stream.idle = true;
            return Ok(());
        }
        let mut spent = 0;
        while spent < budget.limit()
            && let Some(event) = stream.pop()
        {
            spent += budget.cost(&(*event).as_ref().content);
            batch.extend([event]);
        }
        self.check();
        Ok(())
    }

    /// Hands out the next thing for the shell to do.
    pub fn poll_effect(&mut self) -> Option<EventEffect> {
        self.effects.pop_front()
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Checks what the type says of itself.
    ///
    /// # Panics
    /// If an invariant is broken.
    pub fn assert_invariants(&self) {
        assert_eq!(self.by_party.values().map(BTreeSet::len).sum::<usize>(), self.streams.len());
        for (party, streams) in &self.by_party {
            assert!(
                !streams.is_empty() && streams.iter().all(|id| self.streams[id].party == *party)
            );
        }
        self.kept.assert_invariants();
        for stream in self.streams.values() {
            assert!(stream.queue.len() <= self.backlog.events);
            assert!(stream.queued <= self.backlog.bytes || stream.queue.len() == 1);
            assert_eq!(
                stream.queue.iter().map(|event| event.bytes()).sum::<usize>(),
                stream.queued
            );
            let is_dry = stream.kept.is_empty() && stream.queue.is_empty();
            assert!(!stream.idle || (is_dry && !stream.lagged), "nothing sleeps");
        }
    }

    fn check(&self) {
        if cfg!(debug_assertions) && self.streams.len() <= 64 && self.kept.len() <= 64 {
            self.assert_invariants();
        }
    }
}
