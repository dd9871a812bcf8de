//! Session events.

use std::time::Duration;

use bytes::Bytes;
use mpc_router_proto::v1::SessionEvent;
use tokio::time::sleep;

use super::super::world::{QUIET, World, names};
use super::Story;
use crate::specimen::Twist;

fn event(id: &str, event_type: &str, session: &str, selected: &[&str]) -> SessionEvent {
    SessionEvent {
        event_id: id.to_owned(),
        event_type: event_type.to_owned(),
        session_id: session.to_owned(),
        threshold_n: 3,
        threshold_t: 2,
        selected_parties: names(selected),
        ..SessionEvent::default()
    }
}

pub(super) async fn events(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::of(twist).await;
    for party in ["a", "b", "c", "d"] {
        world.register(party, "persistent", None).await.unwrap();
    }
    for party in ["", "nobody"] {
        let answer = world.listen(party, &[]).await;
        story.tell(&format!("{party:?} listens"), answer.map(|_| ()));
    }
    let mut a = world.listen("a", &[]).await.unwrap();
    let mut again = world.listen("a", &[]).await.unwrap();
    let mut b =
        world.listen("b", &["session_started", "session_completed", "round_9"]).await.unwrap();
    let mut c = world.listen("c", &["session_start"]).await.unwrap();

    let full = SessionEvent {
        join_tokens: [("a".to_owned(), "secret".to_owned())].into(),
        message_hash: Bytes::from_static(b"hash"),
        created_at: 12345,
        expires_at: 67890,
        ..event("given", "session_created", "s", &["b", "a", "d"])
    };
    story.tell("full", world.publish(full.clone()).await);
    story.tell("next", world.publish(event("", "session_completed", "s", &["b", "a"])).await);
    story.tell("for all", world.publish(event("", "session_started", "s", &[])).await);
    story.tell("other", world.publish(event("x", "session_started", "t", &["a"])).await);
    story.tell("full again", world.publish(full).await);
    for (what, wrong) in [
        ("no session", event("", "session_started", "", &["a"])),
        ("no type", event("", "", "s", &["a"])),
        ("t over n", SessionEvent { threshold_t: 4, ..event("", "x", "s", &["a"]) }),
        ("negative", SessionEvent { threshold_t: -1, ..event("", "x", "s", &["a"]) }),
        ("twice", event("", "x", "s", &["a", "a"])),
    ] {
        story.tell(what, world.publish(wrong).await);
    }
    story.tell("nothing", world.publish_this(None).await);
    for (name, stream) in [("a", &mut a), ("again", &mut again), ("b", &mut b), ("c", &mut c)] {
        story.events(name, stream).await;
    }

    drop((b, c));
    sleep(QUIET).await;
    for number in 0..25 {
        sleep(Duration::from_millis(1)).await;
        let round = event("", &format!("round_{number}"), "u", &["a", "b"]);
        story.tell("a round", world.publish(round).await);
    }
    story.events("a", &mut a).await;
    story
}
