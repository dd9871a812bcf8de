//! `mpc-conformance selftest`.

mod fuzzing;
mod watch;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::{eprint, eprintln, println};
use clap::Args;
use owo_colors::OwoColorize as _;

use self::watch::Watch;
use super::Failure;
use super::list::textwrap;
use super::run::{LATENCY_MAX, writable};
use crate::causes;
use crate::families::{self, FAMILIES};
use crate::report::html::matrix::Matrix;
use crate::select::Selection;
use crate::selftest::{
    FaultTrial, VariantTrial, faults_with_a_check, name_of, on_all_cores, some_together, try_fault,
    try_variants, without_a_fault,
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
    /// Only these faults or variants, by name; variants joined by + are tried together. May be
    /// repeated.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only the checks of these requirements, such as 'ORD-*', with their faults; variants have to
    /// pass only them. May be repeated.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    check: Vec<String>,
    /// Try so many random pairs and triples of variants as well, half of them each.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        conflicts_with = "only"
    )]
    together: usize,
    /// What the random choices of --together and --fuzz derive from.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Put the variants at the end of a long way, on which all that is sent takes up to so many
    /// milliseconds each way. Where this takes too long for a verdict, there may be none.
    #[arg(long, value_name = "MS", default_value_t = 0, hide_default_value = true,
          value_parser = clap::value_parser!(u64).range(..=LATENCY_MAX))]
    latency: u64,
    /// Run the whole suite on each fault, and show which other checks find it too.
    #[arg(long)]
    matrix: bool,
    /// Look for each fault by random programs that are not told what to look for, for at most so many
    /// seconds, instead of by its check; and print how many programs that took, and how small they
    /// got. No variants are tried.
    #[arg(long, value_name = "SECONDS",
          conflicts_with_all = ["together", "latency", "matrix", "write_symptoms", "html"])]
    fuzz: Option<u64>,
    /// Write what the checks said of each fault, and try no variants: reports name likely causes by
    /// it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "check", "together"])]
    write_symptoms: Option<PathBuf>,
    /// Write what was found to FILE as a page: of each fault what it is, which check found it, and
    /// what that said.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print only what is wrong, and the sum.
    #[arg(long, short)]
    quiet: bool,
    /// Print the N trials that took longest as well, in seconds of this machine's time.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    slowest: usize,
}

