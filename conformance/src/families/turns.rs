//! As many messages as time allows.

use std::ops::Range;
use std::time::Duration;

use mpc_router_proto::v1::RouteMessageRequest;
use tokio::time::Instant;

use crate::outcome::Stop;
use crate::party::{Party, Sent};
use crate::trial::Trial;

/// The time after which a check with this subject goes on with what it has.
const TIME: Duration = Duration::from_secs(2);

/// The messages that are routed however long it takes.
const LEAST: usize = 8;

/// Until when a check repeats itself: by then it has seen enough, or calls take long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    ends: Instant,
    least: usize,
    most: usize,
}

impl Budget {
    /// For `most` rounds, and for fewer, down to `least`, where they take long.
    pub(super) fn rounds(trial: &Trial, least: usize, most: usize) -> Self {
        let time = TIME.min(Duration::from_millis(trial.timers().message_ttl_ms) / 4);
        Self { ends: Instant::now() + time, least, most }
    }

    /// Whether there is a round after so many.
    pub(super) fn allows(&self, done: usize) -> bool {
        done < self.least || (done < self.most && Instant::now() < self.ends)
    }
}

/// Rounds of growing size: a fast target has volume, and on a slow one no message waits for long.
///
/// Each round gives the turns that belong to it. The one before should have been read by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounds {
    budget: Budget,
    began: Option<Instant>,
    size: usize,
    done: usize,
}

/// Turns of the first round, and of any at most.
const FIRST_ROUND: usize = 32;
const LARGEST_ROUND: usize = 400;

/// A round that takes no longer is followed by a larger one.
const QUICK_ROUND: Duration = Duration::from_millis(500);

impl Rounds {
    /// For up to `most` turns.
    pub(super) fn new(trial: &Trial, most: usize) -> Self {
        Self { budget: Budget::rounds(trial, 1, most), began: None, size: FIRST_ROUND, done: 0 }
    }
}

impl Iterator for Rounds {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if let Some(began) = self.began.replace(Instant::now()) {
            let factor = if began.elapsed() < QUICK_ROUND { 2 } else { 1 };
            self.size = LARGEST_ROUND.min(self.size * factor);
        }
        if !self.budget.allows(self.done) {
            return None;
        }
        let turns = self.done..self.budget.most.min(self.done + self.size);
        self.done = turns.end;
        Some(turns)
    }
}

/// Routes messages that a check needs, each after the one before was accepted. Where calls take
/// long they are fewer than `most`.
///
/// # Errors
/// Without the messages the requirement cannot be checked.
pub(super) async fn one_by_one(
    trial: &Trial,
    party: &Party,
    most: usize,
    outgoing: impl Fn(usize) -> RouteMessageRequest,
) -> Result<Vec<Sent>, Stop> {
    one_by_one_over(trial, &[party], most, outgoing).await
}

/// The same over several connections of one party, by turns.
///
/// # Errors
/// Without the messages the requirement cannot be checked.
pub(super) async fn one_by_one_over(
    trial: &Trial,
    connections: &[&Party],
    most: usize,
    outgoing: impl Fn(usize) -> RouteMessageRequest,
) -> Result<Vec<Sent>, Stop> {
    let budget = Budget::rounds(trial, LEAST.min(most), most);
    let mut sent = Vec::new();
    while budget.allows(sent.len()) {
        let party = connections[sent.len() % connections.len()];
        sent.push(party.has_sent_this(outgoing(sent.len())).await?);
    }
    Ok(sent)
}
