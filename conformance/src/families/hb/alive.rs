//! HB-5 to HB-8, HB-10, HB-12: who is online, and for how long.

use mpc_router_proto::v1::{NotificationChannel, RegisterPartyRequest};
use tokio::time::{Instant, sleep_until};

use super::super::prelude::*;
use super::streaming::Streaming;
use crate::listening::listening;
use crate::many::each;
use crate::party::Party;
use crate::presence::{Heard, beat, goes_away, must_be_offline, must_be_online, silence};
use crate::trial::registration;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// A party that can be woken by mail.
async fn reachable_by_mail(trial: &Trial, label: &str, role: &str) -> Result<Party, Stop> {
    let party = trial.stranger(label);
    let channel =
        NotificationChannel { email: format!("{}@example.org", party.id), ..Default::default() };
    let request =
        RegisterPartyRequest { notification: Some(channel), ..registration(&party.id, role) };
    party.register_with(request).await.prepared()?;
    Ok(party)
}

async fn crowd(trial: &Trial, label: &str, count: usize) -> Result<Vec<Party>, Stop> {
    each(0..count, |number| {
        let (trial, label) = (trial.clone(), format!("{label}-{number}"));
        async move { trial.party(&label).await }
    })
    .await
}

/// Looks at the parties, which were heard of a moment ago, until much of their time is over.
async fn stay_online(trial: &Trial, parties: &[&Party], heard: &Heard) -> Verdict {
    let timeout = trial.timers().heartbeat_timeout();
    trial.can_wait_for("heartbeat_timeout", timeout)?;
    let asking = trial.stranger("asking");
    let end = heard.began() + timeout / 20 * 17;
    loop {
        let why = "its last heartbeat is younger than heartbeat_timeout";
        must_be_online(&asking, parties, heard, why).await?;
        let now = Instant::now();
        if now >= end {
            return Ok(());
        }
        sleep_until((now + timeout / 10).min(end)).await;
    }
}

pub(super) async fn heartbeats_keep_online(trial: Trial) -> Verdict {
    let asking = trial.stranger("asking");
    let mut parties = Vec::new();
    for role in ["persistent", "delegate", "temporary"] {
        let heard = trial.heard();
        let party = trial.party_as(role, role).await?;
        must_be_online(&asking, &[&party], &heard, "it has just registered").await?;
        parties.push(party);
        let heard = trial.heard();
        let party = reachable_by_mail(&trial, &format!("{role}-by-mail"), role).await?;
        must_be_online(&asking, &[&party], &heard, "it has just registered").await?;
        parties.push(party);
    }
    let heard = trial.heard();
    let crowd = crowd(&trial, "crowd", 60).await?;
    let everybody: Vec<_> = crowd.iter().collect();
    must_be_online(&asking, &everybody, &heard, "it has just registered").await?;

    let (streaming, ending) = Streaming::open(&trial).await?;
    let parties: Vec<_> = parties.iter().chain(&crowd[..10]).chain(&streaming.parties).collect();
    let mut ending = Some(ending);
    for _ in 0..3 {
        let heard = beat(&trial, &parties).await?;
        if let Some(ending) = ending.take() {
            ending.end();
        }
        stay_online(&trial, &parties, &heard).await?;
    }
    Ok(())
}

