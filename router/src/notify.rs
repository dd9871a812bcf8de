//! Waking parties that are away: whoever has left a mail address, a number or a push token is told that
//! a session has something for it, and nothing of what that is (OFF).
//!
//! The directory decides who is told of what. Here it is sent, by [`Gateways`]: never on a message's
//! way, a bounded number at once, and again later if it fails (OFF-4). No address, and no credentials
//! of a gateway, are in any log or error (SEC-7).

mod http;
mod notifier;
mod smtp;
mod url;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mpc_router_core::{Channel, Errand};

pub use self::http::HttpGateway;
pub(crate) use self::notifier::Notifier;
pub use self::smtp::SmtpGateway;
pub use self::url::UrlError;
use crate::limits;

/// Somebody who brings notifications to parties.
#[tonic::async_trait]
pub trait Gateway: fmt::Debug + Send + Sync + 'static {
    /// The channels that it knows.
    fn channels(&self) -> &[Channel];

    /// How long it may take for one notification before that is dropped, and counts as failed.
    fn timeout(&self) -> Duration {
        limits::NOTIFICATION_TIMEOUT
    }

    /// Brings one notification, within [`timeout`](Self::timeout).
    ///
    /// # Errors
    /// If it was not brought.
    async fn send(&self, errand: &Errand) -> Result<(), SendError>;
}

/// A notification was not brought. The text has neither addresses nor credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It is worth another try.
    #[error("{0}")]
    Failed(String),
    /// It would fail again.
    #[error("{0}")]
    Refused(String),
}

/// Those who bring notifications: each channel is the first one's that knows it.
#[derive(Debug, Clone)]
pub struct Gateways(Vec<Arc<dyn Gateway>>);

impl Gateways {
    /// Takes them in this order.
    pub fn new(gateways: Vec<Arc<dyn Gateway>>) -> Self {
        Self(gateways)
    }

    fn of(&self, channel: Channel) -> Option<&Arc<dyn Gateway>> {
        self.position(channel).map(|position| &self.0[position])
    }

    fn position(&self, channel: Channel) -> Option<usize> {
        self.0.iter().position(|gateway| gateway.channels().contains(&channel))
    }

    fn channels(&self) -> BTreeSet<Channel> {
        self.0.iter().flat_map(|gateway| gateway.channels().iter().copied()).collect()
    }
}

/// What an error and its causes say. Those of the crates used here name hosts at most.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
