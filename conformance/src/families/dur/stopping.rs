//! DUR-7: an orderly stop, seen by those who are connected.

use std::time::Duration;

use mpc_router_proto::v1::{MpcMessage, RouteMessageRequest, RouteMessageResponse};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::ledger::Ledger;
use crate::answer::{Answer, Fate};
use crate::families::prelude::*;
use crate::families::restarting::{comes_up, stop_limit};
use crate::families::stalling::stalled;
use crate::feed::{Carried, Ending, Feed};
use crate::listening::listening;
use crate::many::{each, volume_that_fits};
use crate::pace::Wait;
use crate::party::{Party, Sent};
use crate::power::{Halt, HowEnded, Power};
use crate::trial::{Session, Trial};

/// How long calls are under way before the target is to stop: it knows of them then.
const BEFORE: Duration = Duration::from_millis(200);

/// How long after that their other half is sent.
const AFTER: Duration = Duration::from_millis(100);

/// Calls of which the target has the first half when it is to stop.
const HALVES: usize = 4;

/// Streams that have nothing to do when it is to stop.
const IDLE: usize = 60;

/// Messages that wait for a reader that sleeps, and their length in bytes.
const UNREAD: usize = 24;
const UNREAD_BYTES: usize = 64 * 1024;

/// Where a connection broke before its last words had come, another stop must show the same: it may
/// have been the network's fault.
const ATTEMPTS: usize = 2;

pub(super) async fn a_stop_is_orderly(trial: Trial) -> Verdict {
    let power = trial.power()?;
    // With nobody connected, and then with streams and calls.
    let wait = trial.pace().wait();
    ends_in_time(&trial, &power.stop(stop_limit(&trial)).await, &wait)?;
    comes_up(&trial, &power, "after an orderly stop").await?;
    until_sure(|attempt| with_streams_and_calls(&trial, &power, attempt)).await?;
    // Who waits for a reader gives calls the time that they need: that is another stop.
    until_sure(|attempt| with_many_streams(&trial, &power, attempt)).await
}

/// Stops once more where the network may be to blame.
async fn until_sure<F>(mut stop: impl FnMut(usize) -> F) -> Verdict
where
    F: Future<Output = Result<Verdict, Stop>>,
{
    let mut attempt = 1;
    loop {
        match stop(attempt).await? {
            Err(_) if attempt < ATTEMPTS => attempt += 1,
            verdict => return verdict,
        }
    }
}

/// Demands that it ended by itself, in time, with exit code 0.
fn ends_in_time(trial: &Trial, halt: &Halt, wait: &Wait) -> Verdict {
    let timeout = Duration::from_millis(trial.timers().stop_timeout_ms).as_secs_f64();
    let accepted = format!("it exits with code 0 within stop_timeout, {timeout} s");
    let seen = match halt.ended {
        Some(HowEnded::Code(0)) => return Ok(()),
        Some(_) if halt.wrapped => {
            let why = "what the suite started has others beside it, as a shell has, so its exit code \
                       is not the target's: let the shell `exec` the target";
            return Err(Stop::NotChecked(why.into()));
        }
        Some(how) => format!("asked to stop, the target ended with {how}{}", halt.said),
        None if wait.stalled().is_some() => {
            return Err(Stop::Inconclusive("this machine kept the suite from running".into()));
        }
        None => format!(
            "asked to stop, the target had not ended after {:.1} s, and was killed{}",
            halt.took.as_secs_f64(),
            halt.said
        ),
    };
    Err(Stop::broken(seen, accepted))
}

