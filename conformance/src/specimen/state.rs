//! What the specimen remembers: parties, sessions, messages, and who is listening.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use mpc_router_proto::v1::{MpcMessage, NotificationChannel, SessionEvent};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use tokio::time::{Duration, Instant};

use super::clock::Clock;
use super::disk::Pen;
use super::ids::Ids;
use super::keys::Keys;
use super::waking::Waking;
use super::{Fault, Settings, Twist, Variant};
use crate::printed::Printed;

/// A message's place in the one order in which the specimen has accepted messages.
pub(super) type Number = usize;

/// Everything, behind the specimen's one lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) twist: Arc<Twist>,
    pub(super) clock: Clock,
    pub(super) ids: Ids,
    /// For what some twists leave to chance. The right specimen draws nothing.
    pub(super) chance: ChaCha8Rng,
    pub(super) parties: BTreeMap<String, Party>,
    pub(super) sessions: BTreeMap<String, Session>,
    /// By number.
    pub(super) messages: Vec<Message>,
    pub(super) numbers: BTreeMap<String, Number>,
    pub(super) keys: Keys,
    pub(super) waking: Waking,
    /// How many messages, from the oldest on, have reached their `message_ttl`.
    pub(super) expired: usize,
    /// Open message streams, the oldest subscription first.
    pub(super) subscriptions: Vec<Subscription>,
    /// Open event streams, the oldest first.
    pub(super) listeners: Vec<Listener>,
    /// What was published under an `event_id` of the publisher's own.
    pub(super) published: BTreeMap<String, Published>,
    /// All that were published, the oldest first.
    pub(super) events: Vec<SessionEvent>,
    /// What only a fault asks for: who has had a replay of events.
    pub(super) replayed_to: BTreeSet<String>,
    pub(super) streams_opened: u64,
    /// What only a fault keeps: the timers of streams that have ended.
    pub(super) orphans: Vec<(String, VecDeque<(Instant, Number)>)>,
    /// What only some twists count.
    pub(super) tally: Tally,
    pub(super) printed: Printed,
    /// The same: calls under way, by sender.
    pub(super) under_way: BTreeMap<String, usize>,
    /// And whose turn it is to be committed.
    pub(super) turns: Arc<tokio::sync::Mutex<()>>,
    /// What it writes with, so that it can come back (DUR).
    pub(super) pen: Option<Pen>,
    /// It is to end (DUR-7).
    pub(super) stops: bool,
    /// What only faults ask for: how many messages were there when it began.
    pub(super) restored: Number,
    /// By how much its clock went back with a restart. Milliseconds.
    pub(super) behind_ms: i64,
    /// The same, where it is only what heartbeats are answered with.
    pub(super) beats_behind_ms: i64,
}

/// A registered party.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) notification: Option<NotificationChannel>,
    pub(super) registered_at: i64,
    pub(super) registrations: usize,
    /// The last sign of life, as liveness reckons it.
    pub(super) alive_at: Instant,
    /// The last sign of life, as it is told.
    pub(super) last_seen_at: i64,
    /// How far its own clock is ahead of ours. Liveness does not ask it (HB-8), but for a fault.
    pub(super) clock_ahead_ms: i64,
    /// What only faults ask for, from here on: how often it has beaten.
    pub(super) heartbeats: usize,
    /// The latest time that it has beaten with.
    pub(super) latest_beat: i64,
    /// A stream of its has ended since it was last heard of.
    pub(super) hung_up: bool,
    /// It was online when somebody last looked.
    pub(super) thought_online: bool,
    /// What its count of outstanding deliveries is off by.
    pub(super) miscounted: i64,
    pub(super) banned: bool,
}

/// A session, from the first message or event that names it.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The `selected_parties` of its newest announcement that has any.
    pub(super) members: Vec<String>,
    pub(super) announced: bool,
    /// When an event ended it.
    pub(super) ended_at: Option<Instant>,
    /// Unix milliseconds; 0 means never.
    pub(super) expires_at: i64,
    /// To whom anything was ever routed.
    pub(super) reached: BTreeSet<String>,
    /// Outstanding deliveries, by recipient.
    pub(super) mailboxes: BTreeMap<String, BTreeSet<Number>>,
    /// The newest message's `created_at`, and how many bytes have that same one.
    pub(super) created_at: i64,
    pub(super) created_bytes: usize,
    /// What only twists ask for, from here on: how many messages it has accepted.
    pub(super) accepted: usize,
    /// What its recipients may put in an order of their own.
    pub(super) instant: OneInstant,
    /// The highest round, by sender.
    pub(super) rounds: BTreeMap<String, i32>,
    pub(super) last_event: Option<Instant>,
    pub(super) events: usize,
    /// When it was announced.
    pub(super) begun: Option<Instant>,
    /// Those of its first announcement.
    pub(super) first_members: Vec<String>,
    /// It was never announced, and a call that was refused for that has made it known.
    pub(super) opened_by_refusal: bool,
    /// What was acknowledged or refused, the oldest first.
    pub(super) ended: VecDeque<Number>,
    /// When somebody last asked for it.
    pub(super) used: u64,
}

