//! Subscriptions and redelivery.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::world::{MIB, QUIET, World, drain, texts};
use super::Story;
use crate::specimen::Twist;

pub(super) async fn subscriptions(twist: Twist) -> Story {
    let mut story = Story::default();
    all_sessions(&mut story, twist.clone()).await;
    let world = World::with(twist, &["a", "b", "c"]).await;

    // Who may not.
    for party in ["", "nobody"] {
        match timeout(QUIET, world.open("s", party)).await {
            Ok(Ok(mut stream)) => {
                story.stream("open", &mut stream).await;
            }
            Ok(Err(rejected)) => story.tell("refused", rejected),
            Err(_) => story.tell("refused", "no headers"),
        }
    }
    let nothing = world.listen("a", &["of which there is none"]);
    story.tell("events", timeout(QUIET, nothing).await.is_ok());

    // Replay, acknowledgement, replay.
    let first = world.route("s", "a", &["b"], "1").await.unwrap();
    world.route("s", "a", &["b"], "2").await.unwrap();
    let mut b = world.open("s", "b").await.unwrap();
    story.stream("b", &mut b).await;
    world.ack("s", "b", &first, true).await.unwrap();
    world.route("s", "a", &["b"], "3").await.unwrap();
    story.stream("b live", &mut b).await;
    let mut second = world.open("s", "b").await.unwrap();
    story.stream("b second", &mut second).await;
    for text in ["4", "5"] {
        world.route("s", "a", &["b"], text).await.unwrap();
    }
    story.stream("b second", &mut second).await;
    drop(b);
    sleep(QUIET).await;
    world.route("s", "a", &["b"], "6").await.unwrap();
    story.stream("b second, alone", &mut second).await;
    drop(second);
    sleep(QUIET).await;
    let polled = world.poll("s", "b", 0).await.unwrap();
    for message in &polled {
        world.ack("s", "b", &message.message_id, true).await.unwrap();
    }
    let mut b = world.open("s", "b").await.unwrap();
    story.stream("b after all", &mut b).await;

    // While it opens.
    let route = async {
        sleep(Duration::from_millis(1)).await;
        world.route("s", "a", &["c"], "meanwhile").await.unwrap();
    };
    let (c, ()) = tokio::join!(world.open("s", "c"), route);
    let mut c = c.unwrap();
    for message in story.stream("c", &mut c).await {
        world.ack("s", "c", &message.message_id, true).await.unwrap();
    }
    // Silence.
    let silent = timeout(Duration::from_millis(1500), c.message()).await;
    story.tell("c silent", silent.map_err(|_| "still").map(|ended| ended.is_ok()));
    drop(c);

    open_at_once(&mut story, &world).await;

    // A backlog that no window holds: while it is read more comes, and then it is cut off.
    world.announce("v", &["a", "b"]).await;
    for _ in 0..6 {
        world.route("v", "a", &["b"], vec![0; MIB]).await.unwrap();
    }
    let mut b = world.open("v", "b").await.unwrap();
    let one = timeout(QUIET, b.message()).await;
    story.tell("one", one.is_ok());
    world.route("v", "a", &["b"], "live").await.unwrap();
    let mut sizes = Vec::new();
    while let Ok(Ok(Some(message))) = timeout(QUIET, b.message()).await {
        sizes.push(message.payload.len());
    }
    story.tell("sizes", sizes);
    drop(b);
    let b = world.open("v", "b").await.unwrap();
    sleep(QUIET).await;
    drop(b);
    sleep(QUIET).await;
    let mut left = 0;
    let mut after = 0;
    while let Some(newest) = world.poll("v", "b", after).await.unwrap().last()
        && newest.created_at > after
    {
        after = newest.created_at;
        left += 1;
    }
    story.tell("answers left", left);
    story.tell("left", world.pending("b").await);
    story
}

