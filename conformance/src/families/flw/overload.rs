//! FLW-3: more calls at once than a target may want.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use mpc_router_proto::v1::{MpcMessage, RouteMessageRequest};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::prelude::*;
use super::exchange::REOPENED;
use super::leaving;
use crate::answer::{Fate, is_overload, words};
use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::listing::some;
use crate::many::each;
use crate::party::{Party, Sent};
use crate::trial::Session;

const KIB: usize = 1024;

/// Large messages to a party that is away, and small ones to one that listens as well, all at once.
const LARGE: usize = 112;
const LARGE_BYTES: usize = 256 * KIB;
const SMALL: usize = 600;
const SMALL_BYTES: usize = 2 * KIB;

/// Connections over which they go, and calls that are under way on each at once: fewer than the
/// streams that HTTP/2 servers commonly allow, since those beyond wait on this side.
const CONNECTIONS: usize = 4;
const UNDER_WAY: usize = 64;

/// When no call is begun any more.
const STORM_LIMIT: Duration = Duration::from_secs(10);

/// A refusal that takes longer is not at once, unless calls that are accepted take as long.
const AT_ONCE: Duration = Duration::from_secs(4);

/// How long after the end of a stream the next one is opened.
const BETWEEN_STREAMS: Duration = Duration::from_millis(100);

/// What a call came to.
struct Called {
    number: u64,
    request: RouteMessageRequest,
    end: End,
    /// Since it had left.
    took: Duration,
    /// For how long this machine stood still meanwhile, if it did.
    stalled: Option<Duration>,
}

enum End {
    Accepted(String),
    Refused(String),
    /// It did not return.
    Hung(String),
    /// It may have happened or not.
    Unknown(String),
}

pub(super) async fn what_is_accepted_is_kept(trial: Trial) -> Verdict {
    let [alice, away, listening] = trial.parties(["alice", "away", "listening"]).await?;
    let session = trial.session("s", &[&alice, &away, &listening]).await?;
    let mut feed = listening.subscribe(&session);
    let opening = alice.has_sent(&session, &[&listening], "opens").await?;
    feed.brings(&[&opening]).await?;
    listening.acks(&opening).await?;

    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
    let calls = storm(&trial, &alice, [&away, &listening], &session, &keeping).await?;
    all_return(&trial, &calls)?;
    at_once(&calls)?;
    let got = reads(&trial, feed, (&listening, &session), &calls, &streamed).await?;
    let fetched = fetches(&away, &session, &keeping).await?;
    keeping.judged(holds(&away, &fetched, &calls, |_| true))?;
    streamed.judged(holds(&listening, &got, &calls, |it| it.to_parties.len() == 2))?;
    // With that gone there is room again.
    let last = alice.has_sent(&session, &[&away], "last").await?;
    let polled = away.polls(&session).await?;
    let known: Vec<_> = polled.into_iter().filter(|it| !may_come_late(it, &calls)).collect();
    crate::listing::exactly(&away, &known, [&last])?;
    away.acks(&last).await
}

