//! Whoever is away is told that something waits (OFF): on virtual time, by a gateway in memory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpc_router::log::Log;
use mpc_router::notify::{Gateway, Gateways, SendError};
use mpc_router::{Config, Router, limits};
use mpc_router_core::{Channel, Errand};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::late_log::LateLog;
use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than a party may be silent and be online.
const LONG_SILENCE: Duration = Duration::from_secs(31);

/// What a gateway does with what it is to bring.
#[derive(Debug, Clone, Copy, Default)]
enum Does {
    #[default]
    Brings,
    Fails,
    Refuses,
    Hangs,
    Panics,
}

/// A gateway in memory.
#[derive(Debug, Default)]
struct Memory {
    does: Mutex<Does>,
    tried: Mutex<Vec<(Instant, String)>>,
}

impl Memory {
    fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// What was tried since the last call, in no order.
    fn tried(&self) -> Vec<String> {
        let tried = std::mem::take(&mut *self.tried.lock().unwrap());
        let mut tried: Vec<_> = tried.into_iter().map(|(_, what)| what).collect();
        tried.sort();
        tried
    }

    /// When something was tried, since the last call.
    fn times(&self) -> Vec<Instant> {
        std::mem::take(&mut *self.tried.lock().unwrap()).into_iter().map(|(at, _)| at).collect()
    }
}

#[tonic::async_trait]
impl Gateway for Memory {
    fn channels(&self) -> &[Channel] {
        &[Channel::Email, Channel::Phone]
    }

    async fn send(&self, errand: &Errand) -> Result<(), SendError> {
        let Errand { party, session, channel, address, .. } = errand;
        let what = format!("{channel} to {address}: {party}, {session}");
        self.tried.lock().unwrap().push((Instant::now(), what));
        let does = *self.does.lock().unwrap();
        match does {
            Does::Brings => Ok(()),
            Does::Fails => Err(SendError::Failed("not today".into())),
            Does::Refuses => Err(SendError::Refused("not at all".into())),
            Does::Hangs => std::future::pending().await,
            Does::Panics => panic!("a gateway that has a bug"),
        }
    }
}

/// The same for push tokens alone.
#[derive(Debug, Default)]
struct Push(Memory);

#[tonic::async_trait]
impl Gateway for Push {
    fn channels(&self) -> &[Channel] {
        &[Channel::PushToken]
    }

    async fn send(&self, errand: &Errand) -> Result<(), SendError> {
        self.0.send(errand).await
    }
}

struct World {
    gateway: Arc<Memory>,
    served: Served,
    notifying: JoinHandle<()>,
}

impl World {
    fn new() -> Self {
        Self::of(Router::new(open_sessions()))
    }

    fn of(router: Router) -> Self {
        let gateway = Arc::new(Memory::default());
        let gateways = Gateways::new(vec![Arc::clone(&gateway) as Arc<dyn Gateway>]);
        let notifying = tokio::spawn(router.notify(gateways));
        Self { gateway, served: Served::piping(router), notifying }
    }

    /// Registers a party with these addresses.
    async fn party(&self, name: &str, email: &str, phone: &str, push_token: &str) -> Party {
        let mut party = self.served.stranger(name).await;
        party.reachable(email, phone, push_token).await;
        party
    }
}

