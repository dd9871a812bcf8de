//! What a run asks the target for itself: whether it is there, and whom it knows.

use std::time::Duration;

use mpc_router_proto::v1::GetRegisteredPartiesRequest;
use mpc_router_proto::v1::message_router_client::MessageRouterClient;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::answer::words;
use crate::calibrate::{FIRST_ANSWER_LIMIT, Unfit, answers};
use crate::connect::Door;
use crate::pace::Pace;

/// How often the run looks whether the target is still there.
const PULSE: Duration = Duration::from_secs(1);

/// How long an answer may take until it counts as missed.
const PULSE_LIMIT: Duration = Duration::from_secs(7);

/// So many looks in a row must fail before the target counts as gone.
const PULSES_MISSED: u32 = 3;

/// The parties that the target knows before the run.
///
/// # Errors
/// If it does not tell the coordinator.
pub(super) async fn registered(door: &Door) -> Result<Vec<String>, Unfit> {
    let mut client = MessageRouterClient::new(door.connect()).max_decoding_message_size(usize::MAX);
    let listing = client.get_registered_parties(GetRegisteredPartiesRequest::default());
    let unknown = |why: String| {
        Unfit::Unreachable(format!(
            "{why}, when it was asked who is registered: there are certificates for certain names \
             only, and the checks need some that are new to it"
        ))
    };
    match timeout(FIRST_ANSWER_LIMIT, listing).await {
        Err(_) => Err(unknown("no answer".into())),
        Ok(Err(status)) => Err(unknown(words(&status))),
        Ok(Ok(listed)) => {
            let parties = listed.into_inner().parties.into_iter();
            Ok(parties.map(|party| party.party_id).collect())
        }
    }
}

/// Returns when the target cannot be reached any more: after some ten seconds if it is silent, sooner
/// if it refuses.
pub(super) async fn gone(door: &Door, pace: &Pace) {
    let mut pulses = JoinSet::new();
    let mut missed = 0;
    let mut next = interval(PULSE);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    next.tick().await;
    while missed < PULSES_MISSED {
        tokio::select! {
            // One does not wait for the other: they are late together.
            _ = next.tick() => {
                let (door, wait) = (door.clone(), pace.wait());
                pulses.spawn(async move {
                    let answered = timeout(PULSE_LIMIT, answers(&door)).await;
                    // A pulse that this machine kept from being felt tells nothing.
                    matches!(answered, Ok(true)) || wait.stalled().is_some()
                });
            }
            Some(pulse) = pulses.join_next() => match pulse {
                Ok(true) => missed = 0,
                _ => missed += 1,
            },
        }
    }
}

/// Whether the target, asked as often as it may miss a pulse, answers never.
pub(super) async fn is_silent(door: &Door, pace: &Pace) -> bool {
    for pulse in 0..PULSES_MISSED {
        if pulse > 0 {
            tokio::time::sleep(PULSE).await;
        }
        let wait = pace.wait();
        if answers(door).await || wait.stalled().is_some() {
            return false;
        }
    }
    true
}
