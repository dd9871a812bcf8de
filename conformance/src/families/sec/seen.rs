//! SEC-4, SEC-5, SEC-6: what a caller sees of others.

use std::collections::HashMap;

use mpc_router_proto::v1::{NotificationChannel, RegisterPartyRequest, SessionEvent};

use super::super::announcing::{event, has_published};
use super::super::prelude::*;
use super::sees_callers;
use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::listening::listening;
use crate::party::{Party, Sent, quote};
use crate::trial::registration;

pub(super) async fn statuses_are_private(trial: Trial) -> Verdict {
    sees_callers(&trial)?;
    let [alice, bob, carol, outsider] =
        trial.parties(["alice", "bob", "carol", "outsider"]).await?;
    let (alice, bob, carol) = (&alice, &bob, &carol);
    let session = &trial.session("s", &[alice, bob, carol]).await?;
    let keeping = trial.keeping();
    let stranger = trial.stranger("unregistered");
    let coordinator = trial.coordinator();
    let sent = [
        (alice.has_sent(session, &[bob], "to one").await?, vec![bob]),
        (bob.has_sent(session, &[alice], "to another").await?, vec![alice]),
        (carol.has_sent(session, &[alice, bob], "to two").await?, vec![alice, bob]),
        (alice.has_sent(session, &[], "to all").await?, vec![bob, carol]),
    ];
    let senders = [alice, bob, carol, alice];
    for when in ["before it was delivered", "when it was delivered", "when it was acknowledged"] {
        for ((sent, recipients), sender) in sent.iter().zip(senders) {
            for caller in [alice, bob, carol, &outsider, &stranger, &coordinator] {
                let told = format!("{} asked for it {when}", caller.id);
                let may = caller.id == sender.id
                    || caller.id == coordinator.id
                    || recipients.iter().any(|it| it.id == caller.id);
                let verdict = match may {
                    true => caller.status(sent).await.map(drop),
                    false => {
                        let answer = caller.status_of(&session.id, &sent.id).await;
                        answer.rejected(&[Code::PermissionDenied, Code::NotFound])
                    }
                };
                verdict.map_err(|stop| stop.told(&told))?;
            }
        }
        match when {
            "before it was delivered" => {
                for recipient in [alice, bob, carol] {
                    recipient.polls(session).await?;
                }
            }
            "when it was delivered" => acknowledge_all(&keeping, &sent).await?,
            _ => {}
        }
    }
    Ok(())
}

async fn acknowledge_all(keeping: &Keeping, sent: &[(Sent, Vec<&Party>)]) -> Verdict {
    for (sent, recipients) in sent {
        for recipient in recipients {
            let request = sent.acknowledgement(recipient, true);
            keeping.prepared(recipient.acknowledge(request).await)?;
        }
    }
    Ok(())
}

/// An event with a join token for each of these.
fn with_tokens(mut event: SessionEvent, parties: &[&Party]) -> SessionEvent {
    event.join_tokens =
        parties.iter().map(|it| (it.id.clone(), format!("token of {}", it.id))).collect();
    event
}

pub(super) async fn join_tokens_are_private(trial: Trial) -> Verdict {
    sees_callers(&trial)?;
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let alike = trial.parties(["alice2", "Alice", "bo"]).await?;
    let all = [&alice, &bob, &carol, &alike[0], &alike[1], &alike[2]];
    let mut at = HashMap::new();
    for party in [&alice, &bob] {
        at.insert(party.id.clone(), listening(&trial, party, &[]).await?);
    }
    let mut published = Vec::new();
    for (number, (event_type, selected)) in [
        ("session_created", &all[..]),
        ("session_created", &all[..2]),
        ("session_started", &all[..]),
        ("round_completed", &all[..]),
        ("session_created", &[][..]),
    ]
    .into_iter()
    .enumerate()
    {
        let event = event(event_type, trial.name(&format!("s{number}")), selected);
        let event = with_tokens(event, &all);
        published.push(event.session_id.clone());
        publishes(&trial, event, selected).await?;
    }
    for party in [&alice, &bob] {
        let Some(feed) = at.get_mut(&party.id) else { continue };
        only_its_own(feed, party, &published, "live").await?;
    }
    if trial.claims(Capability::EventReplay) {
        // Those that select nobody are not replayed, nor are those that do not select it.
        for (party, replayed) in [(&carol, &[0, 2, 3][..]), (&bob, &[0, 1, 2, 3])] {
            let mut feed = party.subscribe_events(&[]);
            let sessions: Vec<_> = replayed.iter().map(|at| published[*at].clone()).collect();
            only_its_own(&mut feed, party, &sessions, "replayed").await?;
        }
    }
    Ok(())
}

