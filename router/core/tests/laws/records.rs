//! What a log may do to a session that is built from it.

use mpc_router_core::*;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::steps::*;

const POLICY: Policy = Policy {
    millisecond_bytes: 1 << 20,
    ack_timeout: 10,
    max_retries: 2,
    message_ttl: 300,
    idle_ttl: 1_000,
    membership: false,
    capacity: Capacity {
        outstanding: Load { deliveries: 1_000, bytes: 1 << 20 },
        messages: 1_000,
        events: 100,
        event_bytes: 1 << 20,
        spare_mailboxes: 0,
    },
};

/// The records that come of `steps` and are kept, with a log that commits at once.
fn records(steps: Vec<Step>) -> Vec<Record> {
    let mut session = Session::new(POLICY);
    let (mut now, mut messages, mut events) = (10, 0, 0);
    let mut records = Vec::new();
    for (number, step) in (1..).zip(steps) {
        match step {
            Step::Clock(passed) => now += passed,
            Step::Announce { members, .. } => {
                events += 1;
                session.handle_announce(Millis(now), announcement(events, &members)).unwrap();
            }
            Step::Route { from, to, size } => {
                let id = MessageId(messages + 1);
                let to = to.into_iter().map(party).collect();
                let route = Route { id, from: party(from), to, size: size.max(16), key: None };
                if session.handle_route(Millis(now), route, &(), |_| content(id, size)).is_ok() {
                    messages += 1;
                }
            }
            Step::Subscribe(number) | Step::Unsubscribe(Seat { party: number, .. }) => {
                let budget = Budget::bytes(100);
                session.handle_fetch(Millis(now), &party(number), Millis(0), budget).unwrap();
            }
            Step::Pull { seat: Seat { party: who, .. }, bytes } => {
                session.handle_subscribe(StreamId(number), party(who)).unwrap();
                let (budget, mut batch) = (Budget::bytes(bytes), Vec::new());
                session.handle_pull(Millis(now), StreamId(number), budget, &mut batch).unwrap();
            }
            Step::Fetch { party: who, after, bytes } => {
                let budget = Budget::bytes(bytes);
                session.handle_fetch(Millis(now), &party(who), Millis(after), budget).unwrap();
            }
            Step::Acknowledge { party: who, message, success } => {
                let message = MessageId(message.index(messages as usize + 1) as u128);
                let acknowledge = Acknowledge { message, party: party(who), success };
                let _ = session.handle_acknowledge(Millis(now), acknowledge);
            }
            Step::Wait(passed) => {
                now += passed;
                session.handle_timeout(Millis(now));
            }
            Step::End => {
                events += 1;
                let end = Announcement {
                    kind: EventKind::parse("session_completed").unwrap(),
                    ..announcement(events, &[])
                };
                session.handle_announce(Millis(now), end).unwrap();
            }
            Step::Sent(Seat { party: who, .. }) => {
                session.handle_subscribe(StreamId(number), party(who)).unwrap();
                for _ in 0..3 {
                    let (budget, mut batch) = (Budget::bytes(200), Vec::new());
                    session.handle_pull(Millis(now), StreamId(number), budget, &mut batch).unwrap();
                    session.handle_sent(Millis(now), StreamId(number));
                    now += POLICY.ack_timeout;
                    session.handle_timeout(Millis(now));
                }
            }
            Step::Attach(_) | Step::Commit(_) => {}
        }
        while let Some(effect) = session.poll_effect() {
            match effect {
                Effect::Append { position, record } => {
                    records.push((position, record));
                    session.handle_committed(position);
                }
                Effect::Forget { through } => records.retain(|(position, record)| {
                    *position > through || matches!(record, Record::Announced { .. })
                }),
                Effect::Discard => records.clear(),
                _ => {}
            }
        }
    }
    let rebuilt = replay_at(records.iter().map(|(position, record)| (*position, record)));
    assert!(rebuilt.agrees_with(&session), "state is what the records add up to");
    records.into_iter().map(|(_, record)| record).collect()
}

fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Session {
    replay_at((1..).map(Position).zip(records))
}

fn replay_at<'a>(records: impl IntoIterator<Item = (Position, &'a Record)>) -> Session {
    let mut session = Session::new(POLICY);
    for (position, record) in records {
        session.handle_record(position, record);
        while session.poll_effect().is_some() {}
    }
    session.assert_invariants();
    session
}

#[test]
fn members_that_a_record_changes_get_the_next_broadcast() {
    let mut session = Session::new(POLICY);
    let broadcast = |session: &mut Session, id| {
        let route = Route { id, from: party(0), to: vec![], size: 16, key: None };
        let recipients = session.handle_route(Millis(1), route, &(), |_| content(id, 16)).unwrap();
        while let Some(effect) = session.poll_effect() {
            if let Effect::Append { position, .. } = effect {
                session.handle_committed(position);
            }
        }
        recipients.recipients
    };
    for (number, members) in [(1, &[0, 1][..]), (2, &[0, 1, 2]), (3, &[1])] {
        let announcement = announcement(number, members).into();
        let position = Position(session.committed().0 + 1);
        session.handle_record(position, &Record::Announced { announcement, at: Millis(1) });
        let others = members.iter().filter(|member| **member != 0).count();
        assert_eq!(broadcast(&mut session, MessageId(number as u128)), others);
    }
}

