//! DUR-6: what is outstanding does not grow younger by a restart (EXP-1).

use tokio::time::{Instant, sleep_until};

use crate::families::prelude::*;
use crate::many::statuses;
use crate::party::{Party, Sent};

/// Messages that fail by their age when the target has been down meanwhile.
pub(super) struct Aging {
    sent: Vec<Sent>,
    routed: Instant,
}

impl Aging {
    /// Routes them, and lets one be polled.
    pub(super) async fn begins(trial: &Trial, sender: &Party, party: &Party) -> Result<Self, Stop> {
        let mut sent = Vec::new();
        for label in ["ages-polled", "ages"] {
            let session = trial.session(label, &[sender, party]).await?;
            sent.push(sender.has_sent(&session, &[party], "expires later").await?);
            if label == "ages-polled" {
                party.poll_after(&session, 0).await.prepared()?;
            }
        }
        Ok(Self { sent, routed: Instant::now() })
    }

    /// Demands that they have failed when they are half as old again as they may become, and the target
    /// has been up for long enough to look for such.
    pub(super) async fn fails_in_time(
        self,
        trial: &Trial,
        sender: &Party,
        party: &Party,
        up: Instant,
    ) -> Verdict {
        let kept = trial.timers().message_ttl();
        let wait = trial.pace().wait();
        sleep_until((self.routed + kept / 2 * 3).max(up + kept / 5 * 3)).await;
        for (sent, status) in self.sent.iter().zip(statuses(sender, &self.sent).await?) {
            let state = status.deliveries.first().map_or("absent", |it| it.status.as_str());
            if state != "failed" {
                let age = self.routed.elapsed().as_secs_f64();
                let seen = format!(
                    "the delivery of {} to {} is {state:?}, {age:.1} s after it was routed and with \
                     restarts in between",
                    sent.id, party.id
                );
                let accepted = "failed: its time goes on over a restart (EXP-1)";
                return Err(trial.missed(&wait, seen, accepted).await);
            }
        }
        Ok(())
    }
}
