//! Deliveries: streamed, polled, acknowledged, sent again.

use std::collections::BTreeSet;
use std::time::Duration;

use mpc_router_proto::v1::{MessageDeliveryStatus, MpcMessage};
use tokio::time::sleep;

use super::super::world::{MIB, QUIET, World, texts};
use crate::specimen::{Twist, Variant};

async fn entry(world: &World, id: &str, party: &str) -> MessageDeliveryStatus {
    let status = world.status("s", id).await.unwrap();
    status.deliveries.into_iter().find(|entry| entry.party_id == party).unwrap()
}

pub(super) async fn streaming(twist: Twist) {
    let world = World::with(twist, &["a", "b"]).await;
    let first = world.route("s", "a", &["b"], "1").await.unwrap();
    let second = world.route("s", "a", &["b"], "2").await.unwrap();
    assert_eq!(entry(&world, &first, "b").await.status, "pending");
    let mut inbox = world.inbox("s", "b");
    assert_eq!(texts(&inbox.fresh().await), ["1", "2"]);
    let delivered = entry(&world, &first, "b").await;
    assert_eq!(delivered.status, "delivered");
    assert!(delivered.delivered_at > 0 && delivered.acknowledged_at == 0);
    world.ack("s", "b", &first, true).await.unwrap();
    world.route("s", "a", &["b"], "3").await.unwrap();
    assert_eq!(texts(&inbox.fresh().await), ["3"]);

    // SUB-3, SUB-4, STS-5, STS-8
    drop(inbox);
    sleep(QUIET).await;
    let delivered = entry(&world, &second, "b").await;
    let mut inbox = world.inbox("s", "b");
    assert_eq!(texts(&inbox.fresh().await), ["2", "3"]);
    assert_eq!(entry(&world, &second, "b").await.delivered_at, delivered.delivered_at);

    // SUB-5
    let mut newer = world.inbox("s", "b");
    assert_eq!(texts(&newer.fresh().await), ["2", "3"]);
    for text in ["4", "5"] {
        world.route("s", "a", &["b"], text).await.unwrap();
    }
    assert_eq!(texts(&newer.fresh().await), ["4", "5"]);
    drop((inbox, newer));

    // SUB-8
    sleep(QUIET).await;
    for message in world.poll("s", "b", 0).await.unwrap() {
        world.ack("s", "b", &message.message_id, true).await.unwrap();
    }
    let mut inbox = world.inbox("s", "b");
    sleep(Duration::from_secs(30)).await;
    assert!(inbox.fresh().await.is_empty() && inbox.is_open());
}