/// Stops the target with streams open and calls under way. Inside is a verdict that the network may
/// be to blame for.
async fn with_streams_and_calls(
    trial: &Trial,
    power: &Power,
    attempt: usize,
) -> Result<Verdict, Stop> {
    let party = |name: &str| {
        let (trial, name) = (trial.clone(), format!("{name}{attempt}"));
        async move { trial.party(&name).await.map(|it| it.on_a_connection_of_its_own()) }
    };
    let (alice, bob, carol) = (party("alice").await?, party("bob").await?, party("carol").await?);
    // Each with one call: what is called at the same time has no order.
    let mut senders = Vec::new();
    for number in 0..HALVES {
        senders.push(party(&format!("sender{number}-")).await?);
    }
    let members: Vec<_> = [&alice, &bob, &carol].into_iter().chain(&senders).collect();
    let session = trial.session(&format!("s{attempt}"), &members).await?;
    let mut ledger = Ledger::new(trial);

    // Streams are known to be open once they have brought something.
    let opened = Instant::now();
    let mut messages = bob.subscribe(&session);
    let first = ledger.routes(&alice, &session, &[&bob], &[&bob], "first").await?;
    messages.next("the first message").await.map_err(Stop::unprepared)?;
    ledger.ends(&bob, &first, true).await?;
    let mut events = listening(trial, &carol, &["session_started"]).await?;
    for payload in ["one", "two"] {
        let both = [&bob, &carol];
        ledger.routes(&alice, &session, &both, &both, payload).await?;
    }
    ledger.may_have_been_handed_out(&bob);
    ledger.learn().await?;

    let (release, released) = watch::channel(false);
    let halves: Vec<_> = senders
        .iter()
        .enumerate()
        .map(|(number, sender)| {
            let request =
                sender.outgoing(&session, &[&bob, &carol], trial.payload(40_000 * number));
            half(sender.clone(), request, released.clone())
        })
        .collect();
    trial.sleep(BEFORE).await;
    let wait = trial.pace().wait();
    let whole = tokio::spawn(whole_ones(
        alice.on_a_connection_of_its_own(),
        session.clone(),
        [bob.clone(), carol.clone()],
    ));
    let stopping = {
        let (power, limit) = (power.clone(), stop_limit(trial));
        tokio::spawn(async move { power.stop(limit).await })
    };
    trial.sleep(AFTER).await;
    release.send_replace(true);
    let mut answers = Vec::new();
    for half in halves {
        answers.push(half.await.map_err(failed)?);
    }
    let whole = whole.await.map_err(failed)??;
    let halt = stopping.await.map_err(failed)?;
    ledger.was_streamed_for(opened.elapsed());
    let deadline = Instant::now() + trial.pace().patience();
    let of_messages = end_of(&mut messages, "SubscribeMessages", deadline).await;
    let of_events = end_of(&mut events, "SubscribeSessionEvents", deadline).await;

    let mut verdicts = vec![of_messages, of_events];
    for (sent, answer) in answers {
        verdicts.push(finished_or_refused(&mut ledger, sent, answer, [&bob, &carol]));
    }
    for (request, id) in whole {
        let recipients = vec![bob.id.clone(), carol.id.clone()];
        match id {
            Some(id) => ledger.accepted(Sent { id, request }, recipients),
            None => ledger.perhaps(request, recipients),
        }
    }
    ends_in_time(trial, &halt, &wait)?;
    comes_up(trial, power, "after an orderly stop with streams and calls").await?;
    let [bob, carol] = [&bob, &carol].map(Party::on_a_connection_of_its_own);
    let when = "after an orderly stop with calls under way, and a restart";
    ledger.may_have_been_handed_out(&bob);
    ledger.polls_hold(&[&bob, &carol], &session, when).await?;
    judged(verdicts)
}

/// What was seen when it stopped. Inside is a verdict that the network may be to blame for.
fn judged(verdicts: Vec<Result<(), Seen>>) -> Result<Verdict, Stop> {
    // What the network cannot have done goes first.
    let is_lost = |it: &Result<(), Seen>| matches!(it, Err(Seen::Lost(_)));
    let (lost, sure): (Vec<_>, Vec<_>) = verdicts.into_iter().partition(is_lost);
    let told = |it: Result<(), Seen>| {
        it.map_err(|seen| match seen {
            Seen::Lost(stop) | Seen::Surely(stop) => stop,
        })
    };
    all_hold(sure.into_iter().map(told))?;
    Ok(all_hold(lost.into_iter().map(told)))
}

/// Stops the target with many streams that have nothing to do, and one that has and is not read.
async fn with_many_streams(trial: &Trial, power: &Power, attempt: usize) -> Result<Verdict, Stop> {
    let party = |name: &str| {
        let (trial, name) = (trial.clone(), format!("many-{name}{attempt}"));
        async move { trial.party(&name).await.map(|it| it.on_a_connection_of_its_own()) }
    };
    let (alice, dave, erin) = (party("alice").await?, party("dave").await?, party("erin").await?);
    // Both go on to the end: it is asleep, and has not gone.
    let (_asleep, _wakes_up) = reader_that_sleeps(trial, &alice, &dave, attempt).await?;
    let mut idle = idle_streams(trial, &alice, &erin, attempt).await?;
    let wait = trial.pace().wait();
    let halt = power.stop(stop_limit(trial)).await;
    let deadline = Instant::now() + trial.pace().patience();
    let mut verdicts = Vec::new();
    for feed in &mut idle {
        verdicts.push(end_of(feed, "SubscribeMessages, one of many,", deadline).await);
    }
    ends_in_time(trial, &halt, &wait)?;
    comes_up(trial, power, "after an orderly stop with many streams").await?;
    judged(verdicts)
}

/// A stream that is not read, and for which there is more than a connection may hold unread.
async fn reader_that_sleeps(
    trial: &Trial,
    alice: &Party,
    dave: &Party,
    attempt: usize,
) -> Result<(Feed<MpcMessage>, oneshot::Sender<()>), Stop> {
    let session = trial.session(&format!("asleep{attempt}"), &[alice, dave]).await?;
    let asleep = stalled(trial, dave, &session);
    let payload = trial.payload(UNREAD_BYTES);
    let requests = (0..UNREAD).map(|_| (alice, alice.outgoing(&session, &[dave], payload.clone())));
    volume_that_fits(trial, requests).await?;
    Ok(asleep)
}

