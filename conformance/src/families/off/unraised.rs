//! OFF-3, OFF-5: who is told nothing.

use mpc_router_proto::v1::NotificationChannel;

use super::super::prelude::*;
use super::reach::{Bell, EMAIL, PHONE, PUSH, Reachable, registers_with};
use crate::families::arrivals::acknowledge;
use crate::party::Party;
use crate::presence::{beat, silence};

pub(super) async fn the_others_are_told_nothing(trial: Trial) -> Verdict {
    let mut bell = Bell::new(&trial)?;
    let [alice, without] = trial.parties(["alice", "without"]).await?;
    let empty = trial.stranger("empty");
    registers_with(&empty, Some(NotificationChannel::default())).await?;
    let beating = Reachable::new(&trial, "beating", &[EMAIL, PHONE, PUSH]).await?;
    let streaming = Reachable::new(&trial, "streaming", &[EMAIL]).await?;
    let returned = Reachable::new(&trial, "returned", &[PHONE]).await?;
    let again = Reachable::new(&trial, "again", &[PUSH]).await?;
    let away = Reachable::new(&trial, "away", &[EMAIL]).await?;
    let new = trial.stranger("new");
    let online = [&beating.party, &streaming.party, &returned.party, &again.party, &new];
    let told_nothing: Vec<_> = online.into_iter().chain([&without, &empty]).collect();
    let members: Vec<_> = told_nothing.iter().copied().chain([&alice, &away.party]).collect();
    let session = trial.session("s", &members).await?;
    let (other, last) = (trial.session("t", &members).await?, trial.session("u", &members).await?);
    let feed = streaming.party.subscribe(&session);
    silence(&trial, &[&beating.party, &streaming.party]).await?;

    let heard = beat(&trial, &[&beating.party, &streaming.party, &returned.party]).await?;
    again.moves(&trial, &[PUSH]).await?;
    // Whether registering again is a sign of life is unspecified.
    beat(&trial, &[&again.party]).await?;
    Reachable::new(&trial, "new", &[EMAIL, PUSH]).await?;
    for round in 0..4 {
        for session in [&session, &other] {
            let to: &[&Party] = if round % 2 == 0 { &[] } else { &told_nothing };
            alice.has_sent(session, to, bell.payload()).await?;
        }
    }
    let in_time = heard.lasts();
    alice.has_sent(&last, &[&away.party], bell.payload()).await?;
    bell.rings(&away, &last, 1).await?;
    bell.quiet().await;
    drop(feed);
    for party in [&without, &empty] {
        bell.is_silent_for(party, "it has no channel")?;
    }
    for party in online {
        let verdict = bell.is_silent_for(party, "it was online when the messages were routed");
        if verdict.is_err() {
            in_time.clone()?;
        }
        verdict?;
    }
    Ok(())
}

pub(super) async fn removed_channels_are_not_used(trial: Trial) -> Verdict {
    let mut bell = Bell::new(&trial)?;
    let alice = trial.party("alice").await?;
    let removed = Reachable::new(&trial, "removed", &[EMAIL, PHONE, PUSH]).await?;
    let emptied = Reachable::new(&trial, "emptied", &[PHONE]).await?;
    let moved = Reachable::new(&trial, "moved", &[EMAIL, PUSH]).await?;
    let unused = Reachable::new(&trial, "unused", &[PUSH]).await?;
    let all = [&removed, &emptied, &moved, &unused];
    let members: Vec<_> = all.iter().map(|it| &it.party).chain([&alice]).collect();
    let (session, other) =
        (trial.session("s", &members).await?, trial.session("t", &members).await?);
    let first = [&removed.party, &emptied.party, &moved.party];
    silence(&trial, &[]).await?;

    let keeping = trial.keeping();
    let sent = alice.has_sent(&session, &first, bell.payload()).await?;
    for who in [&removed, &emptied, &moved] {
        bell.rings(who, &session, 1).await?;
    }
    for party in [&removed.party, &unused.party] {
        registers_with(party, None).await?;
    }
    registers_with(&emptied.party, Some(NotificationChannel::default())).await?;
    let moved_to = moved.moves(&trial, &[PHONE, PUSH]).await?;
    // Whether registering again is coming back is left open.
    moved.party.heartbeat().await.prepared()?;
    for party in first {
        acknowledge([&keeping], party, [&sent]).await?;
    }
    silence(&trial, &[]).await?;

    for session in [&session, &other] {
        for to in [&[][..], &members[..4]] {
            alice.has_sent(session, to, bell.payload()).await?;
        }
        bell.rings(&moved_to, session, 1).await?;
    }
    bell.quiet().await;
    let why = "it has registered again without a channel";
    bell.is_silent_for(&unused.party, why)?;
    for who in [&removed, &emptied] {
        bell.rang_just(who, &[(&session, 1)]).map_err(|stop| stop.told(why))?;
    }
    let channels = [moved.channels.clone(), moved_to.channels].concat();
    let everywhere = Reachable { channels, ..moved };
    let told = "it has registered again with other addresses";
    bell.rang_just(&everywhere, &[(&session, 1), (&other, 1)]).map_err(|stop| stop.told(told))?;
    // Of the second session nobody was told where the party was before.
    let before = Reachable { channels: everywhere.channels[..2].to_vec(), ..everywhere };
    bell.was_not_told(&before, &other, told)
}
