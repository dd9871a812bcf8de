//! Session events: EVT.

use std::collections::{BTreeSet, VecDeque};
use std::task::Waker;

use mpc_router_proto::v1::{
    PublishSessionEventResponse, SessionEvent, SubscribeSessionEventsRequest,
};
use tokio::time::{Duration, Instant};

use super::delivery::{LAG, Next};
use super::journal::{Announced, Fact};
use super::membership::ends;
use super::refusal::Refusal;
use super::registration::is_plain;
use super::state::{Listener, Published, State};
use super::{Fault, Twist, Variant};

/// How long a fault waits for a stream that has ended.
const A_SECOND: Duration = Duration::from_secs(1);

/// So many events one fault keeps for a stream.
const RING: usize = 256;

/// And so many another one sends on it.
const CREDIT: usize = 500;

/// Within this time a fault takes two events of a session for one.
const DEBOUNCE: Duration = Duration::from_millis(5);

impl State {
    /// PublishSessionEvent.
    pub(super) fn publish(
        &mut self,
        event: Option<SessionEvent>,
    ) -> Result<PublishSessionEventResponse, Refusal> {
        // EVT-7
        let Some(event) = event else {
            if self.has(Fault::MissingEventAccepted) {
                return Ok(PublishSessionEventResponse { success: true, subscriber_count: 0 });
            }
            return Err(Refusal::invalid("there is no event"));
        };
        self.check_event(&event)?;
        self.check_fancies(&event)?;

        // EVT-9: the same event again delivers nothing again.
        if let Some(known) = self.published.get(&event.event_id)
            && (known.event == event || self.is(Variant::KnownByEventId))
            && !self.is(Variant::NoEventDedupe)
        {
            let subscriber_count =
                if self.is(Variant::RepeatsCountZero) { 0 } else { known.subscriber_count };
            return Ok(PublishSessionEventResponse { success: true, subscriber_count });
        }

        if self.is(Variant::EndedSessionsAreOver) {
            self.check_end(&event)?;
        }
        self.note_event(&event);
        let filled = self.filled(event.clone());
        self.keep_event(&filled);
        let subscriber_count = self.send_event(&filled);
        let given = event.clone();
        let announced = Announced { given, filled: filled.clone(), subscriber_count };
        self.note(Fact::Published(Box::new(announced)));
        if !event.event_id.is_empty() {
            if self.has(Fault::LastEventOnlyDeduplicated) {
                self.published.clear();
            }
            let id = event.event_id.clone();
            self.published.insert(id, Published { event, subscriber_count });
        }
        if self.has(Fault::EndedListenerFailsPublish) && self.drop_ended(&filled) {
            return Err(Refusal::internal("a subscriber's channel is closed"));
        }
        Ok(PublishSessionEventResponse { success: true, subscriber_count })
    }

    fn check_event(&self, event: &SessionEvent) -> Result<(), Refusal> {
        // EVT-7
        if event.session_id.is_empty() && !self.has(Fault::EventWithoutSession) {
            return Err(Refusal::invalid("the event's session_id is empty"));
        }
        if event.event_type.is_empty() && !self.has(Fault::EventWithoutType) {
            return Err(Refusal::invalid("the event's event_type is empty"));
        }
        // EVT-8
        if event.threshold_t > event.threshold_n && !self.has(Fault::ThresholdOverN) {
            return Err(Refusal::invalid("threshold_t is over threshold_n"));
        }
        if (event.threshold_t < 0 || event.threshold_n < 0) && !self.has(Fault::NegativeThreshold) {
            return Err(Refusal::invalid("a threshold is negative"));
        }
        let distinct: BTreeSet<&String> = event.selected_parties.iter().collect();
        if distinct.len() < event.selected_parties.len() && !self.has(Fault::SelectedTwice) {
            return Err(Refusal::invalid("a party is selected twice"));
        }
        Ok(())
    }

    /// What some may refuse.
    fn check_fancies(&self, event: &SessionEvent) -> Result<(), Refusal> {
        let names = || [&event.session_id].into_iter().chain(&event.selected_parties);
        if self.is(Variant::PlainNamesOnly) && !names().all(|name| is_plain(name)) {
            return Err(Refusal::invalid("a name is no plain one"));
        }
        if !self.is(Variant::StrictEvents) {
            return Ok(());
        }
        if event.threshold_t == 0 || event.threshold_n == 0 {
            return Err(Refusal::invalid("a threshold is 0"));
        }
        let is_selected = |name: &String| event.selected_parties.contains(name);
        if !event.join_tokens.keys().all(is_selected) {
            return Err(Refusal::invalid("a join token is for a party that is not selected"));
        }
        Ok(())
    }