/// Many streams of one party, each known to be open and with nothing to do, over a few connections.
async fn idle_streams(
    trial: &Trial,
    alice: &Party,
    erin: &Party,
    attempt: usize,
) -> Result<Vec<Feed<MpcMessage>>, Stop> {
    let connections = [(); 4].map(|()| erin.on_a_connection_of_its_own());
    let feeds = each(0..IDLE, |number| {
        let (trial, alice) = (trial.clone(), alice.clone());
        let erin = connections[number % connections.len()].clone();
        async move {
            let session =
                trial.session(&format!("idle{attempt}-{number}"), &[&alice, &erin]).await?;
            let mut feed = erin.subscribe(&session);
            let sent = alice.has_sent(&session, &[&erin], "first").await?;
            match feed.next("the first message").await {
                Ok(_) => {}
                // How many a party may have is its own affair.
                Err(Stop::Inconclusive(_)) => return Ok(None),
                Err(stop) => return Err(stop.unprepared()),
            }
            erin.acknowledge(sent.acknowledgement(&erin, true)).await.prepared()?;
            Ok(Some(feed))
        }
    })
    .await?;
    Ok(feeds.into_iter().flatten().collect())
}

/// What is wrong, and whether a network that broke could be the cause.
enum Seen {
    Surely(Stop),
    Lost(Stop),
}

/// A call of which the target has nothing but the beginning until it is released.
fn half(
    sender: Party,
    request: RouteMessageRequest,
    mut released: watch::Receiver<bool>,
) -> JoinHandle<(Sent, Answer<RouteMessageResponse>)> {
    tokio::spawn(async move {
        let rest = async move {
            // Whoever would release it may be gone.
            let _ = released.wait_for(|it| *it).await;
        };
        let answer = sender.route_held_back(request.clone(), rest).await;
        (Sent { id: String::new(), request }, answer)
    })
}

/// Whole calls, one after another, until one is not accepted.
async fn whole_ones(
    alice: Party,
    session: Session,
    to: [Party; 2],
) -> Result<Vec<(RouteMessageRequest, Option<String>)>, Stop> {
    let mut routed = Vec::new();
    for number in 0..200 {
        let payload = format!("whole {number}");
        let request = alice.outgoing(&session, &[&to[0], &to[1]], payload);
        let answer = alice.route(request.clone()).await;
        match answer.was_accepted() {
            Some(true) => routed.push((request, Some(answer.accepted()?.message_id))),
            Some(false) => break,
            None => {
                routed.push((request, None));
                break;
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(routed)
}

/// Demands that a stream ends with UNAVAILABLE.
async fn end_of<T: Carried>(feed: &mut Feed<T>, what: &str, deadline: Instant) -> Result<(), Seen> {
    let accepted = "an open stream ends with UNAVAILABLE when the target stops";
    match feed.end_until(deadline).await {
        Some(Ending::Status(status)) if status.code() == Code::Unavailable => Ok(()),
        Some(ending @ Ending::Lost(_)) => {
            let seen = format!("when the target stopped, an open {what} {}", ending.words());
            Err(Seen::Lost(Stop::broken(seen, accepted)))
        }
        Some(ending) => {
            let seen = format!("when the target stopped, an open {what} {}", ending.words());
            Err(Seen::Surely(Stop::broken(seen, accepted)))
        }
        None => {
            let seen = format!("an open {what} has not ended, though the target has");
            Err(Seen::Lost(Stop::broken(seen, accepted)))
        }
    }
}

/// Demands that a call that was under way was accepted, or refused with UNAVAILABLE; enters it.
fn finished_or_refused(
    ledger: &mut Ledger,
    sent: Sent,
    answer: Answer<RouteMessageResponse>,
    to: [&Party; 2],
) -> Result<(), Seen> {
    let recipients = to.map(|it| it.id.clone()).to_vec();
    let accepted = "a call under way is finished, or refused with UNAVAILABLE";
    let seen = format!("when the target stopped, {} that was under way", answer.call);
    match answer.fate {
        Fate::Accepted(answer) => {
            ledger.accepted(Sent { id: answer.message_id, ..sent }, recipients);
            Ok(())
        }
        Fate::Refused(status) if status.code() == Code::Unavailable => Ok(()),
        // HTTP/2's own word for it.
        Fate::Lost(why) if why.contains("refused stream") => Ok(()),
        fate @ Fate::Lost(_) => {
            ledger.perhaps(sent.request, recipients);
            Err(Seen::Lost(Stop::broken(format!("{seen} {}", fate.words()), accepted)))
        }
        fate => Err(Seen::Surely(Stop::broken(format!("{seen} {}", fate.words()), accepted))),
    }
}

fn failed(error: JoinError) -> Stop {
    std::panic::resume_unwind(error.into_panic())
}