/// Makes the calls, as many at once as the connections carry. Where they take long they are fewer,
/// so that the target must still have the first when the last is made.
async fn storm(
    trial: &Trial,
    alice: &Party,
    [away, listening]: [&Party; 2],
    session: &Session,
    keeping: &Keeping,
) -> Result<Vec<Called>, Stop> {
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let noise = trial.payload(most.min(LARGE_BYTES));
    let lane = |_| (alice.on_a_connection_of_its_own(), Arc::new(Semaphore::new(UNDER_WAY)));
    let senders: Vec<_> = (0..CONNECTIONS).map(lane).collect();
    let (began, mut under_way) = (Instant::now(), JoinSet::new());
    for number in 0..LARGE + SMALL {
        let is_large = number % ((LARGE + SMALL) / LARGE) == 0;
        let bytes = if is_large { noise.len() } else { noise.len().min(SMALL_BYTES) };
        let to: &[&Party] = if is_large { &[away] } else { &[away, listening] };
        let payload = numbered(number as u64, &noise[..bytes]);
        let request = alice.outgoing(session, to, payload);
        let (sender, lane) = senders[number % CONNECTIONS].clone();
        let (pace, keeping) = (trial.pace().clone(), *keeping);
        under_way.spawn(async move {
            let _under_way = lane.acquire().await.expect("nobody closes it");
            if began.elapsed() > STORM_LIMIT || keeping.is_half_over() {
                return None;
            }
            let wait = pace.wait();
            let (answer, left) = leaving::route(&sender, request.clone()).await;
            let (took, stalled) = (left.map(|it| it.elapsed()), wait.stalled());
            let call = answer.call.clone();
            let end = match answer.fate {
                Fate::Accepted(answer) if answer.success => End::Accepted(answer.message_id),
                Fate::Accepted(_) | Fate::Declined(_) => {
                    End::Refused(format!("{call} was refused with success = false"))
                }
                Fate::Refused(status) => {
                    let seen = format!("{call} was refused with {}", words(&status));
                    if !is_overload(&status) {
                        let usual = "RESOURCE_EXHAUSTED or UNAVAILABLE, under overload";
                        answer.trial.warn(seen.clone(), usual.into());
                    }
                    End::Refused(seen)
                }
                Fate::Unanswered(_) => End::Hung(format!("{call} did not return")),
                Fate::Lost(why) => End::Unknown(why),
            };
            let took = took.unwrap_or_default();
            Some(Called { number: number as u64, request, end, took, stalled })
        });
    }
    let mut calls = Vec::new();
    while let Some(call) = under_way.join_next().await {
        calls.extend(call.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    let lost = calls.iter().find_map(|it| match &it.end {
        End::Unknown(why) => Some(why.clone()),
        End::Accepted(_) | End::Refused(_) | End::Hung(_) => None,
    });
    if let Some(why) = lost
        && !calls.iter().any(|it| matches!(it.end, End::Accepted(_)))
    {
        return Err(Stop::Inconclusive(why));
    }
    Ok(calls)
}

/// A payload that tells which one it is.
fn numbered(number: u64, noise: &[u8]) -> Bytes {
    let mut payload = BytesMut::with_capacity(noise.len().max(8));
    payload.put_u64(number);
    payload.extend_from_slice(noise.get(8..).unwrap_or_default());
    payload.freeze()
}

/// Demands that no call hangs, where the others do not show that they just take long.
fn all_return(trial: &Trial, calls: &[Called]) -> Verdict {
    let hung = calls.iter().find_map(|it| match &it.end {
        End::Hung(seen) => Some(seen),
        End::Accepted(_) | End::Refused(_) | End::Unknown(_) => None,
    });
    let Some(seen) = hung else { return Ok(()) };
    let slowest = slowest_of(calls);
    if slowest > trial.pace().patience() / 2 {
        let seconds = slowest.as_secs_f64();
        let why = format!("{seen}, and calls that did took up to {seconds:.1} s");
        return Err(Stop::Inconclusive(why));
    }
    let seen = format!("{seen} beside {} others", calls.len() - 1);
    Err(Stop::broken(seen, "accepted, or rejected at once"))
}

/// How long the slowest call took that was accepted.
fn slowest_of(calls: &[Called]) -> Duration {
    let accepted = calls.iter().filter(|it| matches!(it.end, End::Accepted(_)));
    accepted.map(|it| it.took).max().unwrap_or_default()
}

/// Demands that no refusal kept anybody waiting.
fn at_once(calls: &[Called]) -> Verdict {
    let slowest = slowest_of(calls);
    for call in calls {
        if let End::Refused(seen) = &call.end
            && call.took > AT_ONCE.max(slowest * 2)
        {
            if let Some(stall) = call.stalled {
                let seconds = stall.as_secs_f64();
                let why = format!(
                    "this machine kept the suite from running for {seconds:.1} s under load"
                );
                return Err(Stop::Inconclusive(why));
            }
            let seen = format!("{seen}, after {:.1} s", call.took.as_secs_f64());
            return Err(Stop::broken(seen, "rejected at once, so that it can be tried again"));
        }
    }
    Ok(())
}

/// What a listening party gets of what was accepted for it.
async fn reads(
    trial: &Trial,
    mut feed: Feed<MpcMessage>,
    (party, session): (&Party, &Session),
    calls: &[Called],
    keeping: &Keeping,
) -> Result<Vec<MpcMessage>, Stop> {
    let due = calls.iter().filter(|it| it.request.to_parties.len() == 2);
    let due: Vec<_> = due.filter_map(|it| sent(it).map(|sent| sent.id)).collect();
    let mut missing: BTreeSet<&str> = due.iter().map(String::as_str).collect();
    let mut came: Vec<MpcMessage> = Vec::new();
    let mut known = BTreeSet::new();
    let mut reopened = 0;
    while let Some(one) = missing.first() {
        let what = format!("{one}, which was accepted under load");
        let still_kept = keeping.lasts();
        match feed.next(&what).await {
            Ok(message) => {
                missing.remove(message.message_id.as_str());
                if known.insert(message.message_id.clone()) {
                    came.push(message);
                }
            }
            // A target that is overloaded may send its readers away: they come back.
            Err(_) if reopened < REOPENED && feed.ending().is_some() => {
                reopened += 1;
                trial.sleep(BETWEEN_STREAMS).await;
                feed = party.subscribe(session);
            }
            Err(stop @ Stop::Broken(_)) => return Err(still_kept.err().unwrap_or(stop)),
            Err(stop) => return Err(stop),
        }
    }
    // What was refused and comes nevertheless may be the last.
    let deadline = Instant::now() + trial.pace().quiet();
    while let Some(item) = feed.item_until(deadline).await {
        if known.insert(item.content.message_id.clone()) {
            came.push(item.content);
        }
    }
    let acknowledged = acknowledges(party, &came, *keeping).await;
    // By the end of that time the target may have given up on what it has sent so often.
    if keeping.lasts().is_ok() {
        acknowledged?;
    }
    Ok(came)
}

/// Everything that waits for the party, which is acknowledged with each poll.
async fn fetches(
    party: &Party,
    session: &Session,
    keeping: &Keeping,
) -> Result<Vec<MpcMessage>, Stop> {
    let mut fetched: Vec<MpcMessage> = Vec::new();
    loop {
        let polled = party.polls(session).await?;
        if polled.is_empty() {
            return Ok(fetched);
        }
        let known =
            |message: &MpcMessage| fetched.iter().any(|it| it.message_id == message.message_id);
        if let Some(again) = polled.iter().find(|it| known(it)) {
            let seen =
                format!("a poll answers with {} after its acknowledgement", again.message_id);
            return Err(Stop::broken(seen, "what was acknowledged is gone"));
        }
        acknowledges(party, &polled, *keeping).await?;
        fetched.extend(polled);
    }
}

async fn acknowledges(party: &Party, messages: &[MpcMessage], keeping: Keeping) -> Verdict {
    each(messages, |message| {
        let request = mpc_router_proto::v1::AcknowledgeMessageRequest {
            message_id: message.message_id.clone(),
            party_id: party.id.clone(),
            session_id: message.session_id.clone(),
            success: true,
            error_message: String::new(),
        };
        let party = party.clone();
        async move { keeping.prepared(party.acknowledge(request).await) }
    })
    .await
    .map(drop)
}

fn sent(call: &Called) -> Option<Sent> {
    match &call.end {
        End::Accepted(id) => Some(Sent { id: id.clone(), request: call.request.clone() }),
        End::Refused(_) | End::Hung(_) | End::Unknown(_) => None,
    }
}

/// The call by which a message was routed.
fn call_of<'a>(message: &MpcMessage, calls: &'a [Called]) -> Option<&'a Called> {
    let number = u64::from_be_bytes(message.payload.get(..8)?.try_into().ok()?);
    calls.iter().find(|it| it.number == number)
}

