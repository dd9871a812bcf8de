//! The suite is itself tested: planted faults must be found, legal variants must pass.
//!
//! Everything runs in memory and on virtual time, each trial on a runtime of its own: waiting costs
//! nothing, and the same trial always goes the same way.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use crate::families;
use crate::means::Means;
use crate::notices::Notices;
use crate::outcome::Outcome;
use crate::power::Power;
use crate::profile::Timers;
use crate::report::{Report, RequirementReport};
use crate::requirement::{Capability, Level, Requirement, Turn};
use crate::run::{Options, Subject, run};
use crate::select::Selection;
use crate::specimen::{Fault, Machine, Settings, Twist, Variant};
use crate::virtual_time::{begin, on_virtual_time};

/// What became of a planted fault.
#[derive(Clone, Debug)]
pub struct FaultTrial {
    /// The fault.
    pub fault: Fault,
    /// What the check that should kill it found.
    pub killer: RequirementReport,
    /// The other requirements that were broken by it, where the whole suite was run.
    pub also: Vec<String>,
    /// How long the trial took, in this machine's time.
    pub took: Duration,
}

impl FaultTrial {
    /// Why the fault counts as not found, if it does.
    pub fn survives(&self) -> Option<String> {
        let wanted = match self.killer.level {
            Level::Must => Outcome::Failed,
            Level::Should => Outcome::Warned,
        };
        if self.killer.outcome != wanted {
            let detail = &self.killer.detail;
            return Some(format!("the check ended as {} {detail}", self.killer.outcome.name()));
        }
        // A hang is not a kill: it says nothing about what is wrong.
        self.killer
            .detail
            .contains(crate::answer::UNANSWERED)
            .then(|| format!("the check only ran out of time: {}", self.killer.detail))
    }
}

/// What became of a legal variant.
#[derive(Clone, Debug)]
pub struct VariantTrial {
    /// The variants that were combined; none for the right specimen.
    pub variants: Vec<Variant>,
    /// The requirements that ended otherwise than they should.
    pub alarms: Vec<RequirementReport>,
    /// Those without a verdict, where that is no alarm: things took their time.
    pub undecided: Vec<RequirementReport>,
    /// How long the trial took, in this machine's time.
    pub took: Duration,
}

impl VariantTrial {
    /// What was tried, as [`name_of`] says it.
    pub fn name(&self) -> String {
        name_of(&self.variants)
    }
}

/// These variants together: their names joined by `+`.
pub fn name_of(variants: &[Variant]) -> String {
    let names: Vec<_> = variants.iter().map(|it| it.name()).collect();
    if names.is_empty() { "the right specimen".into() } else { names.join("+") }
}

/// Plants one fault and runs the check that must find it, or the whole suite.
pub fn try_fault(fault: Fault, whole: bool) -> FaultTrial {
    let began = Instant::now();
    let selection = match whole {
        true => Selection::default(),
        false => Selection::one(fault.kills()).expect("a fault names a requirement"),
    };
    let mut report = judge(Twist::from(fault), selection);
    let place = report.requirements.iter().position(|it| it.id == fault.kills());
    let killer = report.requirements.swap_remove(place.expect("it was selected"));
    let broken = report.requirements.into_iter();
    let mut also: Vec<_> = broken.filter(|it| it.finding.is_some()).map(|it| it.id).collect();
    also.sort_unstable();
    FaultTrial { fault, killer, also, took: began.elapsed() }
}

/// Runs what is selected, of what the specimen claims, on a legal variant of it. Each family whose
/// checks run alone has a specimen of its own: one that restarts reads all of its log.
///
/// What is sent takes up to `latency` to arrive, each way.
pub fn try_variants(
    variants: &[Variant],
    selection: &Selection,
    latency: Duration,
) -> VariantTrial {
    let began = Instant::now();
    let legal_warning = |it: &RequirementReport| {
        it.outcome == Outcome::Warned
            && variants.iter().any(|variant| variant.warns().contains(&it.id.as_str()))
    };
    let reports = parts(selection).into_iter().map(|part| {
        let twist: Twist = variants.iter().copied().collect();
        judge_with(twist, Options { selection: part, latency, ..Options::default() })
    });
    let alarms = reports.flat_map(|it| it.requirements).filter(|it| {
        !matches!(it.outcome, Outcome::Passed | Outcome::NotApplicable) && !legal_warning(it)
    });
    let is_undecided =
        |it: &RequirementReport| it.outcome == Outcome::Inconclusive && !latency.is_zero();
    let (undecided, alarms) = alarms.partition(is_undecided);
    VariantTrial { variants: variants.to_vec(), alarms, undecided, took: began.elapsed() }
}

/// So many random combinations of two and of three variants in turn; the same ones for the same seed.
pub fn some_together(many: usize, seed: u64) -> Vec<Vec<Variant>> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut of = |size: usize| {
        let mut variants: Vec<Variant> = Vec::new();
        while variants.len() < size {
            let next = Variant::ALL[random.next_u32() as usize % Variant::ALL.len()];
            if !variants.contains(&next) {
                variants.push(next);
            }
        }
        variants
    };
    (0..many).map(|number| of(2 + number % 2)).collect()
}

