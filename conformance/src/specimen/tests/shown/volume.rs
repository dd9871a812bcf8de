//! What shows only after many.

use std::time::Duration;

use tokio::time::sleep;

use super::super::world::{QUIET, World, drain, drain_for, message, texts};
use super::Story;
use crate::specimen::Twist;

pub(super) async fn volume(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b"]).await;
    let names: Vec<String> = (0..60).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        world.register(name, "temporary", None).await.unwrap();
    }
    story.tell("parties", world.directory("", false).await.unwrap().total_count);

    // To many.
    let members: Vec<&str> = names.iter().copied().chain(["a"]).collect();
    world.announce("large", &members).await;
    for to in [&[], &names[..]] {
        let id = story.routed("to 60", &world.route("large", "a", to, "text").await);
        story.status("to 60", &world.status("large", &id).await);
        for name in &names {
            story.tell("acknowledged", world.ack("large", name, &id, true).await);
        }
        story.status("to 60", &world.status("large", &id).await);
    }

    // To as many streams, and more.
    let mut streams = Vec::new();
    for name in names.iter().chain(&names[..10]) {
        streams.push(world.open("large", name).await.unwrap());
    }
    world.route("large", "a", &[], "to all").await.unwrap();
    for stream in &mut streams {
        story.tell("of many", texts(&drain_for(stream, Duration::from_millis(1)).await.0));
    }
    drop(streams);

    // Many, to one that is away, and then to its stream.
    sleep(QUIET * 20).await;
    for number in 0..120 {
        world.route("s", "a", &["b"], format!("{number}")).await.unwrap();
    }
    story.tell("polled", texts(&world.poll("s", "b", 0).await.unwrap()));
    story.tell("waiting", world.pending("b").await);
    let mut b = world.open("s", "b").await.unwrap();
    story.tell("replayed", texts(&drain(&mut b).await));

    // In many sessions, and to one that has not registered.
    for number in 0..120 {
        let session = format!("s{number:03}");
        world.announce(&session, &["a", "b", "late"]).await;
        world.route(&session, "a", &["b"], session.clone()).await.unwrap();
        world.route("s000", "a", &["late"], session).await.unwrap();
    }
    story.tell("of all", texts(&world.poll("", "b", 0).await.unwrap()));
    world.register("late", "persistent", None).await.unwrap();
    story.tell("late", texts(&world.poll("s000", "late", 0).await.unwrap()));
    story
}

pub(super) async fn endurance(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b"]).await;
    let mut b = world.open("s", "b").await.unwrap();
    for number in 0..75 {
        let batch = (0..7).map(|one| format!("{}", 7 * number + one));
        for text in batch {
            world.route("s", "a", &["b"], text).await.unwrap();
        }
        story.tell("live", texts(&drain(&mut b).await));
    }
    world.announce("t", &["a", "b"]).await;
    for number in 0..510 {
        world.route("t", "a", &["b"], format!("{number}")).await.unwrap();
    }
    let mut again = world.open("t", "b").await.unwrap();
    story.tell("replayed", texts(&drain(&mut again).await));
    for number in (0..1_010).chain([0]) {
        let request = message("s", "a", &["b"], "keyed");
        let id = world.send_keyed(request, Some(&number.to_string())).await;
        story.routed("keyed", &id);
    }
    story
}

/// What becomes of the first of a thousand.
pub(super) async fn thousands(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b"]).await;
    world.announce("acks", &["a", "b"]).await;
    let mut ids = Vec::new();
    for _ in 0..1_010 {
        ids.push(world.route("acks", "a", &["b"], "text").await.unwrap());
    }
    for id in ids.iter().chain(&ids[..5]) {
        let answer = world.ack("acks", "b", id, true).await;
        if answer.is_err() {
            story.tell("acknowledged", answer);
        }
    }
    for number in 0..1_010 {
        world.announce(&format!("n{number}"), &["a", "b"]).await;
    }
    story.tell("the first session", world.route("s", "a", &["b"], "text").await.is_ok());
    story
}
