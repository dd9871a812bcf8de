//! SEC-7: what must be told nowhere.

use std::time::Duration;

use mpc_router_proto::v1::{
    MpcMessage, NotificationChannel, RegisterPartyRequest, RouteMessageRequest,
};
use tokio::time::{Instant, sleep_until};

use super::super::announcing::{event, publishes_if_taken};
use super::super::prelude::*;
use super::super::scene::Scene;
use super::canary::{Canary, Text};
use super::sees_callers;
use crate::answer::{Answer, Fate};
use crate::families::restarting::{comes_up, stop_limit};
use crate::feed::Feed;
use crate::listening::listening;
use crate::party::Party;
use crate::printed::Printed;
use crate::trial::{Session, registration};

/// How much longer than `heartbeat_timeout` somebody is silent who is to be away.
const AWAY: Duration = Duration::from_millis(100);

/// How long a notification is waited for.
const RAISED_WITHIN: Duration = Duration::from_secs(2);

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

pub(super) async fn secrets_are_told_nowhere(trial: Trial) -> Verdict {
    sees_callers(&trial)?;
    let canaries = ["payload", "join token", "e-mail address", "phone number", "push token"]
        .map(|what| Canary::new(&trial, what));
    let [payload, token, email, phone, push] = &canaries;
    let channel = || NotificationChannel {
        email: format!("{}@example.org", email.word),
        phone: phone.word.clone(),
        push_token: push.word.clone(),
    };
    let mut told = Vec::new();

    // What is accepted.
    let scene = Scene::new(&trial, "").await?;
    let Scene { alice, bob, carol, session, .. } = &scene;
    let register = |id: &str, role: &str| RegisterPartyRequest {
        notification: Some(channel()),
        ..registration(id, role)
    };
    carol.register_with(register(&carol.id, "persistent")).await.prepared()?;
    let given_up = in_vain(&trial, alice, &payload.word).await?;
    let at_bob = listening(&trial, bob, &[]).await?;
    let mut announced = event("session_started", session.id.clone(), &[alice, bob, carol]);
    announced.join_tokens.insert(bob.id.clone(), token.word.clone());
    publishes_if_taken(&trial, announced.clone()).await?;
    let good = alice.outgoing(session, &[bob, carol], payload.word.clone());
    let sent = alice.has_sent_this(good.clone()).await?;
    carol.polls(session).await?;
    let mut refusal = sent.acknowledgement(carol, false);
    refusal.error_message = "not usable".into();
    carol.acknowledge(refusal).await.prepared()?;
    drop(at_bob);

    // What is refused, for whatever reason.
    let mut keep = |answer: Answer<()>| told.push(answer);
    let other = trial.party("other").await?;
    let elsewhere = Session { id: trial.name("elsewhere") };
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let mut too_long = payload.word.clone().into_bytes();
    too_long.resize(most.saturating_add(1), b'.');
    let bad: [RouteMessageRequest; 6] = [
        RouteMessageRequest { session_id: String::new(), ..good.clone() },
        RouteMessageRequest { session_id: elsewhere.id.clone(), ..good.clone() },
        RouteMessageRequest { to_parties: vec![other.id.clone()], ..good.clone() },
        RouteMessageRequest { to_parties: vec![String::new()], ..good.clone() },
        RouteMessageRequest { round_number: -1, ..good.clone() },
        RouteMessageRequest { payload: too_long.into(), ..good.clone() },
    ];
    for request in bad {
        keep(alice.route(request).await.hollow());
    }
    // In another party's name, and as no member.
    keep(other.route(good.clone()).await.hollow());
    keep(other.route(other.outgoing(session, &[bob], payload.word.clone())).await.hollow());
    for (id, role) in [(&other.id, "observer"), (&other.id, "delegate"), (&carol.id, "persistent")]
    {
        keep(other.register_with(register(id, role)).await.hollow());
    }
    keep(other.register_with(register("", "persistent")).await.hollow());
    let coordinator = trial.coordinator();
    let mut wrong = announced.clone();
    wrong.session_id.clear();
    keep(coordinator.publish(wrong.clone()).await.hollow());
    wrong = announced.clone();
    wrong.event_type.clear();
    keep(coordinator.publish(wrong.clone()).await.hollow());
    wrong = announced.clone();
    wrong.threshold_t = -1;
    keep(coordinator.publish(wrong).await.hollow());
    keep(other.publish(announced).await.hollow());
    if trial.claims(Capability::Idempotency) {
        alice.route_keyed(good.clone(), "one key").await.prepared()?;
        let contrary = RouteMessageRequest { round_number: 2, ..good };
        keep(alice.route_keyed(contrary, "one key").await.hollow());
    }

    for answer in &told {
        let text = match &answer.fate {
            Fate::Refused(status) => format!(
                "{} {:?} {}",
                status.message(),
                status.metadata(),
                String::from_utf8_lossy(status.details())
            ),
            Fate::Declined(text) => text.clone(),
            _ => continue,
        };
        for canary in &canaries {
            if let Some((form, _)) = canary.found_in(&Text::new(text.as_bytes())) {
                let seen = format!("the error of {} holds the {} {form}", answer.call, canary.what);
                return Err(Stop::broken(seen, "an error without it"));
            }
        }
    }
    wakes(&trial, &scene, &payload.word, channel()).await?;
    if let Some((_stream, given_up)) = given_up {
        sleep_until(given_up).await;
    }
    nothing_is_printed(&trial, &canaries).await
}

