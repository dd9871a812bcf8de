use std::collections::BTreeSet;

use mpc_router_proto::v1::*;

use crate::support::*;

#[tokio::test]
async fn a_poll_delivers_until_it_is_acknowledged() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut sent = Vec::new();
    for number in 0..10 {
        sent.push(alice.send("s", &["bob"], number.to_string()).await.unwrap());
    }
    let ids = |polled: &[MpcMessage]| -> Vec<String> {
        polled.iter().map(|message| message.message_id.clone()).collect()
    };
    let polled = bob.poll("s", 0).await.unwrap();
    assert_eq!(ids(&polled), sent, "PND-1");
    assert!(polled.is_sorted_by_key(|message| message.created_at), "ORD-6");
    let status = alice.status("s", &sent[0]).await.unwrap();
    assert_eq!(&*status.deliveries[0].status, "delivered", "PND-5");
    assert_eq!(status.deliveries[0].retry_count, 0, "PND-6");
    bob.ack("s", &sent[3]).await.unwrap();
    let mut left = sent.clone();
    left.remove(3);
    assert_eq!(ids(&bob.poll("s", 0).await.unwrap()), left, "PND-5");
    let newest = polled[9].created_at;
    assert!(bob.poll("s", newest + 1).await.unwrap().is_empty(), "PND-2");
}

#[tokio::test]
async fn a_backlog_is_fetched_by_polling_on() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut sent = BTreeSet::new();
    for size in [2 << 20, 1 << 20, 10, 2 << 20, 10, 10, 1 << 20, 2 << 20, 2 << 20, 5] {
        sent.insert(alice.send("s", &["bob"], vec![3; size]).await.unwrap());
    }
    let (mut seen, mut after) = (BTreeSet::new(), 0);
    // The client's own limit of 4 MiB checks the size of each answer (PND-4).
    while seen.len() < sent.len() {
        let polled = bob.poll("s", after).await.unwrap();
        let newest = polled.last().expect("PND-4: there is always something newer").created_at;
        let new = polled.into_iter().filter(|message| seen.insert(message.message_id.clone()));
        assert!(new.count() > 0, "PND-4: it gets on");
        after = newest;
    }
    assert_eq!(seen, sent, "PND-3");
}

#[tokio::test]
async fn polls_and_streams_agree() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open("s").await.unwrap();
    let first = alice.send("s", &["bob"], "1").await.unwrap();
    let second = alice.send("s", &["bob"], "2").await.unwrap();
    assert_eq!(names(&mut stream, 2).await, [&*first, &*second]);
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 2);
    bob.ack("s", &first).await.unwrap();
    let polled = bob.poll("s", 0).await.unwrap();
    assert_eq!(polled.len(), 1, "PND-8");
    drop(stream);
    let mut stream = bob.open("s").await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [second], "PND-8");
}
