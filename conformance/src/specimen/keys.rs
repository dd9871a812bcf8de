//! Keys that make it safe to try RouteMessage again: IDM.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mpc_router_proto::v1::RouteMessageRequest;
use tonic::Code;

use super::Fault;
use super::journal::{Fact, Keyed};
use super::refusal::Refusal;
use super::routing::Arrival;
use super::state::State;

/// So many keys one fault remembers.
const FEW: usize = 100;

/// And another one.
const NEWEST: usize = 1_000;

/// So much of a key one fault keeps. Bytes.
const COLUMN: usize = 64;

/// So much of each end of a payload one fault compares. Bytes.
const END: usize = 4 * 1024;

/// A key: the sender's own, in one session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    session: String,
    sender: String,
    name: String,
}

/// The call that a key stands for.
#[derive(Clone, Debug)]
struct Call {
    request: RouteMessageRequest,
    /// None where only a fault keeps a rejected one.
    message_id: Option<String>,
    /// What only a fault asks for: whom it was for.
    recipients: Vec<String>,
}

/// The keys that were given, and what each stands for.
#[derive(Debug, Default)]
pub(super) struct Keys {
    calls: BTreeMap<Key, Call>,
    /// What only faults ask for: the keys of calls under way, and all from the oldest on.
    under_way: BTreeSet<Key>,
    given: VecDeque<Key>,
}

impl State {
    /// The key of a call, if it has one.
    pub(super) fn key(&self, request: &RouteMessageRequest, name: Option<&str>) -> Option<Key> {
        let name = name.filter(|_| !self.has(Fault::KeyIgnored))?;
        let of = |owner: &String, shared: Fault| {
            if self.has(shared) { String::new() } else { owner.clone() }
        };
        let mut name = name.to_owned();
        if self.has(Fault::KeyCutAt64) {
            name.truncate(COLUMN);
        }
        if self.has(Fault::KeysWithoutCase) {
            name.make_ascii_lowercase();
        }
        if self.has(Fault::KeyJoinedByDash) {
            let name = format!("{}-{}-{name}", request.session_id, request.from_party);
            return Some(Key { session: String::new(), sender: String::new(), name });
        }
        Some(Key {
            session: of(&request.session_id, Fault::KeySharedBySessions),
            sender: of(&request.from_party, Fault::KeySharedBySenders),
            name,
        })
    }

    /// Whether the call has a key that stands for one already.
    pub(super) fn knows(&self, request: &RouteMessageRequest, name: Option<&str>) -> bool {
        self.key(request, name).is_some_and(|key| self.keys.calls.contains_key(&key))
    }

    /// Whether this key stands for a call already. A fault notes that it is under way.
    pub(super) fn meets_key(&mut self, key: &Key) -> KeyMet {
        if self.keys.calls.contains_key(key) {
            KeyMet::Known
        } else if self.keys.under_way.insert(key.clone()) {
            KeyMet::New
        } else {
            KeyMet::UnderWay
        }
    }

    /// IDM-1, IDM-2: the `message_id` of the call that this one repeats, if it repeats one.
    pub(super) fn repeated(
        &self,
        key: &Key,
        request: &RouteMessageRequest,
        arrival: &Arrival,
    ) -> Result<Option<String>, Refusal> {
        if self.has(Fault::KeyInProgressRefused) && arrival.key == KeyMet::UnderWay {
            return Err(Refusal::precondition("the same call is under way"));
        }
        // IDM-3: what is decided now, not what was the case when the call arrived.
        if self.has(Fault::KeyRace) && arrival.key != KeyMet::Known {
            return Ok(None);
        }
        let known = self.keys.calls.get(key).filter(|call| !self.has_outlived(call));
        let Some(call) = known else { return Ok(None) };
        if !self.is_same_call(call, request) {
            return Err(
                Refusal::exists("the key stands for another call").or(Code::InvalidArgument)
            );
        }
        if call.message_id.is_none() {
            return Err(Refusal::precondition("the call was rejected before"));
        }
        Ok(call.message_id.clone())
    }