    /// A session ends for good, and only after it was announced.
    fn check_end(&mut self, event: &SessionEvent) -> Result<(), Refusal> {
        let session = self.session_mut(&event.session_id);
        if session.ended_at.is_some() || (ends(&event.event_type) && !session.announced) {
            return Err(Refusal::precondition("the session is not going on"));
        }
        Ok(())
    }

    /// EVT-4: what was given is kept, what is empty is filled. EVT-3: the rest stays.
    fn filled(&mut self, mut event: SessionEvent) -> SessionEvent {
        if (event.event_id.is_empty() && !self.has(Fault::EventIdLeftEmpty))
            || self.has(Fault::EventIdReplaced)
        {
            event.event_id = self.ids.next(&self.twist);
        }
        if event.created_at == 0 || self.has(Fault::EventTimeReplaced) {
            event.created_at = self.now_ms();
        }
        if self.has(Fault::MessageHashLost) {
            event.message_hash.clear();
        }
        if self.has(Fault::JoinTokensWithheld) {
            event.join_tokens.clear();
        }
        if self.has(Fault::SelectedPartiesSorted) {
            event.selected_parties.sort();
        }
        event
    }

    /// Sends an event to whom it concerns, and counts them (EVT-5).
    fn send_event(&mut self, event: &SessionEvent) -> i32 {
        let now = Instant::now();
        let session = self.session_mut(&event.session_id);
        let events = session.events;
        let last_event = session.last_event.replace(now);
        let debounced = self.has(Fault::EventsDebounced)
            && last_event.is_some_and(|last| now - last < DEBOUNCE);
        // EVT-6: nothing overtakes.
        let lags = (self.has(Fault::EventsInTwoLanes) && !event.join_tokens.is_empty())
            || (self.has(Fault::EventsSwappedOnceIn20) && events.is_multiple_of(20));
        let due = if lags { now + LAG } else { now };

        let twist = self.twist.clone();
        let apart = self.keeps_tokens_apart(self.settings.secure, false);
        let mut parties = BTreeSet::new();
        let mut streams = 0;
        for listener in &mut self.listeners {
            // EVT-1, EVT-12
            let concerned = if event.selected_parties.is_empty() {
                !twist.has(Fault::EventsForSelectedOnly)
            } else {
                event.selected_parties.contains(&listener.party)
                    || twist.has(Fault::EventsToEverybody)
                    || twist.is(Variant::EventsReachEverybody)
            };
            let wanted = listener.wants(event, &twist);
            let still_there = !(listener.ended && twist.has(Fault::PublishWaitsForEnded));
            if !(concerned && wanted && still_there) {
                continue;
            }
            streams += 1;
            parties.insert(listener.party.clone());
            if listener.ended || debounced {
                continue;
            }
            listener.push(due, event, apart, &twist);
        }
        let count = if twist.has(Fault::CountsStreams) {
            streams
        } else if twist.has(Fault::CountsSelected) {
            event.selected_parties.len()
        } else {
            parties.len()
        };
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// How long an event waits for streams that have ended. EVT-11: not at all.
    pub(super) fn waits_for_ended(&self, event: Option<&SessionEvent>) -> Duration {
        let Some(event) = event.filter(|_| self.has(Fault::PublishWaitsForEnded)) else {
            return Duration::ZERO;
        };
        let ended = |it: &&Listener| it.ended && event.selected_parties.contains(&it.party);
        let ended = self.listeners.iter().filter(ended).count();
        A_SECOND * u32::try_from(ended).unwrap_or(u32::MAX)
    }

    /// EVT-1: an event waits for no stream that is not read. Only a fault looks for one.
    pub(super) fn waits_for_reader(&self, event: Option<&SessionEvent>) -> bool {
        self.has(Fault::PublishWaitsForReader)
            && event.is_some_and(|event| {
                let is_full = |it: &Listener| {
                    it.queue.len() >= RING && event.selected_parties.contains(&it.party)
                };
                self.listeners.iter().any(is_full)
            })
    }

    /// Forgets the ended event streams that this event concerns, and tells whether there were any.
    fn drop_ended(&mut self, event: &SessionEvent) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|listener| {
            !(listener.ended && event.selected_parties.contains(&listener.party))
        });
        self.listeners.len() < before
    }

    /// SubscribeSessionEvents: gives the new stream's number.
    pub(super) fn listen(
        &mut self,
        request: SubscribeSessionEventsRequest,
    ) -> Result<u64, Refusal> {
        let party = request.party_id;
        // EVT-10
        if party.is_empty() && !self.has(Fault::EmptyListenerAccepted) {
            return Err(Refusal::invalid("party_id is empty"));
        }
        if self.party(&party).is_none()
            && !party.is_empty()
            && !self.has(Fault::UnknownListenerAccepted)
        {
            return Err(Refusal::not_found("the party is not registered"));
        }
        self.heard(&party);
        let id = self.next_stream();
        self.listeners.push(Listener {
            id,
            party,
            event_types: request.event_types,
            queue: VecDeque::new(),
            waker: None,
            ended: false,
            handed_out: 0,
        });
        // EVT-13: under the same lock, so that nothing comes twice.
        if !self.has(Fault::ReplayOverlapsLive) {
            self.replay_events(id);
        }
        Ok(id)
    }

    /// What an event stream does next.
    pub(super) fn next_event(&mut self, id: u64, waker: &Waker) -> Next<SessionEvent> {
        let (stops, dries_up) = (self.stops, self.has(Fault::EventStreamDriesUpAfter500));
        let Some(listener) = self.listeners.iter_mut().find(|listener| listener.id == id) else {
            return Next::End(None);
        };
        if stops {
            return self.farewell(Fault::StopEndsEventStreamsWithOk);
        }
        let now = Instant::now();
        let dry = dries_up && listener.handed_out >= CREDIT;
        if let Some(at) = listener.queue.iter().position(|(due, _)| *due <= now && !dry)
            && let Some((_, event)) = listener.queue.remove(at)
        {
            listener.handed_out += 1;
            return Next::Item(event);
        }
        listener.waker = Some(waker.clone());
        let due = listener.queue.iter().map(|(due, _)| *due).filter(|due| *due > now);
        Next::Wait { until: due.min() }
    }

    /// EVT-11: a stream that has ended is forgotten.
    pub(super) fn stop_listening(&mut self, id: u64) {
        if self.has(Fault::ListenerEndMeansOffline)
            && let Some(ended) = self.listeners.iter().find(|listener| listener.id == id)
        {
            let party = ended.party.clone();
            self.hangs_up(&party);
        }
        let keeps = self.has(Fault::EndedListenersCounted)
            || self.has(Fault::EndedListenerFailsPublish)
            || self.has(Fault::PublishWaitsForEnded);
        if keeps {
            if let Some(listener) = self.listeners.iter_mut().find(|listener| listener.id == id) {
                listener.ended = true;
            }
        } else {
            self.listeners.retain(|listener| listener.id != id);
        }
    }
}

impl Listener {
    /// EVT-2: whether its types let the event through.
    pub(super) fn wants(&self, event: &SessionEvent, twist: &Twist) -> bool {
        let types = &self.event_types;
        types.is_empty()
            || if twist.has(Fault::FirstEventTypeOnly) {
                types.first() == Some(&event.event_type)
            } else if twist.has(Fault::EventTypeByPrefix) {
                types.iter().any(|prefix| event.event_type.starts_with(prefix))
            } else {
                types.contains(&event.event_type)
            }
    }

    /// Puts an event behind all others in the stream's queue; join tokens of others do not go with
    /// it where they are kept `apart`.
    pub(super) fn push(&mut self, due: Instant, event: &SessionEvent, apart: bool, twist: &Twist) {
        let mut copy = event.clone();
        if apart || twist.is(Variant::OwnJoinTokenOnly) {
            copy.join_tokens.retain(|party, _| {
                *party == self.party
                    || (twist.has(Fault::TokensByPrefix) && party.starts_with(&self.party))
            });
        }
        if twist.has(Fault::EventRingOf256) && self.queue.len() >= RING {
            self.queue.pop_front();
        }
        self.queue.push_back((due, copy));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
