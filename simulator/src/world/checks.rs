//! Safety, at every step: all that leaves the router is held against a small model of what was put
//! in. The model knows what was asked and what was answered, and of the log, where a message stands
//! in its session and whether that is safe.

mod deliveries;
mod lives;

use std::collections::{BTreeMap, BTreeSet};

use mpc_router_proto::v1::{MpcMessage, RouteMessageRequest, SessionEvent};
use serde::Serialize;

use super::host::Key;
use crate::encoding::{Digest, hex};
pub(super) use deliveries::Way;
use lives::Lives;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Which check found it.
    pub check: &'static str,
    /// What was seen.
    pub what: String,
}

/// As many troubles are told: one leads to others.
const MOST_TROUBLES: usize = 20;

/// What was asked, what was answered, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Checks {
    max_retries: u32,
    ttl: i64,
    /// What parties had routed, by the key that belongs to the bytes.
    attempts: BTreeMap<String, Attempt>,
    /// The key of each `message_id`.
    ids: BTreeMap<String, String>,
    members: BTreeMap<String, BTreeSet<String>>,
    deliveries: BTreeMap<(String, String), Delivery>,
    /// The newest first delivery to a party in a session: place and `created_at`.
    newest: BTreeMap<(String, String), (u64, i64)>,
    /// The newest place that was answered to a sender in a session.
    answered: BTreeMap<(String, String), u64>,
    /// What [`answered`](Self::answered) said when a first attempt began.
    floors: BTreeMap<Key, u64>,
    published: BTreeMap<String, SessionEvent>,
    /// How many deliveries have ended.
    endings: u64,
    /// How many had when a poll began.
    polls: BTreeMap<Key, u64>,
    lives: Lives,
    troubles: Vec<Trouble>,
}

/// A message as its sender wants it.
#[derive(Debug)]
struct Attempt {
    request: RouteMessageRequest,
    id: Option<String>,
    /// When it was asked for first, by the router's clock.
    begun_at: i64,
    /// Its acceptance was answered.
    accepted: bool,
}

/// A message for a recipient, as far as anything was seen of it.
#[derive(Debug, Default)]
struct Delivery {
    /// How often it was given on streams.
    streamed: u32,
    given: bool,
    /// The recipient's acknowledgement was answered.
    acknowledged: Option<bool>,
    /// It was given up, and whether as may be.
    given_up: Option<Rightly>,
    /// How many deliveries had ended with this one.
    ended: u64,
    /// What GetMessageStatus said last, and in which run of the router.
    status: Option<(Standing, u64)>,
}

/// Whether the contract has it so.
type Rightly = bool;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Pending,
    Delivered,
    Acknowledged,
    Failed,
}

impl Checks {
    pub(super) fn new(max_retries: u32, ttl: i64) -> Self {
        Self {
            max_retries,
            ttl,
            attempts: BTreeMap::new(),
            ids: BTreeMap::new(),
            members: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            newest: BTreeMap::new(),
            answered: BTreeMap::new(),
            floors: BTreeMap::new(),
            published: BTreeMap::new(),
            endings: 0,
            polls: BTreeMap::new(),
            lives: Lives::default(),
            troubles: Vec::new(),
        }
    }

    pub(super) fn lives(&mut self) -> &mut Lives {
        &mut self.lives
    }

