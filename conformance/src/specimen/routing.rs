//! RouteMessage: who may send what to whom (RTE).

use std::collections::BTreeSet;

use mpc_router_proto::v1::{RouteMessageRequest, RouteMessageResponse};
use prost::Message as _;
use tonic::Code;

use super::keys::KeyMet;
use super::refusal::Refusal;
use super::state::{Session, State};
use super::{Fault, Variant};

/// Messages of one session that are a load to who sheds it.
pub(super) const LOAD: usize = 600;

/// What was the case when a call arrived. The right specimen does not ask: it decides everything
/// at one moment.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) at_ms: i64,
    pub(super) accepted: usize,
    pub(super) key: KeyMet,
    pub(super) to_be_told: BTreeSet<String>,
    /// The number of the connection by which it came, 0 where that is not known.
    pub(super) connection: u64,
}

/// To whom a message goes, and why it may not.
struct Addressed {
    /// Those that are good, named once.
    parties: Vec<String>,
    refusal: Option<Refusal>,
}

impl State {
    pub(super) fn arrival(&mut self, request: &RouteMessageRequest, key: Option<&str>) -> Arrival {
        let key = self.key(request, key);
        Arrival {
            at_ms: self.now_ms(),
            accepted: self.session(&request.session_id).map_or(0, |session| session.accepted),
            key: key.map_or(KeyMet::New, |key| self.meets_key(&key)),
            to_be_told: self.to_be_told(request),
            connection: 0,
        }
    }

    /// RouteMessage, with the key that its metadata carry.
    pub(super) fn route(
        &mut self,
        request: RouteMessageRequest,
        key: Option<&str>,
        arrival: &Arrival,
    ) -> Result<RouteMessageResponse, Refusal> {
        let Some(key) = self.key(&request, key) else { return self.route_new(request, arrival) };
        if self.has(Fault::EndedSessionRefusesRetry) {
            self.check_sender(&request)?;
        }
        if self.has(Fault::ExpiredSessionRefusesRetry) && self.has_expired(&request.session_id) {
            return Err(Refusal::precondition("the session has expired"));
        }
        if let Some(message_id) = self.repeated(&key, &request, arrival)? {
            return Ok(RouteMessageResponse { success: true, message_id });
        }
        let answer = self.route_new(request.clone(), arrival);
        self.keep_key(key, &request, answer.as_ref().ok().map(|it| it.message_id.as_str()));
        answer
    }

    /// RouteMessage of what was not routed before.
    fn route_new(
        &mut self,
        mut request: RouteMessageRequest,
        arrival: &Arrival,
    ) -> Result<RouteMessageResponse, Refusal> {
        // RTE-7
        if request.session_id.is_empty() && !self.has(Fault::EmptySessionAccepted) {
            return Err(Refusal::invalid("session_id is empty"));
        }
        if request.from_party.is_empty() && !self.has(Fault::EmptySenderAccepted) {
            return Err(Refusal::invalid("from_party is empty"));
        }
        // RTE-12
        if request.round_number < 0 && !self.has(Fault::NegativeRoundAccepted) {
            return Err(Refusal::invalid("round_number is negative"));
        }
        self.check_payload(&mut request)?;
        self.check_sender(&request)?;
        self.check_load(&request)?;

        let addressed = self.address(&request);
        if let Some(refusal) = addressed.refusal {
            // RTE-8: one bad recipient, and nobody gets it.
            if self.has(Fault::DeliversUntilBadRecipient)
                || self.has(Fault::DeliversToGoodRecipients)
            {
                self.accept(&request, addressed.parties, arrival);
            }
            return Err(refusal);
        }
        self.heard(&request.from_party);
        let message_id = self.accept(&request, addressed.parties, arrival);
        if self.refuses_too_late(&request) {
            return Err(Refusal::exhausted("too much waits for a recipient"));
        }
        Ok(RouteMessageResponse { success: true, message_id: self.answered_id(message_id) })
    }

