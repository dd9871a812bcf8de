use crate::mailbox::Entry;
use crate::{Budget, Millis};

/// An outstanding delivery that a poll may answer with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) entry: Entry,
    pub(crate) created_at: Millis,
    /// What it takes of the budget.
    pub(crate) cost: usize,
    pub(crate) handed_out: bool,
    /// Whether no other message can be of the same millisecond.
    pub(crate) alone: bool,
}

/// Which of the candidates, oldest first and none older than `after`, a poll answers with.
///
/// PND-3: those as old as `after` are among them, because a poller that has seen a message of that
/// millisecond need not have seen all. PND-4: the answer stays within the budget or is one message
/// long, and comes to what is newer than `after`: where the equally old ones leave no room for it,
/// those that the poller must know are left out. It knows a message that has its millisecond for
/// itself, since it has seen one of that millisecond; and otherwise what was handed out to it.
pub(crate) fn select(
    candidates: impl Iterator<Item = Candidate>,
    after: Millis,
    budget: Budget,
) -> Vec<Entry> {
    let mut candidates = candidates.peekable();
    let mut equally_old = Vec::new();
    while let Some(candidate) = candidates.next_if(|candidate| candidate.created_at <= after) {
        equally_old.push(candidate);
    }
    let newer = candidates.peek().map_or(0, |newer| newer.cost);
    let needed = equally_old.iter().map(|candidate| candidate.cost).sum::<usize>() + newer;
    if needed > budget.limit() {
        equally_old.retain(|candidate| !candidate.handed_out && !candidate.alone);
    }
    let mut spent = 0;
    let mut answer = Vec::new();
    for candidate in equally_old.into_iter().chain(candidates) {
        spent += candidate.cost;
        if !answer.is_empty() && spent > budget.limit() {
            break;
        }
        answer.push(candidate.entry);
    }
    answer
}
