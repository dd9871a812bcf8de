//! Every message against every recipient: what was made, what was handed out, what was applied.
//!
//! The simulator has all parties in one place, so it knows what no party of a real ceremony can
//! know: whether bytes that a party could not use were made by another party, and for whom. That
//! is how a fault is the router's, and not that of the party whose name stands on a message.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::Millis;
use crate::calls::BACKOFF_LAST_MS;
use crate::encoding::Digest;
use crate::record::{Deed, Made, Record, Saw};
use crate::roster::Roster;
use crate::seal::{CANARY_BYTES, Canary};

/// A message that was accepted so long before its recipient stopped listening should have come.
const DUE_AFTER_MS: Millis = 5_000;

/// What the records of all parties come to.
#[derive(Debug, Default)]
pub struct Ledger {
    /// How much longer than else a message may take, through faults that are not the router's.
    held_up: Millis,
    made: BTreeMap<Digest, Entry>,
    /// The same bytes by their canaries.
    canaries: BTreeMap<Canary, Digest>,
    saw: Vec<(u16, Saw)>,
    applied: BTreeMap<(u16, Digest), u32>,
    joined: BTreeSet<(u16, String)>,
    /// When a party stopped listening in a session; a party that vanished, in all.
    closed: BTreeMap<(u16, String), Millis>,
    vanished: BTreeMap<u16, Millis>,
    listed_twice: Vec<(u16, String)>,
    refused: Vec<(u16, String)>,
    not_acknowledged: Vec<(u16, String, String)>,
    acknowledged: BTreeSet<(u16, String)>,
}

#[derive(Debug)]
struct Entry {
    from: u16,
    made: Made,
    attempts: usize,
    accepted: Option<Millis>,
    ids: BTreeSet<String>,
    /// Which recipients were handed it, rightly.
    reached: BTreeSet<u16>,
    /// Which recipients were handed something else in its place, or it under a wrong label.
    spoilt: BTreeSet<u16>,
}

/// What is wrong, sorted by kind; each line names message and parties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many (message, recipient) there are.
    pub deliveries: usize,
    /// How many of these were applied, once.
    pub applied_once: usize,
    /// Accepted, and nothing of it was ever handed to a recipient.
    pub lost: Vec<String>,
    /// Routed more often than it was called for, listed twice, or handed out after it was
    /// acknowledged.
    pub duplicated: Vec<String>,
    /// Made by nobody.
    pub phantom: Vec<String>,
    /// Handed to a party, or in a session, that it was not for.
    pub misrouted: Vec<String>,
    /// Handed out with another sender, type, round or flag.
    pub mislabelled: Vec<String>,
    /// Handed out with other bytes.
    pub altered: Vec<String>,
    /// A payload for one party was seen by another.
    pub betrayed: Vec<String>,
    /// Applied more than once, or by a party it was not for.
    pub misapplied: Vec<String>,
    /// Made twice by one sender, differently, under one key.
    pub contradicted: Vec<String>,
    /// The recipient's acknowledgement was refused, or never taken.
    pub unacknowledged: Vec<String>,
}

impl Findings {
    /// Whether the router did anything that it must not do.
    pub fn router_is_at_fault(&self) -> bool {
        [
            &self.lost,
            &self.duplicated,
            &self.phantom,
            &self.misrouted,
            &self.mislabelled,
            &self.altered,
            &self.betrayed,
            &self.unacknowledged,
        ]
        .iter()
        .any(|findings| !findings.is_empty())
    }
}

impl Ledger {
    /// Of a ceremony in which messages may have been held up for so long by what is not the router's
    /// fault.
    pub fn held_up(by: Millis) -> Self {
        Self { held_up: by, ..Self::default() }
    }

    /// Takes a record of a party.
    pub fn record(&mut self, record: &Record) {
        let party = record.party;
        match &record.deed {
            Deed::Made(made) => {
                self.canaries.insert(made.canary, made.digest);
                let entry = Entry {
                    from: party,
                    made: made.clone(),
                    attempts: 0,
                    accepted: None,
                    ids: BTreeSet::new(),
                    reached: BTreeSet::new(),
                    spoilt: BTreeSet::new(),
                };
                self.made.insert(made.digest, entry);
            }
            Deed::Attempted(digest) => {
                if let Some(entry) = self.made.get_mut(digest) {
                    entry.attempts += 1;
                }
            }
            Deed::Accepted(digest, id) => {
                if let Some(entry) = self.made.get_mut(digest) {
                    entry.accepted.get_or_insert(record.at);
                    entry.ids.insert(id.clone());
                }
            }
            Deed::Saw(saw) => self.saw.push((party, saw.clone())),
            Deed::ListedTwice(id) => self.listed_twice.push((party, id.clone())),
            Deed::Applied(digest) => *self.applied.entry((party, *digest)).or_default() += 1,
            Deed::Refused(id, _) => self.refused.push((party, id.clone())),
            Deed::Acknowledged(id, _) => {
                self.acknowledged.insert((party, id.clone()));
            }
            Deed::AcknowledgementRefused(id, why) => {
                self.not_acknowledged.push((party, id.clone(), why.clone()));
            }
            Deed::Joined(session) => {
                self.joined.insert((party, session.clone()));
            }
            Deed::Closed(session) => {
                self.closed.insert((party, session.clone()), record.at);
            }
            Deed::Vanished => {
                self.vanished.insert(party, record.at);
            }
            Deed::Registered
            | Deed::RegistrationRefused(_)
            | Deed::SubscriptionRefused(_)
            | Deed::Came
            | Deed::Left
            | Deed::Disconnected(_)
            | Deed::Started(_)
            | Deed::Finished(_)
            | Deed::Failed(..) => {}
        }
    }

