use std::collections::BTreeSet;

use bytes::Bytes;
use mpc_router::Config;
use mpc_router_proto::v1::*;
use tonic::Code;

use crate::support::*;

#[tokio::test]
async fn a_message_arrives_as_it_was_sent() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob, mut carol] = served.parties(["alice", "bob", "carol"]).await;
    alice.announce("s", &["alice", "bob", "carol"]).await;
    let mut stream = bob.open("s").await.unwrap();
    for payload in [Bytes::new(), Bytes::from_static(&[0, 255, 10]), vec![7; 2 << 20].into()] {
        let id = alice.send("s", &["bob"], payload.clone()).await.unwrap();
        let message = next(&mut stream).await;
        let created_at = message.created_at;
        assert!(created_at > 0);
        let sent = MpcMessage {
            message_id: id,
            session_id: "s".into(),
            from_party: "alice".into(),
            is_broadcast: false,
            round_number: 1,
            message_type: "commitment".into(),
            payload,
            created_at,
        };
        assert!(message == sent, "RTE-4");
    }
    assert!(carol.poll("s", 0).await.unwrap().is_empty(), "RTE-1");
    assert!(alice.poll("s", 0).await.unwrap().is_empty(), "RTE-1");
}

#[tokio::test]
async fn a_broadcast_reaches_everybody_but_its_sender() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob, mut carol] = served.parties(["alice", "bob", "carol"]).await;
    let early = alice.send("s", &[], "x").await.unwrap_err();
    assert_eq!(early.code(), Code::FailedPrecondition);
    assert!(early.message().contains("session_created"), "{early}");
    alice.announce("s", &["alice", "bob", "carol"]).await;
    let id = alice.send("s", &[], "all").await.unwrap();
    for party in [&mut bob, &mut carol] {
        let polled = party.poll("s", 0).await.unwrap();
        assert_eq!(polled.len(), 1);
        assert_eq!((&polled[0].message_id, polled[0].is_broadcast), (&id, true), "RTE-3");
    }
    assert!(alice.poll("s", 0).await.unwrap().is_empty(), "RTE-3");
    let status = alice.status("s", &id).await.unwrap();
    let parties: BTreeSet<_> = status.deliveries.iter().map(|one| &*one.party_id).collect();
    assert_eq!(parties, BTreeSet::from(["bob", "carol"]), "STS-1");
}

#[tokio::test]
async fn what_is_wrong_is_rejected_and_reaches_nobody() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let right = RouteMessageRequest {
        session_id: "s".into(),
        from_party: "alice".into(),
        to_parties: vec!["bob".into()],
        ..Default::default()
    };
    let wrong = [
        RouteMessageRequest { session_id: String::new(), ..right.clone() },
        RouteMessageRequest { from_party: String::new(), ..right.clone() },
        RouteMessageRequest { round_number: -1, ..right.clone() },
        RouteMessageRequest { to_parties: vec!["bob".into(), "alice".into()], ..right.clone() },
        RouteMessageRequest { to_parties: vec!["bob".into(), String::new()], ..right },
    ];
    for request in wrong {
        let rejected = alice.client.route_message(request.clone()).await.unwrap_err();
        assert_eq!(rejected.code(), Code::InvalidArgument, "{request:?}");
    }
    assert!(bob.poll("s", 0).await.unwrap().is_empty(), "RTE-8");
}

#[tokio::test]
async fn a_payload_over_the_limit_leaves_the_connection_working() {
    let config = Config { max_payload: 100_000, ..open_sessions() };
    let served = Served::on_port(config).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = alice.open("other").await.unwrap();
    alice.send("s", &["bob"], vec![1; 100_000]).await.unwrap();
    let rejected = alice.send("s", &["bob"], vec![1; 100_001]).await.unwrap_err();
    assert_eq!(rejected.code(), Code::ResourceExhausted, "RTE-9");
    assert!(rejected.message().contains("100000"), "{rejected}");
    let far_over = alice.send("s", &["bob"], vec![1; 8 << 20]).await;
    assert!(far_over.is_err());
    alice.send("s", &["bob"], "small").await.unwrap();
    bob.send("other", &["alice"], "still there").await.unwrap();
    assert_eq!(next(&mut stream).await.payload, "still there", "the connection goes on working");
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 2, "RTE-8");
}

