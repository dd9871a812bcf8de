//! The queues of message streams: what goes into them, and in which order (ORD).

use tokio::time::{Duration, Instant};

use super::delivery::LAG;
use super::state::{Message, Number, State, Waiting};
use super::{Fault, Variant};

const MIB: usize = 1024 * 1024;

/// To so many streams of a session a fault sends what is routed.
const FANS_OUT: usize = 64;

/// How long messages may be collected before they are handed out in any order.
const ONE_INSTANT: Duration = Duration::from_millis(2);

/// Messages that a stream's queue holds, and how long it is given to drain, where a fault has such
/// limits.
const OVERFLOWS: usize = 256;
const DRAINING: Duration = Duration::from_millis(900);

impl State {
    /// Puts an accepted message into the queues of its recipient's open streams: SUB-1, SUB-5.
    pub(super) fn offer(&mut self, number: Number, party: &str) {
        let session = self.messages[number].content.session_id.clone();
        let mut streams: Vec<usize> = (0..self.subscriptions.len())
            .filter(|at| {
                let stream = &self.subscriptions[*at];
                // RTE-10: of this session only.
                let meant = self.takes(stream, &session) || self.has(Fault::StreamAcrossSessions);
                stream.party == party && meant && !stream.superseded
            })
            .collect();
        if self.has(Fault::ThirdStreamHasNoSlot) {
            streams.truncate(2);
        }
        if self.has(Fault::FanOutToFirst64Streams) {
            let of_session = |at: usize| self.subscriptions[at].session == session;
            streams.retain(|at| (0..*at).filter(|other| of_session(*other)).count() < FANS_OUT);
        }
        if self.has(Fault::SecondSubscriptionStarved) {
            streams.truncate(1);
        }
        if self.has(Fault::SubscriptionsShareMessages) && !streams.is_empty() {
            streams = vec![streams[number % streams.len()]];
        }
        for at in streams {
            self.enqueue(at, number);
        }
    }

    /// Puts a message behind all others in a stream's queue: ORD-1 to ORD-5.
    fn enqueue(&mut self, at: usize, number: Number) {
        if self.lags_too_far(at, number) {
            return;
        }
        let due = self.due(at, number);
        let content = &self.messages[number].content;
        let instant = self.session(&content.session_id).map_or(0, |session| session.instant.count);
        let queued = Instant::now();
        let waiting = Waiting { number, queued, due, replayed: false, instant };
        let sorts_itself =
            self.has(Fault::RecipientsSortByName) || self.is(Variant::RecipientsOrderForThemselves);
        let place = if sorts_itself { self.place_in_instant(at, &waiting) } else { None };
        let twist = self.twist.clone();
        // RTE-2: once.
        let accepted = self.session(&content.session_id).map_or(0, |session| session.accepted);
        let doubles = twist.has(Fault::DoublesOnceIn100) && accepted.is_multiple_of(100);

        let stream = &mut self.subscriptions[at];
        let replaying = stream.queue.iter().any(|waiting| waiting.replayed);
        if twist.has(Fault::LiveLostDuringReplay) && replaying {
            return;
        }
        // ORD-8: redeliveries change nothing for the others.
        if twist.has(Fault::RedeliveryShufflesFresh) && stream.redelivered {
            stream.queue.push_front(waiting);
        } else if twist.has(Fault::OverflowReadBackwards) && stream.queue.len() > OVERFLOWS {
            stream.queue.insert(OVERFLOWS, waiting);
        } else if let Some(place) = place {
            stream.queue.insert(place, waiting);
        } else {
            stream.queue.push_back(waiting);
            if doubles {
                stream.queue.push_back(waiting);
            }
        }
        stream.wake();
    }

    /// When a message may leave a stream's queue: at once, but for a twist that lets others
    /// overtake it.
    fn due(&mut self, at: usize, number: Number) -> Instant {
        let now = Instant::now();
        let content = &self.messages[number].content;
        let session = self.session(&content.session_id);
        let accepted = session.map_or(0, |session| session.accepted);
        let instant_ends = session.and_then(|session| session.instant.ends);
        if let Some(ends) = instant_ends {
            return ends;
        }
        // FLW-1: what is due to one does not depend on who else reads.
        let party = &self.subscriptions[at].party;
        if self.has(Fault::StalledReaderSlowsFanOut)
            && self.has_stalled_reader(&content.session_id, party)
        {
            return now + DRAINING;
        }
        if self.has(Fault::FullQueueHoldsUpOnce)
            && self.has_stalled_reader(&content.session_id, party)
        {
            return now.max(self.held_up_until());
        }
        // ORD-1, ORD-4: there is one lane.
        if self.has(Fault::LanePerSender) || self.has(Fault::LanePerConnection) {
            let same_lane = |other: &Message| match self.has(Fault::LanePerSender) {
                true => other.content.from_party == content.from_party,
                false => other.connection == self.messages[number].connection,
            };
            let lane = self.subscriptions[at]
                .queue
                .iter()
                .filter(|waiting| same_lane(&self.messages[waiting.number]))
                .map(|waiting| waiting.due)
                .max();
            let due = if self.heads() { now + 2 * LAG } else { now };
            return lane.map_or(due, |lane| lane.max(due));
        }
        let lags = (self.has(Fault::SwapsOnceIn100) && accepted.is_multiple_of(100))
            || (self.has(Fault::LargeMessagesOvertaken) && content.payload.len() > MIB)
            || (self.has(Fault::BroadcastsLag) && content.is_broadcast)
            || (self.has(Fault::RedeliveryShufflesFresh) && self.subscriptions[at].redelivered);
        if lags { now + LAG } else { now }
    }

    /// Where a message goes among those of its own instant: by sender, one way or the other.
    /// Messages of one sender keep their order (ORD-1), and none of them has been handed out to
    /// anybody, so none is a reply to another (ORD-4).
    fn place_in_instant(&self, at: usize, new: &Waiting) -> Option<usize> {
        let stream = &self.subscriptions[at];
        let sender = |waiting: &Waiting| &self.messages[waiting.number].content.from_party;
        let descending = stream.party.bytes().map(u32::from).sum::<u32>() % 2 == 1;
        stream.queue.iter().position(|waiting| {
            waiting.instant == new.instant
                && if descending {
                    sender(waiting) < sender(new)
                } else {
                    sender(waiting) > sender(new)
                }
        })
    }

    /// What comes from now on is of a later instant than what the caller is about to hand out.
    pub(super) fn end_instant(&mut self, session_id: &str) {
        if session_id.is_empty() {
            self.sessions.values_mut().for_each(|session| session.instant.ends = None);
        } else {
            self.session_mut(session_id).instant.ends = None;
        }
    }

    /// ORD-5: there is one order for all, but for a twist that collects what is concurrent.
    pub(super) fn instant_ends(&self) -> Option<Instant> {
        (self.has(Fault::RecipientsSortByName) || self.is(Variant::RecipientsOrderForThemselves))
            .then(|| Instant::now() + ONE_INSTANT)
    }
}
