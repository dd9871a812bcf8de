//! What a specimen does under load: FLW. The right one takes all that comes.

use mpc_router_proto::v1::{RouteMessageRequest, RouteMessageResponse};
use tokio::time::{Duration, Instant, sleep};

use super::refusal::Refusal;
use super::routing::{Arrival, LOAD};
use super::state::{Number, State, Subscription};
use super::{Fault, Specimen, Variant};

const MIB: usize = 1024 * 1024;

/// What may wait for one party in one session, where there is a limit. Bytes.
const BACKLOG: usize = 32 * MIB;

/// What may wait for one open stream, where there is a limit. Bytes.
const UNREAD: usize = 2 * MIB;

/// What may wait for one party, for those who say so and do not keep to it. Bytes.
const CACHE: usize = 16 * MIB;

/// Calls of one sender that are under way together, where there is a limit: more than clients have
/// who wait for answers.
const CALLS: usize = 100;

/// How long a call is under way where they are counted.
const UNDER_WAY: Duration = Duration::from_millis(3);

/// What is shorter goes to the disk with something else. Bytes.
const A_PAGE: usize = 2 * 1024;

/// Calls of one sender that are under way together and do not wait for each other.
const CROWD: usize = 200;

/// How long a commit takes, where they are made one after the other.
const A_COMMIT: Duration = Duration::from_millis(10);

/// How long a mailbox takes, where they are filled one after the other.
const A_MAILBOX: Duration = Duration::from_millis(1);

/// How long a fault lets a call wait for room.
const WAITS_FOR_ROOM: Duration = Duration::from_millis(5_500);

/// What waits in a queue whose reader has stalled: more than a reader that reads on ever has.
pub(super) const STALLED: usize = 64;

/// The same, where a fault asks about the streams of one party.
const HANGS: usize = 8;

/// How long it takes until a fault marks a reader as slow.
const MARKED_AS_SLOW: Duration = Duration::from_secs(6);

/// How many messages wait in memory for a lagging stream, where there is a limit.
const LAGGING: usize = 1_000;

/// How often somebody who is held up looks again.
pub(super) const HELD_UP: Duration = Duration::from_millis(20);

/// A call that is under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    specimen: Specimen,
    sender: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.specimen.lock();
        if let Some(calls) = state.under_way.get_mut(&self.sender) {
            *calls -= 1;
        }
    }
}

impl Specimen {
    /// A call begins. The right specimen does not count them.
    pub(super) async fn begins(&self, request: &RouteMessageRequest) -> Option<UnderWay> {
        // FLW-1: who does not read holds up nobody.
        while self.twist.has(Fault::StalledReaderStopsRouting)
            && self.lock().has_stalled_reader(&request.session_id, "")
        {
            sleep(HELD_UP).await;
        }
        let in_turn = self.twist.is(Variant::CommitsInTurn) && request.payload.len() >= A_PAGE;
        if !in_turn
            && !self.twist.is(Variant::LimitsCalls)
            && !self.twist.has(Fault::AcceptsMoreThanItHandles)
        {
            return None;
        }
        let sender = request.from_party.clone();
        let (calls, turns) = {
            let mut state = self.lock();
            let calls = state.under_way.entry(sender.clone()).or_default();
            *calls += 1;
            (*calls, state.turns.clone())
        };
        let under_way = UnderWay { specimen: self.clone(), sender };
        sleep(UNDER_WAY).await;
        if in_turn && calls > CROWD {
            let _turn = turns.lock().await;
            sleep(A_COMMIT).await;
        }
        Some(under_way)
    }

    /// FLW-5: a broadcast happens at one moment. Only a fault takes its time, and may be stopped
    /// anywhere.
    pub(super) async fn route_by_halves(
        &self,
        request: RouteMessageRequest,
        key: Option<&str>,
        arrival: &Arrival,
    ) -> Result<RouteMessageResponse, Refusal> {
        let (result, left) = {
            let mut state = self.lock();
            let number = state.messages.len();
            let result = state.route(request, key, arrival);
            (result, state.take_half_back(number))
        };
        for (number, party) in left {
            sleep(A_MAILBOX).await;
            let mut state = self.lock();
            state.put_into_mailbox(number, &party);
            state.offer(number, &party);
        }
        result
    }

    /// FLW-3: a refusal leaves at once.
    pub(super) async fn waits_for_room(&self, request: &RouteMessageRequest) {
        if self.twist.has(Fault::WaitsLongForRoom) && self.lock().overflows(request, CACHE) {
            sleep(WAITS_FOR_ROOM).await;
        }
    }
}

impl State {
    /// FLW-3: under load a call may be refused, and the next one accepted.
    pub(super) fn check_load(&mut self, request: &RouteMessageRequest) -> Result<(), Refusal> {
        let calls = self.under_way.get(&request.from_party).copied().unwrap_or_default();
        if self.is(Variant::LimitsCalls) && calls > CALLS {
            return Err(Refusal::unavailable("too many calls are under way"));
        }
        let full = (self.is(Variant::LimitsBacklog) && self.overflows(request, BACKLOG))
            || (self.is(Variant::LimitsUnread) && self.is_unread(request))
            || (self.has(Fault::WaitsLongForRoom) && self.overflows(request, CACHE));
        if full {
            return Err(Refusal::exhausted("too much waits for a recipient"));
        }
        let accepted = self.session(&request.session_id).map_or(0, |session| session.accepted);
        if !self.is(Variant::ShedsLoad) || accepted < LOAD || self.tally.shed == 2 {
            return Ok(());
        }
        self.tally.shed += 1;
        Err(match self.tally.shed {
            1 => Refusal::exhausted("too many messages are outstanding"),
            _ => Refusal::unavailable("too many calls are under way"),
        })
    }

