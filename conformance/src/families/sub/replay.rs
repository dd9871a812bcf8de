//! SUB-1, SUB-2: what a subscription brings.

use std::collections::BTreeSet;
use std::time::Duration;

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::{MpcMessage, SubscribeMessagesRequest};
use rand_core::RngCore as _;
use tokio::sync::oneshot;

use crate::families::arrivals::{
    Recipient, acknowledge, all_of, in_order, in_turn, kept, stream_of, up_to, up_to_kept, whole,
};
use crate::families::turns::{Budget, Rounds};
use crate::feed::Feed;
use crate::many::{each, volume};
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

const KIB: usize = 1024;

pub(super) async fn outstanding_first_and_then_live(trial: Trial) -> Verdict {
    only_what_is_outstanding(&trial).await?;
    of_this_session_only(&trial).await?;
    an_open_one_goes_on(&trial).await?;
    more_than_one_window(&trial).await?;
    thousands_unacknowledged(&trial).await
}

/// Every state a delivery can be in, and a party that registers again in between.
async fn only_what_is_outstanding(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let route = async |to: &[&Party]| alice.has_sent(&session, to, "message").await;
    let acknowledged = route(&[&bob]).await?;
    let polled = route(&[&bob]).await?;
    let failed = route(&[]).await?;
    bob.polls(&session).await?;
    acknowledge([&keeping], &bob, [&acknowledged]).await?;
    let answer = bob.acknowledge(failed.acknowledgement(&bob, false)).await.prepared();
    kept([&keeping], answer.map(drop))?;
    let pending = route(&[]).await?;
    let to_another = route(&[&carol]).await?;
    let unseen = route(&[&bob, &carol]).await?;
    acknowledge([&keeping], &bob, [&unseen]).await?;
    bob.register("persistent").await.prepared()?;

    let mut feeds = [bob.subscribe(&session), carol.subscribe(&session)];
    let live = route(&[&bob, &carol]).await?;
    for (party, feed, expected) in [
        (&bob, 0, vec![&polled, &pending, &live]),
        (&carol, 1, vec![&failed, &pending, &to_another, &unseen, &live]),
    ] {
        all_of(&mut feeds[feed], [&keeping], &stream_of(party), expected).await?;
    }
    Ok(())
}

/// One party with a stream in each of three sessions, the first of them opened first.
async fn of_this_session_only(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["three-a", "three-b"]).await?;
    let members = [&alice, &bob];
    let sessions = [
        trial.session("three-1", &members).await?,
        trial.session("three-2", &members).await?,
        trial.session("three-3", &members).await?,
    ];
    let keeping = trial.keeping();
    let mut before = Vec::new();
    for session in &sessions {
        before.push(alice.has_sent(session, &[&bob], "before").await?);
    }
    // The second and third are opened after the one before was seen alive.
    let mut feeds = Vec::new();
    for (session, before) in sessions.iter().zip(&before) {
        let mut feed = bob.subscribe(session);
        let came = up_to(&mut feed, &[before]).await?;
        kept([&keeping], in_order(&stream_of(&bob), &came, &[before]))?;
        feeds.push(feed);
    }
    for round in 0..2 {
        for (session, feed) in sessions.iter().zip(&mut feeds) {
            let to: &[&Party] = if round == 0 { &[] } else { &[&bob] };
            let live = alice.has_sent(session, to, "live").await?;
            let came = up_to(feed, &[&live]).await?;
            in_order(&stream_of(&bob), &came, &[&live])?;
        }
    }
    Ok(())
}

/// A party that registers again and a session that is announced again are the same ones: what is
/// open goes on.
async fn an_open_one_goes_on(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["open-a", "open-b"]).await?;
    let session = trial.session("open", &[&alice, &bob]).await?;
    let keeping = [&trial.keeping(), &trial.keeping_streamed()];
    let before = alice.has_sent(&session, &[&bob], "before").await?;
    let mut feed = bob.subscribe(&session);
    all_of(&mut feed, keeping, &stream_of(&bob), [&before]).await?;
    for what in ["registered", "announced"] {
        if what == "registered" {
            bob.register("persistent").await.prepared()?;
        } else if trial.session_if_taken("open", &[&alice, &bob]).await?.is_none() {
            return Ok(());
        }
        let mut live = Vec::new();
        for to in [&[][..], &[&bob]] {
            live.push(alice.has_sent(&session, to, format!("{what} again")).await?);
        }
        let came = all_of(&mut feed, keeping, &stream_of(&bob), &live).await;
        // That it ends is not what this is about.
        if feed.ending().is_some() {
            return Ok(());
        }
        came.map_err(|stop| stop.told(&format!("it was {what} again while this was open")))?;
    }
    Ok(())
}