/// Publishes an event with join tokens, which some take only for those that are selected.
async fn publishes(trial: &Trial, event: SessionEvent, selected: &[&Party]) -> Verdict {
    let strict = with_tokens(event.clone(), selected);
    match has_published(trial, event).await {
        Err(Stop::NotChecked(_)) => has_published(trial, strict).await,
        verdict => verdict,
    }
}

/// Demands that of the join tokens in the events of these sessions, which must come, `party` gets
/// its own alone.
async fn only_its_own(
    feed: &mut Feed<SessionEvent>,
    party: &Party,
    sessions: &[String],
    how: &str,
) -> Verdict {
    let mut missing = sessions.to_vec();
    while !missing.is_empty() {
        let what = format!("the {how} event of {}", missing[0]);
        let event = feed.next_wanted(|it| missing.contains(&it.session_id), &what).await?;
        missing.retain(|it| *it != event.session_id);
        if let Some(other) = event.join_tokens.keys().find(|it| **it != party.id) {
            let seen = format!(
                "{} got {}'s join token with the {how} event {} of {}",
                party.id,
                quote(other),
                event.event_type,
                event.session_id
            );
            return Err(Stop::broken(seen, "the subscriber's own entry alone"));
        }
    }
    Ok(())
}

pub(super) async fn channels_are_private(trial: Trial) -> Verdict {
    sees_callers(&trial)?;
    let mut owners = Vec::new();
    for (label, role, channel) in [
        ("by-mail", "persistent", NotificationChannel { email: "a@example.org".into(), ..none() }),
        ("by-phone", "delegate", NotificationChannel { phone: "+15550100".into(), ..none() }),
        ("by-push", "temporary", NotificationChannel { push_token: "push-1".into(), ..none() }),
    ] {
        let party = trial.stranger(label);
        let request = RegisterPartyRequest {
            notification: Some(channel.clone()),
            ..registration(&party.id, role)
        };
        party.register_with(request).await.prepared()?;
        owners.push((party, role, channel));
    }
    let [other] = trial.parties(["other"]).await?;
    let stranger = trial.stranger("unregistered");
    let coordinator = trial.coordinator();
    let mut callers = vec![&other, &stranger, &coordinator];
    callers.extend(owners.iter().map(|it| &it.0));
    for caller in callers {
        for role in ["", "persistent", "delegate", "temporary"] {
            for only_online in [false, true] {
                let listed = caller.list(role, only_online).await;
                // Whoever has not registered may be told nothing.
                let listed = match (listed.was_accepted(), caller.id == stranger.id) {
                    (Some(false), true) => continue,
                    _ => listed.accepted()?.parties,
                };
                for (owner, of_role, channel) in &owners {
                    let Some(entry) = listed.iter().find(|it| it.party_id == owner.id) else {
                        continue;
                    };
                    let shown = entry.notification.clone().filter(|it| *it != none());
                    let may = [&owner.id, &coordinator.id].contains(&&caller.id);
                    let wanted = may.then(|| channel.clone());
                    if shown != wanted {
                        let seen = format!(
                            "GetRegisteredParties(role {role:?}, only_online = {only_online}) as {} \
                             showed {shown:?} as the notification channel of {}, {of_role}",
                            caller.id, owner.id
                        );
                        let accepted = if may {
                            format!("{channel:?}: it is its own, or the coordinator asks")
                        } else {
                            "none: it is another party's".into()
                        };
                        return Err(Stop::broken(seen, accepted));
                    }
                }
            }
        }
    }
    Ok(())
}

fn none() -> NotificationChannel {
    NotificationChannel::default()
}
