//! OFF-4: gateways that fail, and what they hold up: nothing.

use tokio::time::{Duration, timeout};

use super::super::prelude::*;
use super::reach::{Bell, EMAIL, PHONE, PUSH, Reachable};
use crate::notices::Notices;
use crate::party::Party;
use crate::presence::silence;
use crate::trial::Session;

/// So often each notification to one party fails.
const REFUSALS: usize = 2;

/// A call that takes longer, while the same call to another party does not, waits for the gateway.
const WAITS: Duration = Duration::from_secs(3);

/// How often a call is made that is refused for lack of resources, and how long after the last.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// So many refusals are no accident where nothing else is refused.
const TOO_MANY: usize = 3;

/// What must not stay refused or hanging when the check is over.
struct Order<'a> {
    notices: &'a Notices,
    party: &'a str,
}

impl Drop for Order<'_> {
    fn drop(&mut self) {
        self.notices.release(self.party);
    }
}

pub(super) async fn a_failing_gateway_holds_up_nothing(trial: Trial) -> Verdict {
    let bell = Bell::new(&trial)?;
    let notices = trial.notices()?;
    let [alice, bystander] = trial.parties(["alice", "bystander"]).await?;
    let first = Reachable::new(&trial, "first", &[EMAIL]).await?;
    let hung = Reachable::new(&trial, "hung", &[EMAIL, PHONE, PUSH]).await?;
    let refused = Reachable::new(&trial, "refused", &[PUSH, EMAIL]).await?;
    let fine = Reachable::new(&trial, "fine", &[EMAIL, PHONE, PUSH]).await?;
    let members = [&alice, &bystander, &first.party, &hung.party, &refused.party, &fine.party];
    let mut sessions = Vec::new();
    for label in ["one", "two", "three"] {
        sessions.push(trial.session(label, &members).await?);
    }
    silence(&trial, &[]).await?;
    // Twice: who sends now and then may be about to at first, and not again for long.
    let mut usual = Duration::ZERO;
    for session in &sessions[..2] {
        alice.has_sent(session, &[&first.party], "first").await?;
        usual = usual.max(bell.times(&first, session).await.map_err(unprepared)?);
    }

    notices.hang(&hung.party.id);
    let hanging = Order { notices, party: &hung.party.id };
    notices.refuse(&refused.party.id, REFUSALS);
    let _refusing = Order { notices, party: &refused.party.id };
    let mut routing = Routing { trial: &trial, alice, bystander, refused: Vec::new(), beside: 0 };
    for session in &sessions {
        routing.routes(session, &[&hung.party]).await?;
        routing.routes(session, &[&refused.party]).await?;
        routing.routes(session, &[]).await?;
    }
    // What hangs is on its way by now, and more is routed to the same party.
    bell.quiet().await;
    for session in &sessions {
        routing.routes(session, &[&hung.party, &refused.party]).await?;
    }
    routing.judge()?;
    let held_up = usual * 2 + trial.pace().patience();
    for session in &sessions {
        let told = "while the gateway answers nothing that is for another party";
        let rings = bell.rings_within(held_up, &fine, session, 1).await;
        rings.map_err(|stop| stop.told(told))?;
    }
    drop(hanging);

    let told = "where the first attempts failed";
    let ring = async {
        for who in [&hung, &refused] {
            bell.rings_again(who, &sessions, usual).await.map_err(|stop| stop.told(told))?;
        }
        Ok(())
    };
    let failed = [&hung.party, &refused.party];
    tokio::select! {
        biased;
        verdict = ring => verdict?,
        stopped = stays_outstanding(&trial, &routing.alice, &sessions, &failed) => return stopped,
    }
    bell.quiet().await;
    let [one, two, three] = &sessions[..] else { unreachable!("there are three") };
    bell.rang_just(&fine, &[(one, 1), (two, 1), (three, 1)])
}

/// Whether anybody is told at all has a check of its own.
fn unprepared(stop: Stop) -> Stop {
    match stop {
        Stop::Broken(finding) => Stop::NotChecked(format!("nobody is told: {}", finding.seen)),
        stop => stop,
    }
}

/// What is routed while a gateway fails, to parties that are to be told and, beside each, to one
/// that has no channel.
struct Routing<'a> {
    trial: &'a Trial,
    alice: Party,
    bystander: Party,
    /// Calls that were refused for lack of resources.
    refused: Vec<Stop>,
    /// How many of those beside them were.
    beside: usize,
}

impl Routing<'_> {
    /// Routes a message that must be accepted, however its notification fares, and as soon as one
    /// to the bystander. A refusal for lack of resources is judged with all others.
    async fn routes(&mut self, session: &Session, to: &[&Party]) -> Verdict {
        for _ in 1..TRIES {
            if self.routes_once(session, to).await? {
                return Ok(());
            }
            self.trial.sleep(BETWEEN_TRIES).await;
        }
        self.routes_once(session, to).await.map(drop)
    }

    /// The same once; false if it was refused.
    async fn routes_once(&mut self, session: &Session, to: &[&Party]) -> Result<bool, Stop> {
        let alice = &self.alice;
        let wait = self.trial.pace().wait();
        let (call, other) = tokio::join!(
            timeout(WAITS, alice.route(alice.outgoing(session, to, "to be told of"))),
            timeout(WAITS, alice.route(alice.outgoing(session, &[&self.bystander], "beside"))),
        );
        if other.as_ref().is_ok_and(|it| it.overload().is_some()) {
            self.beside += 1;
        }
        match (call, other) {
            (Ok(answer), _) => {
                if let Some(stop) = answer.overload() {
                    self.refused.push(stop);
                    return Ok(false);
                }
                let told = "a notification that cannot be sent fails no call";
                answer.accepted().map(|_| true).map_err(|stop| stop.told(told))
            }
            (Err(_), Err(_)) => {
                let why = "calls take seconds, whether somebody is to be told or not";
                Err(Stop::Inconclusive(why.into()))
            }
            (Err(_), Ok(_)) => {
                let seen = format!(
                    "RouteMessage in {} went on for {} s while a notification could not be sent, \
                     and another one did not",
                    session.id,
                    WAITS.as_secs()
                );
                let accepted = "RouteMessage does not wait for notifications";
                Err(self.trial.missed(&wait, seen, accepted).await)
            }
        }
    }

    /// Demands that what was refused for lack of resources was not refused for its notification.
    fn judge(&mut self) -> Verdict {
        let count = self.refused.len();
        let Some(stop) = self.refused.pop() else { return Ok(()) };
        let Stop::Inconclusive(why) = &stop else { return Err(stop) };
        if count < TOO_MANY || self.beside > 0 {
            return Err(stop);
        }
        let seen = format!(
            "{why}; so were {count} calls while their notifications could not be sent, and none to \
             a party that has no channel beside them"
        );
        Err(Stop::broken(seen, "a notification that cannot be sent fails no call"))
    }
}

/// Goes on routing to parties, so that there is something of which to tell them.
async fn stays_outstanding(
    trial: &Trial,
    alice: &Party,
    sessions: &[Session],
    to: &[&Party],
) -> Verdict {
    loop {
        trial.sleep(trial.timers().message_ttl() / 4).await;
        for session in sessions {
            alice.has_sent(session, to, "once more").await?;
        }
    }
}
