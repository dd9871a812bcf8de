//! Two parties that talk to each other while something else goes on.

use std::time::Duration;

use mpc_router_proto::v1::{MpcMessage, RouteMessageRequest};
use tokio::time::Instant;

use super::super::prelude::*;
use crate::answer::{Answer, Fate};
use crate::feed::{Ending, Feed};
use crate::pace::Wait;
use crate::party::{Party, Sent};
use crate::trial::Session;

/// How often a call is made that is refused for lack of resources, and how long after the last.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// How often a stream that has ended under load is opened again.
pub(super) const REOPENED: usize = 3;

/// What a delay is at least: targets have their pauses.
const DELAY: Duration = Duration::from_millis(500);

/// The same of a single message.
const HELD_UP: Duration = Duration::from_secs(5);

/// One party routes to another one, which listens and acknowledges, each on a connection of its own.
#[derive(Debug)]
pub(super) struct Exchange {
    trial: Trial,
    from: Party,
    to: Party,
    session: Session,
    feed: Feed<MpcMessage>,
}

/// Why two parties could not go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Their connections broke.
    Lost(String),
    /// Anything else.
    Stopped(Stop),
}

impl Trouble {
    /// The same as the end of a check, where a broken connection is nobody's fault.
    pub(super) fn stop(self) -> Stop {
        match self {
            Self::Lost(why) => Stop::Inconclusive(why),
            Self::Stopped(stop) => stop,
        }
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl Exchange {
    pub(super) async fn new(trial: &Trial, label: &str) -> Result<Self, Stop> {
        let from = trial.party(&format!("{label}-from")).await?;
        let to = trial.party(&format!("{label}-to")).await?;
        let session = trial.session(label, &[&from, &to]).await?;
        let (from, to) = (from.on_a_connection_of_its_own(), to.on_a_connection_of_its_own());
        let feed = to.subscribe(&session);
        Ok(Self { trial: trial.clone(), from, to, session, feed })
    }

    /// The same parties on new connections.
    pub(super) fn reconnect(&mut self) {
        self.from = self.from.on_a_connection_of_its_own();
        self.to = self.to.on_a_connection_of_its_own();
        self.feed = self.to.subscribe(&self.session);
    }

    /// A message is routed, arrives and is acknowledged. Tells how long that took.
    pub(super) async fn once(&mut self, when: &str) -> Result<Duration, Trouble> {
        let began = Instant::now();
        let payload = self.trial.payload(1_000);
        let request = self.from.outgoing(&self.session, &[&self.to], payload);
        let id = routes(&self.trial, &self.from, &request, when).await?;
        loop {
            let what = format!("the message that was just routed to it ({id}), {when}");
            let next = self.feed.next(&what).await;
            if let Some(Ending::Lost(why)) = self.feed.ending() {
                return Err(Trouble::Lost(why.clone()));
            }
            // One whose call was lost may come before it.
            if next?.message_id == id {
                break;
            }
        }
        let arrived = began.elapsed();
        let sent = Sent { id, request };
        let answer = self.to.acknowledge(sent.acknowledgement(&self.to, true)).await;
        // Who lacks the resources for that sends it once more, which harms nobody.
        if answer.overload().is_none() {
            returned(answer, when)?;
        }
        Ok(arrived)
    }
}

/// Routes a message that must be accepted, again if the target lacks the resources for a moment.
pub(super) async fn routes(
    trial: &Trial,
    party: &Party,
    request: &RouteMessageRequest,
    when: &str,
) -> Result<String, Trouble> {
    for _ in 1..TRIES {
        let answer = party.route(request.clone()).await;
        if answer.overload().is_none() {
            return Ok(returned(answer, when)?.message_id);
        }
        trial.sleep(BETWEEN_TRIES).await;
    }
    Ok(returned(party.route(request.clone()).await, when)?.message_id)
}

/// The answer of a call that must return, and be accepted.
pub(super) fn returned<T>(answer: Answer<T>, when: &str) -> Result<T, Trouble> {
    match &answer.fate {
        Fate::Lost(why) => Err(Trouble::Lost(format!("{}: {why}", answer.call))),
        Fate::Unanswered(time) => {
            let (call, seconds) = (&answer.call, time.as_secs_f64());
            let seen = format!("{call} did not return within {seconds:.1} s, {when}");
            Err(Stop::broken(seen, "an answer as at any other time").into())
        }
        _ => Ok(answer.accepted_under_any_load().map_err(|stop| stop.told(when))?),
    }
}

/// How long messages took, one after the other.
#[derive(Debug, Default)]
pub(super) struct Times {
    all: Vec<Duration>,
    /// The one that took longest, and for how long this machine stood still meanwhile, if it did.
    longest: Duration,
    stalled: Option<Duration>,
}

impl Times {
    pub(super) fn add(&mut self, time: Duration, wait: &Wait) {
        self.all.push(time);
        if time > self.longest {
            (self.longest, self.stalled) = (time, wait.stalled());
        }
    }

    pub(super) fn extend(&mut self, other: Self) {
        if other.longest > self.longest {
            (self.longest, self.stalled) = (other.longest, other.stalled);
        }
        self.all.extend(other.all);
    }

    /// How long the longest one took.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Demands that they took about as long as the `usual` ones did, half of them and the slowest.
    ///
    /// # Errors
    /// A finding in the words of `seen`, which is given how long they take and how long before;
    /// `wait` began when they did.
    pub(super) async fn show_no_delay(
        self,
        usual: &Self,
        trial: &Trial,
        wait: &Wait,
        seen: impl Fn(String, String) -> String,
    ) -> Verdict {
        let (before, now) = (median(usual.all.clone()), median(self.all));
        let longest = (usual.longest * 4 + HELD_UP).as_secs_f64();
        let most = (before * 4 + DELAY).as_secs_f64();
        let accepted =
            format!("at most {most:.1} s for half of them, and {longest:.1} s for each one");
        if is_delay(before, now) {
            let ms = |it: Duration| format!("{} ms", it.as_millis());
            return Err(trial.missed(wait, seen(ms(now), ms(before)), accepted).await);
        }
        if self.longest <= usual.longest * 4 + HELD_UP {
            return Ok(());
        }
        let ms = |it: Duration| format!("up to {} ms", it.as_millis());
        if let Some(stall) = self.stalled {
            let seconds = stall.as_secs_f64();
            let why = format!("this machine kept the suite from running for {seconds:.1} s");
            return Err(Stop::Inconclusive(why));
        }
        Err(trial.missed(wait, seen(ms(self.longest), ms(usual.longest)), accepted).await)
    }
}

/// The time that half of them took at most.
pub(super) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Whether somebody was delayed: by so much more than `before` that neither the machine nor chance
/// explains it.
fn is_delay(usual: Duration, now: Duration) -> bool {
    now > usual * 4 + DELAY
}
