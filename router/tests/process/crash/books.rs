use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mpc_router_proto::v1::MpcMessage;

/// What became of a call, as far as its caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The router said yes.
    Accepted,
    /// No answer came: it happened wholly, or not at all.
    Unknown,
}

/// Names a message that was sent: its session, its sender, and the how many-th of them it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sent {
    pub(super) session: String,
    pub(super) from: String,
    pub(super) number: u32,
}

impl Sent {
    /// What it says: enough to know it by, and some more bytes that depend on it.
    pub(super) fn payload(&self) -> Vec<u8> {
        let mut payload = format!("{}/{}/{}/", self.session, self.from, self.number).into_bytes();
        let filling = self.number as usize * 37 % 3_000;
        payload.extend((0..filling).map(|at| (at * 7 + self.number as usize) as u8));
        payload
    }

    /// Which message this is the payload of.
    fn of(payload: &[u8]) -> Self {
        let mut parts = payload.splitn(4, |byte| *byte == b'/');
        let mut part = || String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        let sent = Self { session: part(), from: part(), number: part().parse().unwrap() };
        assert_eq!(sent.payload(), payload, "RTE-4: as it was sent");
        sent
    }
}

/// What was sent, to whom, and what the router said to it.
#[derive(Debug, Default)]
pub(super) struct Books {
    sent: BTreeMap<Sent, Entry>,
    /// All names of messages that were ever seen, and what they name.
    names: BTreeMap<String, Sent>,
    deliveries: usize,
    unknown: usize,
}

#[derive(Debug)]
struct Entry {
    outcome: Outcome,
    recipients: BTreeSet<String>,
    acknowledged: BTreeMap<String, Outcome>,
}

impl Books {
    pub(super) fn accepted(&self) -> u64 {
        self.sent.values().filter(|it| it.outcome == Outcome::Accepted).count() as u64
    }

    /// A message was sent; `name` is the router's answer, if there was one.
    pub(super) fn sent(&mut self, sent: Sent, recipients: &[&str], name: Option<String>) {
        let outcome = if name.is_some() { Outcome::Accepted } else { Outcome::Unknown };
        self.unknown += usize::from(name.is_none());
        if let Some(name) = name {
            self.name(name, &sent);
        }
        let recipients = recipients.iter().map(|&party| party.to_owned()).collect();
        let entry = Entry { outcome, recipients, acknowledged: BTreeMap::new() };
        assert!(self.sent.insert(sent, entry).is_none(), "each is sent once");
    }

    fn name(&mut self, name: String, sent: &Sent) {
        let named = self.names.entry(name).or_insert_with(|| sent.clone());
        assert_eq!(named, sent, "DUR-5: no name is given twice");
    }

    /// `party` acknowledged a message, or tried to.
    pub(super) fn acknowledged(&mut self, message: &MpcMessage, party: &str, outcome: Outcome) {
        let sent = Sent::of(&message.payload);
        // A recipient may be quicker than the sender's answer, which then never came.
        let entry = self.sent.get_mut(&sent).expect("it was sent");
        entry.acknowledged.insert(party.to_owned(), outcome);
    }

    /// What `party` still gets of a session, all of it and in order. Tells what it has to acknowledge.
    pub(super) fn polled(&mut self, session: &str, party: &str, polled: &[MpcMessage]) {
        assert!(polled.is_sorted_by_key(|message| message.created_at), "ORD-6, ORD-7");
        let mut seen = BTreeSet::new();
        let mut newest: BTreeMap<String, u32> = BTreeMap::new();
        for message in polled {
            let sent = Sent::of(&message.payload);
            self.name(message.message_id.clone(), &sent);
            assert_eq!((&sent.session, &sent.from), (&message.session_id, &message.from_party));
            assert_eq!(sent.session, session, "RTE-10");
            let entry = self.sent.get(&sent).expect("no phantom");
            assert!(entry.recipients.contains(party), "RTE-1: {sent:?} is not for {party}");
            let answered = entry.acknowledged.get(party);
            assert_ne!(answered, Some(&Outcome::Accepted), "SUB-4: {sent:?} rose from the dead");
            let last = newest.insert(sent.from.clone(), sent.number);
            assert!(last.is_none_or(|last| last < sent.number), "ORD-1: {sent:?} after {last:?}");
            assert!(seen.insert(sent), "PND-1: each once");
        }
        for (sent, entry) in self.of(session) {
            let due = entry.outcome == Outcome::Accepted
                && entry.recipients.contains(party)
                && !entry.acknowledged.contains_key(party);
            assert!(!due || seen.contains(sent), "DUR-2: {sent:?} is lost to {party}");
        }
        self.deliveries += seen.len();
    }

    /// The messages of a session that were accepted, by name, and who acknowledged them for sure.
    pub(super) fn settled(&self, session: &str) -> Vec<(String, Vec<String>)> {
        let names = self.names.iter().filter(|(_, sent)| sent.session == session);
        let settled = |(name, sent): (&String, &Sent)| {
            let answered = self.sent[sent].acknowledged.iter();
            let sure = answered.filter(|(_, outcome)| **outcome == Outcome::Accepted);
            (name.clone(), sure.map(|(party, _)| party.clone()).collect())
        };
        names.map(settled).collect()
    }

    fn of(&self, session: &str) -> impl Iterator<Item = (&Sent, &Entry)> {
        self.sent.iter().filter(move |(sent, _)| sent.session == session)
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages accepted, {} sent without an answer, {} deliveries found after a crash",
            self.accepted(),
            self.unknown,
            self.deliveries
        )
    }
}
