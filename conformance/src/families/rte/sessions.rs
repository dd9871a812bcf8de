//! RTE-10, RTE-16: a session's messages stay in it.

use crate::families::alike::labels_that_end_differently;
use crate::families::arrivals::{all_of, kept, stream_of, up_to, whole};
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, volume};
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

/// Labels of sessions that a careless comparison takes for one another.
const LIKE_LABELS: [&str; 5] = ["sign-1", "sign-10", "SIGN-1", "sign_1", "sign"];

/// The same, with letters that a router may refuse in names.
const ODD_LABELS: [&str; 6] =
    ["sign-1 ", "sign-\u{e9}", "sign-e\u{301}", "sign-%", "sign-*", "sign-1/a"];

pub(super) async fn sessions_do_not_mix(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let members = [&alice, &bob, &carol];
    let mut sessions = Vec::new();
    for label in LIKE_LABELS {
        sessions.push(trial.session(label, &members).await?);
    }
    for label in ODD_LABELS {
        sessions.extend(trial.session_if_taken(label, &members).await?);
    }
    let keeping = trial.keeping();
    let mut tried = Vec::new();
    for label in labels_that_end_differently(&trial) {
        let Some(session) = trial.session_if_taken(&label, &members).await? else { continue };
        // A name may be too long for routing alone.
        match alice.has_sent(&session, &[], "is it taken").await {
            Err(Stop::NotChecked(_)) => continue,
            sent => tried.push(sent?),
        }
        sessions.push(session);
    }
    let mut feeds: Vec<_> = sessions.iter().map(|session| bob.subscribe(session)).collect();

    // Everywhere at once, by name and by broadcast.
    let mut sent = volume(
        &trial,
        (0..sessions.len() * 25).map(|number| {
            let session = &sessions[number % sessions.len()];
            let to: &[&Party] = if number.is_multiple_of(3) { &[] } else { &[&bob, &carol] };
            (&alice, alice.outgoing(session, to, format!("{number} of {}", session.id)))
        }),
    )
    .await?;
    sent.extend(tried);
    let fences = each(&sessions, |session| {
        let (alice, bob, carol) = (alice.clone(), bob.clone(), carol.clone());
        let session = session.clone();
        async move { alice.has_sent(&session, &[&bob, &carol], "fence").await }
    })
    .await?;
    for ((session, feed), fence) in sessions.iter().zip(&mut feeds).zip(&fences) {
        let its = || sent.iter().chain([fence]).filter(|it| it.request.session_id == session.id);
        let who = format!("{} in {}", stream_of(&bob), session.id);
        let came = up_to(feed, &[fence]).await?;
        kept([&keeping], whole(&who, &came, its()))?;
        let polled = carol.polls(session).await?;
        kept([&keeping], listing::exactly(&carol, &polled, its()))?;
    }
    for (session, feed) in sessions.iter().zip(&mut feeds).take(2) {
        feed.stays_quiet(&format!("only messages of {}", session.id)).await?;
    }
    acknowledged_in_one_only(&trial).await?;
    glued_together_they_are_equal(&trial).await
}

/// Session and party, in two ways the same text with a separator between: two mailboxes.
async fn glued_together_they_are_equal(trial: &Trial) -> Verdict {
    // Certificates do not hold every name.
    if trial.door().tells_who_calls() {
        return Ok(());
    }
    let alice = trial.party("glued-alice").await?;
    each([":", "/", ".", "|", "#", "-", "_", "\0"].into_iter().enumerate(), |(place, glue)| {
        let (trial, alice) = (trial.clone(), alice.clone());
        async move {
            match one_pair(&trial, &alice, place, glue).await {
                Err(Stop::NotChecked(_)) => Ok(()),
                verdict => verdict,
            }
        }
    })
    .await
    .map(drop)
}

async fn one_pair(trial: &Trial, alice: &Party, place: usize, glue: &str) -> Verdict {
    let (middle, last) = (trial.name(&format!("middle{place}")), format!("last{place}"));
    let short = trial.party(&last).await?;
    let long = trial.party(&format!("middle{place}{glue}{}", short.id)).await?;
    let members = [alice, &short, &long];
    let one = trial.session(&format!("first{place}"), &members).await?;
    let other = trial.session(&format!("first{place}{glue}{middle}"), &members).await?;

    let keeping = trial.keeping();
    let to_long = alice.has_sent(&one, &[&long], "to the long name").await?;
    let to_short = alice.has_sent(&other, &[&short], "to the short name").await?;
    polls(&long, &one, &[&to_long], &keeping).await?;
    polls(&short, &other, &[&to_short], &keeping).await?;
    keeping.accepted(long.acknowledge(to_long.acknowledgement(&long, true)).await)?;
    polls(&long, &one, &[], &keeping).await?;
    let live = alice.has_sent(&one, &[&long], "to the long name").await?;
    all_of(&mut short.subscribe(&other), [&keeping], &stream_of(&short), [&to_short]).await?;
    all_of(&mut long.subscribe(&one), [&keeping], &stream_of(&long), [&live]).await.map(drop)
}

/// What happens to a message in one session does not touch another one's.
async fn acknowledged_in_one_only(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["ack-a", "ack-b"]).await?;
    let (one, two) = (
        trial.session("one", &[&alice, &bob]).await?,
        trial.session("two", &[&alice, &bob]).await?,
    );
    let keeping = trial.keeping();
    let here = alice.has_sent(&one, &[&bob], "the same").await?;
    let there = alice.has_sent(&two, &[&bob], "the same").await?;
    polls(&bob, &one, &[&here], &keeping).await?;
    bob.acks(&here).await?;
    polls(&bob, &two, &[&there], &keeping).await?;
    polls(&bob, &one, &[], &keeping).await?;
    let mut feeds = [bob.subscribe(&one), bob.subscribe(&two)];
    let next = [alice.has_sent(&one, &[], "next").await?, alice.has_sent(&two, &[], "next").await?];
    for (feed, due) in feeds.iter_mut().zip([vec![&next[0]], vec![&there, &next[1]]]) {
        all_of(feed, [&keeping], &stream_of(&bob), due).await?;
    }
    Ok(())
}

async fn polls(party: &Party, session: &Session, expected: &[&Sent], keeping: &Keeping) -> Verdict {
    let polled = party.polls(session).await?;
    kept([keeping], listing::exactly(party, &polled, expected.iter().copied()))
}

pub(super) async fn a_lonely_broadcast_is_accepted(trial: Trial) -> Verdict {
    let [alice, bob] = trial.parties(["alice", "bob"]).await?;
    let alone = trial.session("alone", &[&alice]).await?;
    let beside = trial.session("beside", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let (mut at_alice, mut at_bob) = (alice.subscribe(&alone), bob.subscribe(&beside));
    for payload in ["one", "two"] {
        alice.sends(&alone, &[], payload).await?;
    }
    polls(&alice, &alone, &[], &keeping).await?;
    let pending = alice.heartbeat().await.prepared()?.pending_messages;
    if pending != 0 {
        let seen = format!("the sender of a broadcast to nobody has pending_messages {pending}");
        return Err(Stop::broken(seen, "0"));
    }
    let no_deliveries = "a broadcast with nobody else in the session has no deliveries";
    let quiet =
        tokio::join!(at_alice.stays_quiet(no_deliveries), at_bob.stays_quiet(no_deliveries));
    quiet.0.and(quiet.1)
}
