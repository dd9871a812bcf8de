use mpc_router_core::{Content, DirectoryRecord, MessageId, Millis, Position, Record, SessionId};
use redb::{
    ReadTransaction, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition,
    WriteTransaction,
};

use super::rows;
use crate::log::Disposal;

/// The number of a session, and a record's position in it.
type Place = (u64, u64);

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const SESSIONS: TableDefinition<&str, u64> = TableDefinition::new("sessions");
/// All records of sessions but those of events.
const RECORDS: TableDefinition<Place, &[u8]> = TableDefinition::new("records");
/// Those of events, which stay when what is older than some place goes.
const EVENTS: TableDefinition<Place, &[u8]> = TableDefinition::new("events");
/// What messages hold, by their records' places.
const CONTENTS: TableDefinition<Place, &[u8]> = TableDefinition::new("contents");
/// By party and session: what a party that is away is told of, or was.
const NOTICES: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("notices");
/// By name.
const PARTIES: TableDefinition<&str, &[u8]> = TableDefinition::new("parties");

const FORMAT: &str = "format";
const COMMITS: &str = "commits";
const LATEST: &str = "latest";
const NEXT_SESSION: &str = "next-session";

/// The format that this version reads and writes.
const CURRENT_FORMAT: u64 = 1;

/// Something is not as a router leaves it.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    /// The database said so.
    #[error(transparent)]
    Database(#[from] redb::Error),
    /// A row cannot be read.
    #[error("{table}, {place}: {source}")]
    Row { table: &'static str, place: String, source: rows::Malformed },
    /// A message that somebody still has to get has no content.
    #[error("contents, session {session:?}: message {message} is missing")]
    Content { session: SessionId, message: MessageId },
    /// Two rows have the same place.
    #[error("records and events, session {session:?}: there are two at {}", at.0)]
    Twice { session: SessionId, at: Position },
    /// No record is given this place.
    #[error("records and events, session {session:?}: there is one at 0, and the first is at 1")]
    TooEarly { session: SessionId },
    /// Another version wrote it.
    #[error(
        "the store has format {0}, and this version of mpc-router knows format {CURRENT_FORMAT}: use \
         the version that wrote it, or a newer one"
    )]
    Format(u64),
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for TableError {
            fn from(error: redb::$error) -> Self {
                Self::Database(error.into())
            }
        })*
    };
}
from_redb!(TableError, TransactionError, StorageError, CommitError);

/// The tables, to be changed.
pub(super) struct Tables<'a> {
    meta: Table<'a, &'static str, u64>,
    sessions: Table<'a, &'static str, u64>,
    records: Table<'a, Place, &'static [u8]>,
    events: Table<'a, Place, &'static [u8]>,
    contents: Table<'a, Place, &'static [u8]>,
    parties: Table<'a, &'static str, &'static [u8]>,
    notices: Table<'a, (&'static str, &'static str), &'static [u8]>,
    latest: Millis,
}

