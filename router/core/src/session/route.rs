use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Capacity, Session};
use crate::id::MailboxIndex;
use crate::ledger::Accepted;
use crate::{Content, MessageId, Millis, PartyId, Record, Room};

/// A message to accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name, never used before.
    pub id: MessageId,
    /// Its sender.
    pub from: PartyId,
    /// Its recipients; none of them named means every member but the sender (RTE-3).
    pub to: Vec<PartyId>,
    /// How many bytes its content has, at most.
    pub size: usize,
    /// What makes trying again safe, if the sender gave it.
    pub key: Option<IdempotencyKey>,
}

/// A sender's name for a call, under which it may be made again and happens once (IDM).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The name; the sender's own in this session.
    pub name: Arc<str>,
    /// What stands for all that the call asks for: equal where that is equal, and else not.
    pub fingerprint: [u8; 32],
}

/// What the session decides about a message before it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The message's name.
    pub id: MessageId,
    /// When it was accepted.
    pub created_at: Millis,
    /// Whether it was sent to everybody rather than to a list.
    pub broadcast: bool,
}

/// A message was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routed {
    /// Its name: not the one given, if the same call was made before (IDM-1).
    pub id: MessageId,
    /// When.
    pub created_at: Millis,
    /// How many recipients it has.
    pub recipients: usize,
}

/// A message was not accepted. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteError {
    /// The sender named itself (RTE-13).
    ToItself,
    /// A broadcast where nobody knows who the members are.
    NoMembers,
    /// The session was never announced (SES-3).
    NotAnnounced,
    /// The session has ended (SES-4).
    Ended,
    /// The sender is no member (SES-1).
    SenderNotAMember,
    /// A recipient is no member (SES-2).
    RecipientNotAMember,
    /// The key stands for another call (IDM-2).
    KeyTaken,
    /// The session holds too much (FLW-3).
    SessionFull,
    /// A recipient has too much outstanding (FLW-3).
    RecipientFull,
    /// Another message has this name: the caller's fault.
    NameTaken,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToItself => "to_parties must not name from_party: leave it out",
            Self::NoMembers => {
                "a broadcast needs to know the session's members: first publish a session_created or \
                 session_started event with selected_parties, or name the recipients in to_parties"
            }
            Self::NotAnnounced => {
                "the session was never announced: first publish a session_created or session_started \
                 event with selected_parties"
            }
            Self::Ended => "the session has ended: announce another one",
            Self::SenderNotAMember => "from_party is no member of this session",
            Self::RecipientNotAMember => {
                "each of to_parties must be a member of this session, and one is not"
            }
            Self::KeyTaken => {
                "this idempotency-key was used for another message: give each message a key of its own"
            }
            Self::SessionFull => {
                "the session holds too many messages: have them acknowledged, or announce another one"
            }
            Self::RecipientFull => {
                "a recipient has too many messages waiting for it: try again when it has acknowledged \
                 some"
            }
            Self::NameTaken => "the message's identifier is in use: give another",
        })
    }
}

impl std::error::Error for RouteError {}

/// Those whom a message is for.
#[derive(Debug, Clone)]
pub(super) struct Addressees {
    names: Arc<[PartyId]>,
    mailboxes: Arc<[MailboxIndex]>,
}