pub(super) async fn silent_parties_are_offline(trial: Trial) -> Verdict {
    let [alice, only_registered, beating, polling, streaming, listener, sending] = trial
        .parties(["alice", "registered", "beating", "polling", "streaming", "listener", "sending"])
        .await?;
    let by_mail = reachable_by_mail(&trial, "by-mail", "delegate").await?;
    let silent = [&only_registered, &beating, &polling, &streaming, &listener, &sending, &by_mail];
    let members: Vec<_> = silent.iter().copied().chain([&alice]).collect();
    let session = trial.session("s", &members).await?;

    let keeping = trial.keeping();
    let sent = alice.has_sent(&session, &[], "before").await?;
    for _ in 0..5 {
        beating.heartbeat().await.prepared()?;
    }
    polling.polls(&session).await?;
    sending.has_sent(&session, &[], "from it").await?;
    keeping.lasts()?;
    let streamed = trial.keeping_streamed();
    streaming.subscribe(&session).next("the outstanding message").await?;
    let acknowledgement = sent.acknowledgement(&streaming, true);
    streamed.prepared(streaming.acknowledge(acknowledgement).await)?;
    drop(listening(&trial, &listener, &[]).await?);

    let timeout = trial.timers().heartbeat_timeout();
    let traffic = async {
        // What others do with a party is no sign of its life.
        loop {
            trial.sleep(timeout / 5).await;
            alice.has_sent(&session, &[], "meanwhile").await?;
            trial.session("later", &members).await?;
        }
    };
    let kept = [&alice];
    let silence = tokio::select! {
        biased;
        silence = silence(&trial, &kept) => silence?,
        stopped = traffic => return stopped,
    };
    for _ in 0..5 {
        let why = "it has no open stream and made no call";
        must_be_offline(&trial, &alice, &silent, &silence, why).await?;
        trial.sleep(timeout / 10).await;
    }
    Ok(())
}

/// All these parties, which are offline, are online after a heartbeat.
async fn come_back(trial: &Trial, asking: &Party, parties: &[&Party]) -> Result<Heard, Stop> {
    let heard = trial.heard();
    each(parties, |party| {
        let party = (*party).clone();
        async move { party.heartbeat().await.accepted() }
    })
    .await?;
    must_be_online(asking, parties, &heard, "its heartbeat was accepted").await?;
    Ok(heard)
}

pub(super) async fn a_heartbeat_brings_it_back(trial: Trial) -> Verdict {
    let mut parties = crowd(&trial, "party", 12).await?;
    parties.push(trial.party_as("temporary", "temporary").await?);
    parties.push(reachable_by_mail(&trial, "by-mail", "delegate").await?);
    // These are away once, the others twice.
    let once = crowd(&trial, "once", 6).await?;
    let (twice, once): (Vec<_>, Vec<_>) = (parties.iter().collect(), once.iter().collect());
    let all: Vec<_> = twice.iter().chain(&once).copied().collect();
    let asking = trial.stranger("asking");
    goes_away(&trial, &asking, &all).await?;
    let and_stay = async |parties: &[&Party]| {
        let heard = come_back(&trial, &asking, parties).await?;
        stay_online(&trial, parties, &heard).await
    };
    let again = async {
        come_back(&trial, &asking, &twice).await?;
        goes_away(&trial, &asking, &twice).await?;
        and_stay(&twice).await
    };
    tokio::try_join!(and_stay(&once), again)?;
    Ok(())
}

/// A party's clock that is no help.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// So many hours ahead.
    ByHours(i64),
    /// It always shows this.
    StandsStill(i64),
    /// Six hours ahead at first, then right, and then six hours behind.
    IsPutBack,
    /// It is a hundred years ahead, and then shows the beginning of time.
    IsReset,
}

impl Wrong {
    /// What it shows at the party's heartbeat of this number.
    fn shows(self, now_ms: i64, beat: usize) -> i64 {
        match self {
            Self::ByHours(hours) => now_ms + hours * HOUR_MS,
            Self::StandsStill(at) => at,
            Self::IsPutBack => now_ms + [6, 0, -6][beat.min(2)] * HOUR_MS,
            Self::IsReset => [now_ms + 100 * 365 * 24 * HOUR_MS, 0][beat % 2],
        }
    }
}

/// Parties whose clocks are wrong send a heartbeat, their first being number 0.
async fn beat_wrong(trial: &Trial, parties: &[(Party, Wrong)], beat: usize) -> Result<Heard, Stop> {
    let heard = trial.heard();
    each(parties, |(party, wrong)| {
        let (party, timestamp) = (party.clone(), wrong.shows(trial.clock().now_ms(), beat));
        async move { party.heartbeat_at(timestamp).await.accepted() }
    })
    .await?;
    Ok(heard)
}

