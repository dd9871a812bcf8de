//! Every call that there is, made where it should be turned away.

use mpc_router_proto::v1::{NotificationChannel, RegisterPartyRequest};

use super::super::announcing::event;
use super::super::prelude::*;
use super::super::scene::Scene;
use crate::answer::{Answer, Fate};
use crate::party::{Party, Sent};
use crate::trial::{Session, registration};

/// The party that is called for: it polls, and has a message waiting.
pub(super) struct Victim<'a> {
    pub(super) scene: &'a Scene,
    pub(super) waiting: &'a Sent,
    /// What it has sent with a key, where there are keys.
    pub(super) keyed: Option<&'a Sent>,
    /// Whether it may poll all of its sessions at once.
    pub(super) has_wildcard: bool,
}

/// The key that the victim has used.
pub(super) const KEY: &str = "key-of-the-victim";

impl Victim<'_> {
    pub(super) fn party(&self) -> &Party {
        &self.scene.carol
    }

    /// Every call in the victim's name, over the connection of `caller`.
    pub(super) async fn calls_by(&self, caller: &Party) -> Vec<Answer<()>> {
        let mut fake = caller.clone();
        fake.id.clone_from(&self.party().id);
        let notification =
            NotificationChannel { email: "other@example.org".into(), ..Default::default() };
        let register = RegisterPartyRequest {
            notification: Some(notification),
            ..registration(&fake.id, "persistent")
        };
        let Scene { alice, bob, session, .. } = self.scene;
        // Where there is no poll of all sessions, it breaks two rules.
        let all = Session { id: String::new() };
        let of_all = async {
            match self.has_wildcard {
                true => {
                    Some((fake.poll_after(&all, 0).await, fake.subscribe(&all).opening().await))
                }
                false => None,
            }
        };
        // A call that has been made already is another's nonetheless.
        let repeat = async {
            match self.keyed {
                Some(sent) => Some(fake.route_keyed(sent.request.clone(), KEY).await),
                None => None,
            }
        };
        let route = |to: &[&Party]| {
            let request = fake.outgoing(session, to, "to be rejected");
            let fake = fake.clone();
            async move { fake.route(request).await }
        };
        let acknowledge =
            |success: bool| fake.acknowledge(self.waiting.acknowledgement(&fake, success));
        // Side by side: where nobody answers, each takes as long as is waited for an answer.
        let answers = tokio::join!(
            fake.register_with(register),
            fake.heartbeat(),
            route(&[bob]),
            route(&[alice, bob]),
            route(&[]),
            fake.poll_after(session, 0),
            acknowledge(true),
            acknowledge(false),
            fake.subscribe(session).opening(),
            fake.subscribe_events(&[]).opening(),
            of_all,
            repeat,
        );
        let mut hollow = vec![
            answers.0.hollow(),
            answers.1.hollow(),
            answers.2.hollow(),
            answers.3.hollow(),
            answers.4.hollow(),
            answers.5.hollow(),
            answers.6.hollow(),
            answers.7.hollow(),
            answers.8,
            answers.9,
        ];
        if let Some((polled, subscribed)) = answers.10 {
            hollow.extend([polled.hollow(), subscribed]);
        }
        hollow.extend(answers.11.map(Answer::hollow));
        hollow
    }

    /// The calls in nobody's name, over the connection of `caller`.
    pub(super) async fn other_calls_by(&self, caller: &Party) -> Vec<Answer<()>> {
        let Scene { session, alice, bob, carol, .. } = self.scene;
        let ends = event("session_cancelled", session.id.clone(), &[alice, bob, carol]);
        let answers = tokio::join!(
            caller.list("", false),
            caller.list("persistent", true),
            caller.status_of(&session.id, &self.waiting.id),
            caller.publish(ends),
        );
        vec![answers.0.hollow(), answers.1.hollow(), answers.2.hollow(), answers.3.hollow()]
    }

    /// Demands that nothing has come of all these calls.
    pub(super) async fn is_untouched(&self, trial: &Trial) -> Verdict {
        let carol = self.party();
        let listed = trial.coordinator().list("", false).await.prepared()?.parties;
        let channel = listed.iter().find(|it| it.party_id == carol.id);
        let channel = channel.and_then(|it| it.notification.as_ref());
        if channel.is_some_and(|it| it.email == "other@example.org") {
            let seen =
                format!("{} has the notification channel of a call that was rejected", carol.id);
            return Err(Stop::broken(seen, "a rejected call has no effect"));
        }
        Ok(())
    }
}

/// Demands that none of these got anything: they were turned away by a status or by an end of the
/// connection, or left without an answer.
pub(super) fn turned_away(answers: Vec<Answer<()>>, told: &str) -> Verdict {
    for answer in answers {
        if let Fate::Accepted(()) = answer.fate {
            let seen = format!("{} {}, {told}", answer.call, answer.fate.words());
            return Err(Stop::broken(seen, "an error, or no connection"));
        }
    }
    Ok(())
}

/// Demands that all of these were rejected.
pub(super) fn rejected(answers: Vec<Answer<()>>, told: &str) -> Verdict {
    for answer in answers {
        answer.rejected(&[Code::PermissionDenied]).map_err(|stop| stop.told(told))?;
    }
    Ok(())
}
