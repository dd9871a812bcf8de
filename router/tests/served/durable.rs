//! With a store: what one run of the router accepted, the next one has.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mpc_router::log::Log;
use mpc_router::store::Store;
use mpc_router::{Config, Router};
use mpc_router_proto::v1::message_router_server::MessageRouter as _;
use mpc_router_proto::v1::*;
use tonic::Code;

use crate::support::*;

/// A router over the store in a folder.
struct Run {
    store: Arc<Store>,
    served: Served,
}

impl Run {
    fn on(folder: &Path, config: Config) -> Self {
        let store = Arc::new(Store::open(folder).unwrap());
        let log: Arc<dyn Log> = Arc::<Store>::clone(&store);
        Self { store, served: Served::piping(Router::with_log(config, log).unwrap()) }
    }

    /// An orderly stop.
    async fn stop(self) {
        within(self.served.stop()).await.unwrap();
        self.store.close();
    }

    async fn party(&self, name: &str) -> Party {
        self.served.stranger(name).await
    }
}

fn states(status: &GetMessageStatusResponse) -> Vec<(&str, &str)> {
    let mut states: Vec<_> =
        status.deliveries.iter().map(|it| (&*it.party_id, &*it.status)).collect();
    states.sort_unstable();
    states
}

fn payloads(messages: &[MpcMessage]) -> Vec<&[u8]> {
    messages.iter().map(|message| &*message.payload).collect()
}

#[tokio::test]
async fn a_restart_keeps_what_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::on(folder.path(), Config::default());
    let [mut alice, mut bob] = run.served.parties(["alice", "bob"]).await;
    let mut carol = run.party("carol").await;
    carol.register("delegate").await.unwrap();
    alice.announce("s", &["alice", "bob", "carol"]).await;
    let first = alice.send("s", &[], "first").await.unwrap();
    let second = alice.send("s", &["bob"], "second").await.unwrap();
    let refused = alice.send("s", &["carol"], "refused").await.unwrap();
    let third = alice.send("s", &["bob"], "third").await.unwrap();
    bob.ack("s", &second).await.unwrap();
    carol.answer("s", &refused, false).await.unwrap();
    let polled = bob.poll("s", 0).await.unwrap();
    let before = run.served.router.clone();
    let beat = bob.beat().await.unwrap();
    run.stop().await;
    drop(before);

    let run = Run::on(folder.path(), Config::default());
    let [mut alice, mut bob, mut carol] =
        [run.party("alice").await, run.party("bob").await, run.party("carol").await];
    let listed = bob.list("", false).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|it| (&*it.party_id, &*it.role)).collect();
    let expected = [("alice", "persistent"), ("bob", "persistent"), ("carol", "delegate")];
    assert_eq!(listed, expected, "DUR-3");
    let again = bob.beat().await.unwrap();
    assert!(again.server_timestamp >= beat.server_timestamp, "HB-3");
    assert_eq!(again.pending_messages, 2, "HB-4");

    let status = alice.status("s", &first).await.unwrap();
    assert_eq!(states(&status), [("bob", "delivered"), ("carol", "pending")], "DUR-1");
    let status = alice.status("s", &second).await.unwrap();
    assert_eq!(states(&status), [("bob", "acknowledged")], "DUR-6");
    let status = alice.status("s", &refused).await.unwrap();
    assert_eq!(states(&status), [("carol", "failed")], "DUR-6");
    let contrary = bob.answer("s", &second, false).await.unwrap_err();
    assert_eq!(contrary.code(), Code::FailedPrecondition, "ACK-4");

    let fourth = alice.send("s", &[], "fourth").await.unwrap();
    assert!(![&first, &second, &refused, &third].contains(&&fourth), "DUR-5");
    let mut stream = bob.open("s").await.unwrap();
    assert_eq!(names(&mut stream, 3).await, [&*first, &*third, &*fourth], "DUR-1, DUR-4");
    let all = bob.poll("s", 0).await.unwrap();
    assert_eq!(all[..2], polled, "what is delivered again is what was delivered");
    assert!(all.is_sorted_by_key(|message| message.created_at), "ORD-7");
    let polled = carol.poll("", 0).await.unwrap();
    assert_eq!(payloads(&polled), [&b"first"[..], b"fourth"], "SUB-9");
    run.stop().await;
}

