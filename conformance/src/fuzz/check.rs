//! Decides each anomaly. All of it is sorting and sweeping: no history takes long.

mod acceptance;
mod counts;
mod delivery;
mod directory;
mod events;
mod lives;
mod notifications;
mod order;
mod redelivery;
mod status;
mod times;

use self::lives::Lives;
use super::anomaly::Anomaly;
use super::history::{Asked, Got, History, Moment, NEVER, Party, Unit};
use super::model::{Model, Rules};
use crate::families;
use crate::requirement::{Level, Requirement};

/// So many findings of one anomaly are told; more of the same say nothing new.
const TOLD: usize = 8;

/// What is wrong with a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of wrong it is.
    pub anomaly: Anomaly,
    /// The requirement that it breaks.
    pub breaks: &'static str,
    /// When it showed.
    pub at: Moment,
    /// Who saw it.
    pub party: Option<Party>,
    /// The unit that it is about.
    pub unit: Option<Unit>,
    /// What was seen.
    pub words: String,
}

impl Finding {
    /// Whether it is of the same kind: the same is wrong, and breaks the same.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.anomaly, self.breaks) == (other.anomaly, other.breaks)
    }

    /// Whether it breaks a SHOULD only.
    pub fn is_warning(&self) -> bool {
        families::find(self.breaks).is_some_and(is_should)
    }
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings {
    all: Vec<Finding>,
    counts: Vec<(Anomaly, usize)>,
}

impl Findings {
    /// Adds one, whose words are only made if they will be told.
    fn add(
        &mut self,
        anomaly: Anomaly,
        at: Moment,
        party: impl Into<Option<Party>>,
        unit: impl Into<Option<Unit>>,
        words: impl FnOnce() -> String,
    ) {
        self.add_as(anomaly, anomaly.breaks(), at, party, unit, words);
    }

    /// Adds one that breaks this requirement.
    fn add_as(
        &mut self,
        anomaly: Anomaly,
        breaks: &'static str,
        at: Moment,
        party: impl Into<Option<Party>>,
        unit: impl Into<Option<Unit>>,
        words: impl FnOnce() -> String,
    ) {
        let place = self.counts.iter().position(|it| it.0 == anomaly).unwrap_or_else(|| {
            self.counts.push((anomaly, 0));
            self.counts.len() - 1
        });
        let count = &mut self.counts[place].1;
        *count += 1;
        if *count <= TOLD {
            let (party, unit) = (party.into(), unit.into());
            self.all.push(Finding { anomaly, breaks, at, party, unit, words: words() });
        }
    }
}

/// What is wrong with `history`, in the order in which it showed.
pub fn check(history: &History, rules: Rules) -> Vec<Finding> {
    let model = Model::of(history, rules);
    let mut found = Findings::default();
    delivery::check(&model, &mut found);
    order::check(&model, &mut found);
    redelivery::check(&model, &mut found);
    status::check(&model, &mut found);
    let lives = Lives::of(&model);
    counts::check(&model, &lives, &mut found);
    notifications::check(&model, &lives, &mut found);
    acceptance::check(&model, &mut found);
    events::check(&model, &mut found);
    directory::check(&model, &mut found);
    times::check(&model, &mut found);
    let until = lenient_from(history, rules);
    found.all.retain(|it| it.at < until || it.anomaly == Anomaly::WrongAccepted && it.is_warning());
    found.all.sort_by_key(|it| (it.at, it.anomaly));
    found.all
}

/// From when on nothing is known: a call that should have been rejected may have been accepted, and
/// what follows from that is unspecified.
fn lenient_from(history: &History, rules: Rules) -> Moment {
    let may = history.calls.iter().filter(|it| it.got != Got::Refused);
    let lenient = may.filter(|it| match it.asked {
        Asked::Wrong(what, _) => {
            !rules.forbid(what) || families::find(what.breaks()).is_some_and(is_should)
        }
        _ => false,
    });
    lenient.map(|it| it.begun).min().unwrap_or(NEVER)
}

fn is_should(requirement: &Requirement) -> bool {
    requirement.level == Level::Should
}

#[cfg(test)]
mod tests;
