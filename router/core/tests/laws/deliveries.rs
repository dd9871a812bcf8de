//! A session against a model of it: a plain list of messages with a state for each recipient, looked
//! through from end to end each time. The log commits when it likes.

mod log;
mod reading;
mod time;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mpc_router_core::*;
use proptest::prelude::*;
use proptest::sample::Index;

use self::reading::Reader;
use self::time::Timer;
use crate::steps::*;

const POLICY: Policy = Policy {
    millisecond_bytes: 100,
    ack_timeout: 20,
    max_retries: 2,
    message_ttl: 200,
    idle_ttl: 1_000,
    membership: false,
    capacity: Capacity {
        outstanding: Load { deliveries: 30, bytes: 1_500 },
        messages: 40,
        events: 6,
        event_bytes: 1 << 20,
        spare_mailboxes: 0,
    },
};

#[derive(Debug)]
struct Known {
    id: MessageId,
    bytes: usize,
    from: PartyId,
    created_at: Millis,
    recorded_at: Position,
    states: BTreeMap<PartyId, DeliveryState>,
    retries: BTreeMap<PartyId, u32>,
    given_up: BTreeSet<PartyId>,
    /// When the last delivery of it became terminal, if all are.
    closed_at: Millis,
    forgotten: bool,
}

impl Known {
    fn is_open(&self) -> bool {
        self.states.values().any(|state| !state.is_terminal())
    }
}

