//! Safe retries.

use mpc_router_proto::v1::RouteMessageRequest;

use super::super::world::{World, message};
use super::Story;
use crate::specimen::Twist;

pub(super) async fn retries(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b", "c"]).await;
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
    story
}
