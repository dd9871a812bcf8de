//! What is forgotten, and when: messages that are over for long, and sessions.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::collections::BTreeSet;

use expect_test::expect;
use mpc_router_core::*;

use crate::check;

#[test]
fn a_message_is_forgotten_when_it_is_over_for_long() {
    check(
        "
        10 alice routes m1 to bob carol as k
        20 alice routes m2 to bob
        30 bob polls
        40 bob acks m1
        50 carol acks m1
        log                             # nobody needs the content of m1 any more
        10049 wait
        status m1
        11250 wait                      # m2 has expired at 10020
        status m1
        alice routes m1 to bob carol as k
        log
        ",
        expect![[r#"
            10 alice routes m1 to bob carol as k
                accepted at 10 for 2
                counts for bob
                counts for carol
            20 alice routes m2 to bob
                accepted at 20 for 1
            30 bob polls
                m1 m2
            40 bob acks m1
                acknowledged
            50 carol acks m1
                acknowledged
            log
                m1- m2 delivered acknowledged acknowledged
            10049 wait
                next timer at 11300
            status m1
                bob acknowledged, delivered 30, acknowledged 40, retries 0
                carol acknowledged, delivered 0, acknowledged 50, retries 0
                all acknowledged
            11250 wait
                next timer at 21299
            status m1
                rejected: this session has no such message: use the message_id that RouteMessage answered with, and the message's session_id
            alice routes m1 to bob carol as k
                accepted at 11250 for 2
            log
                m2- delivered acknowledged acknowledged given-up m1
        "#]],
    );
}

#[test]
fn an_older_one_that_is_outstanding_keeps_the_rest() {
    check(
        "
        10 alice routes m1 to bob
        20 alice routes m2 to carol
        21 carol acks m2
        9000 bob polls
        10009 wait
        10010 wait
        status m1
        20000 wait
        status m2
        21500 wait
        status m1
        status m2
        log
        restart
        alice routes m3 to bob
        bob polls
        ",
        expect![[r#"
            10 alice routes m1 to bob
                accepted at 10 for 1
                counts for bob
            20 alice routes m2 to carol
                accepted at 20 for 1
                counts for carol
            21 carol acks m2
                acknowledged
            9000 bob polls
                m1
            10009 wait
                next timer at 10010
            10010 wait
                next timer at 21260
            status m1
                bob failed, delivered 9000, acknowledged 0, retries 0
            20000 wait
                next timer at 21260
            status m2
                carol acknowledged, delivered 0, acknowledged 21, retries 0
                all acknowledged
            21500 wait
                no more for bob
                no more for carol
                discards the session
                no timer
            status m1
                rejected: this session has no such message: use the message_id that RouteMessage answered with, and the message's session_id
            status m2
                rejected: this session has no such message: use the message_id that RouteMessage answered with, and the message's session_id
            log
                empty
            restart
            alice routes m3 to bob
                accepted at 21500 for 1
                counts for bob
            bob polls
                m3
        "#]],
    );
}

#[test]
fn nothing_is_forgotten_before_it_is_safe() {
    check(
        "
        10 alice routes m1 to bob
        20 bob acks m1
        log holds
        10000 alice routes m2 to bob
        15000 wait
        log commits
        wait
        status m1
        status m2
        ",
        expect![[r#"
            10 alice routes m1 to bob
                accepted at 10 for 1
                counts for bob
            20 bob acks m1
                acknowledged
            log holds
            10000 alice routes m2 to bob
                accepted at 10000 for 1
            15000 wait
                next timer at 20000
            log commits
            wait
                next timer at 20000
            status m1
                rejected: this session has no such message: use the message_id that RouteMessage answered with, and the message's session_id
            status m2
                bob pending, delivered 0, acknowledged 0, retries 0
        "#]],
    );
}

#[test]
fn a_session_is_discarded_when_it_is_over_for_long() {
    check(
        "
        members only
        1 announce e1 session_started alice bob
        10 alice routes m1 to bob
        20 bob acks m1
        30 announce e2 session_completed
        40 bob subscribes s1
        10029 wait
        11280 wait
        log
        s1 closes                       # as long as somebody listens it stays
        wait
        log
        alice routes m2 to bob
        announce e1 session_started alice bob
        alice routes m2 to bob
        ",
        expect![[r#"
            members only
            1 announce e1 session_started alice bob
                published to 0
            10 alice routes m1 to bob
                accepted at 10 for 1
                counts for bob
            20 bob acks m1
                acknowledged
            30 announce e2 session_completed
                published to 0
            40 bob subscribes s1
            10029 wait
                no timer
            11280 wait
                no timer
            log
                e1 acknowledged e2
            s1 closes
            wait
                no more for bob
                discards the session
                no timer
            log
                empty
            alice routes m2 to bob
                rejected: the session was never announced: first publish a session_created or session_started event with selected_parties
            announce e1 session_started alice bob
                published to 0
            alice routes m2 to bob
                accepted at 11280 for 1
                counts for bob
        "#]],
    );
}

#[test]
fn a_session_without_an_end_is_discarded_when_nothing_happens_in_it() {
    check(
        "
        1 announce e1 session_started alice bob
        100 announce e2 session_started alice bob
        50099 wait
        50100 wait
        announce e3 session_created alice bob until 900000
        909999 wait
        910000 wait
        log
        ",
        expect![[r#"
            1 announce e1 session_started alice bob
                published to 0
            100 announce e2 session_started alice bob
                published to 0
            50099 wait
                next timer at 50100
            50100 wait
                discards the session
                no timer
            announce e3 session_created alice bob until 900000
                published to 0
            909999 wait
                next timer at 910000
            910000 wait
                discards the session
                no timer
            log
                empty
        "#]],
    );
}

/// Takes what comes next on a stream, and acknowledges it. Tells how much that was.
fn read(session: &mut Session, now: Millis, stream: StreamId, party: &PartyId) -> usize {
    let mut batch = Vec::new();
    session.handle_pull(now, stream, Budget::bytes(1_000), &mut batch).unwrap();
    for content in &batch {
        let name = content.as_bytes().as_ref().try_into().unwrap();
        let message = MessageId(u128::from_be_bytes(name));
        let acknowledge = Acknowledge { message, party: party.clone(), success: true };
        session.handle_acknowledge(now, acknowledge).unwrap();
    }
    batch.len()
}

#[test]
fn a_session_that_goes_on_keeps_nothing_of_those_who_are_over_for_long() {
    const ROUNDS: usize = 3_000;
    let party = |name: String| PartyId::parse(&name).unwrap();
    let policy = Policy { message_ttl: 1_000, membership: false, ..Policy::default() };
    let mut session = Session::new(policy);
    // One gets something now and then, on a stream of the session; the other one on one of all.
    let [seldom, roaming] = ["seldom", "roaming"].map(|name| party(name.into()));
    let (of_seldom, of_roaming) = (StreamId(1), StreamId(2));
    let announcement = Announcement {
        event: EventId::parse("e").unwrap(),
        kind: EventKind::parse("session_created").unwrap(),
        members: [party("alice".into()), seldom.clone(), roaming.clone()].into(),
        expires_at: Millis(0),
        content: Content::from("e"),
    };
    session.handle_announce(Millis(0), announcement).unwrap();
    session.handle_subscribe(of_seldom, seldom.clone()).unwrap();
    assert_eq!(session.handle_pull(Millis(0), of_seldom, Budget::bytes(1), &mut vec![]), Ok(()));
    let (mut counted, mut loads, mut most) = (BTreeSet::new(), BTreeSet::new(), 0);
    let (mut wakes, mut heard, mut renumbered) = (0, 0, 0);
    for round in 0..ROUNDS {
        let now = Millis(100 * round as i64);
        session.handle_timeout(now);
        // Some messages are for all members.
        let (id, is_broadcast) = (MessageId(round as u128 + 1), round % 500 == 499);
        let (from, to) = if is_broadcast {
            (party("alice".into()), vec![])
        } else {
            (party(format!("from{round}")), vec![party(format!("p{round}"))])
        };
        let route = Route { id, from, to: to.clone(), size: 16, key: None };
        let content = |header: &Header| Content::new(header.id.0.to_be_bytes().to_vec().into());
        session.handle_route(now, route, &(), content).unwrap();
        for party in to {
            let acknowledge = Acknowledge { message: id, party, success: true };
            session.handle_acknowledge(now, acknowledge).unwrap();
        }
        let mut is_done = false;
        while !is_done {
            is_done = true;
            while let Some(effect) = session.poll_effect() {
                is_done = false;
                match effect {
                    Effect::Append { position, .. } => session.handle_committed(position),
                    Effect::Outstanding { party } => {
                        if party == roaming {
                            assert!(session.handle_attach(of_roaming, &party), "SUB-9");
                        }
                        assert!(counted.insert(party), "told once");
                    }
                    Effect::Settled { party } => assert!(counted.remove(&party), "it was counted"),
                    Effect::Wake { stream } if stream == of_seldom => {
                        wakes += 1;
                        heard += read(&mut session, now, stream, &seldom);
                        assert_eq!(read(&mut session, now, stream, &seldom), 0);
                    }
                    Effect::Wake { stream } => heard += read(&mut session, now, stream, &roaming),
                    _ => {}
                }
            }
        }
        renumbered += usize::from(session.poll_renumbered());
        session.handle_loads(|mailbox, party, load| {
            most = most.max(mailbox.get());
            match load.deliveries {
                0 => loads.remove(party),
                _ => loads.insert(party.clone()),
            };
        });
        session.assert_invariants();
        assert_eq!(loads, BTreeSet::new(), "all of it is answered");
    }
    assert_eq!((wakes, heard), (ROUNDS / 500, 2 * ROUNDS / 500), "SUB-8, SUB-9");
    assert!(most < 150 && counted.len() < 150, "{most} mailboxes, {} counted", counted.len());
    assert!((10..ROUNDS / 50).contains(&renumbered), "{renumbered} times, not each time");
}
