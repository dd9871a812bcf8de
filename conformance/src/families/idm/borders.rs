//! IDM-1: keys that are alike once their parts are put together, and long ones.

use super::super::prelude::*;
use super::repeats::are_different;
use super::{repeats, sends};
use crate::families::arrivals::kept;
use crate::listing;
use crate::many::each;
use crate::party::{Party, Sent};
use crate::trial::Session;

/// What may stand between sender, session and key where they become one text.
const SEPARATORS: [&str; 5] = ["", "-", ":", "/", "|"];

/// Where columns for keys commonly end. Characters.
const COLUMNS: [usize; 5] = [32, 36, 64, 128, 255];

/// Calls whose senders, sessions and keys differ only by where one of them ends.
pub(super) async fn keys_have_borders(trial: &Trial) -> Verdict {
    let [plain, bob] = trial.parties(["border", "border-b"]).await?;
    let mut senders = Vec::new();
    for between in SEPARATORS {
        senders.extend(trial.party_if_taken(&format!("border{between}1")).await?);
    }
    let members: Vec<_> = senders.iter().chain([&plain, &bob]).collect();
    let first = trial.session("border-s", &members).await?;
    let mut sessions = Vec::new();
    for between in SEPARATORS {
        sessions.extend(trial.session_if_taken(&format!("border-s{between}1"), &members).await?);
    }
    let keeping = trial.keeping();
    let mut calls: Vec<(String, &Party, &Session)> = Vec::new();
    for (place, between) in SEPARATORS.into_iter().enumerate() {
        // Nothing says of which characters a key may be.
        let request = plain.outgoing(&first, &[&bob], "a key like this");
        let answer = plain.route_keyed(request.clone(), &format!("{between}{place}")).await;
        if answer.was_accepted() == Some(false) && answer.overload().is_none() {
            continue;
        }
        let id = answer.accepted()?.message_id;
        bob.acknowledge(Sent { id, request }.acknowledgement(&bob, true)).await.prepared()?;
        let keys = [format!("k{place}"), format!("1{between}k{place}")];
        let ends = format!("border{between}1");
        let is_longer = |it: &&Party| it.id.ends_with(&ends);
        let senders = senders.iter().filter(is_longer).chain([&plain]);
        let ends = format!("border-s{between}1");
        for sender in senders {
            let is_longer = |it: &&Session| it.id.ends_with(&ends);
            for session in sessions.iter().filter(is_longer).chain([&first]) {
                calls.extend(keys.iter().map(|key| (key.clone(), sender, session)));
            }
        }
    }
    let sent = each(calls.clone(), |(key, sender, session)| {
        let (sender, request) = (sender.clone(), sender.outgoing(session, &[&bob], "the same"));
        async move { sends(&sender, &request, &key).await }
    })
    .await?;
    are_different(calls.iter().map(|(key, ..)| key.as_str()).zip(&sent))?;
    each(calls.iter().zip(&sent), |((key, sender, _), first)| {
        let (key, sender, first) = (key.clone(), (*sender).clone(), first.clone());
        async move {
            let when = "after others that differ by where sender, session or key ends";
            repeats(&sender, &first.request, &key, &first, &keeping, when).await
        }
    })
    .await?;
    for session in sessions.iter().chain([&first]) {
        let its = sent.iter().filter(|it| it.request.session_id == session.id);
        let polled = bob.polls(session).await?;
        kept([&keeping], listing::exactly(&bob, &polled, its))?;
    }
    Ok(())
}

/// Pairs of keys that differ in nothing but their last character.
pub(super) async fn long_keys_are_compared_whole(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["long-a", "long-b"]).await?;
    let session = trial.session("long", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let request = alice.outgoing(&session, &[&bob], "the same");
    let mut sent: Vec<(String, Sent)> = Vec::new();
    for column in COLUMNS {
        let key = |last: &str| format!("{}{last}", "k".repeat(column));
        let answer = alice.route_keyed(request.clone(), &key("a")).await;
        // Nothing says how long a key may be.
        if answer.was_accepted() == Some(false) && answer.overload().is_none() {
            continue;
        }
        let first = Sent { id: answer.accepted()?.message_id, request: request.clone() };
        sent.push((key("a"), first));
        sent.push((key("b"), sends(&alice, &request, &key("b")).await?));
    }
    are_different(sent.iter().map(|(key, sent)| (key.as_str(), sent)))?;
    for (key, first) in &sent {
        let when = "after one that differs in its last character";
        repeats(&alice, &request, key, first, &keeping, when).await?;
    }
    let polled = bob.polls(&session).await?;
    kept([&keeping], listing::exactly(&bob, &polled, sent.iter().map(|(_, sent)| sent)))
}