#[tokio::test]
async fn a_message_names_no_more_than_its_recipients_can_receive() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let request = |names: usize| RouteMessageRequest {
        session_id: "s".into(),
        from_party: "alice".into(),
        to_parties: vec!["bob".into()],
        message_type: "x".repeat(names),
        payload: vec![0; 2 << 20].into(),
        ..Default::default()
    };
    alice.client.route_message(request(60_000)).await.unwrap();
    let rejected = alice.client.route_message(request(64_600)).await.unwrap_err();
    assert_eq!(rejected.code(), Code::ResourceExhausted);
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn sessions_are_kept_apart() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let id = alice.send("one", &["bob"], "1").await.unwrap();
    assert!(bob.poll("two", 0).await.unwrap().is_empty(), "RTE-10");
    assert_eq!(bob.ack("two", &id).await.unwrap_err().code(), Code::NotFound, "ACK-7");
    assert_eq!(bob.status("two", &id).await.unwrap_err().code(), Code::NotFound, "STS-7");
    assert_eq!(bob.poll("one", 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_acknowledgement_is_final() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob, mut carol] = served.parties(["alice", "bob", "carol"]).await;
    let id = alice.send("s", &["bob", "carol"], "x").await.unwrap();
    let status = alice.status("s", &id).await.unwrap();
    assert_eq!((&*status.message_id, &*status.session_id), (&*id, "s"), "STS-9");
    assert!(status.deliveries.iter().all(|one| one.status == "pending" && one.delivered_at == 0));

    bob.poll("s", 0).await.unwrap();
    bob.ack("s", &id).await.unwrap();
    bob.ack("s", &id).await.unwrap();
    let contrary = bob.answer("s", &id, false).await.unwrap_err();
    assert_eq!(contrary.code(), Code::FailedPrecondition, "ACK-4");
    carol.answer("s", &id, false).await.unwrap();
    let status = alice.status("s", &id).await.unwrap();
    let one = |party| status.deliveries.iter().find(|one| one.party_id == party).unwrap();
    assert_eq!(one("bob").status, "acknowledged");
    assert!(one("bob").delivered_at > 0 && one("bob").acknowledged_at >= one("bob").delivered_at);
    assert_eq!((&*one("carol").status, one("carol").delivered_at), ("failed", 0), "ACK-3, ACK-8");
    assert!(!status.all_acknowledged, "STS-6");
    assert!(bob.poll("s", 0).await.unwrap().is_empty(), "SUB-4");
    assert!(carol.poll("s", 0).await.unwrap().is_empty(), "ACK-3");

    assert_eq!(bob.ack("", &id).await.unwrap_err().code(), Code::NotFound, "ACK-7");
    assert_eq!(bob.status("", &id).await.unwrap_err().code(), Code::NotFound, "STS-7");
    let nobody = served.stranger("").await.ack("s", &id).await;
    assert_eq!(nobody.unwrap_err().code(), Code::NotFound, "ACK-6");
    assert_eq!(alice.ack("s", &id).await.unwrap_err().code(), Code::PermissionDenied, "ACK-6");
    for unknown in ["", "m", "00000000-0000-8000-8000-000000000000", &id.to_uppercase()] {
        assert_eq!(bob.ack("s", unknown).await.unwrap_err().code(), Code::NotFound, "ACK-5");
        assert_eq!(bob.status("s", unknown).await.unwrap_err().code(), Code::NotFound, "STS-7");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_contrary_acknowledgements_one_wins() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, bob] = served.parties(["alice", "bob"]).await;
    for _ in 0..20 {
        let id = alice.send("s", &["bob"], "x").await.unwrap();
        let answer = |success| {
            let (mut bob, id) = (bob.clone(), id.clone());
            tokio::spawn(async move { bob.answer("s", &id, success).await.is_ok() })
        };
        let (taken, refused) = (answer(true), answer(false));
        let (taken, refused) = (taken.await.unwrap(), refused.await.unwrap());
        assert!(taken != refused, "ACK-12");
        let status = alice.status("s", &id).await.unwrap();
        let expected = if taken { "acknowledged" } else { "failed" };
        assert_eq!(status.deliveries[0].status, expected, "ACK-12");
    }
}

#[tokio::test]
async fn a_call_made_again_under_its_key_is_one_message() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let call = |to: &[&str], payload: &'static str, key: &str| {
        let mut request = tonic::Request::new(RouteMessageRequest {
            session_id: "s".into(),
            from_party: "alice".into(),
            to_parties: to.iter().map(|&party| party.into()).collect(),
            payload: payload.into(),
            ..Default::default()
        });
        request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
        request
    };
    let first = alice.client.route_message(call(&["bob", "carol"], "x", "k")).await.unwrap();
    let again = alice.client.route_message(call(&["carol", "bob"], "x", "k")).await.unwrap();
    assert_eq!(again.into_inner(), first.into_inner(), "IDM-1");
    let other = alice.client.route_message(call(&["bob", "carol"], "y", "k")).await;
    assert_eq!(other.unwrap_err().code(), Code::AlreadyExists, "IDM-2");
    let other = alice.client.route_message(call(&["bob"], "x", "k")).await;
    assert_eq!(other.unwrap_err().code(), Code::AlreadyExists, "IDM-2");
    for malformed in ["", &"k".repeat(257)] {
        assert!(alice.client.route_message(call(&["bob"], "x", malformed)).await.is_err());
    }
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let mut alice = alice.client.clone();
        let call = call(&["bob"], "z", "l");
        calls
            .spawn(async move { alice.route_message(call).await.unwrap().into_inner().message_id });
    }
    let names: std::collections::BTreeSet<_> = calls.join_all().await.into_iter().collect();
    assert_eq!(names.len(), 1, "IDM-3");
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 2);
}
