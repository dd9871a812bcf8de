//! The specimen: a second router, deliberately plain, for the suite's test of itself.
//!
//! It keeps everything in memory behind one lock and was written straight from the contract, with
//! no line in common with the reference router. So there are two right implementations, and where
//! they differ the contract is unclear.
//!
//! Into it [`Fault`]s and [`Variant`]s are planted, each as one wrong or different decision at the
//! place where the right one stands: a check is worth something when it finds its faults, and is
//! no nuisance when it passes all variants. To follow one of them, search for its name.
//!
//! To read it, begin with `router`, the ten calls, and follow one to where it is decided:
//! `registration`, `liveness` and `directory` for parties; `membership` for sessions; `routing`,
//! `keys` and `accepting` for what is sent; `subscribing`, `queues`, `streams` and `redelivery` for
//! what is streamed; `waking` for who is away; `load` and `gate` for what is too much; `polling`,
//! `acknowledging`, `status`, `events` and `event_replay`; `wildcard` for all of a party's sessions;
//! `identity` for who calls; `journal`, `disk` and `machine` for what survives a restart. What they
//! share stands in `state` and `delivery`.
//!
//! All time is tokio's, so that under a paused clock on one thread a run is the same every time.

mod accepting;
mod acknowledging;
mod clock;
mod delivery;
mod directory;
mod disk;
mod event_replay;
mod events;
mod faults;
mod gate;
mod identity;
mod ids;
mod journal;
mod keys;
mod liveness;
mod load;
mod machine;
mod membership;
mod polling;
mod printing;
mod queues;
mod redelivery;
mod refusal;
mod registration;
mod router;
mod routing;
mod state;
mod status;
mod streams;
mod subscribing;
#[cfg(test)]
mod tests;
mod twist;
mod variants;
mod waking;
mod wildcard;
mod wire;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

pub use faults::{Fault, UnknownFault};
pub use machine::Machine;
pub use twist::Twist;
pub use variants::{UnknownVariant, Variant};
pub use wire::SpecimenService;

use clock::Clock;
use disk::{Damage, Disk};
use state::State;

use crate::notices::Notices;
use crate::printed::Printed;
use crate::profile::Timers;

/// What an operator sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a party may be silent and count as online (HB-5, HB-6).
    pub heartbeat_timeout: Duration,
    /// After what time an open stream is sent a message again (RED-1).
    pub ack_timeout: Duration,
    /// How often at most (RED-4).
    pub max_retries: u32,
    /// How long a delivery may be outstanding (EXP-1).
    pub message_ttl: Duration,
    /// The longest payload, in bytes (RTE-9).
    pub max_payload: usize,
    /// Whether it asks who calls (SEC-1).
    pub secure: bool,
    /// What identifiers, and the twists that leave something to chance, are drawn from.
    pub seed: u64,
}

impl Settings {
    /// With these timers and limits.
    pub fn of(timers: &Timers) -> Self {
        Self {
            heartbeat_timeout: timers.heartbeat_timeout(),
            ack_timeout: timers.ack_timeout(),
            max_retries: timers.max_retries,
            message_ttl: Duration::from_millis(timers.message_ttl_ms),
            max_payload: usize::try_from(timers.max_payload_bytes).unwrap_or(usize::MAX),
            ..Self::default()
        }
    }
}

impl Default for Settings {
    /// The defaults that the contract names in brackets.
    fn default() -> Self {
        Self {
            heartbeat_timeout: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(5),
            max_retries: 5,
            message_ttl: Duration::from_secs(24 * 60 * 60),
            max_payload: 2 * 1024 * 1024,
            secure: false,
            seed: 0,
        }
    }
}

/// How far a legal clock may be off.
const AHEAD: Duration = Duration::from_millis(1500);

/// How far the clock is ahead.
fn ahead(twist: &Twist) -> Duration {
    if twist.is(Variant::ClockAhead) { AHEAD } else { Duration::ZERO }
}

/// A plain router in memory, right but for its [`Twist`]. Clones are the same router.
///
/// It implements [`MessageRouter`](mpc_router_proto::v1::message_router_server::MessageRouter).
/// [`Specimen::into_service`] serves it, with the few twists that are decided on the wire.
#[derive(Clone, Debug)]
pub struct Specimen {
    twist: Arc<Twist>,
    max_payload: usize,
    secure: bool,
    state: Arc<Mutex<State>>,
    /// Calls that have not been answered.
    under_way: Arc<AtomicUsize>,
}

impl Specimen {
    /// The capabilities, besides `core`, that the right specimen can claim.
    pub const CAPABILITIES: &'static [&'static str] = &[
        "redelivery",
        "expiry",
        "offline",
        "membership",
        "wildcard",
        "event-replay",
        "flow",
        "durable",
        "idempotency",
    ];

    /// An empty router whose clock shows the time of day. Call it within a tokio runtime with time
    /// enabled: from here on only tokio's clock counts.
    pub fn new(settings: Settings, twist: impl Into<Twist>) -> Self {
        Self::at(SystemTime::now(), settings, twist)
    }

    /// An empty router whose clock shows `unix` now, for runs that are to be the same every time.
    pub fn at(unix: SystemTime, settings: Settings, twist: impl Into<Twist>) -> Self {
        let twist = Arc::new(twist.into());
        let clock = Clock::showing(unix + ahead(&twist));
        Self::on(&Disk::default(), clock, settings, twist).expect("an empty disk is whole")
    }

    /// The router that comes back from what is on a disk.
    fn on(
        disk: &Disk,
        clock: Clock,
        settings: Settings,
        twist: Arc<Twist>,
    ) -> Result<Self, Damage> {
        let (max_payload, secure) = (settings.max_payload, settings.secure);
        let entries = disk.read(&twist)?;
        let mut state = State::new(settings, twist.clone(), clock);
        state.come_back(entries, disk.pen());
        let state = Arc::new(Mutex::new(state));
        Ok(Self { twist, max_payload, secure, state, under_way: Arc::default() })
    }

    /// The same router, which prints there.
    #[must_use]
    pub fn printing(self, printed: Printed) -> Self {
        self.lock().printed = printed;
        self
    }

    /// The same router, which sends its notifications there. Without this it raises none.
    #[must_use]
    pub fn notifying(self, notices: Notices) -> Self {
        self.lock().waking.notices = Some(notices);
        self
    }

    /// What is planted into it.
    pub fn twist(&self) -> &Twist {
        &self.twist
    }

    /// The router as a tonic service, for [`tonic::transport::server::Server::add_service`]. Its
    /// limits let every allowed payload in and every answer out.
    pub fn into_service(self) -> SpecimenService {
        SpecimenService::new(self)
    }
}