pub(super) async fn keeping_order(twist: Twist) {
    let total = !twist.is(Variant::RecipientsOrderForThemselves);
    let world = World::with(twist, &["a", "b", "c", "d"]).await;
    let mut early = [world.inbox("s", "c"), world.inbox("s", "d")];
    let mut b = world.inbox("s", "b");

    // Two senders at once, of both kinds; and `b` also answers what it hears, as it hears it.
    let send = async |from: &str| {
        for number in 0..15 {
            let to = if number % 3 == 0 { &[][..] } else { &["c", "d"] };
            world.route("s", from, to, format!("{from} {number}")).await.unwrap();
            if number % 5 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
    };
    tokio::join!(send("a"), send("b"), async {
        for _ in 0..5 {
            let heard = b.next().await;
            let answer = format!("b {}", texts(&[heard])[0]);
            world.route("s", "b", &[], answer).await.unwrap();
        }
    });

    let mut orders = Vec::new();
    for inbox in &mut early {
        orders.push(inbox.fresh().await);
    }
    orders.push(world.inbox("s", "c").fresh().await);
    orders.push(world.poll("s", "c", 0).await.unwrap());
    for order in &orders {
        assert_eq!(order.len(), 35);
        assert!(order.is_sorted_by_key(|message| message.created_at), "ORD-6, ORD-7");
        let texts = texts(order);
        for from in ["a", "b"] {
            let own: Vec<&String> = texts
                .iter()
                .filter(|text| text.starts_with(from) && text.split(' ').count() == 2)
                .collect();
            let sent: Vec<String> = (0..15).map(|number| format!("{from} {number}")).collect();
            assert_eq!(own, sent.iter().collect::<Vec<_>>(), "ORD-1, ORD-2, ORD-3");
        }
        for (place, text) in texts.iter().enumerate() {
            if let Some(asked) = text.strip_prefix("b a ") {
                let asked = texts.iter().position(|text| *text == format!("a {asked}"));
                assert!(asked.is_some_and(|asked| asked < place), "ORD-4");
            }
        }
    }
    if total {
        assert!(orders.iter().all(|order| texts(order) == texts(&orders[0])), "ORD-5");
    }
}

/// Polls on from the latest seen until nothing new comes, and drops what it has.
async fn poll_on(world: &World, party: &str, acknowledge: bool) -> Vec<MpcMessage> {
    let (mut after, mut seen, mut all) = (0, BTreeSet::new(), Vec::<MpcMessage>::new());
    loop {
        let answer = world.poll("s", party, after).await.unwrap();
        let distinct: BTreeSet<&String> =
            answer.iter().map(|message| &message.message_id).collect();
        assert_eq!(distinct.len(), answer.len(), "PND-1");
        assert!(answer.iter().all(|message| message.created_at >= after), "PND-2");
        assert!(answer.is_sorted_by_key(|message| message.created_at), "ORD-6");
        let bytes: usize = answer.iter().map(|message| message.payload.len()).sum();
        assert!(bytes <= 4 * MIB || answer.len() == 1, "PND-4");
        let fresh: Vec<MpcMessage> =
            answer.into_iter().filter(|message| seen.insert(message.message_id.clone())).collect();
        let Some(latest) = fresh.last() else { return all };
        after = latest.created_at;
        for message in &fresh {
            if acknowledge {
                world.ack("s", party, &message.message_id, true).await.unwrap();
            }
        }
        all.extend(fresh);
    }
}

pub(super) async fn polling_a_backlog(twist: Twist) {
    let world = World::with(twist, &["a", "b", "c"]).await;
    let mut sent = Vec::new();
    for number in 0..12 {
        let length = [2 * MIB, 700_000, 100][number % 3];
        sent.push(world.route("s", "a", &[], vec![7; length]).await.unwrap());
    }
    for (party, acknowledge) in [("b", true), ("c", false)] {
        let got = poll_on(&world, party, acknowledge).await;
        let got: Vec<&String> = got.iter().map(|message| &message.message_id).collect();
        assert_eq!(got, sent.iter().collect::<Vec<_>>(), "PND-3, PND-4");
    }
    assert_eq!((world.pending("b").await, world.pending("c").await), (0, 12));
    // A hand-out may be noted a moment later.
    sleep(QUIET).await;
    assert_eq!(entry(&world, &sent[0], "c").await.retry_count, 0, "PND-6");
    assert_eq!(entry(&world, &sent[0], "c").await.status, "delivered", "PND-5");
}

pub(super) async fn polling_one_instant(twist: Twist) {
    let world = World::with(twist, &["a", "b"]).await;
    let (mut after, mut got) = (0, BTreeSet::new());
    for number in 0..16 {
        let length = [10, 900_000][number % 2];
        for _ in 0..[1, 2, 3, 0][number % 4] {
            world.route("s", "a", &["b"], vec![7; length]).await.unwrap();
        }
        for message in world.poll("s", "b", after).await.unwrap() {
            after = message.created_at.max(after);
            got.insert(message.message_id);
        }
    }
    assert_eq!(got.len(), 24, "PND-3");
}

pub(super) async fn acknowledging(twist: Twist) {
    let world = World::with(twist, &["a", "b", "c"]).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(world.route("s", "a", &["b", "c"], format!("{number}")).await.unwrap());
    }
    let mut inbox = world.inbox("s", "b");
    assert_eq!(inbox.fresh().await.len(), 6);

    // ACK-5, ACK-6, ACK-7
    for (session, party, id) in
        [("s", "b", "no id"), ("s", "a", &ids[0]), ("t", "b", &ids[0]), ("", "b", &ids[0])]
    {
        for success in [true, false] {
            assert!(world.ack(session, party, id, success).await.is_err());
        }
    }
    assert_eq!(world.pending("b").await, 6);

    // ACK-1, ACK-2, ACK-4, ACK-10, ACK-11
    world.ack("s", "b", &ids[3], true).await.unwrap();
    let acknowledged = entry(&world, &ids[3], "b").await;
    assert_eq!(acknowledged.status, "acknowledged");
    assert!(acknowledged.acknowledged_at >= acknowledged.delivered_at, "STS-4");
    sleep(Duration::from_millis(20)).await;
    world.ack("s", "b", &ids[3], true).await.unwrap();
    assert!(world.ack("s", "b", &ids[3], false).await.is_err());
    assert_eq!(entry(&world, &ids[3], "b").await, acknowledged);
    assert_eq!(entry(&world, &ids[2], "b").await.status, "delivered");
    assert_eq!(entry(&world, &ids[3], "c").await.status, "pending");
    assert_eq!((world.pending("b").await, world.pending("c").await), (5, 6));

    // ACK-3, ACK-8, STS-6
    world.ack("s", "c", &ids[3], true).await.unwrap();
    assert!(world.status("s", &ids[3]).await.unwrap().all_acknowledged);
    world.ack("s", "b", &ids[4], false).await.unwrap();
    world.ack("s", "b", &ids[4], false).await.unwrap();
    assert!(world.ack("s", "b", &ids[4], true).await.is_err());
    world.ack("s", "c", &ids[4], true).await.unwrap();
    assert_eq!(entry(&world, &ids[4], "b").await.status, "failed");
    assert!(!world.status("s", &ids[4]).await.unwrap().all_acknowledged);

    // PND-8, ACK-9
    let left: BTreeSet<String> =
        world.poll("s", "b", 0).await.unwrap().into_iter().map(|m| m.message_id).collect();
    let open: BTreeSet<String> = [0, 1, 2, 5].map(|at: usize| ids[at].clone()).into();
    assert_eq!(left, open);
    sleep(QUIET).await;
    inbox.arrived();
    sleep(Duration::from_millis(900)).await;
    for message in inbox.arrived() {
        assert!(open.contains(&message.message_id));
    }
    assert!(world.status("s", "no id").await.is_err());
    assert!(world.status("t", &ids[0]).await.is_err());
}

