//! HB-1, HB-3, HB-9: the times that heartbeats are answered with and seen at.

use mpc_router_proto::v1::HeartbeatResponse;
use tokio::time::{Duration, Instant};

use super::super::prelude::*;
use crate::many::each;
use crate::party::Party;
use crate::presence::silence;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// How long heartbeats are sent one after another: longer than a second, where clocks that are put
/// together from parts go wrong.
const ONE_AFTER_ANOTHER: Duration = Duration::from_millis(1_200);

pub(super) async fn server_timestamp_is_now(trial: Trial) -> Verdict {
    let now = trial.clock().now_ms();
    let mut parties = Vec::new();
    for role in ["persistent", "delegate", "temporary"] {
        let party = trial.party_as(role, role).await?;
        for timestamp in
            [now, 0, now - 7 * HOUR_MS, now + 7 * HOUR_MS, now / 1000, -1, i64::MAX, i64::MIN]
        {
            answers_with_now(&trial, &party, timestamp).await?;
        }
        party.register(role).await.prepared()?;
        answers_with_now(&trial, &party, now).await?;
        parties.push(party);
    }
    each(0..300, |number| {
        let (trial, party) = (trial.clone(), parties[number % parties.len()].clone());
        async move { answers_with_now(&trial, &party, trial.clock().now_ms()).await }
    })
    .await
    .map(drop)
}

async fn answers_with_now(trial: &Trial, party: &Party, timestamp: i64) -> Verdict {
    let tolerance = trial.timers().clock_tolerance_ms.cast_signed();
    let before = trial.clock().now_ms();
    let at = party.heartbeat_at(timestamp).await.accepted()?.server_timestamp;
    let after = trial.clock().now_ms();
    if (before - tolerance..=after + tolerance).contains(&at) {
        return Ok(());
    }
    let seen = format!(
        "a heartbeat with timestamp {timestamp}, sent at {before} and answered by {after}, has \
         server_timestamp {at}"
    );
    Err(Stop::broken(seen, format!("the router's own time, within {tolerance} ms of that")))
}

/// A heartbeat's answer, and when it was asked for and came.
#[derive(Clone, Copy, Debug)]
struct Answered {
    began: Instant,
    returned: Instant,
    at: i64,
}

impl Answered {
    async fn by(party: &Party) -> Result<Self, Stop> {
        let began = Instant::now();
        let HeartbeatResponse { server_timestamp: at, .. } = party.heartbeat().await.prepared()?;
        Ok(Self { began, returned: Instant::now(), at })
    }
}

pub(super) async fn server_timestamp_never_goes_back(trial: Trial) -> Verdict {
    let parties = trial.parties(["alice", "bob", "carol"]).await?;
    each(parties, |party| async move {
        let other = party.on_a_connection_of_its_own();
        let mut answers = Vec::new();
        let began = Instant::now();
        while began.elapsed() < ONE_AFTER_ANOTHER {
            // Now the same connection again, now the other one.
            let turn = answers.len() / 2 % 2 == 0;
            answers.push(Answered::by(if turn { &party } else { &other }).await?);
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
        // One came after the other, also where time stands still between them.
        match answers.windows(2).find(|pair| pair[0].at > pair[1].at) {
            None => Ok(()),
            Some(pair) => Err(went_back(&party, pair[0].at, pair[1].at)),
        }
    })
    .await?;

    let party = trial.party("many-at-once").await?;
    let other = party.on_a_connection_of_its_own();
    let mut answers = each(0..600, |number| {
        let party = if number % 2 == 0 { party.clone() } else { other.clone() };
        async move { Answered::by(&party).await }
    })
    .await?;
    // Only what had returned before the next was begun came before it.
    answers.sort_by_key(|it| it.began);
    let mut by_return = answers.clone();
    by_return.sort_by_key(|it| it.returned);
    let mut returned = by_return.into_iter().peekable();
    let mut latest = i64::MIN;
    for answer in answers {
        while let Some(earlier) = returned.next_if(|it| it.returned < answer.began) {
            latest = latest.max(earlier.at);
        }
        if latest > answer.at {
            return Err(went_back(&party, latest, answer.at));
        }
    }
    Ok(())
}

fn went_back(party: &Party, earlier: i64, later: i64) -> Stop {
    let seen = format!(
        "a heartbeat of {} was answered with server_timestamp {earlier}, and a later one with \
         {later}",
        party.id
    );
    Stop::broken(seen, format!("{earlier} or later"))
}

/// A party's `last_seen_at`, followed.
struct LastSeen<'a> {
    asking: &'a Party,
    party: &'a Party,
    latest: i64,
}

