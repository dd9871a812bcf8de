//! The copies that a stream brings, with the time of each.

use std::collections::BTreeMap;
use std::time::Duration;

use mpc_router_proto::v1::MpcMessage;
use tokio::time::Instant;

use super::super::prelude::*;
use crate::feed::{Feed, Item};
use crate::keeping::Keeping;
use crate::party::{Party, Sent};
use crate::trial::Session;

/// Not more than this is taken off a time-out: targets round to whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(5);

/// By which stream a session's messages come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    OfItsSession,
    OfAll,
}

impl Stream {
    pub(super) fn is_there(self, trial: &Trial) -> bool {
        matches!(self, Self::OfItsSession) || trial.claims(Capability::Wildcard)
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::OfItsSession => "its",
            Self::OfAll => "all",
        }
    }

    /// What to subscribe to.
    pub(super) fn of(self, session: &Session) -> Session {
        match self {
            Self::OfItsSession => session.clone(),
            Self::OfAll => Session { id: String::new() },
        }
    }
}

/// A party's stream, and all that it has brought.
#[derive(Debug)]
pub(super) struct Copies {
    feed: Feed<MpcMessage>,
    /// When it was asked for: nothing was sent on it before.
    pub(super) opened: Instant,
    party: Party,
    keeping: Keeping,
    came: BTreeMap<String, Vec<Item<MpcMessage>>>,
}

impl Copies {
    /// Opens a stream.
    pub(super) fn of(trial: &Trial, party: &Party, session: &Session) -> Self {
        let (opened, keeping) = (Instant::now(), trial.keeping());
        let feed = party.subscribe(session);
        Self { feed, opened, party: party.clone(), keeping, came: BTreeMap::new() }
    }

    /// How findings call it.
    pub(super) fn who(&self) -> String {
        format!("{}'s stream", self.party.id)
    }

    /// Reads on until then, or until it has ended.
    pub(super) async fn read_until(&mut self, deadline: Instant) {
        while self.read_one(deadline).await {}
    }

    /// Reads on for so long.
    pub(super) async fn read_for(&mut self, time: Duration) {
        self.read_until(Instant::now() + time).await;
    }

    /// Reads one item; false if none comes until then.
    pub(super) async fn read_one(&mut self, deadline: Instant) -> bool {
        let Some(item) = self.feed.item_until(deadline).await else { return false };
        self.came.entry(item.content.message_id.clone()).or_default().push(item);
        true
    }

    /// Reads on until each of these has come so often. It must.
    ///
    /// # Errors
    /// A finding if one does not.
    pub(super) async fn each_comes<'a>(
        &mut self,
        trial: &Trial,
        sent: impl IntoIterator<Item = &'a Sent> + Clone,
        times: usize,
    ) -> Verdict {
        // Where it has expired by now, nobody need send it again.
        let of_each = |it: &Sent| trial.keeping_of(it).lasts();
        let of_all = sent.clone().into_iter().try_for_each(of_each);
        let still_kept = self.keeping.lasts().and(of_all);
        let wait = trial.pace().wait();
        let ack_timeout = trial.timers().ack_timeout();
        let deadline =
            wait.deadline() + ack_timeout * u32::try_from(times.saturating_sub(1)).unwrap_or(0);
        loop {
            let Some(lacks) = sent.clone().into_iter().find(|it| self.times(it) < times) else {
                return Ok(());
            };
            if Instant::now() < deadline && self.read_one(deadline).await {
                continue;
            }
            if let Some(stop) = self.feed.overload() {
                return Err(stop);
            }
            still_kept?;
            let seen = match self.feed.ending() {
                Some(ending) => format!("{} {}", self.who(), ending.words()),
                None => format!(
                    "{} brought {} {} times within {:.1} s",
                    self.who(),
                    lacks.id,
                    self.times(lacks),
                    wait.elapsed().as_secs_f64()
                ),
            };
            let accepted = format!(
                "{times} times: it is not acknowledged, and ack_timeout is {} ms",
                ack_timeout.as_millis()
            );
            return Err(trial.missed(&wait, seen, accepted).await);
        }
    }

    /// How often it has brought this.
    pub(super) fn times(&self, sent: &Sent) -> usize {
        self.came.get(&sent.id).map_or(0, Vec::len)
    }

    /// All copies of this, the first one first.
    pub(super) fn copies(&self, sent: &Sent) -> &[Item<MpcMessage>] {
        self.came.get(&sent.id).map_or(&[], Vec::as_slice)
    }

    /// Demands that no copy of this came before its time: the first not sent before `base`, and each
    /// of the others not within `ack_timeout` of the one before.
    ///
    /// # Errors
    /// A finding that tells which came when.
    pub(super) fn came_in_time(&self, trial: &Trial, sent: &Sent, base: Instant) -> Verdict {
        let mut earliest = base;
        for (number, copy) in self.copies(sent).iter().enumerate().skip(1) {
            earliest += not_before(trial);
            if copy.at < earliest {
                let seen = format!(
                    "{} brought copy {} of {} {} ms after it can first have been sent",
                    self.who(),
                    number + 1,
                    sent.id,
                    copy.at.saturating_duration_since(base).as_millis()
                );
                let accepted = format!(
                    "{number} times ack_timeout ({} ms) later at the earliest",
                    trial.timers().ack_timeout_ms
                );
                return Err(Stop::broken(seen, accepted));
            }
        }
        Ok(())
    }
}

