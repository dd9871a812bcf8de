//! DUR-3: who is there, and who takes part in what, after a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use mpc_router_proto::v1::{NotificationChannel, RegisterPartyRequest, RegisteredParty};

use crate::families::announcing::event;
use crate::families::prelude::*;
use crate::families::restarting::{Down, reconnect, restart};
use crate::keeping::Keeping;
use crate::party::Party;
use crate::power::Power;
use crate::trial::{Session, registration};

/// So that times differ.
const BETWEEN_BEATS: Duration = Duration::from_millis(2);

/// A party, with the role and the channel that it gave last.
struct Known {
    party: Party,
    role: &'static str,
    channel: Option<NotificationChannel>,
    registered_at: i64,
}

pub(super) async fn parties_and_members_survive(trial: Trial) -> Verdict {
    let power = trial.power()?;
    let mut known = Vec::new();
    for (place, role) in ["persistent", "delegate", "temporary"].into_iter().enumerate() {
        for (number, channel) in channels(role).into_iter().enumerate() {
            let party = trial.stranger(&format!("{role}-{number}"));
            let mut request =
                RegisterPartyRequest { notification: channel, ..registration(&party.id, role) };
            let registered_at =
                party.register_with(request.clone()).await.prepared()?.registered_at;
            // Some register again, with the channel of another one or without any.
            if number % 2 == place % 2 {
                request.notification = channels("again")[(number + 1) % 4].clone();
                party.register_with(request.clone()).await.prepared()?;
            }
            known.push(Known { party, role, channel: request.notification, registered_at });
        }
    }
    let members = Members::new(&trial).await?;
    members_hold(&trial, &members, "before a restart").await?;
    let mut latest = beats(&trial, &known, i64::MIN, "").await?;
    for down in [Down::Stopped, Down::Killed] {
        restart(&trial, &power, down).await?;
        latest = beats(&trial, &known, latest, down.when()).await?;
        are_listed(&trial, &known, down.when()).await?;
        members_hold(&trial, &members, down.when()).await?;
    }
    match trial.claims(Capability::Membership) {
        true => changes_hold(&trial, &power, &members).await,
        false => Ok(()),
    }
}

/// Lets everybody send a heartbeat. Demands that its time has not gone back behind `latest` (HB-3),
/// and tells the latest one.
async fn beats(trial: &Trial, known: &[Known], mut latest: i64, when: &str) -> Result<i64, Stop> {
    for Known { party, .. } in known {
        let party = party.on_a_connection_of_its_own();
        let at = party.heartbeat().await.prepared()?.server_timestamp;
        if at < latest {
            let seen = format!(
                "a heartbeat was answered with server_timestamp {latest}, and one of {} with {at} \
                 {when}",
                party.id
            );
            return Err(Stop::broken(seen, "the router's time does not go back (HB-3)"));
        }
        latest = at;
        trial.sleep(BETWEEN_BEATS).await;
    }
    Ok(latest)
}

/// None, all kinds at once, and one kind alone.
fn channels(of: &str) -> [Option<NotificationChannel>; 4] {
    let channel = |email: bool, phone: bool, push: bool| {
        let text = |there: bool, text: String| if there { text } else { String::new() };
        Some(NotificationChannel {
            email: text(email, format!("{of}@example.test")),
            phone: text(phone, "+41 44 000 00 00".into()),
            push_token: text(push, format!("token-of-{of}")),
        })
    };
    [None, channel(true, true, true), channel(false, true, false), channel(false, false, true)]
}

async fn are_listed(trial: &Trial, known: &[Known], when: &str) -> Verdict {
    let asking = trial.coordinator().on_a_connection_of_its_own();
    let listed = asking.list("", false).await.accepted()?.parties;
    let mut by_name: BTreeMap<&str, Vec<&RegisteredParty>> = BTreeMap::new();
    listed.iter().for_each(|it| by_name.entry(&it.party_id).or_default().push(it));
    for Known { party, role, channel, registered_at } in known {
        let entries = by_name.get(party.id.as_str()).cloned().unwrap_or_default();
        let [entry] = entries.as_slice() else {
            let seen = format!("{} is listed {} times {when}", party.id, entries.len());
            return Err(Stop::broken(seen, "once: it is registered"));
        };
        let is_empty = |it: &NotificationChannel| *it == NotificationChannel::default();
        let shown = entry.notification.clone().filter(|it| !is_empty(it));
        if entry.role != *role || shown != *channel {
            let seen = format!(
                "{} is listed as {:?} with the channel {shown:?} {when}",
                party.id, entry.role
            );
            return Err(Stop::broken(seen, format!("{role:?} with {channel:?}, as it registered")));
        }
        if entry.registered_at != *registered_at {
            let seen = format!("{} has registered_at {} {when}", party.id, entry.registered_at);
            trial.warn(seen, format!("{registered_at}, as before (REG-5)"));
        }
    }
    Ok(())
}

