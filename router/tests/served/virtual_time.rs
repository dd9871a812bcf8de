//! Over pipes, with a clock that stands still until nobody has anything to do: what takes hours
//! happens at once, and always in the same way.

use std::time::Duration;

use mpc_router::Config;
use tonic::Code;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn who_is_silent_goes_offline_and_comes_back() {
    let served = Served::over_pipes(open_sessions());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open("s").await.unwrap();
    let online = async |alice: &mut Party| -> Vec<String> {
        let listed = alice.list("", true).await.unwrap();
        listed.into_iter().map(|party| party.party_id).collect()
    };
    assert_eq!(online(&mut alice).await, ["alice", "bob"], "HB-5");
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(29)).await;
        alice.beat().await.unwrap();
    }
    assert_eq!(online(&mut alice).await, ["alice"], "HB-6, HB-10, HB-12");
    let sent = alice.send("s", &["bob"], "meanwhile").await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [sent], "HB-11");
    let before = bob.beat().await.unwrap();
    assert_eq!(before.pending_messages, 1);
    assert_eq!(online(&mut alice).await, ["alice", "bob"], "HB-7");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let later = bob.beat().await.unwrap();
    let passed = later.server_timestamp - before.server_timestamp;
    assert!((1_000..1_010).contains(&passed), "the router's time is virtual: {passed}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_stays_open_and_silent_for_a_day() {
    let served = Served::over_pipes(open_sessions());
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut stream = bob.open("s").await.unwrap();
    let day = Duration::from_hours(24);
    assert!(tokio::time::timeout(day, stream.message()).await.is_err(), "SUB-8");
    let sent = alice.send("s", &["bob"], "x").await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [sent]);
}

#[tokio::test(start_paused = true)]
async fn stopping_takes_no_longer_than_allowed() {
    let config = Config { stop_timeout: Duration::from_secs(10), ..open_sessions() };
    let served = Served::over_pipes(config);
    let mut bob = served.party("bob").await;
    let mut stream = bob.open("s").await.unwrap();
    // A connection on which nobody ever says anything.
    let (connection, _silent) = tokio::io::duplex(1024);
    served.add(connection);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let begin = tokio::time::Instant::now();
    let stopped = served.stop();
    assert_eq!(end(&mut stream).await.code(), Code::Unavailable);
    within(stopped).await.unwrap();
    let took = begin.elapsed();
    assert!(took > Duration::from_secs(1), "somebody held it up: {took:?}");
    assert!(took <= Duration::from_secs(10), "DUR-7: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_goes_on_reaches_those_whom_it_had_nothing_for() {
    let minutes = Duration::from_mins;
    let served = Served::over_pipes(Config { message_ttl: minutes(10), ..open_sessions() });
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    // So that the session goes on.
    let mut carol = served.party("carol").await;
    let mut of_carol = carol.open("s").await.unwrap();
    let mut streams = [bob.open("s").await.unwrap(), bob.open("").await.unwrap()];
    let crowd: Vec<_> = (0..200).map(|number| format!("p{number}")).collect();
    for _ in 0..3 {
        let mut to: Vec<_> = crowd.iter().map(|party| &**party).collect();
        to.push("bob");
        let message = alice.send("s", &to, "x").await.unwrap();
        for stream in &mut streams {
            assert_eq!(names(stream, 1).await, [&*message], "SUB-8, SUB-9");
        }
        assert_eq!(bob.beat().await.unwrap().pending_messages, 1, "HB-4");
        bob.ack("s", &message).await.unwrap();
        // Nobody is left for whom anything is kept, and all get other mailboxes the next time.
        tokio::time::sleep(minutes(30)).await;
        alice.status("s", &message).await.unwrap_err();
        let kept = alice.send("s", &["carol"], "y").await.unwrap();
        assert_eq!(names(&mut of_carol, 1).await, [&*kept]);
        carol.ack("s", &kept).await.unwrap();
    }
}