/// Whether nobody knows if the message's call has happened: it may also happen later.
fn may_come_late(message: &MpcMessage, calls: &[Called]) -> bool {
    call_of(message, calls).is_some_and(|call| matches!(call.end, End::Unknown(_) | End::Hung(_)))
}

/// Demands that the party got all that was accepted for it, as it was sent, and nothing that was
/// refused.
fn holds(
    party: &Party,
    got: &[MpcMessage],
    calls: &[Called],
    is_for: impl Fn(&RouteMessageRequest) -> bool,
) -> Verdict {
    let accepted: BTreeMap<String, &Called> = calls
        .iter()
        .filter(|it| is_for(&it.request))
        .filter_map(|call| Some((sent(call)?.id, call)))
        .collect();
    let came: BTreeSet<&str> = got.iter().map(|it| it.message_id.as_str()).collect();
    let lost: Vec<_> =
        accepted.keys().map(String::as_str).filter(|id| !came.contains(id)).collect();
    if !lost.is_empty() {
        let seen = format!(
            "{} did not get {} ({} of {}), which were accepted among {} calls at once",
            party.id,
            some(&lost),
            lost.len(),
            accepted.len(),
            calls.len()
        );
        return Err(Stop::broken(seen, "what is accepted is kept"));
    }
    for message in got {
        let Some(call) = call_of(message, calls) else { continue };
        if let End::Refused(seen) = &call.end {
            let seen = format!("{} got {}, though {seen}", party.id, message.message_id);
            return Err(Stop::broken(seen, "a rejected call has no effect"));
        }
        if message.payload != call.request.payload {
            let seen = format!("{} got {} with another payload", party.id, message.message_id);
            return Err(Stop::broken(seen, "the payload as it was sent"));
        }
    }
    Ok(())
}
