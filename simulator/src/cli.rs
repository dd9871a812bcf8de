//! Commands, their options and exit codes.

mod world;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use mpc_simulator::ceremony::{self, Ended, Plan, Protocol};
use mpc_simulator::flow::{Flow, Members};
use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::display::{Display, print_report};

/// Exit code: the verdict failed, or the ceremony was stopped.
const FAILED: u8 = 1;
/// Exit code: something on this machine failed, such as writing a file.
const TROUBLE: u8 = 3;
/// Exit code: the target could not be reached, or not any more.
const UNREACHABLE: u8 = 4;
/// Exit code: the command makes no sense.
const USAGE: u8 = 5;

/// Simulated parties that run threshold ceremonies through any MessageRouter.
///
/// They register, stream, poll, acknowledge, come late and reconnect as real parties do; they
/// generate a key and sign with it for real, and then say whether the router did its work: not only
/// whether the signature is valid, but whether every message came once, whole, and to nobody else.
#[derive(Parser)]
#[command(name = "mpc-simulator", version, after_long_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  Start a router, then let five parties make a key and sign with three of them:
    mpc-router serve &
    mpc-simulator ceremony --target http://127.0.0.1:50051

  The traffic of another protocol, without its cryptography:
    mpc-simulator flows
    mpc-simulator ceremony --flow gg18-keygen --target http://127.0.0.1:50051

  A virtual world, all by itself; many of them; and one that failed, as a story:
    mpc-simulator world --seed 7
    mpc-simulator world --minutes 5
    mpc-simulator world --seed 7 --trace -

  A flow of your own, beginning with one that is there:
    mpc-simulator flows gg18-sign > mine.toml
    mpc-simulator ceremony --flow mine.toml --target http://127.0.0.1:50051

Exit codes:
  0  everything was verified
  1  the verdict failed, or the ceremony was stopped
  3  something on this machine failed, such as writing a file
  4  the router could not be reached, or went away
  5  the command makes no sense";

#[derive(Subcommand)]
enum Command {
    /// Run one ceremony, verify everything about it, and tell what each party did.
    Ceremony(CeremonyArgs),
    /// Play a virtual world: the reference router and its parties in virtual time, whatever goes wrong.
    ///
    /// Connections break, networks split, disks are slow or fail, the router is killed while it writes,
    /// clocks jump, parties crash, vanish or come a day late: as a seed or a scenario says. All that
    /// leaves the router is checked on the way; when all is well again, every ceremony has to end well.
    /// The same seed goes the same way each time.
    World(world::WorldArgs),
    /// List the flows that come with the simulator, or print one of them.
    Flows {
        /// Print this flow, as a beginning for one of your own.
        name: Option<String>,
    },
    /// Print a completion script for a shell.
    ///
    /// For instance: mpc-simulator completions bash > ~/.local/share/bash-completion/completions/mpc-simulator
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Args)]
struct CeremonyArgs {
    /// The router, such as http://127.0.0.1:50051.
    #[arg(long, env = "MPC_ROUTER_TARGET", value_name = "ADDRESS")]
    target: Option<String>,
    /// How many parties take part. Of each five, one is a delegate, one comes late, and one polls.
    #[arg(long, short = 'n', default_value_t = 5)]
    parties: u16,
    /// How many of them it takes to sign.
    #[arg(long, short = 't', default_value_t = 3)]
    threshold: u16,
    /// Run a scripted flow instead of FROST: one that `mpc-simulator flows` lists, or a file.
    #[arg(long, value_name = "NAME|FILE")]
    flow: Option<String>,
    /// Where keys, nonces, payloads and pauses come from: the same seed and prefix make the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long everything may take: 500ms, 60s, 5m.
    #[arg(long, default_value = "60s", value_parser = duration, value_name = "TIME")]
    deadline: Duration,
    /// What names of parties and sessions begin with; its own for each run if not given.
    #[arg(long)]
    prefix: Option<String>,
    /// Write the report as JSON; - means standard output, and nothing else is printed there then.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print the outcome in one line, and nothing on the way.
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Print every message as it is sent, received and acknowledged.
    #[arg(long, short)]
    verbose: bool,
}

/// What goes wrong, with the exit code that says so.
struct Failure(u8, String);

/// Anything that is not told otherwise is trouble on this machine.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self(TROUBLE, format!("{error:#}"))
    }
}

