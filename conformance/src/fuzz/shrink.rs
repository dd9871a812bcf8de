//! Makes a program that shows something small: by leaving out what it does not need, and by doing the
//! rest in a simpler way.
//!
//! It does nothing by itself: whoever has one asks for the next program to try, plays it, and tells
//! whether it still shows the same. Leaving out is delta debugging (Zeller and Hildebrandt, 2002), after
//! two guesses that are right most of the time: that what came after does not matter, and that only what
//! concerns the same message, party or session does.

use std::collections::HashSet;

use super::check::Finding;
use super::names::Naming;
use super::program::{Act, Program, Step};

/// A program under way to a smaller one.
#[derive(Debug)]
pub struct Shrinking {
    best: Program,
    guesses: Vec<Program>,
    stage: Stage,
    tried: HashSet<Program>,
    played: usize,
    limit: usize,
    asked: Option<Program>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// How many of its first steps does it need? More than the first number, at most the second.
    Prefix(usize, usize),
    /// What concerns the same.
    Guesses,
    /// It is tried without so many steps before this place.
    Chunks {
        size: usize,
        end: usize,
        some_left: bool,
    },
    /// The steps are made simpler, this way.
    Simpler {
        way: usize,
        some_worked: bool,
    },
    Done,
}

impl Shrinking {
    /// Begins with a program that shows `finding`. At most `limit` programs will be tried.
    pub fn new(program: Program, finding: &Finding, limit: usize) -> Self {
        let steps = program.steps.len();
        Self {
            guesses: Vec::new(),
            best: program,
            stage: Stage::Prefix(0, steps),
            tried: HashSet::new(),
            played: 0,
            limit,
            asked: None,
        }
        .guessing(finding)
    }

    fn guessing(mut self, finding: &Finding) -> Self {
        let unit = finding.unit.map(|it| it.0);
        let party = finding.party.map(|it| it.0 as u8);
        // The last guess is tried first.
        self.guesses.extend(unit.map(|unit| concerning(&self.best, Some(unit), None)));
        self.guesses.extend(party.map(|party| concerning(&self.best, None, Some(party))));
        self.guesses.extend(unit.map(|unit| concerning(&self.best, Some(unit), party)));
        self
    }

    /// The smallest program so far.
    pub fn best(&self) -> &Program {
        &self.best
    }

    /// How many programs were played.
    pub fn played(&self) -> usize {
        self.played
    }

    /// The next program to try; nothing when it does not get any smaller.
    pub fn next_program(&mut self) -> Option<Program> {
        loop {
            if self.played >= self.limit {
                return None;
            }
            let candidate = self.candidate()?;
            if candidate == self.best || !self.tried.insert(candidate.clone()) {
                self.note(&candidate, false);
                continue;
            }
            self.played += 1;
            self.asked = Some(candidate.clone());
            return Some(candidate);
        }
    }

    /// Tells whether the program that was asked for last still shows the same.
    pub fn tell(&mut self, shows: bool) {
        if let Some(asked) = self.asked.take() {
            self.note(&asked, shows);
        }
    }

    fn candidate(&mut self) -> Option<Program> {
        loop {
            match self.stage {
                Stage::Prefix(low, high) if high - low > 1 => {
                    // Near the end there is less to be lost.
                    return Some(self.with_steps(0..low + (high - low).div_ceil(2)));
                }
                Stage::Prefix(..) => self.stage = Stage::Guesses,
                Stage::Guesses => match self.guesses.pop() {
                    Some(guess) => {
                        let steps = self.best.steps.len();
                        let known = guess.steps.iter().filter(|it| self.best.steps.contains(it));
                        let known: Vec<_> = known.cloned().collect();
                        if known.len() < steps {
                            return Some(Program { steps: known, ..self.best.clone() });
                        }
                    }
                    None => self.leave_out(),
                },
                Stage::Chunks { size, end, .. } if end > 0 => {
                    return Some(self.without(end.saturating_sub(size)..end));
                }
                Stage::Chunks { size, some_left, .. } => {
                    let end = self.best.steps.len();
                    self.stage = match size {
                        _ if end == 0 => Stage::Simpler { way: 0, some_worked: false },
                        // What was needed only by what has gone goes as well.
                        1 if some_left => Stage::Chunks { size: 1, end, some_left: false },
                        1 => Stage::Simpler { way: 0, some_worked: false },
                        _ => Stage::Chunks { size: size / 2, end, some_left: false },
                    };
                }
                Stage::Simpler { way, some_worked } => match simpler(&self.best, way) {
                    Some(candidate) => return Some(candidate),
                    None if some_worked => self.leave_out_each(),
                    None => self.stage = Stage::Done,
                },
                Stage::Done => return None,
            }
        }
    }