    /// Whether a fault has forgotten the call by now.
    fn has_outlived(&self, call: &Call) -> bool {
        let number = call.message_id.as_ref().and_then(|id| self.numbers.get(id));
        self.has(Fault::KeyLivesFromAcceptance)
            && number.is_some_and(|number| {
                self.messages[*number].accepted.elapsed() >= self.settings.message_ttl
            })
    }

    /// Whether both calls ask for the same, the order of the recipients aside.
    fn is_same_call(&self, call: &Call, request: &RouteMessageRequest) -> bool {
        let (one, other) = (&call.request, request);
        let names = |request: &RouteMessageRequest| -> BTreeSet<String> {
            request.to_parties.iter().cloned().collect()
        };
        let same_payload = if self.has(Fault::KeyComparesLengthOnly) {
            one.payload.len() == other.payload.len()
        } else if self.has(Fault::KeyComparesEndsOnly) {
            ends(&one.payload) == ends(&other.payload)
        } else {
            one.payload == other.payload
        };
        let same_recipients = if self.has(Fault::KeyHashesWholeRequest) {
            one.to_parties == other.to_parties
        } else if self.has(Fault::KeyCoversExpandedRecipients) {
            call.recipients == self.recipients(other)
        } else {
            names(one) == names(other)
        };
        if self.has(Fault::KeyHashesFieldsGlued) {
            return same_recipients && glued(one) == glued(other);
        }
        let same_rest = same_recipients
            && one.round_number == other.round_number
            && one.message_type == other.message_type;
        self.has(Fault::KeyAloneDecides)
            || (same_payload && (same_rest || self.has(Fault::KeyComparesPayloadOnly)))
    }

    /// Notes what the key stands for from now on. A rejected call uses up no key.
    pub(super) fn keep_key(
        &mut self,
        key: Key,
        request: &RouteMessageRequest,
        message_id: Option<&str>,
    ) {
        self.keys.under_way.remove(&key);
        if message_id.is_none() && !self.has(Fault::KeyUsedUpByRejectedCall) {
            return;
        }
        if let Some(message_id) = message_id {
            self.note(Fact::Keyed(Keyed {
                request: request.clone(),
                key: key.name.clone(),
                message_id: message_id.to_owned(),
            }));
        }
        let call = Call {
            request: request.clone(),
            message_id: message_id.map(str::to_owned),
            recipients: self.recipients(request),
        };
        self.keys.calls.entry(key.clone()).or_insert(call);
        self.keys.given.push_back(key);
        let most = if self.has(Fault::OldKeysForgotten) { FEW } else { NEWEST };
        if (self.has(Fault::OldKeysForgotten) || self.has(Fault::KeysTrimmedTo1000))
            && self.keys.given.len() > most
            && let Some(oldest) = self.keys.given.pop_front()
        {
            self.keys.calls.remove(&oldest);
        }
    }

    /// IDM-3: a key stands for its call after a restart as well.
    pub(super) fn recall_key(&mut self, keyed: Keyed) {
        if self.has(Fault::KeysInMemory) {
            return;
        }
        if let Some(key) = self.key(&keyed.request, Some(&keyed.key)) {
            self.keep_key(key, &keyed.request, Some(&keyed.message_id));
        }
    }

    /// A key lasts as long as its message's status. Only a fault forgets it with the last
    /// acknowledgement.
    pub(super) fn forget_key_of(&mut self, message_id: &str) {
        if self.has(Fault::KeyForgottenWithAck) {
            self.keys.calls.retain(|_, call| call.message_id.as_deref() != Some(message_id));
        }
    }
}

/// What one fault compares of a payload.
fn ends(payload: &[u8]) -> (usize, &[u8], &[u8]) {
    let end = END.min(payload.len());
    (payload.len(), &payload[..end], &payload[payload.len() - end..])
}

/// What one fault hashes of a request.
fn glued(request: &RouteMessageRequest) -> Vec<u8> {
    let head = format!("{}{}", request.round_number, request.message_type);
    [head.as_bytes(), &request.payload].concat()
}

/// How a call met its key when it arrived. The right specimen does not ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum KeyMet {
    /// It has none, or one that stands for nothing.
    #[default]
    New,
    /// Another call with it is under way.
    UnderWay,
    /// The key stands for a call.
    Known,
}
