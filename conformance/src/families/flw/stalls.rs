//! FLW-1, FLW-2: readers that stall, and read on.

use std::collections::BTreeSet;
use std::time::Duration;

use mpc_router_proto::v1::{MpcMessage, RouteMessageRequest};
use tokio::time::{Instant, timeout_at};

use super::super::prelude::*;
use super::exchange::{Exchange, REOPENED, Times, Trouble, returned, routes};
use crate::families::arrivals::{acknowledge, in_turn, kept, stream_of};
use crate::families::stalling::{shared_connection, sharing, stalled, stalled_on};
use crate::families::turns::Budget;
use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::many::each;
use crate::party::{Party, Sent};
use crate::trial::Session;

const KIB: usize = 1024;

/// What waits for each reader that stalls, and in which pieces.
const BACKLOG: usize = 8 * 1024 * KIB;
const PIECE: usize = 64 * KIB;

/// So much must wait at least: with less, buffers on the way may hold all of it.
const LEAST_BACKLOG: usize = 1024 * KIB;

/// How long a backlog is built up at most.
const BUILDING: Duration = Duration::from_secs(3);

/// So often it is measured how long a message takes.
const ROUNDS: usize = 15;

/// Senders whose messages wait for one reader, and how many each has.
const SENDERS: usize = 4;
const SMALL_ONES: usize = 340;

/// Messages of a sender that are routed however long it takes.
const LEAST_OF_A_SENDER: usize = 8;

/// A payload of this size, or of the largest that there is.
fn piece(trial: &Trial, size: usize) -> bytes::Bytes {
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    trial.payload(size.min(most))
}

/// Routes so much to a party that much waits for it, or as much as the target takes. Tells how many
/// bytes that are.
async fn backs_up(
    trial: &Trial,
    sender: &Party,
    session: &Session,
    to: &Party,
) -> Result<usize, Stop> {
    let payload = piece(trial, PIECE);
    let (ends, count) = (Instant::now() + BUILDING, BACKLOG / payload.len().max(1));
    let accepted = each(0..count, |_| {
        let (sender, request) = (sender.clone(), sender.outgoing(session, &[to], payload.clone()));
        async move {
            // One that is refused, or that waits for room, is no matter: the others tell.
            let answer = timeout_at(ends, sender.route(request)).await;
            Ok(answer.is_ok_and(|it| it.was_accepted() == Some(true)))
        }
    })
    .await?;
    Ok(accepted.iter().filter(|it| **it).count() * payload.len())
}

/// Somebody who is routed to beside others, and reads.
struct Listener {
    party: Party,
    feed: Feed<MpcMessage>,
}

impl Listener {
    fn new(party: &Party, session: &Session) -> Self {
        Self { party: party.clone(), feed: party.subscribe(session) }
    }
}

/// Routes one message after the other to all of them, and tells how long they took.
async fn usually_takes(
    trial: &Trial,
    sender: &Party,
    session: &Session,
    listeners: &mut [Listener],
    when: &str,
) -> Result<Times, Stop> {
    let mut times = Times::default();
    let mut has_room_for_all = true;
    for round in 0..ROUNDS {
        let mut wait = trial.pace().wait();
        let named: Vec<_> = listeners.iter().map(|it| &it.party).collect();
        let mut request = sender.outgoing(session, &[], trial.payload(1_000));
        let mut routed = None;
        if round % 2 == 0 && has_room_for_all {
            routed = broadcast(sender, &request, when).await?;
            has_room_for_all = routed.is_some();
        }
        let id = match routed {
            Some(id) => id,
            None => {
                wait = trial.pace().wait();
                request = sender.outgoing(session, &named, request.payload);
                routes(trial, sender, &request, when).await.map_err(Trouble::stop)?
            }
        };
        for listener in listeners.iter_mut() {
            while listener.feed.next(&format!("{id}, {when}")).await?.message_id != id {}
        }
        times.add(wait.elapsed(), &wait);
        let sent = Sent { id, request };
        for listener in listeners.iter() {
            acknowledge([], &listener.party, [&sent]).await?;
        }
    }
    Ok(times)
}