impl Failure {
    fn usage(error: impl std::fmt::Display) -> Self {
        Self(USAGE, error.to_string())
    }
}

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wanted = !error.use_stderr();
            // Nobody listens if even that cannot be printed.
            drop(error.print());
            return if wanted { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    let outcome = match cli.command {
        Command::Ceremony(args) => run_ceremony(args),
        Command::World(args) => world::run(&args),
        Command::Flows { name } => list_flows(name.as_deref()),
        Command::Completions { shell } => complete(shell),
    };
    match outcome {
        Ok(code) => code,
        Err(Failure(code, why)) => {
            drop(writeln!(anstream::stderr(), "{} {why}", "error:".red().bold()));
            ExitCode::from(code)
        }
    }
}

fn run_ceremony(args: CeremonyArgs) -> Result<ExitCode, Failure> {
    let protocol = match &args.flow {
        Some(flow) => Protocol::Flow(Flow::find(flow).map_err(Failure::usage)?),
        None => Protocol::Frost,
    };
    let mut plan = Plan {
        parties: args.parties,
        threshold: args.threshold,
        protocol,
        seed: args.seed,
        deadline: args.deadline,
        ..Plan::default()
    };
    if let Some(prefix) = args.prefix {
        plan.prefix = prefix;
    }
    plan.check().map_err(Failure::usage)?;
    let target = args.target.ok_or_else(|| Failure::usage(NO_TARGET))?;
    let connect = ceremony::dial(&target).map_err(Failure::usage)?;

    let mut display = Display::new(&plan, &target, args.quiet, args.verbose);
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let stop = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        // The first ends the ceremony in good order; who cannot wait for that asks again.
        tokio::spawn(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(i32::from(FAILED));
            }
        });
    };
    let report = runtime
        .block_on(ceremony::run_until(connect, &plan, |news| display.show(&news), stop))
        .map_err(Failure::usage)?;
    display.finish();

    let to_stdout = args.json.as_deref() == Some(Path::new("-"));
    if let Some(path) = &args.json {
        write_json(&report, path, to_stdout)?;
    }
    // Of a ceremony that nobody could begin there is nothing to tell but why.
    if !to_stdout && report.ended != Ended::Unreachable {
        print_report(&mut anstream::stdout(), &report, args.quiet).context("cannot print")?;
    }
    match report.ended {
        Ended::Unreachable => {
            let why = report.reason.as_deref().unwrap_or("no answer");
            Err(Failure(
                UNREACHABLE,
                format!("no router answers at {target} ({why}): start one with `mpc-router serve`"),
            ))
        }
        Ended::Completed | Ended::Failed | Ended::Interrupted if !report.passed() => {
            Ok(ExitCode::from(FAILED))
        }
        Ended::Completed | Ended::Failed | Ended::Interrupted => Ok(ExitCode::SUCCESS),
    }
}

const NO_TARGET: &str = "no router is given: start one with `mpc-router serve`, and say where it is \
                         with --target http://127.0.0.1:50051";

fn write_json(report: &impl Serialize, path: &Path, to_stdout: bool) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(report).context("cannot write the report as JSON")?;
    if to_stdout {
        writeln!(io::stdout(), "{json}").context("cannot write to standard output")
    } else {
        File::create(path)
            .and_then(|mut file| writeln!(file, "{json}"))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

fn list_flows(name: Option<&str>) -> Result<ExitCode, Failure> {
    let mut out = anstream::stdout();
    if let Some(name) = name {
        let text = Flow::shipped_text(name).ok_or_else(|| {
            Failure::usage(format!("no flow is called {name}: `mpc-simulator flows` lists them"))
        })?;
        write!(out, "{text}").context("cannot print")?;
        return Ok(ExitCode::SUCCESS);
    }
    for flow in Flow::shipped() {
        let members = match flow.members {
            Members::All => "all parties",
            Members::Threshold => "threshold",
        };
        let rounds = flow.rounds.len();
        let name = format!("{:<16}", flow.name);
        let numbers = format!("{members:<12} {rounds} rounds");
        writeln!(out, "{} {numbers}  {}", name.bold(), flow.about).context("cannot print")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn complete(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mpc-simulator", &mut script);
    io::stdout().write_all(&script).context("cannot print")?;
    Ok(ExitCode::SUCCESS)
}

/// Reads `500ms`, `60s`, `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err("write it as 500ms, 60s or 5m".into()),
    };
    let number: u64 = number.parse().map_err(|_| "write it as 500ms, 60s or 5m".to_owned())?;
    Ok(Duration::from_millis(number.saturating_mul(milliseconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for wrong in ["", "5", "s", "-5s", "5h", "99999999999999999999m", "1.5s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
