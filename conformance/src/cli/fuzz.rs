//! `mpc-conformance fuzz` and `mpc-conformance replay`.

mod live;
mod replay;
mod virtual_time;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anstream::{eprintln, println};
use clap::Args;
use owo_colors::OwoColorize as _;

use super::run::a_new_seed;
use super::{Failure, INTERRUPTED, complain};
use crate::fuzz::attempt::{Attempt, Terms};
use crate::fuzz::check::Finding;
use crate::fuzz::corpus::Saved;
use crate::fuzz::program::Program;
use crate::fuzz::tell;
use crate::profile::Profile;
use crate::target::Spec;

pub(super) use replay::Replay;

const AFTER_HELP: &str = "\
Programs of calls are drawn at random: several parties route, subscribe, poll, acknowledge, lose
their connections and answers, and, where the target claims `durable` and the suite has started it,
the router is stopped and killed. What all clients saw is held against the contract. The first
program that shows something that must not be is made as small as it gets, told as a story, and
saved; `mpc-conformance replay` plays it again.

Without a target, the reference router is fuzzed in this process, each program on a new one, on
virtual time: waiting costs nothing, and the same seed does the same every time.

Exit codes: 0 nothing was found; 1 a MUST is broken; 4 the target cannot be reached, or died;
5 usage; 130 interrupted.

Examples:
  mpc-conformance fuzz --minutes 5                              the reference router
  mpc-conformance fuzz --target http://127.0.0.1:50051 --cases 500
  mpc-conformance fuzz --target 'exec:acme --port {port} --data {data}' --profile acme.toml
  mpc-conformance replay mpc-corpus/lost-1f2e3d4c.json --target http://127.0.0.1:50051";

/// Where programs that show something are saved.
const CORPUS: &str = "mpc-corpus";

/// How many programs are played, where neither cases nor minutes are given.
const CASES: u64 = 1_000;

/// What to fuzz, and how long.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Fuzz {
    #[command(flatten)]
    on: On,
    /// What programs are drawn from: the same seed draws the same ones [default: a new one each time].
    #[arg(long)]
    seed: Option<u64>,
    /// Play so many programs [default: 1000, or as many as fit into the minutes].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    /// Play for so many minutes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// At most so many parties in a program.
    #[arg(long, value_name = "N", default_value_t = 70,
          value_parser = clap::value_parser!(u8).range(2..=200))]
    parties: u8,
    /// So many operations in a program.
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u64).range(1..=100_000))]
    operations: u64,
    /// Call the reference router directly, not through gRPC: many more programs in the same time.
    #[arg(long, conflicts_with_all = ["target", "profile"])]
    direct: bool,
    /// The folder in which programs that show something are kept. Those that are there are played
    /// first.
    #[arg(long, value_name = "DIR", default_value = CORPUS)]
    corpus: PathBuf,
    /// Print nothing but what was found.
    #[arg(long, short)]
    quiet: bool,
}

/// What programs are played on.
#[derive(Debug, Args)]
struct On {
    /// What to fuzz, as for `run`; goes before what the profile says [default: the reference router
    /// in this process, on virtual time].
    #[arg(long)]
    target: Option<String>,
    /// What the suite is told of the target, as for `run`.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

impl On {
    fn subject(&self) -> Result<(Spec, Profile), Failure> {
        let profile = match &self.profile {
            Some(path) => Profile::read(path).map_err(Failure::usage)?,
            None => Profile::default(),
        };
        let spec = match &self.target {
            Some(text) => text.parse(),
            None => Spec::of_profile(&profile),
        };
        let spec = spec.map_err(Failure::usage)?;
        let is_ours = self.profile.is_none() && spec == Spec::BuiltIn;
        Ok((spec, if is_ours { Profile::built_in() } else { profile }))
    }
}

/// How long programs are played.
#[derive(Clone, Copy, Debug)]
struct Limits {
    cases: u64,
    until: Option<Instant>,
}

impl Limits {
    fn is_over(&self, case: u64) -> bool {
        case >= self.cases || self.until.is_some_and(|it| Instant::now() >= it)
    }
}

/// A program that shows something.
struct Found {
    /// Which case of the seed it was; none for one that was kept.
    case: Option<u64>,
    program: Program,
    finding: Finding,
    attempt: Attempt,
    /// How many operations it had before it was made smaller, and how many programs were played for
    /// that.
    before: usize,
    played: usize,
    /// How often it showed the same, and how often it was played for that.
    shows: (u32, u32),
}

/// What came of all programs.
#[derive(Default)]
struct Outcome {
    played: u64,
    found: Option<Found>,
    /// SHOULDs that were broken, once each.
    warned: Vec<Finding>,
    /// Why the target is not there any more.
    lost: Option<String>,
    interrupted: bool,
}

impl Fuzz {
    pub(super) fn execute(self) -> Result<u8, Failure> {
        let (spec, profile) = self.on.subject()?;
        let seed = self.seed.unwrap_or_else(a_new_seed);
        let began = Instant::now();
        let limits = Limits {
            cases: self.cases.unwrap_or(if self.minutes.is_some() { u64::MAX } else { CASES }),
            until: self.minutes.map(|it| began + Duration::from_secs(60 * it)),
        };
        if !self.quiet {
            eprintln!("fuzzing {}, seed {seed}", name_of(&spec));
        }
        let kept = crate::fuzz::corpus::files(&self.corpus).map_err(Failure::usage)?;
        let kept = kept.iter().map(|file| Saved::read(file)).collect::<Result<Vec<_>, _>>();
        let kept: Vec<_> = kept.map_err(Failure::usage)?.into_iter().map(|it| it.program).collect();
        let outcome = match spec {
            Spec::BuiltIn => virtual_time::fuzz(&self, &profile, seed, limits, &kept),
            _ => live::fuzz(&self, &spec, &profile, seed, limits, &kept)?,
        };
        let code = self.told(&spec, seed, &outcome, began.elapsed())?;
        Ok(code)
    }