pub(super) async fn racing(twist: Twist) {
    let world = World::with(twist, &["a", "b"]).await;
    for _ in 0..5 {
        let id = world.route("s", "a", &["b"], "text").await.unwrap();
        let (good, bad) =
            tokio::join!(world.ack("s", "b", &id, true), world.ack("s", "b", &id, false));
        assert!(good.is_ok() != bad.is_ok(), "ACK-12");
        let status = if good.is_ok() { "acknowledged" } else { "failed" };
        assert_eq!(entry(&world, &id, "b").await.status, status);
    }
}

pub(super) async fn redelivering(twist: Twist) {
    // Of the second nobody knows so exactly when it sends again.
    if twist.is(Variant::NoRedelivery) || twist.is(Variant::SweptRedelivery) {
        return;
    }
    let world = World::with(twist, &["a", "b", "c"]).await;
    let mut inbox = world.inbox("s", "b");
    let mut other = world.inbox("s", "c");
    let id = world.route("s", "a", &[], "text").await.unwrap();
    assert_eq!(other.fresh().await.len(), 1);
    world.ack("s", "c", &id, true).await.unwrap();

    // RED-1 to RED-4, RED-7
    sleep(Duration::from_millis(200)).await;
    assert_eq!(texts(&inbox.arrived()), ["text"]);
    assert_eq!(entry(&world, &id, "b").await.retry_count, 0);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(texts(&inbox.arrived()), ["text"]);
    assert_eq!(entry(&world, &id, "b").await.retry_count, 1);
    world.route("s", "a", &["b"], "fresh").await.unwrap();
    assert_eq!(texts(&[inbox.next().await]), ["fresh"], "ORD-8");
    sleep(Duration::from_millis(2500)).await;
    let copies = texts(&inbox.arrived());
    assert_eq!(copies.iter().filter(|text| *text == "text").count(), 2);
    assert_eq!(copies.iter().filter(|text| *text == "fresh").count(), 3);
    assert_eq!(copies.len(), 5);
    let failed = entry(&world, &id, "b").await;
    assert_eq!((failed.status.as_str(), failed.retry_count), ("failed", 3));
    assert_eq!(other.arrived(), []);
    assert!(world.ack("s", "b", &id, true).await.is_err());

    // RED-5, RED-6
    let id = world.route("s", "a", &["b"], "kept").await.unwrap();
    assert_eq!(texts(&[inbox.next().await]), ["kept"]);
    drop(inbox);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(entry(&world, &id, "b").await.retry_count, 0);
    let mut inbox = world.inbox("s", "b");
    sleep(Duration::from_millis(600)).await;
    assert_eq!(texts(&inbox.arrived()), ["kept", "kept"]);
    world.ack("s", "b", &id, true).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(inbox.arrived(), []);
}

pub(super) async fn expiring(twist: Twist) {
    if twist.is(Variant::NoExpiry) || twist.is(Variant::SweptExpiry) {
        return;
    }
    let world = World::with(twist, &["a", "b"]).await;
    let id = world.route("s", "a", &["b"], "text").await.unwrap();
    sleep(Duration::from_millis(5900)).await;
    assert_eq!(world.poll("s", "b", 0).await.unwrap().len(), 1);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(world.poll("s", "b", 0).await.unwrap(), []);
    assert_eq!(entry(&world, &id, "b").await.status, "failed");
    assert_eq!(world.pending("b").await, 0);
}