/// The selection in parts: what runs side by side, and each family of which something runs alone.
fn parts(selection: &Selection) -> Vec<Selection> {
    let mut parts: BTreeMap<&str, Vec<&Requirement>> = BTreeMap::new();
    for requirement in families::requirements().filter(|it| selection.contains(it)) {
        let part = if requirement.turn > Turn::Beside { requirement.family() } else { "" };
        parts.entry(part).or_default().push(requirement);
    }
    parts.values().map(|part| Selection::exactly(part)).collect()
}

/// The faults that a check can be tried against: those of requirements that have one.
pub fn faults_with_a_check() -> impl Iterator<Item = Fault> {
    let has_check =
        |fault: &Fault| families::find(fault.kills()).is_some_and(|it| it.check.is_some());
    Fault::ALL.iter().copied().filter(has_check)
}

/// The requirements that no fault names, among those that have a check.
pub fn without_a_fault() -> Vec<&'static str> {
    let named: Vec<_> = Fault::ALL.iter().map(|fault| fault.kills()).collect();
    families::requirements()
        .filter(|it| it.check.is_some() && !named.contains(&it.id))
        .map(|it| it.id)
        .collect()
}

/// Judges a specimen, on virtual time.
fn judge(twist: Twist, selection: Selection) -> Report {
    judge_with(twist, Options { selection, ..Options::default() })
}

/// Judges a specimen so, on virtual time.
pub(crate) fn judge_with(twist: Twist, options: Options) -> Report {
    on_virtual_time(async {
        // Who asks who calls has a connection for each party, which takes its time.
        let secure = asks_who_calls(&twist, &options.selection);
        let timers = Timers::short().far_away(options.latency);
        let settings = Settings { secure, ..Settings::of(&timers) };
        let begin = begin();
        let mut capabilities = twist.claims();
        capabilities.extend(secure.then_some(Capability::Secure));
        let notices = Notices::default();
        let machine = Machine::at(begin, settings, twist, notices.clone());
        let means = Means {
            printed: Some(machine.printed()),
            notices: Some(notices),
            power: Some(Power::new(machine.clone())),
        };
        let subject = Subject {
            name: "specimen".into(),
            reached_by: "in process".into(),
            door: machine.door(),
            timers,
            capabilities,
            means,
        };
        let options = Options { begins_at: Some(begin), ..options };
        run(&subject, &options, |_| {}).await.expect("a specimen answers")
    })
}

/// Whether a specimen is to know its callers: where something of that is planted or selected.
fn asks_who_calls(twist: &Twist, selection: &Selection) -> bool {
    let is_secure = |it: &Requirement| it.capability == Capability::Secure;
    let mut planted = Fault::ALL.iter().filter(|fault| twist.has(**fault));
    let mut selected = families::requirements().filter(|it| selection.contains(it));
    twist.is(Variant::AsksWhoCalls)
        || planted.any(|fault| families::find(fault.kills()).is_some_and(is_secure))
        || selected.all(is_secure)
}

/// Does `work` on each of `items` on as many threads as the machine has cores, and tells each
/// result as it comes.
pub fn on_all_cores<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    tell: impl FnMut(&R) + Send,
) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let done = Mutex::new((tell, Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..cores.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = work(item);
                    let mut done = done.lock().expect("telling does not panic");
                    (done.0)(&result);
                    done.1.push(result);
                }
            });
        }
    });
    done.into_inner().expect("telling does not panic").1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_registration_is_found() {
        let faults: Vec<_> =
            faults_with_a_check().filter(|it| it.kills().starts_with("REG-")).collect();
        let trials = on_all_cores(&faults, |fault| try_fault(*fault, false), |_| {});
        let complaint = |it: &FaultTrial| Some(format!("{}: {}", it.fault, it.survives()?));
        assert_eq!(trials.iter().filter_map(complaint).collect::<Vec<_>>(), [""; 0]);
        assert!(trials.len() > 8, "there are faults of registration");
    }

    #[test]
    fn a_fault_that_its_check_does_not_see_survives() {
        let mut trial = try_fault(Fault::EmptyPartyRegistered, false);
        assert_eq!(trial.survives(), None);
        trial.killer.detail = format!("a call {} 10.0 s", crate::answer::UNANSWERED);
        assert!(trial.survives().is_some(), "a hang is not a kill");
        trial.killer.outcome = Outcome::Passed;
        assert!(trial.survives().is_some());
    }

    #[test]
    fn every_check_has_a_fault_that_tests_it() {
        assert_eq!(without_a_fault(), [""; 0]);
    }

    #[test]
    fn the_parts_of_a_selection_are_all_of_it() {
        let of = |it: &Selection| {
            families::requirements().filter(|requirement| it.contains(requirement)).count()
        };
        let parts = parts(&Selection::default());
        assert!(parts.len() > 2, "some families run alone");
        assert_eq!(parts.iter().map(of).sum::<usize>(), families::requirements().count());
    }

    #[test]
    fn the_same_trial_goes_the_same_way() {
        let wrong = || {
            let selection = Selection::one("REG-2").expect("it exists");
            judge(Twist::from(Fault::EmptyPartyRegistered), selection)
        };
        let report = wrong();
        assert!(!report.requirements[0].timeline.is_empty(), "there is something to compare");
        assert_eq!(report, wrong());
    }
}