#[test]
fn a_commit_covers_what_was_appended_and_is_never_taken_back() {
    let mut session = Session::new(POLICY);
    let route = |session: &mut Session, id| {
        let route = Route { id, from: party(0), to: vec![party(1)], size: 16, key: None };
        session.handle_route(Millis(1), route, &(), |_| content(id, 16)).unwrap();
    };
    session.handle_committed(Position(9));
    assert_eq!(session.committed(), Position(0));
    route(&mut session, MessageId(1));
    route(&mut session, MessageId(2));
    session.handle_committed(Position(2));
    session.handle_committed(Position(1));
    assert_eq!(session.committed(), Position(2));
    let fetched = session.handle_fetch(Millis(1), &party(1), Millis(0), Budget::bytes(100));
    assert_eq!(fetched.unwrap().len(), 2);
}

/// Bob can be sent nothing.
struct NoRoomForBob;

impl Room for NoRoomForBob {
    fn has_room(&self, party: &PartyId, mailbox: Option<MailboxIndex>) -> bool {
        assert!(mailbox.is_none_or(|mailbox| mailbox.get() < 2));
        party.as_str() != "p1"
    }
}

#[test]
fn whoever_has_no_room_is_sent_nothing_nor_are_the_others() {
    let mut session = Session::new(POLICY);
    session.handle_announce(Millis(1), announcement(1, &[0, 1, 2])).unwrap();
    for to in [vec![1], vec![2, 1], vec![]] {
        let to: Vec<_> = to.into_iter().map(party).collect();
        for known in [false, true] {
            let id = MessageId(u128::from(known));
            let route = Route { id, from: party(0), to: to.clone(), size: 16, key: None };
            let routed = session.handle_route(Millis(1), route, &NoRoomForBob, |_| unreachable!());
            assert_eq!(routed, Err(RouteError::RecipientFull), "FLW-3, RTE-8");
            // Now everybody has a mailbox.
            let id = MessageId(u128::MAX);
            let route = Route { id, from: party(0), to: vec![], size: 16, key: None };
            let _ = session.handle_route(Millis(1), route, &(), |_| content(id, 16));
        }
    }
    let id = MessageId(9);
    let route = Route { id, from: party(0), to: vec![party(2)], size: 16, key: None };
    session.handle_route(Millis(1), route, &NoRoomForBob, |_| content(id, 16)).unwrap();
}

proptest! {
    #[test]
    fn a_prefix_is_a_session_that_goes_on(steps in steps(), cut: Index) {
        let records = records(steps);
        let (kept, rest) = records.split_at(cut.index(records.len() + 1));
        let mut session = replay(kept);
        let members = session.members().to_vec();
        for (position, record) in (kept.len() as u64 + 1..).map(Position).zip(rest) {
            session.handle_record(position, record);
        }
        prop_assert!(session.agrees_with(&replay(&records)));
        prop_assert_eq!(session.committed(), Position(records.len() as u64));
        let last_binding = records.iter().rposition(Record::is_binding).map_or(0, |at| at + 1);
        prop_assert_eq!(session.bound(), Position(last_binding as u64));
        // And it takes new messages, in order.
        let mut session = replay(kept);
        let to = (0..PARTIES).map(party).collect();
        let id = MessageId(u128::MAX);
        let from = PartyId::parse("somebody else").unwrap();
        let route = Route { id, from, to, size: 16, key: None };
        let routed = session.handle_route(Millis(0), route, &(), |_| content(id, 16)).unwrap();
        prop_assert_eq!(routed.recipients, PARTIES);
        prop_assert_eq!(session.members(), members);
    }

    #[test]
    fn what_is_missing_or_there_twice_breaks_nothing(
        steps in steps(),
        fates in prop::collection::vec(0..4u8, 100),
    ) {
        let records = records(steps);
        let damaged = records.iter().zip(fates.into_iter().cycle()).flat_map(|(record, fate)| {
            let copies = match fate {
                0 => 0,
                1 => 2,
                _ => 1,
            };
            std::iter::repeat_n(record, copies)
        });
        replay(damaged);
    }

    #[test]
    fn what_was_read_before_tells_nothing_new(steps in steps(), cut: Index) {
        let records = records(steps);
        let again = &records[..cut.index(records.len() + 1)];
        prop_assert!(replay(records.iter().chain(again)).agrees_with(&replay(&records)));
    }

    #[test]
    fn a_lost_hand_out_is_a_message_handed_out_once_more(steps in steps()) {
        let records = records(steps);
        let mut binding = replay(records.iter().filter(|record| record.is_binding()));
        let mut whole = replay(&records);
        for number in 0..PARTIES {
            prop_assert_eq!(binding.handle_tally(&party(number)), whole.handle_tally(&party(number)));
        }
        for record in &records {
            let Record::Routed { message, .. } = record else { continue };
            let (binding, whole) = (binding.status(*message).unwrap(), whole.status(*message).unwrap());
            for (fallen, was) in binding.deliveries.iter().zip(&whole.deliveries) {
                // DUR-6.
                let expected = match was.state {
                    DeliveryState::Delivered => DeliveryState::Pending,
                    other => other,
                };
                prop_assert_eq!(fallen.state, expected);
            }
        }
    }
}
