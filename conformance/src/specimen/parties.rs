//! Registration, heartbeats and the directory: REG, HB, DIR.

use std::time::Duration;

use mpc_router_proto::v1::{
    GetRegisteredPartiesRequest, GetRegisteredPartiesResponse, HeartbeatRequest, HeartbeatResponse,
    NotificationChannel, RegisterPartyRequest, RegisterPartyResponse, RegisteredParty,
};
use tokio::time::Instant;

use super::refusal::Refusal;
use super::state::{Party, Phase, State};
use super::{Fault, Variant};

const ROLES: [&str; 3] = ["persistent", "delegate", "temporary"];

/// What a replay guard would allow a client's clock to be off.
const SKEW_MS: u64 = 5 * 60 * 1000;

impl State {
    /// RegisterParty.
    pub(super) fn register(
        &mut self,
        request: RegisterPartyRequest,
    ) -> Result<RegisterPartyResponse, Refusal> {
        let name = request.party_id;
        // REG-2
        if name.is_empty() && !self.has(Fault::EmptyPartyRegistered) {
            if self.has(Fault::EmptyPartyRefusedButListed) {
                self.enter(name, request.party_role, request.notification);
            }
            return Err(Refusal::invalid("party_id is empty"));
        }
        // REG-1, REG-3
        let Some(role) = self.role(&request.party_role) else {
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

        let registered_at = match self.party(&name).map(|party| party.role.clone()) {
            None => self.enter(name, role, request.notification),
            Some(_) if self.has(Fault::SecondRegistrationRefused) => {
                return Err(Refusal::exists("the party is registered already"));
            }
            // REG-6
            Some(known) if known != role && !self.has(Fault::RoleChangedByRegisteringAgain) => {
                return Err(Refusal::precondition("the party is registered under another role"));
            }
            Some(_) => self.enter_again(&name, role, request.notification),
        };
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
    fn enter(
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
        if self.has(Fault::SecondRegistrationEmptiesMailbox) {
            self.empty_mailboxes(name);
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
        party.alive_at = Instant::now();
        party.thought_online = true;
        party.clock_ahead_ms = 0;
        party.last_seen_at =
            if twist.has(Fault::LastSeenReset) { party.registered_at } else { now };
        party.registered_at
    }

    fn empty_mailboxes(&mut self, name: &str) {
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

    /// Heartbeat.
    pub(super) fn heartbeat(
        &mut self,
        request: &HeartbeatRequest,
    ) -> Result<HeartbeatResponse, Refusal> {
        let name = &request.party_id;
        if self.party(name).is_none() {
            // HB-2
            if self.has(Fault::HeartbeatRegisters) {
                self.enter(name.clone(), "persistent".to_owned(), None);
            } else if !self.has(Fault::UnknownHeartbeatAccepted) {
                return Err(Refusal::not_found("the party is not registered"));
            }
        }
        let now = self.now_ms();
        if self.has(Fault::SkewedHeartbeatRefused)
            && request.timestamp != 0
            && request.timestamp.abs_diff(now) > SKEW_MS
        {
            return Err(Refusal::invalid("timestamp is too far from now"));
        }
        let offline = self.party(name).is_some_and(|party| !self.is_online(party));
        if offline && self.has(Fault::OfflineHeartbeatRefused) {
            return Err(Refusal::not_found("the party has been away too long"));
        }

        // HB-7: also when it was offline.
        if !(offline && self.has(Fault::OfflineForGood)) {
            self.heard_in_heartbeat(name, request.timestamp);
        }
        self.tally.heartbeats += 1;
        Ok(HeartbeatResponse {
            success: true,
            server_timestamp: self.heartbeat_time(now, request.timestamp),
            pending_messages: self.pending_messages(name),
        })
    }

    /// What a heartbeat does to liveness. HB-8: the party's own `timestamp` decides nothing.
    fn heard_in_heartbeat(&mut self, name: &str, timestamp: i64) {
        let twist = self.twist.clone();
        let now = self.now_ms();
        let key = self.party_key(name);
        for (other, party) in &mut self.parties {
            // HB-12: of this party only.
            let meant = *other == key
                || twist.has(Fault::OneHeartbeatForAll)
                || (twist.has(Fault::HeartbeatForNamePrefix) && other.starts_with(&key));
            if !meant {
                continue;
            }
            party.alive_at = Instant::now();
            party.thought_online = true;
            party.last_seen_at = now;
            party.heartbeats += 1;
            if twist.has(Fault::LivenessByClientClock) && timestamp != 0 {
                party.last_seen_at = timestamp;
                party.clock_ahead_ms = timestamp - now;
            }
        }
    }

    /// The `server_timestamp` of a heartbeat: HB-1, HB-3.
    fn heartbeat_time(&self, now: i64, timestamp: i64) -> i64 {
        if self.has(Fault::HeartbeatTimeInSeconds) {
            now / 1000
        } else if self.has(Fault::HeartbeatEchoesClientTime) && timestamp != 0 {
            timestamp
        } else if self.has(Fault::HeartbeatByTwoClocks) && self.tally.heartbeats.is_multiple_of(2) {
            now - 250
        } else if self.has(Fault::HeartbeatMillisecondsUnpadded) {
            let (seconds, milliseconds) = (now / 1000, now % 1000);
            seconds * 1000
                + match milliseconds {
                    ..10 => milliseconds * 100,
                    10..100 => milliseconds * 10,
                    _ => milliseconds,
                }
        } else {
            now
        }
    }

    /// The party's outstanding deliveries, over all its sessions: HB-4.
    fn pending_messages(&self, name: &str) -> i32 {
        let mailboxes = self.sessions.values().filter_map(|session| session.mailboxes.get(name));
        let mut count: usize = mailboxes.clone().map(|mailbox| mailbox.len()).sum();
        if self.has(Fault::PendingOfOneSession) {
            count = mailboxes.clone().next_back().map_or(0, |mailbox| mailbox.len());
        }
        if self.has(Fault::PendingUndeliveredOnly) {
            let undelivered = |number: &&usize| {
                self.messages[**number]
                    .delivery(name)
                    .is_some_and(|delivery| delivery.phase == Phase::Pending)
            };
            count = mailboxes.flatten().filter(undelivered).count();
        }
        if self.has(Fault::PendingCappedAt100) {
            count = count.min(100);
        }
        let miscounted = self.party(name).map_or(0, |party| party.miscounted);
        let count = i64::try_from(count).unwrap_or(i64::MAX).saturating_add(miscounted).max(0);
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// A call other than a heartbeat, which need not be a sign of life.
    pub(super) fn heard(&mut self, name: &str) {
        if self.is(Variant::AnyCallIsLife) {
            let now = self.now_ms();
            let key = self.party_key(name);
            if let Some(party) = self.parties.get_mut(&key) {
                party.alive_at = Instant::now();
                party.last_seen_at = now;
            }
        }
    }

    /// HB-5, HB-6: heard of within the time-out.
    pub(super) fn is_online(&self, party: &Party) -> bool {
        // HB-10: an open stream alone does not keep it online.
        let streams = self.subscriptions.iter().any(|stream| stream.party == party.name);
        let listens = self.listeners.iter().any(|stream| stream.party == party.name);
        if (streams && self.is(Variant::StreamsKeepOnline))
            || (listens && self.has(Fault::EventStreamKeepsOnline))
            || self.has(Fault::NeverOffline)
        {
            return true;
        }
        if self.has(Fault::OfflineUntilFirstHeartbeat) && party.heartbeats == 0 {
            return false;
        }
        let mut timeout = self.settings.heartbeat_timeout;
        if self.has(Fault::OnlineForHalfTheTimeout) {
            timeout /= 2;
        }
        if self.has(Fault::OfflineAfterTwiceTheTimeout) {
            timeout *= 2;
        }
        let ahead = Duration::from_millis(party.clock_ahead_ms.unsigned_abs());
        let silent = party.alive_at.elapsed();
        if party.clock_ahead_ms < 0 { silent + ahead <= timeout } else { silent <= timeout + ahead }
    }

    /// HB-11: going offline loses nothing. Only a fault acts on it.
    pub(super) fn notice_who_went_offline(&mut self) {
        if !self.has(Fault::OfflineDropsMailbox) {
            return;
        }
        let gone: Vec<String> = self
            .parties
            .iter()
            .filter(|(_, party)| party.thought_online && !self.is_online(party))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            let party = self.parties.get_mut(&key).expect("it was listed a moment ago");
            party.thought_online = false;
            self.empty_mailboxes(&key);
        }
    }

    /// GetRegisteredParties.
    pub(super) fn directory(
        &self,
        request: &GetRegisteredPartiesRequest,
    ) -> Result<GetRegisteredPartiesResponse, Refusal> {
        let role = request.role_filter.as_str();
        // DIR-5
        if !role.is_empty()
            && !ROLES.contains(&role)
            && !self.has(Fault::UnknownRoleFilterListsNobody)
        {
            return Err(Refusal::invalid("role_filter is none of the three"));
        }
        let mut parties: Vec<RegisteredParty> = self
            .parties
            .values()
            .filter(|party| self.is_wanted(party, role, request.only_online))
            .flat_map(|party| {
                // DIR-1: each once.
                let copies = if self.has(Fault::DirectoryListsEveryRegistration) {
                    party.registrations
                } else {
                    1
                };
                std::iter::repeat_with(|| self.entry(party)).take(copies)
            })
            .collect();
        if self.has(Fault::DirectoryPageOf50) {
            parties.truncate(50);
        }
        if self.is(Variant::DirectoryReversed) {
            parties.reverse();
        }
        // DIR-4
        let total_count = if self.has(Fault::TotalCountUnfiltered) {
            self.parties.len()
        } else if self.has(Fault::TotalCountOfOnline) {
            self.parties.values().filter(|party| self.is_online(party)).count()
        } else {
            parties.len()
        };
        Ok(GetRegisteredPartiesResponse {
            parties,
            total_count: i32::try_from(total_count).unwrap_or(i32::MAX),
        })
    }

    /// DIR-2, DIR-3, DIR-6: whether the filters let it through.
    fn is_wanted(&self, party: &Party, role: &str, only_online: bool) -> bool {
        let role_fits = role.is_empty()
            || party.role == role
            || self.has(Fault::RoleFilterIgnored)
            || (self.has(Fault::RoleFilterAlsoListsPersistent) && party.role == "persistent");
        let online = if self.has(Fault::OnlineMeansStreaming) {
            self.subscriptions.iter().any(|stream| stream.party == party.name)
        } else {
            self.is_online(party)
        };
        let online_fits = !only_online
            || online
            || self.has(Fault::OnlineFilterIgnored)
            || (self.has(Fault::OnlineFilterLostWithRole) && !role.is_empty());
        if self.has(Fault::FiltersEither) && only_online && !role.is_empty() {
            return role_fits || online_fits;
        }
        role_fits && online_fits
    }

    /// One party as the directory shows it (REG-7).
    fn entry(&self, party: &Party) -> RegisteredParty {
        let mut notification = party.notification.clone();
        if self.has(Fault::PushTokenForgotten)
            && let Some(channel) = &mut notification
        {
            channel.push_token.clear();
        }
        if self.is(Variant::EmptyChannelShown) && notification.is_none() {
            notification = Some(NotificationChannel::default());
        }
        RegisteredParty {
            party_id: party.name.clone(),
            role: if self.has(Fault::RoleShownInCapitals) {
                party.role.to_uppercase()
            } else {
                party.role.clone()
            },
            online: self.is_online(party),
            registered_at: if self.has(Fault::RegisteredAtInSeconds) {
                party.registered_at / 1000
            } else {
                party.registered_at
            },
            // HB-9
            last_seen_at: if self.has(Fault::LastSeenInWholeSeconds) {
                party.last_seen_at / 1000 * 1000
            } else {
                party.last_seen_at
            },
            notification,
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
