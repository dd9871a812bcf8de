//! DUR-1, DUR-6: what was accepted, and what became of it, after orderly restarts and others.

use tokio::time::Instant;

use super::aging::Aging;
use super::ledger::{Ledger, State};
use super::volume::Volume;
use crate::families::prelude::*;
use crate::families::restarting::{Down, reconnect, restart};
use crate::keeping::Keeping;
use crate::many::statuses;
use crate::party::{Party, Sent};
use crate::trial::Session;

const KIB: usize = 1024;

/// Timers that are longer are not waited for: the target's restarts are what takes the time here.
const SHORT: std::time::Duration = std::time::Duration::from_secs(6);

pub(super) async fn an_orderly_restart_loses_nothing(trial: Trial) -> Verdict {
    let power = trial.power()?;
    let [mut alice, mut bob, mut carol, mut dave] =
        trial.parties(["alice", "bob", "carol", "dave"]).await?;
    // It registers after the restart (REG-8).
    let mut erin = trial.stranger("erin");
    let session = trial.session("s", &[&alice, &bob, &carol, &dave, &erin]).await?;
    let other = trial.session("other", &[&alice, &bob, &carol]).await?;
    let largest = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    let mut volume = Some(Volume::new(&trial).await?);
    let mut ledger = Ledger::new(&trial);

    for round in 0..2 {
        let sizes = [0, 1, 300, 20 * KIB, largest.min(1024 * KIB), 7];
        for (turn, size) in sizes.into_iter().cycle().take(18).enumerate() {
            let (from, at) = if turn % 3 == 2 { (&dave, &alice) } else { (&alice, &dave) };
            let size = if turn < sizes.len() { size } else { size.min(64 * KIB) };
            let payload = trial.payload(size);
            match turn % 4 {
                0 => ledger.routes(from, &session, &[&bob], &[&bob], payload).await?,
                1 => {
                    let to = [&carol, &bob, &erin];
                    ledger.routes(from, &session, &to, &to, payload).await?
                }
                2 => ledger.routes(&alice, &other, &[&carol], &[&carol], "elsewhere").await?,
                _ => {
                    let all = [at, &bob, &carol, &erin];
                    ledger.routes(from, &session, &[], &all, payload).await?
                }
            };
        }
        // Some of it was polled and some streamed, and of that some has ended.
        ledger.polls_hold(&[&carol], &session, "before a restart").await?;
        end_some(&mut ledger, &carol, &session, 3).await?;
        ledger.stream_holds(&bob, &session, &alice, "before a restart").await?;
        end_some(&mut ledger, &bob, &session, 4).await?;
        ledger.routes(&alice, &session, &[], &[&bob, &carol, &dave, &erin], "last").await?;
        ledger.learn().await?;
        let carols = [ledger.open(&carol, Some(&other)).remove(0).clone()];
        ledger.ends(&carol, &carols[0], true).await?;

        restart(&trial, &power, Down::Stopped).await?;
        reconnect([&mut alice, &mut bob, &mut carol, &mut dave, &mut erin]);
        let when = ["after an orderly restart", "after a second orderly restart"][round];
        ledger.statuses_hold(when).await?;
        if round == 0 {
            erin.register("persistent").await.prepared()?;
        }
        for party in [&bob, &carol, &dave, &erin] {
            counts(&ledger, party, when).await?;
        }
        ledger.polls_hold(&[&carol, &erin], &session, when).await?;
        ledger.polls_hold(&[&bob, &carol], &other, when).await?;
        for party in [&bob, &dave] {
            ledger.stream_holds(party, &session, &alice, when).await?;
        }
        // It goes on from there.
        end_some(&mut ledger, &erin, &session, 2).await?;
        ledger.polls_hold(&[&bob, &carol, &erin], &session, when).await?;
        if let Some(volume) = volume.take() {
            volume.holds(&trial, when).await?;
        }
    }
    Ok(())
}

/// Acknowledges one of so many of a party's, and refuses another.
async fn end_some(ledger: &mut Ledger, party: &Party, session: &Session, one_of: usize) -> Verdict {
    let open: Vec<Sent> = ledger.open(party, Some(session)).into_iter().cloned().collect();
    for (place, sent) in open.iter().enumerate() {
        match place % one_of {
            0 => ledger.ends(party, sent, true).await?,
            1 if place % (2 * one_of) == 1 => ledger.ends(party, sent, false).await?,
            _ => {}
        }
    }
    Ok(())
}

/// Demands that a heartbeat tells the number of what is outstanding.
async fn counts(ledger: &Ledger, party: &Party, when: &str) -> Verdict {
    let pending = party.heartbeat().await.accepted()?.pending_messages;
    let due = ledger.open(party, None).len();
    if usize::try_from(pending) == Ok(due) {
        return Ok(());
    }
    let seen = format!("{} has pending_messages {pending}", party.id);
    ledger.judged(Err(Stop::broken(seen, format!("{due}, as before"))), when)
}