/// Streams of one party that are open at once; it registers and its session is announced again.
async fn open_at_once(story: &mut Story, world: &World) {
    world.announce("w", &["a", "b"]).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(world.open("w", "b").await.unwrap());
    }
    for left in ["three", "two", "one"] {
        world.route("w", "a", &["b"], left).await.unwrap();
        for stream in &mut streams {
            story.stream(left, stream).await;
        }
        if streams.len() > 1 {
            drop(streams.remove(0));
            sleep(QUIET).await;
        }
    }
    world.register("b", "persistent", None).await.unwrap();
    world.route("w", "a", &["b"], "registered").await.unwrap();
    story.stream("registered again", &mut streams[0]).await;
    world.announce("w", &["a", "b"]).await;
    world.route("w", "a", &["b"], "announced").await.unwrap();
    story.stream("announced again", &mut streams[0]).await;
    let mut other = world.open("w", "b").await.unwrap();
    world.announce("w", &["a", "b"]).await;
    world.route("w", "a", &["b"], "again").await.unwrap();
    story.stream("announced again", &mut other).await;
    drop((streams, other));

    // The first of two is not read.
    world.announce("x", &["a", "b"]).await;
    let first = world.open("x", "b").await.unwrap();
    sleep(QUIET).await;
    for _ in 0..24 {
        world.route("x", "a", &["b"], vec![0; MIB / 4]).await.unwrap();
    }
    let mut second = world.open("x", "b").await.unwrap();
    world.route("x", "a", &["b"], "live").await.unwrap();
    story.tell("second", drain(&mut second).await.len());
    drop((first, second));
    for message in world.poll("x", "b", 0).await.unwrap() {
        world.ack("x", "b", &message.message_id, true).await.unwrap();
    }
}

pub(super) async fn redelivery(twist: Twist) -> Story {
    let mut story = Story::default();
    timers(&mut story, twist.clone()).await;
    let world = World::with(twist, &["a", "b", "c", "d"]).await;
    let mut b = world.open("s", "b").await.unwrap();
    let mut c = world.open("s", "c").await.unwrap();
    let mut d = world.open("s", "d").await.unwrap();

    // `b` never answers; `c` does at once, and `d` after the first redelivery.
    let id = world.route("s", "a", &[], "text").await.unwrap();
    story.stream("c", &mut c).await;
    story.tell("c", world.ack("s", "c", &id, true).await);
    world.route("s", "a", &["b"], "more").await.unwrap();
    for step in 0..20 {
        story.stream(&format!("b {step}"), &mut b).await;
        story.stream(&format!("c {step}"), &mut c).await;
        story.stream(&format!("d {step}"), &mut d).await;
        if step == 2 {
            story.tell("d", world.ack("s", "d", &id, true).await);
        }
        story.status("status", &world.status("s", &id).await);
    }
    story.tell("b waits for", world.pending("b").await);
    // `c` is refused something twice, and goes.
    let id = world.route("s", "a", &["c"], "bad").await.unwrap();
    story.stream("c", &mut c).await;
    story.tell("c", world.ack("s", "c", &id, false).await);
    for step in 0..4 {
        sleep(QUIET).await;
        story.stream(&format!("c {step}"), &mut c).await;
    }
    let id = world.route("s", "a", &["c"], "while away").await.unwrap();
    story.stream("c", &mut c).await;
    drop(c);
    sleep(Duration::from_secs(2)).await;
    story.status("away", &world.status("s", &id).await);
    let mut c = world.open("s", "c").await.unwrap();
    story.stream("c back", &mut c).await;
    story.status("back", &world.status("s", &id).await);

    // A reader that is stalled for longer than all attempts take.
    world.announce("t", &["a", "b"]).await;
    for _ in 0..4 {
        world.route("t", "a", &["b"], vec![0; MIB]).await.unwrap();
    }
    let mut b = world.open("t", "b").await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let mut distinct = std::collections::BTreeSet::new();
    for message in drain(&mut b).await {
        story.status("read", &world.status("t", &message.message_id).await);
        distinct.insert(message.message_id);
    }
    story.tell("after the stall", distinct.len());
    story
}

pub(super) async fn expiry(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b", "c"]).await;
    let id = world.route("s", "a", &["b", "c"], "text").await.unwrap();
    world.poll("s", "b", 0).await.unwrap();
    world.announce("ended", &["a", "b"]).await;
    world.route("ended", "a", &["b"], "before the end").await.unwrap();
    world.end("ended", "session_completed").await;
    let mut younger = None;
    for second in 0..7 {
        if second == 3 {
            younger = Some(world.route("s", "a", &["b", "c"], "younger").await.unwrap());
        }
        story.status("younger", &world.status("s", younger.as_deref().unwrap_or(&id)).await);
        sleep(Duration::from_secs(1)).await;
        world.heartbeat("b", 0).await.unwrap();
        story.status("then", &world.status("s", &id).await);
        story.tell("waiting", (world.pending("b").await, world.poll("s", "b", 0).await));
        story.polled("in what has ended", &world.poll("ended", "b", 0).await);
    }
    story
}

