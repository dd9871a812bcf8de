//! What the suite is told of a target: a TOML file, every key optional.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::identity::COORDINATOR;
use crate::requirement::Capability;

/// What the suite is told of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Where the target is and what it claims.
    pub target: Description,
    /// Its own timers and limits.
    pub timers: Timers,
    /// How callers show who they are.
    pub tls: Option<TlsMaterial>,
    /// Where it sends notifications.
    pub notifications: Notifications,
}

/// Who the target's callers are, where it is reached over TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsMaterial {
    /// The certificate of the authority that the target trusts, and that has certified it. PEM.
    pub ca: PathBuf,
    /// A folder with NAME.pem and NAME.key for each party, the common name of the certificate being
    /// its `party_id`. If the authority's key is there, as ca.key, parties need none: the suite
    /// makes theirs, under names of its own.
    pub identities: PathBuf,
    /// Who publishes session events.
    #[serde(default = "coordinator")]
    pub coordinator: String,
    /// The name in the target's certificate, where it is not that of its address.
    #[serde(default)]
    pub server_name: Option<String>,
}

fn coordinator() -> String {
    COORDINATOR.into()
}

/// Where a target sends the notifications by which it wakes parties.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notifications {
    /// Where the suite is to listen for them: `IP:PORT`.
    pub listen: Option<SocketAddr>,
}

/// Where a target is and what it claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Description {
    /// What reports call it.
    pub name: Option<String>,
    /// Where it listens: `http://host:port`.
    pub address: Option<String>,
    /// The command that starts it at `address`.
    pub start: Option<String>,
    /// The folder of its store.
    pub data: Option<PathBuf>,
    /// What it claims besides `core`.
    pub capabilities: Vec<Capability>,
}

impl Description {
    /// Whether the target claims this: `core`, or what it names.
    pub fn claims(&self, capability: Capability) -> bool {
        capability == Capability::Core || self.capabilities.contains(&capability)
    }
}

/// The target's own timers and limits. The defaults are those of the contract.
///
/// No check assumes a bound tighter than these plus a stated allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timers {
    /// A party silent for longer is offline. Milliseconds.
    pub heartbeat_timeout_ms: u64,
    /// A delivery not acknowledged for so long is sent again. Milliseconds.
    pub ack_timeout_ms: u64,
    /// So many timed redeliveries there are before a delivery fails.
    pub max_retries: u32,
    /// A delivery outstanding for so long fails. Milliseconds.
    pub message_ttl_ms: u64,
    /// The largest payload that is accepted. Bytes.
    pub max_payload_bytes: u64,
    /// How far the target's clock may be from the suite's. Milliseconds.
    pub clock_tolerance_ms: u64,
    /// How long an orderly stop may take. Milliseconds.
    pub stop_timeout_ms: u64,
}

/// A way on which timers are twice as long as beside the target.
const FAR_AWAY: Duration = Duration::from_millis(50);

/// How much longer timers are for any way. A run still ends in minutes.
const LONGER_AT_MOST: f64 = 5.0;

impl Default for Timers {
    fn default() -> Self {
        Self {
            heartbeat_timeout_ms: 30_000,
            ack_timeout_ms: 5_000,
            max_retries: 5,
            message_ttl_ms: 24 * 60 * 60 * 1000,
            max_payload_bytes: 2 * 1024 * 1024,
            clock_tolerance_ms: 2_000,
            stop_timeout_ms: 10_000,
        }
    }
}

impl Timers {
    /// Timers short enough to be waited for.
    pub fn short() -> Self {
        Self {
            heartbeat_timeout_ms: 1_500,
            ack_timeout_ms: 400,
            max_retries: 3,
            message_ttl_ms: 6_000,
            ..Self::default()
        }
    }

    /// The same for a target so far away that all that is sent takes up to `latency`, each way: the
    /// longer that takes, the more time a check needs for its calls. They are twice as long at
    /// 50 ms, and so on to five times as long.
    #[must_use]
    pub fn far_away(self, latency: Duration) -> Self {
        let times = 1.0 + latency.as_secs_f64() / FAR_AWAY.as_secs_f64();
        let longer = |ms: u64| {
            let time = Duration::from_millis(ms).mul_f64(times.min(LONGER_AT_MOST));
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        };
        Self {
            heartbeat_timeout_ms: longer(self.heartbeat_timeout_ms),
            ack_timeout_ms: longer(self.ack_timeout_ms),
            message_ttl_ms: longer(self.message_ttl_ms),
            ..self
        }
    }

    /// A party silent for longer is offline.
    pub fn heartbeat_timeout(&self) -> Duration {
        Duration::from_millis(self.heartbeat_timeout_ms)
    }

    /// A delivery not acknowledged for so long is sent again.
    pub fn ack_timeout(&self) -> Duration {
        Duration::from_millis(self.ack_timeout_ms)
    }

