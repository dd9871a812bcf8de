//! DUR-1: more than a page of everything, before and after a restart.

use std::collections::BTreeSet;

use crate::families::announcing::{event, has_published};
use crate::families::arrivals::kept;
use crate::families::prelude::*;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, statuses, volume_that_fits};
use crate::party::{Party, Sent};
use crate::trial::Session;

/// Messages that wait for one party: more than a page of 1,000.
const WAITING: usize = 1_150;

/// Messages of the same session that have ended for it.
const ENDED: usize = 150;

/// Members of one session.
const MEMBERS: usize = 130;

/// Sessions of two, with a message each.
const SESSIONS: usize = 120;

/// Messages whose status is compared.
const SAMPLE: usize = 50;

/// What was accepted in volume.
pub(super) struct Volume {
    alice: Party,
    bob: Party,
    keeping: Keeping,
    session: Session,
    /// What waits for Bob in one session.
    waiting: Vec<Sent>,
    ended: Vec<Sent>,
    /// To many members, whose names these are.
    broadcast: Sent,
    members: BTreeSet<String>,
    /// The only messages of their sessions, to Bob.
    single: Vec<Sent>,
}

impl Volume {
    /// Routes it, as much of it as there is time for.
    pub(super) async fn new(trial: &Trial) -> Result<Self, Stop> {
        let [alice, bob] = trial.parties(["volume-a", "volume-b"]).await?;
        let session = trial.session("volume", &[&alice, &bob]).await?;
        // Nobody needs them but as names.
        let members: BTreeSet<_> =
            (0..MEMBERS).map(|it| trial.name(&format!("member-{it}"))).collect();
        let large = Session { id: trial.name("volume-large") };
        let mut announced = event("session_created", large.id.clone(), &[&alice]);
        announced.selected_parties.extend(members.iter().cloned());
        announced.threshold_n = i32::try_from(announced.selected_parties.len()).unwrap_or(1);
        has_published(trial, announced).await?;
        let sessions = each(0..SESSIONS, |number| {
            let (trial, alice, bob) = (trial.clone(), alice.clone(), bob.clone());
            async move { trial.session(&format!("volume-{number}"), &[&alice, &bob]).await }
        })
        .await?;

        let keeping = trial.keeping();
        let broadcast = alice.has_sent(&large, &[], "to all").await?;
        let requests = sessions.iter().map(|it| (&alice, alice.outgoing(it, &[&bob], "single")));
        let single = volume_that_fits(trial, requests).await?;
        let request = |number: usize| alice.outgoing(&session, &[&bob], number.to_string());
        let requests = (0..ENDED + WAITING).map(|number| (&alice, request(number)));
        let mut waiting = volume_that_fits(trial, requests).await?;
        let ended: Vec<_> = waiting.drain(..ENDED.min(waiting.len() / 2)).collect();
        each(&ended, |sent| {
            let (bob, request) = (bob.clone(), sent.acknowledgement(&bob, true));
            async move { keeping.prepared(bob.acknowledge(request).await) }
        })
        .await?;
        Ok(Self { alice, bob, keeping, session, waiting, ended, broadcast, members, single })
    }

    /// Demands that all of it is there.
    pub(super) async fn holds(&self, trial: &Trial, when: &str) -> Verdict {
        let verdict = self.is_there(trial).await;
        self.keeping.judged(verdict).map_err(|stop| stop.told(when))
    }

    async fn is_there(&self, trial: &Trial) -> Verdict {
        let bob = self.bob.on_a_connection_of_its_own();
        let pending = bob.heartbeat().await.accepted()?.pending_messages;
        let due = self.waiting.len() + self.single.len();
        if usize::try_from(pending) != Ok(due) {
            let seen = format!("{} has pending_messages {pending}", bob.id);
            return Err(Stop::broken(seen, format!("{due}, as before")));
        }
        let polled = bob.polls(&self.session).await?;
        kept([&self.keeping], listing::exactly(&bob, &polled, &self.waiting))?;
        each(&self.single, |sent| {
            let (bob, sent, keeping) = (bob.clone(), sent.clone(), self.keeping);
            async move {
                let polled = bob.polls(&Session { id: sent.request.session_id.clone() }).await?;
                kept([&keeping], listing::exactly(&bob, &polled, [&sent]))
            }
        })
        .await?;
        self.statuses_hold(trial).await
    }

    async fn statuses_hold(&self, trial: &Trial) -> Verdict {
        let asking = trial.coordinator().on_a_connection_of_its_own();
        let some = |all: &[Sent]| all.iter().step_by(all.len() / SAMPLE + 1).cloned().collect();
        let sample: [(Vec<Sent>, bool); 3] =
            [(some(&self.waiting), false), (some(&self.single), false), (some(&self.ended), true)];
        for (sent, is_ended) in &sample {
            for (sent, status) in sent.iter().zip(statuses(&asking, sent).await?) {
                let state = status.deliveries.first().map_or("absent", |it| it.status.as_str());
                let right = match is_ended {
                    true => state == "acknowledged",
                    false => matches!(state, "pending" | "delivered"),
                };
                if status.deliveries.len() != 1 || !right {
                    let seen = format!("the delivery of {} to {} is {state}", sent.id, self.bob.id);
                    let accepted = if *is_ended { "acknowledged" } else { "pending or delivered" };
                    return Err(Stop::broken(seen, format!("{accepted}, as before")));
                }
            }
        }
        let alice = self.alice.on_a_connection_of_its_own();
        let again = alice.sends_this(self.broadcast.request.clone()).await?;
        for (sent, what) in [(&self.broadcast, "the status"), (&again, "that of one routed now")] {
            let status = asking.status(sent).await?;
            let told: BTreeSet<_> = status.deliveries.into_iter().map(|it| it.party_id).collect();
            if told != self.members {
                let seen = format!(
                    "of a broadcast to {} members, {what} lists {} recipients",
                    self.members.len(),
                    told.len()
                );
                return Err(Stop::broken(seen, "each of them, as before"));
            }
        }
        Ok(())
    }
}
