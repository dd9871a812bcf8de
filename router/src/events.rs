//! Session events on their way to those who listen.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;
use mpc_router_core::{
    Announcement, Budget, EventEffect, EventKind, EventStreamError, Events, Millis, PartyId,
    SessionId, StreamId,
};
use tonic::Status;

use crate::metrics::{Metrics, Open, StreamKind};
use crate::sessions::StreamSlot;
use crate::{limits, wire};

/// All event streams. They share one lock, since events are few.
#[derive(Debug)]
pub(crate) struct EventStreams {
    stopping: Arc<AtomicBool>,
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    events: Events<wire::EventCopies>,
    /// The open streams, and whom to wake when there is something on one.
    sleepers: BTreeMap<StreamId, Option<Waker>>,
    next_stream: u64,
}

/// Why an event stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventsEnd {
    /// It lagged too far behind.
    Error(EventStreamError),
    /// The router stops.
    Stopping,
}

impl EventStreams {
    pub(crate) fn new(stopping: Arc<AtomicBool>, metrics: Metrics) -> Self {
        let events = Events::new(limits::EVENT_BACKLOG);
        let state = State { events, sleepers: BTreeMap::new(), next_stream: 1 };
        Self { stopping, metrics, state: Mutex::new(state) }
    }

    /// Brings an event to those who listen. Returns to how many parties.
    pub(crate) fn publish(
        &self,
        now: Millis,
        session: &SessionId,
        announcement: &Arc<Announcement>,
        until: Option<Millis>,
    ) -> usize {
        let event = Arc::new(wire::EventCopies::of(announcement));
        let mut state = self.lock();
        let reached = state.events.handle_publish(now, session, &event, until);
        let awakened = state.perform();
        drop(state);
        awakened.into_iter().for_each(Waker::wake);
        reached
    }

    /// Keeps nothing of a session any more.
    pub(crate) fn forget(&self, session: &SessionId) {
        self.lock().events.handle_forget(session);
    }

    /// Wakes every event stream, so that each finds out that the router stops.
    pub(crate) fn wake_all(&self) {
        let awakened: Vec<_> = {
            let mut state = self.lock();
            state.sleepers.values_mut().filter_map(Option::take).collect()
        };
        awakened.into_iter().for_each(Waker::wake);
    }

    fn poll_pull(
        &self,
        stream: StreamId,
        budget: Budget,
        batch: &mut VecDeque<Arc<wire::EventCopies>>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), EventsEnd>> {
        let mut state = self.lock();
        // Asked with the state locked, which whoever raises the flag locks next to wake the sleepers.
        if self.stopping.load(Ordering::SeqCst) {
            return Poll::Ready(Err(EventsEnd::Stopping));
        }
        state.events.handle_pull(stream, budget, batch).map_err(EventsEnd::Error)?;
        if batch.is_empty() {
            state.sleepers.insert(stream, Some(context.waker().clone()));
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// What is behind the lock is whole at any time: publishing and pulling end no call halfway.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn perform(&mut self) -> Vec<Waker> {
        let mut awakened = Vec::new();
        while let Some(effect) = self.events.poll_effect() {
            match effect {
                EventEffect::Wake { stream } => {
                    awakened.extend(self.sleepers.get_mut(&stream).and_then(Option::take));
                }
            }
        }
        awakened
    }
}

/// What a party hears of sessions. Closes itself when dropped (EVT-11).
#[derive(Debug)]
pub struct EventStream {
    streams: Arc<EventStreams>,
    id: StreamId,
    party: PartyId,
    batch: VecDeque<Arc<wire::EventCopies>>,
    frame: wire::Frame,
    ended: bool,
    _slot: StreamSlot,
    _open: Open,
}

impl EventStream {
    pub(crate) fn open(
        streams: Arc<EventStreams>,
        now: Millis,
        party: PartyId,
        kinds: Vec<EventKind>,
        slot: StreamSlot,
    ) -> Self {
        let id = {
            let mut state = streams.lock();
            let id = StreamId(state.next_stream);
            state.next_stream += 1;
            state.sleepers.insert(id, None);
            state.events.handle_subscribe(now, id, party.clone(), kinds);
            id
        };
        let (batch, frame) = (VecDeque::new(), wire::Frame::default());
        let open = streams.metrics.stream(StreamKind::Events);
        Self { streams, id, party, batch, frame, ended: false, _slot: slot, _open: open }
    }
}

impl Stream for EventStream {
    type Item = Result<wire::EventItem, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        if this.batch.is_empty() {
            let room = this.frame.room();
            let polled = this.streams.poll_pull(this.id, room, &mut this.batch, context);
            if polled.is_pending() {
                this.frame.close();
            }
            if let Err(end) = ready!(polled) {
                this.ended = true;
                if let EventsEnd::Error(EventStreamError::Lagged) = end {
                    this.streams.metrics.event_stream_lagged();
                }
                return Poll::Ready(Some(Err(wire::events_end(end))));
            }
        }
        let event = this.batch.pop_front().expect("a pull that is ready gave something");
        // Here, where nobody else waits for it: an event may have thousands of listeners.
        let content = event.of_party(&this.party);
        this.frame.add(&content);
        Poll::Ready(Some(wire::event(&content)))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        let mut state = self.streams.lock();
        state.sleepers.remove(&self.id);
        state.events.handle_unsubscribe(self.id);
    }
}
