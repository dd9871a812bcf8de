//! The command line. What stands on an option here is its `--help`.

mod serve;
mod units;

use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Carries the messages of threshold ceremonies between parties.
///
/// The reference router of the MessageRouter contract: ten gRPC calls on one port, with health checks
/// and reflection beside them.
#[derive(Debug, Parser)]
#[command(name = "mpc-router", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Serve),
    /// Print completions for a shell
    ///
    /// For bash: `mpc-router completions bash > ~/.local/share/bash-completion/completions/mpc-router`
    #[command(verbatim_doc_comment)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Run a router
///
/// It keeps everything in memory: what it accepts is safe as long as it runs, and gone when it ends.
/// SIGINT or SIGTERM stops it in good order; a second one ends it at once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Serve {
    /// Where to listen, as HOST:PORT; port 0 lets the system choose one
    #[arg(
        long,
        env = "MPC_ROUTER_LISTEN",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:50051",
        value_parser = address
    )]
    listen: SocketAddr,

    /// How long after it was last heard of a party is offline
    ///
    /// Registering, a heartbeat, a poll and opening a stream count; an open stream alone does not.
    #[arg(
        long,
        env = "MPC_ROUTER_HEARTBEAT_TIMEOUT",
        value_name = "DURATION",
        default_value = "30s",
        value_parser = units::timer
    )]
    heartbeat_timeout: Duration,

    /// How long to wait for an acknowledgement before a message is sent again
    ///
    /// The time begins when the message has gone on its way: what a slow reader holds back is not sent
    /// yet.
    #[arg(
        long,
        env = "MPC_ROUTER_ACK_TIMEOUT",
        value_name = "DURATION",
        default_value = "5s",
        value_parser = units::timer
    )]
    ack_timeout: Duration,

    /// How often a message is sent again before its delivery counts as failed
    ///
    /// Only a party with an open stream uses up retries.
    #[arg(long, env = "MPC_ROUTER_MAX_RETRIES", value_name = "NUMBER", default_value_t = 5)]
    max_retries: u32,

    /// How long a message is kept for recipients that stay away
    ///
    /// Its deliveries count as failed then.
    #[arg(
        long,
        env = "MPC_ROUTER_MESSAGE_TTL",
        value_name = "DURATION",
        default_value = "24h",
        value_parser = units::timer
    )]
    message_ttl: Duration,

    /// Let anybody take part in any session, announced or not, over or not
    ///
    /// For systems that publish no session events. Without it, only the members of a session that was
    /// announced and has not ended send and receive in it.
    #[arg(long, env = "MPC_ROUTER_OPEN_SESSIONS")]
    open_sessions: bool,

    /// The largest payload of a message
    ///
    /// Above some 3 MiB parties have to raise the limit of what their gRPC library receives.
    #[arg(
        long,
        env = "MPC_ROUTER_MAX_PAYLOAD",
        value_name = "SIZE",
        default_value = "2MiB",
        value_parser = units::size
    )]
    max_payload: usize,

    /// How long stopping may take: calls under way are finished that long, then cut off
    #[arg(
        long,
        env = "MPC_ROUTER_STOP_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s",
        value_parser = units::duration
    )]
    stop_timeout: Duration,

    /// What to log: error, warn, info, debug or trace, or a list such as `warn,mpc_router=debug`
    ///
    /// Payloads, tokens and addresses are never logged.
    #[arg(
        long,
        env = "MPC_ROUTER_LOG",
        value_name = "FILTER",
        default_value = "info",
        value_parser = serve::filter
    )]
    log: String,

    /// How to log, on standard error
    #[arg(long, env = "MPC_ROUTER_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// One line an event, for people
    Text,
    /// One JSON object an event, for programs
    Json,
}

const EXAMPLES: &str = "\
Examples:
  mpc-router serve
      on 127.0.0.1:50051, for trying things out
  mpc-router serve --listen 0.0.0.0:50051 --log-format json
      for other machines, with logs for a collector
  mpc-router serve --listen 127.0.0.1:0 --heartbeat-timeout 1500ms
      for tests: a port that is free, and parties that are soon offline

Durations are written as 1500ms, 30s, 5m, 24h or 7d; sizes as 512KiB, 2MiB or 1GiB.
The standard output has one line, `listening on HOST:PORT`, once the port is open.
Exit status: 0 after an orderly stop, 1 if it could not run, 2 if the command line is wrong.";

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(options) => serve::run(&options),
        Command::Completions { shell } => completions(shell),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told if even this cannot be written.
            let _ = writeln!(anstream::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mpc-router", &mut script);
    io::stdout().write_all(&script)?;
    Ok(())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|_| NO_ADDRESS.to_owned())?;
    found.next().ok_or_else(|| NO_ADDRESS.to_owned())
}

const NO_ADDRESS: &str = "no such address: write HOST:PORT, such as 127.0.0.1:50051";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        assert_eq!(address("127.0.0.1:0"), Ok(([127, 0, 0, 1], 0).into()));
        assert!(address("127.0.0.1").is_err());
        assert!(address("50051").is_err());
    }
}