pub(super) async fn the_party_clock_decides_nothing(trial: Trial) -> Verdict {
    let before = trial.clock().now_ms();
    let (mut kept, mut silent) = (Vec::new(), Vec::new());
    let clocks = [-1, 1, -6, 6, -24, 24].map(Wrong::ByHours).into_iter().chain([
        Wrong::StandsStill(before - 6 * HOUR_MS),
        Wrong::StandsStill(0),
        Wrong::IsPutBack,
        Wrong::IsReset,
    ]);
    for (number, wrong) in clocks.enumerate() {
        kept.push((trial.party(&format!("kept-{number}")).await?, wrong));
        silent.push((trial.party(&format!("silent-{number}")).await?, wrong));
    }
    beat_wrong(&trial, &silent, 0).await?;
    let heard = beat_wrong(&trial, &silent, 1).await?;
    let silent: Vec<_> = silent.iter().map(|(party, _)| party).collect();
    stay_online(&trial, &silent, &heard).await?;

    let keeping = async {
        for number in 0.. {
            let heard = beat_wrong(&trial, &kept, number).await?;
            let kept: Vec<_> = kept.iter().map(|(party, _)| party).collect();
            stay_online(&trial, &kept, &heard).await?;
        }
        Ok(())
    };
    let silence = tokio::select! {
        biased;
        silence = silence(&trial, &[]) => silence?,
        stopped = keeping => return stopped,
    };
    let why = "the time in its last heartbeat changes nothing";
    must_be_offline(&trial, &kept[0].0, &silent, &silence, why).await?;

    let tolerance = trial.timers().clock_tolerance_ms.cast_signed();
    let answer = kept[0].0.list("", false).await.prepared()?;
    let after = trial.clock().now_ms();
    let possible = before - tolerance..=after + tolerance;
    for party in kept.iter().map(|(party, _)| party).chain(silent) {
        let entry = answer.parties.iter().find(|it| it.party_id == party.id);
        if let Some(entry) = entry
            && !possible.contains(&entry.last_seen_at)
        {
            let seen = format!(
                "last_seen_at of {} is {}, where the check ran from {before} to {after}, and only \
                 the time in its heartbeats was hours off",
                party.id, entry.last_seen_at
            );
            return Err(Stop::broken(seen, "a time of the router's own clock"));
        }
    }
    Ok(())
}

pub(super) async fn a_streaming_party_can_be_offline(trial: Trial) -> Verdict {
    let [alice, reading, listener, both] =
        trial.parties(["alice", "reading", "listener", "both"]).await?;
    let session = trial.session("s", &[&alice, &reading, &both]).await?;
    let keeping = trial.keeping();
    let sent = alice.has_sent(&session, &[], "to all").await?;
    let mut messages = Vec::new();
    for party in [&reading, &both] {
        keeping.lasts()?;
        let streamed = trial.keeping_streamed();
        let mut feed = party.subscribe(&session);
        feed.next("the outstanding message").await?;
        streamed.prepared(party.acknowledge(sent.acknowledgement(party, true)).await)?;
        messages.push(feed);
    }
    let mut events = Vec::new();
    for party in [&listener, &both] {
        events.push(listening(&trial, party, &[]).await?);
    }
    let silence = silence(&trial, &[&alice]).await?;
    let why = "an open stream alone does not keep it online";
    let silent = [&reading, &listener, &both];
    must_be_offline(&trial, &alice, &silent, &silence, why).await?;
    // They are held open up to here.
    drop((messages, events));
    Ok(())
}

pub(super) async fn heartbeats_are_of_one_party(trial: Trial) -> Verdict {
    let [party, party1, party10, capital, part] =
        trial.parties(["party", "party1", "party10", "Party", "part"]).await?;
    let [mpc, mpc2, mpc22] = trial.parties(["mpc", "mpc2", "mpc22"]).await?;
    let mut silent = vec![party1, party10, capital, part, mpc, mpc2];
    for label in ["party ", "Mpc22", "mpc2_"] {
        let party = trial.stranger(label);
        // Whether such a name is taken, others check.
        if party.register("persistent").await.was_accepted() == Some(true) {
            silent.push(party);
        }
    }
    let silent: Vec<_> = silent.iter().collect();
    let members: Vec<_> = silent.iter().copied().chain([&party, &mpc22]).collect();
    trial.session("s", &members).await?;

    let kept = [&party, &mpc22];
    let silence = silence(&trial, &kept).await?;
    let why = "only other parties sent heartbeats";
    must_be_offline(&trial, &party, &silent, &silence, why).await
}
