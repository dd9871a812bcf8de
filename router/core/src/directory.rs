//! The parties: who is registered, who is online, and whom to wake.

mod notices;
mod notification;
mod notify;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use self::notices::Notices;
pub use self::notification::{Channel, Notification};
pub use self::notify::Errand;
use crate::{Millis, PartyId, Position, SessionId};

/// What a party is there for. A label: it gives no rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Keeps its share and takes part again and again.
    Persistent,
    /// Acts for somebody who is away.
    Delegate,
    /// Takes part once.
    Temporary,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Persistent, Self::Delegate, Self::Temporary];

    /// Reads one of the three words; letter case matters.
    ///
    /// # Errors
    /// If `text` is none of them (REG-3, DIR-5).
    pub fn parse(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }

    /// The word that the contract uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Persistent => "persistent",
            Self::Delegate => "delegate",
            Self::Temporary => "temporary",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text is no [`Role`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownRole;

impl fmt::Display for UnknownRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be persistent, delegate or temporary, in lower case")
    }
}

impl std::error::Error for UnknownRole {}

/// A party to make known, or to know anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The party.
    pub party: PartyId,
    /// Its role, for good.
    pub role: Role,
    /// Where to wake it from now on.
    pub notification: Option<Notification>,
}

/// A party is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// When it was registered for the first time.
    pub registered_at: Millis,
    /// Whether it was registered before.
    pub again: bool,
}

/// A party was not registered. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterError {
    /// It is known under another role (REG-6).
    OtherRole {
        /// The role that it has.
        role: Role,
    },
    /// There are too many parties (FLW-3).
    TooMany,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherRole { role } => {
                write!(f, "the party is registered as {role}, and a role does not change")
            }
            Self::TooMany => f.write_str("this router has as many parties as it can list"),
        }
    }
}

impl std::error::Error for RegisterError {}

/// No such party is registered (HB-2, SUB-7, PND-7, EVT-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownParty;

impl fmt::Display for UnknownParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such party is registered: call RegisterParty first")
    }
}

impl std::error::Error for UnknownParty {}

/// Which parties to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this role only.
    pub role: Option<Role>,
    /// Those that are online only.
    pub only_online: bool,
}

/// A party as the directory shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedParty<'a> {
    /// The party.
    pub party: &'a PartyId,
    /// Its role.
    pub role: Role,
    /// Whether it was heard of within the heartbeat timeout.
    pub online: bool,
    /// When it was registered for the first time.
    pub registered_at: Millis,
    /// When it was heard of last. No log tells who was heard of before a start: whoever was not heard of
    /// since counts as heard of then, so that this never goes back (HB-9).
    pub last_seen_at: Millis,
    /// Where to wake it.
    pub notification: Option<&'a Notification>,
}

/// One thing that happened in the directory. Presence is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryRecord {
    /// A party was registered, for the first time or again. The newest such record of a party tells
    /// all that the older ones did.
    Registered {
        /// What it said.
        registration: Registration,
        /// When that was for the first time.
        registered_at: Millis,
        /// When.
        at: Millis,
    },
    /// A party is to be told that a session has something for it, or was told. The newest such record
    /// of a party and a session tells all that the older ones did.
    Notice {
        /// The party.
        party: PartyId,
        /// The session.
        session: SessionId,
        /// When it was to be told.
        raised_at: Millis,
        /// The channels on which it is still to be told.
        left: BTreeSet<Channel>,
    },
    /// A party has come back: all notices of it are over.
    Back {
        /// The party.
        party: PartyId,
    },
}

impl DirectoryRecord {
    /// Whether a reply has to wait until this record is committed. Losing a notice's is no harm: the
    /// party is told once more, or not again before its next sign of life.
    pub fn is_binding(&self) -> bool {
        match self {
            Self::Registered { .. } => true,
            Self::Notice { .. } | Self::Back { .. } => false,
        }
    }
}

/// Something for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryEffect {
    /// Write this record at the end of the directory's log, and call
    /// [`handle_committed`](Directory::handle_committed) when it is safe there.
    Append {
        /// Its place.
        position: Position,
        /// What to write.
        record: DirectoryRecord,
    },
}

/// How many parties there are, or may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// The parties.
    pub parties: usize,
    /// The bytes of their names and channels.
    pub bytes: usize,
}