impl Session {
    /// Accepts a message for one, several or all other members.
    ///
    /// `encode` is called once if the message is accepted, and not otherwise. All recipients share
    /// what it returns, so they all get the same (RTE-4), and in the order of acceptance, which is
    /// one for the whole session (ORD-1 to ORD-5). What the message says, its round included, is
    /// not looked at (RTE-14).
    ///
    /// # Errors
    /// See [`RouteError`]; nothing has changed then, for no recipient (RTE-8).
    pub fn handle_route(
        &mut self,
        now: Millis,
        route: Route,
        room: &impl Room,
        encode: impl FnOnce(&Header) -> Content,
    ) -> Result<Routed, RouteError> {
        let Route { id, from, to, size, key } = route;
        // IDM-1: whatever has become of the session in between.
        if let Some(key) = &key
            && let Some(known) = self.ledger.keyed(&from, &key.name)
        {
            if known.fingerprint != key.fingerprint {
                return Err(RouteError::KeyTaken);
            }
            let message = self.ledger.message(known.message);
            let (id, created_at) = (message.id, message.created_at);
            return Ok(Routed { id, created_at, recipients: message.deliveries.len() });
        }
        if self.ledger.number(id).is_some() {
            return Err(RouteError::NameTaken);
        }
        if self.policy.membership {
            self.let_route(now, &from, &to)?;
        }
        let broadcast = to.is_empty();
        let known = if broadcast { self.broadcasts.get(&from).cloned() } else { None };
        let names = match &known {
            Some(addressees) => Arc::clone(&addressees.names),
            None if broadcast => self.everybody_but(&from)?,
            None => each_once(to, &from)?,
        };
        self.let_in(&names, known.as_ref(), room)?;
        let created_at = self.ledger.created_at(now, size, self.policy.millisecond_bytes);
        let content = encode(&Header { id, created_at, broadcast });
        debug_assert!(content.len() <= size, "the size told before is an upper bound");

        let mailboxes = match known {
            Some(addressees) => addressees.mailboxes,
            None => {
                let mailboxes: Arc<[_]> = self.ledger.open_mailboxes(&names).into();
                if broadcast {
                    let addressees =
                        Addressees { names: Arc::clone(&names), mailboxes: Arc::clone(&mailboxes) };
                    // Where anybody may send, there is no end to those who do.
                    if self.broadcasts.len() > self.ledger.members().len() {
                        self.broadcasts.clear();
                    }
                    self.broadcasts.insert(from.clone(), addressees);
                }
                mailboxes
            }
        };
        let position = self.appended.next();
        let number = self.ledger.next_number();
        let accepted =
            Accepted { id, from: &from, created_at, content: content.clone(), key: key.as_ref() };
        self.ledger.enter(position, accepted, &mailboxes);
        self.entered(position, number);
        let recipients = names.len();
        let record = Record::Routed {
            message: id,
            from,
            recipients: names,
            broadcast,
            created_at,
            content,
            key,
        };
        self.append(position, record);
        self.release();
        self.check();
        Ok(Routed { id, created_at, recipients })
    }

    fn let_route(&self, now: Millis, from: &PartyId, to: &[PartyId]) -> Result<(), RouteError> {
        if !self.ledger.is_announced() {
            return Err(RouteError::NotAnnounced);
        }
        if self.ledger.has_ended(now) {
            return Err(RouteError::Ended);
        }
        if !self.ledger.is_member(from) {
            return Err(RouteError::SenderNotAMember);
        }
        if to.contains(from) {
            return Err(RouteError::ToItself);
        }
        // RTE-8: all of them, or nothing has happened.
        if to.iter().any(|party| !self.ledger.is_member(party)) {
            return Err(RouteError::RecipientNotAMember);
        }
        Ok(())
    }

    /// FLW-3: what is accepted is kept, so that what there is no room for is refused.
    fn let_in(
        &self,
        names: &[PartyId],
        known: Option<&Addressees>,
        room: &impl Room,
    ) -> Result<(), RouteError> {
        let Capacity { outstanding, messages, .. } = self.policy.capacity;
        if !self.ledger.load().is_below(outstanding) || self.ledger.messages() >= messages {
            return Err(RouteError::SessionFull);
        }
        let have_room = match known {
            Some(Addressees { mailboxes, .. }) => mailboxes
                .iter()
                .all(|&mailbox| room.has_room(self.ledger.mailbox(mailbox).party(), Some(mailbox))),
            None => names.iter().all(|name| room.has_room(name, self.ledger.mailbox_of(name))),
        };
        if have_room { Ok(()) } else { Err(RouteError::RecipientFull) }
    }

    /// RTE-3, RTE-16: every member but the sender, who may be the only one.
    fn everybody_but(&self, from: &PartyId) -> Result<Arc<[PartyId]>, RouteError> {
        let members = self.ledger.members();
        if members.is_empty() {
            return Err(RouteError::NoMembers);
        }
        Ok(members.iter().filter(|member| *member != from).cloned().collect())
    }
}

/// RTE-6: a party named twice is one recipient.
fn each_once(to: Vec<PartyId>, from: &PartyId) -> Result<Arc<[PartyId]>, RouteError> {
    if to.contains(from) {
        return Err(RouteError::ToItself);
    }
    if let [_] = &*to {
        return Ok(to.into());
    }
    let mut seen = BTreeSet::new();
    Ok(to.into_iter().filter(|party| seen.insert(party.clone())).collect())
}
