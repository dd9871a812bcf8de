//! What came of a ceremony.

use std::collections::BTreeMap;

use rand_core::RngCore as _;
use serde::Serialize;

use crate::action::Millis;
use crate::coordinator::{Agenda, Ending};
use crate::encoding::hex;
use crate::ledger::Ledger;
use crate::party::Party;
use crate::plan::{Plan, Protocol};
use crate::protocol::{Blame, FrostSign, KeyShare, Output, Protocol as Machine, rehearse};
use crate::record::{Deed, Record};
use crate::roster::{Receives, Role, Roster};
use crate::seed::Seed;
use crate::verdict::{Evidence, Item, Minutes};

/// What came of a ceremony. It holds no secret.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `frost-ed25519`, or the flow's name.
    pub protocol: String,
    /// How many parties.
    pub party_count: u16,
    /// How many of them sign.
    pub threshold: u16,
    /// The seed that repeats it.
    pub seed: u64,
    /// What the names of its parties and sessions begin with.
    pub prefix: String,
    /// How it ended.
    pub ended: Ended,
    /// Why, where it was not completed.
    pub reason: Option<String>,
    /// What each party did.
    pub parties: Vec<PartyReport>,
    /// The group's public key, in hexadecimal, if there is one.
    pub group_public_key: Option<String>,
    /// The signatures that were made.
    pub signatures: Vec<SignatureReport>,
    /// The verdict, item by item.
    pub verdict: Vec<Item>,
    /// How long each phase took.
    pub phases: Vec<PhaseReport>,
}

/// How a ceremony ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// All sessions were completed.
    Completed,
    /// A session failed, or could not begin.
    Failed,
    /// The router could not be reached, or not any more.
    Unreachable,
    /// It was stopped.
    Interrupted,
}

/// What a party did.
#[derive(Debug, Clone, Serialize)]
pub struct PartyReport {
    /// Its `party_id`.
    pub id: String,
    /// How it takes part.
    pub role: Role,
    /// How it gets its messages.
    pub receives: Receives,
    /// Messages it sent that the router took.
    pub sent: usize,
    /// Messages it was handed, repetitions included.
    pub received: usize,
    /// Messages it acknowledged as applied.
    pub acknowledged: usize,
    /// Messages it could not use.
    pub refused: usize,
    /// Streams that ended and were opened again.
    pub reconnects: usize,
    /// Sessions it finished.
    pub finished: Vec<String>,
}

/// A signature.
#[derive(Debug, Clone, Serialize)]
pub struct SignatureReport {
    /// The session that made it.
    pub session: String,
    /// Who signed, the aggregator first.
    pub signers: Vec<String>,
    /// What was signed, in hexadecimal.
    pub message: String,
    /// The Ed25519 signature, in hexadecimal.
    pub signature: String,
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhaseReport {
    /// `gathering`, then `keygen` and `signing`, or `flow`.
    pub name: &'static str,
    /// How long it took.
    pub milliseconds: u64,
}

impl Report {
    /// Whether the ceremony was completed and every item of the verdict holds.
    pub fn passed(&self) -> bool {
        self.ended == Ended::Completed && self.verdict.iter().all(|item| item.passed)
    }
}

/// What a finished ceremony left behind.
pub(crate) struct Remains<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) roster: &'a Roster,
    pub(crate) agendas: &'a [Agenda],
    pub(crate) parties: &'a [Party],
    pub(crate) records: &'a [Record],
    pub(crate) ending: Ending,
    pub(crate) phases: Vec<PhaseReport>,
    /// How long messages may have been held up by what is not the router's fault.
    pub(crate) held_up: Millis,
}

impl Remains<'_> {
    pub(crate) fn report(self) -> Report {
        let Self { plan, roster, .. } = self;
        let evidence = self.evidence();
        Report {
            protocol: plan.protocol.to_string(),
            party_count: plan.parties,
            threshold: plan.threshold,
            seed: plan.seed,
            prefix: plan.prefix.clone(),
            ended: match self.ending {
                Ending::Completed => Ended::Completed,
                Ending::Failed(_) => Ended::Failed,
                Ending::Unreachable(_) => Ended::Unreachable,
                Ending::Interrupted => Ended::Interrupted,
            },
            group_public_key: keys(&evidence.minutes).values().next().map(|k| hex(&k.group_key)),
            signatures: signatures(roster, &evidence.minutes),
            verdict: evidence.judge(),
            reason: evidence.failure,
            parties: self.party_reports(),
            phases: self.phases,
        }
    }

    pub(crate) fn evidence(&self) -> Evidence<'_> {
        let Self { plan, roster, .. } = *self;
        let mut ledger = Ledger::held_up(self.held_up);
        for record in self.records {
            ledger.record(record);
        }
        let minutes: Vec<Minutes> =
            self.agendas.iter().map(|agenda| self.minutes(agenda)).collect();
        Evidence {
            roster,
            trials: trials(plan, &keys(&minutes)),
            minutes,
            findings: ledger.examine(roster),
            threshold: plan.threshold,
            failure: match &self.ending {
                Ending::Completed => None,
                Ending::Failed(why) | Ending::Unreachable(why) => Some(why.clone()),
                Ending::Interrupted => Some("it was stopped".into()),
            },
            frost: matches!(plan.protocol, Protocol::Frost),
        }
    }

    fn minutes(&self, agenda: &Agenda) -> Minutes {
        let members = self.parties.iter().filter(|p| agenda.members.contains(&p.member().number));
        let session = &agenda.session;
        let number = |party: &Party| party.member().number;
        Minutes {
            agenda: agenda.clone(),
            outcomes: members
                .clone()
                .map(|party| {
                    let outcome = party.outcome(session);
                    (number(party), outcome.map(|o| o.cloned().map_err(Clone::clone)))
                })
                .collect(),
            nonce_uses: members
                .clone()
                .map(|party| (number(party), party.nonce_uses(session).to_vec()))
                .collect(),
            missing: members.map(|party| (number(party), party.missing(session))).collect(),
        }
    }

    fn party_reports(&self) -> Vec<PartyReport> {
        let mut reports: Vec<PartyReport> = self
            .roster
            .members()
            .iter()
            .map(|member| PartyReport {
                id: member.id.clone(),
                role: member.role,
                receives: member.receives,
                sent: 0,
                received: 0,
                acknowledged: 0,
                refused: 0,
                reconnects: 0,
                finished: Vec::new(),
            })
            .collect();
        for record in self.records {
            let Some(report) = reports.get_mut(usize::from(record.party).wrapping_sub(1)) else {
                continue;
            };
            match &record.deed {
                Deed::Accepted(..) => report.sent += 1,
                Deed::Saw(_) => report.received += 1,
                Deed::Acknowledged(_, true) => report.acknowledged += 1,
                Deed::Refused(..) => report.refused += 1,
                Deed::Disconnected(_) => report.reconnects += 1,
                Deed::Finished(session) => report.finished.push(session.clone()),
                _ => {}
            }
        }
        reports
    }
}