/// Who is registered, who is online, and whom to wake.
///
/// A party is online while it was heard of within the heartbeat timeout. Only its own calls count,
/// and only by the router's clock (HB-8, HB-12); an open stream does not (HB-10).
///
/// Invariant: no party was last seen before it was registered, nor after the newest time told.
#[derive(Debug)]
pub struct Directory {
    heartbeat_timeout: i64,
    capacity: Crowd,
    parties: BTreeMap<PartyId, Party>,
    /// How many bytes the parties' names and channels have.
    bytes: usize,
    /// The newest time told: no answer is older.
    latest: Millis,
    /// Before this nobody was heard of, because nobody listened.
    listens_since: Millis,
    notices: Notices,
    /// The last record appended.
    appended: Position,
    /// The last binding record appended.
    bound: Position,
    effects: VecDeque<DirectoryEffect>,
}

#[derive(Debug)]
struct Party {
    role: Role,
    notification: Option<Notification>,
    registered_at: Millis,
    last_seen_at: Millis,
}

/// How many bytes a party's name and channels have.
fn weight(party: &PartyId, notification: &Option<Notification>) -> usize {
    let channels = notification
        .as_ref()
        .map_or(0, |channel| channel.email.len() + channel.phone.len() + channel.push_token.len());
    party.as_str().len() + channels
}

impl Directory {
    /// An empty directory, with room for so many parties. They are offline when not heard of for more
    /// than `heartbeat_timeout` milliseconds.
    pub fn new(heartbeat_timeout: i64, capacity: Crowd) -> Self {
        Self {
            heartbeat_timeout,
            capacity,
            parties: BTreeMap::new(),
            bytes: 0,
            latest: Millis::default(),
            listens_since: Millis::default(),
            notices: Notices::default(),
            appended: Position::default(),
            bound: Position::default(),
            effects: VecDeque::new(),
        }
    }

    /// Takes in the next record that the log holds already. The party counts as seen at that time.
    pub fn handle_record(&mut self, record: &DirectoryRecord) {
        let position = self.appended.next();
        self.apply(position, record);
        self.appended = position;
        self.bound = position;
        self.handle_committed(position);
    }

    /// Learns that every record up to `through` is safe in the log.
    pub fn handle_committed(&mut self, through: Position) {
        self.notices.commit(through);
        self.check();
    }

    /// Makes a party known, or changes where to wake it. That is a sign of life (HB-5).
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub fn handle_register(
        &mut self,
        now: Millis,
        registration: Registration,
    ) -> Result<Registered, RegisterError> {
        let at = self.tell(now);
        let known = self.parties.get(&registration.party);
        if let Some(&Party { role, .. }) = known
            && role != registration.role
        {
            return Err(RegisterError::OtherRole { role });
        }
        let again = known.is_some();
        if !self.has_room(&registration) {
            return Err(RegisterError::TooMany);
        }
        let known = self.parties.get(&registration.party);
        // REG-5: registering again does not move the first time.
        let registered_at = known.map_or(at, |party| party.registered_at);
        // OFF-5: what was to be told, and where, is over.
        self.come_back(&registration.party);
        self.append(DirectoryRecord::Registered { registration, registered_at, at });
        self.check();
        Ok(Registered { registered_at, again })
    }

    /// Whether the party can be listed with the others. One that is known keeps its place.
    fn has_room(&self, registration: &Registration) -> bool {
        let known = self.parties.get(&registration.party);
        let before = known.map_or(0, |known| weight(&registration.party, &known.notification));
        let after = weight(&registration.party, &registration.notification);
        let parties = self.parties.len() + usize::from(known.is_none());
        let bytes = self.bytes - before + after;
        after <= before || (parties <= self.capacity.parties && bytes <= self.capacity.bytes)
    }

    /// Whether the party is registered.
    pub fn is_registered(&self, party: &PartyId) -> bool {
        self.parties.contains_key(party)
    }

    /// Notes a sign of life of a registered party, and tells the time to answer with: not before any
    /// told earlier (HB-3), and not after the party's last sign of life (HB-9).
    ///
    /// # Errors
    /// If it is not registered; it is not registered by this either (HB-2).
    pub fn handle_sign_of_life(
        &mut self,
        now: Millis,
        party: &PartyId,
    ) -> Result<Millis, UnknownParty> {
        let at = self.tell(now);
        self.parties.get_mut(party).ok_or(UnknownParty)?.last_seen_at = at;
        self.come_back(party);
        self.check();
        Ok(at)
    }

