//! RTE-7, RTE-8, RTE-12, RTE-13: calls that are rejected, and that then have no effect.

use mpc_router_proto::v1::RouteMessageRequest;
use tonic::Code;

use crate::families::arrivals::{kept, stream_of, up_to, whole};
use crate::families::scene::Scene;
use crate::listing;
use crate::many::{each, one_to_many};
use crate::outcome::Verdict;
use crate::party::{Party, Sent};
use crate::trial::Trial;

pub(super) async fn session_and_sender_are_needed(trial: Trial) -> Verdict {
    let scene = Scene::new(&trial, "").await?;
    for request in scene.outgoing(&scene.alice) {
        let nowhere = RouteMessageRequest { session_id: String::new(), ..request.clone() };
        let of_nobody = RouteMessageRequest { from_party: String::new(), ..request };
        for request in [nowhere, of_nobody] {
            scene.alice.route(request).await.rejected(&[Code::InvalidArgument])?;
        }
    }
    scene.nothing_else_comes().await
}

pub(super) async fn negative_rounds_are_rejected(trial: Trial) -> Verdict {
    let scene = Scene::new(&trial, "").await?;
    for round_number in [-1, -1_000, i32::MIN] {
        for request in scene.outgoing(&scene.alice) {
            let request = RouteMessageRequest { round_number, ..request };
            scene.alice.route(request).await.rejected(&[Code::InvalidArgument])?;
        }
    }
    scene.nothing_else_comes().await
}

pub(super) async fn nobody_sends_to_itself(trial: Trial) -> Verdict {
    let scene = Scene::new(&trial, "").await?;
    let Scene { alice, bob, carol, .. } = &scene;
    let named: [&[&Party]; 4] =
        [&[alice], &[alice, bob], &[bob, carol, alice], &[bob, alice, carol, alice]];
    for to in named {
        let request = alice.outgoing(&scene.session, to, "to itself");
        alice.route(request).await.rejected(&[Code::InvalidArgument])?;
    }
    let polled = alice.polls(&scene.session).await?;
    listing::exactly(alice, &polled, [])?;
    scene.nothing_else_comes().await
}

pub(super) async fn all_or_none(trial: Trial) -> Verdict {
    let mut scene = Scene::new(&trial, "").await?;
    for request in with_one_bad_recipient(&trial, &scene) {
        let answer = scene.alice.route(request.clone()).await;
        // Whom a target takes is its own affair. One that takes them all rejects no call, and then
        // what comes shows that it took them.
        if answer.was_accepted() != Some(false) {
            let id = answer.accepted()?.message_id;
            if [&scene.bob, &scene.carol].iter().all(|it| request.to_parties.contains(&it.id)) {
                scene.sent.push(Sent { id, request });
            }
        }
    }
    scene.nothing_else_comes().await?;
    a_crowd_gets_none(&trial).await
}

/// Calls that are good but for one recipient: the first, the last, or one between.
fn with_one_bad_recipient(trial: &Trial, scene: &Scene) -> Vec<RouteMessageRequest> {
    let Scene { alice, bob, carol, session, .. } = scene;
    let mut requests = Vec::new();
    for bad in [trial.name("nobody"), alice.id.clone(), String::new(), format!("{} ", bob.id)] {
        for place in 0..=2 {
            let mut request = alice.outgoing(session, &[bob, carol], "all or none");
            request.to_parties.insert(place, bad.clone());
            requests.push(request);
        }
    }
    requests
}

/// The same with many recipients, and with good calls at the same time.
async fn a_crowd_gets_none(trial: &Trial) -> Verdict {
    let (sender, crowd, session) = one_to_many(trial, 70).await?;
    let keeping = trial.keeping();
    let all: Vec<_> = crowd.iter().collect();
    let mut feed = crowd[0].subscribe(&session);
    let calls = each(0..60, |number| {
        let mut request = sender.outgoing(&session, &all, "all or none");
        let bad = number % 3 > 0;
        if bad {
            let name = trial.name(&format!("nobody{number}"));
            request.to_parties.insert(if number % 3 == 1 { 70 } else { 35 }, name);
        }
        let sender = sender.clone();
        async move {
            let answer = sender.route(request.clone()).await;
            if bad && answer.was_accepted() == Some(false) {
                return Ok(None);
            }
            Ok(Some(Sent { id: answer.prepared()?.message_id, request }))
        }
    })
    .await?;
    let mut sent: Vec<_> = calls.into_iter().flatten().collect();
    sent.push(sender.has_sent(&session, &all, "fence").await?);
    let came = up_to(&mut feed, &[&sent[sent.len() - 1]]).await?;
    whole(&stream_of(&crowd[0]), &came, &sent)?;
    for party in [&crowd[1], &crowd[34], &crowd[36], &crowd[69]] {
        let polled = party.polls(&session).await?;
        kept([&keeping], listing::exactly(party, &polled, &sent))?;
    }
    feed.stays_quiet("a rejected call is delivered to none").await
}
