//! Events that late subscribers still get: EVT-13.

use mpc_router_proto::v1::SessionEvent;
use tokio::time::{Duration, Instant};

use super::state::State;
use super::{Fault, Variant};

/// How long a replay takes that is loaded in the background.
const BACKGROUND: Duration = Duration::from_millis(20);

/// So many events of a party one fault keeps.
const FEW: usize = 20;

impl State {
    /// Keeps an event for those whom it selects and who do not listen yet.
    pub(super) fn keep_event(&mut self, event: &SessionEvent) {
        if self.has(Fault::LastEventReplayed) {
            self.events.retain(|kept| kept.session_id != event.session_id);
        }
        let lost = self.has(Fault::AnnouncementsReplayedOnly)
            && !["session_created", "session_started"].contains(&event.event_type.as_str());
        if !lost {
            self.events.push(event.clone());
        }
    }

    /// Puts what an event stream gets of before into its queue.
    pub(super) fn replay_events(&mut self, id: u64) {
        if self.is(Variant::NoEventReplay) {
            return;
        }
        let twist = self.twist.clone();
        let now = Instant::now();
        let Some(at) = self.listeners.iter().position(|listener| listener.id == id) else { return };
        let party = self.listeners[at].party.clone();
        let mut events: Vec<SessionEvent> = self
            .events
            .iter()
            .filter(|event| self.is_replayed(event, &party))
            .filter(|event| {
                self.listeners[at].wants(event, &twist) || twist.has(Fault::ReplayIgnoresTypes)
            })
            .cloned()
            .collect();
        if twist.is(Variant::EventsReplayedBySession) {
            events.sort_by(|one, other| one.session_id.cmp(&other.session_id));
        }
        if twist.has(Fault::NewestEventsReplayed) && events.len() > FEW {
            events.drain(..events.len() - FEW);
        }
        // EVT-6
        if twist.has(Fault::EventsReplayedNewestFirst) {
            events.reverse();
        }
        let first = self.replayed_to.insert(party);
        if twist.has(Fault::EventsReplayedOnce) && !first {
            return;
        }
        // Before later ones: those come behind it in the queue.
        let due = if twist.has(Fault::EventsReplayedLate) { now + BACKGROUND } else { now };
        let apart = self.keeps_tokens_apart(self.settings.secure, true);
        for event in &mut events {
            if twist.has(Fault::ReplayWithoutTokens) {
                event.join_tokens.clear();
            }
            self.listeners[at].push(due, event, apart, &twist);
        }
    }

    /// Whether an event is one that `party` still gets.
    fn is_replayed(&self, event: &SessionEvent, party: &str) -> bool {
        let session = self.session(&event.session_id);
        let over = session.is_none_or(|session| self.is_over(session));
        let selects = |name: &str| event.selected_parties.iter().any(|it| it == name);
        let concerned = if event.selected_parties.is_empty() {
            self.has(Fault::UnselectiveReplayed)
        } else if self.has(Fault::ReplayedToMembersOnly) {
            session.is_some_and(|session| session.has_member(party))
        } else {
            selects(party)
        };
        let missed = self.has(Fault::NotReplayedToNewcomers)
            && self.party(party).is_none_or(|party| party.registered_at > event.created_at);
        concerned && !missed && (!over || self.is(Variant::EndedSessionsReplayed))
    }
}
