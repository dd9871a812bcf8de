//! A session against a model of it: a plain list of messages with a state for each recipient, looked
//! through from end to end each time. The log commits when it likes.

mod time;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mpc_router_core::*;
use proptest::prelude::*;
use proptest::sample::Index;

use self::time::Timer;
use crate::steps::*;

const POLICY: Policy = Policy {
    millisecond_bytes: 100,
    ack_timeout: 20,
    max_retries: 2,
    message_ttl: 200,
    membership: false,
};

#[derive(Debug)]
struct Known {
    id: MessageId,
    from: PartyId,
    created_at: Millis,
    recorded_at: Position,
    states: BTreeMap<PartyId, DeliveryState>,
    retries: BTreeMap<PartyId, u32>,
    given_up: BTreeSet<PartyId>,
}

#[derive(Debug)]
struct Reader {
    stream: StreamId,
    /// The last message that it got.
    last: Option<usize>,
    /// What it got and may not be on its way yet.
    sent: Vec<usize>,
    /// What it is to get again.
    again: VecDeque<usize>,
    asleep: bool,
}

struct World {
    now: Millis,
    membership: bool,
    session: Session,
    /// The same session, as the log tells it.
    follower: Session,
    held: VecDeque<Position>,
    commits_at_once: bool,
    messages: Vec<Known>,
    members: BTreeSet<PartyId>,
    ended: bool,
    events: Vec<Announcement>,
    readers: BTreeMap<PartyId, Reader>,
    streams: u64,
    timers: VecDeque<Timer>,
    /// When the last timer is due.
    last_due: Millis,
    first_handed_out: BTreeMap<PartyId, Vec<usize>>,
    published: usize,
    /// Whose deliveries the session was said to have.
    counted: BTreeSet<PartyId>,
    recorded_as_delivered: BTreeSet<(PartyId, MessageId)>,
}

impl World {
    fn new(commits_at_once: bool, membership: bool) -> Self {
        let policy = Policy { membership, ..POLICY };
        Self {
            now: Millis(10),
            membership,
            session: Session::new(policy),
            follower: Session::new(policy),
            held: VecDeque::new(),
            commits_at_once,
            messages: Vec::new(),
            members: BTreeSet::new(),
            ended: false,
            events: Vec::new(),
            readers: BTreeMap::new(),
            streams: 0,
            timers: VecDeque::new(),
            last_due: Millis(0),
            first_handed_out: BTreeMap::new(),
            published: 0,
            counted: BTreeSet::new(),
            recorded_as_delivered: BTreeSet::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Clock(passed) => self.now = Millis(self.now.0 + passed),
            Step::Announce { members, again } => self.announce(&members, again),
            Step::Route { from, to, size } => self.route(from, &to, size),
            Step::End => {
                let end = Announcement {
                    event: EventId::parse(&format!("e{}", self.events.len() + 1)).unwrap(),
                    kind: EventKind::parse("session_completed").unwrap(),
                    ..announcement(0, &[])
                };
                self.events.push(end.clone());
                self.session.handle_announce(self.now, end).unwrap();
                self.ended = true;
            }
            Step::Subscribe(number) => {
                self.streams += 1;
                let stream = StreamId(self.streams);
                let subscribed = self.session.handle_subscribe(stream, party(number));
                assert_eq!(subscribed.is_ok(), self.admits(&party(number)), "SES-7");
                if subscribed.is_err() {
                    return;
                }
                let (sent, again) = (Vec::new(), VecDeque::new());
                let reader = Reader { stream, last: None, sent, again, asleep: false };
                let superseded = self.readers.insert(party(number), reader);
                if let Some(Reader { stream, .. }) = superseded {
                    let effect = self.session.poll_effect();
                    assert_eq!(effect, Some(Effect::Superseded { stream }), "SUB-5");
                    let mut batch = Vec::new();
                    let budget = Budget::bytes(1);
                    let pulled = self.session.handle_pull(self.now, stream, budget, &mut batch);
                    assert_eq!((pulled, batch), (Err(StreamEnded), vec![]), "SUB-5");
                }
            }
            Step::Unsubscribe(number) => {
                if let Some(reader) = self.readers.remove(&party(number)) {
                    self.session.handle_unsubscribe(reader.stream);
                }
            }
            Step::Sent(number) => self.sent(&party(number)),
            Step::Wait(passed) => self.wait(passed),
            Step::Pull { party: number, bytes } => self.pull(&party(number), bytes),
            Step::Fetch { party: number, after, bytes } => {
                self.fetch(&party(number), Millis(after), bytes);
            }
            Step::Acknowledge { party: number, message, success } => {
                self.acknowledge(&party(number), message, success);
            }
            Step::Commit(some) => {
                if !self.held.is_empty() {
                    self.commit(some.index(self.held.len()) + 1);
                }
            }
        }
        self.perform();
        self.compare();
    }

