//! Deliveries that were handed out, and what their status says of it: a target may note it a moment
//! later.

use mpc_router_proto::v1::MessageDeliveryStatus;
use tokio::time::Duration;

use crate::keeping::Keeping;
use crate::many::statuses;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::Trial;

/// How long a target may take to note that it has handed something out.
const GRACE: Duration = Duration::from_secs(2);

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

fn grace(trial: &Trial) -> Duration {
    GRACE.min(Duration::from_millis(trial.timers().message_ttl_ms) / 4)
}

/// Demands that all these deliveries, which were handed out, become `delivered`, with entries that
/// are as `fits` says.
///
/// # Errors
/// A finding that tells an entry which does not, against what is `accepted`.
pub(super) async fn become_delivered(
    trial: &Trial,
    sent: &[Sent],
    party: &Party,
    keeping: &Keeping,
    accepted: &str,
    fits: impl Fn(&MessageDeliveryStatus) -> bool,
) -> Verdict {
    let wait = trial.pace().wait();
    loop {
        let over = wait.elapsed() > grace(trial);
        let mut pending = None;
        for (sent, status) in sent.iter().zip(&statuses(party, sent).await?) {
            let Some(entry) = status.deliveries.iter().find(|it| it.party_id == party.id) else {
                let seen = format!("the status of {} has no entry for {}", sent.id, party.id);
                return Err(Stop::broken(seen, "one entry per recipient"));
            };
            match entry.status.as_str() {
                "delivered" if fits(entry) => {}
                "pending" => pending = Some(words(sent, entry)),
                _ => {
                    keeping.lasts()?;
                    return Err(Stop::broken(words(sent, entry), accepted));
                }
            }
        }
        match pending {
            None => return Ok(()),
            Some(seen) if over => return Err(trial.missed(&wait, seen, accepted).await),
            Some(_) => trial.sleep(BETWEEN_LOOKS).await,
        }
    }
}

/// Waits until the status of what these parties were handed out says so, before it is taken as what
/// must not change. A target that never says so breaks another requirement.
///
/// # Errors
/// If a status cannot be had.
pub(super) async fn settles<'a>(
    trial: &Trial,
    sent: impl IntoIterator<Item = &'a Sent>,
    handed_out_to: &[&Party],
) -> Verdict {
    let Some(asking) = handed_out_to.first() else { return Ok(()) };
    let sent: Vec<_> = sent.into_iter().collect();
    let wait = trial.pace().wait();
    while wait.elapsed() <= grace(trial) {
        let statuses = statuses(asking, sent.iter().copied()).await?;
        let is_open = |entry: &MessageDeliveryStatus| {
            entry.status == "pending" && handed_out_to.iter().any(|it| it.id == entry.party_id)
        };
        if !statuses.iter().flat_map(|it| &it.deliveries).any(is_open) {
            break;
        }
        trial.sleep(BETWEEN_LOOKS).await;
    }
    Ok(())
}

/// Demands that nothing is counted as outstanding of a party any more, maybe a moment later.
///
/// # Errors
/// A finding if something is.
pub(super) async fn nothing_is_pending(trial: &Trial, party: &Party, why: &str) -> Verdict {
    let accepted = format!("0: {why}");
    let counted = trial.until(&accepted, || async {
        let pending = party.heartbeat().await.prepared()?.pending_messages;
        let seen = format!("pending_messages of {} is {pending}", party.id);
        Ok(if pending == 0 { Ok(()) } else { Err(seen) })
    });
    counted.await
}

/// An entry in words.
pub(super) fn words(sent: &Sent, entry: &MessageDeliveryStatus) -> String {
    format!(
        "the delivery of {} to {} is {:?} with delivered_at {}, acknowledged_at {} and retry_count \
         {}",
        sent.id,
        entry.party_id,
        entry.status,
        entry.delivered_at,
        entry.acknowledged_at,
        entry.retry_count
    )
}
