//! Polling and status.

use std::time::Duration;

use tokio::time::sleep;

use super::super::world::{MIB, QUIET, World, drain};
use super::Story;
use crate::specimen::Twist;

pub(super) async fn polling(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b", "c"]).await;
    for party in ["", "nobody"] {
        story.polled(party, &world.poll("s", party, 0).await);
    }
    // Two in one millisecond, one later.
    let first = world.route("s", "a", &["b"], "1").await.unwrap();
    world.route("s", "a", &["b"], "2").await.unwrap();
    sleep(Duration::from_millis(30)).await;
    let third = world.route("s", "a", &["b"], "3").await.unwrap();
    let polled = world.poll("s", "b", 0).await;
    story.polled("all", &polled);
    let (earliest, latest) = polled.map_or((1, 1), |polled| {
        let times = polled.iter().map(|message| message.created_at);
        (times.clone().min().unwrap_or(1), times.max().unwrap_or(1))
    });
    story.status("polled", &world.status("s", &third).await);
    for _ in 0..4 {
        story.polled("again", &world.poll("s", "b", 0).await);
    }
    story.status("polled again", &world.status("s", &third).await);
    world.route("s", "a", &["b"], "4").await.unwrap();
    story.polled("after the latest", &world.poll("s", "b", latest).await);
    story.tell("first", world.ack("s", "b", &first, true).await);
    story.polled("after the earliest", &world.poll("s", "b", earliest).await);

    for after in [i64::MAX, -1] {
        story.polled("after an odd time", &world.poll("s", "b", after).await);
    }
    world.announce("s", &["a", "b", "c"]).await;
    story.polled("announced again", &world.poll("s", "b", 0).await);

    // Streamed and polled.
    let mut b = world.open("s", "b").await.unwrap();
    story.stream("stream", &mut b).await;
    story.tell("third", world.ack("s", "b", &third, true).await);
    story.polled("after the stream", &world.poll("s", "b", 0).await);
    drop(b);
    let mut b = world.open("s", "b").await.unwrap();
    story.stream("stream after the poll", &mut b).await;

    // Answers of 4 MiB, from a backlog of one instant.
    world.announce("u", &["a", "c"]).await;
    for number in 0..24 {
        let length = if number % 3 == 0 { 2 * MIB } else { MIB / 3 };
        world.route("u", "a", &["c"], vec![number; length]).await.unwrap();
    }
    let mut after = 0;
    for _ in 0..20 {
        let answer = world.poll("u", "c", after).await;
        let numbers = answer
            .as_ref()
            .map(|messages| messages.iter().map(|message| message.payload[0]).collect::<Vec<u8>>());
        story.tell("numbers", numbers);
        after = answer
            .ok()
            .and_then(|messages| messages.last().map(|message| message.created_at))
            .unwrap_or(after);
    }
    story
}

pub(super) async fn status(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b", "c"]).await;
    let id = world.route("s", "a", &[], "1").await.unwrap();
    story.status("unknown", &world.status("s", "no such id").await);
    story.status("elsewhere", &world.status("t", &id).await);
    story.status("fresh", &world.status("s", &id).await);

    sleep(Duration::from_millis(10)).await;
    let mut b = world.open("s", "b").await.unwrap();
    drain(&mut b).await;
    story.status("streamed", &world.status("s", &id).await);
    world.register("b", "persistent", None).await.unwrap();
    story.status("registered again", &world.status("s", &id).await);
    world.poll("s", "b", 0).await.unwrap();
    story.status("polled as well", &world.status("s", &id).await);
    drop(b);
    sleep(QUIET).await;
    story.status("cut off", &world.status("s", &id).await);
    let other = world.route("s", "a", &["c"], "2").await.unwrap();
    world.poll("s", "c", 0).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    let mut c = world.open("s", "c").await.unwrap();
    drain(&mut c).await;
    story.status("polled, then streamed", &world.status("s", &other).await);

    world.ack("s", "b", &id, true).await.unwrap();
    story.status("one of two", &world.status("s", &id).await);
    world.ack("s", "c", &id, false).await.unwrap();
    story.status("both", &world.status("s", &id).await);
    story
}