/// The `retry_count` of a delivery.
pub(super) async fn retries(party: &Party, sent: &Sent) -> Result<usize, Stop> {
    let count = party.delivery(sent, party).await?.retry_count;
    usize::try_from(count).map_err(|_| {
        Stop::broken(format!("retry_count of {} is {count}", sent.id), "a number of redeliveries")
    })
}

/// The `retry_count` of a delivery whose stream has ended: once it stays as it is, since a target
/// may notice the end a little later.
pub(super) async fn settled(trial: &Trial, party: &Party, sent: &Sent) -> Result<usize, Stop> {
    let time = trial.timers().ack_timeout() * 3;
    let wait = trial.pace().wait();
    let (mut counted, mut since) = (retries(party, sent).await?, Instant::now());
    loop {
        trial.sleep(time / 8).await;
        let now = retries(party, sent).await?;
        if now != counted {
            (counted, since) = (now, Instant::now());
        } else if since.elapsed() > time {
            return Ok(counted);
        }
        if Instant::now() > wait.deadline() + time {
            let seen = format!("retry_count of {} goes on growing after its stream's end", sent.id);
            return Err(trial.missed(&wait, seen, "no attempts without a stream").await);
        }
    }
}

/// The time within which nothing is sent again on a stream.
pub(super) fn not_before(trial: &Trial) -> Duration {
    let ack_timeout = trial.timers().ack_timeout();
    (ack_timeout - ack_timeout / 100).saturating_sub(ROUNDING)
}

/// Demands that this run can wait for so many time-outs, and that there are so many retries.
///
/// # Errors
/// Not checked, with the reason.
pub(super) fn can_see(trial: &Trial, retries: u32) -> Result<(), Stop> {
    let timers = trial.timers();
    if timers.max_retries < retries {
        return Err(Stop::NotChecked(format!(
            "max_retries is {}, and it takes {retries} to see this: give the target more, and tell \
             it in the profile",
            timers.max_retries
        )));
    }
    trial.can_wait_for("ack_timeout", timers.ack_timeout())
}

/// Demands that this run can wait until all attempts of a delivery are over.
///
/// # Errors
/// Not checked, with the reason.
pub(super) fn can_see_the_end(trial: &Trial) -> Result<(), Stop> {
    can_see(trial, 1)?;
    let timers = trial.timers();
    trial.can_wait_for("ack_timeout, times max_retries and one,", timers.all_attempts())?;
    if timers.message_ttl() / 2 < timers.all_attempts() {
        return Err(Stop::NotChecked(
            "message_ttl is so short that deliveries may expire before their attempts are over: give \
             the target a longer one, and tell it in the profile"
                .into(),
        ));
    }
    Ok(())
}
