use mpc_router_proto::v1::*;
use tonic::Code;

use crate::support::*;

#[tokio::test]
async fn registering_makes_a_party_known() {
    let served = Served::on_port(open_sessions()).await;
    let mut bob = served.stranger("bob").await;
    assert_eq!(bob.beat().await.unwrap_err().code(), Code::NotFound, "HB-2");
    assert!(bob.list("", false).await.unwrap().is_empty(), "HB-2");
    let nobody = served.stranger("").await.beat().await;
    assert_eq!(nobody.unwrap_err().code(), Code::NotFound, "HB-2");

    let channel = NotificationChannel { email: "b@example.org".into(), ..Default::default() };
    let request = RegisterPartyRequest {
        party_id: "bob".into(),
        party_role: "delegate".into(),
        version: "1.0".into(),
        notification: Some(channel.clone()),
    };
    let first = bob.client.register_party(request).await.unwrap().into_inner();
    assert!(first.success && first.registered_at > 0);
    let listed = bob.list("", false).await.unwrap();
    let [known] = &*listed else { panic!("DIR-1: {listed:?}") };
    assert_eq!((&*known.party_id, &*known.role, known.online), ("bob", "delegate", true));
    assert_eq!(known.notification, Some(channel), "REG-7");
    assert_eq!(known.registered_at, first.registered_at);

    let again = bob.register("delegate").await.unwrap();
    assert_eq!(again.registered_at, first.registered_at, "REG-5");
    assert_eq!(bob.list("", false).await.unwrap()[0].notification, None, "REG-4");
    assert_eq!(bob.register("temporary").await.unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(bob.register("Delegate").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(bob.register("").await.unwrap_err().code(), Code::InvalidArgument);
    let nobody = served.stranger("").await.register("delegate").await;
    assert_eq!(nobody.unwrap_err().code(), Code::InvalidArgument, "REG-2");
}

#[tokio::test]
async fn the_directory_is_filtered() {
    let served = Served::on_port(open_sessions()).await;
    let [mut bob, _] = served.parties(["bob", "carol"]).await;
    served.stranger("dave").await.register("temporary").await.unwrap();
    let names = |parties: Vec<RegisteredParty>| -> Vec<String> {
        parties.into_iter().map(|party| party.party_id).collect()
    };
    assert_eq!(names(bob.list("", false).await.unwrap()), ["bob", "carol", "dave"]);
    assert_eq!(names(bob.list("temporary", true).await.unwrap()), ["dave"], "DIR-6");
    assert!(names(bob.list("delegate", false).await.unwrap()).is_empty(), "DIR-2");
    assert_eq!(bob.list("boss", false).await.unwrap_err().code(), Code::InvalidArgument, "DIR-5");
}

#[tokio::test]
async fn a_heartbeat_counts_what_is_outstanding_in_all_sessions() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    assert_eq!(bob.beat().await.unwrap().pending_messages, 0);
    let first = alice.send("s1", &["bob"], "1").await.unwrap();
    alice.send("s2", &["bob"], "2").await.unwrap();
    alice.send("s2", &["carol"], "3").await.unwrap();
    let beat = bob.beat().await.unwrap();
    assert!(beat.success);
    assert_eq!(beat.pending_messages, 2, "HB-4");
    bob.ack("s1", &first).await.unwrap();
    bob.ack("s1", &first).await.unwrap();
    assert_eq!(bob.beat().await.unwrap().pending_messages, 1, "ACK-10");
    let seen = bob.list("", false).await.unwrap();
    let seen = seen.iter().find(|party| party.party_id == "bob").unwrap();
    assert!(seen.last_seen_at >= beat.server_timestamp, "HB-9");
}

#[tokio::test]
async fn who_is_not_registered_gets_no_messages() {
    let served = Served::on_port(open_sessions()).await;
    let mut alice = served.party("alice").await;
    let mut bob = served.stranger("bob").await;
    alice.send("s", &["bob"], "early").await.unwrap();
    assert_eq!(bob.open("s").await.unwrap_err().code(), Code::NotFound, "SUB-7");
    assert_eq!(bob.poll("s", 0).await.unwrap_err().code(), Code::NotFound, "PND-7");
    assert_eq!(bob.hear(&[]).await.unwrap_err().code(), Code::NotFound, "EVT-10");
    let mut nobody = served.stranger("").await;
    assert_eq!(nobody.open("s").await.unwrap_err().code(), Code::InvalidArgument, "SUB-6");
    assert_eq!(nobody.poll("s", 0).await.unwrap_err().code(), Code::InvalidArgument, "PND-7");
    assert_eq!(nobody.hear(&[]).await.unwrap_err().code(), Code::InvalidArgument, "EVT-10");
    bob.register("temporary").await.unwrap();
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 1, "REG-8");
}
