//! SUB-6, SUB-7, SUB-8, SUB-10: how a stream is opened, refused, and stays open.

use std::time::Duration;

use mpc_router_proto::v1::{MpcMessage, SessionEvent, SubscribeMessagesRequest};
use tokio::time::Instant;
use tonic::Code;

use crate::families::arrivals::{acknowledge, all_of, in_order, stream_of, up_to};
use crate::feed::{Carried, Ending, Feed};
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

/// Common idle time-outs are longer, but what is wrong from the start shows by then.
const SILENCE: Duration = Duration::from_secs(3);

/// Long for headers that leave at once.
const HEADERS: Duration = Duration::from_secs(3);

fn of(session: &Session, party_id: impl Into<String>) -> SubscribeMessagesRequest {
    SubscribeMessagesRequest { session_id: session.id.clone(), party_id: party_id.into() }
}

pub(super) async fn a_party_is_needed(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    alice.has_sent(&session, &[], "waiting").await?;
    for _ in 0..2 {
        let mut feed = bob.subscribe_with(of(&session, ""));
        feed.refused(&[Code::InvalidArgument]).await?;
    }
    Ok(())
}

pub(super) async fn unknown_parties_are_rejected(trial: Trial) -> Verdict {
    let alice = trial.party("alice").await?;
    let [bob, near] = trial.parties(["bob", "near"]).await?;
    // One that is selected for the session, and one that nobody has heard of.
    let (member, stranger) = (trial.stranger("member"), trial.stranger("stranger"));
    let session = trial.session("s", &[&alice, &bob, &near, &member]).await?;
    let keeping = trial.keeping();
    let waiting = alice.has_sent(&session, &[], "waiting").await?;
    member.subscribe(&session).refused(&[Code::NotFound]).await?;
    // Whoever is no member may be told so.
    let usual = [Code::NotFound, Code::PermissionDenied];
    let nearly = [near.id.to_uppercase(), near.id[..near.id.len() - 1].to_owned()];
    for name in [stranger.id.clone()].into_iter().chain(nearly) {
        stranger.subscribe_with(of(&session, name)).refused(&usual).await?;
    }
    // Having asked does not make it known, and does not spoil what comes when it is.
    let listed = alice.list("", false).await.prepared()?.parties;
    if listed.iter().any(|it| it.party_id == member.id || it.party_id == stranger.id) {
        let seen = "an unknown party's subscription made the directory list it";
        return Err(Stop::broken(seen, "a rejected call has no effect"));
    }
    member.register("temporary").await.prepared()?;
    let mut feed = member.subscribe(&session);
    all_of(&mut feed, [&keeping], &stream_of(&member), [&waiting]).await.map(drop)
}

pub(super) async fn a_silent_stream_stays_open(trial: Trial) -> Verdict {
    let [alice, fresh, drained, acknowledged] =
        trial.parties(["alice", "fresh", "drained", "acknowledged"]).await?;
    let session = trial.session("s", &[&alice, &fresh, &drained, &acknowledged]).await?;
    let keeping = trial.keeping_streamed();
    let before = alice.has_sent(&session, &[&drained], "before").await?;
    let mut at_fresh = fresh.subscribe(&session);
    let mut at_drained = drained.subscribe(&session);
    let mut at_acknowledged = acknowledged.subscribe(&session);
    // One that has had a replay, and one that has had something live.
    let live = alice.has_sent(&session, &[&acknowledged], "live").await?;
    up_to(&mut at_drained, &[&before]).await?;
    up_to(&mut at_acknowledged, &[&live]).await?;
    acknowledge([&keeping], &drained, [&before]).await?;
    acknowledge([&keeping], &acknowledged, [&live]).await?;

    let known = [vec![], vec![&before], vec![&live]];
    let until = Instant::now() + silence(&trial);
    let watched = tokio::join!(
        stays_silent(&mut at_fresh, &fresh, &known[0], until),
        stays_silent(&mut at_drained, &drained, &known[1], until),
        stays_silent(&mut at_acknowledged, &acknowledged, &known[2], until),
    );
    watched.0.and(watched.1).and(watched.2)?;
    let again = alice.has_sent(&session, &[], "again").await?;
    for (party, feed) in [
        (&fresh, &mut at_fresh),
        (&drained, &mut at_drained),
        (&acknowledged, &mut at_acknowledged),
    ] {
        let came = up_to(feed, &[&again]).await?;
        in_order(&stream_of(party), &came, &[&again])?;
    }
    Ok(())
}

/// Long enough for the parties to go offline, where this run can wait for that.
fn silence(trial: &Trial) -> Duration {
    let offline = trial.timers().heartbeat_timeout() * 5 / 4;
    match trial.can_wait_for("heartbeat_timeout", offline) {
        Ok(()) => offline.max(SILENCE),
        Err(_) => SILENCE,
    }
}

/// Demands that a stream neither ends nor brings anything but copies of what it has brought.
async fn stays_silent(
    feed: &mut Feed<MpcMessage>,
    party: &Party,
    known: &[&Sent],
    until: Instant,
) -> Verdict {
    let (began, accepted) = (Instant::now(), "a stream that stays open and silent");
    while Instant::now() < until {
        if let Some(item) = feed.item_until(until).await {
            let id = item.content.message_id;
            if known.iter().all(|it| it.id != id) {
                let seen = format!(
                    "{} brought a message (message_id {id:?}, of {:?}) that nobody routed",
                    stream_of(party),
                    item.content.from_party
                );
                return Err(Stop::broken(seen, accepted));
            }
        }
        match feed.ending() {
            None => {}
            Some(Ending::Lost(why)) => {
                let why = format!("{} was lost: {why}", stream_of(party));
                return Err(Stop::Inconclusive(why));
            }
            Some(ending) => {
                let silent = began.elapsed().as_secs_f64();
                let seen = format!("{} {} after {silent:.1} s", stream_of(party), ending.words());
                return Err(Stop::broken(seen, accepted));
            }
        }
    }
    Ok(())
}

pub(super) async fn headers_come_at_once(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    let mut messages: Feed<MpcMessage> = bob.subscribe(&session);
    // Of a type that nobody publishes: nothing can come.
    let mut events: Feed<SessionEvent> = bob.subscribe_events(&[&trial.name("type")]);
    let (messages, events) =
        tokio::join!(have_headers(&trial, &mut messages), have_headers(&trial, &mut events));
    let kinds = [("SubscribeMessages", messages?), ("SubscribeSessionEvents", events?)];
    let late: Vec<_> = kinds.iter().filter(|(_, come)| !come).map(|(kind, _)| *kind).collect();
    if late.is_empty() {
        return Ok(());
    }
    let seen = format!(
        "{}: no response headers within {} s, while there is nothing to deliver",
        late.join(" and "),
        HEADERS.as_secs()
    );
    Err(Stop::broken(seen, "the headers at once"))
}

/// Whether the response headers come, without an item.
async fn have_headers<T: Carried>(trial: &Trial, feed: &mut Feed<T>) -> Result<bool, Stop> {
    let wait = trial.pace().wait();
    if feed.headers_within(HEADERS).await {
        return Ok(true);
    }
    let _ = feed.item_until(Instant::now()).await;
    if let Some(ending) = feed.ending() {
        let words = ending.words();
        return Err(Stop::NotChecked(format!(
            "what it needs first did not work: the stream {words}"
        )));
    }
    match trial.missed(&wait, "no headers", "headers").await {
        Stop::Broken(_) => Ok(false),
        stop => Err(stop),
    }
}
