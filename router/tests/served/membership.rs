//! Only members take part in a session, from its announcement to its end (SES).

use mpc_router::Config;
use tonic::Code;

use crate::support::*;

#[tokio::test]
async fn only_members_take_part() {
    let served = Served::on_port(Config::default()).await;
    let [mut alice, mut bob, mut carol] = served.parties(["alice", "bob", "carol"]).await;
    let refused = async |alice: &mut Party, to: &[&str]| {
        alice.send("s", to, "x").await.map_err(|status| status.code()).unwrap_err()
    };
    assert_eq!(refused(&mut alice, &["bob"]).await, Code::NotFound, "SES-3");
    assert_eq!(bob.open("s").await.unwrap_err().code(), Code::PermissionDenied, "SES-7");
    assert_eq!(bob.poll("s", 0).await.unwrap_err().code(), Code::PermissionDenied, "SES-7");

    alice.announce("s", &["alice", "bob"]).await;
    assert_eq!(refused(&mut carol, &["bob"]).await, Code::PermissionDenied, "SES-1");
    assert_eq!(refused(&mut alice, &["bob", "carol"]).await, Code::InvalidArgument, "SES-2");
    assert_eq!(bob.poll("s", 0).await.unwrap(), [], "RTE-8");
    let sent = alice.send("s", &["bob"], "x").await.unwrap();
    let mut stream = bob.open("s").await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [&*sent]);

    alice.publish(event("s", "session_started", &["alice", "carol"])).await.unwrap();
    assert_eq!(refused(&mut alice, &["bob"]).await, Code::InvalidArgument, "SES-6");
    alice.publish(event("s", "session_completed", &[])).await.unwrap();
    assert_eq!(refused(&mut alice, &["carol"]).await, Code::FailedPrecondition, "SES-4");
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 1, "SES-5");
    bob.ack("s", &sent).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_at_its_time() {
    let served = Served::over_pipes(Config::default());
    let [mut alice, _bob] = served.parties(["alice", "bob"]).await;
    let now = alice.beat().await.unwrap().server_timestamp;
    let created = event("s", "session_created", &["alice", "bob"]);
    let created = mpc_router_proto::v1::SessionEvent { expires_at: now + 60_000, ..created };
    alice.publish(created).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(59)).await;
    alice.send("s", &["bob"], "x").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let refused = alice.send("s", &["bob"], "x").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "SES-4");
}