    fn note(&mut self, candidate: &Program, shows: bool) {
        let steps = candidate.steps.len();
        match &mut self.stage {
            Stage::Prefix(_, high) if shows => *high = steps,
            Stage::Prefix(low, _) => *low = steps,
            // The other guesses have more in them.
            Stage::Guesses if shows => self.guesses.clear(),
            Stage::Guesses | Stage::Done => {}
            Stage::Chunks { size, end, some_left } => {
                *end = end.saturating_sub(*size);
                *some_left |= shows;
            }
            Stage::Simpler { way, some_worked } => {
                *way += usize::from(!shows);
                *some_worked |= shows;
            }
        }
        if shows {
            self.best = candidate.clone();
        }
    }

    fn leave_out(&mut self) {
        let end = self.best.steps.len();
        self.stage = Stage::Chunks { size: (end / 2).max(1), end, some_left: false };
    }

    fn leave_out_each(&mut self) {
        self.stage = Stage::Chunks { size: 1, end: self.best.steps.len(), some_left: false };
    }

    fn with_steps(&self, range: std::ops::Range<usize>) -> Program {
        Program { steps: self.best.steps[range].to_vec(), ..self.best.clone() }
    }

    fn without(&self, range: std::ops::Range<usize>) -> Program {
        let (before, after) = (&self.best.steps[..range.start], &self.best.steps[range.end..]);
        Program { steps: [before, after].concat(), ..self.best.clone() }
    }
}

/// The steps that concern a message, or its session and a party; and what concerns everybody.
fn concerning(program: &Program, unit: Option<u32>, party: Option<u8>) -> Program {
    let routes = |act: &Act, unit: u32| match act {
        Act::Route { unit: first, count, .. } => {
            (*first..first + u32::from(*count)).contains(&unit)
        }
        _ => false,
    };
    let session = unit.and_then(|unit| {
        let step = program.steps.iter().find(|it| routes(&it.act, unit))?;
        let Act::Route { session, .. } = &step.act else { return None };
        Some(*session)
    });
    let ours = |it: u8| party.is_none_or(|party| party == it);
    let here = |it: &Option<u8>| it.is_none() || session.is_none() || *it == session;
    let streams: Vec<u32> = program
        .steps
        .iter()
        .filter_map(|step| match &step.act {
            Act::Subscribe { stream, party, session } if ours(*party) && here(session) => {
                Some(*stream)
            }
            _ => None,
        })
        .collect();
    let concerns = |step: &&Step| match &step.act {
        Act::Register { party, .. } | Act::Heartbeat { party, .. } => ours(*party),
        Act::Wrong { party, session, .. } => ours(*party) && here(&Some(*session)),
        Act::Route { session, .. } => match unit {
            Some(unit) => routes(&step.act, unit),
            None => here(&Some(*session)),
        },
        Act::RouteAgain { unit: it } | Act::Status { unit: it, .. } => unit == Some(*it),
        Act::Acknowledge { party, unit: it, .. } => {
            ours(*party) && unit.is_none_or(|unit| unit == *it)
        }
        Act::Subscribe { party, session, .. } | Act::Poll { party, session, .. } => {
            ours(*party) && here(session)
        }
        Act::AcknowledgeAll { party, session } => ours(*party) && here(&Some(*session)),
        Act::Cancel { stream } => streams.contains(stream),
        Act::Publish { session, .. } => here(&Some(*session)),
        Act::Listen { party, .. } | Act::Disconnect { party } => ours(*party),
        Act::List { by: Some(by), .. } => unit.is_none() && ours(*by),
        Act::List { .. } | Act::StopListening { .. } => unit.is_none(),
        Act::Wait { .. } | Act::Restart | Act::Kill => true,
    };
    Program { steps: program.steps.iter().filter(concerns).cloned().collect(), ..program.clone() }
}

