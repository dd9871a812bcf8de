//! Registration, the directory, heartbeats.

use std::time::Duration;

use mpc_router_proto::v1::NotificationChannel;
use tokio::time::sleep;

use super::super::world::{BEGIN, World};
use super::{Story, at};
use crate::specimen::Twist;

fn channel(email: &str, push_token: &str) -> Option<NotificationChannel> {
    let (email, push_token) = (email.to_owned(), push_token.to_owned());
    Some(NotificationChannel { email, phone: String::new(), push_token })
}

async fn list(story: &mut Story, world: &World, role: &str, only_online: bool) {
    let what = format!("role {role:?}, online {only_online}");
    match world.directory(role, only_online).await {
        Err(rejected) => story.tell(&what, rejected),
        Ok(answer) => {
            for party in answer.parties {
                story.lines.push(format!(
                    "{what}: {:?} {} online {} registered {} seen {} {:?}",
                    party.party_id,
                    party.role,
                    party.online,
                    at(party.registered_at),
                    at(party.last_seen_at),
                    party.notification,
                ));
            }
            story.tell(&what, answer.total_count);
        }
    }
}

async fn register(
    story: &mut Story,
    world: &World,
    party: &str,
    role: &str,
    notification: Option<NotificationChannel>,
) {
    let answer = world.register(party, role, notification).await;
    story.tell(&format!("{party:?} as {role:?}"), answer.map(|answer| at(answer.registered_at)));
}

pub(super) async fn registration(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::of(twist).await;
    for (party, role) in [
        ("", "persistent"),
        ("t", "temporary"),
        ("d", "delegate"),
        ("x", "Persistent"),
        ("y", ""),
        ("z", "boss"),
    ] {
        register(&mut story, &world, party, role, None).await;
    }
    list(&mut story, &world, "", false).await;

    // `n` is a member that registers later.
    register(&mut story, &world, "a", "persistent", channel("a@b.c", "token")).await;
    world.announce("s", &["a", "t", "n"]).await;
    story.routed("broadcast", &world.route("s", "t", &[], "1").await);
    story.routed("unicast", &world.route("s", "t", &["n"], "2").await);
    register(&mut story, &world, "n", "persistent", None).await;
    story.polled("n", &world.poll("s", "n", 0).await);

    sleep(Duration::from_millis(700)).await;
    register(&mut story, &world, "a", "persistent", channel("", "other")).await;
    register(&mut story, &world, "a", "delegate", channel("z@b.c", "third")).await;
    list(&mut story, &world, "", false).await;
    story.polled("a", &world.poll("s", "a", 0).await);
    register(&mut story, &world, "a", "boss", None).await;
    story.polled("a", &world.poll("s", "a", 0).await);

    // While something is routed to it.
    story.routed("to t", &world.route("s", "a", &["t"], "3").await);
    let routes = async {
        sleep(Duration::from_millis(1)).await;
        world.route("s", "a", &["n"], "4").await
    };
    let (again, routed) = tokio::join!(world.register("n", "persistent", None), routes);
    story.tell("at once", (again.is_ok(), routed.is_ok()));
    register(&mut story, &world, "t", "temporary", None).await;
    for party in ["n", "t"] {
        story.polled(party, &world.poll("s", party, 0).await);
    }
    story
}

pub(super) async fn directory(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::of(twist).await;
    for (party, role) in
        [("Ann", "persistent"), ("bob", "temporary"), ("cid", "delegate"), ("dan", "temporary")]
    {
        register(&mut story, &world, party, role, None).await;
    }
    sleep(Duration::from_millis(2000)).await;
    for party in ["Ann", "bob"] {
        world.heartbeat(party, 0).await.unwrap();
    }
    register(&mut story, &world, "ann", "persistent", None).await;
    register(&mut story, &world, "ann", "persistent", None).await;
    for end in ["a", "b"] {
        let long = format!("{}{end}", "n".repeat(64));
        register(&mut story, &world, &long, "persistent", None).await;
    }
    for role in ["", "persistent", "temporary", "delegate", "boss"] {
        list(&mut story, &world, role, false).await;
        list(&mut story, &world, role, true).await;
    }
    story
}

pub(super) async fn heartbeats(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist, &["a", "b", "c", "c2", "d"]).await;
    world.announce("r", &["a", "b"]).await;
    list(&mut story, &world, "", false).await;
    let mut events = world.listen("d", &[]).await.unwrap();
    story.routed("in s", &world.route("s", "a", &["b"], "1").await);
    story.routed("in r", &world.route("r", "a", &["b"], "2").await);
    story.polled("b", &world.poll("s", "b", 0).await);

    let beat = async |story: &mut Story, party: &str, timestamp: i64| {
        let answer = world.heartbeat(party, timestamp).await;
        let seen = answer.map(|answer| (at(answer.server_timestamp), answer.pending_messages));
        story.tell(&format!("{party} beats"), seen);
    };
    beat(&mut story, "nobody", 0).await;
    // For four seconds `a` and `c` beat, with wrong clocks, and the others are silent.
    for step in 0..40 {
        sleep(Duration::from_millis(100)).await;
        if step % 10 == 4 {
            beat(&mut story, "a", BEGIN - 3_600_000).await;
            beat(&mut story, "c", 0).await;
            list(&mut story, &world, "", false).await;
        }
        // Just behind a full second, and well behind it.
        if step == 0 || step == 12 {
            beat(&mut story, "a", 0).await;
            list(&mut story, &world, "", false).await;
        }
    }
    story.routed("while away", &world.route("r", "a", &["d"], "3").await);
    for party in ["b", "d"] {
        beat(&mut story, party, 0).await;
    }
    register(&mut story, &world, "a", "persistent", None).await;
    list(&mut story, &world, "", false).await;
    drop(world.open("r", "b").await);
    list(&mut story, &world, "", false).await;
    story.polled("b", &world.poll("s", "b", 0).await);
    story.polled("d", &world.poll("r", "d", 0).await);
    story.events("d", &mut events).await;

    // Streams end.
    drop((world.open("r", "b").await, world.listen("c2", &[]).await));
    sleep(Duration::from_millis(10)).await;
    for party in ["b", "c2"] {
        beat(&mut story, party, 0).await;
    }
    drop((world.open("r", "b").await, world.listen("c2", &[]).await));
    sleep(Duration::from_millis(10)).await;
    list(&mut story, &world, "", false).await;

    // Gone for long, with something waiting.
    register(&mut story, &world, "t", "temporary", None).await;
    world.announce("w", &["a", "c2", "t"]).await;
    story.routed("to both", &world.route("w", "a", &["c2", "t"], "4").await);
    sleep(Duration::from_secs(2)).await;
    register(&mut story, &world, "c2", "persistent", None).await;
    list(&mut story, &world, "", false).await;
    for party in ["c2", "t"] {
        story.polled(party, &world.poll("w", party, 0).await);
    }
    story
}
