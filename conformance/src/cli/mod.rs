//! The command line of `mpc-conformance`.

mod explain;
mod fuzz;
mod init;
mod list;
mod report;
mod run;
mod selftest;

use std::process::ExitCode;

use anstream::{eprintln, print};
use clap::{CommandFactory as _, Parser, Subcommand};
use owo_colors::OwoColorize as _;

use crate::contract;

/// The exit code for a command line or profile that cannot be used.
const USAGE: u8 = 5;

/// The exit code for a target that cannot be reached, or died.
const UNREACHABLE: u8 = 4;

/// The exit code after Ctrl-C, as shells have it, and after the other signals that end a run.
const INTERRUPTED: u8 = 130;

const AFTER_HELP: &str = "\
Examples:
  mpc-conformance                                     the reference router, reports to mpc-report/
  mpc-conformance run --target http://127.0.0.1:50051 a router that runs already
  mpc-conformance run --target 'exec:acme-router --port {port}' --profile acme.toml
  mpc-conformance run --target 'docker:acme:1.4 --port {port}'
  mpc-conformance init acme.toml                      a profile to fill in
  mpc-conformance run --only 'ORD-*' --only ACK-9     some requirements
  mpc-conformance fuzz --minutes 5                    random programs, and the contract as judge
  mpc-conformance report diff old.json new.json       what changed between two reports
  mpc-conformance explain ORD-3                       what one means, and how it is checked

Exit codes of `run`:
  0  conformant: every MUST that applies holds
  1  a MUST is broken, or the ceremony failed; with --baseline, only if that was not known
  2  nothing is broken, but something was inconclusive or not checked
  4  the target cannot be reached, or died
  5  the command line or the profile is wrong, or a report could not be written
  130  interrupted by Ctrl-C or another signal; what was started is ended";

/// Judges any MessageRouter: does it keep what the contract promises?
#[derive(Debug, Parser)]
#[command(name = "mpc-conformance", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Arguments {
    /// What to do; without it, the reference router is judged and all reports are written.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a router.
    Run(Box<run::Run>),
    /// Write a profile to begin with.
    Init(init::Init),
    /// List the requirements.
    List(list::List),
    /// Explain one requirement: what it says, and how it is checked.
    Explain(explain::Explain),
    /// Print the whole contract as Markdown: what its words mean, and every requirement.
    Contract,
    /// Compare reports, or say what they are like.
    Report(report::Report),
    /// Play random programs of calls against a router, and look for one that shows something wrong.
    Fuzz(fuzz::Fuzz),
    /// Play programs that `fuzz` has saved again.
    Replay(fuzz::Replay),
    /// Test the suite itself: plant faults into a right router, and find each of them.
    Selftest(selftest::Selftest),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// An error in one line, and the exit code that it ends with.
#[derive(Debug)]
struct Failure {
    exit_code: u8,
    message: String,
}

impl Failure {
    fn usage(error: impl ToString) -> Self {
        Self { exit_code: USAGE, message: error.to_string() }
    }
}

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be done where even this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let command = arguments.command.unwrap_or_else(|| Command::Run(Box::new(run::Run::demo())));
    let ended = match command {
        Command::Run(command) => command.execute(),
        Command::Init(command) => command.execute(),
        Command::List(command) => command.execute(),
        Command::Explain(command) => command.execute(),
        Command::Contract => {
            print!("{}", contract::page());
            Ok(0)
        }
        Command::Report(command) => command.execute(),
        Command::Fuzz(command) => command.execute(),
        Command::Replay(command) => command.execute(),
        Command::Selftest(command) => command.execute(),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "mpc-conformance", &mut text);
            print!("{}", String::from_utf8_lossy(&text));
            Ok(0)
        }
    };
    match ended {
        Ok(exit_code) => exit_code.into(),
        Err(failure) => {
            complain(&failure.message);
            failure.exit_code.into()
        }
    }
}

fn complain(message: &str) {
    eprintln!("{} {message}", "error:".red().bold());
}

/// Runs a future, unless Ctrl-C or another signal that ends a process comes first; then `None`.
fn block_on<T>(future: impl Future<Output = T>) -> Result<Option<T>, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(format!("cannot start threads: {error}")))?;
    Ok(runtime.block_on(async {
        tokio::select! {
            ended = future => Some(ended),
            () = interrupted() => None,
        }
    }))
}

async fn interrupted() {
    use tokio::signal::unix::SignalKind;
    let hangup = async {
        match ignores_hangup() {
            true => std::future::pending().await,
            false => arrives(SignalKind::hangup()).await,
        }
    };
    tokio::select! {
        () = arrives(SignalKind::interrupt()) => {}
        () = arrives(SignalKind::terminate()) => {}
        () = arrives(SignalKind::quit()) => {}
        () = hangup => {}
    }
}

async fn arrives(kind: tokio::signal::unix::SignalKind) {
    match tokio::signal::unix::signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Whether this process was started to go on after its terminal has gone, as by `nohup`. Only Linux
/// tells.
fn ignores_hangup() -> bool {
    const SIGHUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
    ignored.is_some_and(|it| it & (1 << (SIGHUP - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command with its own commands, and their names.
    fn commands(command: &clap::Command, name: &str) -> Vec<(String, clap::Command)> {
        let mut all = vec![(name.to_owned(), command.clone())];
        for own in command.get_subcommands() {
            all.extend(commands(own, &format!("{name} {}", own.get_name())));
        }
        all
    }

    #[test]
    fn what_help_says_besides_is_not_wrapped() {
        let all = commands(&Arguments::command(), "mpc-conformance");
        assert!(all.iter().any(|(name, _)| name == "mpc-conformance report diff"));
        for (name, command) in all {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "{name}: {line}");
            }
        }
    }
}
