//! OFF-2: the first messages of a session, where several come at once and where older ones wait.

use super::super::prelude::*;
use super::reach::{Bell, EMAIL, PHONE, PUSH, Reachable};
use crate::many::each;
use crate::party::Party;
use crate::presence::{beat, silence};
use crate::trial::Session;

/// Messages of a session that come at once, when nobody has been told of it.
const AT_ONCE: usize = 16;

/// In a round all parties send within a moment, so the first message is one of many.
pub(super) async fn at_once(trial: &Trial) -> Verdict {
    let mut bell = Bell::judging_form(trial)?;
    let senders = trial.parties(["at-once-a", "at-once-c"]).await?;
    let away = [
        Reachable::new(trial, "at-once-all", &[EMAIL, PHONE, PUSH]).await?,
        Reachable::new(trial, "at-once-mail", &[EMAIL]).await?,
        Reachable::new(trial, "at-once-push", &[PUSH]).await?,
    ];
    let parties = away.each_ref().map(|it| &it.party);
    let members: Vec<_> = parties.into_iter().chain(&senders).collect();
    let mut sessions = Vec::new();
    for number in 0..4 {
        sessions.push(trial.session(&format!("at-once-{number}"), &members).await?);
    }
    let last = trial.session("at-once-last", &members).await?;
    let connections: Vec<Party> =
        (0..4).map(|number| senders[number % 2].on_a_connection_of_its_own()).collect();
    silence(trial, &[]).await?;

    for (number, session) in sessions.iter().enumerate() {
        let requests = (0..AT_ONCE).map(|turn| {
            let sender = &connections[turn % connections.len()];
            let to: &[&Party] = if (number + turn / 4) % 2 == 0 { &[] } else { &parties };
            (sender.clone(), sender.outgoing(session, to, bell.payload()))
        });
        each(requests.collect::<Vec<_>>(), |(sender, request)| async move {
            sender.has_sent_this(request).await
        })
        .await?;
    }
    // By the time at which what comes behind them is told, they would have been.
    senders[0].has_sent(&last, &[], bell.payload()).await?;
    sessions.push(last);
    let told: Vec<_> = sessions.iter().map(|session| (session, 1)).collect();
    for who in &away {
        for session in &sessions {
            bell.rings(who, session, 1).await?;
        }
    }
    bell.quiet().await;
    let how = format!("{AT_ONCE} messages of a session came at once, the first ones of it");
    away.iter().try_for_each(|who| bell.rang_just(who, &told)).map_err(|stop| stop.told(&how))
}

/// What a party has left unread from before it went away is not what it is told of.
pub(super) async fn beside_unread(trial: &Trial) -> Verdict {
    let mut bell = Bell::judging_form(trial)?;
    let alice = trial.party("unread-a").await?;
    let away = [
        Reachable::new(trial, "unread-all", &[PUSH, EMAIL, PHONE]).await?,
        Reachable::new(trial, "unread-polled", &[EMAIL]).await?,
    ];
    let parties = away.each_ref().map(|it| &it.party);
    let members: Vec<_> = parties.into_iter().chain([&alice]).collect();
    let sessions =
        [trial.session("unread-1", &members).await?, trial.session("unread-2", &members).await?];
    let heard = beat(trial, &parties).await?;
    for session in &sessions {
        alice.has_sent(session, &parties, bell.payload()).await?;
    }
    heard.lasts()?;
    parties[1].polls(&sessions[0]).await?;
    for times in [1, 2] {
        silence(trial, &[]).await?;
        for (session, to) in sessions.iter().zip([&[][..], &parties]) {
            alice.has_sent(session, to, bell.payload()).await?;
        }
        is_told(&bell, &away, &sessions, times).await?;
        // Coming back, they leave everything unread.
        beat(trial, &parties).await?;
    }
    Ok(())
}

async fn is_told(
    bell: &Bell<'_>,
    away: &[Reachable],
    sessions: &[Session],
    times: usize,
) -> Verdict {
    let how = "it had left older messages of the session unread";
    for who in away {
        for session in sessions {
            bell.rings(who, session, times).await.map_err(|stop| stop.told(how))?;
        }
    }
    bell.quiet().await;
    let told: Vec<_> = sessions.iter().map(|session| (session, times)).collect();
    away.iter().try_for_each(|who| bell.rang_just(who, &told)).map_err(|stop| stop.told(how))
}
