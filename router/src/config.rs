use std::time::Duration;

use crate::limits;

/// How a router behaves. The names are those of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// A party not heard of for longer is offline (HB-6). 30 s.
    pub heartbeat_timeout: Duration,
    /// What is sent on a stream and not acknowledged within this time is to be sent again. 5 s.
    /// Without redelivery it changes nothing.
    pub ack_timeout: Duration,
    /// How often it is to be sent again. 5. Without redelivery it changes nothing.
    pub max_retries: u32,
    /// How long a message is kept for its recipients at least. 24 h. Without expiry it is kept for
    /// as long as the router runs.
    pub message_ttl: Duration,
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
            max_payload: limits::DEFAULT_MAX_PAYLOAD_BYTES,
            clock_tolerance: Duration::from_secs(2),
            stop_timeout: Duration::from_secs(10),
        }
    }
}
