//! Acknowledgements.

use std::time::Duration;

use tokio::time::sleep;

use super::super::world::{World, drain};
use super::Story;
use crate::specimen::Twist;

pub(super) async fn acknowledging(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b", "c"]).await;
    let mut b = world.open("s", "b").await.unwrap();
    let mut ids = Vec::new();
    for number in 0..8 {
        ids.push(world.route("s", "a", &["b", "c"], format!("{number}")).await.unwrap());
    }
    drain(&mut b).await;
    let ack = async |story: &mut Story, session: &str, party: &str, id: &str, success: bool| {
        sleep(Duration::from_millis(2)).await;
        let answer = world.ack(session, party, id, success).await;
        story.tell(&format!("{party} {success} in {session:?}"), answer);
        story.status("then", &world.status("s", id).await);
        story.tell("then waiting", (world.pending("b").await, world.pending("c").await));
    };

    // Who and what is not known.
    for success in [true, false] {
        ack(&mut story, "s", "b", "no such id", success).await;
    }
    ack(&mut story, "s", "nobody", &ids[0], true).await;
    for session in ["t", ""] {
        ack(&mut story, session, "b", &ids[0], true).await;
    }
    // Out of order, twice, and the other way.
    for success in [true, true, false] {
        ack(&mut story, "s", "b", &ids[5], success).await;
    }
    for success in [false, false, true] {
        ack(&mut story, "s", "b", &ids[2], success).await;
    }
    // Never handed out.
    ack(&mut story, "s", "c", &ids[7], true).await;
    story.stream("b", &mut b).await;
    ack(&mut story, "s", "b", &ids[6], true).await;
    ack(&mut story, "s", "b", &ids[7], true).await;
    story.routed("a fence", &world.route("s", "a", &["b"], "fence").await);
    story.stream("b behind the fence", &mut b).await;
    sleep(Duration::from_millis(450)).await;
    story.stream("b later", &mut b).await;

    // Two at once.
    let (one, other) =
        tokio::join!(world.ack("s", "b", &ids[1], true), world.ack("s", "b", &ids[1], false));
    story.tell("at once", (one, other));
    story.status("at once", &world.status("s", &ids[1]).await);

    // Long after it was routed, and not so long after it was acknowledged.
    ids.push(world.route("s", "a", &["c"], "late").await.unwrap());
    sleep(Duration::from_secs(4)).await;
    for _ in 0..2 {
        ack(&mut story, "s", "c", &ids[8], true).await;
        sleep(Duration::from_secs(4)).await;
    }
    story
}
