use std::time::Duration;

use crate::limits;

/// How a router behaves. The names are those of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// A party not heard of for longer is offline (HB-6). 30 s.
    pub heartbeat_timeout: Duration,
    /// What is sent on a stream and not acknowledged within this time is sent again (RED-1). 5 s.
    pub ack_timeout: Duration,
    /// How often it is sent again before its delivery is failed (RED-4). 5.
    pub max_retries: u32,
    /// How long a message is kept for its recipients; what is outstanding then is failed (EXP-1). As
    /// long after that its status and its idempotency key are kept, and a session after its end. 24 h.
    pub message_ttl: Duration,
    /// How long a session that has no end is kept when nothing happens in it. 30 days.
    pub session_idle_ttl: Duration,
    /// Whether only members take part in a session, from its announcement to its end (SES). True;
    /// false is for systems that announce no sessions.
    pub membership: bool,
    /// Whether a call has to say who makes it (SEC). False: a call without an identity may name any
    /// party and do anything, which is for tests and for callers that share this process. True: it
    /// is refused. Either way an identity that is there, as on each connection of a
    /// [`Tls`](crate::serve::Tls) with trusted clients, is held against what the call names.
    pub identified_callers: bool,
    /// The largest payload, in bytes (RTE-9). 2 MiB.
    pub max_payload: usize,
    /// How many bytes of messages may wait in memory for their recipients, over all sessions; more are
    /// refused (FLW-3). 2 GiB.
    pub max_outstanding: usize,
    /// How far the router's times may be off (RTE-11, HB-1). 2 s. See
    /// [`Router::keep_time`](crate::Router::keep_time).
    pub clock_tolerance: Duration,
    /// How long an orderly stop may take (DUR-7). 10 s.
    pub stop_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat_timeout: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(5),
            max_retries: 5,
            message_ttl: Duration::from_hours(24),
            session_idle_ttl: Duration::from_hours(30 * 24),
            membership: true,
            identified_callers: false,
            max_payload: limits::DEFAULT_MAX_PAYLOAD_BYTES,
            max_outstanding: limits::DEFAULT_MAX_OUTSTANDING_BYTES,
            clock_tolerance: Duration::from_secs(2),
            stop_timeout: Duration::from_secs(10),
        }
    }
}
