use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::{Millis, PartyId, Position};

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

/// Where to wake a party that is away. `Debug` shows which channels there are, and no address.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Notification {
    /// An address for mail, or empty.
    pub email: String,
    /// A number for text messages, or empty.
    pub phone: String,
    /// A token of a push service, or empty.
    pub push_token: String,
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("email", &!self.email.is_empty())
            .field("phone", &!self.phone.is_empty())
            .field("push_token", &!self.push_token.is_empty())
            .finish()
    }
}

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
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherRole { role } => {
                write!(f, "the party is registered as {role}, and a role does not change")
            }
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
    /// When it was heard of last.
    pub last_seen_at: Millis,
    /// Where to wake it.
    pub notification: Option<&'a Notification>,
}

/// One thing that happened in the directory. Presence is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryRecord {
    /// A party was registered, for the first time or again.
    Registered {
        /// What it said.
        registration: Registration,
        /// When.
        at: Millis,
    },
}

/// Something for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryEffect {
    /// Write this record at the end of the directory's log.
    Append {
        /// Its place.
        position: Position,
        /// What to write.
        record: DirectoryRecord,
    },
}

/// Who is registered, and who is online.
///
/// A party is online while it was heard of within the heartbeat timeout. Only its own calls count,
/// and only by the router's clock (HB-8, HB-12); an open stream does not (HB-10).
///
/// Invariant: no party was last seen before it was registered, nor after the newest time told.
#[derive(Debug)]
pub struct Directory {
    heartbeat_timeout: i64,
    parties: BTreeMap<PartyId, Party>,
    /// The newest time told: no answer is older.
    latest: Millis,
    appended: Position,
    effects: VecDeque<DirectoryEffect>,
}

#[derive(Debug)]
struct Party {
    role: Role,
    notification: Option<Notification>,
    registered_at: Millis,
    last_seen_at: Millis,
}

impl Directory {
    /// An empty directory. Parties are offline when not heard of for more than `heartbeat_timeout`
    /// milliseconds.
    pub fn new(heartbeat_timeout: i64) -> Self {
        Self {
            heartbeat_timeout,
            parties: BTreeMap::new(),
            latest: Millis::default(),
            appended: Position::default(),
            effects: VecDeque::new(),
        }
    }

    /// Takes in the next record that the log holds already. The party counts as seen at that time.
    pub fn handle_record(&mut self, record: &DirectoryRecord) {
        self.apply(record);
        self.appended = self.appended.next();
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
        // REG-5: registering again does not move the first time.
        let registered_at = known.map_or(at, |party| party.registered_at);
        let record = DirectoryRecord::Registered { registration, at };
        self.apply(&record);
        let position = self.appended.next();
        self.appended = position;
        self.effects.push_back(DirectoryEffect::Append { position, record });
        self.check();
        Ok(Registered { registered_at, again })
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
        self.check();
        Ok(at)
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
        ListedParty {
            party,
            role: known.role,
            // HB-5, HB-6.
            online: now.since(known.last_seen_at) <= self.heartbeat_timeout,
            registered_at: known.registered_at,
            last_seen_at: known.last_seen_at,
            notification: known.notification.as_ref(),
        }
    }

    /// The last record appended: what a reply has to wait for, as it is right after the call.
    pub fn bound(&self) -> Position {
        self.appended
    }

    /// Checks what the type says of itself.
    ///
    /// # Panics
    /// If an invariant is broken.
    pub fn assert_invariants(&self) {
        for party in self.parties.values() {
            assert!(party.registered_at <= party.last_seen_at && party.last_seen_at <= self.latest);
        }
    }

    fn apply(&mut self, record: &DirectoryRecord) {
        let DirectoryRecord::Registered { registration, at } = record;
        let Registration { party, role, notification } = registration;
        let at = self.tell(*at);
        let known = self.parties.entry(party.clone()).or_insert_with(|| Party {
            role: *role,
            notification: None,
            registered_at: at,
            last_seen_at: at,
        });
        // REG-4.
        known.notification.clone_from(notification);
        known.last_seen_at = at;
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
