//! Session events.

use std::time::Duration;

use bytes::Bytes;
use mpc_router_proto::v1::SessionEvent;
use tokio::time::{sleep, timeout};

use super::super::world::{BEGIN, QUIET, World, drain_for, names};
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
    late_listeners(&mut story, twist.clone()).await;
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
        expires_at: BEGIN + 3_600_000,
        ..event("given", "session_created", "s", &["b", "a", "d"])
    };
    story.tell("full", world.publish(full.clone()).await);
    story.tell("next", world.publish(event("", "session_completed", "s", &["b", "a"])).await);
    story.tell("for all", world.publish(event("", "session_started", "s", &[])).await);
    story.tell("other", world.publish(event("x", "session_started", "t", &["a"])).await);
    story.tell("full again", world.publish(full).await);
    story.tell("elsewhere", world.publish(event("x", "session_started", "u", &["a"])).await);
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

/// What comes on a stream that is read when much has been published.
pub(super) async fn unread(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::of(twist).await;
    world.register("a", "persistent", None).await.unwrap();
    let mut a = world.listen("a", &[]).await.unwrap();
    for number in 0..800 {
        let message_hash = Bytes::from(vec![7; 4 * 1024]);
        let id = format!("{number}");
        let event = SessionEvent { message_hash, ..event(&id, "session_started", "s", &["a"]) };
        if timeout(QUIET, world.publish(event)).await.is_err() {
            story.tell("waits", number);
            break;
        }
    }
    let (events, _) = drain_for(&mut a, QUIET).await;
    story.tell("unread", events.into_iter().map(|it| it.event_id).collect::<Vec<_>>());
    story
}

/// What those get who listen when it has happened.
async fn late_listeners(story: &mut Story, twist: Twist) {
    let world = World::of(twist).await;
    world.register("a", "persistent", None).await.unwrap();
    let tokens = [("late".to_owned(), "secret".to_owned())].into();
    let created =
        SessionEvent { join_tokens: tokens, ..event("", "session_created", "w", &["a", "late"]) };
    for event in [
        created,
        event("", "round_1", "w", &["late"]),
        event("", "session_started", "w", &["a"]),
        event("", "session_created", "other", &["late"]),
        event("", "round_1", "other", &[]),
    ] {
        world.publish(event).await.unwrap();
    }
    sleep(QUIET).await;
    world.register("late", "persistent", None).await.unwrap();
    for types in [&[][..], &[], &["session_created"]] {
        let mut late = world.listen("late", types).await.unwrap();
        let live = event("", "session_created", "live", &["late"]);
        story.tell("live", world.publish(live).await);
        story.events(&format!("late {types:?}"), &mut late).await;
    }
    for number in 0..25 {
        let event = event("", "session_started", &format!("many{number}"), &["a"]);
        world.publish(event).await.unwrap();
    }
    let meanwhile = async {
        sleep(Duration::from_millis(1)).await;
        world.publish(event("", "session_started", "meanwhile", &["a"])).await.unwrap();
    };
    let (a, ()) = tokio::join!(world.listen("a", &[]), meanwhile);
    story.events("a", &mut a.unwrap()).await;
}
