//! OFF-2: what raises a notification, and what does not.

use super::super::prelude::*;
use super::firsts;
use super::reach::{Bell, EMAIL, PHONE, PUSH, Reachable};
use crate::families::arrivals::acknowledge;
use crate::party::{Party, Sent};
use crate::presence::silence;
use crate::trial::Session;

/// Further messages of a session, which raise no other notification.
const FURTHER: usize = 12;

/// The parties of the check: each comes back in its own way, and one not at all.
struct Scene {
    alice: Party,
    carol: Party,
    beating: Reachable,
    polling: Reachable,
    streaming: Reachable,
    gone: Reachable,
    acknowledging: Reachable,
}

impl Scene {
    async fn new(trial: &Trial) -> Result<Self, Stop> {
        let [alice, carol] = trial.parties(["alice", "carol"]).await?;
        Ok(Self {
            alice,
            carol,
            beating: Reachable::new(trial, "beating", &[EMAIL, PHONE, PUSH]).await?,
            polling: Reachable::new(trial, "polling", &[EMAIL]).await?,
            streaming: Reachable::new(trial, "streaming", &[PUSH, PHONE]).await?,
            gone: Reachable::new(trial, "gone", &[PHONE]).await?,
            acknowledging: Reachable::new(trial, "acknowledging", &[PUSH]).await?,
        })
    }

    fn everybody(&self) -> [&Reachable; 5] {
        [&self.beating, &self.polling, &self.streaming, &self.gone, &self.acknowledging]
    }

    fn parties(&self) -> [&Party; 5] {
        self.everybody().map(|it| &it.party)
    }

    async fn session(&self, trial: &Trial, label: &str) -> Result<Session, Stop> {
        let members: Vec<_> =
            self.parties().into_iter().chain([&self.alice, &self.carol]).collect();
        trial.session(label, &members).await
    }

    /// Messages of every kind after the first one.
    async fn further(&self, bell: &mut Bell<'_>, session: &Session) -> Result<Vec<Sent>, Stop> {
        let mut sent = Vec::new();
        for number in 0..FURTHER {
            let sender = if number % 3 == 0 { &self.carol } else { &self.alice };
            let to: &[&Party] = if number % 2 == 0 { &[] } else { &self.parties() };
            sent.push(sender.has_sent(session, to, bell.payload()).await?);
        }
        Ok(sent)
    }
}

pub(super) async fn one_notification_a_session(trial: Trial) -> Verdict {
    let checked =
        tokio::join!(of_every_kind(&trial), firsts::at_once(&trial), firsts::beside_unread(&trial));
    all_hold([checked.0, checked.1, checked.2])
}

async fn of_every_kind(trial: &Trial) -> Verdict {
    let mut bell = Bell::judging_form(trial)?;
    let scene = Scene::new(trial).await?;
    let mut sessions = Vec::new();
    for label in ["broadcast", "direct", "behind", "acknowledged", "at-last"] {
        sessions.push(scene.session(trial, label).await?);
    }
    let [broadcast, direct, behind, acknowledged, at_last] = &sessions[..] else {
        unreachable!("there are five")
    };
    silence(trial, &[]).await?;

    let keeping = trial.keeping();
    let mut sent = vec![scene.alice.has_sent(broadcast, &[], bell.payload()).await?];
    for who in scene.everybody() {
        bell.rings(who, broadcast, 1).await?;
    }
    sent.push(scene.alice.has_sent(direct, &scene.parties(), bell.payload()).await?);
    for who in scene.everybody() {
        bell.rings(who, direct, 1).await?;
    }
    for session in [broadcast, direct] {
        sent.extend(scene.further(&mut bell, session).await?);
    }
    // By the time at which what comes behind them is told, they would have been.
    sent.push(scene.carol.has_sent(behind, &[], bell.payload()).await?);
    for who in scene.everybody() {
        bell.rings(who, behind, 1).await?;
    }
    bell.quiet().await;
    for who in scene.everybody() {
        bell.rang_just(who, &[(broadcast, 1), (direct, 1), (behind, 1)])?;
    }

    // To acknowledge is not to come back.
    let acknowledging = &scene.acknowledging;
    acknowledge([&keeping], &acknowledging.party, sent.iter().rev()).await?;
    for session in [broadcast, direct] {
        sent.extend(scene.further(&mut bell, session).await?);
    }
    sent.push(scene.alice.has_sent(acknowledged, &[], bell.payload()).await?);
    for who in [&scene.beating, &scene.polling, &scene.streaming, &scene.gone] {
        bell.rings(who, acknowledged, 1).await?;
    }
    bell.quiet().await;
    let told = [(broadcast, 1), (direct, 1), (behind, 1), (acknowledged, 1)];
    for who in scene.everybody() {
        bell.rang_just(who, &told)?;
    }

    come_back(&scene, &keeping, broadcast, &sent).await?;
    silence(trial, &[]).await?;
    let returned = [&scene.beating, &scene.polling, &scene.streaming];
    scene.alice.has_sent(broadcast, &[], bell.payload()).await?;
    for who in returned {
        bell.rings(who, broadcast, 2).await?;
    }
    scene.alice.has_sent(direct, &scene.parties(), bell.payload()).await?;
    for who in returned {
        bell.rings(who, direct, 2).await?;
    }
    for session in [broadcast, direct] {
        scene.further(&mut bell, session).await?;
    }
    scene.carol.has_sent(at_last, &[], bell.payload()).await?;
    for who in [&scene.beating, &scene.polling, &scene.streaming, &scene.gone] {
        bell.rings(who, at_last, 1).await?;
    }
    bell.quiet().await;
    let mut told = [(broadcast, 1), (direct, 1), (behind, 1), (acknowledged, 1), (at_last, 1)];
    // It has been away all the time.
    bell.rang_just(&scene.gone, &told)?;
    (told[0].1, told[1].1) = (2, 2);
    for who in returned {
        bell.rang_just(who, &told)?;
    }
    Ok(())
}

/// Three parties come back, each in its own way, and leave nothing outstanding.
async fn come_back(
    scene: &Scene,
    keeping: &crate::keeping::Keeping,
    session: &Session,
    sent: &[Sent],
) -> Verdict {
    scene.beating.party.heartbeat().await.prepared()?;
    keeping.prepared(scene.polling.party.poll_after(session, 0).await)?;
    let mut feed = scene.streaming.party.subscribe(session);
    let came = feed.next("what is outstanding").await;
    keeping.judged(came.map(drop))?;
    drop(feed);
    for who in [&scene.beating, &scene.polling, &scene.streaming] {
        acknowledge([keeping], &who.party, sent).await?;
    }
    Ok(())
}
