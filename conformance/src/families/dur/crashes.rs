//! DUR-2, DUR-8: `kill -9`, at any moment.

use std::time::Duration;

use mpc_router_proto::v1::NotificationChannel;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore as _;
use tokio::time::Instant;

use super::ledger::Ledger;
use super::traffic::{Registered, Traffic};
use crate::families::prelude::*;
use crate::families::restarting::{Down, comes_up};
use crate::party::Party;
use crate::power::Power;

const KIB: usize = 1024;

pub(super) async fn what_was_accepted_survives_kills(trial: Trial) -> Verdict {
    let parties = trial.parties(["alice", "bob", "carol", "dave"]).await?.to_vec();
    let session = trial.session("s", &parties.iter().collect::<Vec<_>>()).await?;
    let sizes = vec![0, 10, 500, 5 * KIB, 60 * KIB];
    // Early and late, and once when nobody is calling.
    let kills = [(20..60, false), (1..12, false), (60..120, false), (15..40, true)];
    survives(Traffic { trial, session, parties, sizes, all_calls: true }, &kills).await
}

pub(super) async fn what_was_cut_off_does_no_harm(trial: Trial) -> Verdict {
    let parties = trial.parties(["alice", "bob", "carol"]).await?.to_vec();
    let session = trial.session("s", &parties.iter().collect::<Vec<_>>()).await?;
    let most = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let sizes = [200, 500, 1000, 1].map(|it| (it * KIB).min(most.saturating_sub(16))).to_vec();
    // Each goes on where the one before was cut off.
    let kills = [(3..9, false), (1..6, false), (4..12, false), (2..5, true)];
    survives(Traffic { trial, session, parties, sizes, all_calls: false }, &kills).await
}

/// Kills the target again and again, each time after so many calls, and demands that it has all.
async fn survives(mut traffic: Traffic, kills: &[(std::ops::Range<u64>, bool)]) -> Verdict {
    let trial = traffic.trial.clone();
    let power = trial.power()?;
    let mut random = trial.random("kills");
    let mut of_before = Vec::new();
    let mut start = Duration::ZERO;
    for (place, (after, quiet)) in kills.iter().enumerate() {
        let mut ledger = Ledger::of_entries(&trial, of_before);
        let (after, quiet) = (after.clone(), *quiet);
        let outcome = traffic.until_killed(&power, after, quiet, &mut random).await?;
        outcome.note(&mut ledger, &traffic.parties);
        dies_while_it_starts(&power, start, &mut random).await;
        let when = match place {
            0 => "after kill -9 and a restart".to_owned(),
            _ => format!(
                "after kill -9 and a restart, {} times, with others in the middle of starts",
                place + 1
            ),
        };
        let began = Instant::now();
        comes_up(&trial, &power, &when).await?;
        start = began.elapsed();
        for party in &mut traffic.parties {
            *party = party.on_a_connection_of_its_own();
        }
        let parties: Vec<&Party> = traffic.parties.iter().collect();
        ledger.polls_hold(&parties, &traffic.session, &when).await?;
        are_registered(&trial, &outcome.registered, &when).await?;
        let streamed = parties[1 + place % (parties.len() - 1)];
        ledger.stream_holds(streamed, &traffic.session, parties[0], &when).await?;
        // Nothing grows old, and these have to be known after the next kill as well.
        ledger.ends_all(&parties).await?;
        ledger.learn().await?;
        of_before = ledger.entries;
        let newest = of_before.len().saturating_sub(KEPT);
        of_before.drain(..newest);
    }
    // And once more, with nothing new.
    let mut ledger = Ledger::of_entries(&trial, of_before);
    power.kill().await;
    dies_while_it_starts(&power, start, &mut random).await;
    comes_up(&trial, &power, Down::Killed.when()).await?;
    let parties = traffic.parties.iter().map(Party::on_a_connection_of_its_own);
    let parties: Vec<_> = parties.collect();
    let parties: Vec<_> = parties.iter().collect();
    let when = "after kill -9 and a restart, and nothing since the one before";
    ledger.polls_hold(&parties, &traffic.session, when).await
}

/// Starts and kills the target, each time before it has come up, which takes it so long: it reads what
/// it has then, and may be writing it anew.
async fn dies_while_it_starts(power: &Power, start: Duration, random: &mut ChaCha20Rng) {
    let began = Instant::now();
    let most = u64::try_from(start.as_micros()).unwrap_or(u64::MAX);
    for done in 0..if most > 0 { MOST_STARTS } else { 0 } {
        if done > 0 && began.elapsed() > STARTING {
            return;
        }
        let time = Duration::from_micros(random.next_u64() % most);
        let started = tokio::time::timeout(time, power.start()).await;
        power.kill().await;
        // Why it does not start is judged where it is to come up.
        if started.is_ok_and(|it| it.is_err()) {
            return;
        }
    }
}

/// Starts that are cut off before one that is not, where they are quick.
const MOST_STARTS: usize = 4;

/// How long that may take before it is enough.
const STARTING: Duration = Duration::from_millis(200);

/// Messages that are held against what the target knows after the next kill.
const KEPT: usize = 60;

async fn are_registered(trial: &Trial, registered: &[Registered], when: &str) -> Verdict {
    if registered.is_empty() {
        return Ok(());
    }
    let asking = trial.coordinator().on_a_connection_of_its_own();
    let listed = asking.list("", false).await.accepted()?.parties;
    for Registered { request, accepted } in registered {
        let entry = listed.iter().find(|it| it.party_id == request.party_id);
        let is_none = |it: &NotificationChannel| *it == NotificationChannel::default();
        let (seen, wrong) = match entry {
            None => ("not listed".to_owned(), *accepted),
            Some(entry) => {
                let shown = entry.notification.clone().filter(|it| !is_none(it));
                let wrong = entry.role != request.party_role || shown != request.notification;
                (format!("listed as {:?} with the channel {shown:?}", entry.role), wrong)
            }
        };
        if wrong {
            let (role, channel) = (&request.party_role, &request.notification);
            let seen = format!("{} is {seen} {when}", request.party_id);
            return Err(Stop::broken(seen, format!("{role:?} with {channel:?}, as it registered")));
        }
    }
    Ok(())
}