pub(super) async fn what_has_ended_stays_ended(trial: Trial) -> Verdict {
    let power = trial.power()?;
    let [mut alice, mut bob, mut carol, mut dave] =
        trial.parties(["alice", "bob", "carol", "dave"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol, &dave]).await?;
    let (of_time, aging) = failed_by_time(&trial, &alice, &dave).await?;
    let status_kept = trial.keeping();

    let mut ledger = Ledger::new(&trial);
    let mut sent = Vec::new();
    for turn in 0..12 {
        let to: [&[&Party]; 2] = [&[&bob, &carol], &[]];
        let recipients: [&[&Party]; 2] = [&[&bob, &carol], &[&bob, &carol, &dave]];
        let (to, recipients) = (to[turn % 2], recipients[turn % 2]);
        let payload = format!("message {turn}");
        sent.push(ledger.routes(&alice, &session, to, recipients, payload).await?);
    }
    // Of what was handed out, and of what was not, some ends each way.
    ledger.polls_hold(&[&bob], &session, "before a restart").await?;
    for (place, sent) in sent.iter().enumerate() {
        for (party, turn) in [(&bob, place), (&carol, place / 2)] {
            match turn % 4 {
                0 => ledger.ends(party, sent, true).await?,
                1 => ledger.ends(party, sent, false).await?,
                _ => {}
            }
        }
    }
    // One message has ended for all.
    for party in [&bob, &carol, &dave] {
        ledger.ends(party, &sent[7], true).await?;
    }
    ledger.learn().await?;

    let mut up = Instant::now();
    for down in [Down::Stopped, Down::Killed] {
        restart(&trial, &power, down).await?;
        up = Instant::now();
        reconnect([&mut alice, &mut bob, &mut carol, &mut dave]);
        let when = down.when();
        ledger.statuses_hold(when).await?;
        ended_by_time_stay(&alice, &dave, &of_time, &status_kept, when).await?;
        terminal_states_stay(&mut ledger, &bob, &sent[..2], when).await?;
        ledger.polls_hold(&[&bob, &carol, &dave], &session, when).await?;
        ledger.stream_holds(&carol, &session, &alice, when).await?;
    }
    match aging {
        Some(aging) => aging.fails_in_time(&trial, &alice, &dave, up).await,
        None => Ok(()),
    }
}

/// The first of these was acknowledged, and the second one failed: neither can be changed, and both
/// can be said again.
async fn terminal_states_stay(
    ledger: &mut Ledger,
    party: &Party,
    sent: &[Sent],
    when: &str,
) -> Verdict {
    for (sent, success) in sent.iter().zip([true, false]) {
        let again = party.acknowledge(sent.acknowledgement(party, success)).await;
        ledger.judged(again.accepted().map(drop), when)?;
        let contrary = party.acknowledge(sent.acknowledgement(party, !success)).await;
        ledger.judged(contrary.rejected_in_any_way(&[Code::FailedPrecondition]), when)?;
    }
    Ok(())
}

/// Messages that failed by themselves, where the target's timers are short, and such as will have.
async fn failed_by_time(
    trial: &Trial,
    sender: &Party,
    party: &Party,
) -> Result<(Vec<Sent>, Option<Aging>), Stop> {
    let timers = trial.timers();
    let retries = trial.claims(Capability::Redelivery) && timers.all_attempts() <= SHORT;
    let expires = trial.claims(Capability::Expiry) && timers.message_ttl() <= SHORT;
    let mut sent = Vec::new();
    let mut aging = None;
    if expires {
        let session = trial.session("age", &[sender, party]).await?;
        sent.push(sender.has_sent(&session, &[party], "expires").await?);
        trial.sleep(timers.message_ttl() / 2).await;
        aging = Some(Aging::begins(trial, sender, party).await?);
        trial.sleep(timers.message_ttl() / 2).await;
    }
    // Later: what comes back by mistake is not to fail again by its age.
    let session = trial.session("retries", &[sender, party]).await?;
    let mut feeds = Vec::new();
    if retries {
        feeds.push(party.subscribe(&session));
        sent.push(sender.has_sent(&session, &[party], "is sent in vain").await?);
        trial.sleep(timers.all_attempts()).await;
    }
    let accepted = "failed, by its age or after all attempts";
    if !sent.is_empty() {
        trial
            .until(accepted, || async {
                let statuses = statuses(sender, &sent).await?;
                let states = statuses.iter().flat_map(|it| &it.deliveries);
                let open = states.filter(|it| it.status != "failed").count();
                Ok(if open == 0 { Ok(()) } else { Err(format!("{open} deliveries are open")) })
            })
            .await
            .map_err(Stop::unprepared)?;
    }
    Ok((sent, aging))
}

async fn ended_by_time_stay(
    sender: &Party,
    party: &Party,
    sent: &[Sent],
    keeping: &Keeping,
    when: &str,
) -> Verdict {
    let statuses = statuses(sender, sent).await;
    if statuses.is_err() {
        keeping.lasts()?;
    }
    for (sent, status) in sent.iter().zip(statuses?) {
        let is_failed = status.deliveries.iter().all(|it| it.status == "failed");
        if !is_failed {
            let state = &status.deliveries[0].status;
            let seen = format!("the delivery of {} to {} is {state:?} {when}", sent.id, party.id);
            return keeping.judged(Err(Stop::broken(seen, "failed: it had failed by itself")));
        }
    }
    for sent in sent {
        let session = Session { id: sent.request.session_id.clone() };
        let polled = party.polls(&session).await?;
        if let Some(message) = polled.first() {
            let seen = format!("a poll of {} answers with {} {when}", party.id, message.message_id);
            return keeping.judged(Err(Stop::broken(seen, "nothing: it had failed by itself")));
        }
    }
    Ok(())
}

/// How things stand with a delivery that somebody has tried to end.
pub(super) fn tried(success: bool, accepted: Option<bool>) -> State {
    match (success, accepted) {
        (true, Some(true)) => State::Acknowledged(0),
        (false, Some(true)) => State::Failed,
        (true, None) => State::PerhapsAcknowledged,
        (false, None) => State::PerhapsFailed,
        (_, Some(false)) => State::Open,
    }
}