    /// RTE-4, RTE-9: from 0 bytes to `max_payload`, and no more.
    fn check_payload(&mut self, request: &mut RouteMessageRequest) -> Result<(), Refusal> {
        let too_long = || Refusal::exhausted("payload is too long").or(Code::InvalidArgument);
        if self.party(&request.from_party).is_some_and(|party| party.banned) {
            return Err(Refusal::denied("the party is locked out"));
        }
        if request.payload.is_empty() && self.has(Fault::EmptyPayloadRefused) {
            return Err(Refusal::invalid("payload is empty"));
        }
        let max_payload = self.settings.max_payload;
        if self.has(Fault::FullPayloadRefused) && request.encoded_len() > max_payload {
            return Err(too_long());
        }
        let limit =
            if self.has(Fault::PayloadLimitOffByOne) { max_payload + 1 } else { max_payload };
        if request.payload.len() > limit {
            if self.has(Fault::OversizedPayloadCut) {
                request.payload.truncate(max_payload);
                return Ok(());
            }
            let key = self.party_key(&request.from_party);
            if self.has(Fault::OversizedPayloadBansSender)
                && let Some(party) = self.parties.get_mut(&key)
            {
                party.banned = true;
            }
            return Err(too_long());
        }
        Ok(())
    }

    /// Finds the recipients: RTE-1, RTE-2, RTE-3.
    fn address(&self, request: &RouteMessageRequest) -> Addressed {
        let sender = &request.from_party;
        let none = Session::default();
        let session = self.session(&request.session_id).unwrap_or(&none);
        if request.to_parties.is_empty() {
            // RTE-3, REG-8: every member but the sender, registered or not.
            let members = if self.has(Fault::BroadcastListKept) {
                &session.first_members
            } else {
                &session.members
            };
            let parties: Vec<String> = members
                .iter()
                .filter(|member| *member != sender || self.has(Fault::BroadcastEchoed))
                .filter(|member| {
                    self.party(member).is_some() || !self.has(Fault::UnregisteredMembersLeftOut)
                })
                .filter(|member| {
                    !self.has(Fault::BroadcastToOnlineOnly)
                        || self.party(member).is_some_and(|party| self.is_online(party))
                })
                .cloned()
                .collect();
            // RTE-16
            let refusal = (parties.is_empty() && self.has(Fault::LonelyBroadcastRefused))
                .then(|| Refusal::invalid("the session has nobody else"));
            return Addressed { parties, refusal };
        }

        let mut addressed = Addressed { parties: Vec::new(), refusal: None };
        for name in &request.to_parties {
            // RTE-6: named twice, meant once.
            if addressed.parties.contains(name) && !self.has(Fault::NamedTwiceDeliveredTwice) {
                if self.has(Fault::NamedTwiceRefused) {
                    addressed.refusal = Some(Refusal::exists("a recipient is named twice"));
                }
                continue;
            }
            match self.check_recipient(
                &request.session_id,
                session,
                sender,
                name,
                addressed.parties.len(),
            ) {
                Ok(()) => addressed.parties.push(name.clone()),
                // SES-2: it is no good to leave them out.
                Err(_) if self.has(Fault::StrangersSkipped) => {}
                Err(refusal) => {
                    addressed.refusal = Some(refusal);
                    if !self.has(Fault::DeliversToGoodRecipients) {
                        break;
                    }
                }
            }
        }
        if self.has(Fault::MulticastReachesFirstOnly) {
            addressed.parties.truncate(1);
        }
        if self.has(Fault::MulticastBeyond50Lost) {
            addressed.parties.truncate(50);
        }
        // RTE-1: these, and nobody else.
        for member in &session.members {
            let caught = self.has(Fault::UnicastToEverybody)
                || (self.has(Fault::UnicastToNamePrefix)
                    && request.to_parties.iter().any(|name| member.starts_with(name.as_str())));
            if caught && member != sender && !addressed.parties.contains(member) {
                addressed.parties.push(member.clone());
            }
        }
        addressed
    }

    fn check_recipient(
        &self,
        session_id: &str,
        session: &Session,
        sender: &str,
        name: &str,
        place: usize,
    ) -> Result<(), Refusal> {
        if self.is(Variant::TakesEveryRecipient) {
            return Ok(());
        }
        if name.is_empty() {
            return Err(Refusal::invalid("a recipient's name is empty"));
        }
        // RTE-13
        if name == sender && !self.has(Fault::SelfSendAccepted) {
            return Err(Refusal::invalid("the sender names itself"));
        }
        // Only a fault lets a message come so far that is in no session (RTE-7).
        if session_id.is_empty() {
            return Ok(());
        }
        self.check_member(session, name, place)
    }

    /// The recipients that the request means now.
    pub(super) fn recipients(&self, request: &RouteMessageRequest) -> Vec<String> {
        let mut parties = self.address(request).parties;
        parties.sort();
        parties
    }
}
