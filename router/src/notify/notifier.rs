use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mpc_router_core::{Channel, Errand};
use tokio::task::{Id, JoinError, JoinSet};

use super::{Gateways, SendError};
use crate::clock::Clock;
use crate::directory::DirectoryCell;
use crate::limits;
use crate::metrics::Notified;
use crate::sessions::Sessions;

/// Sends what the directory finds that parties are to be told.
#[derive(Debug)]
pub(crate) struct Notifier {
    pub(crate) gateways: Gateways,
    pub(crate) directory: Arc<DirectoryCell>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) heartbeat_timeout: Duration,
    pub(crate) message_ttl: Duration,
}

/// The notifications that are on their way.
#[derive(Debug, Default)]
struct OnTheWay {
    tasks: JoinSet<Result<(), SendError>>,
    errands: HashMap<Id, Errand>,
}

type Brought = Result<(Id, Result<(), SendError>), JoinError>;

impl Notifier {
    /// From now on there is something to send; it is sent as long as what this gives back runs.
    pub(crate) fn run(self) -> impl Future<Output = ()> + Send {
        self.directory.tell_on(self.gateways.channels());
        self.send()
    }

    async fn send(self) {
        let mut on_the_way = OnTheWay::default();
        // Whoever was not heard of since the start is away by then.
        let soon = self.heartbeat_timeout.saturating_add(Duration::from_millis(1));
        let mut start = pin!(tokio::time::sleep(soon));
        let mut started = false;
        loop {
            let wait = self.begin(&mut on_the_way);
            if self.stopping.load(Ordering::SeqCst) && on_the_way.tasks.is_empty() {
                return;
            }
            let next = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(brought) = on_the_way.tasks.join_next_with_id() => {
                    self.settle(&mut on_the_way, brought);
                }
                () = self.directory.due() => {}
                () = next => {}
                () = &mut start, if !started => {
                    started = true;
                    self.sessions.look_for_unread();
                }
            }
        }
    }

    /// Sends what is due, as far as there is room. Tells how long it is until the next.
    fn begin(&self, on_the_way: &mut OnTheWay) -> Option<Duration> {
        while !self.stopping.load(Ordering::SeqCst) {
            let errand = match self.directory.take(&self.with_room(on_the_way)) {
                Ok(errand) => errand,
                Err(wait) => return wait,
            };
            let Errand { party, session, channel, failures, .. } = &errand;
            let age = self.clock.now().since(errand.raised_at);
            if u128::from(age.max(0).unsigned_abs()) > self.message_ttl.as_millis() {
                tracing::warn!(?party, ?session, %channel, failures, "a notification is given up");
                self.sessions.metrics().notified(*channel, Notified::GivenUp);
                self.directory.told(errand.number);
                continue;
            }
            // One that an earlier run of the router left, which had other gateways.
            let Some(gateway) = self.gateways.of(*channel).map(Arc::clone) else {
                self.directory.told(errand.number);
                continue;
            };
            let task = on_the_way.tasks.spawn({
                let errand = errand.clone();
                async move {
                    let sent = tokio::time::timeout(gateway.timeout(), gateway.send(&errand)).await;
                    sent.unwrap_or_else(|_| Err(SendError::Failed("it took too long".into())))
                }
            });
            on_the_way.errands.insert(task.id(), errand);
        }
        None
    }

    /// The channels of those gateways that have not enough to do: one that hangs holds up no other
    /// (OFF-4).
    fn with_room(&self, on_the_way: &OnTheWay) -> BTreeSet<Channel> {
        let gateway = |channel| self.gateways.position(channel);
        let has_room = |&channel: &Channel| {
            let errands = on_the_way.errands.values();
            let same = errands.filter(|errand| gateway(errand.channel) == gateway(channel));
            same.count() < limits::NOTIFICATIONS_AT_ONCE
        };
        Channel::ALL.into_iter().filter(has_room).collect()
    }

    fn settle(&self, on_the_way: &mut OnTheWay, brought: Brought) {
        let (id, brought) = match brought {
            Ok((id, brought)) => (id, brought),
            Err(error) => (error.id(), Err(SendError::Failed("the gateway panicked".into()))),
        };
        let errand = on_the_way.errands.remove(&id).expect("each task has its errand");
        let Errand { number, party, session, channel, failures, .. } = errand;
        let outcome = match brought {
            Ok(()) => Notified::Sent,
            Err(SendError::Refused(_)) => Notified::Refused,
            Err(SendError::Failed(_)) => Notified::Failed,
        };
        self.sessions.metrics().notified(channel, outcome);
        match brought {
            Ok(()) => {
                tracing::debug!(?party, ?session, %channel, "told a party that is away");
                self.directory.told(number);
            }
            Err(SendError::Refused(error)) => {
                tracing::warn!(?party, ?session, %channel, error, "a notification is refused");
                self.directory.told(number);
            }
            Err(SendError::Failed(error)) => {
                let wait = wait_after(failures);
                tracing::warn!(
                    ?party, ?session, %channel, error, failures = failures.saturating_add(1),
                    retry_ms = wait.as_millis() as u64, "a notification failed"
                );
                self.directory.failed(number, wait);
            }
        }
    }
}

/// How long to wait after that many failures and one: twice as long each time, up to a limit, and up to
/// half of it less by chance, so that what failed together does not come again together.
fn wait_after(failures: u32) -> Duration {
    let doubled =
        2_u32.checked_pow(failures).map(|by| limits::NOTIFICATION_RETRY.saturating_mul(by));
    let longest = limits::NOTIFICATION_LONGEST_RETRY;
    let wait = doubled.map_or(longest, |wait| wait.min(longest));
    // Each has keys of its own.
    let chance = RandomState::new().hash_one(failures) as f64 / u64::MAX as f64;
    wait.mul_f64(1.0 - chance / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_longer_and_longer_but_not_for_ever() {
        let mut different = false;
        for failures in 0..100 {
            let longest = limits::NOTIFICATION_LONGEST_RETRY;
            let doubled = limits::NOTIFICATION_RETRY.saturating_mul(1 << failures.min(20));
            let expected = doubled.min(longest);
            let waits = [(); 20].map(|()| wait_after(failures));
            for wait in waits {
                assert!(wait <= expected && wait >= expected / 2, "{failures}: {wait:?}");
            }
            different |= waits[0] != waits[1];
        }
        assert!(different);
    }
}