    /// Takes over from a directory of the same parties, which is read anew, what no log tells: who was
    /// heard of when, the newest time told, and who is being told of what.
    pub fn handle_takeover(&mut self, other: &mut Self) {
        self.tell(other.latest);
        self.listens_since = other.listens_since;
        for (party, known) in &mut self.parties {
            if let Some(other) = other.parties.get(party) {
                known.last_seen_at = known.last_seen_at.max(other.last_seen_at);
            }
        }
        self.notices = std::mem::take(&mut other.notices);
        // What was refused is tried once more.
        for record in self.notices.take_uncommitted(|party| self.parties.contains_key(party)) {
            self.append(record);
        }
        self.check();
    }

    /// Hands out the next thing for the shell to do.
    pub fn poll_effect(&mut self) -> Option<DirectoryEffect> {
        self.effects.pop_front()
    }

    /// The parties that pass `filter`, by name, each once (DIR-1 to DIR-3, DIR-6).
    pub fn list(&self, now: Millis, filter: Filter) -> impl Iterator<Item = ListedParty<'_>> {
        let now = now.max(self.latest);
        let listed = self.parties.iter().map(move |(party, known)| self.listed(now, party, known));
        listed.filter(move |party| {
            filter.role.is_none_or(|role| party.role == role)
                && (party.online || !filter.only_online)
        })
    }

    fn listed<'a>(&self, now: Millis, party: &'a PartyId, known: &'a Party) -> ListedParty<'a> {
        let last_seen_at = self.last_seen_at(known);
        ListedParty {
            party,
            role: known.role,
            // HB-5, HB-6.
            online: !self.is_silent(now, last_seen_at),
            registered_at: known.registered_at,
            last_seen_at,
            notification: known.notification.as_ref(),
        }
    }

    /// The last binding record appended: what a reply has to wait for, as it is right after the call.
    pub fn bound(&self) -> Position {
        self.bound
    }

    /// Checks what the type says of itself.
    ///
    /// # Panics
    /// If an invariant is broken.
    pub fn assert_invariants(&self) {
        for party in self.parties.values() {
            assert!(party.registered_at <= party.last_seen_at && party.last_seen_at <= self.latest);
        }
        let weights = self.parties.iter().map(|(party, it)| weight(party, &it.notification));
        assert_eq!(weights.sum::<usize>(), self.bytes);
        self.notices.assert_invariants();
        assert!(self.bound <= self.appended);
    }

    /// Applies a record of this directory's own, and has it written.
    fn append(&mut self, record: DirectoryRecord) {
        let position = self.appended.next();
        self.apply(position, &record);
        self.appended = position;
        if record.is_binding() {
            self.bound = position;
        }
        self.effects.push_back(DirectoryEffect::Append { position, record });
    }

    fn apply(&mut self, position: Position, record: &DirectoryRecord) {
        match record {
            DirectoryRecord::Registered { registration, registered_at, at } => {
                let Registration { party, role, notification } = registration;
                // Each party's own time, also where the log has them in another order.
                self.tell(*at);
                let at = *at;
                let before = self.parties.get(party).map(|it| weight(party, &it.notification));
                self.bytes = self.bytes - before.unwrap_or(0) + weight(party, notification);
                let known = self.parties.entry(party.clone()).or_insert_with(|| Party {
                    role: *role,
                    notification: None,
                    registered_at: *registered_at,
                    last_seen_at: at,
                });
                // REG-4.
                known.notification.clone_from(notification);
                known.last_seen_at = at;
            }
            DirectoryRecord::Notice { party, session, raised_at, left } => {
                self.notices.set(position, party, session, *raised_at, left);
            }
            DirectoryRecord::Back { party } => self.notices.clear(party),
        }
    }

    /// OFF-2: whoever has come back may be told anew when away again.
    fn come_back(&mut self, party: &PartyId) {
        if self.notices.are_there(party) {
            self.append(DirectoryRecord::Back { party: party.clone() });
        }
    }

    /// When the party was last heard of, as far as can be told.
    fn last_seen_at(&self, known: &Party) -> Millis {
        known.last_seen_at.max(self.listens_since)
    }

    /// HB-5, HB-6.
    fn is_silent(&self, now: Millis, last_seen_at: Millis) -> bool {
        now.since(last_seen_at) > self.heartbeat_timeout
    }

    /// The time to answer with.
    fn tell(&mut self, now: Millis) -> Millis {
        self.latest = self.latest.max(now);
        self.latest
    }

    fn check(&self) {
        if cfg!(debug_assertions) && self.parties.len() <= 64 {
            self.assert_invariants();
        }
    }
}
