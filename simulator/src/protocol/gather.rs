//! One message from each of several members.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::encoding::{Digest, Frame};

/// Collects one message of one type from each of some members.
pub(super) struct Gather {
    kind: String,
    from: BTreeSet<u16>,
    come: BTreeMap<u16, Vec<u8>>,
}

/// Shows who was heard, and not what they said.
impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?} from {:?}", self.kind, self.come.keys(), self.from)
    }
}

impl Gather {
    pub(super) fn new(kind: &str, from: impl IntoIterator<Item = u16>) -> Self {
        Self { kind: kind.into(), from: from.into_iter().collect(), come: BTreeMap::new() }
    }

    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn expects(&self, from: u16) -> bool {
        self.from.contains(&from)
    }

    /// Keeps what came; `true` if it was the last.
    pub(super) fn keep(&mut self, from: u16, body: &[u8]) -> bool {
        self.come.insert(from, body.to_vec());
        self.is_complete()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.come.len() == self.from.len()
    }

    pub(super) fn come(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.come.iter().map(|(from, body)| (*from, body.as_slice()))
    }

    pub(super) fn missing(&self) -> Vec<(String, u16)> {
        let missing = self.from.iter().filter(|from| !self.come.contains_key(from));
        missing.map(|from| (self.kind.clone(), *from)).collect()
    }

    /// A digest of what everybody said in this round, oneself included if one did.
    pub(super) fn digest(&self, session: &str, me: u16, mine: Option<&[u8]>) -> Digest {
        let mut said: BTreeMap<u16, &[u8]> = self.come().collect();
        said.extend(mine.map(|mine| (me, mine)));
        let mut frame = Frame::new("broadcast round");
        frame.text(session).text(&self.kind);
        for (from, body) in said {
            frame.number(from).bytes(body);
        }
        frame.digest()
    }
}
