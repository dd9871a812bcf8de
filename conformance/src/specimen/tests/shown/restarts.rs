//! Restarts, and what is there afterwards.

use std::time::{Duration, SystemTime};

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::{NotificationChannel, SubscribeMessagesRequest};
use tokio::time::{sleep, timeout};

use super::super::world::{BEGIN, World, message, settings};
use super::Story;
use crate::notices::Notices;
use crate::power::Engine as _;
use crate::specimen::{Machine, Twist};

/// Long enough for an orderly stop.
const LIMIT: Duration = Duration::from_secs(3);

/// What came of some messages: those that were told of.
type Known = Vec<(&'static str, String)>;

pub(super) async fn restarts(twist: Twist) -> Story {
    let mut story = Story::default();
    let begin = SystemTime::UNIX_EPOCH + Duration::from_millis(BEGIN.unsigned_abs());
    let machine = Machine::at(begin, settings(), twist, Notices::default());
    let world = World::on(&machine).await;
    let mut known = populate(&mut story, &world).await;
    tell_all(&mut story, &world, &known).await;

    // A stop, with streams open and a call under way.
    stop(&mut story, &machine, &world, &mut known).await;
    if !start(&mut story, &machine).await {
        return story;
    }
    let world = World::on(&machine).await;
    tell_all(&mut story, &world, &known).await;
    stop_beside_a_sleeper(&mut story, &machine, &world).await;
    if !start(&mut story, &machine).await {
        return story;
    }
    let world = World::on(&machine).await;
    for (key, payload) in [("k", "keyed"), ("new", "new")] {
        let id = world.send_keyed(message("s", "a", &["b"], payload), Some(key)).await;
        story.routed(key, &id);
        known.push(("s", id.unwrap_or_default()));
    }

    // Kills: the first with nothing under way, the second in the middle of a call.
    // It is killed again before it has come up.
    machine.kill().await;
    story.tell("cut off", timeout(Duration::from_millis(5), machine.start()).await.is_err());
    machine.kill().await;
    if !start(&mut story, &machine).await {
        return story;
    }
    let world = World::on(&machine).await;
    tell_all(&mut story, &world, &known).await;
    let id = world.send_keyed(message("s", "a", &["b"], "new"), Some("new")).await;
    story.routed("new", &id);
    let under_way = {
        let world = world.clone();
        tokio::spawn(async move { world.route("s", "a", &["b", "c"], "under way").await })
    };
    sleep(Duration::from_millis(1)).await;
    machine.kill().await;
    story.tell("under way", under_way.await.expect("it ends").is_ok());
    if !start(&mut story, &machine).await {
        return story;
    }
    let world = World::on(&machine).await;
    tell_all(&mut story, &world, &known).await;
    // All of it has come of age by then, but not since the latest start.
    sleep(Duration::from_secs(5)).await;
    tell_all(&mut story, &world, &known).await;

    damage(&mut story, &machine, &known).await;
    story
}

/// A stop, and more than a page of everything before and after it.
pub(super) async fn in_bulk(twist: Twist) -> Story {
    let mut story = Story::default();
    let begin = SystemTime::UNIX_EPOCH + Duration::from_millis(BEGIN.unsigned_abs());
    let machine = Machine::at(begin, settings(), twist, Notices::default());
    let world = World::on(&machine).await;
    for party in ["a", "b"] {
        story.tell(party, world.register(party, "persistent", None).await.is_ok());
    }
    let members: Vec<String> = (0..60).map(|number| format!("n{number}")).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).chain(["a"]).collect();
    world.announce("large", &members).await;
    world.announce("s", &["a", "b"]).await;
    let to_all = world.route("large", "a", &[], "to all").await.unwrap_or_default();
    for number in 0..110 {
        let session = format!("t{number}");
        world.announce(&session, &["a", "b"]).await;
        story.tell(&session, world.route(&session, "a", &["b"], "text").await.is_ok());
    }
    for number in 0..1_010 {
        story.tell("routed", world.route("s", "a", &["b"], format!("{number}")).await.is_ok());
    }
    machine.stop(LIMIT).await;
    if start(&mut story, &machine).await {
        let world = World::on(&machine).await;
        story.tell("b", world.heartbeat("b", BEGIN).await.map(|it| it.pending_messages));
        let listed = world.poll("s", "b", 0).await;
        story.tell("b", listed.map(|listed| listed.len()));
        story.status("to all", &world.status("large", &to_all).await);
    }
    story
}