fn keys(minutes: &[Minutes]) -> BTreeMap<u16, KeyShare> {
    let outcomes = minutes.iter().flat_map(|minutes| &minutes.outcomes);
    outcomes
        .filter_map(|(member, outcome)| match outcome {
            Some(Ok(Output::Key(share))) => Some((*member, (**share).clone())),
            _ => None,
        })
        .collect()
}

fn signatures(roster: &Roster, minutes: &[Minutes]) -> Vec<SignatureReport> {
    let signed = minutes.iter().filter_map(|minutes| {
        let signed = minutes.outcomes.values().find_map(|outcome| match outcome {
            Some(Ok(Output::Signature(signed))) => Some(signed),
            _ => None,
        })?;
        Some(SignatureReport {
            session: minutes.agenda.session.clone(),
            signers: minutes.agenda.members.iter().map(|m| roster.name(*m).to_owned()).collect(),
            message: hex(&signed.message),
            signature: hex(&signed.signature),
        })
    });
    signed.collect()
}

/// As many sets of holders are tried, unless there are fewer.
const MAX_TRIALS: usize = 20;
/// A trial costs as much as the square of its signers: fewer are tried where they are large.
const TRIAL_COST: usize = 20_000;

/// Lets sets of holders sign with each other directly: all sets there are, or as many drawn from the
/// seed.
fn trials(plan: &Plan, keys: &BTreeMap<u16, KeyShare>) -> Vec<(Vec<u16>, Result<Output, Blame>)> {
    let holders: Vec<u16> = keys.keys().copied().collect();
    let sets = sets(&holders, usize::from(plan.threshold), Seed(plan.seed));
    let trial = |(number, set): (usize, Vec<u16>)| {
        let session = format!("{}-trial-{number}", plan.prefix);
        let machines: Result<Vec<_>, Blame> = set
            .iter()
            .map(|member| {
                let rng = Seed(plan.seed).stream("frost trial nonces", *member, &session);
                let message = session.clone().into_bytes();
                let key = keys[member].clone();
                let machine = FrostSign::new(&session, *member, &set, key, message, rng)?;
                Ok((*member, Box::new(machine) as Box<dyn Machine>))
            })
            .collect();
        let outcome = machines.and_then(rehearse).and_then(|outputs| {
            let mut outputs = outputs.into_iter();
            outputs.next().map(|(_, output)| output).ok_or_else(|| Blame::nobody("nobody signed"))
        });
        (set, outcome)
    };
    sets.into_iter().enumerate().map(trial).collect()
}

fn sets(holders: &[u16], size: usize, seed: Seed) -> Vec<Vec<u16>> {
    if holders.len() < size || size == 0 {
        return Vec::new();
    }
    let most = (TRIAL_COST / (size * size)).clamp(1, MAX_TRIALS);
    let mut all = Vec::new();
    let mut places: Vec<usize> = (0..size).collect();
    while all.len() <= most {
        all.push(places.iter().map(|at| holders[*at]).collect::<Vec<u16>>());
        // The next combination in order; none after the last.
        let movable = (0..size).rev().find(|at| places[*at] < holders.len() - size + at);
        let Some(at) = movable else { return all };
        places[at] += 1;
        for after in at + 1..size {
            places[after] = places[after - 1] + 1;
        }
    }
    let mut rng = seed.stream("trials", 0, "");
    (0..most)
        .map(|_| {
            let mut set = holders.to_vec();
            while set.len() > size {
                let at = rng.next_u64() % set.len() as u64;
                set.remove(at as usize);
            }
            set
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sets_are_tried_while_they_are_few() {
        let few = sets(&[1, 2, 3, 4, 5], 3, Seed(1));
        assert_eq!(few.len(), 10);
        assert_eq!((&few[0][..], &few[9][..]), (&[1, 2, 3][..], &[3, 4, 5][..]));
        assert_eq!(sets(&[1, 2, 3], 3, Seed(1)), [[1, 2, 3]]);
        assert!(sets(&[1, 2], 3, Seed(1)).is_empty());
        let holders: Vec<u16> = (1..=20).collect();
        let many = sets(&holders, 14, Seed(1));
        assert_eq!(many.len(), MAX_TRIALS);
        assert!(many.iter().all(|set| set.len() == 14 && set.is_sorted()));
        assert_ne!(many[0], many[1]);
        let holders: Vec<u16> = (1..=200).collect();
        assert_eq!(sets(&holders, 199, Seed(1)).len(), 1);
    }
}