/// Lets what was begun come to its end.
async fn settle() {
    sleep(Duration::from_millis(5)).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_message_of_a_session_tells_on_each_channel() {
    let world = World::new();
    let mut alice = world.served.party("alice").await;
    let mut bob = world.party("bob", "bob@example.org", "123", "token").await;
    alice.send("s", &["bob"], "while he is here").await.unwrap();
    sleep(LONG_SILENCE).await;
    assert_eq!(world.gateway.tried(), [""; 0], "OFF-3");
    alice.send("s", &["bob"], "1").await.unwrap();
    settle().await;
    let of_s = ["email to bob@example.org: bob, s", "phone to 123: bob, s"];
    assert_eq!(world.gateway.tried(), of_s, "OFF-2: on each channel that the gateway knows");
    alice.send("s", &["bob"], "2").await.unwrap();
    alice.send("t", &["bob", "carol"], "3").await.unwrap();
    sleep(LONG_SILENCE).await;
    let of_t = ["email to bob@example.org: bob, t", "phone to 123: bob, t"];
    assert_eq!(world.gateway.tried(), of_t, "OFF-2");
    let polled = bob.poll("", 0).await.unwrap();
    assert_eq!(polled.len(), 4, "OFF-1");
    for message in polled {
        bob.ack(&message.session_id, &message.message_id).await.unwrap();
    }
    assert_eq!(bob.beat().await.unwrap().pending_messages, 0, "OFF-1");
}

#[tokio::test(start_paused = true)]
async fn neither_who_is_online_nor_who_has_no_channel_is_told() {
    let world = World::new();
    let mut alice = world.served.party("alice").await;
    let mut online = world.party("online", "online@example.org", "", "").await;
    world.served.party("silent").await;
    world.party("empty", "", "", "").await;
    world.party("push", "", "", "token").await;
    sleep(LONG_SILENCE).await;
    online.beat().await.unwrap();
    let to = ["online", "silent", "empty", "push", "unknown"];
    alice.send("s", &to, "x").await.unwrap();
    sleep(LONG_SILENCE * 2).await;
    assert_eq!(world.gateway.tried(), [""; 0], "OFF-3");
}

#[tokio::test(start_paused = true)]
async fn whoever_has_come_back_is_told_anew() {
    let world = World::new();
    let mut alice = world.served.party("alice").await;
    let mut bob = world.party("bob", "bob@example.org", "", "").await;
    for way in ["heartbeat", "poll", "subscription", "wildcard", "registration"] {
        sleep(LONG_SILENCE).await;
        for _ in 0..3 {
            alice.send("s", &["bob"], "x").await.unwrap();
            sleep(SECOND).await;
        }
        assert_eq!(world.gateway.tried(), ["email to bob@example.org: bob, s"], "{way}: OFF-2");
        match way {
            "heartbeat" => drop(bob.beat().await.unwrap()),
            "poll" => drop(bob.poll("s", 0).await.unwrap()),
            "subscription" => drop(bob.open("s").await.unwrap()),
            "wildcard" => drop(bob.open("").await.unwrap()),
            _ => bob.reachable("bob@example.org", "", "").await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_turned_away_has_not_come_back() {
    let world = World::of(Router::new(Config::default()));
    let mut alice = world.served.party("alice").await;
    let mut bob = world.party("bob", "bob@example.org", "", "").await;
    alice.announce("s", &["alice", "bob"]).await;
    sleep(LONG_SILENCE).await;
    alice.send("s", &["bob"], "x").await.unwrap();
    settle().await;
    assert_eq!(world.gateway.tried(), ["email to bob@example.org: bob, s"]);
    assert!(bob.poll("of others", 0).await.is_err());
    assert!(bob.open("of others").await.is_err());
    let online = alice.list("", true).await.unwrap();
    assert!(online.iter().all(|party| party.party_id != "bob"), "a rejected call has no effect");
    alice.send("s", &["bob"], "x").await.unwrap();
    settle().await;
    sleep(LONG_SILENCE).await;
    alice.send("s", &["bob"], "x").await.unwrap();
    settle().await;
    assert_eq!(world.gateway.tried(), [""; 0], "OFF-2");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_later_and_later() {
    let world = World::new();
    let mut alice = world.served.party("alice").await;
    world.party("bob", "bob@example.org", "", "").await;
    sleep(LONG_SILENCE).await;
    world.gateway.now(Does::Fails);
    alice.send("s", &["bob"], "x").await.unwrap();
    sleep(SECOND * 3_600).await;
    let times = world.gateway.times();
    let mut expected = limits::NOTIFICATION_RETRY;
    for (number, pair) in times.windows(2).enumerate() {
        let waited = pair[1] - pair[0];
        let slack = Duration::from_millis(5);
        assert!(
            waited <= expected + slack && waited + slack >= expected / 2,
            "{number}: {waited:?}"
        );
        expected = (expected * 2).min(limits::NOTIFICATION_LONGEST_RETRY);
    }
    assert!(times.len() > 10, "OFF-4: {}", times.len());
    let metrics = world.served.router.metrics_text();
    let counted = format!(
        "mpc_router_notifications_total{{channel=\"email\",outcome=\"failed\"}} {}",
        times.len()
    );
    assert!(metrics.lines().any(|line| line == counted), "{counted}: {metrics}");
    world.gateway.now(Does::Panics);
    sleep(limits::NOTIFICATION_LONGEST_RETRY).await;
    assert!(!world.gateway.times().is_empty());
    world.gateway.now(Does::Brings);
    sleep(SECOND * 3_600).await;
    assert_eq!(world.gateway.times().len(), 1, "OFF-2: a copy only where sending failed");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_hangs_holds_nothing_up() {
    let world = World::new();
    let mut alice = world.served.party("alice").await;
    let mut bob = world.party("bob", "bob@example.org", "", "").await;
    sleep(LONG_SILENCE).await;
    world.gateway.now(Does::Hangs);
    let began = Instant::now();
    for number in 0..limits::NOTIFICATIONS_AT_ONCE + 10 {
        alice.send(&format!("s{number}"), &["bob"], "x").await.unwrap();
    }
    assert!(began.elapsed() < SECOND, "OFF-4");
    settle().await;
    assert_eq!(world.gateway.tried().len(), limits::NOTIFICATIONS_AT_ONCE, "not all at once");
    world.gateway.now(Does::Brings);
    sleep(limits::NOTIFICATION_TIMEOUT + SECOND * 3).await;
    let tried = world.gateway.tried();
    assert_eq!(tried.len(), limits::NOTIFICATIONS_AT_ONCE + 10, "OFF-4: each is tried again");
    assert_eq!(bob.poll("", 0).await.unwrap().len(), limits::NOTIFICATIONS_AT_ONCE + 10);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_hangs_holds_no_other_up() {
    let (mail, push) = (Arc::new(Memory::default()), Arc::new(Push::default()));
    let router = Router::new(open_sessions());
    let gateways: [Arc<dyn Gateway>; 2] = [Arc::<Memory>::clone(&mail), Arc::<Push>::clone(&push)];
    tokio::spawn(router.notify(Gateways::new(gateways.into())));
    let served = Served::piping(router);
    let mut alice = served.party("alice").await;
    for (name, email, push_token) in [("bob", "bob@example.org", ""), ("carol", "", "token")] {
        served.stranger(name).await.reachable(email, "", push_token).await;
    }
    sleep(LONG_SILENCE).await;
    mail.now(Does::Hangs);
    for number in 0..limits::NOTIFICATIONS_AT_ONCE + 10 {
        alice.send(&format!("s{number}"), &["bob"], "x").await.unwrap();
    }
    settle().await;
    assert_eq!(mail.tried().len(), limits::NOTIFICATIONS_AT_ONCE);
    alice.send("s", &["carol"], "x").await.unwrap();
    settle().await;
    assert_eq!(push.0.tried(), ["push_token to token: carol, s"], "OFF-4");
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_any_more_is_given_up() {
    for end in ["back", "no channel", "another channel", "expired", "refused"] {
        let day = Duration::from_hours(24);
        let world = World::of(Router::new(Config { message_ttl: day, ..open_sessions() }));
        let mut alice = world.served.party("alice").await;
        let mut bob = world.party("bob", "bob@example.org", "", "").await;
        sleep(LONG_SILENCE).await;
        world.gateway.now(if end == "refused" { Does::Refuses } else { Does::Fails });
        alice.send("s", &["bob"], "x").await.unwrap();
        sleep(SECOND).await;
        match end {
            "back" => drop(bob.beat().await.unwrap()),
            "no channel" => bob.reachable("", "", "").await,
            "another channel" => bob.reachable("", "123", "").await,
            "expired" => sleep(day).await,
            _ => {}
        }
        // Some were on their way, if at all.
        settle().await;
        world.gateway.tried();
        sleep(SECOND * 3_600).await;
        assert_eq!(world.gateway.tried(), [""; 0], "{end}: OFF-5");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_neither_loses_nor_repeats_a_notification() {
    let log = Arc::new(LateLog::default());
    let router = || Router::with_log(open_sessions(), Arc::clone(&log) as Arc<dyn Log>).unwrap();
    let world = World::of(router());
    let mut alice = world.served.party("alice").await;
    world.party("bob", "bob@example.org", "", "").await;
    sleep(LONG_SILENCE).await;
    alice.send("told", &["bob"], "x").await.unwrap();
    settle().await;
    assert_eq!(world.gateway.tried().len(), 1);
    world.gateway.now(Does::Fails);
    alice.send("not told", &["bob"], "x").await.unwrap();
    settle().await;
    assert_eq!(world.gateway.tried().len(), 1);
    world.notifying.abort();

    let world = World::of(router());
    settle().await;
    assert_eq!(world.gateway.tried(), ["email to bob@example.org: bob, not told"], "OFF-4");
    let mut alice = world.served.party("alice").await;
    for session in ["told", "not told"] {
        alice.send(session, &["bob"], "y").await.unwrap();
    }
    sleep(LONG_SILENCE * 2).await;
    assert_eq!(world.gateway.tried(), [""; 0], "OFF-2: he has not come back");
    let mut bob = world.served.stranger("bob").await;
    bob.beat().await.unwrap();
    world.notifying.abort();

    let world = World::of(router());
    let mut alice = world.served.party("alice").await;
    alice.send("told", &["bob"], "z").await.unwrap();
    settle().await;
    assert_eq!(world.gateway.tried(), [""; 0], "nobody could be heard of yet");
    sleep(LONG_SILENCE).await;
    let told = ["email to bob@example.org: bob, not told", "email to bob@example.org: bob, told"];
    assert_eq!(world.gateway.tried(), told, "OFF-2: he was back in between");
}

/// Whoever has something unread is told after a start, if he stays silent: the message was safe, and
/// that he was to be told was not.
#[tokio::test(start_paused = true)]
async fn what_a_crash_kept_from_being_told_is_told_after_the_start() {
    let log = Arc::new(LateLog::default());
    let router = || Router::with_log(open_sessions(), Arc::clone(&log) as Arc<dyn Log>).unwrap();
    {
        // A router that tells nobody of anything.
        let served = Served::piping(router());
        let mut alice = served.party("alice").await;
        for name in ["bob", "carol", "dave"] {
            let mut party = served.stranger(name).await;
            party.reachable(&format!("{name}@example.org"), "", "").await;
        }
        sleep(LONG_SILENCE).await;
        alice.send("s", &["bob", "carol", "dave"], "x").await.unwrap();
        let mut dave = served.stranger("dave").await;
        assert_eq!(dave.poll("s", 0).await.unwrap().len(), 1, "he has it");
    }
    let world = World::of(router());
    let mut carol = world.served.stranger("carol").await;
    sleep(SECOND * 20).await;
    carol.beat().await.unwrap();
    assert_eq!(world.gateway.tried(), [""; 0]);
    sleep(SECOND * 11).await;
    assert_eq!(world.gateway.tried(), ["email to bob@example.org: bob, s"]);
    sleep(LONG_SILENCE * 2).await;
    assert_eq!(world.gateway.tried(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_router() {
    let world = World::new();
    let mut alice = world.served.party("alice").await;
    world.party("bob", "bob@example.org", "", "").await;
    sleep(LONG_SILENCE).await;
    world.gateway.now(Does::Hangs);
    alice.send("s", &["bob"], "x").await.unwrap();
    settle().await;
    let mut notifying = world.notifying;
    drop(alice);
    let serving = world.served.stop();
    within(serving).await.unwrap();
    assert!(timeout(SECOND, &mut notifying).await.is_err(), "one is on its way");
    timeout(limits::NOTIFICATION_TIMEOUT, notifying).await.expect("its time is over").unwrap();
    assert_eq!(world.gateway.tried().len(), 1, "and none is begun any more");
}
