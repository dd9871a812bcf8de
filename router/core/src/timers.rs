use std::collections::VecDeque;

use crate::streams::Sending;
use crate::{Millis, StreamId};

/// When what was sent on streams and is not acknowledged has to be looked at again.
///
/// All wait equally long, so what began first is due first: a queue, and no timer for each.
///
/// Invariant: the queue ascends by time.
#[derive(Debug, Default)]
pub(crate) struct AckTimers {
    queue: VecDeque<AckTimer>,
    /// When the last that was ever in the queue is due.
    last: Millis,
}

/// A delivery that was sent on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AckTimer {
    /// When its answer is overdue.
    pub(crate) due: Millis,
    /// The stream that it was sent on. Without it, the timer counts for nothing (RED-5).
    pub(crate) stream: StreamId,
    /// The delivery.
    pub(crate) sending: Sending,
}

impl AckTimers {
    /// Begins to wait for the answers to what was sent on `stream`, until `due` or, if the clock went
    /// back, for as long as those before them.
    pub(crate) fn begin(
        &mut self,
        due: Millis,
        stream: StreamId,
        sent: impl IntoIterator<Item = Sending>,
    ) {
        let mut sent = sent.into_iter().peekable();
        if sent.peek().is_none() {
            return;
        }
        self.last = self.last.max(due);
        let due = self.last;
        self.queue.extend(sent.map(|sending| AckTimer { due, stream, sending }));
    }

    /// When the first is due.
    pub(crate) fn next(&self) -> Option<Millis> {
        self.queue.front().map(|timer| timer.due)
    }

    /// Takes the next one out that is due.
    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<AckTimer> {
        self.queue.pop_front_if(|timer| timer.due <= now)
    }

    /// Drops timers that nobody waits for any more, from the first on.
    pub(crate) fn trim(&mut self, mut is_over: impl FnMut(&AckTimer) -> bool) {
        while self.queue.pop_front_if(|timer| is_over(timer)).is_some() {}
    }

    pub(crate) fn assert_invariants(&self) {
        assert!(self.queue.iter().is_sorted_by_key(|timer| timer.due), "timers ascend");
    }
}
