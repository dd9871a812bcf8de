//! Parties: who is there, and who is alive.

use std::time::Duration;

use mpc_router_proto::v1::{NotificationChannel, RegisteredParty};
use tokio::time::sleep;

use super::super::world::{BEGIN, World};
use crate::specimen::Twist;

fn channel(email: &str, push_token: &str) -> Option<NotificationChannel> {
    let (email, push_token) = (email.to_owned(), push_token.to_owned());
    Some(NotificationChannel { email, phone: String::new(), push_token })
}

async fn listed(world: &World, role: &str, only_online: bool) -> Vec<String> {
    let answer = world.directory(role, only_online).await.unwrap();
    assert_eq!(answer.parties.len(), usize::try_from(answer.total_count).unwrap());
    let mut names: Vec<String> = answer.parties.into_iter().map(|party| party.party_id).collect();
    names.retain(|name| name != "of-an-earlier-run");
    names.sort();
    names
}

async fn entry(world: &World, party: &str) -> RegisteredParty {
    let answer = world.directory("", false).await.unwrap();
    answer.parties.into_iter().find(|entry| entry.party_id == party).unwrap()
}

pub(super) async fn registering(twist: Twist) {
    let world = World::of(twist).await;
    for role in ["persistent", "delegate", "temporary"] {
        let answer = world.register(role, role, None).await.unwrap();
        assert!(answer.registered_at.abs_diff(BEGIN) < 2000);
    }
    for (party, role) in [("", "persistent"), ("x", "Persistent"), ("x", ""), ("x", "boss")] {
        assert!(world.register(party, role, None).await.is_err(), "{party:?} as {role:?}");
    }
    assert_eq!(listed(&world, "", false).await, ["delegate", "persistent", "temporary"]);

    // REG-8, REG-4
    let first = world.register("a", "persistent", channel("a@b.c", "token")).await.unwrap();
    world.announce("s", &["a", "late", "delegate"]).await;
    world.route("s", "delegate", &[], "all").await.unwrap();
    world.route("s", "delegate", &["late"], "one").await.unwrap();
    world.register("late", "temporary", None).await.unwrap();
    assert_eq!(world.poll("s", "late", 0).await.unwrap().len(), 2);
    sleep(Duration::from_millis(50)).await;
    let again = world.register("a", "persistent", channel("", "other")).await.unwrap();
    assert_eq!(again.registered_at, first.registered_at);
    assert!(world.register("a", "delegate", None).await.is_err());
    let entry = entry(&world, "a").await;
    assert_eq!(entry.notification, channel("", "other"));
    assert_eq!((entry.role.as_str(), entry.registered_at), ("persistent", first.registered_at));
    assert_eq!(world.poll("s", "a", 0).await.unwrap().len(), 1);
}

pub(super) async fn listing(twist: Twist) {
    let world = World::of(twist).await;
    let cast = [("a", "persistent"), ("A", "delegate"), ("b", "delegate"), ("c", "temporary")];
    for (party, role) in cast {
        world.register(party, role, None).await.unwrap();
    }
    sleep(Duration::from_millis(1700)).await;
    for party in ["b", "c"] {
        world.heartbeat(party, 0).await.unwrap();
    }
    assert_eq!(listed(&world, "", false).await, ["A", "a", "b", "c"]);
    assert_eq!(listed(&world, "delegate", false).await, ["A", "b"]);
    assert_eq!(listed(&world, "", true).await, ["b", "c"]);
    assert_eq!(listed(&world, "delegate", true).await, ["b"]);
    assert_eq!(listed(&world, "persistent", true).await, [""; 0]);
    assert!(world.directory("boss", false).await.is_err());
}

pub(super) async fn living(twist: Twist) {
    let world = World::with(twist, &["a", "b"]).await;
    assert!(world.heartbeat("nobody", 0).await.is_err());
    assert_eq!(listed(&world, "", true).await, ["a", "b"]);
    world.route("s", "b", &["a"], "kept").await.unwrap();

    // HB-3, HB-5, HB-8, HB-9, HB-12: `a` beats just in time, with clocks that are hours off.
    let mut latest = 0;
    for hours in [-5, 5] {
        sleep(Duration::from_millis(1400)).await;
        let beat = world.heartbeat("a", BEGIN + hours * 3_600_000).await.unwrap();
        assert!(beat.server_timestamp >= latest);
        assert_eq!(beat.pending_messages, 1);
        latest = beat.server_timestamp;
        let seen = entry(&world, "a").await;
        assert!(seen.online && seen.last_seen_at >= latest);
    }
    assert!(!entry(&world, "b").await.online);

    // HB-6, HB-7, HB-11
    sleep(Duration::from_millis(1600)).await;
    assert!(!entry(&world, "a").await.online);
    assert_eq!(world.pending("a").await, 1);
    assert!(entry(&world, "a").await.online);
    assert_eq!(world.poll("s", "a", 0).await.unwrap().len(), 1);
}
