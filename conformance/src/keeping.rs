//! For how long a target must keep what is outstanding, whatever capabilities it has.

use std::time::Duration;

use tokio::time::Instant;

use crate::answer::Answer;
use crate::outcome::Stop;
use crate::party::Sent;
use crate::trial::Trial;

/// The time in which the target must keep what was routed after its beginning.
///
/// A router may give up on a delivery that is outstanding for `message_ttl`, and on one that it has
/// sent on a stream in vain. So what is missing proves something only within these times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping {
    began: Instant,
    time: Duration,
}

impl Trial {
    /// Begins the time for messages that no open stream of their recipients carries.
    pub(crate) fn keeping(&self) -> Keeping {
        let time = Duration::from_millis(self.timers().message_ttl_ms);
        // The last quarter is left to what waits for a stream's next item.
        Keeping { began: Instant::now(), time: time / 4 * 3 }
    }

    /// Begins the time for messages that may be handed out on a stream.
    pub(crate) fn keeping_streamed(&self) -> Keeping {
        let kept = self.keeping();
        Keeping { time: kept.time.min(self.timers().all_attempts() / 4 * 3), ..kept }
    }

    /// Begins the time in which the target must know of messages that nobody ends, and that no open
    /// stream carries.
    pub(crate) fn keeping_known(&self) -> Keeping {
        let kept = self.timers().message_ttl();
        // It may give up on them after the first time, and must know of that for the second one.
        Keeping { began: Instant::now(), time: kept / 4 * 7 }
    }

    /// The time for a message that was routed before, and that no open stream carries.
    pub(crate) fn keeping_of(&self, sent: &Sent) -> Keeping {
        let kept = self.keeping();
        Keeping { began: self.remembering().began(&sent.id).unwrap_or(kept.began), ..kept }
    }
}

impl Keeping {
    /// The time in which both last.
    pub(crate) fn of_both(one: &Self, other: &Self) -> Self {
        let ends = |it: &Self| it.began + it.time;
        if ends(one) < ends(other) { *one } else { *other }
    }

    /// Half of the time.
    pub(crate) fn halved(self) -> Self {
        Self { time: self.time / 2, ..self }
    }

    /// Demands that the time is not over: asked after what was seen, before it is held against the
    /// target.
    ///
    /// # Errors
    /// Inconclusive once it is over.
    pub(crate) fn lasts(&self) -> Result<(), Stop> {
        let elapsed = self.began.elapsed();
        if elapsed <= self.time {
            return Ok(());
        }
        Err(Stop::Inconclusive(format!(
            "it took {:.1} s to come this far, and the target need not keep a delivery for much \
             longer than {:.1} s",
            elapsed.as_secs_f64(),
            self.time.as_secs_f64()
        )))
    }

    /// Whether half of the time is over: then whatever takes longer should come to its end.
    pub(crate) fn is_half_over(&self) -> bool {
        self.began.elapsed() > self.time / 2
    }

    /// A verdict on what was seen: no finding once the time is over.
    ///
    /// # Errors
    /// What the verdict is, but inconclusive instead of a finding that comes too late.
    pub(crate) fn judged<T>(&self, verdict: Result<T, Stop>) -> Result<T, Stop> {
        if matches!(verdict, Err(Stop::Broken(_))) {
            self.lasts()?;
        }
        verdict
    }

    /// The answer, where the call only prepares what is to be checked.
    ///
    /// # Errors
    /// Without the answer the requirement cannot be checked.
    pub(crate) fn prepared<T>(&self, answer: Answer<T>) -> Result<T, Stop> {
        if answer.was_accepted() == Some(false) {
            self.lasts()?;
        }
        answer.prepared()
    }

    /// The answer, where accepting is what the requirement demands of what is still kept.
    ///
    /// # Errors
    /// A finding if the target rejected the call within the time.
    pub(crate) fn accepted<T>(&self, answer: Answer<T>) -> Result<T, Stop> {
        if answer.was_accepted() == Some(false) {
            self.lasts()?;
        }
        answer.accepted()
    }
}