/// Replays of more bytes than a stream's window, a connection's buffer or a gRPC message holds.
async fn more_than_one_window(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["window-a", "window-b"]).await?;
    let session = trial.session("window", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let requests = (0..50).map(|number| {
        // One of them is longer than a page.
        let size = if number == 20 { 1024 * KIB + 1 } else { 96 * KIB };
        (&alice, alice.outgoing(&session, &[&bob], vec![0x5a; most.min(size)]))
    });
    let mut sent = volume(trial, requests).await?;
    let mut feed = bob.subscribe(&session);
    sent.push(alice.has_sent(&session, &[&bob], "live").await?);
    let came = up_to(&mut feed, &[&sent[sent.len() - 1]]).await?;
    kept([&keeping], whole(&stream_of(&bob), &came, &sent))
}

/// Thousands come live, and as many by a replay, and nobody acknowledges any.
async fn thousands_unacknowledged(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["many-a", "many-b", "many-c"]).await?;
    let session = trial.session("many", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let mut live = Recipient::new(&bob, &session);
    let mut all = Vec::new();
    // What comes live shows how many a replay can bring in time.
    for turns in Rounds::new(trial, 1_500) {
        let keeping = trial.keeping();
        let to = [&bob, &carol];
        let requests = turns.map(|_| (&alice, alice.outgoing(&session, &to, "message")));
        let sent = volume(trial, requests).await?;
        let fences = [alice.has_sent(&session, &[], "fence").await?];
        live.gets(&keeping, &sent, &fences).await?;
        all.extend(sent.into_iter().chain(fences));
    }

    keeping.lasts()?;
    let mut feed = carol.subscribe(&session);
    let first = feed.next("the first message that is outstanding").await?;
    let beside: Vec<_> = (0..20).map(|_| alice.outgoing(&session, &[&carol], "live")).collect();
    let mut later = volume(trial, beside.into_iter().map(|request| (&alice, request))).await?;
    later.push(alice.has_sent(&session, &[&carol], "last").await?);
    let mut came = vec![first];
    came.extend(up_to_kept(&mut feed, [&keeping], &[&later[later.len() - 1]]).await?);
    let who = stream_of(&carol);
    kept([&keeping], whole(&who, &came, all.iter().chain(&later)))?;
    let later: BTreeSet<&str> = later.iter().map(|it| it.id.as_str()).collect();
    let is_later = |it: &&MpcMessage| later.contains(it.message_id.as_str());
    let (replayed, rest) = came.split_at(all.len());
    if let Some(early) = replayed.iter().find(is_later) {
        let seen = format!(
            "{who} brought {}, routed after it was opened, before {} of {} messages that were \
             outstanding then",
            early.message_id,
            rest.iter().filter(|it| !is_later(it)).count(),
            all.len()
        );
        return Err(Stop::broken(seen, "what is outstanding first"));
    }
    Ok(())
}

pub(super) async fn nothing_falls_between(trial: Trial) -> Verdict {
    beside_a_long_replay(&trial).await?;
    let budget = Budget::rounds(&trial, 10, 90);
    // Ten at a time: a race is lost more easily on a router that has more to do.
    each(0..10, |lane| {
        let trial = trial.clone();
        async move {
            let mut round = 0;
            while budget.allows(round * 10) {
                one_race(&trial, lane, round).await?;
                round += 1;
            }
            Ok(())
        }
    })
    .await
    .map(drop)
}

