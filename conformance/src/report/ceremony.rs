//! The threshold ceremony that was run through the target: real keys, a real signature.

use serde::{Deserialize, Serialize};

/// A ceremony and its verdict.
///
/// A valid signature alone says little about routing; the verdict is all of [`Self::verdict`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CeremonyReport {
    /// What was run, such as `FROST-Ed25519`.
    pub protocol: String,
    /// How many of the parties can sign.
    pub threshold: u16,
    /// Who took part.
    pub parties: Vec<CeremonyParty>,
    /// The key that the parties made together, in hex; absent if they made none.
    pub group_public_key: Option<String>,
    /// What was signed: text, or hex of what is no text.
    pub message: String,
    /// The signature, in hex; absent if there is none.
    pub signature: Option<String>,
    /// What was verified afterwards, by something that took no part.
    pub verdict: Vec<CeremonyCheck>,
    /// The parts of the ceremony, in order.
    pub phases: Vec<CeremonyPhase>,
    /// How long all took, in milliseconds.
    pub duration_ms: u64,
}

/// One who took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CeremonyParty {
    /// Its `party_id`.
    pub id: String,
    /// `persistent`, `delegate` or `temporary`.
    pub role: String,
    /// How it gets its messages: `streams` or `polls`.
    pub receives: String,
    /// Messages that it routed.
    pub sent: u64,
    /// Messages that reached it, copies not counted.
    pub received: u64,
    /// Messages that it acknowledged.
    pub acknowledged: u64,
    /// Whether it came to the end.
    pub finished: bool,
}

/// One thing that was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CeremonyCheck {
    /// What, in a few words.
    pub name: String,
    /// Whether it held.
    pub passed: bool,
    /// What was seen; empty where the name says it all.
    pub detail: String,
}

/// One part of the ceremony.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CeremonyPhase {
    /// Such as `key generation` or `signing`.
    pub name: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl CeremonyReport {
    /// Whether all that was verified held. A ceremony of which nothing was verified did not pass.
    pub fn passed(&self) -> bool {
        !self.verdict.is_empty() && self.verdict.iter().all(|it| it.passed)
    }

    /// What did not hold.
    pub(super) fn broken(&self) -> impl Iterator<Item = &CeremonyCheck> {
        self.verdict.iter().filter(|it| !it.passed)
    }

    /// It in a line: `FROST-Ed25519, 3 of 5 parties`.
    pub(super) fn title(&self) -> String {
        format!("{}, {} of {} parties", self.protocol, self.threshold, self.parties.len())
    }
}