impl<'a> Tables<'a> {
    pub(super) fn open(transaction: &'a WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            sessions: transaction.open_table(SESSIONS)?,
            records: transaction.open_table(RECORDS)?,
            events: transaction.open_table(EVENTS)?,
            contents: transaction.open_table(CONTENTS)?,
            parties: transaction.open_table(PARTIES)?,
            notices: transaction.open_table(NOTICES)?,
            latest: Millis(0),
        })
    }

    /// Counts the commit that these changes become, and notes the time that they tell of. Tells the
    /// count.
    pub(super) fn count(&mut self) -> Result<u64, TableError> {
        self.meta.insert(FORMAT, CURRENT_FORMAT)?;
        let commits = self.meta.get(COMMITS)?.map_or(0, |it| it.value()) + 1;
        self.meta.insert(COMMITS, commits)?;
        let latest = self.meta.get(LATEST)?.map_or(0, |it| it.value());
        let told = u64::try_from(self.latest.0).unwrap_or_default();
        if told > latest {
            self.meta.insert(LATEST, told)?;
        }
        Ok(commits)
    }

    /// Notes a time that was told to somebody.
    pub(super) fn note_time(&mut self, at: Millis) {
        self.latest = self.latest.max(at);
    }

    pub(super) fn append(
        &mut self,
        session: &SessionId,
        position: Position,
        record: &Record,
    ) -> Result<(), TableError> {
        let place = (self.number(session)?, position.0);
        let row = rows::encode(record);
        match record {
            Record::Routed { content, recipients, created_at, .. } => {
                self.note_time(*created_at);
                if !recipients.is_empty() {
                    self.contents.insert(place, &**content.as_bytes())?;
                }
            }
            Record::Announced { at, .. } => {
                self.note_time(*at);
                self.events.insert(place, &*row)?;
                return Ok(());
            }
            Record::Delivered { at, .. }
            | Record::GivenUp { at, .. }
            | Record::Acknowledged { at, .. } => self.note_time(*at),
        }
        self.records.insert(place, &*row)?;
        Ok(())
    }

    /// Keeps a record of the directory in place of those that it makes needless.
    pub(super) fn enter(&mut self, record: &DirectoryRecord) -> Result<(), TableError> {
        match record {
            DirectoryRecord::Registered { registration, registered_at, at } => {
                self.note_time(*at);
                let row = rows::encode_party(registration, *registered_at, *at);
                self.parties.insert(registration.party.as_str(), &*row)?;
            }
            DirectoryRecord::Notice { party, session, raised_at, left } => {
                self.note_time(*raised_at);
                let row = rows::encode_notice(*raised_at, left);
                self.notices.insert((party.as_str(), session.as_str()), &*row)?;
            }
            DirectoryRecord::Back { party } => {
                let after = format!("{party}\0");
                let of_party = (party.as_str(), "")..(after.as_str(), "");
                self.notices.retain_in(of_party, |_, _| false)?;
            }
        }
        Ok(())
    }

    pub(super) fn dispose(
        &mut self,
        session: &SessionId,
        disposal: Disposal,
    ) -> Result<(), TableError> {
        let Some(number) = self.sessions.get(session.as_str())?.map(|it| it.value()) else {
            return Ok(());
        };
        match disposal {
            Disposal::Content(position) => {
                self.contents.remove((number, position.0))?;
            }
            Disposal::Through(position) => {
                let gone = (number, 0)..=(number, position.0);
                self.records.retain_in(gone.clone(), |_, _| false)?;
                self.contents.retain_in(gone, |_, _| false)?;
            }
            Disposal::Session => {
                let gone = (number, 0)..=(number, u64::MAX);
                self.records.retain_in(gone.clone(), |_, _| false)?;
                self.events.retain_in(gone.clone(), |_, _| false)?;
                self.contents.retain_in(gone, |_, _| false)?;
                self.sessions.remove(session.as_str())?;
            }
        }
        Ok(())
    }

    fn number(&mut self, session: &SessionId) -> Result<u64, TableError> {
        if let Some(number) = self.sessions.get(session.as_str())? {
            return Ok(number.value());
        }
        let number = self.meta.get(NEXT_SESSION)?.map_or(1, |it| it.value());
        self.meta.insert(NEXT_SESSION, number + 1)?;
        self.sessions.insert(session.as_str(), number)?;
        Ok(number)
    }
}

/// What was committed, to be looked at.
pub(super) struct View(ReadTransaction);

impl View {
    /// # Errors
    /// If it is of a format that this version does not know.
    pub(super) fn of(database: &redb::Database) -> Result<Self, TableError> {
        let view = Self(database.begin_read()?);
        match view.meta(FORMAT)? {
            0 | CURRENT_FORMAT => Ok(view),
            other => Err(TableError::Format(other)),
        }
    }

    /// How many commits there were.
    pub(super) fn commits(&self) -> Result<u64, TableError> {
        self.meta(COMMITS)
    }