    fn bounded(&self, mut terms: Terms) -> Terms {
        terms.bounds.parties = self.parties;
        terms.bounds.operations = usize::try_from(self.operations).unwrap_or(usize::MAX);
        terms
    }

    fn told(
        &self,
        spec: &Spec,
        seed: u64,
        outcome: &Outcome,
        took: Duration,
    ) -> Result<u8, Failure> {
        for finding in &outcome.warned {
            println!("{} {}", "warned".yellow().bold(), tell::headline(finding));
            println!("{}", tell::place(finding));
        }
        if let Some(found) = &outcome.found {
            let target = name_of(spec);
            let of = (seed, found.case.unwrap_or_default());
            let saved = Saved::new(found.finding.anomaly, target, of, found.program.clone());
            print_found(found, Some(seed));
            match saved.write(&self.corpus) {
                Ok(file) => self.print_replay(&file),
                Err(error) => complain(&error.to_string()),
            }
        }
        if let Some(lost) = &outcome.lost {
            return Err(Failure { exit_code: super::UNREACHABLE, message: lost.clone() });
        }
        if outcome.interrupted && outcome.found.is_none() {
            return Ok(INTERRUPTED);
        }
        if !self.quiet {
            let rate = outcome.played as f64 / took.as_secs_f64().max(0.001);
            let sum = format!(
                "{} programs in {:.1} s, {rate:.0} a second",
                outcome.played,
                took.as_secs_f64()
            );
            match &outcome.found {
                Some(_) => println!("\n{} {sum}", "found:".red().bold()),
                None => println!("{} {sum}", "nothing found:".green().bold()),
            }
        }
        Ok(u8::from(outcome.found.is_some()))
    }
}

impl Fuzz {
    fn print_replay(&self, file: &Path) {
        let mut words = vec!["mpc-conformance".into(), "replay".into(), file.display().to_string()];
        words.extend(self.on.words());
        let command = shlex::try_join(words.iter().map(String::as_str));
        println!("\nPlay it again:\n  {}", command.unwrap_or_else(|_| words.join(" ")));
    }
}

impl On {
    /// The options that name the same target.
    fn words(&self) -> Vec<String> {
        let target = self.target.iter().flat_map(|it| ["--target".into(), it.clone()]);
        let profile =
            self.profile.iter().flat_map(|it| ["--profile".into(), it.display().to_string()]);
        target.chain(profile).collect()
    }
}

fn name_of(spec: &Spec) -> String {
    match spec {
        Spec::BuiltIn => "the reference router in this process".into(),
        spec => spec.to_string(),
    }
}

fn print_found(found: &Found, seed: Option<u64>) {
    let headline = tell::headline(&found.finding);
    println!("{} {headline}", "broken".red().bold());
    println!("{}", tell::place(&found.finding));
    let (shows, times) = found.shows;
    if let Some(seed) = seed {
        let case = match found.case {
            Some(case) => format!("case {case} of seed {seed}"),
            None => "a program that was kept".into(),
        };
        println!(
            "{case}: {} of its {} operations show it ({} programs played); it shows {shows} of {times} \
             times",
            found.program.steps.len(),
            found.before,
            found.played
        );
    }
    println!("\n{}\n{}", found.program, tell::story(&found.attempt, &found.finding));
}
