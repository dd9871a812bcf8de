//! Routing to the members of a session, and its events.

use std::collections::BTreeSet;

use bytes::Bytes;
use mpc_router_proto::v1::{RouteMessageRequest, SessionEvent};
use tokio::time::sleep;

use super::super::world::{BEGIN, MIB, QUIET, World, message, names, texts};
use crate::specimen::{Twist, Variant};

pub(super) async fn routing(twist: Twist) {
    let like_it = if twist.is(Variant::PlainNamesOnly) { "s2" } else { "s " };
    let world = World::with(twist, &["a", "b", "b2", "c"]).await;
    world.announce(like_it, &["a", "b"]).await;
    let parties = ["a", "b", "b2", "c"];
    let mut inboxes = parties.map(|party| world.inbox("s", party));

    let sends: [(&[&str], &[&str]); 5] = [
        (&["b"], &["b"]),
        (&["c", "b2"], &["b2", "c"]),
        (&[], &["b", "b2", "c"]),
        (&["c", "c"], &["c"]),
        (&["b"], &["b"]),
    ];
    let mut seen = BTreeSet::new();
    for (round, (to, reached)) in sends.into_iter().enumerate() {
        let sent = RouteMessageRequest {
            round_number: 70_000 - i32::try_from(round).unwrap(),
            message_type: " type ".to_owned(),
            ..message("s", "a", to, vec![255, 0, 128])
        };
        let id = world.send(sent.clone()).await.unwrap();
        assert!(!id.is_empty() && seen.insert(id.clone()));
        for (party, inbox) in parties.iter().zip(&mut inboxes) {
            let got = inbox.fresh().await;
            assert_eq!(got.len(), usize::from(reached.contains(party)), "{party} of {to:?}");
            for message in got {
                assert_eq!(message.message_id, id);
                assert_eq!(message.is_broadcast, to.is_empty());
                assert_eq!(message.session_id, sent.session_id);
                assert_eq!(message.from_party, sent.from_party);
                assert_eq!(message.round_number, sent.round_number);
                assert_eq!(message.message_type, sent.message_type);
                assert_eq!(message.payload, sent.payload);
            }
        }
        let status = world.status("s", &id).await.unwrap();
        let mut entries: Vec<String> =
            status.deliveries.into_iter().map(|entry| entry.party_id).collect();
        entries.sort();
        assert_eq!(entries, reached);
        assert_eq!(status.message_id, id);
    }

    // RTE-4, RTE-9, RTE-10
    for length in [0, 2 * MIB] {
        world.route("s", "a", &["c"], vec![200; length]).await.unwrap();
        let got = inboxes[3].fresh().await;
        assert_eq!(got.len(), 1);
        assert!(got[0].payload == vec![200; length], "{} of {length} bytes", got[0].payload.len());
    }
    assert!(world.route("s", "a", &["c"], vec![200; 2 * MIB + 1]).await.is_err());
    world.route(like_it, "a", &["b"], "elsewhere").await.unwrap();
    assert!(inboxes[1].fresh().await.is_empty());
    assert_eq!(texts(&world.poll(like_it, "b", 0).await.unwrap()), ["elsewhere"]);
}

pub(super) async fn refusing(twist: Twist) {
    let world = World::with(twist.clone(), &["a", "b"]).await;
    world.announce("alone", &["a"]).await;
    for (session, from) in [("", "a"), ("s", "")] {
        let answer = world.route(session, from, &["b"], "text").await;
        assert!(answer.is_err(), "{session:?} from {from:?}");
    }
    let takes_every = twist.is(Variant::TakesEveryRecipient);
    for to in [&["", "b"][..], &["b", "a"]].into_iter().filter(|_| !takes_every) {
        assert!(world.route("s", "a", to, "text").await.is_err(), "to {to:?}");
    }
    if !takes_every && !twist.is(Variant::AnyoneIsRoutedTo) {
        assert!(world.route("s", "a", &["b", "nobody"], "text").await.is_err());
    }
    if !twist.is(Variant::UnannouncedBroadcast) {
        assert!(world.route("never", "a", &[], "text").await.is_err());
    }
    let negative = RouteMessageRequest { round_number: -1, ..message("s", "a", &["b"], "text") };
    assert!(world.send(negative).await.is_err());
    assert_eq!((world.pending("a").await, world.pending("b").await), (0, 0));
    world.route("alone", "a", &[], "text").await.unwrap();

    let nowhere = twist.is(Variant::NoWildcard).then_some(("", "b"));
    for (session, party) in [("s", ""), ("s", "nobody")].into_iter().chain(nowhere) {
        assert!(world.poll(session, party, 0).await.is_err());
        assert!(world.open(session, party).await.is_err());
    }
    for party in ["", "nobody"] {
        assert!(world.listen(party, &[]).await.is_err());
    }
}

