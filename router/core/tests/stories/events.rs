//! Who hears of a session event.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::sync::Arc;

use expect_test::expect;
use mpc_router_core::*;

use crate::check;

#[test]
fn an_event_goes_to_those_it_concerns() {
    check(
        "
        announce e1 session_created alice bob
        bob listens l1
        bob listens l2
        carol listens l3
        dave listens l4 session_started session_failed
        l1 hears
        announce e2 session_created alice bob        # EVT-5, EVT-12
        announce e3 session_started                  # EVT-1: concerns everybody
        announce e4 session_completed
        announce e4 session_completed                # EVT-9
        announce e4 session_failed
        l1 hears
        l2 hears
        l3 hears
        l4 hears
        l1 closes
        l2 closes
        announce e5 session_completed                # EVT-11
        ",
        expect![[r#"
            announce e1 session_created alice bob
                published to 0
            bob listens l1
            bob listens l2
            carol listens l3
            dave listens l4 session_started session_failed
            l1 hears
                e1
            announce e2 session_created alice bob
                published to 1
            announce e3 session_started
                published to 3
            announce e4 session_completed
                published to 2
            announce e4 session_completed
                again
            announce e4 session_failed
                rejected: event_id names another event of this session already: give another, or leave it empty
            l1 hears
                e2 e3 e4
            l2 hears
                e1 e2 e3 e4
            l3 hears
                e3 e4
            l4 hears
                e3
            l1 closes
            l2 closes
            announce e5 session_completed
                published to 1
        "#]],
    );
}

#[test]
fn a_stream_that_lags_is_told() {
    check(
        "
        bob listens l1
        carol listens l2
        announce e1 a
        announce e2 a
        announce e3 a
        l2 hears
        announce e4 a
        l1 hears 12        # as much as it has room for
        announce e5 a
        l1 hears
        l1 hears
        l2 hears
        ",
        expect![[r#"
            bob listens l1
            carol listens l2
            announce e1 a
                published to 2
            announce e2 a
                published to 2
            announce e3 a
                published to 2
            l2 hears
                e1 e2 e3
            announce e4 a
                published to 1
            l1 hears 12
                e1 e2
            announce e5 a
                published to 1
            l1 hears
                e3
            l1 hears
                ended: the event stream lagged too far behind and missed events: subscribe again, and read faster
            l2 hears
                e4 e5
        "#]],
    );
}

#[test]
fn whom_an_event_selects_gets_it_later_too() {
    check(
        "
        announce e1 session_created alice bob until 100
        announce e2 note
        announce e3 note bob
        bob listens l1
        l1 hears                        # EVT-13: nothing that selects nobody
        alice listens l2 note
        l2 hears
        carol listens l3
        l3 hears
        announce e4 session_started carol until 200
        carol listens l4
        l4 hears
        l1 hears
        150 bob listens l5
        l5 hears
        200 bob listens l6              # it has expired
        l6 hears
        announce e5 note bob
        bob listens l7
        l7 hears
        ",
        expect![[r#"
            announce e1 session_created alice bob until 100
                published to 0
            announce e2 note
                published to 0
            announce e3 note bob
                published to 0
            bob listens l1
            l1 hears
                e1 e3
            alice listens l2 note
            l2 hears
                nothing
            carol listens l3
            l3 hears
                nothing
            announce e4 session_started carol until 200
                published to 1
                wakes l3
            carol listens l4
            l4 hears
                e4
            l1 hears
                nothing
            150 bob listens l5
            l5 hears
                e1 e3
            200 bob listens l6
            l6 hears
                nothing
            announce e5 note bob
                published to 1
                wakes l1
                wakes l6
            bob listens l7
            l7 hears
                nothing
        "#]],
    );
}

#[test]
fn what_has_ended_is_not_told_again() {
    check(
        "
        announce e1 session_created alice bob
        announce e2 session_completed alice bob
        bob listens l1
        l1 hears
        announce e3 note bob
        bob listens l2
        l2 hears
        ",
        expect![[r#"
            announce e1 session_created alice bob
                published to 0
            announce e2 session_completed alice bob
                published to 0
            bob listens l1
            l1 hears
                nothing
            announce e3 note bob
                published to 1
                wakes l1
            bob listens l2
            l2 hears
                nothing
        "#]],
    );
}

fn announcement(members: &[&PartyId], bytes: usize) -> Arc<Announcement> {
    Arc::new(Announcement {
        event: EventId::parse("e").unwrap(),
        kind: EventKind::parse("a").unwrap(),
        members: members.iter().map(|&party| party.clone()).collect(),
        expires_at: Millis(0),
        content: Content::new(vec![0; bytes].into()),
    })
}

fn pull(
    events: &mut Events<Announcement>,
    stream: StreamId,
) -> Result<Vec<Arc<Announcement>>, EventStreamError> {
    let mut batch = Vec::new();
    events.handle_pull(stream, Budget::bytes(usize::MAX), &mut batch).map(|()| batch)
}

#[test]
fn a_stream_holds_so_many_bytes_and_any_single_event() {
    let mut events = Events::new(Backlog { events: 10, bytes: 100 });
    let (stream, bob) = (StreamId(1), PartyId::parse("bob").unwrap());
    events.handle_subscribe(Millis(0), stream, bob, []);
    let publish = |events: &mut Events<_>, bytes: usize| {
        let session = SessionId::parse("s").unwrap();
        events.handle_publish(Millis(0), &session, &announcement(&[], bytes), None)
    };
    let pulled = |events: &mut _| pull(events, stream).map(|batch| batch.len());
    assert_eq!(publish(&mut events, 1_000), 1);
    assert_eq!(pulled(&mut events), Ok(1));
    assert_eq!([60, 40].map(|bytes| publish(&mut events, bytes)), [1, 1]);
    assert_eq!(publish(&mut events, 1), 0);
    assert_eq!(pulled(&mut events), Ok(2));
    assert_eq!(pulled(&mut events), Err(EventStreamError::Lagged));
}

#[test]
fn all_who_hear_of_an_event_share_it_however_late_they_are() {
    let mut events = Events::new(Backlog { events: 10, bytes: 100 });
    let [early, late] = ["early", "late"].map(|name| PartyId::parse(name).unwrap());
    let published = announcement(&[&early, &late], 50);
    events.handle_subscribe(Millis(0), StreamId(1), early, []);
    let session = SessionId::parse("s").unwrap();
    events.handle_publish(Millis(0), &session, &published, Some(Millis(0)));
    for stream in [2, 3].map(StreamId) {
        events.handle_subscribe(Millis(0), stream, late.clone(), []);
    }
    for stream in [1, 2, 3].map(StreamId) {
        let heard = pull(&mut events, stream).unwrap();
        assert!(matches!(&*heard, [event] if Arc::ptr_eq(event, &published)), "{heard:?}");
    }
}
