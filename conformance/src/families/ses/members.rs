//! SES-1, SES-2, SES-3: who may send, to whom, and where.

use mpc_router_proto::v1::RouteMessageRequest;

use super::super::announcing::{event, has_published, publishes_if_taken};
use super::super::prelude::*;
use super::super::scene::Scene;
use super::forms::{recipients_by_form, senders_by_form};
use crate::ending::ENDING;
use crate::listing;
use crate::many::{each, one_to_many};
use crate::party::Party;
use crate::trial::Session;

/// Registered parties that are no members, though a careless comparison may take them for some.
async fn look_alikes(trial: &Trial, label: &str) -> Result<Vec<Party>, Stop> {
    let mut alike = Vec::new();
    for name in ["bo", "bob1", "BOB", "alic", "alice1", "Alice"] {
        alike.push(trial.party(&format!("{label}{name}")).await?);
    }
    for name in ["bob ", "bob%", "*"] {
        alike.extend(trial.party_if_taken(&format!("{label}{name}")).await?);
    }
    Ok(alike)
}

pub(super) async fn senders_must_be_members(trial: Trial) -> Verdict {
    let checked = tokio::join!(
        strangers(&trial),
        without_members(&trial),
        each_member_may_send(&trial),
        senders_by_form(&trial),
    );
    all_hold([checked.0, checked.1, checked.2, checked.3])
}

async fn strangers(trial: &Trial) -> Verdict {
    let mut scene = Scene::new(trial, "").await?;
    let [stranger, elsewhere] = trial.parties(["stranger", "elsewhere"]).await?;
    // The members of this session are in the other one as well.
    let other = [&scene.alice, &scene.bob, &scene.carol, &elsewhere];
    let other = trial.session("other", &other).await?;
    elsewhere.has_sent(&other, &[&scene.bob], "where it is a member").await?;
    let mut outsiders = look_alikes(trial, "").await?;
    outsiders.extend([stranger, elsewhere]);
    for round in 0..2 {
        for outsider in &outsiders {
            for request in scene.outgoing(outsider) {
                let answer = outsider.route(request).await;
                answer.rejected(&[Code::PermissionDenied])?;
            }
        }
        // What a router may have learnt of the session by then must not let anybody in.
        for number in 0..20 {
            let to: &[&Party] = if number % 4 == 0 { &[] } else { &scene.to_both() };
            let sent = scene.alice.has_sent(&scene.session, to, format!("{round}: {number}"));
            let sent = sent.await?;
            scene.sent.push(sent);
        }
    }
    scene.nothing_else_comes().await
}

/// A session that was announced and has no members.
async fn without_members(trial: &Trial) -> Verdict {
    let [alice, bob] = trial.parties(["none-alice", "none-bob"]).await?;
    for event_type in ["session_created", "session_started"] {
        let session = Session { id: trial.name(&format!("none-{event_type}")) };
        has_published(trial, event(event_type, session.id.clone(), &[])).await?;
        for to in [&[&bob][..], &[]] {
            let request = alice.outgoing(&session, to, "to be rejected");
            // That its recipient is no member may be told first.
            let usual = [Code::PermissionDenied, Code::InvalidArgument, Code::NotFound];
            let told = "the session was announced without selected parties, and has no members";
            alice.route(request).await.rejected(&usual).map_err(|stop| stop.told(told))?;
        }
    }
    Ok(())
}

async fn each_member_may_send(trial: &Trial) -> Verdict {
    let (sender, members, session) = one_to_many(trial, 70).await?;
    let keeping = trial.keeping();
    let sent = each(&members, |member| {
        let (member, sender, session) = (member.clone(), sender.clone(), session.clone());
        async move { member.sends(&session, &[&sender], "from a member").await }
    })
    .await?;
    let polled = sender.polls(&session).await?;
    keeping.judged(listing::exactly(&sender, &polled, &sent))
}

pub(super) async fn recipients_must_be_members(trial: Trial) -> Verdict {
    let checked = tokio::join!(
        bad_recipients(&trial),
        one_bad_among_many(&trial),
        recipients_by_form(&trial),
    );
    all_hold([checked.0, checked.1, checked.2])
}

