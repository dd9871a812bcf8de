//! `mpc-simulator world`.

mod batch;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use clap::builder::RangedI64ValueParser;
use mpc_simulator::world::{
    Audience, Drawing, MAX_HOURS, MAX_IDLE_PARTIES, Outcome, Scenario, draw, play_before,
};

use super::{FAILED, Failure, write_json};
use batch::{Batch, Seeds};
use show::Story;

fn few_idle() -> RangedI64ValueParser<u32> {
    RangedI64ValueParser::new().range(..=i64::from(MAX_IDLE_PARTIES))
}

fn few_hours() -> RangedI64ValueParser<u32> {
    RangedI64ValueParser::new().range(..=i64::from(MAX_HOURS))
}

#[derive(Args)]
pub(super) struct WorldArgs {
    /// Play the world of this seed: the same seed, with the same options, goes the same way.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Play the worlds of many seeds: A..B, or from 1 on as many as this says.
    #[arg(long, value_name = "A..B|N", conflicts_with_all = ["seed", "scenario"])]
    seeds: Option<Seeds>,
    /// Play the worlds of new seeds for so many minutes, such as 5 or 0.5; of --seeds, as many as that
    /// is time for.
    #[arg(long, value_parser = minutes, conflicts_with_all = ["seed", "scenario"])]
    minutes: Option<Duration>,
    /// Play the worlds of the seeds in this file, one a line; what stands after # is a comment.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "seeds", "minutes", "scenario"])]
    seed_list: Option<PathBuf>,
    /// Play this scenario, a TOML file as --print-scenario prints one.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["seed", "parties", "threshold", "flow", "idle_parties", "hours"]
    )]
    scenario: Option<PathBuf>,
    /// Print the scenario as TOML, and play nothing.
    #[arg(long, conflicts_with_all = ["seeds", "minutes", "seed_list"])]
    print_scenario: bool,
    /// How many parties run a ceremony, 0 for none; the seed says if this does not, unless there are
    /// idle parties.
    #[arg(long, short = 'n')]
    parties: Option<u16>,
    /// How many of them it takes to sign; the seed says if this does not.
    #[arg(long, short = 't')]
    threshold: Option<u16>,
    /// What they run: frost, a flow that `mpc-simulator flows` lists, or a file; the seed says if this
    /// does not.
    #[arg(long, value_name = "frost|NAME|FILE")]
    flow: Option<String>,
    /// Parties that are there and only send heartbeats, every 10 s, and hold a stream.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = few_idle())]
    idle_parties: u32,
    /// For how many hours of virtual time idle parties are there.
    #[arg(long, value_name = "H", default_value_t = 24, value_parser = few_hours())]
    hours: u32,
    /// Write all that happens, line by line; - means standard output.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "minutes", "seed_list"])]
    trace: Option<PathBuf>,
    /// Write the outcome as JSON, of a batch each one that failed; - means standard output, and nothing
    /// else is printed there then.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print the outcome in one line, and nothing on the way.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &WorldArgs) -> Result<ExitCode, Failure> {
    let given = Drawing {
        parties: args.parties.or((args.idle_parties > 0).then_some(0)),
        threshold: args.threshold,
        flow: args.flow.clone(),
        idle_parties: args.idle_parties,
        hours: if args.idle_parties > 0 { args.hours } else { 0 },
    };
    let stop = stops_on_interrupt()?;
    if let Some(seeds) = seeds(args)? {
        let batch = Batch { seeds, given, options: options(args), stop, quiet: args.quiet };
        return batch.run(args.json.as_deref());
    }
    let (scenario, line) = match &args.scenario {
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
            let scenario = Scenario::parse(&name, &text).map_err(Failure::usage)?;
            (scenario, format!("mpc-simulator world --scenario {name}"))
        }
        None => (draw(args.seed, &given), line(args.seed, &options(args))),
    };
    scenario.check().map_err(Failure::usage)?;
    if args.print_scenario {
        show::print(&scenario.text())?;
        return Ok(ExitCode::SUCCESS);
    }
    let outcome = play_one(args, &scenario, &stop)?;
    let to_stdout = |path: &Option<PathBuf>| path.as_deref() == Some(std::path::Path::new("-"));
    if let Some(path) = &args.json {
        write_json(&outcome, path, to_stdout(&args.json))?;
    }
    if !to_stdout(&args.json) {
        show::outcome(&outcome, &line, args.quiet)?;
    }
    Ok(if outcome.passed() && !outcome.stopped { ExitCode::SUCCESS } else { FAILED.into() })
}

fn play_one(args: &WorldArgs, scenario: &Scenario, stop: &AtomicBool) -> Result<Outcome, Failure> {
    let mut story = Story::begin(args.trace.as_deref(), args.quiet)?;
    let mut listener = |at: u64, line: &str| story.tell(at, line);
    let audience = Audience { listener: Some(&mut listener), stop: Some(stop) };
    let outcome = play_before(scenario, audience).map_err(Failure::usage)?;
    story.finish()?;
    Ok(outcome)
}

/// The seeds of a batch, if it is one.
fn seeds(args: &WorldArgs) -> Result<Option<Seeds>, Failure> {
    if let Some(path) = &args.seed_list {
        let name = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
        return Ok(Some(Seeds::listed(&name.to_string(), &text).map_err(Failure::usage)?));
    }
    Ok(match (&args.seeds, args.minutes) {
        (Some(seeds), time) => Some(seeds.clone().within(time)),
        (None, Some(time)) => Some(Seeds::new_ones(time)),
        (None, None) => None,
    })
}

/// The options that say, with a seed, which world it is.
fn options(args: &WorldArgs) -> String {
    let mut options = String::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            options.push_str(&format!(" --{name} {value}"));
        }
    };
    add("parties", args.parties.map(|it| it.to_string()));
    add("threshold", args.threshold.map(|it| it.to_string()));
    add("flow", args.flow.clone());
    add("idle-parties", Some(args.idle_parties).filter(|it| *it > 0).map(|it| it.to_string()));
    add("hours", (args.idle_parties > 0).then(|| args.hours.to_string()));
    options
}

/// The command that plays this world again.
fn line(seed: u64, options: &str) -> String {
    format!("mpc-simulator world --seed {seed}{options}")
}

/// Reads a number of minutes.
fn minutes(text: &str) -> Result<Duration, String> {
    let minutes = text.parse::<f64>().ok().filter(|it| *it > 0.0);
    let time = minutes.and_then(|it| Duration::try_from_secs_f64(60.0 * it).ok());
    time.ok_or_else(|| "write it as 5 or 0.5".to_owned())
}

/// What is set by Ctrl-C; the second one ends the process.
fn stops_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stopped.swap(true, Ordering::Relaxed) {
                    std::process::exit(i32::from(FAILED));
                }
            }
        });
    });
    Ok(stop)
}
