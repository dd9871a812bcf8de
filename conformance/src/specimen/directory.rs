//! GetRegisteredParties: DIR.

use mpc_router_proto::v1::{
    GetRegisteredPartiesRequest, GetRegisteredPartiesResponse, NotificationChannel, RegisteredParty,
};

use super::identity::Caller;
use super::refusal::Refusal;
use super::registration::ROLES;
use super::state::{Party, State};
use super::{Fault, Variant};

/// More than what clients receive by default.
const LONG_BYTES: usize = 5 * 1024 * 1024;

/// What stands for all the parties of earlier runs.
fn long_entry() -> RegisteredParty {
    let channel = NotificationChannel { email: "x".repeat(LONG_BYTES), ..Default::default() };
    RegisteredParty {
        party_id: "of-an-earlier-run".to_owned(),
        role: "persistent".to_owned(),
        notification: Some(channel),
        ..RegisteredParty::default()
    }
}

impl State {
    /// GetRegisteredParties.
    pub(super) fn directory(
        &self,
        request: &GetRegisteredPartiesRequest,
        caller: &Caller,
    ) -> Result<GetRegisteredPartiesResponse, Refusal> {
        let role = request.role_filter.as_str();
        let filtered = !role.is_empty() || request.only_online;
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
                std::iter::repeat_with(|| self.entry(party, self.may_wake(caller, party, filtered)))
                    .take(copies)
            })
            .collect();
        if self.has(Fault::DirectoryPageOf50) {
            parties.truncate(50);
        }
        if self.is(Variant::LongDirectory)
            && !request.only_online
            && (role.is_empty() || role == "persistent")
        {
            parties.push(long_entry());
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
    fn entry(&self, party: &Party, with_channel: bool) -> RegisteredParty {
        let mut notification = party.notification.clone().filter(|_| with_channel);
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