impl LastSeen<'_> {
    /// Looks again, after `what` happened: it must not be older than before.
    async fn goes_on(&mut self, what: &str) -> Verdict {
        let answer = self.asking.list("", false).await.prepared()?;
        let entry = answer.parties.into_iter().find(|it| it.party_id == self.party.id);
        let Some(entry) = entry else {
            let why = format!("the directory does not list {}", self.party.id);
            return Err(Stop::NotChecked(why));
        };
        if entry.last_seen_at < self.latest {
            let seen = format!(
                "last_seen_at of {} is {} {what}, and {} was known before",
                self.party.id, entry.last_seen_at, self.latest
            );
            return Err(Stop::broken(seen, format!("{} or later", self.latest)));
        }
        self.latest = entry.last_seen_at;
        Ok(())
    }

    /// A heartbeat was answered with this `server_timestamp`.
    fn not_before(&mut self, server_timestamp: i64) {
        self.latest = self.latest.max(server_timestamp);
    }
}

pub(super) async fn last_seen_at_never_goes_back(trial: Trial) -> Verdict {
    let [alice, party] = trial.parties(["alice", "party"]).await?;
    let session = trial.session("s", &[&alice, &party]).await?;
    let mut last_seen = LastSeen { asking: &alice, party: &party, latest: 0 };
    last_seen.goes_on("after it registered").await?;
    for number in 0..24 {
        let answer = party.heartbeat().await.prepared()?;
        last_seen.not_before(answer.server_timestamp);
        last_seen.goes_on("after a heartbeat answered with a later server_timestamp").await?;
        trial.sleep(Duration::from_millis(13)).await;
        match number % 6 {
            1 => drop(party.register("persistent").await.prepared()?),
            2 => drop(party.has_sent(&session, &[&alice], "from it").await?),
            3 => {
                let sent = alice.has_sent(&session, &[&party], "to it").await?;
                party.polls(&session).await?;
                party.acks(&sent).await?;
            }
            4 => {
                let keeping = trial.keeping_streamed();
                let sent = alice.has_sent(&session, &[&party], "to its stream").await?;
                // Only a stream that has brought something is sure to have been opened.
                party.subscribe(&session).next("the message routed to it").await?;
                keeping.prepared(party.acknowledge(sent.acknowledgement(&party, true)).await)?;
            }
            5 => drop(alice.register("persistent").await.prepared()?),
            _ => {}
        }
        last_seen.goes_on("after other calls").await?;
    }

    let elsewhere = party.on_a_connection_of_its_own();
    for _ in 0..4 {
        let answers = each(0..64, |number| {
            let party = if number % 2 == 0 { party.clone() } else { elsewhere.clone() };
            async move { party.heartbeat().await.prepared() }
        })
        .await?;
        answers.iter().for_each(|it| last_seen.not_before(it.server_timestamp));
        last_seen.goes_on("after many heartbeats at once, the latest answered with that").await?;
    }

    let timeout = trial.timers().heartbeat_timeout();
    if trial.can_wait_for("heartbeat_timeout", timeout).is_ok() {
        silence(&trial, &[]).await?;
        last_seen.goes_on("after it went offline").await?;
        last_seen.not_before(party.heartbeat().await.prepared()?.server_timestamp);
        last_seen.goes_on("after the heartbeat that ended its being offline").await?;
    }
    Ok(())
}
