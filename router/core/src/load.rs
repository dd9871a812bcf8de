use crate::PartyId;
use crate::id::MailboxIndex;

/// What is outstanding, and has to be held until it is not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// How many deliveries.
    pub deliveries: usize,
    /// How many bytes of content.
    pub bytes: usize,
}

impl Load {
    /// Whether both are below these.
    pub fn is_below(self, limit: Self) -> bool {
        self.deliveries < limit.deliveries && self.bytes < limit.bytes
    }
}

/// Says who can be sent more: a party takes part in sessions that know nothing of each other.
pub trait Room {
    /// Whether the party may have more outstanding. `mailbox` is its mailbox in this session, if it has
    /// one.
    fn has_room(&self, party: &PartyId, mailbox: Option<MailboxIndex>) -> bool;
}

/// Everybody can be sent anything.
impl Room for () {
    fn has_room(&self, _: &PartyId, _: Option<MailboxIndex>) -> bool {
        true
    }
}
