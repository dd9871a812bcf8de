//! One party's seat in one session: between the router's messages and the protocol.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mpc_router_proto::v1::{MpcMessage, RouteMessageRequest};

use crate::encoding::Digest;
use crate::inbox::{Inbox, Relation};
use crate::protocol::{Blame, Expects, Incoming, NonceUse, Output, Protocol};
use crate::roster::{Member, Roster};
use crate::seal::{Place, Seal, Sealer, To};
use crate::terms::Terms;

/// A party in a session it has joined.
///
/// `handle_*` takes what came, `poll_effect` gives what is to be done. Rules, by which a party's own
/// fault is not blamed on the router: a message is sealed once, and the same bytes are sent however
/// often it takes; a message that came before is acknowledged and not applied again; other bytes
/// under the key of an earlier message are never applied; early messages wait; an acknowledgement
/// follows when the protocol has used the message.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) terms: Terms,
    seal: Seal,
    protocol: Option<Box<dyn Protocol>>,
    inbox: Inbox,
    unsent: BTreeSet<Digest>,
    /// Keys under which something came that could not be opened, and why.
    suspects: BTreeMap<(String, u16), String>,
    output: Option<Output>,
    blame: Option<Blame>,
    effects: VecDeque<Effect>,
    /// Messages that came before the session began, by payload and `message_id`: the same one comes
    /// again when a stream broke or its sender called twice, and needs no more room for that.
    early: BTreeMap<Digest, BTreeMap<String, MpcMessage>>,
    /// How many payloads may be early.
    max_early: usize,
}

/// What a seat wants done.
#[derive(Debug)]
pub(crate) enum Effect {
    Send(Sending),
    Acknowledge(String, Result<(), String>),
    Applied(Digest),
}

/// A message to be routed.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) request: RouteMessageRequest,
    pub(crate) recipients: Vec<u16>,
    pub(crate) digest: Digest,
}

/// How a seat stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Running,
    Finished,
    Failed,
}

impl Seat {
    /// For a session whose members send each other no more than so many `kinds` of messages.
    pub(crate) fn new(terms: Terms, seal: Seal, kinds: usize) -> Self {
        Self {
            max_early: terms.members.len().saturating_mul(kinds),
            terms,
            seal,
            protocol: None,
            inbox: Inbox::default(),
            unsent: BTreeSet::new(),
            suspects: BTreeMap::new(),
            output: None,
            blame: None,
            effects: VecDeque::new(),
            early: BTreeMap::new(),
        }
    }

    /// Begins, with the protocol or what kept it from beginning.
    pub(crate) fn start(
        &mut self,
        protocol: Result<Box<dyn Protocol>, Blame>,
        sealer: &mut Sealer,
        roster: &Roster,
    ) {
        match protocol {
            Ok(protocol) => self.protocol = Some(protocol),
            Err(blame) => return self.fail(blame),
        }
        self.drain(sealer, roster);
        for message in std::mem::take(&mut self.early).values().flat_map(BTreeMap::values) {
            self.handle_message(message, sealer, roster);
        }
    }

    pub(crate) fn has_started(&self) -> bool {
        self.protocol.is_some()
    }

    /// Takes a message that the router says is for this party and session.
    pub(crate) fn handle_message(
        &mut self,
        message: &MpcMessage,
        sealer: &mut Sealer,
        roster: &Roster,
    ) {
        let id = &message.message_id;
        let from = match roster.find(&message.from_party) {
            Some(member) if member.number == sealer.me() => {
                return self.refuse(id, "it is this party's own message".into());
            }
            Some(member) if self.terms.members.contains(&member.number) => member.number,
            _ => return self.refuse(id, "its sender is no member of the session".into()),
        };
        let key = (message.message_type.clone(), from);
        let digest = Digest::of(&message.payload);
        let relation = self.inbox.relate(&key, digest, id);
        let Some(protocol) = &self.protocol else {
            if self.blame.is_some() {
                self.refuse(id, FAILED.into());
            } else if self.early.len() < self.max_early || self.early.contains_key(&digest) {
                self.early.entry(digest).or_default().insert(id.clone(), message.clone());
            } else {
                self.refuse(id, "too many messages came before the session began".into());
            }
            return;
        };
        match relation {
            Relation::Waits => return,
            Relation::Settled(result) => {
                return self.effects.push_back(Effect::Acknowledge(id.clone(), result));
            }
            Relation::New | Relation::Contrary if self.blame.is_some() => {
                return self.refuse(id, FAILED.into());
            }
            Relation::New if protocol.expects(&key.0, from) == Expects::Never => {
                let why = format!("{} sends no `{}` to this party", message.from_party, key.0);
                return self.refuse(id, why);
            }
            Relation::New | Relation::Contrary => {}
        }
        let place = Place { session: &self.terms.session, kind: &key.0, from };
        let opened = sealer.open(self.seal, place, message.is_broadcast, &message.payload, roster);
        match opened {
            Err(why) => {
                let why = format!("a `{}` as if from {}: {why}", key.0, message.from_party);
                self.refuse(id, why.clone());
                if !self.inbox.has(&key) {
                    self.suspects.insert(key, why);
                }
            }
            Ok(_) if relation == Relation::Contrary => {
                let why = format!("two different `{}` came from it", key.0);
                self.refuse(id, why.clone());
                self.fail(Blame::of(from, why));
            }
            Ok(body) => {
                self.suspects.remove(&key);
                self.inbox.keep(key, digest, id, body);
                self.drain(sealer, roster);
            }
        }
    }