fn event(id: &str, event_type: &str, session: &str, selected: &[&str]) -> SessionEvent {
    SessionEvent {
        event_id: id.to_owned(),
        event_type: event_type.to_owned(),
        session_id: session.to_owned(),
        threshold_n: 3,
        threshold_t: 2,
        selected_parties: names(selected),
        ..SessionEvent::default()
    }
}

pub(super) async fn publishing(twist: Twist) {
    let world = World::of(twist.clone()).await;
    for party in ["a", "b", "c"] {
        world.register(party, "persistent", None).await.unwrap();
    }
    let mut all = world.events("a", &[]);
    let mut twin = world.events("a", &[]);
    let mut some = world.events("b", &["session_started"]);
    let mut none = world.events("c", &["session_start"]);
    sleep(QUIET).await;

    let full = SessionEvent {
        join_tokens: [("a".to_owned(), "secret".to_owned())].into(),
        message_hash: Bytes::from_static(b"hash"),
        created_at: 12345,
        expires_at: BEGIN + 3_600_000,
        ..event("given", "session_created", "s", &["b", "a"])
    };
    // EVT-3, EVT-4, EVT-5: one party with two streams.
    let everybody = twist.is(Variant::EventsReachEverybody);
    assert_eq!(world.publish(full.clone()).await, Ok(1));
    assert_eq!(world.publish(event("", "session_started", "s", &["b", "a"])).await, Ok(2));
    assert_eq!(world.publish(event("", "session_started", "t", &[])).await, Ok(2));
    let not_selected = world.publish(event("", "other", "t", &["c"])).await;
    assert_eq!(not_selected, Ok(i32::from(everybody)));
    world.publish(full.clone()).await.unwrap();

    let mut got = all.take().await;
    // EVT-12 is a SHOULD.
    got.retain(|event| !everybody || event.event_type != "other");
    let again = usize::from(twist.is(Variant::NoEventDedupe));
    assert_eq!(got.len(), 3 + again, "EVT-9");
    assert_eq!(got[0], full);
    for filled in &got[1..3] {
        assert!(!filled.event_id.is_empty() && filled.event_id != "given");
        assert!(filled.created_at > 12345);
    }
    assert_eq!([&got[1].session_id, &got[2].session_id], ["s", "t"]);
    assert_eq!(twin.take().await.len(), 3 + again + usize::from(everybody));
    assert_eq!(some.take().await.len(), 2);
    assert_eq!(none.take().await, []);

    // EVT-11
    drop((all, twin));
    sleep(QUIET).await;
    assert_eq!(world.publish(event("", "session_started", "s", &["a", "b"])).await, Ok(1));
}

pub(super) async fn publishing_what_is_wrong(twist: Twist) {
    let world = World::of(twist).await;
    world.register("a", "persistent", None).await.unwrap();
    let mut all = world.events("a", &[]);
    sleep(QUIET).await;
    for wrong in [
        event("", "session_started", "", &["a"]),
        event("", "", "s", &["a"]),
        SessionEvent { threshold_t: 4, ..event("", "x", "s", &["a"]) },
        SessionEvent { threshold_t: -1, ..event("", "x", "s", &["a"]) },
        SessionEvent { threshold_n: -1, threshold_t: -2, ..event("", "x", "s", &["a"]) },
        event("", "x", "s", &["a", "a"]),
    ] {
        assert!(world.publish(wrong).await.is_err());
    }
    assert!(world.publish_this(None).await.is_err());
    assert_eq!(all.take().await, []);
    // It was listening.
    world.publish(event("", "x", "s", &["a"])).await.unwrap();
    assert_eq!(all.take().await.len(), 1);
}