/// Sessions, and who must be in them.
struct Members {
    alice: Party,
    bob: Party,
    carol: Party,
    dave: Party,
    /// Announced once, with all but Dave.
    announced: Session,
    /// Its members were changed: Carol went, and Dave came.
    changed: Session,
    /// It has ended.
    ended: Session,
}

impl Members {
    async fn new(trial: &Trial) -> Result<Self, Stop> {
        let [alice, bob, carol, dave] = trial.parties(["alice", "bob", "carol", "dave"]).await?;
        let announced = trial.session("announced", &[&alice, &bob, &carol]).await?;
        let changed = trial.session("changed", &[&alice, &bob, &carol]).await?;
        let started = event("session_started", changed.id.clone(), &[&alice, &bob, &dave]);
        trial.coordinator().publish(started).await.prepared()?;
        // Neither of these changes the members.
        for event_type in ["session_started", "round_completed"] {
            trial
                .coordinator()
                .publish(event(event_type, changed.id.clone(), &[]))
                .await
                .prepared()?;
        }
        let ended = trial.session("ended", &[&alice, &bob]).await?;
        let end = event("session_completed", ended.id.clone(), &[&alice, &bob]);
        trial.coordinator().publish(end).await.prepared()?;
        Ok(Self { alice, bob, carol, dave, announced, changed, ended })
    }
}

/// Demands that broadcasts reach the members and, where membership is claimed, that nobody else
/// takes part.
async fn members_hold(trial: &Trial, members: &Members, when: &str) -> Verdict {
    let keeping = trial.keeping();
    let Members { announced, changed, ended, .. } = members;
    let [mut alice, mut bob, mut carol, mut dave] =
        [&members.alice, &members.bob, &members.carol, &members.dave].map(Party::clone);
    reconnect([&mut alice, &mut bob, &mut carol, &mut dave]);
    reaches(&alice, announced, &[&bob, &carol], &keeping, when).await?;
    if !trial.claims(Capability::Membership) {
        return Ok(());
    }
    // SES-6
    reaches(&alice, changed, &[&bob, &dave], &keeping, when).await?;
    let rejected = async |from: &Party, session: &Session, to: &[&Party], usual: &[Code]| {
        let answer = from.route(from.outgoing(session, to, "of a stranger")).await;
        answer.rejected_in_any_way(usual).map_err(|stop| stop.told(when))
    };
    rejected(&dave, announced, &[&bob], &[Code::PermissionDenied]).await?;
    rejected(&carol, changed, &[&bob], &[Code::PermissionDenied]).await?;
    let no_recipient = [Code::InvalidArgument, Code::NotFound];
    rejected(&alice, announced, &[&bob, &dave], &no_recipient).await?;
    rejected(&alice, changed, &[&carol], &no_recipient).await?;
    rejected(&alice, ended, &[&bob], &[Code::FailedPrecondition]).await?;
    reaches(&dave, changed, &[&alice, &bob], &keeping, when).await
}

/// Demands that a broadcast has exactly these recipients.
async fn reaches(
    from: &Party,
    session: &Session,
    others: &[&Party],
    keeping: &Keeping,
    when: &str,
) -> Verdict {
    let sent = from.sends(session, &[], "to all").await.map_err(|stop| stop.told(when))?;
    let status = from.status(&sent).await?;
    let mut told: Vec<_> = status.deliveries.iter().map(|it| it.party_id.as_str()).collect();
    let mut due: Vec<_> = others.iter().map(|it| it.id.as_str()).collect();
    told.sort_unstable();
    due.sort_unstable();
    if told != due {
        let seen = format!("a broadcast in {} has the recipients {told:?} {when}", session.id);
        return Err(Stop::broken(seen, format!("{due:?}, the other members")));
    }
    for party in others {
        let polled = party.polls(session).await.map_err(|stop| stop.told(when))?;
        if polled.iter().all(|it| it.message_id != sent.id) {
            let seen = format!("a poll of {} lacks {} {when}", party.id, sent.id);
            return keeping.judged(Err(Stop::broken(seen, "a broadcast reaches the members")));
        }
        keeping.prepared(party.acknowledge(sent.acknowledgement(party, true)).await)?;
    }
    Ok(())
}

/// A selection after a restart replaces the one of before it, and survives the next one.
async fn changes_hold(trial: &Trial, power: &Power, members: &Members) -> Verdict {
    let Members { alice, carol, dave, announced, .. } = members;
    let started = event("session_started", announced.id.clone(), &[alice, carol, dave]);
    let coordinator = trial.coordinator().on_a_connection_of_its_own();
    coordinator.publish(started).await.prepared()?;
    restart(trial, power, Down::Killed).await?;
    let keeping = trial.keeping();
    let [mut alice, mut carol, mut dave] = [alice, carol, dave].map(Party::clone);
    reconnect([&mut alice, &mut carol, &mut dave]);
    let when = "after the members had changed between two restarts";
    reaches(&alice, announced, &[&carol, &dave], &keeping, when).await
}
