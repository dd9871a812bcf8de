//! A session as the coordinator sees it.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use mpc_router_proto::v1::SessionEvent;

use super::Agenda;
use crate::action::Millis;
use crate::roster::{CoordinatorKey, Roster};
use crate::terms::Terms;

pub(super) struct Session {
    pub(super) agenda: Agenda,
    pub(super) expires_at: i64,
    pub(super) stage: Stage,
    /// Since when it is in that stage.
    pub(super) since: Millis,
    /// Whether the router took an announcement of it.
    pub(super) announced: bool,
    /// When to announce again.
    pub(super) announce_at: Option<Millis>,
    pub(super) joined: BTreeSet<u16>,
    pub(super) started: BTreeSet<u16>,
    pub(super) finished: BTreeSet<u16>,
    pub(super) closed: BTreeSet<u16>,
    /// Whether the end was announced, and not everybody heard it by the router.
    pub(super) unheard: bool,
    /// Events that wait for the one before them to be answered.
    pub(super) unpublished: VecDeque<SessionEvent>,
    pub(super) failure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Created,
    Started,
    /// Over, and how: `true` for completed; and until when to wait for the parties to know.
    Ended(bool, Millis),
    Done(bool),
}

/// Shows no event: these have everybody's join tokens.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.agenda.session;
        f.debug_struct("Session")
            .field("name", name)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(agenda: Agenda, expires_at: i64, now: Millis) -> Self {
        Self {
            agenda,
            expires_at,
            stage: Stage::Created,
            since: now,
            announced: false,
            announce_at: None,
            joined: BTreeSet::new(),
            started: BTreeSet::new(),
            finished: BTreeSet::new(),
            closed: BTreeSet::new(),
            unheard: false,
            unpublished: VecDeque::new(),
            failure: None,
        }
    }

    pub(super) fn terms(&self, roster: &Roster, threshold: u16) -> Terms {
        Terms {
            session: self.agenda.session.clone(),
            holders: u16::try_from(roster.members().len()).unwrap_or(u16::MAX),
            threshold,
            members: self.agenda.members.clone(),
            message_hash: self.agenda.message_hash.clone(),
            expires_at: self.expires_at,
        }
    }

    /// The announcement of where the session stands.
    pub(super) fn event(
        &self,
        kind: &str,
        event_id: String,
        roster: &Roster,
        threshold: u16,
        key: &CoordinatorKey,
    ) -> SessionEvent {
        let terms = self.terms(roster, threshold);
        let name = |number: &u16| roster.name(*number).to_owned();
        SessionEvent {
            event_id,
            event_type: kind.into(),
            session_id: terms.session.clone(),
            threshold_n: terms.holders.into(),
            threshold_t: terms.threshold.into(),
            selected_parties: terms.members.iter().map(name).collect(),
            join_tokens: terms
                .members
                .iter()
                .map(|number| (name(number), terms.token(*number, key)))
                .collect(),
            message_hash: terms.message_hash.clone().into(),
            created_at: 0,
            expires_at: terms.expires_at,
        }
    }
}
