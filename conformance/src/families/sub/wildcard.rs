//! SUB-9: all of a party's sessions at once.

use std::collections::BTreeSet;

use mpc_router_proto::v1::MpcMessage;
use tonic::Code;

use crate::families::announcing::{event, has_published};
use crate::families::arrivals::{acknowledge, all_of, in_turn, kept, stream_of, up_to, whole};
use crate::families::turns::one_by_one;
use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, volume};
use crate::outcome::{Stop, Verdict, all_hold};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

const KIB: usize = 1024;

/// Sessions of one party at once: more than a page of any common size.
const MANY: usize = 130;

pub(super) async fn all_sessions_at_once(trial: Trial) -> Verdict {
    let checked = tokio::join!(
        every_state(&trial),
        later_sessions(&trial),
        beside_others(&trial),
        many_sessions(&trial),
        a_large_backlog(&trial),
        within_a_few_milliseconds(&trial),
        whoever_is_unknown(&trial),
    );
    all_hold(<[Verdict; 7]>::from(checked))
}

/// What stands for all of a party's sessions.
fn all() -> Session {
    Session { id: String::new() }
}

fn wildcard_of(party: &Party) -> String {
    format!("{} of all sessions", stream_of(party))
}

/// Demands that these came and nothing else, those of each session and sender in the order given.
fn came_in_turn(party: &Party, came: &[MpcMessage], expected: &[&Sent]) -> Verdict {
    let who = wildcard_of(party);
    whole(&who, came, expected.iter().copied())?;
    let sessions: BTreeSet<_> = expected.iter().map(|it| it.request.session_id.as_str()).collect();
    for session in sessions {
        let came: Vec<_> = came.iter().filter(|it| it.session_id == session).cloned().collect();
        let its = expected.iter().filter(|it| it.request.session_id == session).copied();
        in_turn(&who, &came, &its.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// The next of these on a feed, in whatever order between sessions; they must come.
async fn brings(
    party: &Party,
    feed: &mut Feed<MpcMessage>,
    keeping: [&Keeping; 2],
    expected: &[&Sent],
) -> Verdict {
    let came = all_of(feed, keeping, &wildcard_of(party), expected.iter().copied()).await?;
    kept(keeping, came_in_turn(party, &came, expected))
}

async fn every_state(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let members = [&alice, &bob, &carol];
    let mut sessions = Vec::new();
    for label in ["b", "a", "c"] {
        sessions.push(trial.session(label, &members).await?);
    }
    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
    let mut outstanding = Vec::new();
    for turn in 0..3 {
        for session in &sessions {
            let used = alice.has_sent(session, &[&bob, &carol], format!("used {turn}")).await?;
            acknowledge([&keeping], &bob, [&used]).await?;
            let refused = alice.has_sent(session, &[&bob], "refused").await?;
            keeping.prepared(bob.acknowledge(refused.acknowledgement(&bob, false)).await)?;
            outstanding.push(alice.has_sent(session, &[&bob], format!("to bob {turn}")).await?);
            carol.has_sent(session, &[&alice], "for another one").await?;
            if turn == 0 {
                bob.polls(session).await?;
            }
            outstanding.push(carol.has_sent(session, &[], format!("to all {turn}")).await?);
        }
    }
    let due: Vec<_> = outstanding.iter().collect();
    let polled = bob.polls(&all()).await?;
    kept([&keeping], listing::exactly(&bob, &polled, &outstanding))?;
    let newest = polled.last().map_or(0, |it| it.created_at);
    let later = bob.poll_after(&all(), newest).await.accepted()?.messages;
    if let Some(older) = later.iter().find(|it| it.created_at < newest) {
        let seen = format!("a poll after {newest} has {}", older.message_id);
        return Err(Stop::broken(seen, "nothing that is older"));
    }
    let mut feed = bob.subscribe(&all());
    brings(&bob, &mut feed, [&keeping, &streamed], &due).await?;

    // Acknowledged in one way, gone in every way.
    let (gone, left) = due.split_at(due.len() / 2);
    acknowledge([&keeping, &streamed], &bob, gone.iter().copied()).await?;
    drop(feed);
    let polled = bob.polls(&all()).await?;
    kept([&keeping], listing::exactly(&bob, &polled, left.iter().copied()))?;
    for session in &sessions {
        let its = left.iter().filter(|it| it.request.session_id == session.id).copied();
        let polled = bob.polls(session).await?;
        kept([&keeping], listing::exactly(&bob, &polled, its))?;
    }
    let mut feed = bob.subscribe(&all());
    brings(&bob, &mut feed, [&keeping, &streamed], left).await?;
    let live = alice.has_sent(&sessions[1], &[&bob], "live").await?;
    let came = up_to(&mut feed, &[&live]).await?;
    kept([&keeping, &streamed], whole(&wildcard_of(&bob), &came, [&live]))?;
    feed.stays_quiet("what is routed to its party, once but for copies").await
}

async fn later_sessions(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["later-a", "later-b"]).await?;
    let first = trial.session("later-0", &[&alice, &bob]).await?;
    let joined = trial.session("later-joined", &[&alice]).await?;
    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
    let before = alice.has_sent(&first, &[&bob], "before").await?;
    let mut feed = bob.subscribe(&all());
    // Seen alive: what is announced now is announced later.
    brings(&bob, &mut feed, [&keeping, &streamed], &[&before]).await?;
    acknowledge([&keeping, &streamed], &bob, [&before]).await?;
    for round in 1..4 {
        let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
        let new = trial.session(&format!("later-{round}"), &[&alice, &bob]).await?;
        if round == 2 {
            let started = event("session_started", joined.id.clone(), &[&alice, &bob]);
            has_published(trial, started).await?;
        }
        let mut sent = Vec::new();
        for turn in 0..4 {
            for session in [Some(&new), Some(&first), (round >= 2).then_some(&joined)] {
                let Some(session) = session else { continue };
                let to: &[&Party] = if turn % 2 == 0 { &[] } else { &[&bob] };
                sent.push(alice.has_sent(session, to, format!("{round}, {turn}")).await?);
            }
        }
        let due: Vec<_> = sent.iter().collect();
        brings(&bob, &mut feed, [&keeping, &streamed], &due).await?;
        let polled = bob.polls(&all()).await?;
        kept([&keeping, &streamed], listing::exactly(&bob, &polled, &sent))?;
        acknowledge([&keeping, &streamed], &bob, &sent).await?;
    }
    Ok(())
}

/// SUB-5: a session's stream and a wildcard one are two subscriptions, and both get everything.
async fn beside_others(trial: &Trial) -> Verdict {
    for wildcard_first in [true, false] {
        let label = |name: &str| format!("beside-{wildcard_first}-{name}");
        let (alice, bob) = (trial.party(&label("a")).await?, trial.party(&label("b")).await?);
        let one = trial.session(&label("1"), &[&alice, &bob]).await?;
        let two = trial.session(&label("2"), &[&alice, &bob]).await?;
        // How redeliveries are counted with two streams is unspecified, so no time is given to them.
        let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed().halved());
        let keeping = [&keeping, &streamed];
        let before = alice.has_sent(&one, &[&bob], "before").await?;
        let elsewhere = bob.on_a_connection_of_its_own();
        let order: [&Session; 2] = if wildcard_first { [&all(), &one] } else { [&one, &all()] };
        let mut feeds = Vec::new();
        for (party, session) in [&bob, &elsewhere].into_iter().zip(order) {
            let mut feed = party.subscribe(session);
            all_of(&mut feed, keeping, &stream_of(&bob), [&before]).await?;
            feeds.push(feed);
        }
        acknowledge(keeping, &bob, [&before]).await?;
        for round in 0..3 {
            let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed().halved());
            let keeping = [&keeping, &streamed];
            let requests = (0..40).map(|number| {
                let session = if number % 2 == 0 { &one } else { &two };
                let to: &[&Party] = if number % 5 == 0 { &[] } else { &[&bob] };
                (&alice, alice.outgoing(session, to, format!("{round}: {number}")))
            });
            let sent = volume(trial, requests).await?;
            for (feed, session) in feeds.iter_mut().zip(order) {
                let is_its =
                    |it: &&Sent| session.id.is_empty() || it.request.session_id == session.id;
                let who = if session.id.is_empty() { wildcard_of(&bob) } else { stream_of(&bob) };
                all_of(feed, keeping, &who, sent.iter().filter(is_its)).await?;
            }
            acknowledge(keeping, &bob, &sent).await?;
        }
        // The end of one is none of the other.
        let (mut last, order) = (feeds.pop(), order[1]);
        feeds.clear();
        let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
        let sent = alice.has_sent(&one, &[&bob], "one is left").await?;
        if let Some(feed) = &mut last {
            let who = if order.id.is_empty() { wildcard_of(&bob) } else { stream_of(&bob) };
            all_of(feed, [&keeping, &streamed], &who, [&sent]).await?;
        }
    }
    Ok(())
}

