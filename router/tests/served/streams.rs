use std::time::Duration;

use mpc_router::Router;
use mpc_router_proto::v1::message_router_server::MessageRouter as _;
use mpc_router_proto::v1::*;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tonic::{Code, Request};

use crate::support::*;

#[tokio::test]
async fn headers_arrive_at_once() {
    let served = Served::on_port(open_sessions()).await;
    let mut bob = served.party("bob").await;
    // The client gives a stream back when it has its headers; nothing was sent on either.
    let mut messages = bob.open("s").await.expect("SUB-10");
    let mut events = bob.hear(&[]).await.expect("SUB-10");
    bob.send("s", &["carol"], "for another").await.unwrap();
    let silent = Duration::from_millis(50);
    assert!(tokio::time::timeout(silent, messages.message()).await.is_err(), "SUB-8");
    assert!(tokio::time::timeout(silent, events.message()).await.is_err(), "SUB-8");
}

#[tokio::test]
async fn what_is_outstanding_comes_first_and_then_what_is_new() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut sent = Vec::new();
    for number in 0..5 {
        sent.push(alice.send("s", &["bob"], number.to_string()).await.unwrap());
    }
    let mut stream = bob.open("s").await.unwrap();
    for number in 5..10 {
        sent.push(alice.send("s", &["bob"], number.to_string()).await.unwrap());
    }
    assert_eq!(names(&mut stream, 10).await, sent, "SUB-1, ORD-3");
    bob.ack("s", &sent[0]).await.unwrap();
    bob.ack("s", &sent[7]).await.unwrap();
    drop(stream);
    let mut stream = bob.open("s").await.unwrap();
    sent.remove(7);
    sent.remove(0);
    assert_eq!(names(&mut stream, 8).await, sent, "SUB-3, SUB-4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_falls_between_replay_and_live() {
    const ROUNDS: usize = 10;
    const MESSAGES: usize = 12;
    let served = Served::on_port(open_sessions()).await;
    let [alice, mut bob] = served.parties(["alice", "bob"]).await;
    for round in 0..ROUNDS {
        let session = format!("s{round}");
        let routing = {
            let (mut alice, session) = (alice.clone(), session.clone());
            tokio::spawn(async move {
                let mut sent = Vec::new();
                for _ in 0..MESSAGES {
                    sent.push(alice.send(&session, &["bob"], "x").await.unwrap());
                }
                sent
            })
        };
        let mut stream = bob.open(&session).await.unwrap();
        let received = names(&mut stream, MESSAGES).await;
        assert_eq!(received, routing.await.unwrap(), "SUB-2, ORD-3");
    }
}