    /// The newest time that was told to anybody.
    pub(super) fn latest(&self) -> Result<Millis, TableError> {
        Ok(Millis(i64::try_from(self.meta(LATEST)?).unwrap_or(i64::MAX)))
    }

    fn meta(&self, key: &str) -> Result<u64, TableError> {
        match self.0.open_table(META) {
            Ok(meta) => Ok(meta.get(key)?.map_or(0, |it| it.value())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn is_blank(&self) -> Result<bool, TableError> {
        Ok(self.commits()? == 0)
    }

    pub(super) fn sessions(&self) -> Result<Vec<SessionId>, TableError> {
        if self.is_blank()? {
            return Ok(Vec::new());
        }
        let mut sessions = Vec::new();
        for row in self.0.open_table(SESSIONS)?.iter()? {
            let (name, _) = row?;
            sessions.push(SessionId::parse(name.value()).map_err(|_| TableError::Row {
                table: "sessions",
                place: "a session without a name".into(),
                source: rows::Malformed,
            })?);
        }
        Ok(sessions)
    }

    pub(super) fn records(
        &self,
        session: &SessionId,
        each: &mut dyn FnMut(Position, &Record),
    ) -> Result<(), TableError> {
        if self.is_blank()? {
            return Ok(());
        }
        let number = self.0.open_table(SESSIONS)?.get(session.as_str())?.map(|it| it.value());
        let Some(number) = number else { return Ok(()) };
        let all = (number, 0)..=(number, u64::MAX);
        let contents = self.0.open_table(CONTENTS)?;
        let mut records = self.0.open_table(RECORDS)?.range(all.clone())?.peekable();
        let mut events = self.0.open_table(EVENTS)?.range(all)?.peekable();
        loop {
            // Both ascend: the earlier of the two comes first.
            let record =
                records.peek().map(|row| row.as_ref().map(|(place, _)| place.value()).ok());
            let event = events.peek().map(|row| row.as_ref().map(|(place, _)| place.value()).ok());
            let (table, next) = match (record, event) {
                (None, None) => return Ok(()),
                (Some(Some(record)), Some(Some(event))) if event == record => {
                    let (session, at) = (session.clone(), Position(event.1));
                    return Err(TableError::Twice { session, at });
                }
                (Some(record), Some(event)) if event < record => ("events", events.next()),
                (None, Some(_)) => ("events", events.next()),
                (Some(_), _) => ("records", records.next()),
            };
            let Some(row) = next else { return Ok(()) };
            let (place, row) = row?;
            let place = place.value();
            if place.1 == 0 {
                return Err(TableError::TooEarly { session: session.clone() });
            }
            let content = contents.get(place)?.map(|content| content.value().to_vec());
            let content = Content::new(content.unwrap_or_default().into());
            let record = rows::decode(row.value(), content).map_err(|source| {
                let place = format!("session {session:?}, record {}", place.1);
                TableError::Row { table, place, source }
            })?;
            each(Position(place.1), &record);
        }
    }

    /// The directory's records: of the parties, then of what they are told.
    pub(super) fn parties(&self, each: &mut dyn FnMut(&DirectoryRecord)) -> Result<(), TableError> {
        if self.is_blank()? {
            return Ok(());
        }
        for row in self.0.open_table(PARTIES)?.iter()? {
            let (name, row) = row?;
            let record = rows::decode_party(row.value()).map_err(|source| {
                let place = format!("party {:?}", name.value());
                TableError::Row { table: "parties", place, source }
            })?;
            each(&record);
        }
        let notices = match self.0.open_table(NOTICES) {
            Ok(notices) => notices,
            // Nobody was ever told of anything.
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for row in notices.iter()? {
            let (of, row) = row?;
            let (party, session) = of.value();
            let record = rows::decode_notice(party, session, row.value()).map_err(|source| {
                let place = format!("party {party:?}, session {session:?}");
                TableError::Row { table: "notices", place, source }
            })?;
            each(&record);
        }
        Ok(())
    }
}