async fn many_sessions(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["many-a", "many-b"]).await?;
    let sessions = each(0..MANY, |number| {
        let (trial, alice, bob) = (trial.clone(), alice.clone(), bob.clone());
        async move { trial.session(&format!("many-{number}"), &[&alice, &bob]).await }
    })
    .await?;
    let (keeping, streamed) = (trial.keeping(), trial.keeping_streamed());
    let requests = (0..MANY * 2).map(|number| {
        let to: &[&Party] = if number % 4 == 0 { &[] } else { &[&bob] };
        let session = &sessions[number % MANY];
        (&alice, alice.outgoing(session, to, format!("message {number}")))
    });
    let sent = volume(trial, requests).await?;
    let polled = bob.polls(&all()).await?;
    kept([&keeping], listing::exactly(&bob, &polled, &sent))?;
    let mut feed = bob.subscribe(&all());
    all_of(&mut feed, [&keeping, &streamed], &wildcard_of(&bob), &sent).await?;
    acknowledge([&keeping, &streamed], &bob, &sent).await?;
    let polled = bob.polls(&all()).await?;
    listing::exactly(&bob, &polled, [])
}

/// One after another in two sessions, as many as possible with equal `created_at`.
async fn within_a_few_milliseconds(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["ties-a", "ties-b"]).await?;
    let sessions = [
        trial.session("ties-1", &[&alice, &bob]).await?,
        trial.session("ties-2", &[&alice, &bob]).await?,
    ];
    let keeping = trial.keeping();
    let sent = one_by_one(trial, &alice, 60, |turn| {
        alice.outgoing(&sessions[turn % 3 % 2], &[&bob], "tick")
    })
    .await?;
    let polled = bob.polls(&all()).await?;
    kept([&keeping], listing::exactly(&bob, &polled, &sent))?;
    for session in &sessions {
        let of_it: Vec<_> =
            polled.iter().filter(|it| it.session_id == session.id).cloned().collect();
        let turns = sent.iter().filter(|it| it.request.session_id == session.id);
        let turns: Vec<_> = turns.collect();
        kept([&keeping], listing::in_turn(&bob, &of_it, &turns))?;
    }
    Ok(())
}

