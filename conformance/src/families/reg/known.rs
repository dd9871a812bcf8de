//! A party that a rejected registration must leave as it is: REG-3, REG-6.

use mpc_router_proto::v1::{RegisterPartyRequest, RegisteredParty};

use super::{email, must_be_listed, phone, same_channel};
use crate::keeping::Keeping;
use crate::listing;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial, registration};

/// A party with a notification channel, for which a message is outstanding.
pub(super) struct Known {
    pub(super) party: Party,
    session: Session,
    sent: Sent,
    keeping: Keeping,
    listed: RegisteredParty,
}

impl Known {
    pub(super) async fn of(trial: &Trial, role: &str) -> Result<Self, Stop> {
        let alice = trial.party(&format!("alice-{role}")).await?;
        let party = trial.stranger(&format!("first-{role}"));
        let request = RegisterPartyRequest {
            notification: email("first@example.org"),
            ..registration(&party.id, role)
        };
        party.register_with(request).await.prepared()?;
        let session = trial.session(&format!("s-{role}"), &[&alice, &party]).await?;
        let keeping = trial.keeping();
        let sent = alice.has_sent(&session, &[&party], "before").await?;
        let listed = must_be_listed(&party).await?;
        Ok(Self { party, session, sent, keeping, listed })
    }

    /// A registration of it under this role, with another channel.
    pub(super) fn under(&self, role: &str) -> RegisterPartyRequest {
        let notification = phone("+1 555 0199");
        RegisterPartyRequest { notification, ..registration(&self.party.id, role) }
    }

    /// Demands that rejected registrations have changed nothing.
    pub(super) async fn is_as_before(&self) -> Verdict {
        let (before, after) = (&self.listed, must_be_listed(&self.party).await?);
        if after.role != before.role {
            let seen = format!("the role became {:?} by a rejected registration", after.role);
            return Err(Stop::broken(seen, format!("the role {:?}", before.role)));
        }
        let same = same_channel(&after.notification, &before.notification)
            && after.registered_at == before.registered_at;
        if !same {
            let seen = format!(
                "after a rejected registration {} shows {:?}, registered_at {}",
                self.party.id, after.notification, after.registered_at
            );
            let accepted =
                format!("{:?}, {}, as before", before.notification, before.registered_at);
            return Err(Stop::broken(seen, accepted));
        }
        let polled = self.party.polls(&self.session).await?;
        let verdict = listing::exactly(&self.party, &polled, [&self.sent]);
        let told = "a registration of it was rejected before";
        self.keeping.judged(verdict.map_err(|stop| stop.told(told)))
    }
}