#[tokio::test]
async fn membership_survives() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::on(folder.path(), Config::default());
    let [mut alice, mut bob] = run.served.parties(["alice", "bob"]).await;
    run.served.party("carol").await;
    for session in ["open", "ended"] {
        alice.announce(session, &["alice", "bob"]).await;
        alice.send(session, &["bob"], "x").await.unwrap();
    }
    alice.publish(event("ended", "session_completed", &[])).await.unwrap();
    run.stop().await;

    let run = Run::on(folder.path(), Config::default());
    let [mut alice, mut carol] = [run.party("alice").await, run.party("carol").await];
    bob.client = run.party("bob").await.client;
    alice.send("open", &["bob"], "y").await.unwrap();
    let stranger = carol.send("open", &["bob"], "z").await.unwrap_err();
    assert_eq!(stranger.code(), Code::PermissionDenied, "SES-1");
    let ended = alice.send("ended", &["bob"], "y").await.unwrap_err();
    assert_eq!(ended.code(), Code::FailedPrecondition, "SES-4");
    assert_eq!(bob.poll("ended", 0).await.unwrap().len(), 1, "SES-5");
    run.stop().await;
}

#[tokio::test]
async fn late_subscribers_get_the_events_of_an_earlier_run_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::on(folder.path(), Config::default());
    let mut alice = run.served.party("alice").await;
    run.served.party("bob").await;
    for (session, kind) in [
        ("z", "session_created"),
        ("m", "session_created"),
        ("a", "session_created"),
        ("m", "session_completed"),
        ("z", "session_started"),
    ] {
        alice.publish(event(session, kind, &["alice", "bob"])).await.unwrap();
        // Each in a millisecond of its own, which is all that a restart has to go by.
        let at = alice.beat().await.unwrap().server_timestamp;
        while alice.beat().await.unwrap().server_timestamp == at {}
    }
    run.stop().await;

    let run = Run::on(folder.path(), Config::default());
    let [mut alice, mut bob] = [run.party("alice").await, run.party("bob").await];
    let mut heard = bob.hear(&[]).await.unwrap();
    for expected in ["z session_created", "a session_created", "z session_started"] {
        let event = next(&mut heard).await;
        assert_eq!(format!("{} {}", event.session_id, event.event_type), expected, "EVT-13");
    }
    assert_eq!(alice.announce("new", &["bob"]).await, 1);
    assert_eq!(next(&mut heard).await.session_id, "new");
    run.stop().await;
}

#[tokio::test]
async fn a_call_may_be_made_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let call = |mut alice: Party, payload: &'static str| async move {
        let mut request = tonic::Request::new(RouteMessageRequest {
            session_id: "s".into(),
            from_party: "alice".into(),
            to_parties: vec!["bob".into()],
            payload: payload.into(),
            ..Default::default()
        });
        request.metadata_mut().insert("idempotency-key", "k".parse().unwrap());
        within(alice.client.route_message(request)).await.map(|it| it.into_inner().message_id)
    };
    let run = Run::on(folder.path(), open_sessions());
    let [alice, _] = run.served.parties(["alice", "bob"]).await;
    let first = call(alice, "x").await.unwrap();
    run.stop().await;

    let run = Run::on(folder.path(), open_sessions());
    let (alice, mut bob) = (run.party("alice").await, run.party("bob").await);
    assert_eq!(call(alice.clone(), "x").await.unwrap(), first, "IDM-3");
    let other = call(alice, "y").await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists, "IDM-2");
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 1);
    run.stop().await;
}

#[tokio::test]
async fn a_reply_is_as_good_as_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let run = Run::on(&data, open_sessions());
    let [mut alice, mut bob] = run.served.parties(["alice", "bob"]).await;
    for number in 0..20 {
        let message = alice.send("s", &["bob"], vec![number; 9]).await.unwrap();
        if number % 3 == 0 {
            bob.ack("s", &message).await.unwrap();
        }
        // What the disk has at this moment is what a crash would leave.
        let _ = std::fs::remove_dir_all(&copy);
        std::fs::create_dir(&copy).unwrap();
        for file in ["router.redb", "mark"] {
            std::fs::copy(data.join(file), copy.join(file)).unwrap();
        }
        let crashed = Run::on(&copy, open_sessions());
        let mut bob = crashed.party("bob").await;
        let polled = bob.poll("s", 0).await.unwrap();
        let expected = (0..=number).filter(|number| number % 3 != 0).map(|number| vec![number; 9]);
        assert_eq!(payloads(&polled), expected.collect::<Vec<_>>(), "DUR-2");
        crashed.stop().await;
    }
    run.stop().await;
}

