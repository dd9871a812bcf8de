//! PND-3: pollers that go on from the newest they have seen.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mpc_router_proto::v1::{AcknowledgeMessageRequest, MpcMessage};
use tokio::time::{Duration, Instant, sleep};

use super::super::prelude::*;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, volume};
use crate::party::{Party, Sent};
use crate::trial::Session;

/// Messages that many senders route while they are polled for.
const MESSAGES_AT_ONCE: usize = 600;

/// How long messages are routed one by one, where calls take long.
const TIME_ONE_BY_ONE: Duration = Duration::from_secs(2);

/// How long after a poll that brings nothing new the next one follows.
const BETWEEN_POLLS: Duration = Duration::from_micros(200);

/// What a poller does with what it has got, before it polls again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    AcknowledgesNothing,
    AcknowledgesEverything,
    AcknowledgesEveryOther,
    AcknowledgesTheNewest,
    /// Refuses everything, which ends a delivery as well.
    RefusesEverything,
}

impl Habit {
    const ALL: [Self; 5] = [
        Self::AcknowledgesNothing,
        Self::AcknowledgesEverything,
        Self::AcknowledgesEveryOther,
        Self::AcknowledgesTheNewest,
        Self::RefusesEverything,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::AcknowledgesNothing => "acknowledges nothing",
            Self::AcknowledgesEverything => "acknowledges everything",
            Self::AcknowledgesEveryOther => "acknowledges every other message",
            Self::AcknowledgesTheNewest => "acknowledges the newest of each answer",
            Self::RefusesEverything => "acknowledges everything with success = false",
        }
    }

    fn acknowledges(self, place: usize, of: usize) -> bool {
        match self {
            Self::AcknowledgesNothing => false,
            Self::AcknowledgesEverything | Self::RefusesEverything => true,
            Self::AcknowledgesEveryOther => place % 2 == 1,
            Self::AcknowledgesTheNewest => place + 1 == of,
        }
    }
}

/// A party that follows a session by polling, as the contract tells it to.
#[derive(Debug)]
struct Poller {
    party: Party,
    session: Session,
    habit: Habit,
    after: i64,
    seen: BTreeSet<String>,
    keeping: Keeping,
}

impl Poller {
    fn new(party: &Party, session: &Session, habit: Habit, keeping: Keeping) -> Self {
        let (party, session) = (party.clone(), session.clone());
        Self { party, session, habit, after: 0, seen: BTreeSet::new(), keeping }
    }

    /// Polls once, and gives the identifiers of what it had not seen.
    async fn polls(&mut self) -> Result<Vec<String>, Stop> {
        let answer = self.party.poll_after(&self.session, self.after).await.accepted()?.messages;
        listing::each_once(&format!("a poll of {}", self.party.id), &answer)?;
        self.after = answer.iter().map(|it| it.created_at).fold(self.after, i64::max);
        let news: Vec<_> =
            answer.into_iter().filter(|it| self.seen.insert(it.message_id.clone())).collect();
        self.acknowledges(&news).await?;
        Ok(news.into_iter().map(|it| it.message_id).collect())
    }

    async fn acknowledges(&self, news: &[MpcMessage]) -> Verdict {
        let places = (0..news.len()).filter(|place| self.habit.acknowledges(*place, news.len()));
        each(places, |place| {
            let (party, message) = (self.party.clone(), &news[place]);
            let request = AcknowledgeMessageRequest {
                message_id: message.message_id.clone(),
                party_id: party.id.clone(),
                session_id: message.session_id.clone(),
                success: self.habit != Habit::RefusesEverything,
                error_message: String::new(),
            };
            let keeping = self.keeping;
            async move { keeping.prepared(party.acknowledge(request).await) }
        })
        .await
        .map(drop)
    }