    /// FLW-3: what is refused has no effect. Only a fault refuses what it has taken.
    pub(super) fn refuses_too_late(&self, request: &RouteMessageRequest) -> bool {
        self.has(Fault::RefusesWhatItKept) && self.overflows(request, CACHE)
    }

    /// FLW-3: what is accepted is kept. Only a fault finds out later that it is too much.
    pub(super) fn drops_under_load(&self, sender: &str) -> bool {
        let calls = self.under_way.get(sender).copied().unwrap_or_default();
        self.has(Fault::AcceptsMoreThanItHandles) && calls > CALLS
    }

    /// FLW-3: what waits is not thrown out for what is new. Only a fault does that.
    pub(super) fn evict(&mut self, session_id: &str, party: &str) {
        if !self.has(Fault::MailboxIsACache) {
            return;
        }
        let mut waiting = self.outstanding(session_id, party).into_iter();
        while self.backlog(session_id, party) > CACHE
            && let Some(oldest) = waiting.next()
        {
            self.take_out(oldest, party);
        }
    }

    /// What a new message's later recipients have not got yet.
    fn take_half_back(&mut self, number: Number) -> Vec<(Number, String)> {
        let Some(message) = self.messages.get(number) else { return Vec::new() };
        let later = message.deliveries.iter().skip(message.deliveries.len() / 2);
        let later: Vec<_> = later.map(|delivery| (number, delivery.party.clone())).collect();
        for (number, party) in &later {
            self.take_out(*number, party);
        }
        later
    }

    fn overflows(&self, request: &RouteMessageRequest, limit: usize) -> bool {
        let recipients = self.recipients(request);
        recipients.iter().any(|party| self.backlog(&request.session_id, party) > limit)
    }

    /// Whether too much waits for an open stream of a recipient.
    fn is_unread(&self, request: &RouteMessageRequest) -> bool {
        let recipients = self.recipients(request);
        let waits = |stream: &Subscription| {
            let waiting = stream.queue.iter().filter(|it| !it.replayed);
            waiting.map(|it| self.messages[it.number].content.payload.len()).sum::<usize>()
        };
        let streams = self.subscriptions.iter().filter(|it| recipients.contains(&it.party));
        streams.map(waits).any(|bytes| bytes > UNREAD)
    }

    /// What waits for a party in a session. Bytes.
    fn backlog(&self, session_id: &str, party: &str) -> usize {
        let waiting = self.outstanding(session_id, party).into_iter();
        waiting.map(|number| self.messages[number].content.payload.len()).sum()
    }

    /// Whether a stream of the session is not read, other than those of `party`.
    pub(super) fn has_stalled_reader(&self, session_id: &str, party: &str) -> bool {
        let is_stalled = |stream: &Subscription| {
            stream.queue.len() >= STALLED && stream.party != party && stream.session == session_id
        };
        self.subscriptions.iter().any(is_stalled)
    }

    /// SUB-5: whether an earlier stream of the same party and session is not read.
    pub(super) fn is_behind_a_stalled_one(&self, at: usize) -> bool {
        let stream = &self.subscriptions[at];
        self.subscriptions[..at].iter().any(|earlier| {
            earlier.queue.len() >= HANGS
                && earlier.party == stream.party
                && earlier.session == stream.session
        })
    }

    /// FLW-1: a full queue holds up nobody. Until when a fault lets it, from when it is first full.
    pub(super) fn held_up_until(&mut self) -> Instant {
        *self.tally.held_up_until.get_or_insert_with(|| Instant::now() + MARKED_AS_SLOW)
    }

    /// FLW-2: a reader that lags too far may be sent away, since it finds everything when it returns.
    pub(super) fn sends_away(&self, at: usize) -> bool {
        let queue = &self.subscriptions[at].queue;
        self.is(Variant::EndsLaggingStreams)
            && queue.iter().filter(|waiting| !waiting.replayed).count() >= LAGGING
    }

    /// FLW-2: a queue has no end, and loses nothing. Tells whether a fault lets it lose this.
    pub(super) fn lags_too_far(&mut self, at: usize, number: Number) -> bool {
        let twist = self.twist.clone();
        let queue = &mut self.subscriptions[at].queue;
        if twist.has(Fault::LaggingStreamSkipsOldest) && queue.len() >= LAGGING {
            queue.pop_front();
        }
        (twist.has(Fault::LaggingStreamDropsNewest) && queue.len() >= LAGGING)
            // What is small finds a place where what is large does not.
            || (twist.has(Fault::LaggingStreamDropsLarge)
                && queue.len() >= STALLED
                && self.messages[number].content.payload.len() >= MIB / 16)
    }
}