/// The ways to make something of a program simpler, one after the other; nothing after the last one.
fn simpler(program: &Program, way: usize) -> Option<Program> {
    let whole: [fn(&Program) -> Program; 6] =
        [plain_names, fewer_parties, fewer_sessions, one_after_another, plain, fewer_messages];
    if let Some(change) = whole.get(way) {
        return Some(change(program));
    }
    let place = way - whole.len();
    let (step, what) = (place / 4, place % 4);
    let mut simple = program.clone();
    let changed = simple.steps.get_mut(step)?;
    match (what, &mut changed.act) {
        (0, _) => (changed.together, changed.unheard) = (false, false),
        (1, Act::Route { count, bytes, keyed, .. }) => {
            (*count, *bytes, *keyed) = ((*count / 2).max(1), 0, false);
        }
        (1, Act::Poll { newer, .. }) => *newer = false,
        (1, Act::Register { channel, .. }) => *channel = 0,
        (1, Act::Heartbeat { ahead, .. }) => *ahead = 0,
        (1, Act::Listen { only, .. }) => only.clear(),
        (1, Act::List { only_online, .. }) => *only_online = false,
        (2, Act::List { role, .. }) => *role = None,
        (3, Act::List { by, .. }) => *by = None,
        (1, Act::Wait { ms }) => *ms /= 2,
        (2, Act::Route { to, .. }) if to.len() > 1 => to.truncate(1),
        (1, Act::Publish { expires_in, .. }) => *expires_in = 0,
        (2, Act::Publish { selected, .. }) => selected.truncate(1),
        (3, Act::Route { to, .. }) if to.len() > 1 => drop(to.remove(0)),
        _ => {}
    }
    Some(simple)
}

/// Without the parties that do nothing and get nothing: the others get their numbers.
fn fewer_parties(program: &Program) -> Program {
    let mut used = [false; 256];
    let mut smaller = program.clone();
    smaller
        .steps
        .iter_mut()
        .for_each(|it| parties(&mut it.act, &mut |it| used[usize::from(*it)] = true));
    if !used.contains(&true) {
        used[0] = true;
    }
    let mut numbers = [0_u8; 256];
    let mut next = 0;
    for party in 0..program.parties {
        numbers[usize::from(party)] = next;
        next += u8::from(used[usize::from(party)]);
    }
    smaller.parties = next;
    smaller.late.retain(|it| used[usize::from(*it)]);
    smaller.late.iter_mut().for_each(|it| *it = numbers[usize::from(*it)]);
    for members in &mut smaller.sessions {
        members.retain(|it| used[usize::from(*it)]);
        members.iter_mut().for_each(|it| *it = numbers[usize::from(*it)]);
    }
    let mut renumber = |it: &mut u8| *it = numbers[usize::from(*it)];
    smaller.steps.iter_mut().for_each(|it| parties(&mut it.act, &mut renumber));
    smaller
}

fn parties(act: &mut Act, tell: &mut impl FnMut(&mut u8)) {
    match act {
        Act::Register { party, .. }
        | Act::Heartbeat { party, .. }
        | Act::Wrong { party, .. }
        | Act::Subscribe { party, .. }
        | Act::Poll { party, .. }
        | Act::Acknowledge { party, .. }
        | Act::AcknowledgeAll { party, .. }
        | Act::Listen { party, .. }
        | Act::Disconnect { party }
        | Act::List { by: Some(party), .. } => tell(party),
        Act::Route { sender, to, .. } => {
            tell(sender);
            to.iter_mut().for_each(tell);
        }
        Act::Publish { selected, .. } => selected.iter_mut().for_each(tell),
        _ => {}
    }
}

/// Without the last session, if nothing is about it.
fn fewer_sessions(program: &Program) -> Program {
    let last = program.sessions.len().saturating_sub(1);
    let is_used = program.steps.iter().any(|step| match &step.act {
        Act::Publish { session, .. }
        | Act::Route { session, .. }
        | Act::Wrong { session, .. }
        | Act::AcknowledgeAll { session, .. } => usize::from(*session) == last,
        Act::Subscribe { session, .. }
        | Act::Poll { session, .. }
        | Act::Acknowledge { session, .. }
        | Act::Status { session, .. } => session.is_some_and(|it| usize::from(it) == last),
        _ => false,
    });
    let mut smaller = program.clone();
    if !is_used && last > 0 {
        smaller.sessions.pop();
    }
    smaller
}

fn plain_names(program: &Program) -> Program {
    let late = Vec::new();
    Program { naming: Naming::Plain, odd_labels: false, late, ..program.clone() }
}

fn one_after_another(program: &Program) -> Program {
    let mut simple = program.clone();
    simple.steps.iter_mut().for_each(|it| it.together = false);
    simple
}

/// Every answer is heard, no payload is longer than it must be, and nothing has a key.
fn plain(program: &Program) -> Program {
    let mut simple = program.clone();
    for step in &mut simple.steps {
        step.unheard = false;
        if let Act::Route { bytes, keyed, .. } = &mut step.act {
            (*bytes, *keyed) = (0, false);
        }
    }
    simple
}

fn fewer_messages(program: &Program) -> Program {
    let mut simple = program.clone();
    for step in &mut simple.steps {
        if let Act::Route { count, .. } = &mut step.act {
            *count = 1;
        }
    }
    simple
}

#[cfg(test)]
mod tests;