    fn announce(&mut self, members: &[usize], again: bool) {
        if again && let Some(first) = self.events.first() {
            let same = announcement(1, members);
            let expected = match (&same.kind, &same.members) == (&first.kind, &first.members) {
                true => Ok(Announced { again: true }),
                false => Err(AnnounceError::NameTaken),
            };
            assert_eq!(self.session.handle_announce(self.now, same), expected, "EVT-9");
            let announced = self.session.handle_announce(self.now, first.clone());
            assert_eq!(announced, Ok(Announced { again: true }), "EVT-9");
            return;
        }
        let announcement = announcement(self.events.len() + 1, members);
        self.events.push(announcement.clone());
        if !announcement.members.is_empty() {
            self.members = announcement.members.iter().cloned().collect();
        }
        let announced = self.session.handle_announce(self.now, announcement);
        assert_eq!(announced, Ok(Announced { again: false }));
    }

    fn route(&mut self, from: usize, to: &[usize], size: usize) {
        let id = MessageId(self.messages.len() as u128 + 1);
        let from = party(from);
        let to: Vec<_> = to.iter().copied().map(party).collect();
        let route = Route { id, from: from.clone(), to: to.clone(), size: size.max(16), key: None };
        let mut encoded = 0;
        let routed = self.session.handle_route(self.now, route, |header| {
            encoded += 1;
            assert_eq!((header.id, header.broadcast), (id, to.is_empty()), "RTE-3");
            content(id, size)
        });
        assert_eq!(encoded, usize::from(routed.is_ok()), "encoded once, if accepted");
        let recipients: BTreeSet<_> = if to.is_empty() {
            self.members.iter().filter(|member| **member != from).cloned().collect()
        } else {
            to.iter().cloned().collect()
        };
        let announced = self.events.iter().any(|event| event.kind.selects_members());
        let expected = if self.membership && !announced {
            Err(RouteError::NotAnnounced)
        } else if self.membership && self.ended {
            Err(RouteError::Ended)
        } else if self.membership && !self.members.contains(&from) {
            Err(RouteError::SenderNotAMember)
        } else if to.contains(&from) {
            Err(RouteError::ToItself)
        } else if self.membership && to.iter().any(|party| !self.members.contains(party)) {
            Err(RouteError::RecipientNotAMember)
        } else if to.is_empty() && self.members.is_empty() {
            Err(RouteError::NoMembers)
        } else {
            Ok(recipients.len())
        };
        assert_eq!(
            routed.clone().map(|routed| routed.recipients),
            expected,
            "RTE-1 to RTE-3, RTE-6"
        );
        let Ok(Routed { created_at, .. }) = routed else { return };
        let newest = self.messages.last().map_or(created_at, |newest| newest.created_at);
        assert!(created_at >= newest && created_at >= self.now, "ORD-7");
        self.messages.push(Known {
            id,
            from,
            created_at,
            recorded_at: self.session.bound(),
            retries: BTreeMap::new(),
            given_up: BTreeSet::new(),
            states: recipients.into_iter().map(|party| (party, DeliveryState::Pending)).collect(),
        });
    }

    fn pull(&mut self, party: &PartyId, bytes: usize) {
        let Some(Reader { stream, last, again, .. }) = self.readers.get(party) else { return };
        let (stream, last, again) = (*stream, *last, again.clone());
        let mut batch = Vec::new();
        let budget = Budget::bytes(bytes);
        self.session.handle_pull(self.now, stream, budget, &mut batch).expect("it is open");
        let visible = self.visible(party);
        let mut due = visible.clone();
        due.retain(|&at| last.is_none_or(|last| at > last));
        let new = due.len();
        due.extend(again.into_iter().filter(|at| visible.contains(at)));
        let given: Vec<_> = batch.iter().map(|content| self.place(name(content))).collect();
        assert_eq!(given, due[..given.len()], "SUB-1, SUB-2, SUB-4, ORD-1 to ORD-5, ORD-8, RED-1");
        let spent: usize = batch.iter().map(Content::len).sum();
        let before_last = spent - batch.last().map_or(0, Content::len);
        assert!(batch.is_empty() || before_last < bytes, "it stops at the budget");
        assert!(spent >= bytes || given.len() == due.len(), "it stops no earlier");
        let (first, again) = given.split_at(new.min(given.len()));
        let reader = self.readers.get_mut(party).unwrap();
        reader.last = first.last().copied().or(last);
        reader.asleep = given.is_empty();
        reader.sent.extend(&given);
        reader.again.retain(|at| due[new..].contains(at) && !again.contains(at));
        for at in again {
            *self.messages[*at].retries.entry(party.clone()).or_default() += 1;
        }
        self.handed_out(party, first);
    }

