//! Callers that show who they are, or something else.

use std::time::{Duration, SystemTime};

use mpc_router_proto::v1::{NotificationChannel, SessionEvent};
use tokio::time::sleep;

use super::super::world::{BEGIN, World, message, names, settings};
use super::Story;
use crate::connect::Door;
use crate::identity::{Grade, Shown};
use crate::notices::Notices;
use crate::power::Engine as _;
use crate::specimen::{Machine, Settings, Twist};

const GRADES: [Grade; 5] =
    [Grade::SelfSigned, Grade::OtherAuthority, Grade::ByAParty, Grade::Expired, Grade::NotYetValid];

/// The world as whoever shows this sees it.
async fn seen_by(door: &Door, shown: Shown) -> World {
    World::through(door.showing(shown).expect("in memory anything can be shown")).await
}

async fn named(door: &Door, name: &str) -> World {
    seen_by(door, Shown::Certificate(name.into(), Grade::Good)).await
}

fn holds(printed: &[u8], secret: &str) -> bool {
    memchr::memmem::find(printed, secret.as_bytes()).is_some()
}

fn event(tokens: &[&str]) -> SessionEvent {
    SessionEvent {
        event_type: "session_started".into(),
        session_id: "s".into(),
        threshold_n: 1,
        threshold_t: 1,
        selected_parties: names(&["a", "b", "c"]),
        join_tokens: tokens.iter().map(|it| ((*it).into(), format!("token of {it}"))).collect(),
        ..SessionEvent::default()
    }
}

pub(super) async fn identity(twist: Twist) -> Story {
    let mut story = Story::default();
    let begin = SystemTime::UNIX_EPOCH + Duration::from_millis(BEGIN.unsigned_abs());
    let settings = Settings { secure: true, ..settings() };
    let notices = Notices::default();
    let machine = Machine::at(begin, settings, twist, notices.clone());
    let (door, printed) = (machine.door(), machine.printed());
    let coordinator = World::through(door.clone()).await;
    let [a, b, c] = [named(&door, "a").await, named(&door, "b").await, named(&door, "c").await];
    for (world, name) in [(&a, "a"), (&b, "b"), (&c, "c")] {
        let channel =
            NotificationChannel { email: format!("mail-of-{name}"), ..Default::default() };
        story.tell(name, world.register(name, "persistent", Some(channel)).await.is_ok());
    }
    let mut at_b = b.listen("b", &[]).await;
    story.tell("announced", coordinator.publish(event(&["a", "b"])).await);
    story.tell("announced", coordinator.publish(event(&["b", "b2"])).await);
    let mut invalid = event(&["a"]);
    invalid.threshold_n = -1;
    story.tell("its error", coordinator.error_of(invalid).await);
    if let Ok(stream) = &mut at_b {
        story.events("b hears", stream).await;
    }
    if let Ok(stream) = &mut a.listen("a", &[]).await {
        story.events("a hears later", stream).await;
    }

    let id = a.route("s", "a", &["b"], "secret").await;
    let id = story.routed("a sends", &id);
    let capital = named(&door, "A").await;
    let keyed = a.send_keyed(message("s", "a", &["c"], "secret"), Some("k")).await;
    story.routed("a sends with a key", &keyed);
    let beside = seen_by(&door, Shown::AlsoCalled("x".into(), "a".into())).await;
    let within = named(&door, "x,CN=a").await;
    let worlds = [
        ("b", &b),
        ("c", &c),
        ("A", &capital),
        ("coordinator", &coordinator),
        ("beside", &beside),
        ("within", &within),
    ];
    for (who, world) in worlds {
        story.tell(who, world.send(message("s", "a", &["b"], "secret")).await.is_ok());
        let again = world.send_keyed(message("s", "a", &["c"], "secret"), Some("k")).await;
        story.tell(who, again.is_ok());
        for session in ["s", ""] {
            story.tell(who, world.poll(session, "a", 0).await.is_ok());
            story.tell(who, world.open(session, "a").await.is_ok());
        }
        story.tell(who, world.listen("a", &[]).await.is_ok());
        story.tell(who, world.heartbeat("a", BEGIN).await.is_ok());
        story.tell(who, world.register("a", "persistent", None).await.is_ok());
        story.tell(who, world.status("s", &id).await.is_ok());
        story.tell(who, world.publish(event(&[])).await.is_ok());
        for role in ["", "persistent"] {
            let listed = world.directory(role, false).await;
            let shown = listed.map(|it| it.parties.into_iter().map(|it| it.notification));
            story.tell(who, shown.map(Iterator::collect::<Vec<_>>));
        }
    }
    story.tell("coordinator", coordinator.ack("s", "b", &id, true).await.is_ok());
    story.tell("c", c.ack("s", "b", &id, true).await.is_ok());

    let mut strangers = vec![Shown::Plaintext, Shown::Nothing];
    strangers.extend(GRADES.map(|grade| Shown::Certificate("a".into(), grade)));
    for shown in strangers {
        let who = format!("{shown:?}");
        let world = seen_by(&door, shown).await;
        story.tell(&who, world.directory("", false).await.is_ok());
        story.tell(&who, world.heartbeat("a", BEGIN).await.is_ok());
    }
    // Nobody has been heard of for long.
    sleep(Duration::from_secs(2)).await;
    notices.refuse("c", 1);
    story.routed("a sends", &a.route("s", "a", &["c"], "secret").await);
    // And nobody acknowledges it.
    let in_vain = c.open("s", "c").await;
    sleep(Duration::from_secs(2)).await;
    drop(in_vain);
    machine.stop(Duration::from_secs(3)).await;
    let numbers = format!("{:?}", b"secret");
    for secret in ["secret", "736563726574", &numbers, "mail-of-", "token of"] {
        story.tell(secret, holds(&printed.kept(), secret));
    }
    story
}