    /// What the records come to, with the parties' names from `roster`.
    pub fn examine(mut self, roster: &Roster) -> Findings {
        let mut found = Findings::default();
        let mut ids: BTreeMap<String, Digest> = BTreeMap::new();
        let saw = std::mem::take(&mut self.saw);
        for (party, saw) in &saw {
            self.examine_sight(*party, saw, roster, &mut found);
            if saw.after_acknowledgement {
                found.duplicated.push(format!(
                    "{} was handed `{}` of {} again after its acknowledgement was taken (SUB-4)",
                    roster.name(*party),
                    saw.kind,
                    saw.from
                ));
            }
            let before = *ids.entry(saw.message_id.clone()).or_insert(saw.digest);
            if before != saw.digest {
                found.altered.push(format!(
                    "the message_id {} stands on two different messages (RTE-5)",
                    saw.message_id
                ));
            }
        }
        for (party, id) in &self.listed_twice {
            let name = roster.name(*party);
            found.duplicated.push(format!("{name} found {id} twice in one answer (PND-1)"));
        }
        self.examine_made(roster, &mut found);
        self.examine_applied(roster, &mut found);
        self.examine_acknowledgements(&saw, roster, &mut found);
        for findings in [
            &mut found.duplicated,
            &mut found.misrouted,
            &mut found.mislabelled,
            &mut found.altered,
            &mut found.betrayed,
        ] {
            findings.sort();
            findings.dedup();
        }
        found
    }

    /// One message as it was handed to one party.
    fn examine_sight(&mut self, party: u16, saw: &Saw, roster: &Roster, found: &mut Findings) {
        let name = roster.name(party);
        let labelled = format!("`{}` as if from {} in {}", saw.kind, saw.from, saw.session);
        if let Some(digest) = saw.canary.and_then(|canary| self.canaries.get(&canary))
            && let Some(entry) = self.made.get(digest)
            && let [only] = entry.made.recipients[..]
            && !entry.made.broadcast
            && party != only
            && party != entry.from
        {
            found.betrayed.push(format!(
                "{name} saw the canary of {}, which is for {} alone",
                entry.told(roster),
                roster.name(only)
            ));
        }
        let Some(entry) = self.made.get_mut(&saw.digest) else {
            let origin = saw.canary.and_then(|canary| self.canaries.get(&canary).copied());
            let origin = origin.or_else(|| {
                // Altered in its first bytes: what should have come under that label?
                let labelled = |entry: &Entry| {
                    entry.made.recipients.contains(&party) && entry.is_labelled(saw, roster)
                };
                self.made.iter().find(|(_, entry)| labelled(entry)).map(|(digest, _)| *digest)
            });
            match origin.and_then(|digest| self.made.get_mut(&digest)) {
                Some(entry) => {
                    entry.spoilt.insert(party);
                    found.altered.push(format!(
                        "{name} was handed other bytes than {} sent as `{}` in {} (RTE-4)",
                        roster.name(entry.from),
                        entry.made.kind,
                        entry.made.session
                    ));
                }
                None => found.phantom.push(format!("{name} was handed {labelled}: nobody sent it")),
            }
            return;
        };
        let told = entry.told(roster);
        entry.ids.insert(saw.message_id.clone());
        let mut right = true;
        if !entry.made.recipients.contains(&party) {
            let whose = if party == entry.from { "its own " } else { "" };
            found.misrouted.push(format!("{name} was handed {whose}{told} (RTE-1)"));
            right = false;
        }
        if saw.session != entry.made.session || saw.asked != entry.made.session {
            let (session, asked) = (&saw.session, &saw.asked);
            found.misrouted.push(format!(
                "{name} was handed {told} labelled {session} where it asked for {asked} (RTE-10)"
            ));
            right = false;
        }
        let mut labels = Vec::new();
        if saw.from != roster.name(entry.from) {
            labels.push(format!("from {}", saw.from));
        }
        if saw.kind != entry.made.kind {
            labels.push(format!("as `{}`", saw.kind));
        }
        if saw.round != entry.made.round {
            labels.push(format!("in round {}", saw.round));
        }
        if saw.broadcast != entry.made.broadcast {
            labels.push(format!("with is_broadcast {}", saw.broadcast));
        }
        if !labels.is_empty() {
            let labels = labels.join(", ");
            found.mislabelled.push(format!("{name} was handed {told} labelled {labels} (RTE-4)"));
            right = false;
        }
        if right {
            entry.reached.insert(party);
        } else {
            entry.spoilt.insert(party);
        }
    }

