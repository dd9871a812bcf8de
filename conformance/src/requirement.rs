//! What a requirement is, as data.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::outcome::Verdict;
use crate::trial::Trial;

/// How binding a requirement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// A router that breaks it is not conformant.
    Must,
    /// A router that breaks it gets a warning, and passes.
    Should,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
        })
    }
}

/// A group of requirements that a router offers as a whole, or does not.
///
/// [`Capability::Core`] is always checked, the others when the target claims them.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// What every router promises.
    Core,
    /// Sends again what is not acknowledged in time.
    Redelivery,
    /// Gives up on what is outstanding for too long.
    Expiry,
    /// Wakes offline parties by a notification.
    Offline,
    /// Lets only a session's members take part in it.
    Membership,
    /// Subscribes to all of a party's sessions at once.
    Wildcard,
    /// Gives earlier events to late subscribers.
    EventReplay,
    /// Stays fair and honest under overload.
    Flow,
    /// Keeps what it accepted across restarts and crashes.
    Durable,
    /// Knows its callers by their certificates.
    Secure,
    /// Makes retries safe by a key.
    Idempotency,
}

impl Capability {
    /// Every capability, in the order of the contract.
    pub const ALL: [Self; 11] = [
        Self::Core,
        Self::Redelivery,
        Self::Expiry,
        Self::Offline,
        Self::Membership,
        Self::Wildcard,
        Self::EventReplay,
        Self::Flow,
        Self::Durable,
        Self::Secure,
        Self::Idempotency,
    ];

    /// Its name in profiles, filters and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Redelivery => "redelivery",
            Self::Expiry => "expiry",
            Self::Offline => "offline",
            Self::Membership => "membership",
            Self::Wildcard => "wildcard",
            Self::EventReplay => "event-replay",
            Self::Flow => "flow",
            Self::Durable => "durable",
            Self::Secure => "secure",
            Self::Idempotency => "idempotency",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What exercises a requirement on a target.
pub type Check = fn(Trial) -> Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// One sentence of the contract, and how it is checked.
#[derive(Clone, Copy)]
pub struct Requirement {
    /// Family and number, such as `ORD-1`. It never moves.
    pub id: &'static str,
    /// Whether breaking it fails or warns.
    pub level: Level,
    /// What a target must claim for it to be checked.
    pub capability: Capability,
    /// The requirement itself.
    pub says: &'static str,
    /// How the check exercises it, for people to read. Empty while there is no check.
    pub how: &'static str,
    /// The check. `None` while this version of the suite has none.
    pub check: Option<Check>,
    /// When the check runs.
    pub turn: Turn,
}

/// When a check runs, as seen from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Before those that end sooner: it waits for long, and makes few calls.
    First,
    /// Beside others.
    Beside,
    /// When at most those go on that were first: it takes all that the target has.
    Quiet,
    /// When no other one goes on: it stops the target.
    Alone,
}

impl Requirement {
    /// The same, with a check whose turn is this.
    pub(crate) const fn at(self, turn: Turn) -> Self {
        Self { turn, ..self }
    }

    /// The part of the identifier before the dash.
    pub fn family(&self) -> &'static str {
        self.id.split_once('-').map_or(self.id, |(family, _)| family)
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.id, self.level, self.capability)
    }
}

/// The requirements about one subject.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The common part of the identifiers, such as `ORD`.
    pub name: &'static str,
    /// Its subject in a word or two.
    pub title: &'static str,
    /// Its sentences, in order.
    pub requirements: &'static [Requirement],
}

/// A MUST of the capability `core`.
pub(crate) const fn must(
    id: &'static str,
    says: &'static str,
    how: &'static str,
    check: Check,
) -> Requirement {
    let (level, capability) = (Level::Must, Capability::Core);
    Requirement { id, level, capability, says, how, check: Some(check), turn: Turn::Beside }
}

/// A SHOULD of the capability `core`.
pub(crate) const fn should(
    id: &'static str,
    says: &'static str,
    how: &'static str,
    check: Check,
) -> Requirement {
    let (level, capability) = (Level::Should, Capability::Core);
    Requirement { id, level, capability, says, how, check: Some(check), turn: Turn::Beside }
}

/// A MUST of those who claim this capability.
pub(crate) const fn must_of(
    capability: Capability,
    id: &'static str,
    says: &'static str,
    how: &'static str,
    check: Check,
) -> Requirement {
    Requirement {
        id,
        level: Level::Must,
        capability,
        says,
        how,
        check: Some(check),
        turn: Turn::Beside,
    }
}

/// A SHOULD of those who claim this capability.
pub(crate) const fn should_of(
    capability: Capability,
    id: &'static str,
    says: &'static str,
    how: &'static str,
    check: Check,
) -> Requirement {
    let level = Level::Should;
    Requirement { id, level, capability, says, how, check: Some(check), turn: Turn::Beside }
}