impl Selftest {
    pub(super) fn execute(self) -> Result<u8, Failure> {
        let selection = Selection::new(&self.check, &[], &[]).map_err(Failure::usage)?;
        let (faults, variants) = self.chosen(&selection)?;
        if let Some(seconds) = self.fuzz {
            self.hunts(&faults, Duration::from_secs(seconds));
            return Ok(0);
        }
        for file in self.html.iter().chain(&self.write_symptoms) {
            writable(file)?;
        }
        let (mut found, mut alarms) = Watch::default().over(|watch| {
            (self.faults(&faults, watch), self.variants(&variants, &selection, watch))
        });
        found.sort_by_key(|it| Fault::ALL.iter().position(|fault| *fault == it.fault));
        if let Some(file) = &self.write_symptoms {
            write_symptoms(&found, file)?;
        }
        let survivors = found.iter().filter(|it| it.survives().is_some()).count();
        let whole = self.only.is_empty() && selection.is_everything();
        let untested = if whole { without_a_fault() } else { Vec::new() };
        if let Some(file) = &self.html {
            alarms.sort_by_key(|it| variants.iter().position(|variants| *variants == it.variants));
            let (faults, variants, untested) = (&found, &alarms, &untested);
            let matrix = Matrix { faults, variants, untested, whole: self.matrix };
            write(file, &matrix.render())?;
        }
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
        let times = found.iter().map(|it| (it.took, it.fault.name().into()));
        let times = times.chain(alarms.iter().map(|it| (it.took, it.name())));
        print_slowest(times.collect(), self.slowest);
        print_undecided(&alarms);
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

    /// The faults, and the combinations of variants: the right specimen, each one alone, and what
    /// is to be tried together.
    fn chosen(&self, selection: &Selection) -> Result<(Vec<Fault>, Vec<Vec<Variant>>), Failure> {
        let mut named = Vec::new();
        for name in &self.only {
            let variants = combination(name);
            let is_variant = variants.is_some();
            named.extend(variants);
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
        let is_checked =
            |it: &Fault| families::find(it.kills()).is_some_and(|it| selection.contains(it));
        let faults = faults_with_a_check().filter(|it| wanted(it.name()) && is_checked(it));
        let faults = faults.collect();
        let variants = match self.only.is_empty() {
            true if self.write_symptoms.is_some() => Vec::new(),
            true => {
                let each = Variant::ALL.iter().map(|it| vec![*it]);
                let right = std::iter::once(Vec::new());
                right.chain(each).chain(some_together(self.together, self.seed)).collect()
            }
            false => named,
        };
        Ok((faults, variants))
    }

    fn faults(&self, faults: &[Fault], watch: &Watch) -> Vec<FaultTrial> {
        let mut count = Count::new("faults", faults.len());
        on_all_cores(
            faults,
            |fault| watch.trial(fault.name().into(), || try_fault(*fault, self.matrix)),
            |_| count.one_more(),
        )
    }

    fn hunts(&self, faults: &[Fault], limit: Duration) {
        let mut count = Count::new("faults", faults.len());
        let mut hunts = on_all_cores(
            faults,
            |fault| fuzzing::hunt(*fault, self.seed, limit),
            |_| count.one_more(),
        );
        fuzzing::print(&mut hunts, !self.quiet);
    }

    fn variants(
        &self,
        variants: &[Vec<Variant>],
        selection: &Selection,
        watch: &Watch,
    ) -> Vec<VariantTrial> {
        let mut count = Count::new("variants", variants.len());
        on_all_cores(
            variants,
            |variants| {
                watch.trial(name_of(variants), || {
                    try_variants(variants, selection, Duration::from_millis(self.latency))
                })
            },
            |_| count.one_more(),
        )
    }
}

/// How far it is: as it goes on a terminal, else at each tenth.
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
        let Self { what, done, all } = self;
        if std::io::stderr().is_terminal() {
            let end = if done == all { "\r\x1b[K" } else { "" };
            eprint!("\r{done} of {all} {what}{end}");
        } else if *all >= 20 && *done * 10 / *all > (*done - 1) * 10 / *all {
            eprintln!("{done} of {all} {what}");
        }
    }
}

fn print_slowest(mut times: Vec<(Duration, String)>, many: usize) {
    times.sort_by(|one, other| other.cmp(one));
    for (took, name) in times.iter().take(many) {
        println!("{:>7.1} s  {name}", took.as_secs_f64());
    }
}

/// The variants of this name, joined by `+`, if they are some.
fn combination(name: &str) -> Option<Vec<Variant>> {
    name.split('+').map(|name| name.trim().parse().ok()).collect()
}

fn write_symptoms(found: &[FaultTrial], file: &Path) -> Result<(), Failure> {
    let said = found.iter().filter_map(|it| Some((it.fault, it.killer.finding.as_ref()?)));
    write(file, &causes::symptoms(said))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let folder = file.parent().unwrap_or(file);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(file, text))
        .map_err(|error| Failure::usage(format!("cannot write to {}: {error}", file.display())))
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

/// What had no verdict, by requirement, with how often and one of the reasons.
fn print_undecided(trials: &[VariantTrial]) {
    let mut reasons: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for report in trials.iter().flat_map(|it| &it.undecided) {
        reasons.entry(&report.id).or_insert((0, &report.detail)).0 += 1;
    }
    for (id, (times, why)) in reasons {
        println!("{} {id}, {times} times: {why}", "NO VERDICT".yellow());
    }
}

fn print_alarms(trial: &VariantTrial) {
    println!("{} on {}:", "FALSE ALARM".red().bold(), trial.name());
    for report in &trial.alarms {
        println!("    {} {}: {}", report.id, report.outcome.name(), report.detail);
    }
}