    fn fetch(&mut self, party: &PartyId, after: Millis, bytes: usize) {
        let fetched = self.session.handle_fetch(self.now, party, after, Budget::bytes(bytes));
        assert_eq!(fetched.is_ok(), self.admits(party), "SES-7");
        let Ok(fetched) = fetched else { return };
        let given: Vec<_> = fetched.iter().map(|content| self.place(name(content))).collect();
        let visible = self.visible(party);
        assert!(given.is_sorted_by(|a, b| a < b), "PND-1, ORD-6: oldest first, each once");
        assert!(given.iter().all(|at| visible.contains(at)), "PND-1, SUB-4");
        let created_at = |at: &usize| self.messages[*at].created_at;
        assert!(given.iter().all(|at| created_at(at) >= after), "PND-2");
        if let (Some(first), Some(last)) = (given.first(), given.last()) {
            let between: Vec<_> =
                visible.iter().filter(|at| created_at(at) > after && *at <= last).collect();
            let newer: Vec<_> = given.iter().filter(|at| created_at(at) > after).collect();
            assert_eq!(newer, between, "PND-4: the oldest ones, {first} to {last}");
        }
        let size: usize = fetched.iter().map(Content::len).sum();
        let equally_old = given.iter().filter(|at| created_at(at) == after).count();
        // Promised is the limit to callers whose budget has room for a full millisecond and more.
        if bytes >= POLICY.millisecond_bytes + 150 {
            assert!(size <= bytes, "PND-4");
            let newer = visible.iter().any(|at| created_at(at) > after);
            assert!(given.len() > equally_old || !newer, "PND-4: it gets on");
        } else {
            assert!(size <= bytes || given.len() == 1, "PND-4");
        }
        self.handed_out(party, &given);
    }

    fn acknowledge(&mut self, party: &PartyId, which: Index, success: bool) {
        let unknown = MessageId(0);
        let at = which.index(self.messages.len() + 1).checked_sub(1);
        let message = at.map_or(unknown, |at| self.messages[at].id);
        let acknowledge = Acknowledge { message, party: party.clone(), success };
        let acknowledged = self.session.handle_acknowledge(self.now, acknowledge);
        let Some(at) = at else {
            assert_eq!(acknowledged, Err(AcknowledgeError::UnknownMessage), "ACK-5");
            return;
        };
        let wanted = if success { DeliveryState::Acknowledged } else { DeliveryState::Failed };
        let expected = match self.messages[at].states.get_mut(party) {
            None => Err(AcknowledgeError::NotARecipient),
            Some(&mut state) if state.is_terminal() && state != wanted => {
                Err(AcknowledgeError::Contradicts { state })
            }
            Some(state) => {
                let again = *state == wanted;
                *state = wanted;
                Ok(Acknowledged { state: wanted, again })
            }
        };
        assert_eq!(acknowledged, expected, "ACK-1 to ACK-4, ACK-6, ACK-8");
    }

    fn commit(&mut self, records: usize) {
        let committed = self.held.drain(..records).next_back();
        self.session.handle_committed(committed.unwrap());
    }

