//! Notifications to parties that are away.

use std::time::Duration;

use mpc_router_proto::v1::NotificationChannel;
use tokio::time::{sleep, timeout};

use super::super::world::World;
use super::Story;
use crate::specimen::Twist;

/// Long enough to be offline.
const AWAY: Duration = Duration::from_millis(1_600);

/// Long enough for two retries.
const RETRIES: Duration = Duration::from_secs(3);

fn channels(email: &str, phone: &str, push_token: &str) -> Option<NotificationChannel> {
    let (email, phone, push_token) = (email.into(), phone.into(), push_token.into());
    Some(NotificationChannel { email, phone, push_token })
}

/// What has come for these parties.
fn told(story: &mut Story, world: &World, parties: &[&str]) {
    for party in parties {
        let mut came: Vec<_> = world.notices.of(party).into_iter().map(|it| it.text).collect();
        came.sort();
        story.tell(party, came);
    }
}

async fn register(world: &World, party: &str, notification: Option<NotificationChannel>) {
    world.register(party, "persistent", notification).await.unwrap();
}

pub(super) async fn waking(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::of(twist).await;
    let parties = ["a", "beats", "polls", "streams", "stays", "acks", "moves", "without"];
    for party in parties {
        let channels = match party {
            "a" | "without" => None,
            "beats" => channels("b@x.org", "+49", "token"),
            party => channels(&format!("{party}@x.org"), "", ""),
        };
        register(&world, party, channels).await;
    }
    for session in ["s", "t"] {
        world.announce(session, &parties).await;
    }
    world.heartbeat("beats", 0).await.unwrap();
    world.route("s", "a", &["beats"], "while it is online").await.unwrap();
    sleep(AWAY).await;
    told(&mut story, &world, &parties);

    world.route("s", "a", &[], "to all").await.unwrap();
    let id = world.route("t", "a", &["beats", "acks", "stays"], "direct").await.unwrap();
    world.route("s", "a", &[], "to all again").await.unwrap();
    story.tell("acknowledged", world.ack("t", "acks", &id, true).await);
    world.route("t", "a", &["acks"], "after that").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    told(&mut story, &world, &parties);

    world.heartbeat("beats", 0).await.unwrap();
    story.polled("polls", &world.poll("s", "polls", 0).await);
    drop(world.open("s", "streams").await.unwrap());
    register(&world, "moves", None).await;
    world.route("s", "a", &["beats"], "just returned").await.unwrap();
    sleep(AWAY).await;
    world.route("s", "a", &[], "to all").await.unwrap();
    sleep(Duration::from_millis(50)).await;
    told(&mut story, &world, &parties);
    world.announce("v", &parties).await;
    let first = world.route("v", "a", &["stays"], "one of two");
    let (one, other) = tokio::join!(first, world.route("v", "a", &["stays"], "at once"));
    story.tell("at once", (one.is_ok(), other.is_ok()));
    sleep(Duration::from_millis(50)).await;
    told(&mut story, &world, &["stays"]);
    failing(&mut story, &world).await;
    story
}

/// A gateway that refuses, and one that hangs.
async fn failing(story: &mut Story, world: &World) {
    world.announce("u", &["a", "beats", "stays", "acks"]).await;
    world.notices.refuse("beats", 2);
    world.notices.hang("stays");
    for party in ["beats", "stays", "acks"] {
        let routed = timeout(RETRIES, world.route("u", "a", &[party], "text")).await;
        story.tell(party, routed.map(|it| it.is_ok()).ok());
    }
    sleep(RETRIES).await;
    told(story, world, &["beats", "stays", "acks"]);
}
