use std::fmt;
use std::sync::Arc;

use super::{Capacity, Session, Unseen};
use crate::ledger::Known;
use crate::{Announcement, Millis, Record};

/// An event was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Whether it was accepted before, so that this changes nothing (EVT-9).
    pub again: bool,
}

/// An event was not accepted. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnnounceError {
    /// Another event of this session has the name.
    NameTaken,
    /// The session has too many events (FLW-3).
    TooMany,
}

impl fmt::Display for AnnounceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameTaken => {
                "event_id names another event of this session already: give another, or leave it empty"
            }
            Self::TooMany => "the session has too many events: announce another one",
        })
    }
}

impl std::error::Error for AnnounceError {}

impl Session {
    /// Accepts an event of this session, which may change its members, and has it published once it
    /// is committed.
    ///
    /// # Errors
    /// See [`AnnounceError`].
    pub fn handle_announce(
        &mut self,
        now: Millis,
        announcement: Announcement,
    ) -> Result<Announced, AnnounceError> {
        if let Some(known) = self.ledger.event(&announcement.event) {
            // EVT-9: the same event again delivers nothing again. What was announced since stays.
            return if *known == Known::of(&announcement) {
                Ok(Announced { again: true })
            } else {
                Err(AnnounceError::NameTaken)
            };
        }
        // What ends a session is let in: it makes room.
        let ends_it = announcement.kind.ends_the_session() && !self.ledger.has_ended(now);
        let Capacity { events, event_bytes, .. } = self.policy.capacity;
        let is_full = self.ledger.events() >= events || self.ledger.event_bytes() >= event_bytes;
        if is_full && !ends_it {
            return Err(AnnounceError::TooMany);
        }
        let position = self.appended.next();
        self.ledger.announce(&announcement, now);
        self.broadcasts.clear();
        let announcement = Arc::new(announcement);
        let until = self.ledger.lasts_until(now);
        let unseen = Unseen::Event { announcement: Arc::clone(&announcement), until };
        self.unseen.push_back((position, unseen));
        self.append(position, Record::Announced { announcement, at: now });
        self.check();
        Ok(Announced { again: false })
    }
}