    /// How far the target's times may be off.
    pub fn clock_tolerance(&self) -> Duration {
        Duration::from_millis(self.clock_tolerance_ms)
    }

    /// A delivery outstanding for so long fails.
    pub fn message_ttl(&self) -> Duration {
        Duration::from_millis(self.message_ttl_ms)
    }

    /// From a delivery's first sending on a stream to its failure, if it is never acknowledged.
    pub fn all_attempts(&self) -> Duration {
        self.ack_timeout().saturating_mul(self.max_retries.saturating_add(1))
    }

    /// The gRPC receive limit that clients set: 4 MiB or, if that is more, the largest payload and
    /// 64 KiB. Bytes.
    pub fn receive_limit(&self) -> usize {
        let one_message = self.max_payload_bytes.saturating_add(64 * 1024);
        usize::try_from(one_message).unwrap_or(usize::MAX).max(4 * 1024 * 1024)
    }
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("cannot read profile {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not the TOML that is wanted.
    #[error("profile {}, {place}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line.
        place: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Profile {
    /// That of the built-in router. Its timers are short enough for the checks that wait for them,
    /// and not so short that it gives up what a busy machine has not looked at yet.
    pub fn built_in() -> Self {
        let timers = Timers { max_retries: 12, message_ttl_ms: 12_000, ..Timers::short() };
        let capabilities = vec![
            Capability::Redelivery,
            Capability::Expiry,
            Capability::Offline,
            Capability::Membership,
            Capability::Wildcard,
            Capability::EventReplay,
            Capability::Flow,
            Capability::Idempotency,
        ];
        let target = Description { capabilities, ..Description::default() };
        Self { timers, target, ..Self::default() }
    }

    /// Reads a profile.
    ///
    /// # Errors
    /// If the file cannot be read, is no TOML, has a key that is not known or a value that makes no
    /// sense.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ProfileError::Unreadable { path: path.into(), source })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ProfileError> {
        let invalid = |place: String, message: String| ProfileError::Invalid {
            path: path.into(),
            place,
            message,
        };
        let profile: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            let message = error.message().replace('\n', " ");
            invalid(format!("line {line}"), message)
        })?;
        let timers = &profile.timers;
        for (key, value) in [
            ("heartbeat_timeout_ms", timers.heartbeat_timeout_ms),
            ("ack_timeout_ms", timers.ack_timeout_ms),
            ("message_ttl_ms", timers.message_ttl_ms),
            ("max_payload_bytes", timers.max_payload_bytes),
        ] {
            if value == 0 {
                return Err(invalid(format!("timers.{key}"), "must be more than 0".into()));
            }
        }
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_file_line_and_key_of_what_it_does_not_know() {
        let error = Profile::parse("[timers]\nack_timeout = 3\n", Path::new("a.toml")).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("profile a.toml, line 2: unknown field `ack_timeout`"), "{text}");
        assert!(text.contains("ack_timeout_ms"), "{text}");
    }

    #[test]
    fn every_key_is_optional() {
        let profile = Profile::parse("", Path::new("a.toml")).unwrap();
        assert_eq!(profile, Profile::default());
        let profile =
            Profile::parse("[timers]\nack_timeout_ms = 400", Path::new("a.toml")).unwrap();
        assert_eq!(profile.timers, Timers { ack_timeout_ms: 400, ..Timers::default() });
    }

    #[test]
    fn where_to_listen_is_an_address() {
        let parse = |text| Profile::parse(text, Path::new("a.toml"));
        let profile = parse("[notifications]\nlisten = \"127.0.0.1:18080\"").unwrap();
        assert_eq!(profile.notifications.listen, Some(([127, 0, 0, 1], 18_080).into()));
        let error = parse("\n[notifications]\nlisten = \"18080\"").unwrap_err().to_string();
        assert!(error.starts_with("profile a.toml, line 3: invalid socket address"), "{error}");
    }

    #[test]
    fn a_long_way_has_longer_timers() {
        let at = |ms| Timers::short().far_away(Duration::from_millis(ms));
        assert_eq!(at(0), Timers::short());
        let twice = Timers {
            heartbeat_timeout_ms: 3_000,
            ack_timeout_ms: 800,
            message_ttl_ms: 12_000,
            ..Timers::short()
        };
        assert_eq!(at(50), twice);
        assert_eq!(at(200).ack_timeout_ms, 2_000);
        assert_eq!(at(1_000), at(200));
    }

    #[test]
    fn a_timer_of_nothing_is_an_error() {
        let error =
            Profile::parse("[timers]\nack_timeout_ms = 0", Path::new("a.toml")).unwrap_err();
        assert!(error.to_string().contains("timers.ack_timeout_ms"), "{error}");
    }
}
