//! Parties that call without a pause until the target is gone, and remember what came of it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mpc_router_proto::v1::{
    MpcMessage, NotificationChannel, RegisterPartyRequest, RouteMessageRequest,
};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore as _;
use tokio::task::JoinHandle;

use super::ledger::{Ledger, State};
use super::restarts::tried;
use crate::outcome::Stop;
use crate::party::{Party, Sent};
use crate::power::Power;
use crate::trial::{Session, Trial, registration};

/// Calls of one party between two pauses: time stands still while nobody pauses.
const BETWEEN_PAUSES: usize = 4;

const PAUSE: Duration = Duration::from_millis(1);

/// Nobody calls more often, or for longer, before the target goes down.
const MOST_CALLS: usize = 60;

/// Parties that register, where there are only certain names.
const FEW: usize = 3;
const LONGEST: Duration = Duration::from_secs(2);

/// How long after the call that was waited for the target is killed at most. Microseconds.
const LATEST_US: u64 = 3_000;

/// A larger payload is so many bytes again and again.
const BLOCK: usize = 8 * 1024;

/// What all parties of some traffic share.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) trial: Trial,
    pub(super) session: Session,
    /// Who routes, and polls.
    pub(super) parties: Vec<Party>,
    /// The sizes of what is routed.
    pub(super) sizes: Vec<usize>,
    /// Whether they acknowledge and register as well.
    pub(super) all_calls: bool,
}

/// A routed message, with its identifier if the call was accepted.
type Routed = (RouteMessageRequest, Option<String>);

/// A message that was polled, and what came of the attempt to end its delivery, if there was one.
type Polled = (MpcMessage, Option<State>);

/// A registration that was accepted, or perhaps was.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) request: RegisterPartyRequest,
    pub(super) accepted: bool,
}

/// What the parties share while they call.
#[derive(Clone, Debug, Default)]
struct Calls {
    answered: Arc<AtomicUsize>,
    /// No call is begun any more.
    over: Arc<AtomicBool>,
}

impl Calls {
    /// Notes an answered call; whether there is to be another one.
    async fn goes_on(&self, trial: &Trial, made: usize) -> bool {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if made.is_multiple_of(BETWEEN_PAUSES) {
            trial.sleep(PAUSE).await;
        }
        made < MOST_CALLS && !self.over.load(Ordering::Relaxed)
    }
}

/// What came of some traffic.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    routed: Vec<Routed>,
    polled: Vec<(Party, Vec<Polled>)>,
    pub(super) registered: Vec<Registered>,
}

impl Traffic {
    /// Lets the parties call, and kills the target after some answered calls: in the middle of
    /// others, or where it is `quiet`, when all have been answered.
    ///
    /// # Errors
    /// If a call failed otherwise than by the end of the target.
    pub(super) async fn until_killed(
        &self,
        power: &Power,
        after: Range<u64>,
        quiet: bool,
        random: &mut ChaCha20Rng,
    ) -> Result<Outcome, Stop> {
        let calls = Calls::default();
        let routing: Vec<_> = self.each(|traffic, party, random| {
            tokio::spawn(traffic.routes(party, calls.clone(), random))
        });
        let polling: Vec<_> = self.each(|traffic, party, random| {
            tokio::spawn(traffic.polls(party, calls.clone(), random))
        });
        let registering = tokio::spawn(self.clone().registers(calls.clone()));

        let most = after.start + random.next_u64() % (after.end - after.start);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let wait = self.trial.pace().wait();
        while calls.answered.load(Ordering::Relaxed) < most && wait.elapsed() < LONGEST {
            self.trial.sleep(PAUSE / 4).await;
        }
        let mut outcome = Outcome::default();
        if !quiet {
            self.trial.sleep(Duration::from_micros(random.next_u64() % LATEST_US)).await;
            power.kill().await;
        }
        calls.over.store(true, Ordering::Relaxed);
        for party in routing {
            outcome.routed.extend(joined(party).await?);
        }
        for (party, polled) in self.parties.iter().zip(polling) {
            outcome.polled.push((party.clone(), joined(polled).await?));
        }
        outcome.registered = joined(registering).await?;
        if quiet {
            power.kill().await;
        }
        Ok(outcome)
    }

    fn each<T>(
        &self,
        mut begin: impl FnMut(Self, Party, ChaCha20Rng) -> JoinHandle<T>,
    ) -> Vec<JoinHandle<T>> {
        let parties = self.parties.iter().cloned();
        let random = || self.trial.random(&format!("traffic {}", self.trial.number()));
        parties.map(|party| begin(self.clone(), party, random())).collect()
    }

