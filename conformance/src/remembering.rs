//! For how long a target must know what became of a message.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::outcome::Stop;
use crate::profile::Timers;

/// The messages of a check whose statuses the target must know for a time: it keeps them for
/// `message_ttl` after the delivery has ended. On a machine that is slow, a check may take longer than
/// that.
#[derive(Debug)]
pub(crate) struct Remembering {
    kept: Duration,
    /// The earliest end of a delivery that nobody acknowledges, after its message was routed.
    earliest_end: Duration,
    messages: Mutex<BTreeMap<String, Message>>,
}

#[derive(Debug)]
struct Message {
    began: Instant,
    /// When somebody first called to end each of its deliveries that anybody tried to.
    may_have_ended: BTreeMap<String, Instant>,
    /// When the latest of those began that were accepted: the delivery did not end before.
    ended: Option<Instant>,
}

impl Remembering {
    pub(crate) fn new(timers: &Timers) -> Self {
        let kept = timers.message_ttl();
        let earliest_end = kept.min(timers.all_attempts());
        Self { kept, earliest_end, messages: Mutex::default() }
    }

    /// The call that began then was accepted.
    pub(crate) fn accepted(&self, message_id: &str, began: Instant) {
        // An answer that is given twice, to a call that is made again, tells of the first one.
        let message = Message { began, may_have_ended: BTreeMap::new(), ended: None };
        self.messages().entry(message_id.to_owned()).or_insert(message);
    }

    /// When the call began that routed it, if it was accepted here.
    pub(crate) fn began(&self, message_id: &str) -> Option<Instant> {
        self.messages().get(message_id).map(|it| it.began)
    }

    /// Somebody calls to end this party's delivery of the message.
    pub(crate) fn may_end(&self, message_id: &str, party: &str) {
        if let Some(message) = self.messages().get_mut(message_id) {
            message.may_have_ended.entry(party.to_owned()).or_insert_with(Instant::now);
        }
    }

    /// This party's delivery of the message was acknowledged: by one of the calls that were to end it.
    pub(crate) fn was_acknowledged(&self, message_id: &str, party: &str) {
        if let Some(message) = self.messages().get_mut(message_id) {
            let ended = message.may_have_ended.get(party).copied();
            message.ended = message.ended.max(ended);
        }
    }

    /// Why the target need not take the acknowledgement of a message any more, if it may have given up
    /// on it.
    pub(crate) fn given_up(&self, message_id: &str) -> Option<String> {
        let elapsed = self.messages().get(message_id)?.began.elapsed();
        (elapsed > self.earliest_end).then(|| {
            format!(
                "it was routed {:.1} s ago, and the target may have given up on it after {:.1} s",
                elapsed.as_secs_f64(),
                self.earliest_end.as_secs_f64()
            )
        })
    }

    /// Demands that the target must still know of the message: asked after what was seen, before it is
    /// held against the target.
    ///
    /// # Errors
    /// Inconclusive once it need not.
    pub(crate) fn lasts(&self, message_id: &str) -> Result<(), Stop> {
        let messages = self.messages();
        let Some(message) = messages.get(message_id) else { return Ok(()) };
        let time = match message.ended {
            Some(ended) => ended - message.began + self.kept,
            None if message.may_have_ended.is_empty() => self.kept + self.earliest_end,
            None => self.kept,
        };
        let elapsed = message.began.elapsed();
        if elapsed <= time {
            return Ok(());
        }
        Err(Stop::Inconclusive(format!(
            "{message_id} was routed {:.1} s ago, and the target need not know what became of it for \
             longer than {:.1} s",
            elapsed.as_secs_f64(),
            time.as_secs_f64()
        )))
    }

    fn messages(&self) -> MutexGuard<'_, BTreeMap<String, Message>> {
        self.messages.lock().expect("nobody panics with it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_message_is_known_for_as_long_as_the_contract_says() {
        let second = Duration::from_secs(1);
        let timers = Timers { message_ttl_ms: 12_000, ..Timers::short() };
        let remembering = Remembering::new(&timers);
        for message in ["ended", "open", "used", "used once more"] {
            remembering.accepted(message, Instant::now());
        }
        remembering.may_end("ended", "bob");
        tokio::time::advance(2 * second).await;
        for (message, party) in [("used", "bob"), ("used", "carol"), ("used once more", "bob")] {
            remembering.may_end(message, party);
        }
        remembering.was_acknowledged("used", "bob");
        tokio::time::advance(10 * second).await;
        // It has ended long before.
        remembering.may_end("used once more", "bob");
        remembering.was_acknowledged("used once more", "bob");
        remembering.accepted("ended", Instant::now());
        let lasts = |message| remembering.lasts(message).is_ok();
        assert!(lasts("ended") && lasts("open"));
        assert!(remembering.given_up("open").is_some_and(|it| it.contains("given up")));
        assert_eq!(remembering.given_up("never routed"), None);
        remembering.accepted("young", Instant::now());
        assert_eq!(remembering.given_up("young"), None);
        tokio::time::advance(second / 1000).await;
        assert!(!lasts("ended") && lasts("open") && lasts("never routed"));
        tokio::time::advance(timers.all_attempts()).await;
        assert!(!lasts("open") && lasts("used") && lasts("used once more"));
        tokio::time::advance(2 * second - timers.all_attempts()).await;
        assert!(!lasts("used") && !lasts("used once more"));
    }
}
