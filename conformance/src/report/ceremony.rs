//! The threshold ceremony that was run through the target: real keys, a real signature.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

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
    /// If it failed: why that says nothing about the target, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excuse: Option<String>,
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
    /// Messages that it was handed, copies included.
    pub received: u64,
    /// Messages that it acknowledged as applied.
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

impl CeremonyCheck {
    /// Its name for people: identifiers such as `group_key` become words.
    pub(super) fn title(&self) -> String {
        self.name.replace('_', " ")
    }
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

    /// How it ended, in the terms of requirements.
    pub fn outcome(&self) -> Outcome {
        match (self.passed(), &self.excuse) {
            (true, _) => Outcome::Passed,
            (false, Some(_)) => Outcome::Inconclusive,
            (false, None) => Outcome::Failed,
        }
    }

    /// What did not hold.
    pub(super) fn broken(&self) -> impl Iterator<Item = &CeremonyCheck> {
        self.verdict.iter().filter(|it| !it.passed)
    }

    /// What the names of all parties begin with, up to a dash. It may be empty.
    pub(super) fn prefix(&self) -> &str {
        let Some(first) = self.parties.first().map(|it| it.id.as_str()) else { return "" };
        let ends = first.match_indices('-').map(|(dash, _)| &first[..=dash]);
        let is_common = |prefix: &&str| {
            self.parties.iter().all(|it| it.id.starts_with(prefix) && it.id != *prefix)
        };
        ends.rev().find(is_common).unwrap_or_default()
    }

    /// A text without what the names of all parties begin with.
    pub(super) fn short(&self, text: &str) -> String {
        // An empty prefix is found everywhere, and replaced by itself.
        text.replace(self.prefix(), "")
    }

    /// It in a line: `FROST-Ed25519, 3 of 5 parties`.
    pub(super) fn title(&self) -> String {
        format!("{}, {} of {} parties", self.protocol, self.threshold, self.parties.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::report::samples;

    #[test]
    fn parties_have_their_prefix_in_common() {
        let mut ceremony = samples::small().ceremony.unwrap();
        assert_eq!(ceremony.prefix(), "c42-");
        assert_eq!(ceremony.short("c42-p1 to c42-p2"), "p1 to p2");
        ceremony.parties[0].id = "c42-x-p1".into();
        assert_eq!(ceremony.prefix(), "c42-");
        ceremony.parties[1].id = "c42-".into();
        assert_eq!(ceremony.prefix(), "");
        assert_eq!(ceremony.short("c42-p1"), "c42-p1");
        ceremony.parties.truncate(1);
        assert_eq!(ceremony.prefix(), "c42-x-");
        ceremony.parties.clear();
        assert_eq!(ceremony.prefix(), "");
    }

    #[test]
    fn a_ceremony_of_which_nothing_was_verified_did_not_pass() {
        let mut ceremony = samples::small().ceremony.unwrap();
        assert!(ceremony.passed());
        ceremony.verdict[1].passed = false;
        assert!(!ceremony.passed());
        ceremony.verdict.clear();
        assert!(!ceremony.passed());
    }
}
