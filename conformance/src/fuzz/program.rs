//! Programs: what parties do, step by step, whatever the router answers.
//!
//! What a step is about has a number of its own, which the program gives out, and a step whose subject
//! does not exist does nothing. So whatever is left out of a program, the rest is a program, and means
//! what it meant before: that is what shrinking needs.

mod words;

use serde::{Deserialize, Serialize};

use super::names::Naming;
use super::wrong::Wrong;
pub use words::{party_name, role_name};

/// Who is there, and what they do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// How many parties are registered when it begins. They are numbered from 0 on.
    pub parties: u8,
    /// Of each session that is announced when it begins, its members.
    pub sessions: Vec<Vec<u8>>,
    /// Which of these parties have not registered yet when it begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<u8>,
    /// In what way the names of parties and sessions are like each other.
    #[serde(default, skip_serializing_if = "Naming::is_plain")]
    pub naming: Naming,
    /// Whether round numbers and message types are odd ones: large, empty, long, or with spaces around.
    #[serde(default, skip_serializing_if = "is_false")]
    pub odd_labels: bool,
    /// What they do.
    pub steps: Vec<Step>,
}

/// A step of a program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Whether it begins together with the step before it, and not after it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub together: bool,
    /// Whether its answer is thrown away, as if it had been lost on the way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unheard: bool,
    /// What is done.
    pub act: Act,
}

impl Step {
    /// One that begins when the one before is done, and whose answer is heard.
    pub fn plain(act: Act) -> Self {
        Self { together: false, unheard: false, act }
    }
}

/// What stands for a payload that is as long as it may be.
pub const FULL: u32 = u32::MAX;

fn is_false(it: &bool) -> bool {
    !it
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// A party registers again.
    Register {
        /// Which.
        party: u8,
        /// Where it can be told of something: the number of an address, 0 for none.
        #[serde(default, skip_serializing_if = "is_nothing")]
        channel: u8,
    },
    /// A party says that it is alive.
    Heartbeat {
        /// Which.
        party: u8,
        /// By how many minutes its clock is ahead; behind, if negative.
        #[serde(default, skip_serializing_if = "is_right")]
        ahead: i32,
    },
    /// Somebody asks who is there.
    List {
        /// Whether only for those who are online.
        only_online: bool,
        /// Only for those of this role, from 0 to 2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<u8>,
        /// Which party asks; the coordinator if none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<u8>,
    },
    /// A call that must be rejected.
    Wrong {
        /// What is wrong with it.
        what: Wrong,
        /// Who makes it.
        party: u8,
        /// In which session.
        session: u8,
        /// About which message.
        unit: u32,
    },
    /// An event is published.
    Publish {
        /// Its number.
        notice: u32,
        /// Of which session.
        session: u8,
        /// What it says.
        event: Event,
        /// Whom it selects.
        selected: Vec<u8>,
        /// After how long its session expires, 0 for never. Milliseconds.
        #[serde(default, skip_serializing_if = "is_zero")]
        expires_in: u32,
    },
    /// A party sends messages, one after another.
    Route {
        /// The number of the first one.
        unit: u32,
        /// How many.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        count: u16,
        /// In which session.
        session: u8,
        /// Who.
        sender: u8,
        /// To whom; to everybody if there is nobody.
        to: Vec<u8>,
        /// How long each is, in bytes, beyond what tells it from others; [`FULL`] for as long as it may
        /// be.
        #[serde(default, skip_serializing_if = "is_zero")]
        bytes: u32,
        /// Whether with a key of its own that makes it safe to try again.
        #[serde(default, skip_serializing_if = "is_false")]
        keyed: bool,
    },
    /// A message that had a key is sent once more.
    RouteAgain {
        /// Its number.
        unit: u32,
    },
    /// A party subscribes to messages.
    Subscribe {
        /// The number of the subscription.
        stream: u32,
        /// Who.
        party: u8,
        /// To which session; to all of its own if none.
        session: Option<u8>,
    },
    /// A subscription to messages is cancelled.
    Cancel {
        /// Which.
        stream: u32,
    },
    /// A party polls.
    Poll {
        /// Who.
        party: u8,
        /// Which session; all of its own if none.
        session: Option<u8>,
        /// Whether only for what is not older than the newest that it has.
        newer: bool,
    },
    /// A party acknowledges a message, whether it has come to it or not.
    Acknowledge {
        /// Who.
        party: u8,
        /// The message's number.
        unit: u32,
        /// As one of this session, if not of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<u8>,
        /// Whether it was of use.
        success: bool,
    },
    /// A party acknowledges all that has come to it in a session.
    AcknowledgeAll {
        /// Who.
        party: u8,
        /// In which session.
        session: u8,
    },
    /// Somebody asks what became of a message.
    Status {
        /// Its number.
        unit: u32,
        /// As one of this session, if not of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<u8>,
    },
    /// A party subscribes to session events.
    Listen {
        /// The number of the subscription.
        listener: u32,
        /// Who.
        party: u8,
        /// To which events only; to all if there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        only: Vec<Event>,
    },
    /// A subscription to session events is cancelled.
    StopListening {
        /// Which.
        listener: u32,
    },
    /// A party's connection breaks, with all that is under way on it.
    Disconnect {
        /// Whose.
        party: u8,
    },
    /// Time passes.
    Wait {
        /// How much. Milliseconds.
        ms: u32,
    },
    /// The target is stopped in order, and started again.
    Restart,
    /// The target is killed where it stands, and started again.
    Kill,
}