    fn perform(&mut self) {
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Append { position, record } => {
                    self.follower.handle_record(&record);
                    assert!(self.session.agrees_with(&self.follower), "a record tells everything");
                    if let Record::Delivered { recipient, messages, .. } = record {
                        for message in messages {
                            let first = (recipient.clone(), message);
                            assert!(
                                self.recorded_as_delivered.insert(first),
                                "the first time only"
                            );
                        }
                    }
                    self.held.push_back(position);
                    if self.commits_at_once {
                        self.commit(1);
                    }
                }
                Effect::Wake { stream } => {
                    for reader in self.readers.values_mut() {
                        reader.asleep &= reader.stream != stream;
                    }
                }
                Effect::Superseded { .. } => panic!("nobody subscribed"),
                Effect::Publish { announcement, .. } => {
                    self.published += 1;
                    let expected = format!("e{}", self.published);
                    assert_eq!(announcement.event.as_str(), expected, "EVT-6");
                }
                Effect::Outstanding { party } => {
                    assert!(self.counted.insert(party), "told once");
                }
            }
        }
    }

    /// What is handed out is committed, and for the first time in the order of acceptance.
    fn handed_out(&mut self, party: &PartyId, given: &[usize]) {
        for &at in given {
            let message = &mut self.messages[at];
            assert!(message.recorded_at <= self.session.committed(), "seen before it was safe");
            assert_ne!(message.from, *party, "RTE-3: no echo");
            let state = message.states.get_mut(party).expect("RTE-1: a recipient");
            if *state == DeliveryState::Pending {
                *state = DeliveryState::Delivered;
                self.first_handed_out.entry(party.clone()).or_default().push(at);
            }
        }
    }

    /// Whether `party` may read: as a member, or as somebody who was sent something.
    fn admits(&self, party: &PartyId) -> bool {
        let is_recipient = |known: &Known| known.states.contains_key(party);
        !self.membership || self.members.contains(party) || self.messages.iter().any(is_recipient)
    }

    /// Which messages may be handed to `party`.
    fn visible(&self, party: &PartyId) -> Vec<usize> {
        let outstanding = |known: &Known| {
            known.recorded_at <= self.session.committed()
                && known.states.get(party).is_some_and(|state| !state.is_terminal())
        };
        (0..self.messages.len()).filter(|&at| outstanding(&self.messages[at])).collect()
    }

    fn place(&self, id: MessageId) -> usize {
        self.messages.iter().position(|known| known.id == id).expect("no phantom")
    }

    fn compare(&mut self) {
        self.session.assert_invariants();
        for number in 0..PARTIES {
            let party = party(number);
            let outstanding = self.messages.iter().filter_map(|known| known.states.get(&party));
            let outstanding = outstanding.filter(|state| !state.is_terminal()).count();
            assert!(self.counted.contains(&party) || outstanding == 0, "HB-4");
            // Now and then, so that what becomes of a mailbox in between shows as well.
            if self.now.0 % 3 == 0 {
                assert_eq!(self.session.handle_tally(&party), outstanding, "HB-4");
                if outstanding == 0 {
                    self.counted.remove(&party);
                }
            }
        }
        for known in &self.messages {
            let status = self.session.status(known.id).expect("a status stays");
            let states: BTreeMap<_, _> = status
                .deliveries
                .iter()
                .map(|delivery| {
                    let retries = known.retries.get(&delivery.party).copied();
                    assert_eq!(delivery.retry_count, retries.unwrap_or_default(), "RED-3, PND-6");
                    let delivered = delivery.delivered_at;
                    let acknowledged = delivery.acknowledged_at;
                    match delivery.state {
                        DeliveryState::Pending => {
                            assert_eq!((delivered, acknowledged), (Millis(0), Millis(0)), "STS-2");
                        }
                        DeliveryState::Delivered => {
                            assert!(delivered >= known.created_at, "STS-3");
                            assert_eq!(acknowledged, Millis(0), "STS-3");
                        }
                        DeliveryState::Failed if known.given_up.contains(&delivery.party) => {
                            assert_eq!(acknowledged, Millis(0));
                        }
                        DeliveryState::Acknowledged | DeliveryState::Failed => {
                            assert!(acknowledged >= delivered.max(known.created_at), "STS-4");
                        }
                    }
                    (delivery.party.clone(), delivery.state)
                })
                .collect();
            assert_eq!(states, known.states, "STS-1, STS-5");
            let all = states.values().all(|state| *state == DeliveryState::Acknowledged);
            assert_eq!(status.all_acknowledged(), all, "STS-6");
        }
        for (party, reader) in &self.readers {
            let newest = self.visible(party).last().copied();
            assert!(!reader.asleep || newest <= reader.last, "who sleeps misses nothing");
            let again = reader.again.iter().any(|at| self.visible(party).contains(at));
            assert!(!reader.asleep || !again, "RED-1");
        }
        let (next, due) = (self.session.poll_timeout(), self.next_timeout());
        assert!(due.is_none_or(|due| next.is_some_and(|next| next <= due)), "nothing is late");
        assert_eq!(self.session.members().len(), self.members.len());
    }

    /// Lets everybody read everything: then nothing is left that was not handed out.
    fn drain(&mut self) {
        self.commit_all();
        for number in 0..PARTIES {
            if !self.admits(&party(number)) {
                continue;
            }
            self.take(Step::Subscribe(number));
            let outstanding = self.visible(&party(number));
            while !self.readers[&party(number)].asleep {
                self.take(Step::Pull { party: number, bytes: 100 });
            }
            assert_eq!(self.readers[&party(number)].last, outstanding.last().copied(), "SUB-3");
        }
        for (party, given) in &self.first_handed_out {
            // What was acknowledged unseen was never handed out; all else was, once.
            assert_eq!(BTreeSet::from_iter(given).len(), given.len(), "{party}");
        }
        let states = self.messages.iter().flat_map(|known| known.states.values());
        assert_eq!(states.filter(|state| **state == DeliveryState::Pending).count(), 0);
    }

    fn commit_all(&mut self) {
        while !self.held.is_empty() {
            self.commit(self.held.len());
            self.perform();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_session_is_a_list_of_messages(
        steps in steps(),
        commits_at_once: bool,
        membership: bool,
    ) {
        let mut world = World::new(commits_at_once, membership);
        for step in steps {
            world.take(step);
        }
        world.drain();
    }
}
