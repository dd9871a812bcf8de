//! Registration: REG.

use std::collections::BTreeSet;

use mpc_router_proto::v1::{NotificationChannel, RegisterPartyRequest, RegisterPartyResponse};
use tokio::time::Instant;

use super::journal::Fact;
use super::refusal::Refusal;
use super::state::{Number, Party, Phase, Session, State};
use super::{Fault, Variant};

/// What is outstanding for a party, by session.
pub(super) type Mailboxes = Vec<(String, BTreeSet<Number>)>;

/// What a party can be. Letter case matters.
pub(super) const ROLES: [&str; 3] = ["persistent", "delegate", "temporary"];

/// Whether a name is one for those who take no other.
pub(super) fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_graphic())
}

impl State {
    /// RegisterParty.
    pub(super) fn register(
        &mut self,
        request: RegisterPartyRequest,
    ) -> Result<RegisterPartyResponse, Refusal> {
        self.note_registered(&request);
        let given = request.clone();
        let name = request.party_id;
        // REG-2
        if name.is_empty() && !self.has(Fault::EmptyPartyRegistered) {
            if self.has(Fault::EmptyPartyRefusedButListed) {
                self.enter(name, request.party_role, request.notification);
            }
            return Err(Refusal::invalid("party_id is empty"));
        }
        if self.is(Variant::PlainNamesOnly) && !is_plain(&name) {
            return Err(Refusal::invalid("party_id is no plain name"));
        }
        // REG-1, REG-3
        let Some(role) = self.role(&request.party_role) else {
            if self.has(Fault::RefusedRoleEmptiesMailbox) {
                self.empty_mailboxes(&name);
            }
            if self.has(Fault::RefusedRoleStillRegisters) && self.party(&name).is_none() {
                self.enter(name, request.party_role, request.notification);
            }
            return Err(Refusal::invalid("party_role is none of the three"));
        };
        if self.has(Fault::DelegateNeedsChannel)
            && role == "delegate"
            && request.notification.is_none()
        {
            return Err(Refusal::invalid("a delegate needs a notification channel"));
        }

        let channels = request.notification.clone();
        let registered_at = match self.party(&name).map(|party| party.role.clone()) {
            None => self.enter(name.clone(), role, request.notification),
            Some(_) if self.has(Fault::SecondRegistrationRefused) => {
                return Err(Refusal::exists("the party is registered already"));
            }
            // REG-6
            Some(known) if known != role && !self.has(Fault::RoleChangedByRegisteringAgain) => {
                if self.has(Fault::RefusedRoleWritesChannel) {
                    self.write_channel(&name, request.notification);
                }
                return Err(Refusal::precondition("the party is registered under another role"));
            }
            Some(_) => self.enter_again(&name, role, request.notification),
        };
        self.has_registered(&name, channels.as_ref());
        self.note(Fact::Registered(given));
        Ok(RegisterPartyResponse {
            success: true,
            message: if self.is(Variant::WithoutText) { "" } else { "registered" }.to_owned(),
            registered_at: if self.has(Fault::RegisteredAtInSeconds) {
                registered_at / 1000
            } else {
                registered_at
            },
        })
    }

    /// The role that is meant by what a party gave, if it is one.
    fn role(&self, given: &str) -> Option<String> {
        if given.is_empty() && self.has(Fault::EmptyRoleMeansPersistent) {
            return Some("persistent".to_owned());
        }
        if given == "temporary" && self.has(Fault::TemporaryPartiesRefused) {
            return None;
        }
        let given =
            if self.has(Fault::RoleCaseFolded) { given.to_lowercase() } else { given.to_owned() };
        let known = ROLES.contains(&given.as_str())
            || (self.has(Fault::UnknownRolesAccepted) && !given.is_empty());
        known.then_some(given)
    }

    /// Makes a party known, and tells when that was.
    pub(super) fn enter(
        &mut self,
        name: String,
        role: String,
        notification: Option<NotificationChannel>,
    ) -> i64 {
        let now = self.now_ms();
        // REG-8: what was routed to it before is there.
        if self.has(Fault::FirstRegistrationEmptiesMailbox) {
            self.empty_mailboxes(&name);
        }
        let party = Party {
            name: name.clone(),
            role,
            notification,
            registered_at: now,
            registrations: 1,
            // HB-5: online right after it registers.
            alive_at: Instant::now(),
            last_seen_at: now,
            clock_ahead_ms: 0,
            heartbeats: 0,
            latest_beat: i64::MIN,
            hung_up: false,
            thought_online: true,
            miscounted: 0,
            banned: false,
        };
        self.parties.insert(self.party_key(&name), party);
        now
    }

