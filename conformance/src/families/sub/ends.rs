//! SUB-3, SUB-4: streams that end, and what comes on the next one.

use crate::connect::Cut;
use crate::families::arrivals::{acknowledge, all_of, kept, stream_of, up_to};
use crate::families::turns::{Budget, one_by_one};
use crate::keeping::Keeping;
use crate::listing;
use crate::many::volume;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

const KIB: usize = 1024;

/// How a stream comes to its end.
#[derive(Clone, Copy, Debug)]
enum End {
    Cancelled,
    ConnectionLost,
}

const ENDS: [End; 2] = [End::Cancelled, End::ConnectionLost];

pub(super) async fn an_end_loses_nothing(trial: Trial) -> Verdict {
    for end in ENDS {
        delivered_before_the_end(&trial, end).await?;
        queued_at_the_end(&trial, end).await?;
        routed_around_many_ends(&trial, end).await?;
    }
    Ok(())
}

/// A sender, and a recipient whose connection can be broken.
async fn scene(trial: &Trial, label: &str, end: End) -> Result<(Party, Party, Cut, Session), Stop> {
    let label = format!("{label}-{end:?}");
    let alice = trial.party(&format!("{label}-a")).await?;
    let (bob, cut) = trial.party_cuttable(&format!("{label}-b")).await?;
    let session = trial.session(&label, &[&alice, &bob]).await?;
    Ok((alice, bob, cut, session))
}

fn happens<T>(end: End, feed: T, cut: &Cut) {
    match end {
        End::Cancelled => drop(feed),
        End::ConnectionLost => {
            cut.throw();
            drop(feed);
        }
    }
}

/// What came and was not acknowledged comes again, with what was routed since.
async fn delivered_before_the_end(trial: &Trial, end: End) -> Verdict {
    let (alice, bob, cut, session) = scene(trial, "delivered", end).await?;
    let keeping = trial.keeping();
    let sent = one_by_one(trial, &alice, 9, |turn| {
        let to: &[&Party] = if turn % 4 == 3 { &[] } else { &[&bob] };
        alice.outgoing(&session, to, "message")
    })
    .await?;
    let streamed = trial.keeping_streamed();
    let mut feed = bob.subscribe(&session);
    let all: Vec<_> = sent.iter().collect();
    up_to(&mut feed, &[all[all.len() - 1]]).await?;
    // Not the first and not the last: what is acknowledged is one message, not all up to it.
    acknowledge([&keeping, &streamed], &bob, [&sent[4]]).await?;
    happens(end, feed, &cut);
    let meanwhile = alice.has_sent(&session, &[&bob], "meanwhile").await?;
    again(&bob).await?;
    let mut feed = bob.subscribe(&session);
    let live = alice.has_sent(&session, &[], "live").await?;
    let left: Vec<_> = [&sent[..4], &sent[5..]].concat();
    let left: Vec<_> = left.iter().chain([&meanwhile, &live]).collect();
    let who = stream_of(&bob);
    all_of(&mut feed, [&keeping, &streamed], &who, left.iter().copied()).await?;
    let polled = bob.polls(&session).await?;
    let verdict = listing::exactly(&bob, &polled, left);
    kept([&keeping, &streamed], verdict)
}

/// Makes sure that a broken connection is replaced by one that works.
async fn again(party: &Party) -> Verdict {
    // The first call may still meet the broken one.
    if party.heartbeat().await.was_accepted() != Some(true) {
        party.heartbeat().await.prepared()?;
    }
    Ok(())
}

/// Most of a long replay is not sent yet when the stream ends.
async fn queued_at_the_end(trial: &Trial, end: End) -> Verdict {
    let (alice, bob, cut, session) = scene(trial, "queued", end).await?;
    let keeping = trial.keeping();
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let payload = vec![0x5a; most.min(32 * KIB)];
    let requests = (0..160).map(|_| (&alice, alice.outgoing(&session, &[&bob], payload.clone())));
    let mut sent = volume(trial, requests).await?;
    for taken in [1, 2] {
        let mut feed = bob.subscribe(&session);
        feed.take(taken, "a message that is outstanding").await?;
        happens(end, feed, &cut);
        sent.push(alice.has_sent(&session, &[&bob], "meanwhile").await?);
        again(&bob).await?;
    }
    let streamed = trial.keeping_streamed();
    let mut feed = bob.subscribe(&session);
    sent.push(alice.has_sent(&session, &[&bob], "live").await?);
    all_of(&mut feed, [&keeping, &streamed], &stream_of(&bob), &sent).await.map(drop)
}

