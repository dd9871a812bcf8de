//! A session in which calls are rejected, and who would notice if they were not.

use mpc_router_proto::v1::{MpcMessage, RouteMessageRequest};

use super::arrivals::{in_order, kept, stream_of, up_to};
use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::listing;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

/// What a rejected call must leave as it is: a recipient with a stream, and one that polls.
pub(super) struct Scene {
    pub(super) alice: Party,
    pub(super) bob: Party,
    pub(super) carol: Party,
    pub(super) session: Session,
    at_bob: Feed<MpcMessage>,
    keeping: Keeping,
    /// What was accepted, in order.
    pub(super) sent: Vec<Sent>,
}

impl Scene {
    pub(super) async fn new(trial: &Trial, label: &str) -> Result<Self, Stop> {
        let party = |name: &str| {
            let (trial, name) = (trial.clone(), format!("{label}{name}"));
            async move { trial.party(&name).await }
        };
        let (alice, bob, carol) =
            (party("alice").await?, party("bob").await?, party("carol").await?);
        let session = trial.session(&format!("{label}s"), &[&alice, &bob, &carol]).await?;
        let at_bob = bob.subscribe(&session);
        let (keeping, sent) = (trial.keeping(), Vec::new());
        Ok(Self { alice, bob, carol, session, at_bob, keeping, sent })
    }

    pub(super) fn to_both(&self) -> [&Party; 2] {
        [&self.bob, &self.carol]
    }

    /// To one, to several and to all, from `sender`.
    pub(super) fn outgoing(&self, sender: &Party) -> [RouteMessageRequest; 3] {
        let to: [&[&Party]; 3] = [&[&self.bob], &self.to_both(), &[]];
        to.map(|to| sender.outgoing(&self.session, to, "to be rejected"))
    }

    /// Demands that only what was accepted has come: not what was rejected.
    pub(super) async fn nothing_else_comes(mut self) -> Verdict {
        let fence = self.alice.has_sent(&self.session, &self.to_both(), "fence").await?;
        self.sent.push(fence);
        let all: Vec<_> = self.sent.iter().collect();
        let came = up_to(&mut self.at_bob, &[all[all.len() - 1]]).await?;
        in_order(&stream_of(&self.bob), &came, &all)?;
        let polled = self.carol.polls(&self.session).await?;
        kept([&self.keeping], listing::exactly(&self.carol, &polled, &self.sent))?;
        let pending = self.carol.heartbeat().await.prepared()?.pending_messages;
        if usize::try_from(pending) != Ok(self.sent.len()) {
            self.keeping.lasts()?;
            let seen = format!("{} has pending_messages {pending}", self.carol.id);
            let accepted = format!("{}: a rejected call has no effect", self.sent.len());
            return Err(Stop::broken(seen, accepted));
        }
        self.at_bob.stays_quiet("a rejected call has no effect").await
    }
}