/// The same without a connection, so that both sides are about equally fast, and many times over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_falls_between_however_close() {
    const ROUNDS: usize = 300;
    const MESSAGES: usize = 20;
    let (mut replayed, mut came_live) = (0, 0);
    for round in 0..ROUNDS {
        let router = Router::new(open_sessions());
        register(&router, "bob").await;
        let (progress, mut progressed) = watch::channel(0);
        let routing = {
            let router = router.clone();
            tokio::spawn(async move {
                let mut sent = Vec::new();
                for _ in 0..MESSAGES {
                    sent.push(route(&router, "alice", &["bob"], 1).await);
                    progress.send_replace(sent.len());
                    tokio::task::yield_now().await;
                }
                sent
            })
        };
        let request = SubscribeMessagesRequest { session_id: "s".into(), party_id: "bob".into() };
        if round % 2 == 0 {
            progressed.changed().await.unwrap();
        }
        let opened = router.subscribe_messages(Request::new(request)).await.unwrap();
        let before = *progressed.borrow();
        (replayed, came_live) = (replayed + before, came_live + MESSAGES - before);
        let mut stream = opened.into_inner();
        let mut received = Vec::new();
        for _ in 0..MESSAGES {
            let message = within(stream.next()).await.unwrap().unwrap();
            received.push(message.decode().unwrap().message_id);
        }
        assert_eq!(received, routing.await.unwrap(), "SUB-2, ORD-3");
    }
    assert!(replayed > 0 && came_live > 0, "both were there: {replayed}, {came_live}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_arrive_once_and_in_order() {
    const MESSAGES: usize = 5_000;
    let served = Served::on_port(open_sessions()).await;
    let mut bob = served.party("bob").await;
    let mut stream = bob.open("s").await.unwrap();
    let receiving = tokio::spawn(async move { names(&mut stream, MESSAGES).await });
    let mut sent = Vec::new();
    for number in 0..MESSAGES {
        sent.push(route(&served.router, "alice", &["bob"], number % 300).await);
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert!(receiving.await.unwrap() == sent, "ORD-1");
    assert_eq!(bob.beat().await.unwrap().pending_messages as usize, MESSAGES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_are_seen_in_one_order_by_all() {
    const EACH: usize = 60;
    let served = Served::on_port(open_sessions()).await;
    let [alice, mut bob, carol, mut dave] = served.parties(["alice", "bob", "carol", "dave"]).await;
    let mut announcer = alice.clone();
    announcer.announce("s", &["alice", "bob", "carol", "dave"]).await;
    let (mut of_bob, mut of_dave) = (bob.open("s").await.unwrap(), dave.open("s").await.unwrap());
    let sending = [alice, carol].map(|mut sender| {
        tokio::spawn(async move {
            let mut sent = Vec::new();
            for number in 0..EACH {
                let to: &[&str] = if number % 3 == 0 { &["bob", "dave"] } else { &[] };
                let to_both = sender.send("s", to, "x").await.unwrap();
                sent.push(to_both);
            }
            sent
        })
    });
    let (of_bob, of_dave) =
        (names(&mut of_bob, 2 * EACH).await, names(&mut of_dave, 2 * EACH).await);
    assert!(of_bob == of_dave, "ORD-5");
    for sending in sending {
        let sent = sending.await.unwrap();
        let received: Vec<_> = of_bob.iter().filter(|id| sent.contains(id)).collect();
        assert!(received.into_iter().eq(&sent), "ORD-1, ORD-2");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiny_messages_pile_up_for_a_sleeping_reader() {
    const MESSAGES: usize = 1_000;
    let served = Served::on_port(open_sessions()).await;
    let mut bob = served.party("bob").await;
    let mut stream = bob.open("s").await.unwrap();
    let mut sent = Vec::new();
    for _ in 0..MESSAGES {
        sent.push(route(&served.router, "alice", &["bob"], 0).await);
        // Each in a frame of its own, as far as the stream is awake.
        tokio::task::yield_now().await;
    }
    // The connection still works, for other calls and for the stream that nobody read.
    bob.beat().await.unwrap();
    assert!(names(&mut stream, MESSAGES).await == sent);
    bob.beat().await.unwrap();
}

#[tokio::test]
async fn a_stalled_reader_gets_everything_when_it_reads_again() {
    const MESSAGES: usize = 40;
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob, mut carol] = served.parties(["alice", "bob", "carol"]).await;
    let mut stalled = bob.open("s").await.unwrap();
    let mut reading = carol.open("s").await.unwrap();
    let mut sent = Vec::new();
    for _ in 0..MESSAGES {
        sent.push(alice.send("s", &["bob", "carol"], vec![0; 100_000]).await.unwrap());
    }
    assert_eq!(names(&mut reading, MESSAGES).await, sent, "FLW-1");
    // What flow control holds back was not handed out, so it can still be acknowledged away.
    let last = sent.pop().unwrap();
    let status = alice.status("s", &last).await.unwrap();
    let of_bob = status.deliveries.iter().find(|one| one.party_id == "bob").unwrap();
    assert_eq!(of_bob.status, "pending");
    bob.ack("s", &last).await.unwrap();
    let fence = alice.send("s", &["bob"], "fence").await.unwrap();
    sent.push(fence);
    assert_eq!(names(&mut stalled, MESSAGES).await, sent, "FLW-2, ACK-9");
}

#[tokio::test]
async fn a_newer_stream_takes_over() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut older = bob.open("s").await.unwrap();
    let first = alice.send("s", &["bob"], "1").await.unwrap();
    assert_eq!(names(&mut older, 1).await, [&*first]);
    let mut newer = bob.open("s").await.unwrap();
    assert_eq!(end(&mut older).await.code(), Code::Aborted);
    let second = alice.send("s", &["bob"], "2").await.unwrap();
    assert_eq!(names(&mut newer, 2).await, [first, second], "SUB-5");
    drop(older);
    let third = alice.send("s", &["bob"], "3").await.unwrap();
    assert_eq!(names(&mut newer, 1).await, [third], "SUB-5");
}
