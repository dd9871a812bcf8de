use super::{Effect, NotAdmitted, Session};
use crate::id::MailboxIndex;
use crate::ledger::MessageNumber;
use crate::streams::{Kind, Sending};
use crate::{Millis, PartyId, StreamId};

/// Streams open and close without a record: a restart ends them anyway.
impl Session {
    /// Opens a stream for a party, from its oldest outstanding delivery on. An older stream of the
    /// party is superseded (SUB-5).
    ///
    /// # Errors
    /// If the party may not read here; nothing has changed then.
    ///
    /// # Panics
    /// If there has been a stream of that name: naming them is the caller's duty.
    pub fn handle_subscribe(
        &mut self,
        stream: StreamId,
        party: PartyId,
    ) -> Result<(), NotAdmitted> {
        self.admit(&party)?;
        assert!(self.streams.reading(stream).is_none(), "each stream has a name of its own");
        // SUB-5: the newer one gets everything; the older one gets nothing more.
        if let Some(older) = self.streams.of(&party) {
            self.close(older);
            self.effects.push_back(Effect::Superseded { stream: older });
        }
        self.streams.open(stream, Kind::Session, party, &self.ledger);
        self.check();
        Ok(())
    }

    /// Lets a stream of all of a party's sessions read here too, from its oldest outstanding delivery
    /// on and beside the party's stream of this session (SUB-5, SUB-9). [`Effect::Wake`] tells that
    /// there is something to pull, now as well. An older one of the kind is detached.
    ///
    /// Does nothing, and says so, where a stream of that name or of a higher one reads already, so
    /// names have to ascend as they are given; nor where the session is not counted for the party.
    pub fn handle_attach(&mut self, stream: StreamId, party: &PartyId) -> bool {
        let Some(index) = self.ledger.mailbox_of(party) else { return false };
        let older = self.streams.wildcard(index);
        if !self.counted[index.get()] || older.is_some_and(|older| older >= stream) {
            return false;
        }
        self.detach(index);
        self.streams.open(stream, Kind::Wildcard, party.clone(), &self.ledger);
        if self.outstanding_since(index, MessageNumber::default()).next().is_some() {
            self.effects.push_back(Effect::Wake { stream });
        } else {
            self.streams.advance(stream, index, MessageNumber::default(), &[]);
        }
        self.check();
        true
    }

    /// Closes a stream; one that has ended already is no matter. Nothing is lost by it: what was not
    /// acknowledged is outstanding still (SUB-3).
    pub fn handle_unsubscribe(&mut self, stream: StreamId) {
        self.close(stream);
        self.trim_timers();
        self.check();
    }

    pub(super) fn detach(&mut self, mailbox: MailboxIndex) {
        if let Some(stream) = self.streams.wildcard(mailbox) {
            self.close(stream);
            self.effects.push_back(Effect::Detached { stream });
        }
    }

    fn close(&mut self, stream: StreamId) {
        let Some((other, left)) = self.streams.close(stream) else { return };
        let retries = self.policy.max_retries;
        let left = left.into_iter().map(|entry| Sending { entry, retries });
        // What the closed one sent last may still be answered: it began no later than the last timer.
        self.timers.begin(Millis::default(), other, left);
    }
}
