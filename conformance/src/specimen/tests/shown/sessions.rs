//! Sessions and their members.

use std::time::Duration;

use mpc_router_proto::v1::SessionEvent;
use tokio::time::sleep;

use super::super::world::{BEGIN, World, names};
use super::Story;
use crate::specimen::Twist;

/// Who is routed to, from whom.
type Call<'a> = (&'a str, &'a [&'a str]);

async fn routes(story: &mut Story, world: &World, session: &str, calls: &[Call<'_>]) {
    for (from, to) in calls {
        let what = format!("{from} to {to:?} in {session}");
        let id = story.routed(&what, &world.route(session, from, to, "text").await);
        story.status("its status", &world.status(session, &id).await);
    }
}

async fn reads(story: &mut Story, world: &World, session: &str, party: &str) {
    story.polled(&format!("{party} polls {session}"), &world.poll(session, party, 0).await);
    match world.open(session, party).await {
        Ok(mut stream) => drop(story.stream(&format!("{party} in {session}"), &mut stream).await),
        Err(rejected) => story.tell(&format!("{party} in {session}"), rejected),
    }
}

pub(super) async fn sessions(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b", "c", "d"]).await;
    world.announce("s", &["a", "b"]).await;
    world.announce("t", &["a", "b", "c"]).await;
    world.announce("empty", &[]).await;

    // Who may send, and to whom.
    let calls: [Call<'_>; 9] = [
        ("a", &[]),
        ("c", &["b"]),
        ("c", &[]),
        ("d", &["b"]),
        ("a", &["d"]),
        ("a", &["b", "d"]),
        ("a", &["c", "b"]),
        ("a", &["b"]),
        ("b", &["a"]),
    ];
    routes(&mut story, &world, "s", &calls).await;
    routes(&mut story, &world, "empty", &calls[..3]).await;
    // Sessions that nobody announced.
    let unknown = SessionEvent {
        event_type: "other".to_owned(),
        session_id: "known".to_owned(),
        threshold_n: 1,
        threshold_t: 1,
        selected_parties: names(&["a", "b"]),
        ..SessionEvent::default()
    };
    world.publish(unknown).await.unwrap();
    for session in ["never", "never", "known"] {
        routes(&mut story, &world, session, &[("a", &["b"]), ("a", &[])]).await;
    }
    for party in ["a", "b", "c", "d"] {
        reads(&mut story, &world, "s", party).await;
    }

    // One is written as a member is, in other letters.
    for party in ["\u{e9}", "e\u{301}"] {
        world.register(party, "persistent", None).await.unwrap();
    }
    world.announce("forms", &["a", "\u{e9}"]).await;
    routes(&mut story, &world, "forms", &[("\u{e9}", &["a"]), ("e\u{301}", &["a"])]).await;

    // Others are members.
    world.announce("s", &["a", "c"]).await;
    let calls: [Call<'_>; 4] = [("a", &[]), ("b", &["a"]), ("a", &["b"]), ("c", &["a"])];
    routes(&mut story, &world, "s", &calls).await;
    world.announce("s", &[]).await;
    routes(&mut story, &world, "s", &calls).await;
    for party in ["a", "b", "c"] {
        reads(&mut story, &world, "s", party).await;
    }

    // Ends, one of them in time.
    let soon = BEGIN + 20_000;
    for (session, times) in
        [("soon", &[soon][..]), ("moved", &[soon, soon + 3_600_000]), ("kept", &[soon, 0])]
    {
        for expires_at in times {
            world.announce_until(session, &["a", "b"], *expires_at).await;
        }
        routes(&mut story, &world, session, &[("a", &[])]).await;
    }
    for end in ["session_completed", "session_failed"] {
        world.announce(end, &["a", "b"]).await;
        routes(&mut story, &world, end, &[("a", &[])]).await;
        world.end(end, end).await;
        routes(&mut story, &world, end, &[("a", &[])]).await;
        reads(&mut story, &world, end, "b").await;
        if let Some(polled) = world.poll(end, "b", 0).await.unwrap_or_default().first() {
            story.tell("b", world.ack(end, "b", &polled.message_id, true).await);
        }
        world.announce(end, &["a", "b"]).await;
        routes(&mut story, &world, end, &[("a", &[])]).await;
    }
    sleep(Duration::from_secs(15)).await;
    for session in ["soon", "moved", "kept"] {
        routes(&mut story, &world, session, &[("a", &["b"])]).await;
    }
    sleep(Duration::from_secs(5)).await;
    for session in ["soon", "moved", "kept"] {
        routes(&mut story, &world, session, &[("a", &["b"])]).await;
        reads(&mut story, &world, session, "b").await;
    }
    story
}