    async fn routes(
        self,
        party: Party,
        calls: Calls,
        mut random: ChaCha20Rng,
    ) -> Result<Vec<Routed>, Stop> {
        let mut routed = Vec::new();
        let others: Vec<_> = self.parties.iter().filter(|it| it.id != party.id).collect();
        loop {
            let drawn = usize::try_from(random.next_u32()).unwrap_or_default();
            let to = match drawn % 3 {
                0 if self.all_calls => vec![],
                0 | 1 => vec![others[drawn / 3 % others.len()]],
                _ => others.clone(),
            };
            let size = self.sizes[drawn / 64 % self.sizes.len()];
            // At least so long that no two are the same.
            let mut payload = self.trial.payload(16 + size.min(BLOCK)).to_vec();
            let block = payload.clone();
            while payload.len() < 16 + size {
                payload.extend_from_slice(&block[..block.len().min(16 + size - payload.len())]);
            }
            let mut request = party.outgoing(&self.session, &to, payload);
            request.round_number = i32::try_from(routed.len()).unwrap_or_default();
            let answer = party.route(request.clone()).await;
            match answer.was_accepted() {
                Some(true) => routed.push((request, Some(answer.accepted()?.message_id))),
                // A rejected call has no effect.
                Some(false) if answer.overload().is_some() => {}
                Some(false) => drop(answer.prepared()?),
                None => {
                    routed.push((request, None));
                    return Ok(routed);
                }
            }
            if !calls.goes_on(&self.trial, routed.len()).await {
                return Ok(routed);
            }
        }
    }

    /// Polls, and ends some of what there is, each delivery once.
    async fn polls(
        self,
        party: Party,
        calls: Calls,
        mut random: ChaCha20Rng,
    ) -> Result<Vec<Polled>, Stop> {
        let mut polled: Vec<Polled> = Vec::new();
        let mut made = 0;
        if !self.all_calls {
            return Ok(polled);
        }
        loop {
            let answer = party.poll_after(&self.session, 0).await;
            if answer.was_accepted() != Some(true) {
                break;
            }
            for message in answer.accepted()?.messages {
                if polled.iter().any(|(it, _)| it.message_id == message.message_id) {
                    continue;
                }
                let drawn = random.next_u32() % 8;
                if drawn > 4 {
                    polled.push((message, None));
                    continue;
                }
                let success = drawn > 0;
                let sent = Sent {
                    id: message.message_id.clone(),
                    request: RouteMessageRequest {
                        session_id: self.session.id.clone(),
                        ..Default::default()
                    },
                };
                let answer = party.acknowledge(sent.acknowledgement(&party, success)).await;
                let accepted = answer.was_accepted();
                polled.push((message, Some(tried(success, accepted))));
                made += 1;
                if accepted.is_none() || !calls.goes_on(&self.trial, made).await {
                    return Ok(polled);
                }
            }
            self.trial.sleep(PAUSE).await;
            if calls.over.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(polled)
    }

    async fn registers(self, calls: Calls) -> Result<Vec<Registered>, Stop> {
        let mut registered = Vec::new();
        if !self.all_calls {
            return Ok(registered);
        }
        loop {
            let number = self.trial.number();
            let party = self.trial.stranger(&format!("new-{number}"));
            let role = ["persistent", "delegate", "temporary"][number as usize % 3];
            let channel = NotificationChannel {
                email: format!("{number}@example.test"),
                ..NotificationChannel::default()
            };
            let notification = Some(channel).filter(|_| number.is_multiple_of(2));
            let request = RegisterPartyRequest { notification, ..registration(&party.id, role) };
            let answer = party.register_with(request.clone()).await;
            let accepted = answer.was_accepted();
            if accepted != Some(false) {
                registered.push(Registered { request, accepted: accepted == Some(true) });
            }
            // Where only certain names have certificates, others need some as well.
            let are_few = self.trial.door().has_certain_names();
            if (are_few && registered.len() == FEW)
                || accepted.is_none()
                || !calls.goes_on(&self.trial, registered.len()).await
            {
                break;
            }
        }
        Ok(registered)
    }
}

impl Outcome {
    /// Enters into a ledger what was accepted, and what perhaps was.
    pub(super) fn note(&self, ledger: &mut Ledger, parties: &[Party]) {
        for (request, id) in &self.routed {
            let is_one = |it: &&Party| match request.to_parties.is_empty() {
                true => it.id != request.from_party,
                false => request.to_parties.contains(&it.id),
            };
            let recipients = parties.iter().filter(is_one).map(|it| it.id.clone()).collect();
            match id {
                Some(id) => {
                    let sent = Sent { id: id.clone(), request: request.clone() };
                    ledger.accepted(sent, recipients);
                }
                None => ledger.perhaps(request.clone(), recipients),
            }
        }
        for (party, polled) in &self.polled {
            for (message, state) in polled {
                ledger.sees(party, message);
                if let Some(state) = state {
                    ledger.stands(&message.message_id, party, *state);
                }
            }
            // What the last poll was answered with on its way is handed out as well.
            ledger.may_have_been_handed_out(party);
        }
    }
}

async fn joined<T>(task: JoinHandle<Result<Vec<T>, Stop>>) -> Result<Vec<T>, Stop> {
    match task.await {
        Ok(ended) => ended,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
