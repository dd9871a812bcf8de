//! `mpc-conformance selftest`.

use std::io::IsTerminal as _;

use anstream::{eprint, println};
use clap::Args;
use owo_colors::OwoColorize as _;

use super::Failure;
use super::list::textwrap;
use crate::families::FAMILIES;
use crate::selftest::{
    FaultTrial, VariantTrial, faults_with_a_check, on_all_cores, try_fault, try_variants,
    without_a_fault,
};
use crate::specimen::{Fault, Variant};

const AFTER_HELP: &str = "\
A specimen, a plain router made for this purpose, is given one fault after the other; the check of
the requirement that the fault breaks must find it. Then legal variants of the specimen must pass
the whole suite. Everything runs in memory and on virtual time.

Exit codes: 0 if every fault is found and no variant raises an alarm, else 1; 5 for a name that is
not known.";

/// What to try.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Selftest {
    /// Only these faults or variants, by name. May be repeated.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Run the whole suite on each fault, and show which other checks find it too.
    #[arg(long)]
    matrix: bool,
    /// Print only what is wrong, and the sum.
    #[arg(long, short)]
    quiet: bool,
}

impl Selftest {
    pub(super) fn execute(self) -> Result<u8, Failure> {
        let (faults, variants) = self.chosen()?;
        let mut found = self.faults(&faults);
        found.sort_by_key(|it| Fault::ALL.iter().position(|fault| *fault == it.fault));
        let alarms = self.variants(&variants);
        let survivors = found.iter().filter(|it| it.survives().is_some()).count();
        let untested = if self.only.is_empty() { without_a_fault() } else { Vec::new() };
        if !self.quiet {
            print_matrix(&found);
        }
        for trial in &found {
            if let Some(why) = trial.survives() {
                print_survivor(trial, &why);
            }
        }
        for trial in alarms.iter().filter(|it| !it.alarms.is_empty()) {
            print_alarms(trial);
        }
        for id in &untested {
            println!("{} {id} has a check that no fault tests", "UNTESTED".red().bold());
        }
        let alarming = alarms.iter().filter(|it| !it.alarms.is_empty()).count();
        let sum = format!(
            "{} of {} faults found, {} of {} variants clean",
            found.len() - survivors,
            found.len(),
            alarms.len() - alarming,
            alarms.len(),
        );
        let good = survivors + alarming + untested.len() == 0;
        match good {
            true => println!("{}", sum.green().bold()),
            false => println!("{}", sum.red().bold()),
        }
        Ok(u8::from(!good))
    }

    /// The faults, and the combinations of variants: the right specimen, and each one alone.
    fn chosen(&self) -> Result<(Vec<Fault>, Vec<Vec<Variant>>), Failure> {
        for name in &self.only {
            let is_variant = Variant::ALL.iter().any(|it| it.name() == name);
            match Fault::ALL.iter().find(|it| it.name() == name) {
                Some(fault) if faults_with_a_check().all(|it| it != *fault) => {
                    return Err(Failure::usage(format!(
                        "{name} breaks {}, which has no check yet",
                        fault.kills()
                    )));
                }
                None if !is_variant => {
                    return Err(Failure::usage(format!(
                        "no fault or variant is called {name:?}; `mpc-conformance selftest` names \
                         them all"
                    )));
                }
                _ => {}
            }
        }
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|only| only == name);
        let faults = faults_with_a_check().filter(|it| wanted(it.name())).collect();
        let right = self.only.is_empty().then(Vec::new);
        let each = Variant::ALL.iter().filter(|it| wanted(it.name())).map(|it| vec![*it]);
        Ok((faults, right.into_iter().chain(each).collect()))
    }

    fn faults(&self, faults: &[Fault]) -> Vec<FaultTrial> {
        let mut count = Count::new("faults", faults.len());
        on_all_cores(faults, |fault| try_fault(*fault, self.matrix), |_| count.one_more())
    }

    fn variants(&self, variants: &[Vec<Variant>]) -> Vec<VariantTrial> {
        let mut count = Count::new("variants", variants.len());
        on_all_cores(variants, |variants| try_variants(variants), |_| count.one_more())
    }
}

/// How far it is, on a terminal.
struct Count {
    what: &'static str,
    done: usize,
    all: usize,
}

impl Count {
    fn new(what: &'static str, all: usize) -> Self {
        Self { what, done: 0, all }
    }

    fn one_more(&mut self) {
        self.done += 1;
        if std::io::stderr().is_terminal() {
            let end = if self.done == self.all { "\r\x1b[K" } else { "" };
            eprint!("\r{} of {} {}{end}", self.done, self.all, self.what);
        }
    }
}

/// A line a fault, by the requirement that it breaks.
fn print_matrix(found: &[FaultTrial]) {
    for family in FAMILIES {
        let of_family: Vec<_> = found.iter().filter(|it| it.killer.family == family.name).collect();
        if of_family.is_empty() {
            continue;
        }
        println!("{}", format!("{}: {}", family.name, family.title).bold());
        for trial in of_family {
            let mark = match trial.survives() {
                None => "found".green().to_string(),
                Some(_) => "SURVIVES".red().bold().to_string(),
            };
            let also = match trial.also.is_empty() {
                true => String::new(),
                false => format!("   also {}", trial.also.join(" ")),
            };
            println!("  {:<7} {:<44} {mark}{also}", trial.killer.id, trial.fault.name());
        }
    }
}

fn print_survivor(trial: &FaultTrial, why: &str) {
    println!(
        "{} {} is not found by {}: {why}",
        "SURVIVES".red().bold(),
        trial.fault.name(),
        trial.killer.id
    );
    println!("    {}", textwrap(trial.fault.story(), 92).join("\n    "));
}

fn print_alarms(trial: &VariantTrial) {
    let names: Vec<_> = trial.variants.iter().map(|it| it.name()).collect();
    let name = if names.is_empty() { "the right specimen".into() } else { names.join(" + ") };
    println!("{} on {name}:", "FALSE ALARM".red().bold());
    for report in &trial.alarms {
        println!("    {} {}: {}", report.id, report.outcome.name(), report.detail);
    }
}