/// Streams of all of a party's sessions.
async fn all_sessions(story: &mut Story, twist: Twist) {
    let world = World::with(twist, &["a", "b"]).await;
    let sessions: Vec<String> = (0..20).map(|number| format!("w{}", number % 10 * 2)).collect();
    for session in &sessions {
        world.announce(session, &["a", "b"]).await;
        world.route(session, "a", &["b"], "before").await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    for number in 20..30 {
        world.announce(&format!("x{number}"), &["a", "b"]).await;
        world.route(&format!("x{number}"), "a", &["b"], "before").await.unwrap();
    }
    // As many as possible in one millisecond.
    for session in ["x20", "x21"].repeat(4) {
        world.route(session, "a", &["b"], "tie").await.unwrap();
    }
    story.polled("all", &world.poll("", "b", 0).await);
    let mut one = world.open("w2", "b").await.unwrap();
    let mut all = world.open("", "b").await.unwrap();
    story.stream("one", &mut one).await;
    story.stream("all", &mut all).await;
    world.announce("later", &["a", "b"]).await;
    for session in ["later", "w2", "s"] {
        world.route(session, "a", &["b"], "live").await.unwrap();
    }
    story.stream("one", &mut one).await;
    story.stream("all", &mut all).await;
}

/// When what is sent again, step by step.
async fn timers(story: &mut Story, twist: Twist) {
    let world = World::with(twist, &["a", "b", "c", "d"]).await;
    // A full window, of which one is polled.
    let mut b = world.open("s", "b").await.unwrap();
    world.route("s", "a", &["b"], "first").await.unwrap();
    drain(&mut b).await;
    world.poll("s", "b", 0).await.unwrap();
    for number in 0..55 {
        world.route("s", "a", &["b"], format!("{number}")).await.unwrap();
    }
    for step in 0..6 {
        story.tell(&format!("window {step}"), texts(&drain(&mut b).await));
    }
    drop(b);

    // One after the other, and then on a busy stream.
    world.announce("t", &["a", "b", "c"]).await;
    let mut b = world.open("t", "b").await.unwrap();
    for number in 0..14 {
        world.route("t", "a", &["b"], format!("busy {number}")).await.unwrap();
        story.tell(&format!("busy {number}"), texts(&drain(&mut b).await));
    }
    drop(b);

    // Streams that are too short for a redelivery, and then one that is not.
    world.announce("u", &["a", "b", "c"]).await;
    let id = world.route("u", "a", &["b", "c"], "short").await.unwrap();
    sleep(QUIET * 5).await;
    for stream in 0..6 {
        let mut b = world.open("u", "b").await.unwrap();
        for step in 0..3 {
            story.stream(&format!("short {stream} {step}"), &mut b).await;
        }
        drop(b);
        sleep(QUIET).await;
        story.status("short", &world.status("u", &id).await);
    }
    for stream in 0..2 {
        let mut b = world.open("u", "b").await.unwrap();
        for step in 0..8 {
            story.stream(&format!("long {stream} {step}"), &mut b).await;
            story.status("long", &world.status("u", &id).await);
        }
    }

    let mut all = world.open("", "d").await.unwrap();
    let id = world.route("s", "a", &["d"], "to all").await.unwrap();
    world.route("s", "a", &["d"], vec![0; MIB]).await.unwrap();
    for step in 0..6 {
        story.stream(&format!("all {step}"), &mut all).await;
    }
    story.tell("d", world.ack("s", "d", &id, true).await);
    for step in 0..6 {
        story.stream(&format!("all but one {step}"), &mut all).await;
    }

    // A party that listens for events goes on doing so.
    let _events = world.listen("c", &[]).await.unwrap();
    let mut c = world.open("s", "c").await.unwrap();
    let id = world.route("s", "a", &["c"], "sent once").await.unwrap();
    story.stream("c", &mut c).await;
    drop(c);
    sleep(QUIET * 9).await;
    story.status("only events", &world.status("s", &id).await);
}