    /// What was found so far.
    pub(super) fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.troubles.iter().chain(self.lives.troubles())
    }

    pub(super) fn found(&mut self, check: &'static str, what: String) {
        if self.troubles.len() < MOST_TROUBLES {
            self.troubles.push(Trouble { check, what });
        }
    }

    /// RouteMessage reaches the router, at its time `now`.
    pub(super) fn handle_route_begun(
        &mut self,
        call: Key,
        request: &RouteMessageRequest,
        key: &str,
        now: i64,
    ) {
        if !self.attempts.contains_key(key) {
            let sender = (request.session_id.clone(), request.from_party.clone());
            self.floors.insert(call, self.answered.get(&sender).copied().unwrap_or_default());
            let attempt =
                Attempt { request: request.clone(), id: None, begun_at: now, accepted: false };
            self.attempts.insert(key.to_owned(), attempt);
        }
    }

    /// RouteMessage is answered. `place` is the message's in its session's log, if it is safe.
    pub(super) fn handle_routed(&mut self, call: Key, key: &str, id: &str, place: Option<u64>) {
        let floor = self.floors.remove(&call);
        let Some(place) = place else {
            return self.found("durable", format!("{id} was accepted before it was safe (DUR-2)"));
        };
        self.name(key, id);
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        attempt.accepted = true;
        let RouteMessageRequest { session_id, from_party, .. } = &attempt.request;
        let newest = self.answered.entry((session_id.clone(), from_party.clone())).or_default();
        let out_of_order = floor.is_some_and(|floor| place <= floor);
        *newest = place.max(*newest);
        if out_of_order {
            self.found("order", format!("{id} stands before what was accepted earlier (ORD-1)"));
        }
    }

    /// A message has this name: it has one only, and no other message has it.
    fn name(&mut self, key: &str, id: &str) {
        let Some(attempt) = self.attempts.get_mut(key) else { return };
        let before = attempt.id.get_or_insert_with(|| id.to_owned()).clone();
        if before != id {
            let what = format!("one idempotency key made two messages, {before} and {id} (IDM-3)");
            self.found("twice", what);
        }
        let owner = self.ids.entry(id.to_owned()).or_insert_with(|| key.to_owned());
        if owner != key {
            self.found("twice", format!("two messages are called {id} (RTE-5)"));
        }
    }

    /// GetPendingMessages reaches the router.
    pub(super) fn handle_poll_begun(&mut self, call: Key) {
        self.polls.insert(call, self.endings);
    }

    /// PublishSessionEvent reaches the router.
    pub(super) fn handle_publish_begun(&mut self, event: &SessionEvent) {
        if matches!(event.event_type.as_str(), "session_created" | "session_started") {
            let members = event.selected_parties.iter().cloned().collect();
            self.members.insert(event.session_id.clone(), members);
        }
        self.published.insert(event.event_id.clone(), event.clone());
    }

    /// A party is given an event.
    pub(super) fn handle_event(&mut self, to: &str, event: &SessionEvent) {
        let Some(published) = self.published.get(&event.event_id) else {
            let what = format!("{to} was given an event {} that nobody published", event.event_id);
            return self.found("event", what);
        };
        let mut expected = published.clone();
        // EVT-3, EVT-4: the time is filled in, and others' tokens may be left out.
        expected.created_at = event.created_at;
        if !event.join_tokens.contains_key(to) {
            expected.join_tokens.remove(to);
            if published.join_tokens.contains_key(to) {
                let what = format!("{to} was given {} without its token (EVT-3)", event.event_id);
                self.found("event", what);
            }
        }
        expected.join_tokens.retain(|party, _| event.join_tokens.contains_key(party));
        if expected != *event {
            let what = format!("{to} was given {} other than published (EVT-3)", event.event_id);
            self.found("event", what);
        }
    }

    /// Whether a delivery was given up as the contract has it: after all retries, or expired. A
    /// ceremony may rightly fail by that.
    pub(super) fn gave_up(&self) -> Option<String> {
        let mut given_up =
            self.deliveries.iter().filter(|(_, delivery)| delivery.given_up == Some(true));
        let ((id, party), _) = given_up.next()?;
        Some(format!("{id} for {party} was given up"))
    }

    /// The messages whose acceptance was answered, with their sessions.
    pub(super) fn accepted(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attempts.values().filter(|attempt| attempt.accepted).filter_map(|attempt| {
            Some((attempt.id.as_deref()?, attempt.request.session_id.as_str()))
        })
    }

    fn is_recipient(&self, request: &RouteMessageRequest, party: &str) -> bool {
        if request.to_parties.is_empty() {
            let members = self.members.get(&request.session_id);
            party != request.from_party && members.is_some_and(|members| members.contains(party))
        } else {
            request.to_parties.iter().any(|to| to == party)
        }
    }
}

/// The idempotency key that belongs to a message's bytes.
fn key_of(message: &MpcMessage) -> String {
    hex(&Digest::of(&message.payload).0)
}
