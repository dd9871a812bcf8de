//! An empty `session_id` means all of the party's sessions (SUB-9).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mpc_router::{Config, Router};
use mpc_router_proto::v1::message_router_server::MessageRouter as _;
use mpc_router_proto::v1::*;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::StreamExt as _;
use tonic::{Code, Request, Streaming};

use crate::support::*;

const ALL: &str = "";
const SECOND: Duration = Duration::from_secs(1);

/// Nothing comes within some seconds of virtual time.
async fn silent(stream: &mut Streaming<MpcMessage>) {
    let came = timeout(SECOND * 5, stream.message()).await;
    assert!(came.is_err(), "{came:?}");
}

#[tokio::test(start_paused = true)]
async fn sessions_that_begin_later_are_included() {
    let served = Served::over_pipes(open_sessions());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let first = alice.send("first", &["bob"], "1").await.unwrap();
    let mut stream = bob.open(ALL).await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [&*first], "SUB-1");
    let second = alice.send("second", &["bob"], "2").await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [&*second], "SUB-9");
    let more = alice.send("first", &["bob"], "3").await.unwrap();
    let message = next(&mut stream).await;
    assert_eq!((&*message.session_id, &message.message_id), ("first", &more));
    alice.send("third", &["carol"], "for another").await.unwrap();
    bob.send("third", &["alice"], "his own").await.unwrap();
    silent(&mut stream).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_after_a_time_with_nothing() {
    let served = Served::over_pipes(open_sessions());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open(ALL).await.unwrap();
    for round in 0..5 {
        let sent = alice.send("s", &["bob"], "x").await.unwrap();
        assert_eq!(names(&mut stream, 1).await, [&*sent], "{round}");
        bob.ack("s", &sent).await.unwrap();
        assert_eq!(bob.beat().await.unwrap().pending_messages, 0, "HB-4");
        silent(&mut stream).await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_needs_no_admission_and_shows_only_what_is_the_partys_own() {
    let served = Served::over_pipes(Config { membership: true, ..open_sessions() });
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open(ALL).await.unwrap();
    alice.announce("others", &["alice", "carol"]).await;
    alice.send("others", &[], "not for bob").await.unwrap();
    alice.announce("theirs", &["alice", "bob"]).await;
    let sent = alice.send("theirs", &[], "for bob").await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [&*sent]);
    silent(&mut stream).await;
    assert_eq!(bob.poll(ALL, 0).await.unwrap().len(), 1);
    let mut stranger = served.stranger("eve").await;
    assert_eq!(stranger.open(ALL).await.unwrap_err().code(), Code::NotFound, "SUB-7");
    assert_eq!(stranger.poll(ALL, 0).await.unwrap_err().code(), Code::NotFound, "PND-7");
}

#[tokio::test(start_paused = true)]
async fn it_stands_beside_a_sessions_stream() {
    let served = Served::over_pipes(open_sessions());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut of_s = bob.open("s").await.unwrap();
    let mut of_all = bob.open(ALL).await.unwrap();
    let mut sent = Vec::new();
    for _ in 0..20 {
        sent.push(alice.send("s", &["bob"], "x").await.unwrap());
    }
    assert_eq!(names(&mut of_s, 20).await, sent, "SUB-5");
    assert_eq!(names(&mut of_all, 20).await, sent, "SUB-5");
    let mut newer = bob.open("s").await.unwrap();
    assert_eq!(end(&mut of_s).await.code(), Code::Aborted);
    assert_eq!(names(&mut newer, 20).await, sent, "SUB-5");
    drop(newer);
    let last = alice.send("s", &["bob"], "x").await.unwrap();
    assert_eq!(names(&mut of_all, 1).await, [last]);
    silent(&mut of_all).await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_one_takes_over() {
    let served = Served::over_pipes(open_sessions());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let first = alice.send("first", &["bob"], "x").await.unwrap();
    let mut older = bob.open(ALL).await.unwrap();
    assert_eq!(names(&mut older, 1).await, [&*first]);
    let mut newer = bob.open(ALL).await.unwrap();
    assert_eq!(end(&mut older).await.code(), Code::Aborted);
    let second = alice.send("second", &["bob"], "x").await.unwrap();
    assert_eq!(names(&mut newer, 2).await, [first, second], "SUB-3, SUB-5");
    drop(older);
    let third = alice.send("third", &["bob"], "x").await.unwrap();
    assert_eq!(names(&mut newer, 1).await, [third], "SUB-5");
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_message_is_sent_again_and_given_up() {
    let config = Config { ack_timeout: SECOND, max_retries: 3, ..open_sessions() };
    let served = Served::over_pipes(config);
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open(ALL).await.unwrap();
    let sent = alice.send("s", &["bob"], "x").await.unwrap();
    let answered = alice.send("t", &["bob"], "x").await.unwrap();
    let mut first = [next(&mut stream).await, next(&mut stream).await];
    first.sort_by_key(|message| message.message_id != sent);
    bob.ack("t", &answered).await.unwrap();
    let began = Instant::now();
    for retries in 1..=3 {
        assert_eq!(next(&mut stream).await, first[0], "RED-1, RED-6");
        let (took, expected) = (began.elapsed(), SECOND * retries);
        assert!(took >= expected && took < expected + SECOND / 10, "RED-2: {took:?}");
        let status = alice.status("s", &sent).await.unwrap();
        assert_eq!(status.deliveries[0].retry_count, retries as i32, "RED-3");
    }
    silent(&mut stream).await;
    assert_eq!(&*alice.status("s", &sent).await.unwrap().deliveries[0].status, "failed", "RED-4");
}

#[tokio::test(start_paused = true)]
async fn without_it_no_retries_are_used_up() {
    let config = Config { ack_timeout: SECOND, max_retries: 3, ..open_sessions() };
    let served = Served::over_pipes(config);
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open(ALL).await.unwrap();
    let sent = alice.send("s", &["bob"], "x").await.unwrap();
    assert_eq!(names(&mut stream, 2).await, [&*sent, &*sent]);
    drop(stream);
    sleep(SECOND * 100).await;
    let status = alice.status("s", &sent).await.unwrap();
    let delivery = &status.deliveries[0];
    assert_eq!((delivery.retry_count, &*delivery.status), (1, "delivered"), "RED-5");
    let mut stream = bob.open(ALL).await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [sent], "SUB-3");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_it() {
    let served = Served::over_pipes(open_sessions());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let (mut idle, mut busy) = (alice.open(ALL).await.unwrap(), bob.open(ALL).await.unwrap());
    alice.send("s", &["bob"], "x").await.unwrap();
    next(&mut busy).await;
    let serving = served.stop();
    for stream in [&mut idle, &mut busy] {
        assert_eq!(end(stream).await.code(), Code::Unavailable, "DUR-7");
    }
    drop((alice, bob));
    within(serving).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_session_waits_for_another_ones_backlog() {
    let served = Served::over_pipes(open_sessions());
    let mut bob = served.party("bob").await;
    for _ in 0..100 {
        route_in(&served.router, "long", "alice", &["bob"], 10_000).await;
    }
    let short = route_in(&served.router, "short", "alice", &["bob"], 10).await;
    let mut stream = bob.open(ALL).await.unwrap();
    let came = names(&mut stream, 101).await;
    let place = came.iter().position(|name| *name == short).unwrap();
    assert!(place < 10, "after {place} of the other's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions() {
    const SESSIONS: usize = 1_000;
    let served = Served::on_port(open_sessions()).await;
    let mut bob = served.party("bob").await;
    let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let send = async |sent: &mut BTreeMap<String, Vec<String>>| {
        for number in 0..SESSIONS {
            let session = format!("s{number}");
            let message = route_in(&served.router, &session, "alice", &["bob"], 9).await;
            sent.entry(session).or_default().push(message);
        }
    };
    send(&mut sent).await;
    send(&mut sent).await;
    let mut stream = bob.open(ALL).await.unwrap();
    send(&mut sent).await;
    let mut came: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..3 * SESSIONS {
        let message = next(&mut stream).await;
        came.entry(message.session_id).or_default().push(message.message_id);
    }
    assert!(came == sent, "SUB-1, SUB-9, ORD-1");
    assert_eq!(bob.beat().await.unwrap().pending_messages as usize, 3 * SESSIONS, "HB-4");
    assert_eq!(bob.poll(ALL, 0).await.unwrap().len(), 3 * SESSIONS, "PND-1");
}

/// Without a connection, so that both sides are about equally fast, and many times over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_falls_between_however_close() {
    const ROUNDS: usize = 100;
    const MESSAGES: usize = 40;
    for round in 0..ROUNDS {
        let router = Router::new(open_sessions());
        register(&router, "bob").await;
        let routing = {
            let router = router.clone();
            tokio::spawn(async move {
                let mut sent = BTreeSet::new();
                for number in 0..MESSAGES {
                    let session = format!("s{}", number % 13);
                    sent.insert(route_in(&router, &session, "alice", &["bob"], 1).await);
                    tokio::task::yield_now().await;
                }
                sent
            })
        };
        let open = async || {
            let party_id = "bob".to_owned();
            let request = SubscribeMessagesRequest { party_id, ..Default::default() };
            router.subscribe_messages(Request::new(request)).await.unwrap().into_inner()
        };
        let older = open().await;
        for _ in 0..round % 7 {
            tokio::task::yield_now().await;
        }
        let mut stream = open().await;
        drop(older);
        let mut received = BTreeSet::new();
        for _ in 0..MESSAGES {
            let message = within(stream.next()).await.unwrap().unwrap();
            received.insert(message.decode().unwrap().message_id);
        }
        assert_eq!(received, routing.await.unwrap(), "SUB-2, SUB-5");
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_one_millisecond_is_fetched_by_polling_on() {
    const SESSIONS: usize = 7;
    let served = Served::over_pipes(open_sessions());
    let mut bob = served.party("bob").await;
    let mut sent = BTreeSet::new();
    // Virtual time stands still meanwhile.
    for size in [2 << 20, 10, 900_000, 10, 2 << 20, 300_000, 300_000, 2 << 20, 1 << 20] {
        for session in 0..SESSIONS {
            let session = format!("s{session}");
            sent.insert(route_in(&served.router, &session, "alice", &["bob"], size).await);
        }
    }
    let (mut seen, mut after) = (BTreeMap::new(), 0);
    // The client's own limit of 4 MiB checks the size of each answer (PND-4).
    while seen.len() < sent.len() {
        let polled = bob.poll(ALL, after).await.unwrap();
        assert!(polled.is_sorted_by_key(|message| message.created_at), "ORD-6");
        let newest = polled.last().expect("PND-4: there is always something newer").created_at;
        assert!(newest > after, "PND-4: it gets on");
        for message in polled {
            let known = seen.insert(message.message_id.clone(), message.session_id.clone());
            // What was seen is acknowledged now and then, which changes nothing for the others.
            if known.is_none() && seen.len() % 3 == 0 {
                bob.ack(&message.session_id, &message.message_id).await.unwrap();
            }
        }
        after = newest;
    }
    assert_eq!(seen.keys().cloned().collect::<BTreeSet<_>>(), sent, "PND-3");
}

#[tokio::test(start_paused = true)]
async fn a_poll_hands_out_what_it_answers_with_and_nothing_else() {
    let served = Served::over_pipes(open_sessions());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut sent = Vec::new();
    for session in ["a", "b", "a", "c"] {
        sent.push((session, alice.send(session, &["bob"], vec![0; 1_500_000]).await.unwrap()));
        sleep(SECOND).await;
    }
    let polled = bob.poll(ALL, 0).await.unwrap();
    let came: Vec<_> = polled.iter().map(|message| message.message_id.clone()).collect();
    assert_eq!(came, [&*sent[0].1, &*sent[1].1], "PND-1, PND-4: the oldest that fit");
    for (at, (session, message)) in sent.iter().enumerate() {
        let status = alice.status(session, message).await.unwrap();
        let expected = if at < 2 { "delivered" } else { "pending" };
        assert_eq!(status.deliveries[0].status, expected, "PND-5");
        assert_eq!(status.deliveries[0].retry_count, 0, "PND-6");
    }
    assert_eq!(bob.poll(ALL, 0).await.unwrap(), polled, "PND-5");
    bob.ack("a", &sent[0].1).await.unwrap();
    let polled = bob.poll(ALL, 0).await.unwrap();
    assert_eq!(polled.len(), 2);
    assert_eq!(polled[0].message_id, sent[1].1, "PND-8");
    let newest = polled[1].created_at;
    assert_eq!(bob.poll(ALL, newest + 1).await.unwrap()[0].message_id, sent[3].1, "PND-2");
    assert_eq!(bob.beat().await.unwrap().pending_messages, 3, "HB-4");
    assert_eq!(bob.poll("c", 0).await.unwrap().len(), 1, "RTE-10");
}

/// Without a connection, so that polls come in between, and many times over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poller_misses_nothing_however_close() {
    const ROUNDS: usize = 20;
    const MESSAGES: usize = 150;
    for _ in 0..ROUNDS {
        let router = Router::new(open_sessions());
        register(&router, "bob").await;
        let routing = ["a", "b", "c"].map(|sender| {
            let router = router.clone();
            tokio::spawn(async move {
                let mut sent = BTreeSet::new();
                for number in 0..MESSAGES {
                    let session = format!("{sender}{}", number / 3);
                    sent.insert(route_in(&router, &session, sender, &["bob"], 1).await);
                    if number % 8 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                sent
            })
        });
        let (mut seen, mut after_timestamp) = (BTreeSet::new(), 0);
        // The last polls begin when everything is there.
        let mut all_sent = false;
        loop {
            let last =
                std::mem::replace(&mut all_sent, routing.iter().all(JoinHandle::is_finished));
            let (known, before) = (seen.len(), after_timestamp);
            let party_id = "bob".to_owned();
            let request =
                GetPendingMessagesRequest { party_id, after_timestamp, ..Default::default() };
            let polled = router.get_pending_messages(Request::new(request)).await.unwrap();
            for message in polled.into_inner().decode().unwrap().messages {
                after_timestamp = after_timestamp.max(message.created_at);
                seen.insert(message.message_id);
            }
            if last && (seen.len(), after_timestamp) == (known, before) {
                break;
            }
            tokio::task::yield_now().await;
        }
        for routing in routing {
            let sent = routing.await.unwrap();
            assert!(seen.is_superset(&sent), "PND-3: {} of {}", seen.len(), 3 * MESSAGES);
        }
    }
}
