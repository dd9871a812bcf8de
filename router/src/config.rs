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
    /// How long a message is kept for its recipients; what is outstanding then is failed (EXP-1).
    /// 24 h.
    pub message_ttl: Duration,
    /// Whether only members take part in a session, from its announcement to its end (SES). True;
    /// false is for systems that announce no sessions.
    pub membership: bool,
    /// The largest payload, in bytes (RTE-9). 2 MiB.
    pub max_payload: usize,
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
            membership: true,
            max_payload: limits::DEFAULT_MAX_PAYLOAD_BYTES,
            clock_tolerance: Duration::from_secs(2),
            stop_timeout: Duration::from_secs(10),
        }
    }
}
