use std::collections::HashMap;

use mpc_router_proto::v1::*;
use tonic::Code;

use crate::support::*;

#[tokio::test]
async fn an_event_arrives_as_it_was_published() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut heard = bob.hear(&[]).await.unwrap();
    let published = SessionEvent {
        event_id: "e1".into(),
        event_type: "session_started".into(),
        session_id: "s".into(),
        threshold_n: 3,
        threshold_t: 2,
        selected_parties: vec!["bob".into(), "alice".into()],
        join_tokens: HashMap::from([("bob".into(), "token".into())]),
        message_hash: vec![1, 2, 3].into(),
        created_at: 17,
        expires_at: 4_000_000_000_000,
    };
    assert_eq!(alice.publish(published.clone()).await.unwrap(), 1);
    assert_eq!(next(&mut heard).await, published, "EVT-3, EVT-4");
    assert_eq!(alice.publish(event("s", "session_progress", &[])).await.unwrap(), 1);
    let filled = next(&mut heard).await;
    assert!(!filled.event_id.is_empty() && filled.created_at > 1_000_000_000_000, "EVT-4");
}

#[tokio::test]
async fn an_event_is_counted_by_party_and_kept_from_others() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob, mut carol] = served.parties(["alice", "bob", "carol"]).await;
    let mut of_bob = [bob.hear(&[]).await.unwrap(), bob.hear(&["session_failed"]).await.unwrap()];
    let mut of_carol = carol.hear(&[]).await.unwrap();
    assert_eq!(alice.announce("s", &["alice", "bob"]).await, 1, "EVT-12");
    let failed = SessionEvent { event_id: "f".into(), ..event("s", "session_failed", &[]) };
    assert_eq!(alice.publish(failed.clone()).await.unwrap(), 2, "EVT-5");
    alice.publish(failed).await.unwrap();
    alice.publish(event("s", "fence", &[])).await.unwrap();
    let kinds = ["session_created", "session_failed", "fence"];
    for kind in kinds {
        assert_eq!(next(&mut of_bob[0]).await.event_type, kind, "EVT-6, EVT-9");
    }
    assert_eq!(next(&mut of_bob[1]).await.event_type, "session_failed", "EVT-2");
    for kind in ["session_failed", "fence"] {
        assert_eq!(next(&mut of_carol).await.event_type, kind, "EVT-12, EVT-9");
    }
}

#[tokio::test]
async fn what_is_wrong_is_rejected_and_heard_by_nobody() {
    let served = Served::on_port(open_sessions()).await;
    let mut alice = served.party("alice").await;
    let mut heard = alice.hear(&[]).await.unwrap();
    let absent = alice.client.publish_session_event(PublishSessionEventRequest { event: None });
    assert_eq!(absent.await.unwrap_err().code(), Code::InvalidArgument, "EVT-7");
    let right = event("s", "session_created", &["alice"]);
    let wrong = [
        SessionEvent { session_id: String::new(), ..right.clone() },
        SessionEvent { event_type: String::new(), ..right.clone() },
        SessionEvent { threshold_t: 3, threshold_n: 2, ..right.clone() },
        SessionEvent { threshold_t: -1, ..right.clone() },
        SessionEvent { threshold_n: -1, threshold_t: -2, ..right.clone() },
        SessionEvent { selected_parties: vec!["bob".into(), "bob".into()], ..right.clone() },
        SessionEvent { selected_parties: vec![String::new()], ..right.clone() },
    ];
    for event in wrong {
        let rejected = alice.publish(event.clone()).await.unwrap_err();
        assert_eq!(rejected.code(), Code::InvalidArgument, "{event:?}");
    }
    alice.publish(SessionEvent { event_id: "right".into(), ..right }).await.unwrap();
    assert_eq!(next(&mut heard).await.event_id, "right");
}

#[tokio::test]
async fn a_cancelled_stream_is_not_counted() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let heard = bob.hear(&[]).await.unwrap();
    assert_eq!(alice.publish(event("s", "probe", &[])).await.unwrap(), 1);
    drop(heard);
    let gone = async { while alice.publish(event("s", "probe", &[])).await.unwrap() > 0 {} };
    within(gone).await;
}

#[tokio::test]
async fn a_lost_connection_is_not_counted() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let heard = bob.hear(&[]).await.unwrap();
    assert_eq!(alice.publish(event("s", "probe", &[])).await.unwrap(), 1);
    drop((heard, bob));
    let gone = async { while alice.publish(event("s", "probe", &[])).await.unwrap() > 0 {} };
    within(gone).await;
}

#[tokio::test]
async fn who_is_selected_hears_it_later_too() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    for (session, kind) in [("s", "session_created"), ("t", "session_created"), ("s", "note")] {
        alice.publish(event(session, kind, &["bob"])).await.unwrap();
    }
    alice.publish(event("t", "session_failed", &["bob"])).await.unwrap();
    alice.publish(event("s", "for all", &[])).await.unwrap();
    let mut heard = bob.hear(&[]).await.unwrap();
    let mut notes = bob.hear(&["note"]).await.unwrap();
    assert_eq!(alice.publish(event("s", "live", &["bob"])).await.unwrap(), 1);
    for kind in ["session_created", "note", "live"] {
        let event = next(&mut heard).await;
        assert_eq!((&*event.session_id, &*event.event_type), ("s", kind), "EVT-13");
    }
    assert_eq!(next(&mut notes).await.event_type, "note", "EVT-13");
}

#[tokio::test]
async fn each_hears_its_own_join_token_at_once_and_later() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob, mut carol, mut dora] =
        served.parties(["alice", "bob", "carol", "dora"]).await;
    let mut heard = bob.hear(&[]).await.unwrap();
    let tokens = [("alice", "of alice"), ("bob", "of bob"), ("carol", "of carol")];
    let selected = ["alice", "bob", "carol", "dora"];
    let created = SessionEvent {
        join_tokens: tokens.map(|(party, token)| (party.to_owned(), token.to_owned())).into(),
        ..event("s", "session_created", &selected)
    };
    assert_eq!(alice.publish(created).await.unwrap(), 1, "EVT-5");
    let own = |event: SessionEvent| {
        assert_eq!(event.selected_parties, selected, "EVT-3");
        event.join_tokens
    };
    let of = |party: &str, token: &str| HashMap::from([(party.to_owned(), token.to_owned())]);
    assert_eq!(own(next(&mut heard).await), of("bob", "of bob"), "SEC-5");
    for (party, expected) in [
        (&mut bob, of("bob", "of bob")),
        (&mut carol, of("carol", "of carol")),
        (&mut dora, HashMap::new()),
    ] {
        let mut twice = [party.hear(&[]).await.unwrap(), party.hear(&[]).await.unwrap()];
        for heard in &mut twice {
            assert_eq!(own(next(heard).await), expected, "EVT-13, SEC-5");
        }
    }
}