/// Sends a message on a stream whose reader acknowledges nothing, where that may be waited for: it will
/// have been given up at the time that is told.
async fn in_vain(
    trial: &Trial,
    alice: &Party,
    payload: &str,
) -> Result<Option<(Feed<MpcMessage>, Instant)>, Stop> {
    let timers = trial.timers();
    let cannot_wait = trial.can_wait_for("all attempts", timers.all_attempts()).is_err();
    if !trial.claims(Capability::Redelivery) || cannot_wait {
        return Ok(None);
    }
    let reader = trial.party("in-vain").await?;
    let session = trial.session("in-vain", &[alice, &reader]).await?;
    let stream = reader.subscribe(&session);
    alice.has_sent(&session, &[&reader], payload.to_owned()).await?;
    let given_up = Instant::now() + timers.all_attempts() + timers.ack_timeout() / 2;
    Ok(Some((stream, given_up)))
}

/// Lets parties be told of a message while they are away, also by a gateway that fails: what tells them
/// may print as well.
async fn wakes(
    trial: &Trial,
    scene: &Scene,
    payload: &str,
    channel: NotificationChannel,
) -> Verdict {
    let timeout = trial.timers().heartbeat_timeout();
    let cannot_wait = trial.can_wait_for("heartbeat_timeout", timeout).is_err();
    if !trial.claims(Capability::Offline) || cannot_wait {
        return Ok(());
    }
    let Scene { alice, bob, carol, session, .. } = scene;
    let failing = trial.stranger("failing");
    let registers = registration(&failing.id, "persistent");
    let registers = RegisterPartyRequest { notification: Some(channel), ..registers };
    failing.register_with(registers).await.prepared()?;
    let of_failing = trial.session("failing", &[alice, &failing]).await?;
    trial.sleep(timeout + AWAY).await;
    alice.has_sent(session, &[bob, carol], payload.to_owned()).await?;
    let Ok(notices) = trial.notices() else { return Ok(()) };
    notices.refuse(&failing.id, 1);
    let sent = alice.has_sent(&of_failing, &[&failing], payload.to_owned()).await;
    let began = Instant::now();
    while sent.is_ok() && notices.of(&failing.id).is_empty() && began.elapsed() < RAISED_WITHIN {
        trial.sleep(BETWEEN_LOOKS).await;
    }
    notices.release(&failing.id);
    sent.map(drop)
}

async fn nothing_is_printed(trial: &Trial, canaries: &[Canary]) -> Verdict {
    let Some(printed) = trial.printed() else {
        return Err(Stop::NotChecked(
            "its errors hold no secret, but what it prints cannot be seen: let the suite start it, by \
             exec: or by target.start in the profile"
                .into(),
        ));
    };
    // What it logs may take a moment to get here.
    trial.sleep(trial.pace().quiet()).await;
    no_secret_in(printed, canaries)?;
    // Some is printed only when the target ends. One that keeps nothing is not made for that.
    if let (Ok(power), true) = (trial.power(), trial.claims(Capability::Durable)) {
        power.stop(stop_limit(trial)).await;
        let back = comes_up(trial, &power, "after an orderly stop").await;
        no_secret_in(printed, canaries)?;
        back.map_err(unprepared)?;
    }
    if printed.is_full() {
        let why = "the target printed more than the suite keeps, and the part that is kept holds no \
                   secret: let it log less";
        return Err(Stop::NotChecked(why.into()));
    }
    Ok(())
}

fn no_secret_in(printed: &Printed, canaries: &[Canary]) -> Verdict {
    let kept = printed.kept();
    let text = Text::new(&kept);
    for canary in canaries {
        if let Some((form, line)) = canary.found_in(&text) {
            let seen = format!("the target printed the {} {form}: {line}", canary.what);
            return Err(Stop::broken(seen, "no line with it"));
        }
    }
    Ok(())
}

/// That a target does not start again is the business of others.
fn unprepared(stop: Stop) -> Stop {
    match stop {
        Stop::Broken(finding) => Stop::NotChecked(finding.seen),
        stop => stop,
    }
}
