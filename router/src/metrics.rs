//! What is counted, for those who run the router. Counting takes no lock and names nobody.

mod histogram;
pub mod page;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mpc_router_core::{Channel, Record, Role};
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tonic::Code;

pub(crate) use self::histogram::Histogram;
use self::histogram::{COUNT, SECONDS};
use crate::log::Health;

/// The counters of a router. A clone is the same.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    registry: Registry,
    /// By [`Rpc`].
    rpcs: Vec<CountedRpc>,
    messages: Counter,
    handed_out: Counter,
    redelivered: Counter,
    acknowledged: Counter,
    /// By [`Failure`].
    failed: Vec<Counter>,
    outstanding: Gauge,
    outstanding_bytes: Gauge,
    sessions: Gauge,
    /// By role, then those offline and online.
    parties: Vec<[Gauge; 2]>,
    /// By [`StreamKind`].
    streams: Vec<Gauge>,
    events: Counter,
    event_streams_lagged: Counter,
    connections: Counter,
    connections_open: Gauge,
    connections_refused: Counter,
    /// By [`HandshakeFailure`].
    handshakes_failed: Vec<Counter>,
    /// By channel, then by [`Notified`].
    notifications: Vec<Counter>,
    /// Fine, full, failing.
    log_health: Vec<Gauge>,
}

#[derive(Debug)]
struct CountedRpc {
    /// By code.
    codes: Vec<Counter>,
    duration: Histogram,
    in_flight: Gauge,
}

/// The calls of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rpc(usize);

impl Rpc {
    const NAMES: [&'static str; 10] = [
        "RouteMessage",
        "SubscribeMessages",
        "GetPendingMessages",
        "AcknowledgeMessage",
        "GetMessageStatus",
        "RegisterParty",
        "Heartbeat",
        "SubscribeSessionEvents",
        "PublishSessionEvent",
        "GetRegisteredParties",
    ];

    /// The call of this path, such as `/mpc.router.v1.MessageRouter/Heartbeat`.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        let name = path.strip_prefix("/mpc.router.v1.MessageRouter/")?;
        Self::NAMES.iter().position(|known| *known == name).map(Self)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self.0]
    }
}

/// The codes of gRPC, by their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// How a code is written in the contract, in logs and in metrics.
pub(crate) fn code_name(code: Code) -> &'static str {
    CODES[code as usize]
}

/// Why a delivery failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It was sent as often as it may be, and never answered (RED-4).
    GivenUp,
    /// It was outstanding for too long (EXP-1).
    Expired,
    /// Its recipient said that it is of no use (ACK-3).
    Refused,
}

impl Failure {
    const NAMES: [&'static str; 3] = ["given_up", "expired", "refused"];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// What a stream is of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StreamKind {
    Session,
    AllSessions,
    Events,
}

impl StreamKind {
    const NAMES: [&'static str; 3] = ["session", "all_sessions", "events"];
}

/// Why a TLS handshake failed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HandshakeFailure {
    TimedOut,
    Certificate,
    Protocol,
}

impl HandshakeFailure {
    const NAMES: [&'static str; 3] = ["timed_out", "certificate", "protocol"];
}

/// What became of trying to tell a party that is away.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Notified {
    Sent,
    /// It is tried again.
    Failed,
    Refused,
    /// It failed for too long.
    GivenUp,
}

impl Notified {
    const NAMES: [&'static str; 4] = ["sent", "failed", "refused", "given_up"];
}

const ROLES: [Role; 3] = [Role::Persistent, Role::Delegate, Role::Temporary];
const HEALTHS: [&str; 3] = ["fine", "full", "failing"];

/// What a log counts of its commits. A clone is the same.
#[derive(Debug, Clone)]
pub struct CommitMetrics {
    duration: Histogram,
    records: Histogram,
    failed: Counter,
}

impl Default for CommitMetrics {
    fn default() -> Self {
        let (duration, records) = (Histogram::new(&SECONDS), Histogram::new(&COUNT));
        Self { duration, records, failed: Counter::default() }
    }
}

impl CommitMetrics {
    /// `records` came into one commit, which took this long.
    pub fn committed(&self, records: usize, time: Duration) {
        self.records.count(records as u64);
        self.duration.took(time);
    }

