use mpc_router_core::{DirectoryRecord, Policy, Session};

use super::open::{OpenError, Place};
use super::tables::TableError;

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// How many parties are registered.
    pub parties: usize,
    /// How many sessions are kept.
    pub sessions: usize,
    /// How many records of sessions are kept.
    pub records: usize,
    /// How many deliveries are outstanding.
    pub outstanding: usize,
    /// How many commits there were.
    pub commits: u64,
}

pub(super) fn check(place: &Place) -> Result<Contents, OpenError> {
    let seen = place.look(|view, _| {
        let mut contents = Contents::default();
        view.parties(&mut |record| {
            contents.parties += usize::from(matches!(record, DirectoryRecord::Registered { .. }));
        })?;
        for id in view.sessions()? {
            let mut session = Session::new(Policy::default());
            view.records(&id, &mut |position, record| {
                session.handle_record(position, record);
                contents.records += 1;
            })?;
            if let Some(message) = session.lacks_content() {
                return Err(TableError::Content { session: id, message });
            }
            contents.sessions += 1;
            contents.outstanding += session.load().deliveries;
        }
        Ok(contents)
    })?;
    Ok(Contents { commits: seen.commits, ..seen.read })
}
