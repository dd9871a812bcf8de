//! Whether a ceremony went as it must, item by item.
//!
//! A valid signature proves little about routing: shares whose senders are mixed up still add up to
//! one, and a broadcast that differs between its recipients can end well on both sides, with
//! different keys. So a verdict is all of its items together.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::{Signature, VerifyingKey};
use serde::Serialize;

use crate::coordinator::Agenda;
use crate::encoding::{Digest, hex};
use crate::ledger::Findings;
use crate::protocol::{Blame, KeyShare, NonceUse, Output};
use crate::roster::Roster;

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its name, which never changes.
    pub name: &'static str,
    /// Whether it holds.
    pub passed: bool,
    /// What was found, in one line.
    pub detail: String,
}

/// What a session came to.
#[derive(Debug, Clone)]
pub struct Minutes {
    /// What it was for.
    pub agenda: Agenda,
    /// What each member has from it; `None` if it never came to an end.
    pub outcomes: BTreeMap<u16, Option<Result<Output, Blame>>>,
    /// What each member used its nonces for.
    pub nonce_uses: BTreeMap<u16, Vec<NonceUse>>,
    /// The messages a member still waited for: type and sender.
    pub missing: BTreeMap<u16, Vec<(String, u16)>>,
}

/// Everything a verdict is about.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The parties.
    pub roster: &'a Roster,
    /// The sessions that were held.
    pub minutes: Vec<Minutes>,
    /// What the ledger came to.
    pub findings: Findings,
    /// What came of signing with other sets of holders, with no router between them: for each set,
    /// a signature or why there is none. Empty if the ceremony made no key.
    pub trials: Vec<(Vec<u16>, Result<Output, Blame>)>,
    /// How many signers it takes.
    pub threshold: u16,
    /// Why the ceremony as a whole did not come to its end, if it did not.
    pub failure: Option<String>,
    /// Whether it is about FROST, and not a scripted flow.
    pub frost: bool,
}