fn one() -> u16 {
    1
}

fn is_one(it: &u16) -> bool {
    *it == 1
}

fn is_zero(it: &u32) -> bool {
    *it == 0
}

fn is_nothing(it: &u8) -> bool {
    *it == 0
}

fn is_right(it: &i32) -> bool {
    *it == 0
}

/// What an event says of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// `session_created`.
    Created,
    /// `session_started`.
    Started,
    /// `session_completed`.
    Completed,
    /// `session_failed`.
    Failed,
    /// One that the contract gives no meaning: `party_joined`.
    Other,
    /// Another one, whose name begins with that: `party_joined_late`.
    Longer,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Started, Self::Completed, Self::Failed, Self::Other, Self::Longer];

    /// Its `event_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "session_created",
            Self::Started => "session_started",
            Self::Completed => "session_completed",
            Self::Failed => "session_failed",
            Self::Other => "party_joined",
            Self::Longer => "party_joined_late",
        }
    }

    /// Its bit in a set of them.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Program {
    /// So many units are routed by it, their numbers being smaller than this.
    pub fn units(&self) -> usize {
        let ends = self.steps.iter().map(|step| match step.act {
            Act::Route { unit, count, .. } => unit as usize + usize::from(count),
            _ => 0,
        });
        ends.max().unwrap_or(0)
    }

    /// Why it cannot be played, if it names parties or sessions that there are not.
    pub fn nonsense(&self) -> Option<String> {
        let parties = self.sessions.iter().flatten().chain(&self.late).copied();
        let (mut parties, mut sessions): (Vec<u8>, Vec<u8>) = (parties.collect(), Vec::new());
        for step in &self.steps {
            let (some, of) = step.act.names();
            parties.extend(some);
            sessions.extend(of);
        }
        let party = parties.into_iter().find(|it| *it >= self.parties);
        let session = sessions.into_iter().find(|it| usize::from(*it) >= self.sessions.len());
        match (party, session) {
            (Some(party), _) => Some(format!("there is no party {party}")),
            (_, Some(session)) => Some(format!("there is no session {session}")),
            _ => None,
        }
    }

    /// Whether it stops or kills the target.
    pub fn needs_power(&self) -> bool {
        self.steps.iter().any(|it| matches!(it.act, Act::Restart | Act::Kill))
    }

    /// Its steps, those that begin together side by side.
    pub fn waves(&self) -> impl Iterator<Item = &[Step]> {
        self.steps.chunk_by(|_, next| next.together)
    }
}

impl Act {
    /// The parties and sessions that it names.
    fn names(&self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Register { party, .. }
            | Self::Heartbeat { party, .. }
            | Self::Listen { party, .. }
            | Self::Disconnect { party } => (vec![*party], Vec::new()),
            Self::Wrong { party, session, .. } => (vec![*party], vec![*session]),
            Self::Publish { session, selected, .. } => (selected.clone(), vec![*session]),
            Self::Route { session, sender, to, .. } => {
                ([std::slice::from_ref(sender), to].concat(), vec![*session])
            }
            Self::Subscribe { party, session, .. }
            | Self::Poll { party, session, .. }
            | Self::Acknowledge { party, session, .. } => {
                (vec![*party], session.iter().copied().collect())
            }
            Self::AcknowledgeAll { party, session } => (vec![*party], vec![*session]),
            Self::Status { session, .. } => (Vec::new(), session.iter().copied().collect()),
            Self::List { by, .. } => (by.iter().copied().collect(), Vec::new()),
            Self::RouteAgain { .. }
            | Self::Cancel { .. }
            | Self::StopListening { .. }
            | Self::Wait { .. }
            | Self::Restart
            | Self::Kill => (Vec::new(), Vec::new()),
        }
    }
}