    /// Demands that it has seen all of these.
    fn has_seen(&self, sent: &[Sent]) -> Verdict {
        let missed: Vec<_> =
            sent.iter().map(|it| it.id.as_str()).filter(|it| !self.seen.contains(*it)).collect();
        if missed.is_empty() {
            return Ok(());
        }
        self.keeping.lasts()?;
        let seen = format!(
            "a poller that {} polled until nothing new came, and missed {} of {} messages: {}",
            self.habit.words(),
            missed.len(),
            sent.len(),
            listing::some(&missed)
        );
        Err(Stop::broken(seen, "all of them, by going on from the largest created_at"))
    }
}

pub(super) async fn a_poller_that_goes_on_misses_nothing(trial: Trial) -> Verdict {
    what_comes_right_after_a_poll(&trial).await?;
    what_many_route_at_once(&trial).await
}

/// The next message often falls into the millisecond of the one that was seen last.
async fn what_comes_right_after_a_poll(trial: &Trial) -> Verdict {
    each(Habit::ALL, |habit| one_by_one(trial.clone(), habit)).await.map(drop)
}

async fn one_by_one(trial: Trial, habit: Habit) -> Verdict {
    let [alice, bob] =
        trial.parties([&*format!("{habit:?}-sender"), &*format!("{habit:?}-poller")]).await?;
    let session = trial.session(&format!("{habit:?}"), &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let mut poller = Poller::new(&bob, &session, habit, keeping);
    let began = Instant::now();
    for _ in 0..60 {
        let sent = alice.has_sent(&session, &[&bob], "right after a poll").await?;
        let after = poller.after;
        if !poller.polls().await?.contains(&sent.id) {
            keeping.lasts()?;
            let seen = format!(
                "a poller that {} had seen created_at {after}; {}, routed after that, is not in \
                 the answer to its next poll from there on",
                habit.words(),
                sent.id
            );
            return Err(Stop::broken(seen, "what is as new as that time, or newer"));
        }
        if began.elapsed() > TIME_ONE_BY_ONE {
            break;
        }
    }
    Ok(())
}

async fn what_many_route_at_once(trial: &Trial) -> Verdict {
    let senders = trial.parties(["sender-1", "sender-2", "sender-3"]).await?;
    let mut parties = Vec::new();
    for habit in Habit::ALL {
        parties.push(trial.party(&format!("poller-{habit:?}")).await?);
    }
    let recipients: Vec<_> = parties.iter().collect();
    let members: Vec<_> = senders.iter().chain(recipients.iter().copied()).collect();
    let session = trial.session("at-once", &members).await?;
    let senders = senders.map(|it| it.on_a_connection_of_its_own());

    let keeping = trial.keeping();
    let all_routed = Arc::new(AtomicBool::new(false));
    let following = parties.iter().zip(Habit::ALL).map(|(party, habit)| {
        Poller::new(&party.on_a_connection_of_its_own(), &session, habit, keeping)
    });
    let following = each(following, |mut poller| {
        let all_routed = all_routed.clone();
        async move {
            let mut polls_left = MESSAGES_AT_ONCE;
            while polls_left > 0 {
                let all_routed = all_routed.load(Ordering::Acquire);
                let nothing_new = poller.polls().await?.is_empty();
                if nothing_new && all_routed {
                    break;
                }
                // On virtual time, no call under way would come to its end otherwise.
                if nothing_new {
                    sleep(BETWEEN_POLLS).await;
                }
                polls_left -= usize::from(all_routed);
            }
            Ok(poller)
        }
    });
    let routing = async {
        let requests = (0..MESSAGES_AT_ONCE).map(|number| {
            let sender = &senders[number % senders.len()];
            // Broadcasts reach the other senders too, which do not poll.
            let to = if number % 40 == 0 { &[][..] } else { &recipients };
            (sender, sender.outgoing(&session, to, vec![1; number % 300]))
        });
        let sent = volume(trial, requests).await;
        all_routed.store(true, Ordering::Release);
        sent
    };
    let (sent, pollers) = tokio::try_join!(routing, following)?;
    pollers.iter().try_for_each(|poller| poller.has_seen(&sent))
}