/// Makes everything of which a restart may lose something.
async fn populate(story: &mut Story, world: &World) -> Known {
    let channel = |phone: &str| {
        let phone = phone.to_owned();
        Some(NotificationChannel { phone, ..NotificationChannel::default() })
    };
    for (party, role, notification) in [
        ("a", "persistent", None),
        ("b", "delegate", channel("1")),
        ("c", "temporary", channel("2")),
        ("c", "temporary", channel("3")),
    ] {
        story.tell(party, world.register(party, role, notification).await.is_ok());
    }
    for (session, members) in [
        ("s", &["a", "b", "c"][..]),
        ("t", &["a", "b"]),
        ("t", &["a", "c"]),
        ("u", &["a", "b"]),
        ("v", &["a", "b"]),
    ] {
        world.announce(session, members).await;
    }
    world.end("u", "session_completed").await;

    let mut known = Known::new();
    // It fails on a stream that never acknowledges it.
    let stream = world.inbox("t", "c");
    let id = world.route("t", "a", &["c"], "in vain").await;
    story.routed("in vain", &id);
    known.push(("t", id.unwrap_or_default()));
    sleep(Duration::from_millis(1700)).await;
    drop(stream);
    for (number, to) in
        [&["b"][..], &["b", "c"], &[], &["c"], &["b"], &["b"], &["b"]].into_iter().enumerate()
    {
        let id = world.route("s", "a", to, format!("message {number}")).await;
        story.routed("routed", &id);
        known.push(("s", id.unwrap_or_default()));
        sleep(Duration::from_millis(30)).await;
    }
    story.polled("b", &world.poll("s", "b", 0).await);
    for (number, success) in [(1, true), (2, false), (5, true)] {
        story.tell("ends", world.ack("s", "b", &known[number].1, success).await);
    }
    let id = world.send_keyed(message("s", "a", &["b"], "keyed"), Some("k")).await;
    story.routed("k", &id);
    known.push(("s", id.unwrap_or_default()));
    known
}

/// All that can be seen.
async fn tell_all(story: &mut Story, world: &World, known: &Known) {
    match world.directory("", false).await {
        Ok(listed) => {
            for party in listed.parties {
                let phone = party.notification.map(|it| it.phone);
                story.tell(&party.party_id, (party.role, phone));
            }
        }
        Err(rejected) => story.tell("nobody is listed", rejected),
    }
    let beat = world.heartbeat("a", BEGIN).await;
    story.tell("its time", beat.map(|it| it.server_timestamp));
    for (session, id) in known {
        story.status("its status", &world.status(session, id).await);
    }
    for (session, party) in [("s", "b"), ("s", "c"), ("t", "c")] {
        match world.open(session, party).await {
            Ok(mut stream) => drop(story.stream(party, &mut stream).await),
            Err(rejected) => story.tell(party, rejected),
        }
        story.polled(party, &world.poll(session, party, 0).await);
    }
    for session in ["t", "u"] {
        let id = world.route(session, "a", &[], "to all").await;
        let known = story.routed(session, &id);
        story.status("its status", &world.status(session, &known).await);
    }
    for (party, to) in [("a", "b"), ("b", "c")] {
        let id = world.route("s", party, &[to], "more").await;
        story.routed("more", &id);
    }
    // What was there before, and what has come since.
    match world.open("s", "b").await {
        Ok(mut stream) => drop(story.stream("b again", &mut stream).await),
        Err(rejected) => story.tell("b again", rejected),
    }
}

async fn stop(story: &mut Story, machine: &Machine, world: &World, known: &mut Known) {
    let quiet = machine.clone();
    let half = {
        let world = world.clone();
        tokio::spawn(async move {
            world.send_late(message("s", "b", &["c"], "half"), Duration::from_millis(200)).await
        })
    };
    let mut stream = world.open("s", "c").await.expect("it is a member");
    let mut events = world.listen("c", &["none"]).await.expect("it is registered");
    story.stream("before the stop", &mut stream).await;
    sleep(Duration::from_millis(10)).await;
    let halt = tokio::spawn(async move { quiet.stop(LIMIT).await });
    story.stream("when it stops", &mut stream).await;
    story.events("when it stops", &mut events).await;
    let halt = halt.await.expect("it ends");
    story.tell("it ended", halt.ended);
    let id = half.await.expect("it ends");
    story.routed("half", &id);
    known.push(("s", id.unwrap_or_default()));
}

/// A stop while somebody does not read its stream.
async fn stop_beside_a_sleeper(story: &mut Story, machine: &Machine, world: &World) {
    let mut narrow = MessageRouterClient::new(machine.door().connect_narrow(1_000));
    let request = SubscribeMessagesRequest { session_id: "v".into(), party_id: "b".into() };
    let asleep = narrow.subscribe_messages(request).await;
    for _ in 0..3 {
        story.tell("unread", world.route("v", "a", &["b"], vec![b'.'; 60_000]).await.is_ok());
    }
    story.tell("it ended", machine.stop(LIMIT).await.ended);
    drop(asleep);
}

/// Whether it starts.
async fn start(story: &mut Story, machine: &Machine) -> bool {
    let started = machine.start().await;
    if let Err(error) = &started {
        story.tell("it does not start", (error.ended, error.printed));
    }
    started.is_ok()
}

/// Changes a byte in a payload, one in a head, and a block to zeros.
async fn damage(story: &mut Story, machine: &Machine, known: &Known) {
    machine.stop(LIMIT).await;
    let store = machine.store().expect("it has one");
    let whole = store.read().expect("memory can be read");
    for needle in ["message 3", "half", "zeros"] {
        for (name, bytes) in &whole {
            let mut bytes = bytes.clone();
            let place = bytes.windows(needle.len()).position(|it| it == needle.as_bytes());
            story.tell("it is there", place.is_some());
            let place = place.unwrap_or(bytes.len() / 2);
            match needle {
                "zeros" => {
                    bytes[place / 4096 * 4096..].iter_mut().take(4096).for_each(|it| *it = 0);
                }
                _ => bytes[place] ^= 1,
            }
            store.replace(name, &bytes).expect("memory can be written");
        }
        match machine.start().await {
            Ok(()) => tell_all(story, &World::on(machine).await, known).await,
            Err(error) => story.tell("it does not start", (error.ended, error.printed)),
        }
        machine.kill().await;
        store.restore(&whole).expect("memory can be written");
    }
}