    /// A commit failed, so that what was in it was refused.
    pub fn failed(&self) {
        self.failed.inc();
    }
}

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Registers something that is counted under each of these labels, and gives back a counter for each.
/// All are there from the start, so that the first failure of a kind is seen to be one.
fn family<const N: usize, M>(
    registry: &mut Registry,
    (name, help): (&str, &str),
    labels: impl IntoIterator<Item = Labels<N>>,
) -> Vec<M>
where
    M: Clone + Default + fmt::Debug + TypedMetric + EncodeMetric + Send + Sync + 'static,
{
    let family = Family::<Labels<N>, M>::default();
    registry.register(name, help, family.clone());
    labels.into_iter().map(|labels| family.get_or_create_owned(&labels)).collect()
}

fn single<M>(registry: &mut Registry, (name, help): (&str, &str), metric: M) -> M
where
    M: Clone + fmt::Debug + EncodeMetric + Send + Sync + 'static,
{
    registry.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// Counters at zero. `commits` are those of the router's log.
    pub(crate) fn new(commits: CommitMetrics) -> Self {
        let mut all = Registry::with_prefix("mpc_router");
        let r = &mut all;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (name, help) = page::BUILD;
        r.register(name, help, Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let started: Gauge = single(r, page::STARTED, Gauge::default());
        started.set(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));

        let of_rpc = Rpc::NAMES.map(|rpc| [("rpc", rpc)]);
        let of_code = Rpc::NAMES.iter().flat_map(|rpc| CODES.map(|c| [("rpc", *rpc), ("code", c)]));
        let codes: Vec<Counter> = family(r, page::REQUESTS, of_code);
        let durations = family(r, page::DURATIONS, of_rpc);
        let in_flight = family(r, page::IN_FLIGHT, of_rpc);
        let rpcs = codes.chunks(CODES.len()).zip(durations).zip(in_flight);
        let rpcs = rpcs.map(|((codes, duration), in_flight)| CountedRpc {
            codes: codes.to_vec(),
            duration,
            in_flight,
        });
        let rpcs = rpcs.collect();

        let messages = single(r, page::MESSAGES, Counter::default());
        let outstanding = single(r, page::OUTSTANDING, Gauge::default());
        let outstanding_bytes = single(r, page::OUTSTANDING_BYTES, Gauge::default());
        let handed_out = single(r, page::HANDED_OUT, Counter::default());
        let redelivered = single(r, page::REDELIVERED, Counter::default());
        let acknowledged = single(r, page::ACKNOWLEDGED, Counter::default());
        let failed = family(r, page::FAILED, Failure::NAMES.map(|it| [("reason", it)]));

        let sessions = single(r, page::SESSIONS, Gauge::default());
        let presence = |role| ["false", "true"].map(|online| [("role", role), ("online", online)]);
        let parties: Vec<Gauge> =
            family(r, page::PARTIES, ROLES.iter().flat_map(|role| presence(role.as_str())));
        let parties = parties.chunks(2).map(|of_role| [of_role[0].clone(), of_role[1].clone()]);
        let parties = parties.collect();
        let streams = family(r, page::STREAMS, StreamKind::NAMES.map(|it| [("of", it)]));
        let events = single(r, page::EVENTS, Counter::default());
        let event_streams_lagged = single(r, page::LAGGED, Counter::default());

        let connections = single(r, page::CONNECTIONS, Counter::default());
        let connections_open = single(r, page::CONNECTIONS_OPEN, Gauge::default());
        let connections_refused = single(r, page::CONNECTIONS_REFUSED, Counter::default());
        let reasons = HandshakeFailure::NAMES.map(|it| [("reason", it)]);
        let handshakes_failed = family(r, page::HANDSHAKES, reasons);

        let outcomes = |channel| Notified::NAMES.map(|it| [("channel", channel), ("outcome", it)]);
        let of_channel = Channel::ALL.iter().flat_map(|channel| outcomes(channel.as_str()));
        let notifications = family(r, page::NOTIFICATIONS, of_channel);

        let CommitMetrics { duration, records, failed: commits_failed } = commits;
        single(r, page::COMMITS, duration);
        single(r, page::COMMIT_RECORDS, records);
        single(r, page::COMMITS_FAILED, commits_failed);
        let log_health = family(r, page::LOG_HEALTH, HEALTHS.map(|it| [("state", it)]));

        Self(Arc::new(Counted {
            registry: all,
            rpcs,
            messages,
            handed_out,
            redelivered,
            acknowledged,
            failed,
            outstanding,
            outstanding_bytes,
            sessions,
            parties,
            streams,
            events,
            event_streams_lagged,
            connections,
            connections_open,
            connections_refused,
            handshakes_failed,
            notifications,
            log_health,
        }))
    }

    /// A call begins.
    pub(crate) fn called(&self, rpc: Rpc) -> UnderWay {
        self.0.rpcs[rpc.0].in_flight.inc();
        UnderWay { metrics: self.clone(), rpc, begun: Instant::now(), ended: None }
    }

    /// A session appends this record; deliveries that are given up are [counted](Self::gave_up) apart.
    pub(crate) fn appended(&self, record: &Record) {
        let counted = &*self.0;
        match record {
            Record::Routed { .. } => drop(counted.messages.inc()),
            Record::Delivered { messages, again, .. } => {
                counted.handed_out.inc_by(messages.len() as u64);
                counted.redelivered.inc_by(again.len() as u64);
            }
            Record::Acknowledged { success: true, .. } => drop(counted.acknowledged.inc()),
            Record::Acknowledged { success: false, .. } => self.gave_up(Failure::Refused),
            Record::Announced { .. } => drop(counted.events.inc()),
            Record::GivenUp { .. } => {}
        }
    }

    /// A delivery failed.
    pub(crate) fn gave_up(&self, why: Failure) {
        self.0.failed[why as usize].inc();
    }

    /// A stream is opened. It is open until what this returns is dropped.
    pub(crate) fn stream(&self, kind: StreamKind) -> Open {
        Open::new(&self.0.streams[kind as usize])
    }

    /// A connection is opened. It is open until what this returns is dropped.
    pub(crate) fn connection(&self) -> Open {
        self.0.connections.inc();
        Open::new(&self.0.connections_open)
    }

    /// A connection was closed at once, being one too many.
    pub(crate) fn connection_refused(&self) {
        self.0.connections_refused.inc();
    }

    /// A TLS handshake failed.
    pub(crate) fn handshake_failed(&self, why: HandshakeFailure) {
        self.0.handshakes_failed[why as usize].inc();
    }

    /// A stream of events lagged too far behind, and was ended.
    pub(crate) fn event_stream_lagged(&self) {
        self.0.event_streams_lagged.inc();
    }

    /// A party that is away was told on this channel, or was not.
    pub(crate) fn notified(&self, channel: Channel, outcome: Notified) {
        let of_channel = Channel::ALL.iter().position(|it| *it == channel).expect("all are there");
        self.0.notifications[of_channel * Notified::NAMES.len() + outcome as usize].inc();
    }

    /// Everything in the OpenMetrics text format, with what is to be looked at rather than counted.
    pub(crate) fn text(&self, seen: &Seen) -> String {
        let counted = &*self.0;
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        counted.outstanding.set(count(seen.outstanding));
        counted.outstanding_bytes.set(count(seen.outstanding_bytes));
        counted.sessions.set(count(seen.sessions));
        for (role, gauges) in ROLES.iter().zip(&counted.parties) {
            for (online, gauge) in [false, true].into_iter().zip(gauges) {
                let there = seen.parties.iter().filter(|it| **it == (*role, online));
                gauge.set(count(there.count()));
            }
        }
        let state = match seen.health {
            Health::Fine => 0,
            Health::Full(_) => 1,
            Health::Failing(_) => 2,
        };
        for (at, gauge) in counted.log_health.iter().enumerate() {
            gauge.set(i64::from(at == state));
        }
        let mut text = String::new();
        encode(&mut text, &counted.registry).expect("a text takes everything");
        text
    }
}

/// What is not counted as it happens, since it is there to be seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Deliveries, over all sessions.
    pub(crate) outstanding: usize,
    /// Of messages, each counted once.
    pub(crate) outstanding_bytes: usize,
    /// Sessions that are kept.
    pub(crate) sessions: usize,
    /// The role of each party, and whether it is online.
    pub(crate) parties: Vec<(Role, bool)>,
    /// That of the log.
    pub(crate) health: Health,
}

/// Something that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Open {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A call under way. Dropped before it is [done](Self::done), it was cancelled.
#[derive(Debug)]
pub(crate) struct UnderWay {
    metrics: Metrics,
    rpc: Rpc,
    begun: Instant,
    /// How it ended, and after how long.
    ended: Option<(Code, Duration)>,
}

impl UnderWay {
    /// The call ends with this code. Gives back how long it took.
    pub(crate) fn done(&mut self, code: Code) -> Duration {
        let time = self.begun.elapsed();
        self.ended = Some((code, time));
        time
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let counted = &self.metrics.0.rpcs[self.rpc.0];
        let (code, time) = self.ended.unwrap_or_else(|| (Code::Cancelled, self.begun.elapsed()));
        counted.in_flight.dec();
        counted.codes[code as usize].inc();
        counted.duration.took(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_the_order_of_their_numbers() {
        for (at, name) in CODES.iter().enumerate() {
            let code = Code::from(i32::try_from(at).unwrap());
            assert_eq!(format!("{code:?}").to_uppercase(), name.replace('_', ""));
        }
    }

    #[test]
    fn calls_are_known_by_their_path() {
        let path = "/mpc.router.v1.MessageRouter/GetRegisteredParties";
        assert_eq!(Rpc::of_path(path).map(Rpc::name), Some("GetRegisteredParties"));
        assert_eq!(Rpc::of_path("/mpc.router.v1.MessageRouter/Nothing"), None);
        assert_eq!(Rpc::of_path(""), None);
    }
}
