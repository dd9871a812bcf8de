//! Safe retries.

use std::time::Duration;

use mpc_router_proto::v1::RouteMessageRequest;
use tokio::time::sleep;

use super::super::world::{BEGIN, World, message};
use super::Story;
use crate::specimen::Twist;

pub(super) async fn retries(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b", "c", "a-1"]).await;
    world.announce("t", &["a", "b", "c"]).await;
    let send = async |story: &mut Story, key: &str, request: &RouteMessageRequest| {
        let id = world.send_keyed(request.clone(), Some(key)).await;
        story.routed(&format!("{key} to {:?}", request.to_parties), &id);
    };

    let to_both = message("s", "a", &["b", "c"], "text");
    for request in [
        to_both.clone(),
        to_both.clone(),
        message("s", "a", &["c", "b"], "text"),
        message("s", "a", &["b", "c"], "texT"),
        message("s", "a", &["b"], "text"),
        message("s", "b", &["c"], "text"),
        message("t", "a", &["b", "c"], "text"),
        to_both.clone(),
    ] {
        send(&mut story, "k", &request).await;
    }
    // Keys that are much alike.
    let long = "k".repeat(64);
    for (key, from) in
        [("K", "a"), (&long, "a"), (&format!("{long}k"), "a"), ("1-d", "a"), ("d", "a-1")]
    {
        send(&mut story, key, &message("s", from, &["b"], "text")).await;
    }
    // Contents that are much alike.
    for (key, byte) in [("middle", b'1'), ("middle", b'2')] {
        let mut payload = vec![b'.'; 9_000];
        payload[4_500] = byte;
        send(&mut story, key, &message("s", "a", &["b"], payload)).await;
    }
    send(&mut story, "glued", &message("s", "a", &["b"], "text")).await;
    let mut glued = message("s", "a", &["b"], "etext");
    glued.message_type = "typ".to_owned();
    send(&mut story, "glued", &glued).await;
    // A rejected call first.
    send(&mut story, "later", &message("s", "a", &["nobody"], "text")).await;
    send(&mut story, "later", &message("s", "a", &["b"], "text")).await;
    // Two at once.
    let once = message("s", "a", &["b"], "once");
    let (one, other) = tokio::join!(
        world.send_keyed(once.clone(), Some("once")),
        world.send_keyed(once.clone(), Some("once"))
    );
    story.routed("one", &one);
    story.routed("other", &other);
    story.polled("b", &world.poll("s", "b", 0).await);

    // After all that may become of a message and its session.
    let to_all = message("s", "a", &[], "all");
    send(&mut story, "all", &to_all).await;
    for polled in world.poll("s", "b", 0).await.unwrap() {
        story.tell("b", world.ack("s", "b", &polled.message_id, true).await);
        story.tell("c", world.ack("s", "c", &polled.message_id, true).await.is_ok());
    }
    send(&mut story, "once", &once).await;
    send(&mut story, "k", &to_both).await;
    world.announce("s", &["a", "b"]).await;
    send(&mut story, "all", &to_all).await;
    for number in 0..120 {
        send(&mut story, &format!("{number}"), &message("s", "a", &["b"], "many")).await;
    }
    send(&mut story, "all", &to_all).await;
    world.end("s", "session_completed").await;
    send(&mut story, "119", &message("s", "a", &["b"], "many")).await;

    // After the time of its session, and long after it was routed.
    world.announce_until("timed", &["a", "b"], BEGIN + 1_000).await;
    let timed = message("timed", "a", &["b"], "timed");
    let late = message("t", "a", &["b"], "late");
    let id = world.send_keyed(late.clone(), Some("late")).await;
    story.routed("late", &id);
    send(&mut story, "timed", &timed).await;
    sleep(Duration::from_secs(4)).await;
    send(&mut story, "timed", &timed).await;
    story.tell("b", world.ack("t", "b", &id.unwrap_or_default(), true).await.is_ok());
    sleep(Duration::from_secs(3)).await;
    send(&mut story, "late", &late).await;
    story
}