/// More than one answer holds: a poller that goes on from the newest it has seen misses nothing.
async fn a_large_backlog(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["large-a", "large-b"]).await?;
    let mut sessions = Vec::new();
    for label in ["large-1", "large-2", "large-3"] {
        sessions.push(trial.session(label, &[&alice, &bob]).await?);
    }
    let keeping = trial.keeping();
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let payload = vec![0x5a; most.min(120 * KIB)];
    let requests = (0..45)
        .map(|number| (&alice, alice.outgoing(&sessions[number % 3], &[&bob], payload.clone())));
    let sent = volume(trial, requests).await?;
    let (mut after, mut known) = (0, BTreeSet::new());
    loop {
        let polled = bob.poll_after(&all(), after).await.accepted()?.messages;
        listing::by_age(&format!("a poll of {} for all sessions", bob.id), &polled)?;
        let news = polled.iter().filter(|it| known.insert(it.message_id.clone())).count();
        after = polled.iter().map(|it| it.created_at).fold(after, i64::max);
        if news == 0 {
            break;
        }
    }
    let missing: Vec<_> = sent.iter().filter(|it| !known.contains(&it.id)).collect();
    match missing.first() {
        None => Ok(()),
        Some(first) => {
            let seen = format!(
                "polling on for all sessions brought {} of {} messages, and not {} of {}",
                sent.len() - missing.len(),
                sent.len(),
                first.id,
                first.request.session_id
            );
            kept([&keeping], Err(Stop::broken(seen, "all that is outstanding in its sessions")))
        }
    }
}

async fn whoever_is_unknown(trial: &Trial) -> Verdict {
    let stranger = trial.stranger("stranger");
    stranger.subscribe(&all()).refused(&[Code::NotFound]).await?;
    stranger.poll_after(&all(), 0).await.rejected(&[Code::NotFound])
}