#[tokio::test]
async fn no_time_is_told_that_a_crash_would_take_back() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let run = Run::on(&data, open_sessions());
    let mut bob = run.served.party("bob").await;
    let registered = bob.list("", false).await.unwrap()[0].registered_at;
    let mut looks = Vec::new();
    for told in 1..=3 {
        // Nothing happens but that time passes and is told.
        let until = registered + told * 400;
        let mut beat = bob.beat().await.unwrap().server_timestamp;
        while beat < until {
            beat = bob.beat().await.unwrap().server_timestamp;
        }
        std::fs::create_dir(&copy).unwrap();
        for file in ["router.redb", "mark"] {
            std::fs::copy(data.join(file), copy.join(file)).unwrap();
        }
        let crashed = Store::open(&copy).unwrap();
        assert!(
            crashed.latest().0 >= beat,
            "HB-3: {beat} was told, and {:?} kept",
            crashed.latest()
        );
        drop(crashed);
        looks.push((beat, Store::check(&copy).unwrap().commits));
        std::fs::remove_dir_all(&copy).unwrap();
    }
    let ((begun, before), (ended, after)) = (looks[0], looks[2]);
    let seconds = (ended - begun).div_euclid(1_000) + 1;
    assert!(after - before <= seconds as u64, "a commit a second at the most: {looks:?}");
    run.stop().await;
}

#[tokio::test]
async fn restarts_do_not_set_the_clock_forward() {
    let folder = tempfile::tempdir().unwrap();
    let began = std::time::Instant::now();
    let mut told = Vec::new();
    for _ in 0..6 {
        let run = Run::on(folder.path(), open_sessions());
        let mut bob = run.served.party("bob").await;
        told.push(bob.beat().await.unwrap().server_timestamp);
        run.stop().await;
    }
    assert!(told.is_sorted(), "HB-3: {told:?}");
    // Times are kept up to a second before they are told, and no further.
    let most = told[0] + i64::try_from(began.elapsed().as_millis()).unwrap() + 1_100;
    assert!(told[5] <= most, "HB-1: {told:?}, and {most} at the most");
}

#[tokio::test]
async fn what_nobody_needs_leaves_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        message_ttl: std::time::Duration::from_millis(40),
        membership: false,
        ..Config::default()
    };
    let run = Run::on(folder.path(), config);
    let [mut alice, mut bob] = run.served.parties(["alice", "bob"]).await;
    alice.announce("ended", &["alice", "bob"]).await;
    for session in ["ended", "open"] {
        for _ in 0..10 {
            let message = alice.send(session, &["bob"], "x").await.unwrap();
            // On a busy machine it has expired by now, which is as good here.
            let _ = bob.ack(session, &message).await;
        }
    }
    alice.publish(event("ended", "session_completed", &[])).await.unwrap();
    within(async {
        while !run.store.sessions().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // And the session may begin anew.
    alice.send("open", &["bob"], "y").await.unwrap();
    assert_eq!(run.store.sessions().unwrap().len(), 1);
    run.stop().await;
}

/// `STORED_DELIVERIES` says how many there are (2,000 if it is not set). A build with optimisations
/// has to be done with them within two seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_is_open_soon() {
    const RECIPIENTS: usize = 10;
    let deliveries = std::env::var("STORED_DELIVERIES").map_or(2_000, |it| it.parse().unwrap());
    let messages = deliveries / RECIPIENTS;
    let folder = tempfile::tempdir().unwrap();
    let run = Run::on(folder.path(), open_sessions());
    let recipients: Vec<_> = (0..RECIPIENTS).map(|number| format!("p{number}")).collect();
    // Many at a time, as they share the disk's flushes.
    for many in (0..messages).collect::<Vec<_>>().chunks(1_000) {
        let mut routing = tokio::task::JoinSet::new();
        for number in many {
            let (router, to) = (run.served.router.clone(), recipients.clone());
            let session = format!("s{}", number % 100);
            routing.spawn(async move {
                let to: Vec<_> = to.iter().map(|party| &**party).collect();
                route_in(&router, &session, "alice", &to, 1_000).await
            });
        }
        routing.join_all().await;
    }
    run.stop().await;

    let begun = Instant::now();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let read = begun.elapsed();
    let log: Arc<dyn Log> = Arc::<Store>::clone(&store);
    let router = Router::with_log(open_sessions(), log).unwrap();
    let taken = begun.elapsed();
    println!("{deliveries} deliveries: open in {read:?}, loaded in {taken:?}");
    assert!(cfg!(debug_assertions) || taken < Duration::from_secs(2), "{taken:?}");
    register(&router, "p0").await;
    let request = HeartbeatRequest { party_id: "p0".into(), timestamp: 0 };
    let beat = router.heartbeat(tonic::Request::new(request)).await.unwrap().into_inner();
    assert_eq!(beat.pending_messages as usize, messages, "DUR-1");
    store.close();
}
