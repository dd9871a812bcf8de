//! Ordering.

use std::time::{Duration, SystemTime};

use tokio::time::{sleep, timeout};

use super::super::world::{BEGIN, MIB, QUIET, World, drain, settings, texts};
use super::Story;
use crate::notices::Notices;
use crate::specimen::{Machine, Twist};

/// One sender calls over two connections by turns.
async fn over_two_connections(story: &mut Story, twist: Twist) {
    let begin = SystemTime::UNIX_EPOCH + Duration::from_millis(BEGIN.unsigned_abs());
    let machine = Machine::at(begin, settings(), twist, Notices::default());
    let (one, other) = (World::on(&machine).await, World::on(&machine).await);
    for party in ["a", "b"] {
        one.register(party, "persistent", None).await.unwrap();
    }
    one.announce("s", &["a", "b"]).await;
    let mut b = one.open("s", "b").await.unwrap();
    for number in 0..10 {
        let world = if number % 2 == 0 { &one } else { &other };
        world.route("s", "a", &["b"], format!("{number}")).await.unwrap();
    }
    story.tell("by turns", texts(&drain(&mut b).await));
}

pub(super) async fn ordering(twist: Twist) -> Story {
    let mut story = Story::default();
    let world = World::with(twist.clone(), &["a", "b", "c", "d"]).await;
    let mut c = world.open("s", "c").await.unwrap();
    let mut d = world.open("s", "d").await.unwrap();

    // Two senders at one instant; then kinds and sizes.
    for (from, to, payload) in [
        ("b", &["c", "d"][..], b"b".to_vec()),
        ("a", &["c", "d"], b"a".to_vec()),
        ("a", &[], b"all".to_vec()),
        ("a", &["c", "d"], b"one".to_vec()),
        ("a", &["c"], vec![1; MIB + 1]),
        ("a", &["c"], b"small".to_vec()),
    ] {
        world.route("s", from, to, payload).await.unwrap();
    }
    story.stream("c", &mut c).await;
    story.stream("d", &mut d).await;

    // Redelivery begins, and new ones come.
    sleep(Duration::from_millis(450)).await;
    story.stream("c again", &mut c).await;
    for text in ["fresh", "fresher"] {
        story.routed(text, &world.route("s", "a", &["c"], text).await);
    }
    story.stream("c fresh", &mut c).await;
    let mut again = world.open("s", "c").await.unwrap();
    story.routed("live", &world.route("s", "b", &["c"], "live").await);
    story.stream("c replayed", &mut again).await;
    drop((c, again));
    for from in ["d", "a", "c"] {
        world.route("s", from, &["b"], from).await.unwrap();
    }
    story.polled("b", &world.poll("s", "b", 0).await);

    drop(d);
    let several = ["1", "2", "3", "4", "5", "6"];
    for text in several {
        world.route("s", "a", &["d"], text).await.unwrap();
    }
    story.polled("d", &world.poll("s", "d", 0).await);
    world.route("s", "a", &["d"], "7").await.unwrap();
    let mut d = world.open("s", "d").await.unwrap();
    story.stream("d replayed", &mut d).await;
    drop(d);

    // Questions and answers: who hears both hears the question first.
    world.announce("u", &["a", "b", "c"]).await;
    let mut b = world.open("u", "b").await.unwrap();
    let mut c = world.open("u", "c").await.unwrap();
    for round in 0..10 {
        world.route("u", "a", &[], format!("ask {round}")).await.unwrap();
        if let Ok(Ok(Some(asked))) = timeout(QUIET, b.message()).await {
            world.route("u", "b", &["c"], [b"re ", &asked.payload[..]].concat()).await.unwrap();
        }
    }
    story.tell("c hears", texts(&drain(&mut c).await));

    // Calls at once, of different lengths.
    world.announce("v", &["a", "b", "c"]).await;
    let late = async {
        sleep(Duration::from_millis(3)).await;
        world.route("v", "b", &["c"], "1").await.unwrap();
    };
    tokio::join!(
        async {
            world.route("v", "a", &["c"], "123456").await.unwrap();
        },
        late
    );
    let mut c = world.open("v", "c").await.unwrap();
    story.stream("c at once", &mut c).await;
    over_two_connections(&mut story, twist).await;
    story
}
