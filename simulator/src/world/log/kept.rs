//! What survives the end of a run.

use std::collections::BTreeMap;

use mpc_router::log::Disposal;
use mpc_router_core::{
    Content, DirectoryRecord, MessageId, Millis, PartyId, Position, Record, SessionId,
};

/// Committed records.
#[derive(Debug, Default)]
pub(in crate::world) struct Kept {
    sessions: BTreeMap<SessionId, BTreeMap<Position, Record>>,
    parties: BTreeMap<PartyId, DirectoryRecord>,
    notices: BTreeMap<(PartyId, SessionId), DirectoryRecord>,
    /// Where messages stand, those included whose records are gone.
    places: BTreeMap<MessageId, Position>,
    latest: Millis,
}

impl Kept {
    pub(super) fn append(&mut self, session: &SessionId, position: Position, record: &Record) {
        let at = match record {
            Record::Routed { message, created_at, .. } => {
                self.places.insert(*message, position);
                *created_at
            }
            Record::Delivered { at, .. }
            | Record::GivenUp { at, .. }
            | Record::Acknowledged { at, .. }
            | Record::Announced { at, .. } => *at,
        };
        self.note_time(at);
        let records = self.sessions.entry(session.clone()).or_default();
        records.insert(position, record.clone());
    }

    /// Keeps a record of the directory in place of those that it makes needless.
    pub(super) fn enter(&mut self, record: &DirectoryRecord) {
        match record {
            DirectoryRecord::Registered { registration, at, .. } => {
                self.note_time(*at);
                self.parties.insert(registration.party.clone(), record.clone());
            }
            DirectoryRecord::Notice { party, session, raised_at, .. } => {
                self.note_time(*raised_at);
                self.notices.insert((party.clone(), session.clone()), record.clone());
            }
            DirectoryRecord::Back { party } => self.notices.retain(|(of, _), _| of != party),
        }
    }

    pub(super) fn dispose(&mut self, session: &SessionId, disposal: Disposal) {
        let Some(records) = self.sessions.get_mut(session) else { return };
        match disposal {
            Disposal::Content(position) => {
                if let Some(Record::Routed { content, .. }) = records.get_mut(&position) {
                    *content = Content::default();
                }
            }
            Disposal::Through(position) => records
                .retain(|at, record| *at > position || matches!(record, Record::Announced { .. })),
            Disposal::Session => {
                self.sessions.remove(session);
            }
        }
    }

    pub(super) fn note_time(&mut self, at: Millis) {
        self.latest = self.latest.max(at);
    }

    pub(super) fn latest(&self) -> Millis {
        self.latest
    }

    pub(super) fn place(&self, message: MessageId) -> Option<Position> {
        self.places.get(&message).copied()
    }

    pub(super) fn sessions(&self) -> Vec<SessionId> {
        self.sessions.keys().cloned().collect()
    }

    pub(super) fn records(
        &self,
        session: &SessionId,
    ) -> impl Iterator<Item = (&Position, &Record)> {
        self.sessions.get(session).into_iter().flatten()
    }

    /// The parties, then what they are told.
    pub(super) fn directory(&self) -> impl Iterator<Item = &DirectoryRecord> {
        self.parties.values().chain(self.notices.values())
    }

    /// Loses a message's record, as a log does that is not right.
    #[cfg(test)]
    pub(in crate::world) fn lose_newest_message(&mut self) {
        for records in self.sessions.values_mut() {
            let routed = |record: &Record| matches!(record, Record::Routed { .. });
            let last = records.iter().rev().find(|(_, record)| routed(record));
            if let Some(at) = last.map(|(at, _)| *at) {
                records.remove(&at);
            }
        }
    }
}
