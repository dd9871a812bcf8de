//! IDM-3: the same key, before and after a restart.

use super::super::announcing::{event, has_published};
use super::super::prelude::*;
use super::{repeats, sends};
use crate::families::arrivals::kept;
use crate::families::restarting::{Down, reconnect, restart};
use crate::listing;
use crate::party::{Party, Sent};
use crate::power::Power;
use crate::trial::Session;

/// Calls under way when the target is killed.
const UNDER_WAY: usize = 12;

pub(super) async fn keys_survive(trial: &Trial, power: &Power) -> Verdict {
    let [mut alice, mut bob, mut carol] =
        trial.parties(["restart-a", "restart-b", "restart-c"]).await?;
    let session = trial.session("restart", &[&alice, &bob, &carol]).await?;
    let ended = trial.session("restart-ended", &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let mut calls: Vec<(String, Sent)> = Vec::new();
    for (round, down) in [Down::Stopped, Down::Killed].into_iter().enumerate() {
        let recipients: [&[&Party]; 3] = [&[&bob], &[&bob, &carol], &[]];
        for (place, to) in recipients.into_iter().enumerate() {
            for length in [0, 2_000] {
                let key = format!("{round}-{place}-{length}");
                let request = alice.outgoing(&session, to, trial.payload(length));
                calls.push((key.clone(), sends(&alice, &request, &key).await?));
            }
        }
        let of_ended = alice.outgoing(&ended, &[&bob], format!("in round {round}"));
        let of_ended = match round {
            0 => Some(sends(&alice, &of_ended, "ended").await?),
            _ => None,
        };
        if round == 0 {
            has_published(trial, event("session_completed", ended.id.clone(), &[])).await?;
        }
        // Of some nobody is waiting for anything any more.
        for (_, sent) in calls.iter().skip(round * 7).take(2) {
            keeping.prepared(bob.acknowledge(sent.acknowledgement(&bob, true)).await)?;
        }
        // The key that was given last.
        let (key, request) = (format!("last-{round}"), alice.outgoing(&session, &[&carol], "last"));
        calls.push((key.clone(), sends(&alice, &request, &key).await?));

        restart(trial, power, down).await?;
        reconnect([&mut alice, &mut bob, &mut carol]);
        let when = down.when();
        for (key, first) in &calls {
            repeats(&alice, &first.request, key, first, &keeping, when).await?;
        }
        if let Some(first) = &of_ended {
            let when = "after its session had ended, and a restart";
            repeats(&alice, &first.request, "ended", first, &keeping, when).await?;
        }
        for (key, first) in calls.iter().step_by(3) {
            let mut other = first.request.clone();
            other.payload = "other content".into();
            let answer = alice.route_keyed(other, key).await;
            if answer.was_accepted() == Some(true) {
                keeping.lasts()?;
            }
            let usual = [Code::AlreadyExists, Code::InvalidArgument];
            answer.rejected_in_any_way(&usual).map_err(|stop| stop.told(when))?;
        }
        let due = calls.iter().map(|(_, sent)| sent).filter(|it| {
            let (to, from) = (&it.request.to_parties, &it.request.from_party);
            to.contains(&carol.id) || (to.is_empty() && *from != carol.id)
        });
        let polled = carol.polls(&session).await?;
        let listed = listing::exactly(&carol, &polled, due);
        kept([&keeping], listed.map_err(|stop| stop.told(when)))?;
    }
    under_way(trial, power, [alice, bob], &session).await
}

/// Calls that had no answer are made again after the restart: each is one message then.
async fn under_way(
    trial: &Trial,
    power: &Power,
    [alice, mut bob]: [Party; 2],
    session: &Session,
) -> Verdict {
    let keeping = trial.keeping();
    let before: Vec<_> = bob.polls(session).await?.into_iter().map(|it| it.message_id).collect();
    let requests: Vec<_> = (0..UNDER_WAY)
        .map(|number| (format!("under-way-{number}"), format!("call {number}")))
        .map(|(key, payload)| (key, alice.outgoing(session, &[&bob], payload)))
        .collect();
    let calls: Vec<_> = requests
        .iter()
        .map(|(key, request)| {
            let (alice, key, request) = (alice.clone(), key.clone(), request.clone());
            tokio::spawn(async move { alice.route_keyed(request, &key).await })
        })
        .collect();
    let mut firsts = Vec::new();
    let mut killed = false;
    for call in calls {
        let answer = match call.await {
            Ok(answer) => answer,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        if !killed {
            power.kill().await;
            killed = true;
        }
        firsts.push(match answer.was_accepted() {
            Some(true) => Some(answer.accepted()?.message_id),
            _ => None,
        });
    }
    restart(trial, power, Down::Killed).await?;
    let mut alice = alice;
    reconnect([&mut alice, &mut bob]);
    let when = "after kill -9 in the middle of the call, and a restart";
    let mut sent = Vec::new();
    for ((key, request), first) in requests.iter().zip(firsts) {
        let again = sends(&alice, request, key).await?;
        if let Some(id) = first {
            let first = Sent { id, request: request.clone() };
            repeats(&alice, request, key, &first, &keeping, when).await?;
        }
        repeats(&alice, request, key, &again, &keeping, when).await?;
        sent.push(again);
    }
    let mut polled = bob.polls(session).await?;
    polled.retain(|it| !before.contains(&it.message_id));
    let listed = listing::exactly(&bob, &polled, &sent);
    kept([&keeping], listed.map_err(|stop| stop.told(when)))
}

/// What the restart is about, where it is claimed.
pub(super) async fn if_durable(trial: &Trial) -> Verdict {
    if !trial.claims(Capability::Durable) {
        return Ok(());
    }
    keys_survive(trial, &trial.power()?).await
}
