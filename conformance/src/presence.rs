//! Who must be online and who must not, as far as this side can know it.

use std::collections::BTreeSet;

use tokio::time::{Duration, Instant, sleep_until};

use crate::many::each;
use crate::outcome::{Stop, Verdict};
use crate::pace::Wait;
use crate::party::Party;
use crate::trial::Trial;

/// The time in which a party that the target has heard of must be online.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    before: Instant,
    time: Duration,
}

impl Trial {
    /// Begins the time: to be called before the call by which the target hears of the party.
    pub(crate) fn heard(&self) -> Heard {
        // The last tenth is left to clocks that are coarse.
        let time = self.timers().heartbeat_timeout() / 10 * 9;
        Heard { before: Instant::now(), time }
    }
}

impl Heard {
    /// When it began.
    pub(crate) fn began(&self) -> Instant {
        self.before
    }

    /// Demands that the time is not over: asked after what was seen, before it is judged.
    ///
    /// # Errors
    /// Inconclusive once it is over.
    pub(crate) fn lasts(&self) -> Result<(), Stop> {
        let elapsed = self.before.elapsed();
        if elapsed <= self.time {
            return Ok(());
        }
        Err(Stop::Inconclusive(format!(
            "{:.1} s passed since a party was heard of, and it need not be online for much longer \
             than {:.1} s",
            elapsed.as_secs_f64(),
            self.time.as_secs_f64()
        )))
    }
}

/// A time in which some parties were silent for so long that they must be offline.
#[derive(Debug)]
pub(crate) struct Silence {
    wait: Wait,
}

impl Silence {
    /// What to say of a silent party that still counts as online: a finding, unless the machine or
    /// the connection is to blame.
    pub(crate) async fn too_late(&self, trial: &Trial, seen: String, accepted: &str) -> Stop {
        trial.missed(&self.wait, seen, accepted).await
    }
}

/// All these parties send a heartbeat.
///
/// # Errors
/// Not checked, if one is rejected.
pub(crate) async fn beat(trial: &Trial, parties: &[&Party]) -> Result<Heard, Stop> {
    let heard = trial.heard();
    each(parties, |party| {
        let party = (*party).clone();
        async move { party.heartbeat().await.prepared() }
    })
    .await?;
    Ok(heard)
}

/// Lets so much time pass that parties which are silent from now on must be offline: half of
/// `heartbeat_timeout` more than itself, for targets that look only now and then. The parties
/// `kept` send heartbeats meanwhile.
///
/// # Errors
/// Not checked, if this run does not wait for so long or a heartbeat is rejected.
pub(crate) async fn silence(trial: &Trial, kept: &[&Party]) -> Result<Silence, Stop> {
    let timeout = trial.timers().heartbeat_timeout();
    trial.can_wait_for("heartbeat_timeout", timeout)?;
    let wait = trial.pace().wait();
    let end = Instant::now() + timeout * 3 / 2;
    loop {
        beat(trial, kept).await?;
        let now = Instant::now();
        if now > end {
            return Ok(Silence { wait });
        }
        // Past the end, not just up to it: a target may count whole milliseconds.
        sleep_until((now + timeout / 4).min(end + Duration::from_millis(20))).await;
    }
}

/// Lets time pass until the directory shows none of these silent parties as online, or [`silence`]
/// would be over: that they are offline then is for others to demand.
///
/// # Errors
/// Not checked, if this run does not wait for so long or the directory does not answer.
pub(crate) async fn goes_away(trial: &Trial, asking: &Party, parties: &[&Party]) -> Verdict {
    let timeout = trial.timers().heartbeat_timeout();
    trial.can_wait_for("heartbeat_timeout", timeout)?;
    let began = Instant::now();
    sleep_until(began + timeout).await;
    loop {
        let online = who_is_online(asking).await?;
        let are_away = !parties.iter().any(|it| online.contains(&it.id));
        if are_away || began.elapsed() > timeout * 3 / 2 {
            return Ok(());
        }
        trial.sleep(timeout / 50).await;
    }
}

/// Demands that the directory shows all these parties as online; `heard` began before the target
/// last heard of each.
///
/// # Errors
/// A finding that names one that is not; `why` it should be.
pub(crate) async fn must_be_online(
    asking: &Party,
    parties: &[&Party],
    heard: &Heard,
    why: &str,
) -> Verdict {
    let online = who_is_online(asking).await?;
    let Some(gone) = parties.iter().find(|it| !online.contains(&it.id)) else { return Ok(()) };
    heard.lasts()?;
    let seen = format!("the directory does not show {} as online", gone.id);
    Err(Stop::broken(seen, format!("online: {why}")))
}

/// Demands that the directory shows none of these parties as online; they were silent all the time.
///
/// # Errors
/// A finding that names one that is; `why` it should not be.
pub(crate) async fn must_be_offline(
    trial: &Trial,
    asking: &Party,
    parties: &[&Party],
    silence: &Silence,
    why: &str,
) -> Verdict {
    let online = who_is_online(asking).await?;
    let Some(there) = parties.iter().find(|it| online.contains(&it.id)) else { return Ok(()) };
    let seen = format!(
        "the directory shows {} as online, {:.1} s after its last call",
        there.id,
        silence.wait.elapsed().as_secs_f64()
    );
    let timeout = trial.timers().heartbeat_timeout().as_secs_f64();
    let accepted = format!("offline after {timeout} s, or half of that later at the latest: {why}");
    Err(silence.too_late(trial, seen, &accepted).await)
}

async fn who_is_online(asking: &Party) -> Result<BTreeSet<String>, Stop> {
    let parties = asking.list("", false).await.prepared()?.parties;
    Ok(parties.into_iter().filter(|it| it.online).map(|it| it.party_id).collect())
}