struct World {
    now: Millis,
    membership: bool,
    session: Session,
    /// What the log keeps.
    log: BTreeMap<Position, Record>,
    /// The same session, as the log tells it.
    follower: Session,
    held: VecDeque<Position>,
    commits_at_once: bool,
    messages: Vec<Known>,
    members: BTreeSet<PartyId>,
    /// Who was ever sent something.
    recipients: BTreeSet<PartyId>,
    /// How many messages were accepted since the session was discarded last.
    routed_since_discarded: usize,
    ended_at: Option<Millis>,
    /// When a message or an event was accepted last.
    touched_at: Millis,
    events: Vec<Announcement>,
    /// How many events there were before the session was discarded last.
    discarded_events: usize,
    readers: BTreeMap<Seat, Reader>,
    /// Streams of all sessions that the session is about to let go.
    detached: BTreeSet<StreamId>,
    streams: u64,
    timers: VecDeque<Timer>,
    /// When the last timer is due.
    last_due: Millis,
    first_handed_out: BTreeMap<PartyId, Vec<usize>>,
    published: usize,
    /// What the session said that is outstanding, by party.
    loads: BTreeMap<PartyId, Load>,
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
            log: BTreeMap::new(),
            follower: Session::new(policy),
            held: VecDeque::new(),
            commits_at_once,
            messages: Vec::new(),
            members: BTreeSet::new(),
            recipients: BTreeSet::new(),
            routed_since_discarded: 0,
            ended_at: None,
            touched_at: Millis(0),
            events: Vec::new(),
            discarded_events: 0,
            readers: BTreeMap::new(),
            detached: BTreeSet::new(),
            streams: 0,
            timers: VecDeque::new(),
            last_due: Millis(0),
            first_handed_out: BTreeMap::new(),
            published: 0,
            loads: BTreeMap::new(),
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
                let is_full = self.events.len() >= POLICY.capacity.events;
                let end = Announcement {
                    event: self.next_event(),
                    kind: EventKind::parse("session_completed").unwrap(),
                    ..announcement(0, &[])
                };
                let announced = self.session.handle_announce(self.now, end.clone());
                if is_full && self.ended_at.is_some() {
                    assert_eq!(announced, Err(AnnounceError::TooMany), "FLW-3");
                    return;
                }
                self.events.push(end);
                assert_eq!(announced, Ok(Announced { again: false }));
                self.ended_at = self.ended_at.or(Some(self.now));
                self.touched_at = self.touched_at.max(self.now);
            }
            Step::Subscribe(number) => self.subscribe(number),
            Step::Attach(number) => self.attach(number),
            Step::Unsubscribe(seat) => {
                if let Some(stream) = self.close(seat) {
                    self.session.handle_unsubscribe(stream);
                }
            }
            Step::Sent(seat) => self.sent(seat),
            Step::Wait(passed) => self.wait(passed),
            Step::Pull { seat, bytes } => self.pull(seat, bytes),
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
            let same = announcement(self.discarded_events + 1, members);
            let expected = match (&same.kind, &same.members) == (&first.kind, &first.members) {
                true => Ok(Announced { again: true }),
                false => Err(AnnounceError::NameTaken),
            };
            assert_eq!(self.session.handle_announce(self.now, same), expected, "EVT-9");
            let announced = self.session.handle_announce(self.now, first.clone());
            assert_eq!(announced, Ok(Announced { again: true }), "EVT-9");
            return;
        }
        let announcement = Announcement { event: self.next_event(), ..announcement(0, members) };
        if self.events.len() >= POLICY.capacity.events {
            let refused = self.session.handle_announce(self.now, announcement);
            assert_eq!(refused, Err(AnnounceError::TooMany), "FLW-3");
            return;
        }
        self.events.push(announcement.clone());
        self.touched_at = self.touched_at.max(self.now);
        if !announcement.members.is_empty() {
            self.members = announcement.members.iter().cloned().collect();
        }
        let announced = self.session.handle_announce(self.now, announcement);
        assert_eq!(announced, Ok(Announced { again: false }));
    }

    /// What is outstanding.
    fn load(&self) -> Load {
        let states = self.messages.iter().flat_map(|known| known.states.values());
        let deliveries = states.filter(|state| !state.is_terminal()).count();
        let open = self.messages.iter().filter(|known| known.is_open());
        Load { deliveries, bytes: open.map(|known| known.bytes).sum() }
    }

    fn has_room(&self) -> bool {
        let Capacity { outstanding, messages, .. } = POLICY.capacity;
        let kept = self.messages.iter().filter(|known| !known.forgotten).count();
        self.load().is_below(outstanding) && kept < messages
    }

    fn next_event(&self) -> EventId {
        let number = self.discarded_events + self.events.len() + 1;
        EventId::parse(&format!("e{number}")).unwrap()
    }

    fn route(&mut self, from: usize, to: &[usize], size: usize) {
        let id = MessageId(self.messages.len() as u128 + 1);
        let from = party(from);
        let to: Vec<_> = to.iter().copied().map(party).collect();
        let route = Route { id, from: from.clone(), to: to.clone(), size: size.max(16), key: None };
        let mut encoded = 0;
        let routed = self.session.handle_route(self.now, route, &(), |header| {
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
        } else if self.membership && self.ended_at.is_some() {
            Err(RouteError::Ended)
        } else if self.membership && !self.members.contains(&from) {
            Err(RouteError::SenderNotAMember)
        } else if to.contains(&from) {
            Err(RouteError::ToItself)
        } else if self.membership && to.iter().any(|party| !self.members.contains(party)) {
            Err(RouteError::RecipientNotAMember)
        } else if to.is_empty() && self.members.is_empty() {
            Err(RouteError::NoMembers)
        } else if !self.has_room() {
            Err(RouteError::SessionFull)
        } else {
            Ok(recipients.len())
        };
        assert_eq!(
            routed.clone().map(|routed| routed.recipients),
            expected,
            "RTE-1 to RTE-3, RTE-6"
        );
        let Ok(Routed { created_at, .. }) = routed else { return };
        self.touched_at = self.touched_at.max(created_at);
        let newest = self.messages.last().map_or(created_at, |newest| newest.created_at);
        assert!(created_at >= newest && created_at >= self.now, "ORD-7");
        self.recipients.extend(recipients.iter().cloned());
        self.routed_since_discarded += 1;
        self.messages.push(Known {
            id,
            bytes: size.max(16),
            from,
            created_at,
            recorded_at: self.session.bound(),
            retries: BTreeMap::new(),
            given_up: BTreeSet::new(),
            closed_at: created_at,
            forgotten: false,
            states: recipients.into_iter().map(|party| (party, DeliveryState::Pending)).collect(),
        });
    }

    fn acknowledge(&mut self, party: &PartyId, which: Index, success: bool) {
        let unknown = MessageId(0);
        let at = which.index(self.messages.len() + 1).checked_sub(1);
        let at = at.filter(|at| !self.messages[*at].forgotten);
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
        if let Ok(Acknowledged { again: false, .. }) = acknowledged {
            let status = self.session.status(message).unwrap();
            let answered = status.deliveries.iter().find(|delivery| delivery.party == *party);
            let known = &mut self.messages[at];
            known.closed_at = known.closed_at.max(answered.unwrap().acknowledged_at);
        }
    }

    fn place(&self, id: MessageId) -> usize {
        self.messages.iter().position(|known| known.id == id).expect("no phantom")
    }

    fn compare(&mut self) {
        self.session.assert_invariants();
        assert_eq!(self.session.load(), self.load());
        let loads = &mut self.loads;
        self.session.handle_loads(|_, party, load| {
            loads.insert(party.clone(), load);
        });
        for number in 0..PARTIES {
            let party = party(number);
            let outstanding = self.messages.iter().filter_map(|known| known.states.get(&party));
            let outstanding = outstanding.filter(|state| !state.is_terminal()).count();
            let told = self.loads.get(&party).map_or(0, |load| load.deliveries);
            assert_eq!(told, outstanding, "whose load changes is told of");
            assert!(self.counted.contains(&party) || outstanding == 0, "HB-4");
            // Now and then, so that what becomes of a mailbox in between shows as well.
            if self.now.0 % 3 == 0 {
                assert_eq!(self.session.handle_tally(&party), outstanding, "HB-4");
                if outstanding == 0 {
                    self.counted.remove(&party);
                    let detached = self.close(Seat { party: number, wildcard: true });
                    let detached = detached.map(|stream| Effect::Detached { stream });
                    assert_eq!(self.session.poll_effect(), detached);
                }
            }
        }
        for known in &self.messages {
            let status = self.session.status(known.id);
            assert_eq!(status.is_err(), known.forgotten, "a status stays for its time");
            let Ok(status) = status else { continue };
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
        for (seat, reader) in &self.readers {
            let visible = self.visible(&party(seat.party));
            let newest = visible.last().copied();
            assert!(!reader.asleep || newest <= reader.last, "who sleeps misses nothing");
            let again = reader.again.iter().any(|(at, _)| visible.contains(at));
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
            self.take(Step::Attach(number));
            let outstanding = self.visible(&party(number)).last().copied();
            for wildcard in [true, false] {
                let seat = Seat { party: number, wildcard };
                while self.readers.get(&seat).is_some_and(|reader| !reader.asleep) {
                    self.take(Step::Pull { seat, bytes: 100 });
                }
                let last = self.readers.get(&seat).map(|reader| reader.last);
                assert!(last.is_none_or(|last| last == outstanding), "SUB-3, SUB-5");
                assert!(last.is_some() || wildcard && outstanding.is_none(), "SUB-9");
            }
        }
        for (party, given) in &self.first_handed_out {
            // What was acknowledged unseen was never handed out; all else was, once.
            assert_eq!(BTreeSet::from_iter(given).len(), given.len(), "{party}");
        }
        let states = self.messages.iter().flat_map(|known| known.states.values());
        assert_eq!(states.filter(|state| **state == DeliveryState::Pending).count(), 0);
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