    /// Registers a known party again, and tells when it first was (REG-4, REG-5).
    fn enter_again(
        &mut self,
        name: &str,
        role: String,
        notification: Option<NotificationChannel>,
    ) -> i64 {
        let now = self.now_ms();
        let offline = self.party(name).is_some_and(|party| !self.is_online(party));
        let anew = self.has(Fault::SecondRegistrationEmptiesMailbox)
            || (self.has(Fault::TemporaryStartsAnew) && role == "temporary")
            || (self.has(Fault::OfflineRegistrationStartsAnew) && offline);
        if anew {
            self.empty_mailboxes(name);
        }
        if self.has(Fault::RegisteringSilencesStream) {
            let its = self.subscriptions.iter_mut().filter(|stream| stream.party == name);
            its.for_each(|stream| stream.superseded = true);
        }
        if self.has(Fault::SecondRegistrationResetsStatus) {
            self.forget_deliveries(name);
        }
        let twist = self.twist.clone();
        let key = self.party_key(name);
        let party = self.parties.get_mut(&key).expect("only known parties register again");
        party.role = role;
        party.registrations += 1;
        if twist.has(Fault::NamesFoldedToLowerCase) {
            name.clone_into(&mut party.name);
        }
        if twist.has(Fault::ChannelsMerged) {
            party.notification = merged(party.notification.take(), notification);
        } else if !twist.has(Fault::OldChannelKept) {
            party.notification = notification;
        }
        if twist.has(Fault::RegisteredAtMoves) {
            party.registered_at = now;
        }
        if twist.is(Variant::RegisteringAgainIsNoSign) {
            return party.registered_at;
        }
        party.alive_at = Instant::now();
        party.hung_up = false;
        party.thought_online = true;
        party.clock_ahead_ms = 0;
        party.last_seen_at =
            if twist.has(Fault::LastSeenReset) { party.registered_at } else { now };
        party.registered_at
    }

    /// REG-6: a rejected registration changes nothing. Only a fault writes what came with it.
    fn write_channel(&mut self, name: &str, notification: Option<NotificationChannel>) {
        let key = self.party_key(name);
        if let Some(party) = self.parties.get_mut(&key) {
            party.notification = notification;
        }
    }

    /// Takes what is outstanding for the party, in each of its sessions.
    pub(super) fn take_mailboxes(&mut self, name: &str) -> Mailboxes {
        let of = |(id, session): (&String, &mut Session)| {
            session.mailboxes.remove(name).map(|mailbox| (id.clone(), mailbox))
        };
        self.sessions.iter_mut().filter_map(of).collect()
    }

    /// Puts back what was taken.
    pub(super) fn put_mailboxes_back(&mut self, name: &str, taken: Mailboxes) {
        for (id, mailbox) in taken {
            self.session_mut(&id).mailboxes.insert(name.to_owned(), mailbox);
        }
    }

    pub(super) fn empty_mailboxes(&mut self, name: &str) {
        for session in self.sessions.values_mut() {
            session.mailboxes.remove(name);
        }
    }

    fn forget_deliveries(&mut self, name: &str) {
        for message in &mut self.messages {
            if let Some(delivery) = message.delivery_mut(name)
                && delivery.phase == Phase::Delivered
            {
                delivery.phase = Phase::Pending;
                delivery.delivered_at = 0;
            }
        }
    }
}

/// Both channels in one, the new one first.
fn merged(
    old: Option<NotificationChannel>,
    new: Option<NotificationChannel>,
) -> Option<NotificationChannel> {
    let (Some(old), Some(new)) = (&old, &new) else { return new.or(old) };
    let either = |new: &String, old: &String| if new.is_empty() { old } else { new }.clone();
    Some(NotificationChannel {
        email: either(&new.email, &old.email),
        phone: either(&new.phone, &old.phone),
        push_token: either(&new.push_token, &old.push_token),
    })
}
