//! Subscriptions and redelivery.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::world::{MIB, QUIET, World, drain};
use super::Story;
use crate::specimen::Twist;

pub(super) async fn subscriptions(twist: Twist) -> Story {
    let mut story = Story::default();
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
    story.tell("events", timeout(QUIET, world.listen("a", &[])).await.is_ok());

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

pub(super) async fn redelivery(twist: Twist) -> Story {
    let mut story = Story::default();
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
    for _ in 0..7 {
        sleep(Duration::from_secs(1)).await;
        world.heartbeat("b", 0).await.unwrap();
        story.status("then", &world.status("s", &id).await);
        story.tell("waiting", (world.pending("b").await, world.poll("s", "b", 0).await));
    }
    story
}