    fn examine_made(&self, roster: &Roster, found: &mut Findings) {
        let mut keys: BTreeMap<(&str, &str, u16, u16), Digest> = BTreeMap::new();
        for (digest, entry) in &self.made {
            let Entry { from, made, .. } = entry;
            found.deliveries += made.recipients.len();
            for recipient in &made.recipients {
                let key = (made.session.as_str(), made.kind.as_str(), *from, *recipient);
                let before = *keys.entry(key).or_insert(*digest);
                if before != *digest {
                    found.contradicted.push(format!(
                        "{} sent two different `{}` to {} in {}",
                        roster.name(*from),
                        made.kind,
                        roster.name(*recipient),
                        made.session
                    ));
                }
                let key = (*recipient, made.session.clone());
                let closed = self.closed.get(&key).or_else(|| self.vanished.get(recipient));
                let listened = entry.accepted.is_some_and(|accepted| {
                    let due = accepted + DUE_AFTER_MS + self.held_up;
                    closed.is_none_or(|closed| due <= *closed)
                });
                let came = entry.reached.contains(recipient) || entry.spoilt.contains(recipient);
                if listened && self.joined.contains(&key) && !came {
                    let recipient = roster.name(*recipient);
                    found.lost.push(format!("{} never came to {recipient}", entry.told(roster)));
                }
            }
            // A call whose effect is unknown may have been accepted, and so may its repetition.
            if entry.ids.len() > entry.attempts.max(1) {
                found.duplicated.push(format!(
                    "{} was routed {} times, and called for {} times",
                    entry.told(roster),
                    entry.ids.len(),
                    entry.attempts
                ));
            }
        }
    }

    fn examine_applied(&self, roster: &Roster, found: &mut Findings) {
        for ((party, digest), times) in &self.applied {
            let name = roster.name(*party);
            match self.made.get(digest) {
                Some(entry) if entry.made.recipients.contains(party) => {
                    if *times == 1 {
                        found.applied_once += 1;
                    } else {
                        let told = entry.told(roster);
                        found.misapplied.push(format!("{name} applied {told} {times} times"));
                    }
                }
                Some(entry) => {
                    let told = entry.told(roster);
                    found.misapplied.push(format!("{name} applied {told}, which is not for it"));
                }
                None => {
                    found.misapplied.push(format!("{name} applied a message that nobody sent"));
                }
            }
        }
    }

    fn examine_acknowledgements(&self, saw: &[(u16, Saw)], roster: &Roster, found: &mut Findings) {
        for (party, id, why) in &self.not_acknowledged {
            let name = roster.name(*party);
            // Not being a recipient, it cannot acknowledge (ACK-6): the fault is told elsewhere.
            let mine = |(by, saw): &&(u16, Saw)| by == party && saw.message_id == *id;
            let rightly = saw.iter().find(mine).is_some_and(|(_, saw)| {
                let made = self.made.get(&saw.digest);
                made.is_some_and(|entry| entry.reached.contains(party))
            });
            if rightly {
                found
                    .unacknowledged
                    .push(format!("{name}'s acknowledgement of {id} was refused: {why}"));
            }
        }
        let mut told = BTreeSet::new();
        for (party, saw) in saw {
            let key = (*party, saw.message_id.clone());
            let applied = self.applied.contains_key(&(*party, saw.digest));
            let refused = self
                .not_acknowledged
                .iter()
                .any(|(by, id, _)| by == party && *id == saw.message_id);
            if applied
                && !refused
                && !self.vanished.contains_key(party)
                && !self.acknowledged.contains(&key)
                && told.insert(key)
            {
                let name = roster.name(*party);
                let id = &saw.message_id;
                found
                    .unacknowledged
                    .push(format!("{name}'s acknowledgement of {id} was never taken"));
            }
        }
    }
}

impl Entry {
    /// The message in words.
    fn told(&self, roster: &Roster) -> String {
        let Made { session, kind, recipients, broadcast, .. } = &self.made;
        let to = match recipients[..] {
            _ if *broadcast => "all".into(),
            [one] => roster.name(one).to_owned(),
            _ => format!("{} parties", recipients.len()),
        };
        format!("`{kind}` of {} to {to} in {session}", roster.name(self.from))
    }

    fn is_labelled(&self, saw: &Saw, roster: &Roster) -> bool {
        self.made.session == saw.session
            && self.made.kind == saw.kind
            && roster.name(self.from) == saw.from
    }
}

const _: () = assert!(
    DUE_AFTER_MS > BACKOFF_LAST_MS * 3 / 2,
    "a recipient whose stream broke may pause so long before it opens another"
);
const _: () = assert!(CANARY_BYTES >= 16, "canaries must not meet by chance");

#[cfg(test)]
mod tests;