/// Stream after stream ends while messages come without a pause.
async fn routed_around_many_ends(trial: &Trial, end: End) -> Verdict {
    let (alice, bob, cut, session) = scene(trial, "around", end).await?;
    let budget = Budget::rounds(trial, 3, 12);
    let mut round = 0;
    while budget.allows(round) {
        round += 1;
        let mut left: Vec<Sent> = Vec::new();
        let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
        left.push(alice.has_sent(&session, &[&bob], "before").await?);
        let mut feed = bob.subscribe(&session);
        // It must be known to be alive before another one may follow it.
        all_of(&mut feed, [&keeping, &streamed], &stream_of(&bob), &left).await?;
        let routed = one_by_one(trial, &alice, 8, |turn| {
            let to: &[&Party] = if turn % 3 == 1 { &[] } else { &[&bob] };
            alice.outgoing(&session, to, "around")
        });
        let (routed, ()) = tokio::join!(routed, async {
            for _ in 0..round * 3 {
                tokio::task::yield_now().await;
            }
            happens(end, feed, &cut);
        });
        left.extend(routed?);
        again(&bob).await?;
        let mut feed = bob.subscribe(&session);
        left.push(alice.has_sent(&session, &[&bob], "after").await?);
        all_of(&mut feed, [&keeping, &streamed], &stream_of(&bob), &left).await?;
        acknowledge([&keeping, &streamed], &bob, &left).await?;
        happens(end, feed, &cut);
        again(&bob).await?;
    }
    Ok(())
}

pub(super) async fn what_was_acknowledged_is_over(trial: Trial) -> Verdict {
    acknowledged_in_every_way(&trial).await?;
    hundreds_with_gaps(&trial).await
}

/// Acknowledged on a stream, by a poll, while away, and unseen.
async fn acknowledged_in_every_way(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let session = trial.session("s", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let route = async || alice.has_sent(&session, &[&bob], "message").await;
    let (kept_back, on_stream) = (route().await?, route().await?);
    let streamed = trial.keeping_streamed();
    let mut feed = bob.subscribe(&session);
    up_to(&mut feed, &[&on_stream]).await?;
    acknowledge([&keeping, &streamed], &bob, [&on_stream]).await?;
    let after_stream = route().await?;
    up_to(&mut feed, &[&after_stream]).await?;
    drop(feed);
    acknowledge([&keeping, &streamed], &bob, [&after_stream]).await?;
    let (polled, unseen) = (route().await?, route().await?);
    bob.polls(&session).await?;
    acknowledge([&keeping], &bob, [&unseen, &polled]).await?;
    // A party that comes back as if it were new knows as much as before.
    bob.register("persistent").await.prepared()?;
    let fence = route().await?;
    let mut left = vec![kept_back, fence];
    for party in [&bob, &bob.on_a_connection_of_its_own()] {
        let mut feed = party.subscribe(&session);
        all_of(&mut feed, [&keeping, &streamed], &stream_of(&bob), &left).await?;
        // What is wrong may come last: behind it comes what is live.
        left.push(route().await?);
        let live = &left[left.len() - 1..];
        all_of(&mut feed, [&keeping, &streamed], &stream_of(&bob), live).await?;
    }
    let left: Vec<_> = left.iter().collect();
    only_these_are_polled(&bob, &session, &left, [&keeping, &streamed]).await
}

async fn only_these_are_polled(
    bob: &Party,
    session: &Session,
    left: &[&Sent],
    keeping: [&Keeping; 2],
) -> Verdict {
    let polled = bob.polls(session).await?;
    let verdict = listing::exactly(bob, &polled, left.iter().copied());
    kept(keeping, verdict)
}

/// Most of many are acknowledged, in no order, beside an open stream.
async fn hundreds_with_gaps(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["many-a", "many-b"]).await?;
    let session = trial.session("many", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let requests = (0_u32..700).map(|number| {
        let to: &[&Party] = if number.is_multiple_of(4) { &[] } else { &[&bob] };
        (&alice, alice.outgoing(&session, to, format!("message {number}")))
    });
    let sent = volume(trial, requests).await?;
    let streamed = trial.keeping_streamed();
    let mut feed = bob.subscribe(&session);
    // Some are acknowledged while the replay is under way.
    feed.take(sent.len().min(20), "a message that is outstanding").await?;
    let is_left = |place: usize| place % 50 == 7;
    let acknowledged = sent.iter().enumerate().rev().filter(|(place, _)| !is_left(*place));
    acknowledge([&keeping, &streamed], &bob, acknowledged.map(|(_, sent)| sent)).await?;
    drop(feed);
    let fence = alice.has_sent(&session, &[&bob], "fence").await?;
    let left = sent.iter().enumerate().filter(|(place, _)| is_left(*place)).map(|(_, it)| it);
    let left: Vec<_> = left.chain([&fence]).collect();
    only_these_are_polled(&bob, &session, &left, [&keeping, &streamed]).await?;
    let mut feed = bob.subscribe(&session);
    let live = alice.has_sent(&session, &[&bob], "live").await?;
    let expected = left.iter().copied().chain([&live]);
    all_of(&mut feed, [&keeping, &streamed], &stream_of(&bob), expected).await.map(drop)
}
