use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Channel, DirectoryRecord};
use crate::{Millis, PartyId, Position, SessionId};

/// Who is to be told of which session, since when, and on which channels.
///
/// Invariant: `tasks` are what the notices have left; `due` are those tasks that wait for their time.
#[derive(Debug, Default)]
pub(super) struct Notices {
    of: BTreeMap<PartyId, BTreeMap<SessionId, Notice>>,
    tasks: BTreeMap<u64, Task>,
    /// How, when, and the task's number.
    due: BTreeSet<(Channel, Millis, u64)>,
    /// What is not sent before the record there is safe, or it might be sent again after a crash.
    uncommitted: VecDeque<(Position, u64)>,
    /// How many tasks there were.
    numbered: u64,
}

#[derive(Debug)]
struct Notice {
    raised_at: Millis,
    /// The channels on which the party is still to be told, and the tasks for that.
    left: BTreeMap<Channel, u64>,
}

/// A party is to be told of a session on a channel.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) party: PartyId,
    pub(super) session: SessionId,
    pub(super) channel: Channel,
    pub(super) raised_at: Millis,
    /// How often that was tried in vain.
    pub(super) failures: u32,
    /// When it is due. None if it is not to be tried yet, or is being tried.
    due: Option<Millis>,
}

impl Notices {
    /// How many sessions a party was told of, or is to be.
    pub(super) fn count(&self, party: &PartyId) -> usize {
        self.of.get(party).map_or(0, BTreeMap::len)
    }

    pub(super) fn are_there(&self, party: &PartyId) -> bool {
        self.of.contains_key(party)
    }

    pub(super) fn is_there(&self, party: &PartyId, session: &SessionId) -> bool {
        self.of.get(party).is_some_and(|notices| notices.contains_key(session))
    }

    /// Enters what the record at `position` tells.
    pub(super) fn set(
        &mut self,
        position: Position,
        party: &PartyId,
        session: &SessionId,
        raised_at: Millis,
        left: &BTreeSet<Channel>,
    ) {
        let notices = self.of.entry(party.clone()).or_default();
        let notice = notices
            .entry(session.clone())
            .or_insert_with(|| Notice { raised_at, left: BTreeMap::new() });
        let over: Vec<_> =
            notice.left.extract_if(.., |channel, _| !left.contains(channel)).collect();
        for &channel in left {
            notice.left.entry(channel).or_insert_with(|| {
                self.numbered += 1;
                let (party, session) = (party.clone(), session.clone());
                let task = Task { party, session, channel, raised_at, failures: 0, due: None };
                self.tasks.insert(self.numbered, task);
                self.uncommitted.push_back((position, self.numbered));
                self.numbered
            });
        }
        for (_, number) in over {
            self.drop_task(number);
        }
    }

    /// Makes due what was waiting for the records up to `through`.
    pub(super) fn commit(&mut self, through: Position) {
        while let Some((_, number)) = self.uncommitted.pop_front_if(|it| it.0 <= through) {
            if let Some(task) = self.tasks.get_mut(&number) {
                // At once, whatever the clock says after a restart.
                task.due = Some(Millis::default());
                self.due.insert((task.channel, Millis::default(), number));
            }
        }
    }

    /// Takes out what was not committed, as the records that have to be written again; what is of
    /// parties that are not known is dropped.
    pub(super) fn take_uncommitted(
        &mut self,
        is_known: impl Fn(&PartyId) -> bool,
    ) -> Vec<DirectoryRecord> {
        let unknown: Vec<_> = self.of.keys().filter(|party| !is_known(party)).cloned().collect();
        for party in unknown {
            self.clear(&party);
        }
        let uncommitted = std::mem::take(&mut self.uncommitted).into_iter();
        let tasks = uncommitted.filter_map(|(_, number)| self.tasks.get(&number));
        let refused: BTreeSet<_> =
            tasks.map(|task| (task.party.clone(), task.session.clone())).collect();
        let mut records = Vec::new();
        for (party, session) in refused {
            let Some(notices) = self.of.get_mut(&party) else { continue };
            let Some(Notice { raised_at, left }) = notices.remove(&session) else { continue };
            if notices.is_empty() {
                self.of.remove(&party);
            }
            for &number in left.values() {
                self.drop_task(number);
            }
            let left = left.into_keys().collect();
            records.push(DirectoryRecord::Notice { party, session, raised_at, left });
        }
        records
    }

    /// Drops everything of a party.
    pub(super) fn clear(&mut self, party: &PartyId) {
        let notices = self.of.remove(party).into_iter().flatten();
        for (_, number) in notices.flat_map(|(_, notice)| notice.left) {
            self.drop_task(number);
        }
    }

    fn drop_task(&mut self, number: u64) {
        if let Some(Task { channel, due: Some(due), .. }) = self.tasks.remove(&number) {
            self.due.remove(&(channel, due, number));
        }
    }

    /// When the next task on a channel is due, and its number.
    pub(super) fn next(&self, channel: Channel) -> Option<(Millis, u64)> {
        let mut due = self.due.range((channel, Millis(i64::MIN), 0)..);
        due.next().filter(|it| it.0 == channel).map(|&(_, at, number)| (at, number))
    }

    /// Takes the next task on one of `channels` that is due by now, to be tried.
    pub(super) fn take(
        &mut self,
        now: Millis,
        channels: &BTreeSet<Channel>,
    ) -> Option<(u64, Task)> {
        let next = channels.iter().filter_map(|&channel| self.next(channel)).min();
        let (at, number) = next.filter(|(at, _)| *at <= now)?;
        let task = self.tasks.get_mut(&number)?;
        self.due.remove(&(task.channel, at, number));
        task.due = None;
        Some((number, task.clone()))
    }

    /// A task was tried in vain. It is due again then, if it is not over.
    pub(super) fn retry(&mut self, number: u64, at: Millis) {
        if let Some(task) = self.tasks.get_mut(&number) {
            task.failures = task.failures.saturating_add(1);
            task.due = Some(at);
            self.due.insert((task.channel, at, number));
        }
    }

    /// A task is done. Gives the record that tells it, if the task was not over already.
    pub(super) fn done(&self, number: u64) -> Option<DirectoryRecord> {
        let Task { party, session, channel, raised_at, .. } = self.tasks.get(&number)?;
        let notice = self.of.get(party)?.get(session)?;
        let left = notice.left.keys().copied().filter(|left| left != channel).collect();
        let (party, session) = (party.clone(), session.clone());
        Some(DirectoryRecord::Notice { party, session, raised_at: *raised_at, left })
    }

    pub(super) fn assert_invariants(&self) {
        let mut tasks = 0;
        for (party, notices) in &self.of {
            assert!(!notices.is_empty());
            for (session, notice) in notices {
                for (channel, number) in &notice.left {
                    let task = &self.tasks[number];
                    assert_eq!(
                        (&task.party, &task.session, &task.channel),
                        (party, session, channel)
                    );
                    assert_eq!(task.raised_at, notice.raised_at);
                    tasks += 1;
                }
            }
        }
        assert_eq!(self.tasks.len(), tasks, "a task is of a notice");
        let due =
            self.tasks.iter().filter_map(|(number, task)| Some((task.channel, task.due?, *number)));
        assert_eq!(due.collect::<BTreeSet<_>>(), self.due);
        assert!(self.uncommitted.iter().is_sorted_by_key(|(position, ..)| *position));
    }
}