/// Messages that are handed out together, none before all of them are accepted.
#[derive(Debug, Default)]
pub(super) struct OneInstant {
    pub(super) count: u64,
    pub(super) ends: Option<Instant>,
}

/// An accepted message.
#[derive(Debug)]
pub(super) struct Message {
    /// As its recipients get it.
    pub(super) content: MpcMessage,
    pub(super) accepted: Instant,
    /// By which connection it came: only a fault asks.
    pub(super) connection: u64,
    /// One a recipient.
    pub(super) deliveries: Vec<Delivery>,
}

/// One message for one recipient.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) party: String,
    pub(super) phase: Phase,
    /// 0 until it is first handed out.
    pub(super) delivered_at: i64,
    /// 0 until it is acknowledged.
    pub(super) acknowledged_at: i64,
    /// Timed redeliveries (RED-3).
    pub(super) retries: u32,
    /// How often a poll was answered with it.
    pub(super) polls: u32,
    /// What only twists ask for, from here on: when its status says that it was handed out.
    pub(super) noted_at: Option<Instant>,
    /// A stream has handed it out.
    pub(super) streamed: bool,
    /// On how many streams it was replayed.
    pub(super) replays: u32,
    /// The retries of the streams before the newest.
    pub(super) retries_before: u32,
    /// It failed by time-out or expiry.
    pub(super) timed_out: bool,
    /// An acknowledgement is on its way through one of the racing faults.
    pub(super) acknowledging: bool,
}

/// Where a delivery stands. It only moves forward (STS-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Delivered,
    Acknowledged,
    Failed,
}

/// An open message stream.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: u64,
    /// Empty means all (SUB-9).
    pub(super) session: String,
    pub(super) party: String,
    /// What it has yet to hand out.
    pub(super) queue: VecDeque<Waiting>,
    /// What it has handed out and when that is to be sent again, the earliest first: all wait
    /// equally long.
    pub(super) unacknowledged: VecDeque<(Instant, Number)>,
    /// The sessions that its party had when it was opened: only a fault asks.
    pub(super) sessions: BTreeSet<String>,
    /// Set by a newer subscription, where that changes anything.
    pub(super) superseded: bool,
    pub(super) waker: Option<Waker>,
    /// What only twists ask for, from here on: when it last handed something out, or was opened.
    pub(super) active_at: Instant,
    pub(super) handed_out: usize,
    /// How many streams of its session there were when it was opened.
    pub(super) place: usize,
    /// What it hands out now was there before it was.
    pub(super) replays: bool,
    /// What it handed out last.
    pub(super) last: Option<Number>,
    /// What comes next once more, whatever its state.
    pub(super) again: Option<Number>,
    /// It has sent something a second time.
    pub(super) redelivered: bool,
    pub(super) paused_until: Option<Instant>,
    /// What it has handed out and not let go, with the time of its arrival.
    pub(super) on_the_way: VecDeque<(Instant, MpcMessage)>,
}

/// A message in a stream's queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) number: Number,
    /// It was there before the stream was.
    pub(super) replayed: bool,
    pub(super) queued: Instant,
    /// Not handed out before. The right specimen lets nothing wait.
    pub(super) due: Instant,
    /// Which of the session's instants it belongs to.
    pub(super) instant: u64,
}

/// An open event stream.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) id: u64,
    pub(super) party: String,
    /// Empty means all.
    pub(super) event_types: Vec<String>,
    pub(super) queue: VecDeque<(Instant, SessionEvent)>,
    pub(super) waker: Option<Waker>,
    /// Only a fault keeps ended ones.
    pub(super) ended: bool,
    /// And only a fault counts what it has sent.
    pub(super) handed_out: usize,
}

/// An event as it came, and what its publisher was told.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) event: SessionEvent,
    pub(super) subscriber_count: i32,
}

/// Counters that only twists read.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) heartbeats: u64,
    pub(super) shed: u64,
    /// Until when a full queue holds up the others.
    pub(super) held_up_until: Option<Instant>,
    pub(super) acknowledgements: u64,
    pub(super) sessions_used: u64,
}

