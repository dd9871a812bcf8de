//! SUB-5: a second subscription.

use mpc_router_proto::v1::MpcMessage;

use crate::families::arrivals::{acknowledge, all_of, stream_of, up_to, up_to_kept};
use crate::families::stalling::stalled_and_open;
use crate::families::turns::one_by_one;
use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::many::volume;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::requirement::Capability;
use crate::trial::{Session, Trial};

/// What becomes of the first stream.
#[derive(Clone, Copy, Debug)]
enum First {
    GoesOn,
    IsCancelled,
    LosesItsConnection,
}

/// How much waits for a first stream that is not read: more than any window, and less than may wait
/// for a stream anywhere. Messages, and the bytes of each.
const UNREAD: (usize, usize) = (15, 96 * 1024);

pub(super) async fn the_second_gets_everything(trial: Trial) -> Verdict {
    for first in [First::GoesOn, First::IsCancelled, First::LosesItsConnection] {
        a_second_one(&trial, first).await?;
    }
    one_after_the_other(&trial).await?;
    three_at_once(&trial).await?;
    beside_one_that_is_not_read(&trial).await
}

/// Opens a stream and sees it alive: something is outstanding for it.
async fn opens(
    party: &Party,
    session: &Session,
    outstanding: &Sent,
    keeping: [&Keeping; 2],
) -> Result<Feed<MpcMessage>, Stop> {
    let mut feed = party.subscribe(session);
    up_to_kept(&mut feed, keeping, &[outstanding]).await?;
    Ok(feed)
}

async fn a_second_one(trial: &Trial, first: First) -> Verdict {
    let alice = trial.party(&format!("alice-{first:?}")).await?;
    let (bob, cut) = trial.party_cuttable(&format!("bob-{first:?}")).await?;
    let session = trial.session(&format!("s-{first:?}"), &[&alice, &bob]).await?;
    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
    let before = alice.has_sent(&session, &[&bob], "before").await?;
    let first_feed = opens(&bob, &session, &before, [&keeping, &streamed]).await?;
    let elsewhere = bob.on_a_connection_of_its_own();
    let mut second = elsewhere.subscribe(&session);

    // From the opening of the second one on, with no more than its opening to wait for.
    let sent = one_by_one(trial, &alice, 60, |turn| {
        let to: &[&Party] = if turn % 5 == 2 { &[] } else { &[&bob] };
        alice.outgoing(&session, to, "both open")
    })
    .await?;
    let expected: Vec<_> = [&before].into_iter().chain(&sent).collect();
    all_of(&mut second, [&keeping, &streamed], &stream_of(&bob), expected).await?;

    // What a router does when the first one ends must not touch the second.
    let first_feed = match first {
        First::GoesOn => Some(first_feed),
        First::IsCancelled => {
            drop(first_feed);
            None
        }
        First::LosesItsConnection => {
            cut.throw();
            drop(first_feed);
            None
        }
    };
    for round in 0..2 {
        let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
        let requests = (0..50).map(|number| {
            let to: &[&Party] = if number % 4 == 1 { &[] } else { &[&bob] };
            (&alice, alice.outgoing(&session, to, format!("{round}: message {number}")))
        });
        let mut sent = volume(trial, requests).await?;
        sent.push(alice.has_sent(&session, &[&bob], "fence").await?);
        all_of(&mut second, [&keeping, &streamed], &stream_of(&bob), &sent).await?;
        // By then the target knows of the end.
        trial.sleep(std::time::Duration::from_millis(20)).await;
    }
    drop(first_feed);
    Ok(())
}

/// Stream after stream, each opened before the one before it is cancelled.
async fn one_after_the_other(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["chain-a", "chain-b"]).await?;
    let session = trial.session("chain", &[&alice, &bob]).await?;
    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
    let mut last = alice.has_sent(&session, &[&bob], "first").await?;
    let mut feed = opens(&bob, &session, &last, [&keeping, &streamed]).await?;
    for round in 0..6 {
        let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
        let mut newer = bob.subscribe(&session);
        all_of(&mut newer, [&keeping, &streamed], &stream_of(&bob), [&last]).await?;
        drop(feed);
        let sent = one_by_one(trial, &alice, 10, |turn| {
            let to: &[&Party] = if (turn + round).is_multiple_of(3) { &[] } else { &[&bob] };
            alice.outgoing(&session, to, "chain")
        })
        .await?;
        all_of(&mut newer, [&keeping, &streamed], &stream_of(&bob), &sent).await?;
        let done = [&last].into_iter().chain(&sent);
        acknowledge([&keeping, &streamed], &bob, done).await?;
        last = alice.has_sent(&session, &[&bob], "next").await?;
        up_to(&mut newer, &[&last]).await?;
        feed = newer;
    }
    Ok(())
}

/// Three streams of one party beside those of others; the two older ones end.
async fn three_at_once(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["three-a", "three-b", "three-c"]).await?;
    let session = trial.session("three", &[&alice, &bob, &carol]).await?;
    // How redeliveries are counted with several streams is unspecified.
    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed().halved());
    let keeping = [&keeping, &streamed];
    let mut all = vec![alice.has_sent(&session, &[], "before").await?];
    let mut at_carol = opens(&carol, &session, &all[0], keeping).await?;
    let mut older = Vec::new();
    for _ in 0..2 {
        let elsewhere = bob.on_a_connection_of_its_own();
        older.push(opens(&elsewhere, &session, &all[0], keeping).await?);
    }
    let mut newest = opens(&bob, &session, &all[0], keeping).await?;
    for open in ["three", "two", "one"] {
        let sent = one_by_one(trial, &alice, 6, |turn| {
            let to: &[&Party] = if turn % 3 == 0 { &[] } else { &[&bob, &carol] };
            alice.outgoing(&session, to, format!("{open} open"))
        })
        .await?;
        all_of(&mut newest, keeping, &stream_of(&bob), &sent).await?;
        all_of(&mut at_carol, keeping, &stream_of(&carol), &sent).await?;
        all.extend(sent);
        if !older.is_empty() {
            drop(older.remove(0));
            // By then the target knows of the end.
            trial.sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// The first one's client hangs: what waits for it holds up nothing on the second.
async fn beside_one_that_is_not_read(trial: &Trial) -> Verdict {
    // FLW-1 alone says that nobody waits for a reader.
    if !trial.claims(Capability::Flow) {
        return Ok(());
    }
    let [alice, bob] = trial.parties(["unread-a", "unread-b"]).await?;
    let session = trial.session("unread", &[&alice, &bob]).await?;
    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed().halved());
    let keeping = [&keeping, &streamed];
    let mut sent = vec![alice.has_sent(&session, &[&bob], "before").await?];
    let Some((first, _reads)) = stalled_and_open(trial, &bob, &session).await else {
        return Ok(());
    };
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    for _ in 0..UNREAD.0 {
        let request = alice.outgoing(&session, &[&bob], vec![0x5a; most.min(UNREAD.1)]);
        let answer = alice.route(request.clone()).await;
        // What more may wait for a stream that is not read is another matter.
        if answer.was_accepted() != Some(true) {
            return Ok(());
        }
        sent.push(Sent { id: answer.accepted()?.message_id, request });
    }
    let mut second = bob.subscribe(&session);
    sent.extend(
        one_by_one(trial, &alice, 20, |_| alice.outgoing(&session, &[&bob], "live")).await?,
    );
    let came = all_of(&mut second, keeping, &stream_of(&bob), &sent).await;
    drop(first);
    came.map(drop).map_err(|stop| stop.told("an earlier stream of it is not read"))
}