/// Routes a broadcast. None where it is rejected: a target that limits what waits for a party has
/// no room for it, since it goes to those who do not read as well.
async fn broadcast(
    sender: &Party,
    request: &RouteMessageRequest,
    when: &str,
) -> Result<Option<String>, Stop> {
    let answer = sender.route(request.clone()).await;
    if answer.overload().is_some() {
        return Ok(None);
    }
    returned(answer, when).map(|it| Some(it.message_id)).map_err(Trouble::stop)
}

pub(super) async fn nobody_else_is_delayed(trial: Trial) -> Verdict {
    let [alice, bob, carol, stalling] =
        trial.parties(["alice", "bob", "carol", "stalling"]).await?;
    let [beside, gateway] = trial.parties(["beside", "gateway"]).await?;
    let members = [&alice, &bob, &carol, &stalling, &beside, &gateway];
    let session = trial.session("s", &members).await?;
    // Two parties share a connection, as behind a gateway; one of them reads.
    let shared = shared_connection(&trial);
    let mut listeners = [
        Listener::new(&bob, &session),
        Listener::new(&carol.on_a_connection_of_its_own(), &session),
        Listener::new(&sharing(&beside, &shared), &session),
    ];
    let mut elsewhere = Exchange::new(&trial, "elsewhere").await?;
    let before = "before anybody stalls";
    let usual = usually_takes(&trial, &alice, &session, &mut listeners, before).await?;
    let usual_elsewhere = takes_elsewhere(&trial, &mut elsewhere, before).await?;

    let (at_stalling, reads) = stalled(&trial, &stalling, &session);
    let (at_gateway, gateway_reads) = stalled_on(&trial, &gateway, &session, &shared);
    let mut bytes = 0;
    for party in [&stalling, &gateway] {
        bytes += backs_up(&trial, &alice, &session, party).await?;
    }
    if bytes < LEAST_BACKLOG {
        let why = format!("only {} KiB could be routed to parties that do not read", bytes / KIB);
        return Err(Stop::NotChecked(why));
    }
    let when = "while megabytes wait for parties that do not read";
    let wait = trial.pace().wait();
    let now = usually_takes(&trial, &alice, &session, &mut listeners, when).await?;
    let now_elsewhere = takes_elsewhere(&trial, &mut elsewhere, when).await?;
    drop((at_stalling, reads, at_gateway, gateway_reads));
    for (place, usual, now) in [("same", usual, now), ("another", usual_elsewhere, now_elsewhere)] {
        let seen = |now, usual| {
            format!(
                "a message to others in {place} session took {now} {when}, and {usual} {before}"
            )
        };
        now.show_no_delay(&usual, &trial, &wait, seen).await?;
    }
    Ok(())
}

async fn takes_elsewhere(
    trial: &Trial,
    exchange: &mut Exchange,
    when: &str,
) -> Result<Times, Stop> {
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        let wait = trial.pace().wait();
        times.add(exchange.once(when).await.map_err(Trouble::stop)?, &wait);
    }
    Ok(times)
}