impl Evidence<'_> {
    /// Judges every item.
    pub fn judge(&self) -> Vec<Item> {
        let mut items = vec![self.ended()];
        if self.frost {
            items.extend([
                self.group_key(),
                self.transcripts(),
                self.shares(),
                self.signature(),
                self.nonces(),
                self.any_threshold(),
            ]);
        } else {
            items.push(self.transcripts());
        }
        let found = &self.findings;
        items.extend([
            self.applied(),
            router("lost", &found.lost, "no message was lost"),
            router("duplicated", &found.duplicated, "no message came twice without need"),
            router("phantom", &found.phantom, "no message came that nobody sent"),
            router("misrouted", &found.misrouted, "no message came to a wrong party or session"),
            router("mislabelled", &found.mislabelled, "sender, type and round were as sent"),
            router("altered", &found.altered, "every payload came byte for byte"),
            router("canaries", &found.betrayed, "no party saw what was for another alone"),
            router("acknowledged", &found.unacknowledged, "every acknowledgement was taken"),
            item("conduct", "no party contradicted itself", found.contradicted.clone()),
        ]);
        items
    }

    /// All members finish, or all know that it failed.
    fn ended(&self) -> Item {
        let mut faults = Vec::new();
        faults.extend(self.failure.clone());
        for minutes in &self.minutes {
            let session = &minutes.agenda.session;
            for (member, outcome) in &minutes.outcomes {
                let name = self.roster.name(*member);
                match outcome {
                    Some(Ok(_)) => {}
                    Some(Err(Blame { whom, reason })) => {
                        let through =
                            whom.map(|whom| format!(" (as if by {})", self.roster.name(whom)));
                        let through = through.unwrap_or_default();
                        faults.push(format!("{name} failed in {session}{through}: {reason}"));
                    }
                    None => {
                        let missing = minutes.missing.get(member).and_then(|list| list.first());
                        let waits = missing.map(|(kind, from)| {
                            format!(", waiting for `{kind}` of {}", self.roster.name(*from))
                        });
                        let waits = waits.unwrap_or_default();
                        faults.push(format!("{name} does not know how {session} ended{waits}"));
                    }
                }
            }
        }
        if !faults.is_empty() && self.findings.router_is_at_fault() {
            faults.insert(0, "the router is at fault, see below".into());
        }
        item("ended", "all members finished all sessions", faults)
    }

    fn keys(&self) -> Vec<(u16, &KeyShare)> {
        let outputs = self.minutes.iter().flat_map(|minutes| &minutes.outcomes);
        outputs
            .filter_map(|(member, outcome)| match outcome {
                Some(Ok(Output::Key(share))) => Some((*member, &**share)),
                _ => None,
            })
            .collect()
    }

    fn group_key(&self) -> Item {
        let keys = self.keys();
        let mut faults = Vec::new();
        let all = self.roster.members().len();
        if keys.len() < all {
            faults.push(format!("only {} of {all} parties have a key", keys.len()));
        }
        if let Some((first, share)) = keys.first() {
            for (member, other) in &keys {
                if other.group_key != share.group_key {
                    let (a, b) = (self.roster.name(*first), self.roster.name(*member));
                    faults.push(format!("{a} and {b} have different group keys"));
                }
            }
        }
        let key = keys.first().map(|(_, share)| hex(&share.group_key)).unwrap_or_default();
        item("group_key", &format!("all {all} parties have the key {key}"), faults)
    }

    /// Whoever took part in a round for all has heard the same in it.
    fn transcripts(&self) -> Item {
        let mut faults = Vec::new();
        let mut rounds = 0;
        for minutes in &self.minutes {
            let mut heard: BTreeMap<&str, (u16, Digest)> = BTreeMap::new();
            for (member, outcome) in &minutes.outcomes {
                let Some(Ok(output)) = outcome else {
                    let name = self.roster.name(*member);
                    let session = &minutes.agenda.session;
                    faults.push(format!("{name} has no transcript of {session}"));
                    continue;
                };
                for (kind, digest) in output.transcript() {
                    let (first, before) = *heard.entry(kind).or_insert((*member, *digest));
                    if before != *digest {
                        let (a, b) = (self.roster.name(first), self.roster.name(*member));
                        faults.push(format!("{a} and {b} heard different `{kind}`"));
                    }
                }
            }
            rounds += heard.len();
        }
        if rounds == 0 && faults.is_empty() && self.frost {
            faults.push("there was no round for all".into());
        }
        item("transcripts", &format!("all heard the same in {rounds} rounds for all"), faults)
    }

    /// Each share verifies against the party that it came from.
    fn shares(&self) -> Item {
        let mut faults = Vec::new();
        let mut verified = 0;
        for minutes in self.signings() {
            let session = &minutes.agenda.session;
            let shares = minutes.outcomes.values().find_map(|outcome| match outcome {
                Some(Ok(Output::Signature(signed))) => signed.shares.as_ref(),
                _ => None,
            });
            let Some(shares) = shares else {
                faults.push(format!("nobody put shares together in {session}"));
                continue;
            };
            for signer in &minutes.agenda.members {
                match shares.verify(*signer) {
                    Ok(()) => verified += 1,
                    Err(Blame { reason, .. }) => {
                        let name = self.roster.name(*signer);
                        faults.push(format!("{name} in {session}: {reason}"));
                    }
                }
            }
        }
        if verified == 0 && faults.is_empty() {
            faults.push("there was no signing".into());
        }
        item("shares", &format!("{verified} signature shares verify against their senders"), faults)
    }

    /// The signature verifies, by another implementation than made it.
    fn signature(&self) -> Item {
        let mut faults = Vec::new();
        let mut verified = 0;
        let key = self.keys().first().map(|(_, share)| share.group_key);
        let key = key.and_then(|key| VerifyingKey::from_bytes(&key).ok());
        for minutes in self.signings() {
            let session = &minutes.agenda.session;
            for (member, outcome) in &minutes.outcomes {
                let name = self.roster.name(*member);
                let Some(Ok(Output::Signature(signed))) = outcome else {
                    faults.push(format!("{name} has no signature of {session}"));
                    continue;
                };
                let signature = Signature::from_bytes(&signed.signature);
                let message = &minutes.agenda.message_hash;
                if key.is_some_and(|key| key.verify_strict(message, &signature).is_ok()) {
                    verified += 1;
                } else {
                    faults.push(format!("{name}'s signature of {session} does not verify"));
                }
            }
        }
        if verified == 0 && faults.is_empty() {
            faults.push("there was no signing".into());
        }
        let good = format!("{verified} signers have a signature that ed25519-dalek verifies");
        item("signature", &good, faults)
    }

    /// A nonce makes one share.
    fn nonces(&self) -> Item {
        let mut seen = BTreeSet::new();
        let mut faults = Vec::new();
        for minutes in &self.minutes {
            for (member, uses) in &minutes.nonce_uses {
                for NonceUse { commitment, .. } in uses {
                    if !seen.insert((*member, *commitment)) {
                        let name = self.roster.name(*member);
                        faults.push(format!(
                            "{name} made two shares with one nonce, the second in {}",
                            minutes.agenda.session
                        ));
                    }
                }
            }
        }
        if seen.is_empty() {
            faults.push("no share was made".into());
        }
        item("nonces", &format!("{} nonces made one share each", seen.len()), faults)
    }

    /// Any as many holders as it takes can sign.
    fn any_threshold(&self) -> Item {
        let key = self.keys().first().map(|(_, share)| share.group_key);
        let key = key.and_then(|key| VerifyingKey::from_bytes(&key).ok());
        let mut faults = Vec::new();
        let names = |set: &[u16]| {
            set.iter().map(|member| self.roster.name(*member)).collect::<Vec<_>>().join(", ")
        };
        for (set, outcome) in &self.trials {
            match outcome {
                Ok(Output::Signature(signed)) => {
                    let signature = Signature::from_bytes(&signed.signature);
                    let verifies =
                        |key: VerifyingKey| key.verify_strict(&signed.message, &signature).is_ok();
                    if !key.is_some_and(verifies) {
                        faults.push(format!("what {} sign does not verify", names(set)));
                    }
                }
                Ok(_) => faults.push(format!("{} made something else", names(set))),
                Err(Blame { reason, .. }) => {
                    faults.push(format!("{} cannot sign: {reason}", names(set)));
                }
            }
        }
        if self.trials.is_empty() {
            faults.push("there is no key to try".into());
        }
        let good = format!("{} sets of {} holders can sign", self.trials.len(), self.threshold);
        item("any_threshold", &good, faults)
    }

    fn applied(&self) -> Item {
        let Findings { deliveries, applied_once, .. } = &self.findings;
        let mut faults = self.findings.misapplied.clone();
        if applied_once < deliveries {
            faults.push(format!("{applied_once} of {deliveries} deliveries were applied once"));
        }
        if *deliveries == 0 {
            faults.push("nothing was sent".into());
        }
        item("applied_once", &format!("{deliveries} deliveries were applied, each once"), faults)
    }

    fn signings(&self) -> impl Iterator<Item = &Minutes> {
        self.minutes.iter().filter(|minutes| !minutes.agenda.message_hash.is_empty())
    }
}

fn router(name: &'static str, faults: &[String], good: &str) -> Item {
    let faults = faults.iter().map(|fault| format!("the router: {fault}")).collect();
    item(name, good, faults)
}

/// As many faults are told as a line holds.
const TOLD: usize = 3;

fn item(name: &'static str, good: &str, faults: Vec<String>) -> Item {
    if faults.is_empty() {
        return Item { name, passed: true, detail: good.into() };
    }
    let mut detail = faults.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ");
    if faults.len() > TOLD {
        detail.push_str(&format!("; and {} more", faults.len() - TOLD));
    }
    Item { name, passed: false, detail }
}
