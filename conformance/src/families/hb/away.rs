//! HB-11: what waits for a party that is offline.

use std::collections::BTreeSet;

use super::super::prelude::*;
use crate::listing;
use crate::many::{each, volume};
use crate::party::Sent;
use crate::presence::silence;

/// Messages that wait for each party: more than a buffer of a hundred or a few hundred holds.
const MESSAGES: usize = 550;

pub(super) async fn nothing_is_lost_while_away(trial: Trial) -> Verdict {
    let timers = trial.timers();
    if timers.message_ttl_ms < timers.heartbeat_timeout_ms.saturating_mul(3) {
        let why = "message_ttl is shorter than it takes parties to go offline and come back";
        return Err(Stop::NotChecked(why.into()));
    }
    let [alice, beating] = trial.parties(["alice", "beating"]).await?;
    let streaming = trial.party_as("streaming", "delegate").await?;
    let polling = trial.party_as("polling", "temporary").await?;
    let away = [&beating, &streaming, &polling];
    // They get what is routed to all.
    let mut registering = Vec::new();
    for role in ["persistent", "temporary"] {
        registering.push((trial.party_as(&format!("registering-{role}"), role).await?, role));
    }
    let members: Vec<_> =
        away.into_iter().chain([&alice]).chain(registering.iter().map(|(it, _)| it)).collect();
    let session = trial.session("s", &members).await?;
    let other = trial.session("other", &members).await?;

    let keeping = trial.keeping();
    let mut sent = vec![
        alice.has_sent(&session, &[], "polled, not acknowledged").await?,
        alice.has_sent(&other, &away, "in another session").await?,
    ];
    each(away, |party| {
        let (party, session) = (party.clone(), session.clone());
        async move { party.polls(&session).await }
    })
    .await?;
    // From here on they are silent, and these are routed while they still count as online.
    let requests = (0..MESSAGES).map(|number| {
        let to = if number % 50 == 0 { &[][..] } else { &away };
        (&alice, alice.outgoing(&session, to, vec![0; number % 100]))
    });
    let (_, many) = tokio::try_join!(silence(&trial, &[]), volume(&trial, requests))?;
    sent.extend(many);
    for (place, session) in [&session, &other, &session].into_iter().enumerate() {
        let to = if place == 1 { &[][..] } else { &away };
        sent.push(alice.has_sent(session, to, "while they are offline").await?);
    }

    let pending = beating.heartbeat().await.prepared()?.pending_messages;
    if usize::try_from(pending) != Ok(sent.len()) {
        keeping.lasts()?;
        let seen = format!("back by a heartbeat, {} has pending_messages {pending}", beating.id);
        return Err(Stop::broken(seen, format!("{}, as many as were routed to it", sent.len())));
    }
    let (here, there): (Vec<_>, Vec<_>) =
        sent.iter().partition(|it| it.request.session_id == session.id);
    keeping.lasts()?;
    for (session, sent) in [(&session, &here), (&other, &there)] {
        let what = "the messages routed before and while the party was offline";
        let brought = streaming.subscribe(session).take(sent.len(), what).await?;
        let brought: BTreeSet<_> = brought.iter().map(|it| it.message_id.as_str()).collect();
        let missing: Vec<_> = sent.iter().filter(|it| !brought.contains(it.id.as_str())).collect();
        if let [first, ..] = missing.as_slice() {
            let seen = format!(
                "back by a stream, {} lacks {} messages, such as {}",
                streaming.id,
                missing.len(),
                first.id
            );
            return Err(Stop::broken(seen, "all that were routed to it"));
        }
    }
    for (party, role) in &registering {
        party.register(role).await.prepared()?;
    }
    let to_all = |it: &&&Sent| it.request.to_parties.is_empty();
    for (session, sent) in [(&session, &here), (&other, &there)] {
        for party in [&beating, &polling] {
            let polled = party.polls(session).await?;
            keeping.judged(listing::exactly(party, &polled, sent.iter().copied()))?;
        }
        for (party, _) in &registering {
            let polled = party.polls(session).await?;
            let its = sent.iter().filter(to_all).copied();
            let verdict = listing::exactly(party, &polled, its);
            keeping.judged(verdict.map_err(|stop| stop.told("it came back by registering")))?;
        }
    }
    Ok(())
}