/// Opens a subscription in the middle of what two senders route.
async fn one_race(trial: &Trial, lane: usize, round: usize) -> Verdict {
    let label = format!("l{lane}r{round}");
    let register = |name: &str| {
        let (trial, name) = (trial.clone(), format!("{label}{name}"));
        async move { trial.party(&name).await }
    };
    let parties = tokio::try_join!(register("a"), register("b"), register("c"))?;
    let (alice, bob, carol) = parties;
    let session = trial.session(&label, &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let chance = trial.random(&label).next_u32();

    // In some races a replay is under way when the next message comes.
    let backlog = if lane % 3 == 1 { 30 } else { lane % 3 / 2 };
    let mut sent = each(0..backlog, |_| {
        let payload = vec![0x5a; if lane == 4 { 24 * KIB } else { 100 }];
        let (alice, bob, session) = (alice.clone(), bob.clone(), session.clone());
        async move { alice.has_sent(&session, &[&bob], payload).await }
    })
    .await?;
    let (feed, of_alice, of_carol) = tokio::join!(
        async {
            // Before, within or after the first calls.
            if round % 2 == 1 {
                trial.sleep(Duration::from_micros(u64::from(chance % 3_000))).await;
            } else {
                for _ in 0..chance % 40 {
                    tokio::task::yield_now().await;
                }
            }
            bob.subscribe(&session)
        },
        routes_on(&alice, &bob, &session),
        routes_on(&carol, &bob, &session),
    );
    let (mut feed, mut of_alice, mut of_carol) = (feed, of_alice?, of_carol?);
    // By now it is open as a rule, so that what fell between shows at once.
    of_alice.push(alice.has_sent(&session, &[&bob], "fence").await?);
    of_carol.push(carol.has_sent(&session, &[&bob], "fence").await?);
    let fences = [&of_alice, &of_carol].map(|it| &it[it.len() - 1]);
    let came = up_to(&mut feed, &fences).await?;
    let who = stream_of(&bob);
    if lane % 3 == 1 {
        // Those were routed side by side.
        sent.extend(of_alice.into_iter().chain(of_carol));
        return kept([&keeping], whole(&who, &came, &sent));
    }
    let all: Vec<_> = sent.iter().chain(&of_alice).chain(&of_carol).collect();
    kept([&keeping], in_turn(&who, &came, &all))
}

async fn routes_on(sender: &Party, to: &Party, session: &Session) -> Result<Vec<Sent>, Stop> {
    let mut sent = Vec::new();
    for turn in 0..6 {
        let to: &[&Party] = if turn == 2 { &[] } else { &[to] };
        sent.push(sender.has_sent(session, to, "race").await?);
    }
    Ok(sent)
}

/// Routes while a replay waits for its reader: it is more than flow control lets through at once.
async fn beside_a_long_replay(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["long-a", "long-b"]).await?;
    let session = trial.session("long", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let payload = vec![0x5a; most.min(128 * KIB)];
    let requests = (0..48).map(|_| (&alice, alice.outgoing(&session, &[&bob], payload.clone())));
    let mut sent = volume(trial, requests).await?;

    let (opened, is_open) = oneshot::channel();
    let (reads, may_read) = oneshot::channel::<()>();
    let mut client = MessageRouterClient::new(bob.on_a_connection_of_its_own().channel());
    let request =
        SubscribeMessagesRequest { session_id: session.id.clone(), party_id: bob.id.clone() };
    let opening = async move {
        let response = client.subscribe_messages(request).await;
        // Whoever waits at the other end may have given up.
        let _ = opened.send(());
        let _ = may_read.await;
        response
    };
    let call = format!("SubscribeMessages({}), unread at first", session.id);
    let streamed = trial.keeping_streamed();
    let mut feed = Feed::open(trial.clone(), bob.id.clone(), call, opening);
    // Headers come with the first message at the latest, and there are some.
    let _ = tokio::time::timeout(trial.pace().patience(), is_open).await;
    // It must not stay unread for so long that its deliveries may fail.
    for turn in 0..20 {
        if turn >= 4 && streamed.is_half_over() {
            break;
        }
        let to: &[&Party] = if turn % 4 == 1 { &[] } else { &[&bob] };
        sent.push(alice.has_sent(&session, to, "live").await?);
    }
    let _ = reads.send(());
    let keeping = [&keeping, &streamed];
    let came = up_to_kept(&mut feed, keeping, &[&sent[sent.len() - 1]]).await?;
    kept(keeping, whole(&stream_of(&bob), &came, &sent))
}