pub(super) async fn everything_comes_when_it_reads_on(trial: Trial) -> Verdict {
    let stalling = trial.party("stalling").await?;
    let mut senders = Vec::new();
    for number in 0..SENDERS {
        senders.push(trial.party(&format!("sender-{number}")).await?.on_a_connection_of_its_own());
    }
    let members: Vec<_> = senders.iter().chain([&stalling]).collect();
    let session = trial.session("s", &members).await?;
    let keeping = trial.keeping();
    let (feed, reads) = stalled(&trial, &stalling, &session);
    // What is large fills what buffers there are on the way; the rest waits with the target.
    let large = |size: usize| {
        let payload = piece(&trial, size);
        let outgoing = senders[0].outgoing(&session, &[&stalling], payload);
        move |_| outgoing.clone()
    };
    let (mut sent, mut refused) = while_it_fits(&trial, &senders[0], 16, large(PIECE)).await?;
    let small = each(senders.clone(), |sender| {
        let (trial, session, stalling) = (trial.clone(), session.clone(), stalling.clone());
        async move {
            while_it_fits(&trial, &sender, SMALL_ONES, |turn| {
                let to: &[&Party] = if turn % 5 == 4 { &[] } else { &[&stalling] };
                sender.outgoing(&session, to, trial.payload(turn % 700))
            })
            .await
        }
    })
    .await?;
    let last = while_it_fits(&trial, &senders[0], 64, large(PIECE)).await?;
    for (more, refused_too) in small.into_iter().chain([last]) {
        sent.extend(more);
        refused |= refused_too;
    }
    let bytes: usize = sent.iter().map(|it| it.request.payload.len()).sum();
    if refused && bytes < LEAST_BACKLOG {
        let why = format!("only {} KiB could be routed to a party that does not read", bytes / KIB);
        return Err(Stop::NotChecked(why));
    }

    let streamed = trial.keeping_streamed();
    let _ = reads.send(());
    let came = reads_all(&trial, feed, &stalling, &session, &sent, [&keeping, &streamed]).await?;
    let expected: Vec<_> = sent.iter().collect();
    kept([&keeping, &streamed], in_turn(&stream_of(&stalling), &came, &expected))?;
    acknowledge([&keeping, &streamed], &stalling, &sent).await
}

/// Routes messages, each after the one before was accepted, as long as the target has room for
/// them. Where calls take long they are fewer than `most`. Tells whether one was refused for lack
/// of room.
async fn while_it_fits(
    trial: &Trial,
    party: &Party,
    most: usize,
    outgoing: impl Fn(usize) -> RouteMessageRequest,
) -> Result<(Vec<Sent>, bool), Stop> {
    let budget = Budget::rounds(trial, LEAST_OF_A_SENDER.min(most), most);
    let mut sent = Vec::new();
    while budget.allows(sent.len()) {
        let request = outgoing(sent.len());
        let answer = party.route(request.clone()).await;
        if answer.overload().is_some() {
            return Ok((sent, true));
        }
        sent.push(Sent { id: answer.prepared()?.message_id, request });
    }
    Ok((sent, false))
}

/// The first deliveries of all of these. A target may have ended the stream that was not read.
async fn reads_all(
    trial: &Trial,
    mut feed: Feed<MpcMessage>,
    party: &Party,
    session: &Session,
    sent: &[Sent],
    keeping: [&Keeping; 2],
) -> Result<Vec<MpcMessage>, Stop> {
    let mut missing: BTreeSet<&str> = sent.iter().map(|it| it.id.as_str()).collect();
    let mut known = BTreeSet::new();
    let mut came = Vec::new();
    let mut reopened = 0;
    while let Some(one) = missing.first() {
        let what = format!("{one}, one of {} that wait for it", missing.len());
        let still_kept = keeping.into_iter().try_for_each(Keeping::lasts);
        match feed.next(&what).await {
            Ok(message) if known.insert(message.message_id.clone()) => {
                missing.remove(message.message_id.as_str());
                came.push(message);
            }
            Ok(_) => {}
            // However it ended: the reader comes back for the rest.
            Err(_) if reopened < REOPENED && feed.ending().is_some() => {
                reopened += 1;
                feed = party.subscribe(session);
                trial.sleep(Duration::from_millis(20)).await;
            }
            Err(stop @ Stop::Broken(_)) => {
                let told = "its reader had stalled, and reads on";
                return Err(still_kept.err().unwrap_or_else(|| stop.told(told)));
            }
            Err(stop) => return Err(stop),
        }
    }
    Ok(came)
}