impl State {
    pub(super) fn new(settings: Settings, twist: Arc<Twist>, clock: Clock) -> Self {
        Self {
            ids: Ids::from_seed(settings.seed),
            chance: ChaCha8Rng::seed_from_u64(settings.seed.wrapping_add(1)),
            settings,
            twist,
            clock,
            parties: BTreeMap::new(),
            sessions: BTreeMap::new(),
            messages: Vec::new(),
            numbers: BTreeMap::new(),
            keys: Keys::default(),
            waking: Waking::default(),
            expired: 0,
            subscriptions: Vec::new(),
            listeners: Vec::new(),
            published: BTreeMap::new(),
            events: Vec::new(),
            replayed_to: BTreeSet::new(),
            streams_opened: 0,
            orphans: Vec::new(),
            tally: Tally::default(),
            printed: Printed::default(),
            under_way: BTreeMap::new(),
            turns: Arc::default(),
            pen: None,
            stops: false,
            restored: 0,
            behind_ms: 0,
            beats_behind_ms: 0,
        }
    }

    /// Whether the specimen has this fault.
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.twist.has(fault)
    }

    /// Whether the specimen is of this variant.
    pub(super) fn is(&self, variant: Variant) -> bool {
        self.twist.is(variant)
    }

    /// Now, as it is told: Unix milliseconds.
    pub(super) fn now_ms(&self) -> i64 {
        let now = self.clock.unix_ms() - self.behind_ms;
        if self.is(Variant::ClockOfSeconds) {
            now - now.rem_euclid(1000)
        } else if self.is(Variant::CoarseClock) {
            now - now.rem_euclid(10)
        } else {
            now
        }
    }

    /// A whole number of milliseconds below `limit`, by chance.
    pub(super) fn random_ms(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.chance.next_u64() % limit)
    }

    /// A coin.
    pub(super) fn heads(&mut self) -> bool {
        self.chance.next_u32().is_multiple_of(2)
    }

    /// The key under which a party is kept.
    pub(super) fn party_key(&self, name: &str) -> String {
        if self.has(Fault::NamesFoldedToLowerCase) {
            return name.to_lowercase();
        }
        if self.has(Fault::NamesCutAt64) { cut(name).to_owned() } else { name.to_owned() }
    }

    /// The registered party of this name.
    pub(super) fn party(&self, name: &str) -> Option<&Party> {
        self.parties.get(&self.party_key(name))
    }

    /// The key under which a session is kept.
    pub(super) fn session_key<'a>(&self, session_id: &'a str) -> &'a str {
        if self.has(Fault::SessionNamesCutAt64) {
            return cut(session_id);
        }
        if self.has(Fault::SessionNamesTrimmed) { session_id.trim_end() } else { session_id }
    }

    /// The session and the party under which a party's outstanding deliveries are kept: RTE-10.
    pub(super) fn mailbox_key<'a>(
        &self,
        session_id: &'a str,
        party: &'a str,
    ) -> (Cow<'a, str>, Cow<'a, str>) {
        if self.has(Fault::MailboxKeyGlued)
            && let Some((session_id, party)) = format!("{session_id}:{party}").split_once(':')
        {
            return (session_id.to_owned().into(), party.to_owned().into());
        }
        let party = if self.has(Fault::RecipientsCutAt64) { cut(party) } else { party };
        (session_id.into(), party.into())
    }

    /// The session of this name, if anything has happened in it.
    pub(super) fn session(&self, session_id: &str) -> Option<&Session> {
        self.sessions.get(self.session_key(session_id))
    }

    /// The session of this name.
    pub(super) fn session_mut(&mut self, session_id: &str) -> &mut Session {
        self.evict_session(session_id);
        let key = self.session_key(session_id);
        self.sessions.entry(key.to_owned()).or_default()
    }

    /// Whether both names mean the same session.
    pub(super) fn same_session(&self, one: &str, other: &str) -> bool {
        self.session_key(one) == self.session_key(other)
    }

    /// A number for a new stream of either kind.
    pub(super) fn next_stream(&mut self) -> u64 {
        self.streams_opened += 1;
        self.streams_opened
    }
}

/// What a column of 64 characters keeps of a name.
fn cut(name: &str) -> &str {
    name.char_indices().nth(64).map_or(name, |(at, _)| &name[..at])
}

impl Message {
    /// The delivery to `party`.
    pub(super) fn delivery(&self, party: &str) -> Option<&Delivery> {
        self.deliveries.iter().find(|delivery| delivery.party == party)
    }

    /// The delivery to `party`.
    pub(super) fn delivery_mut(&mut self, party: &str) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().find(|delivery| delivery.party == party)
    }
}

impl Delivery {
    /// Whether it has not ended.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Pending | Phase::Delivered)
    }

    pub(super) fn to(party: String) -> Self {
        Self {
            party,
            phase: Phase::Pending,
            delivered_at: 0,
            acknowledged_at: 0,
            retries: 0,
            polls: 0,
            noted_at: None,
            streamed: false,
            replays: 0,
            retries_before: 0,
            timed_out: false,
            acknowledging: false,
        }
    }
}

impl Subscription {
    /// The stream looks again for what to do.
    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
