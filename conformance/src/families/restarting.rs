//! A target that goes down, in one way or the other, and comes up again.

use std::time::Duration;

use crate::outcome::{Stop, Verdict};
use crate::party::Party;
use crate::power::{Halt, NotStarted, Power};
use crate::trial::Trial;

/// By how much an orderly stop may be late.
const ALLOWANCE: Duration = Duration::from_secs(2);

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How a target goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Down {
    /// It is asked to end.
    Stopped,
    /// It is killed where it stands.
    Killed,
}

impl Down {
    /// When something is seen after it, in words.
    pub(super) fn when(self) -> &'static str {
        match self {
            Self::Stopped => "after an orderly restart",
            Self::Killed => "after kill -9 and a restart",
        }
    }
}

/// How long an orderly stop is waited for.
pub(super) fn stop_limit(trial: &Trial) -> Duration {
    Duration::from_millis(trial.timers().stop_timeout_ms) + ALLOWANCE
}

/// Takes the target down and up again.
///
/// # Errors
/// A finding if it does not start.
pub(super) async fn restart(trial: &Trial, power: &Power, down: Down) -> Verdict {
    match down {
        Down::Stopped => drop(stops(trial, power).await?),
        Down::Killed => power.kill().await,
    }
    comes_up(trial, power, down.when()).await
}

/// Stops the target in order, where that is not what the check is about.
///
/// # Errors
/// Not checked if it has to be killed.
pub(super) async fn stops(trial: &Trial, power: &Power) -> Result<Halt, Stop> {
    let halt = power.stop(stop_limit(trial)).await;
    if halt.ended.is_some() {
        return Ok(halt);
    }
    let why = format!(
        "the target did not end within {:.1} s when it was asked to, and had to be killed (DUR-7 is \
         about that)",
        halt.took.as_secs_f64()
    );
    Err(Stop::NotChecked(why))
}

/// Starts the target, and waits until it takes calls.
///
/// # Errors
/// A finding if it does not start.
pub(super) async fn comes_up(trial: &Trial, power: &Power, when: &str) -> Verdict {
    let wait = trial.pace().wait();
    starts(trial, power).await.map_err(|error| {
        let seen = format!("{when} the target did not start: {error}");
        let stalled = error.ended.is_none() && wait.stalled().is_some();
        match error.is_excused || stalled {
            true => Stop::Inconclusive(seen),
            false => Stop::broken(seen, "it starts with what it had accepted"),
        }
    })
}

/// Starts the target, and waits until it takes calls: some listen before they have read their store.
///
/// # Errors
/// If it ends or does not listen.
pub(super) async fn starts(trial: &Trial, power: &Power) -> Result<(), NotStarted> {
    power.start().await?;
    let wait = trial.pace().wait();
    loop {
        let asking = trial.coordinator().on_a_connection_of_its_own();
        let answer = asking.list("temporary", true).await;
        if answer.was_accepted().is_some() && answer.overload().is_none() {
            return Ok(());
        }
        if let Some(fate) = power.fate().await {
            return Err(fate);
        }
        if wait.elapsed() > trial.pace().patience() {
            // What it answers to whom the checks will tell.
            return Ok(());
        }
        trial.sleep(BETWEEN_LOOKS).await;
    }
}

/// Lets parties call on new connections: the old ones broke.
pub(super) fn reconnect<const N: usize>(parties: [&mut Party; N]) {
    for party in parties {
        *party = party.on_a_connection_of_its_own();
    }
}
