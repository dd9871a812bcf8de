use std::fmt;

/// How many calls the publisher has under way at once: enough to keep a server busy, also with one
/// subscriber. Of each of these lanes a message is sent when the one before it was accepted.
pub(crate) const LANES: usize = 32;

/// On how many connections the subscribers are, at most. The publisher has one for itself.
pub(crate) const CONNECTIONS: usize = 8;

/// What one round asks of a server: one publisher broadcasts to a session's other members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How many parties get each message, each on a stream of its own.
    pub subscribers: usize,
    /// The size of each payload; at least [`Load::MIN_PAYLOAD_BYTES`].
    pub payload_bytes: usize,
    /// How many messages are published; at least one.
    pub messages: usize,
    /// What the parties do with what they get.
    pub traffic: Traffic,
}

/// What parties do with what they get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// They read it.
    FanOut,
    /// They read it, and acknowledge each message with a call before they read on.
    Acknowledged,
}

impl Traffic {
    /// Both.
    pub const ALL: [Self; 2] = [Self::FanOut, Self::Acknowledged];

    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan_out",
            Self::Acknowledged => "acknowledged",
        }
    }
}

impl Load {
    /// Room for what the subscribers check.
    pub const MIN_PAYLOAD_BYTES: usize = 16;

    /// A round that takes a fair server on two cores a few tenths of a second: long enough that its
    /// beginning and its end do not count.
    pub fn standard(traffic: Traffic, payload_bytes: usize, subscribers: usize) -> Self {
        let deliveries = match traffic {
            Traffic::FanOut => 300_000 / payload_bytes.div_ceil(1024).max(1),
            Traffic::Acknowledged => 20_000,
        };
        // With few subscribers the publisher's calls are what takes the time.
        let messages = (deliveries / subscribers).min(10_000);
        Self { subscribers, payload_bytes, messages, traffic }.checked()
    }

    /// The same with a tenth of the messages.
    pub fn shortened(self) -> Self {
        Self { messages: self.messages / 10, ..self }.checked()
    }

    /// How many messages arrive, in all.
    pub fn deliveries(&self) -> u64 {
        self.messages as u64 * self.subscribers as u64
    }

    fn checked(self) -> Self {
        Self { messages: self.messages.max(2 * LANES), ..self }
    }
}

/// As in `256B/100`.
impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { payload_bytes, subscribers, .. } = self;
        match payload_bytes {
            bytes if bytes % 1024 == 0 => write!(f, "{}KiB/{subscribers}", bytes / 1024),
            bytes => write!(f, "{bytes}B/{subscribers}"),
        }
    }
}