    /// The router has taken a message.
    pub(crate) fn handle_accepted(&mut self, digest: Digest) {
        self.unsent.remove(&digest);
    }

    /// The router refused a message for good.
    pub(crate) fn handle_refused(&mut self, kind: &str, why: &str) {
        self.fail(Blame::nobody(format!("the router refused its `{kind}`: {why}")));
    }

    /// Gives up waiting for messages in whose place something unusable came.
    pub(crate) fn handle_grace_over(&mut self) {
        if let Some(((_, from), why)) = self.suspects.pop_first() {
            self.fail(Blame::of(from, format!("nothing usable came, only {why}")));
        }
    }

    /// The session is over, for a reason that is not this party's.
    pub(crate) fn handle_end(&mut self, why: &str) {
        if self.standing() == Standing::Running {
            self.fail(Blame::nobody(why));
        }
    }

    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(crate) fn standing(&self) -> Standing {
        if self.blame.is_some() {
            Standing::Failed
        } else if self.output.is_some() && self.unsent.is_empty() {
            Standing::Finished
        } else {
            Standing::Running
        }
    }

    pub(crate) fn output(&self) -> Option<&Output> {
        self.output.as_ref()
    }

    pub(crate) fn blame(&self) -> Option<&Blame> {
        self.blame.as_ref()
    }

    /// Whether something unusable came in the place of a message that is still awaited.
    pub(crate) fn is_suspicious(&self) -> bool {
        self.standing() == Standing::Running && !self.suspects.is_empty()
    }

    pub(crate) fn nonce_uses(&self) -> &[NonceUse] {
        self.protocol.as_ref().map(|protocol| protocol.nonce_uses()).unwrap_or_default()
    }

    /// What it waits for: type and sender.
    pub(crate) fn missing(&self) -> Vec<(String, u16)> {
        self.protocol.as_ref().map(|protocol| protocol.missing()).unwrap_or_default()
    }

    /// Applies what can be applied, and takes what the protocol gives.
    fn drain(&mut self, sealer: &mut Sealer, roster: &Roster) {
        loop {
            let Some(protocol) = &mut self.protocol else { return };
            while let Some(outgoing) = protocol.poll_outgoing() {
                let others = || {
                    let members =
                        self.terms.members.iter().filter(|member| **member != sealer.me());
                    members.copied().collect()
                };
                let recipients: Vec<u16> = match &outgoing.to {
                    To::All => others(),
                    To::One(to) => vec![*to],
                    To::Several(to) => to.clone(),
                };
                let recipients: Vec<&Member> =
                    recipients.iter().filter_map(|number| roster.get(*number)).collect();
                let place =
                    Place { session: &self.terms.session, kind: &outgoing.kind, from: sealer.me() };
                let payload =
                    sealer.seal(self.seal, place, &outgoing.to, &recipients, &outgoing.body);
                let digest = Digest::of(&payload);
                self.unsent.insert(digest);
                let to_parties = match outgoing.to {
                    To::All => Vec::new(),
                    _ => recipients.iter().map(|member| member.id.clone()).collect(),
                };
                self.effects.push_back(Effect::Send(Sending {
                    request: RouteMessageRequest {
                        session_id: self.terms.session.clone(),
                        from_party: roster.name(sealer.me()).into(),
                        to_parties,
                        round_number: outgoing.round,
                        message_type: outgoing.kind,
                        payload: payload.into(),
                    },
                    recipients: recipients.iter().map(|member| member.number).collect(),
                    digest,
                }));
            }
            if let Some(output) = protocol.poll_output() {
                self.output = Some(output);
            }
            let now = |kind: &str, from| protocol.expects(kind, from) == Expects::Now;
            let Some((key, body)) = self.inbox.next(now) else { return };
            match protocol.handle(Incoming { kind: &key.0, from: key.1, body: &body }) {
                Ok(()) => self.settle(&key, Ok(())),
                Err(blame) => {
                    self.settle(&key, Err(blame.reason.clone()));
                    return self.fail(blame);
                }
            }
        }
    }

    fn settle(&mut self, key: &(String, u16), result: Result<(), String>) {
        let Some((digest, ids)) = self.inbox.settle(key, result.clone()) else { return };
        if result.is_ok() {
            self.effects.push_back(Effect::Applied(digest));
        }
        for id in ids {
            self.effects.push_back(Effect::Acknowledge(id, result.clone()));
        }
    }

    fn refuse(&mut self, message_id: &str, why: String) {
        self.effects.push_back(Effect::Acknowledge(message_id.into(), Err(why)));
    }

    fn fail(&mut self, blame: Blame) {
        if self.standing() == Standing::Running {
            self.blame = Some(blame);
        }
        for key in self.inbox.waiting() {
            self.settle(&key, Err(FAILED.into()));
        }
        let early: BTreeSet<String> =
            std::mem::take(&mut self.early).into_values().flat_map(BTreeMap::into_keys).collect();
        for id in early {
            self.refuse(&id, FAILED.into());
        }
    }
}

const FAILED: &str = "the session failed before it could be used";

#[cfg(test)]
mod tests;
