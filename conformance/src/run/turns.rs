//! Whose turn it is: most checks run side by side, a few only when others do not disturb them.

use std::collections::VecDeque;

use super::Due;
use crate::requirement::Turn;

/// The checks that are still to begin.
pub(super) struct Turns {
    at_once: Vec<Due>,
    quiet: VecDeque<Due>,
    alone: VecDeque<Due>,
}

impl Turns {
    pub(super) fn new(due: Vec<Due>) -> Self {
        let of = |turn: Turn| due.iter().copied().filter(move |it| it.1.turn == turn);
        Self {
            at_once: of(Turn::First).chain(of(Turn::Beside)).collect(),
            quiet: of(Turn::Quiet).collect(),
            alone: of(Turn::Alone).collect(),
        }
    }

    /// What begins beside those that go on, which have these turns.
    pub(super) fn beside(&mut self, mut going_on: impl Iterator<Item = Turn>) -> Vec<Due> {
        if !self.at_once.is_empty() {
            return std::mem::take(&mut self.at_once);
        }
        match going_on.all(|it| it == Turn::First) {
            true => self.quiet.pop_front().into_iter().collect(),
            false => Vec::new(),
        }
    }

    /// What begins when nothing goes on.
    pub(super) fn alone(&mut self) -> Option<Due> {
        self.alone.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families;

    #[test]
    fn what_takes_all_waits_for_those_that_do_more_than_wait() {
        let due = |(place, id)| {
            let requirement = families::find(id).expect("it exists");
            (place, requirement, requirement.check.expect("it has one"))
        };
        let ids = ["ORD-1", "FLW-1", "DUR-1", "EXP-2", "FLW-2", "DUR-2"];
        let mut turns = Turns::new(ids.into_iter().enumerate().map(due).collect());
        let ids = |due: Vec<Due>| due.iter().map(|it| it.1.id).collect::<Vec<_>>();
        let mut beside = |going_on: &[Turn]| ids(turns.beside(going_on.iter().copied()));
        assert_eq!(beside(&[]), ["EXP-2", "ORD-1"]);
        assert_eq!(beside(&[Turn::First, Turn::Beside]), [""; 0]);
        assert_eq!(beside(&[Turn::First]), ["FLW-1"]);
        assert_eq!(beside(&[Turn::First, Turn::Quiet]), [""; 0]);
        assert_eq!(beside(&[]), ["FLW-2"]);
        assert_eq!(beside(&[]), [""; 0]);
        assert_eq!(turns.alone().map(|it| it.1.id), Some("DUR-1"));
        assert_eq!(turns.alone().map(|it| it.1.id), Some("DUR-2"));
        assert!(turns.alone().is_none());
    }
}
