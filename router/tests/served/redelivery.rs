//! What is not answered is sent again, given up, or expires (RED, EXP): on virtual time.

use std::time::Duration;

use mpc_router::Config;
use mpc_router_proto::v1::MessageDeliveryStatus;
use tokio::time::{Instant, sleep, timeout};

use crate::captured::captured;
use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    Config { ack_timeout: SECOND, max_retries: 3, ..open_sessions() }
}

/// What became of a message with one recipient.
async fn delivery(party: &mut Party, message: &str) -> MessageDeliveryStatus {
    let mut status = party.status("s", message).await.unwrap();
    assert_eq!(status.deliveries.len(), 1);
    status.deliveries.remove(0)
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_message_is_sent_again_and_given_up() {
    let (log, subscriber) = captured();
    let _guard = tracing::subscriber::set_default(subscriber);
    let served = Served::over_pipes(config());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open("s").await.unwrap();
    let sent = alice.send("s", &["bob"], "x").await.unwrap();
    let first = next(&mut stream).await;
    let began = Instant::now();
    for retries in 1..=3 {
        let again = next(&mut stream).await;
        assert_eq!(again, first, "RED-1");
        let (took, expected) = (began.elapsed(), SECOND * retries);
        assert!(took >= expected && took < expected + SECOND / 10, "RED-2: {took:?}");
        let status = delivery(&mut alice, &sent).await;
        assert_eq!((status.retry_count, &*status.status), (retries as i32, "delivered"), "RED-3");
    }
    assert!(timeout(SECOND * 10, stream.message()).await.is_err(), "RED-4");
    let status = delivery(&mut alice, &sent).await;
    assert_eq!((status.retry_count, &*status.status), (3, "failed"), "RED-4");
    assert_eq!(bob.beat().await.unwrap().pending_messages, 0);
    assert!(bob.ack("s", &sent).await.is_err(), "ACK-4");
    // Who did not do its part.
    let failed = r#"deliveries failed session="s" given_up=1 expired=0 parties=["bob"]"#;
    assert!(log.text().contains(failed), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn an_answer_ends_it_and_others_get_nothing_again() {
    let served = Served::over_pipes(config());
    let [mut alice, mut bob, mut carol] = served.parties(["alice", "bob", "carol"]).await;
    let (mut bobs, mut carols) = (bob.open("s").await.unwrap(), carol.open("s").await.unwrap());
    let sent = alice.send("s", &["bob", "carol"], "x").await.unwrap();
    let (first, _) = (next(&mut bobs).await, next(&mut carols).await);
    carol.ack("s", &sent).await.unwrap();
    assert_eq!(next(&mut bobs).await, first, "RED-1");
    bob.ack("s", &sent).await.unwrap();
    let (bobs, carols) = (bobs.message(), carols.message());
    let nothing = async {
        tokio::select! {
            copy = bobs => panic!("RED-6: {copy:?}"),
            copy = carols => panic!("RED-7: {copy:?}"),
        }
    };
    assert!(timeout(SECOND * 20, nothing).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn without_a_stream_no_retries_are_used_up() {
    let served = Served::over_pipes(config());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let sent = alice.send("s", &["bob"], "x").await.unwrap();
    let mut stream = bob.open("s").await.unwrap();
    next(&mut stream).await;
    next(&mut stream).await;
    drop(stream);
    sleep(SECOND * 100).await;
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 1);
    sleep(SECOND * 100).await;
    let status = delivery(&mut alice, &sent).await;
    assert_eq!((status.retry_count, &*status.status), (1, "delivered"), "RED-5, PND-6");
    let mut stream = bob.open("s").await.unwrap();
    assert_eq!(next(&mut stream).await.message_id, sent, "SUB-3");
    assert_eq!(delivery(&mut alice, &sent).await.retry_count, 1, "RED-3");
}

/// What flow control holds back is not sent yet (RED-8).
#[tokio::test(start_paused = true)]
async fn a_reader_that_is_stalled_for_long_loses_nothing_by_it() {
    const MESSAGES: usize = 100;
    let served = Served::over_pipes(config());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open("s").await.unwrap();
    let mut sent = Vec::new();
    for _ in 0..MESSAGES {
        sent.push(alice.send("s", &["bob"], vec![0; 50_000]).await.unwrap());
    }
    sleep(SECOND * 100).await;
    // Some have gone on their way, and even their copies are held back.
    let mut delivered = 0;
    for message in &sent {
        let status = delivery(&mut alice, message).await;
        assert_ne!(status.status, "failed");
        delivered += usize::from(status.status == "delivered");
    }
    assert!(delivered > 0 && delivered < MESSAGES, "{delivered}");
    let mut received = Vec::new();
    while received.len() < MESSAGES {
        let message = next(&mut stream).await.message_id;
        bob.ack("s", &message).await.unwrap();
        if !received.contains(&message) {
            received.push(message);
        }
    }
    assert_eq!(received, sent, "ORD-1");
}

#[tokio::test(start_paused = true)]
async fn what_is_outstanding_for_too_long_expires() {
    let day = Duration::from_hours(24);
    let served = Served::over_pipes(Config { message_ttl: day, ..config() });
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let sent = alice.send("s", &["bob"], "x").await.unwrap();
    sleep(day - SECOND).await;
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 1, "EXP-2");
    sleep(SECOND * 2).await;
    assert_eq!(bob.poll("s", 0).await.unwrap(), [], "EXP-1");
    assert_eq!(delivery(&mut alice, &sent).await.status, "failed", "EXP-1");
    assert_eq!(bob.beat().await.unwrap().pending_messages, 0);
}