async fn bad_recipients(trial: &Trial) -> Verdict {
    let scene = Scene::new(trial, "").await?;
    let Scene { alice, bob, carol, session, .. } = &scene;
    let [stranger, elsewhere] = trial.parties(["stranger", "elsewhere"]).await?;
    trial.session("other", &[alice, bob, &elsewhere]).await?;
    let mut outsiders = look_alikes(trial, "").await?;
    outsiders.extend([stranger, elsewhere, trial.stranger("unknown")]);
    for outsider in &outsiders {
        let named: [&[&Party]; 4] = [
            &[outsider],
            &[outsider, bob, carol],
            &[bob, outsider, carol],
            &[carol, bob, outsider],
        ];
        for to in named {
            let request = alice.outgoing(session, to, "to be rejected");
            let usual = [Code::InvalidArgument, Code::NotFound];
            let told = format!("{} is no member of the session", outsider.id);
            alice.route(request).await.rejected(&usual).map_err(|stop| stop.told(&told))?;
        }
    }
    // Whoever joins later has not been meant before.
    let joins = &outsiders[outsiders.len() - 3];
    let session = session.clone();
    let started = event("session_started", session.id.clone(), &[alice, bob, carol, joins]);
    has_published(trial, started).await?;
    let polled = joins.polls(&session).await?;
    let verdict = listing::exactly(joins, &polled, []);
    let told = "calls that named it had been rejected, since it was no member then";
    verdict.map_err(|stop| stop.told(told))?;
    scene.nothing_else_comes().await
}

async fn one_bad_among_many(trial: &Trial) -> Verdict {
    let (sender, members, session) = one_to_many(trial, 60).await?;
    let stranger = trial.party("many-stranger").await?;
    let keeping = trial.keeping();
    let good: Vec<_> = members.iter().collect();
    let sent = sender.has_sent(&session, &good, "to all of them").await?;
    for place in [0, 30, 60] {
        let mut to = good.clone();
        to.insert(place, &stranger);
        let request = sender.outgoing(&session, &to, "to be rejected");
        sender.route(request).await.rejected(&[Code::InvalidArgument, Code::NotFound])?;
    }
    for member in [&members[0], &members[29], &members[30], &members[59]] {
        let polled = member.polls(&session).await?;
        keeping.judged(listing::exactly(member, &polled, [&sent]))?;
    }
    Ok(())
}

pub(super) async fn unannounced_sessions_are_closed(trial: Trial) -> Verdict {
    let scene = Scene::new(&trial, "").await?;
    let Scene { alice, bob, carol, session, .. } = &scene;
    // Called nearly like the one that is there, or known by other events only.
    let mut names = vec![
        trial.name("never"),
        session.id[..session.id.len() - 1].to_owned(),
        format!("{}1", session.id),
        format!("{} ", session.id),
        session.id.to_uppercase(),
    ];
    for (number, event_type) in ["round_started", "key_ready"].into_iter().chain(ENDING).enumerate()
    {
        let name = trial.name(&format!("known-{number}"));
        let told = event(event_type, name.clone(), &[alice, bob, carol]);
        if publishes_if_taken(&trial, told).await? {
            names.push(name);
        }
    }
    for name in &names {
        // More than once: the first call must not make it known.
        for _ in 0..3 {
            for request in scene.outgoing(alice) {
                let request = RouteMessageRequest { session_id: name.clone(), ..request };
                let mut usual = vec![Code::NotFound, Code::FailedPrecondition];
                // Some take no such names, and may say so first.
                usual.extend(name.ends_with(' ').then_some(Code::InvalidArgument));
                let told = "no session_created or session_started has announced the session";
                alice.route(request).await.rejected(&usual).map_err(|stop| stop.told(told))?;
            }
        }
    }
    let later = trial.session_named(names[0].clone(), &[alice, bob, carol]).await?;
    let keeping = trial.keeping();
    let sent = alice.sends(&later, &[bob], "now that it is announced").await?;
    let polled = bob.polls(&later).await?;
    keeping.judged(listing::exactly(bob, &polled, [&sent]))?;
    bob.acks(&sent).await?;
    scene.nothing_else_comes().await
}
