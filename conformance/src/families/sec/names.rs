//! SEC-2, SEC-3, SEC-9: in whose name a caller may call.

use mpc_router_proto::v1::SessionEvent;

use super::super::announcing::event;
use super::super::prelude::*;
use super::super::scene::Scene;
use super::calls::{KEY, Victim, rejected, turned_away};
use super::sees_callers;
use crate::ending::ENDING;
use crate::identity::{Grade, Shown};
use crate::listening::listening;
use crate::party::{Party, Sent};

pub(super) async fn calls_in_another_name_are_rejected(trial: Trial) -> Verdict {
    sees_callers(&trial)?;
    let mut callers = trial.parties(["other", "CAROL", "carol2", "caro"]).await?.to_vec();
    callers.push(trial.stranger("unregistered"));
    let scene = Scene::new(&trial, "").await?;
    callers.push(scene.alice.clone());
    let odd = much_like(&trial, &scene.carol);
    nobody_calls_for_carol(&trial, scene, &callers, &odd).await
}

pub(super) async fn coordinators_are_no_parties(trial: Trial) -> Verdict {
    sees_callers(&trial)?;
    let scene = Scene::new(&trial, "").await?;
    nobody_calls_for_carol(&trial, scene, &[trial.coordinator()], &[]).await
}

/// Callers whose certificates hold the party's name, and are another's, where such can be made.
fn much_like(trial: &Trial, party: &Party) -> Vec<(Party, String)> {
    let (id, other) = (party.id.as_str(), trial.name("somebody"));
    let named = |name: String| Shown::Certificate(name, Grade::Good);
    let shown = [
        (Shown::AlsoCalled(other.clone(), id.into()), "which is an alternative name of its"),
        (named(format!("{other},CN={id}")), "which ends its common name, behind \",CN=\""),
        (named(format!("{id},CN={other}")), "which begins its common name, before \",CN=\""),
    ];
    let show = |(shown, told): (Shown, &str)| {
        let told = format!("somebody called in the name of {id}, {told}");
        Some((trial.showing(id, shown).ok()?, told))
    };
    shown.into_iter().filter_map(show).collect()
}

async fn nobody_calls_for_carol(
    trial: &Trial,
    mut scene: Scene,
    callers: &[Party],
    odd: &[(Party, String)],
) -> Verdict {
    let waiting = scene.alice.has_sent(&scene.session, &scene.to_both(), "waiting").await?;
    scene.sent.push(waiting.clone());
    let mut keyed = None;
    if trial.claims(Capability::Idempotency) {
        let request = scene.carol.outgoing(&scene.session, &[&scene.alice], "with a key");
        let id = scene.carol.route_keyed(request.clone(), KEY).await.prepared()?.message_id;
        keyed = Some(Sent { id, request });
    }
    let has_wildcard = trial.claims(Capability::Wildcard);
    let victim = Victim { scene: &scene, waiting: &waiting, keyed: keyed.as_ref(), has_wildcard };
    for caller in callers {
        let told = format!("{} called", caller.id);
        rejected(victim.calls_by(caller).await, &told)?;
    }
    for (caller, told) in odd {
        // Who is as odd as that may as well find no connection.
        turned_away(victim.calls_by(caller).await, told)?;
    }
    victim.is_untouched(trial).await?;
    scene.nothing_else_comes().await
}

pub(super) async fn only_coordinators_publish(trial: Trial) -> Verdict {
    sees_callers(&trial)?;
    let [other] = trial.parties(["other"]).await?;
    let scene = Scene::new(&trial, "").await?;
    let Scene { alice, bob, carol, session, .. } = &scene;
    let mut at_bob = listening(&trial, bob, &[]).await?;
    let all = [alice, bob, carol];
    for publisher in [alice, &other, &trial.stranger("unregistered")] {
        let mut events: Vec<SessionEvent> = Vec::new();
        for event_type in ["session_started", "round_completed"].into_iter().chain(ENDING) {
            events.push(event(event_type, session.id.clone(), &all));
        }
        let mut with_itself = all.to_vec();
        with_itself.push(publisher);
        events.push(event("session_created", trial.name("new"), &[bob, publisher]));
        events.push(event("session_started", session.id.clone(), &with_itself[1..]));
        // Concerns everybody.
        events.push(event("session_created", trial.name("for-all"), &[]));
        for event in events {
            publisher.publish(event).await.rejected(&[Code::PermissionDenied])?;
        }
    }
    // A fence: what was published before would have come before it.
    let last = event("round_completed", session.id.clone(), &all);
    trial.coordinator().publish(last).await.prepared()?;
    let named = [session.id.clone(), trial.name("new"), trial.name("for-all")];
    // Its announcement may be replayed to it.
    let wanted = |it: &SessionEvent| {
        named.contains(&it.session_id)
            && (it.session_id != session.id || it.event_type != "session_created")
    };
    let came = at_bob.next_wanted(wanted, "the coordinator's event").await?;
    if came.event_type != "round_completed" || came.selected_parties.len() != all.len() {
        let seen = format!("{} got {:?} of {}", bob.id, came.event_type, came.session_id);
        return Err(Stop::broken(seen, "the coordinator's event alone: the others were rejected"));
    }
    scene.nothing_else_comes().await
}
