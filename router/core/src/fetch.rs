use crate::{Budget, MessageId, Millis};

/// An outstanding delivery that a poll may answer with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<K> {
    /// Which one.
    pub(crate) key: K,
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
pub(crate) fn select<K>(
    candidates: impl Iterator<Item = Candidate<K>>,
    after: Millis,
    budget: Budget,
) -> Vec<K> {
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
        answer.push(candidate.key);
    }
    answer
}

/// What a poll of several sessions may answer with: each session adds what it has, then
/// [`select`](Self::select) tells what to take of which (SUB-9).
#[derive(Debug)]
pub struct Gathering {
    after: Millis,
    until: Millis,
    budget: Budget,
    large_alone: bool,
    sessions: usize,
    candidates: Vec<Candidate<Selected>>,
    /// As many candidates may be there before those are left out that have no chance.
    room: usize,
}

/// A message to answer a poll with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// The how many-th session to add something has it, counted from 0.
    pub session: usize,
    /// The message.
    pub message: MessageId,
}

impl Gathering {
    /// As few candidates are not worth looking through.
    const ROOM: usize = 1_024;

    /// A poll for what is not older than `after`, nor newer than `until`: so much that nothing older
    /// will come to light, in no session, or a poller would miss it (PND-3). `large_alone` tells whether a message of more than
    /// [`Policy::millisecond_bytes`](crate::Policy::millisecond_bytes) has its millisecond for itself
    /// among all sessions, and is not only alone in its own.
    pub fn new(after: Millis, until: Millis, budget: Budget, large_alone: bool) -> Self {
        let (sessions, candidates, room) = (0, Vec::new(), Self::ROOM);
        Self { after, until, budget, large_alone, sessions, candidates, room }
    }

    pub(crate) fn after(&self) -> Millis {
        self.after
    }

    pub(crate) fn budget(&self) -> Budget {
        self.budget
    }

    /// Adds what one more session has, oldest first.
    pub(crate) fn add(&mut self, candidates: impl Iterator<Item = Candidate<MessageId>>) {
        let session = self.sessions;
        self.sessions += 1;
        let mut newer = 0;
        for candidate in candidates {
            let Candidate { key: message, created_at, cost, handed_out, alone } = candidate;
            if created_at > self.until {
                break;
            }
            let key = Selected { session, message };
            let alone = alone && self.large_alone;
            self.candidates.push(Candidate { key, created_at, cost, handed_out, alone });
            if created_at > self.after {
                newer += cost;
            }
            if newer > self.budget.limit() {
                break;
            }
        }
        if self.candidates.len() > self.room {
            self.sort();
            self.room = Self::ROOM.max(2 * self.candidates.len());
        }
    }

    /// Which messages to answer with, oldest first and each session's in their order (ORD-6).
    pub fn select(mut self) -> Vec<Selected> {
        self.sort();
        select(self.candidates.into_iter(), self.after, self.budget)
    }

    /// Sorts, and leaves out what is newer than an answer's worth of others.
    fn sort(&mut self) {
        self.candidates.sort_by_key(|candidate| candidate.created_at);
        let mut newer = 0;
        let have_a_chance = self.candidates.iter().take_while(|candidate| {
            let has_a_chance = newer <= self.budget.limit();
            if candidate.created_at > self.after {
                newer += candidate.cost;
            }
            has_a_chance
        });
        let have_a_chance = have_a_chance.count();
        self.candidates.truncate(have_a_chance);
    }
}
