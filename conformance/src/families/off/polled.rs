//! OFF-1: who is away fetches everything by polling alone.

use super::super::prelude::*;
use super::reach::{EMAIL, PHONE, PUSH, Reachable};
use crate::families::arrivals::{acknowledge, kept};
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, volume};
use crate::party::{Party, Sent};
use crate::presence::silence;
use crate::trial::Session;

/// Messages that wait in each session.
const MESSAGES: usize = 60;

pub(super) async fn polling_alone_is_enough(trial: Trial) -> Verdict {
    let [alice, carol] = trial.parties(["alice", "carol"]).await?;
    let mut away = Vec::new();
    for (label, kinds) in [
        ("by-mail", &[EMAIL][..]),
        ("by-phone", &[PHONE]),
        ("by-push", &[PUSH]),
        ("by-all", &[EMAIL, PHONE, PUSH]),
    ] {
        away.push(Reachable::new(&trial, label, kinds).await?.party);
    }
    let parties: Vec<_> = away.iter().collect();
    let members: Vec<_> = parties.iter().copied().chain([&alice, &carol]).collect();
    let sessions = [trial.session("one", &members).await?, trial.session("two", &members).await?];
    silence(&trial, &[]).await?;

    let keeping = trial.keeping();
    // One after the other first, as a gateway may keep the latest only.
    let mut sent = Vec::new();
    for session in &sessions {
        for sender in [&alice, &carol, &alice] {
            sent.push(sender.has_sent(session, &[], "to all").await?);
            sent.push(sender.has_sent(session, &parties, "to each").await?);
        }
    }
    let requests = (0..MESSAGES * 2).map(|number| {
        let to = if number % 7 == 0 { &[][..] } else { &parties };
        let sender = if number % 3 == 0 { &carol } else { &alice };
        (sender, sender.outgoing(&sessions[number % 2], to, format!("message {number}")))
    });
    sent.extend(volume(&trial, requests).await?);
    each(&away, |party| {
        let (party, sessions, sent) = (party.clone(), sessions.clone(), sent.clone());
        async move {
            for session in &sessions {
                fetches(&party, session, &sent, &keeping).await?;
            }
            Ok(())
        }
    })
    .await?;
    // Behind all that, something new.
    for session in &sessions {
        let fence = alice.has_sent(session, &parties, "new").await?;
        for party in &away {
            let polled = party.polls(session).await?;
            kept([&keeping], listing::exactly(party, &polled, [&fence]))?;
        }
    }
    Ok(())
}

/// A party that has made no other call gets all of it, and is rid of it by acknowledging.
async fn fetches(party: &Party, session: &Session, sent: &[Sent], keeping: &Keeping) -> Verdict {
    let told = "it was away, and polls alone";
    let of_others = |sent: &&Sent| sent.request.session_id == session.id;
    let expected: Vec<_> = sent.iter().filter(of_others).collect();
    let answer = party.poll_after(session, 0).await;
    let polled = keeping.accepted(answer).map_err(|stop| stop.told(told))?.messages;
    let verdict = listing::exactly(party, &polled, expected.iter().copied());
    kept([keeping], verdict).map_err(|stop| stop.told(told))?;
    let first = expected[0].acknowledgement(party, true);
    keeping.accepted(party.acknowledge(first).await).map_err(|stop| stop.told(told))?;
    acknowledge([keeping], party, expected[1..].iter().copied()).await?;
    let polled = party.polls(session).await?;
    kept([keeping], listing::exactly(party, &polled, []))
}
