//! HB-4: what waits for a party.

use super::super::prelude::*;
use crate::keeping::Keeping;
use crate::many::{each, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

/// Demands that a heartbeat counts so many outstanding deliveries.
async fn counts(party: &Party, expected: usize, keeping: &Keeping, what: &str) -> Verdict {
    let pending = party.heartbeat().await.accepted()?.pending_messages;
    if usize::try_from(pending) == Ok(expected) {
        return Ok(());
    }
    keeping.lasts()?;
    let seen = format!("pending_messages of {} is {pending} {what}", party.id);
    Err(Stop::broken(seen, format!("{expected}, the number of its outstanding deliveries")))
}

pub(super) async fn pending_messages_counts_what_is_outstanding(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    // Called nearly like the party, and never sent anything.
    let alike = trial.parties(["bo", "bob2", "Bob"]).await?;
    let late = trial.stranger("late");
    let mut sessions = Vec::new();
    for label in ["m", "z", "a"] {
        sessions.push(trial.session(label, &[&alice, &bob, &carol, &late]).await?);
    }
    let keeping = trial.keeping();
    for party in [&alice, &bob, &carol] {
        counts(party, 0, &keeping, "before anything is routed").await?;
    }

    let mut sent = Vec::new();
    for (session, count) in sessions.iter().zip([2, 3, 1]) {
        for _ in 0..count {
            sent.push(alice.has_sent(session, &[&bob], "to one").await?);
            counts(&bob, sent.len(), &keeping, "after routing").await?;
        }
    }
    sent.push(alice.has_sent(&sessions[0], &[&bob, &late], "to two").await?);
    sent.push(alice.has_sent(&sessions[2], &[], "to all").await?);
    for (party, expected) in [(&alice, 0), (&bob, sent.len()), (&carol, 1)] {
        counts(party, expected, &keeping, "after messages to one, some and all").await?;
    }
    for party in &alike {
        counts(party, 0, &keeping, "when messages went only to one called nearly like it").await?;
    }

    for _ in 0..2 {
        for session in &sessions {
            bob.polls(session).await?;
        }
        counts(&bob, sent.len(), &keeping, "after polls").await?;
    }
    let streamed = trial.keeping_streamed();
    bob.subscribe(&sessions[1]).take(3, "the outstanding messages").await?;
    streamed.lasts()?;
    counts(&bob, sent.len(), &keeping, "after a stream").await?;
    bob.register("persistent").await.prepared()?;
    counts(&bob, sent.len(), &keeping, "after registering again").await?;

    let mut outstanding = sent.len();
    for (place, success) in [(0, true), (3, false), (5, true), (6, false)] {
        bob.acknowledge(sent[place].acknowledgement(&bob, success)).await.prepared()?;
        outstanding -= 1;
        counts(&bob, outstanding, &keeping, "after an acknowledgement").await?;
    }
    bob.acks(&sent[0]).await?;
    counts(&bob, outstanding, &keeping, "after the same acknowledgement again").await?;
    counts(&carol, 1, &keeping, "after acknowledgements of others").await?;

    late.register("temporary").await.prepared()?;
    counts(&late, 2, &keeping, "after it registered, with two messages there already").await?;
    hundreds(&trial, &alice, &sessions).await
}

async fn hundreds(trial: &Trial, alice: &Party, members_of: &[Session]) -> Verdict {
    let party = trial.party("of-hundreds").await?;
    let mut sessions = Vec::new();
    for session in members_of {
        let id = format!("{}-of-hundreds", session.id);
        sessions.push(trial.session_named(id, &[alice, &party]).await?);
    }
    let keeping = trial.keeping();
    let requests = (0..1_100).map(|number| {
        (alice, alice.outgoing(&sessions[number % sessions.len()], &[&party], vec![0; number % 9]))
    });
    let sent = volume(trial, requests).await?;
    counts(&party, sent.len(), &keeping, "after hundreds of messages were routed").await?;
    for session in &sessions {
        party.polls(session).await?;
    }
    counts(&party, sent.len(), &keeping, "after it polled for them").await?;
    let ended: Vec<&Sent> = sent.iter().take(300).collect();
    each(ended.iter().enumerate(), |(place, sent)| {
        let (party, request) = (party.clone(), sent.acknowledgement(&party, place % 3 > 0));
        async move { party.acknowledge(request).await.prepared() }
    })
    .await?;
    let outstanding = sent.len() - ended.len();
    counts(&party, outstanding, &keeping, "after it acknowledged some of them").await
}
