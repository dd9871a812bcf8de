use std::fmt;

use super::Session;
use crate::PartyId;

/// A party may not read here: it is no member, and nothing was ever routed to it (SES-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAdmitted;

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the party is no member of this session: have it selected by a session_created or \
             session_started event first",
        )
    }
}

impl std::error::Error for NotAdmitted {}

impl Session {
    /// Whether a party may subscribe and poll: as a member, or for what was routed to it when it was
    /// one (SES-5 to SES-7).
    pub(super) fn admit(&self, party: &PartyId) -> Result<(), NotAdmitted> {
        let admitted = !self.policy.membership
            || self.ledger.is_member(party)
            || self.ledger.mailbox_of(party).is_some();
        if admitted { Ok(()) } else { Err(NotAdmitted) }
    }
}
