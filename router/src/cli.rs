//! The command line. What stands on an option here is its `--help`.

mod certs;
mod file;
mod health;
mod logs;
mod notify;
mod reference;
mod serve;
mod systemd;
mod tls;
mod traces;
mod units;

use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use mpc_router::store::{Contents, Store};

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
    Serve(Box<Serve>),
    /// Read all that a data directory holds, and change nothing
    ///
    /// Tells what is in it, or what is damaged and where. The router that uses the directory must not
    /// run meanwhile. Exit status: 0 if the store is whole, 1 if not.
    Check {
        /// The directory that was given to `serve --data`
        #[arg(long, env = "MPC_ROUTER_DATA", value_name = "DIR")]
        data: PathBuf,
    },
    /// Print the reference of all that can be configured, in Markdown
    Config {
        /// Print a configuration file to begin with instead
        #[arg(long)]
        example: bool,
    },
    Health(health::Health),
    /// Print the reference of the metrics, in Markdown
    Metrics,
    Certs(certs::Certs),
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
/// With --data, what it accepts survives its end, however that comes. Without, it keeps everything in
/// memory: what it accepts is safe as long as it runs, and gone when it ends.
/// SIGINT or SIGTERM stops it in good order; a second one ends it at once. SIGHUP has certificates and
/// the file's `log` read again.
///
/// Each option can be set on the command line, in the environment, or in a file; what comes first in
/// this list counts. `mpc-router config` prints the whole reference.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Serve {
    /// A TOML file with options, each by its name without dashes in front: `ack-timeout = "5s"`
    #[arg(long, env = "MPC_ROUTER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Tell whether all that is set is right, and do not start
    #[arg(long)]
    check_config: bool,

    /// Where to listen, as HOST:PORT; port 0 lets the system choose one
    #[arg(
        long,
        help_heading = "Network",
        env = "MPC_ROUTER_LISTEN",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:50051",
        value_parser = address
    )]
    listen: SocketAddr,

    /// Where to keep what was accepted: a directory of its own, made if it is not there
    ///
    /// A reply leaves once the disk has what it tells of. One directory serves one router at a time.
    #[arg(long, help_heading = "Storage", env = "MPC_ROUTER_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// How long after it was last heard of a party is offline
    ///
    /// Registering, a heartbeat, a poll and opening a stream count; an open stream alone does not.
    #[arg(
        long,
        help_heading = "Timers",
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
        help_heading = "Timers",
        env = "MPC_ROUTER_ACK_TIMEOUT",
        value_name = "DURATION",
        default_value = "5s",
        value_parser = units::timer
    )]
    ack_timeout: Duration,

    /// How often a message is sent again before its delivery counts as failed
    ///
    /// Only a party with an open stream uses up retries.
    #[arg(
        long,
        help_heading = "Timers",
        env = "MPC_ROUTER_MAX_RETRIES",
        value_name = "NUMBER",
        default_value_t = 5
    )]
    max_retries: u32,

    /// How long a message is kept for recipients that stay away
    ///
    /// Its deliveries count as failed then. As long after that its status can be asked for, and a
    /// session is kept after its end.
    #[arg(
        long,
        help_heading = "Timers",
        env = "MPC_ROUTER_MESSAGE_TTL",
        value_name = "DURATION",
        default_value = "24h",
        value_parser = units::timer
    )]
    message_ttl: Duration,

    /// How long a session that nothing has ended is kept when nothing happens in it
    #[arg(
        long,
        help_heading = "Timers",
        env = "MPC_ROUTER_SESSION_IDLE_TTL",
        value_name = "DURATION",
        default_value = "30d",
        value_parser = units::timer
    )]
    session_idle_ttl: Duration,

    /// Let anybody take part in any session, announced or not, over or not
    ///
    /// For systems that publish no session events. Without it, only the members of a session that was
    /// announced and has not ended send and receive in it.
    #[arg(long, help_heading = "Identity", env = "MPC_ROUTER_OPEN_SESSIONS")]
    open_sessions: bool,

    /// The largest payload of a message
    ///
    /// Above some 3 MiB parties have to raise the limit of what their gRPC library receives.
    #[arg(
        long,
        help_heading = "Limits",
        env = "MPC_ROUTER_MAX_PAYLOAD",
        value_name = "SIZE",
        default_value = "2MiB",
        value_parser = units::size
    )]
    max_payload: usize,

    /// How many bytes of messages may wait in memory for their recipients
    ///
    /// Over all sessions; what would be more is refused with RESOURCE_EXHAUSTED. Have as much memory for
    /// it, and some for the rest.
    #[arg(
        long,
        help_heading = "Limits",
        env = "MPC_ROUTER_MAX_OUTSTANDING",
        value_name = "SIZE",
        default_value = "2GiB",
        value_parser = units::size
    )]
    max_outstanding: usize,

    /// How long stopping may take: calls under way are finished that long, then cut off
    #[arg(
        long,
        help_heading = "Timers",
        env = "MPC_ROUTER_STOP_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s",
        value_parser = units::duration
    )]
    stop_timeout: Duration,

    /// What to log: error, warn, info, debug or trace, or a list such as `warn,mpc_router=debug`
    ///
    /// Payloads, tokens and addresses are never logged. On SIGHUP it is read again from the file.
    #[arg(
        long,
        help_heading = "Observability",
        env = "MPC_ROUTER_LOG",
        value_name = "FILTER",
        default_value = "info",
        value_parser = logs::filter
    )]
    log: String,

    /// How to log, on standard error
    #[arg(
        long,
        help_heading = "Observability",
        env = "MPC_ROUTER_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    log_format: LogFormat,

    /// Where to answer operators over HTTP: /metrics, /healthz, /readyz and /log
    ///
    /// Whoever can connect there may read all of it and change what is logged, so let it be an
    /// address of this machine or of a network of operators, such as 127.0.0.1:9464.
    #[arg(
        long,
        help_heading = "Observability",
        env = "MPC_ROUTER_OPERATIONS",
        value_name = "HOST:PORT",
        value_parser = address
    )]
    operations: Option<SocketAddr>,

    /// Where to send traces of calls: an OpenTelemetry collector's gRPC address
    ///
    /// Such as http://127.0.0.1:4317. Each call is a span with its session, its party and its code; one
    /// whose metadata has a W3C `traceparent` is part of that trace. Unencrypted, so let the collector
    /// be on this machine. Only in a router that was built with the feature `otel`.
    #[arg(
        long,
        help_heading = "Observability",
        env = "MPC_ROUTER_OTLP_ENDPOINT",
        value_name = "URL",
        value_parser = traces::endpoint
    )]
    otlp_endpoint: Option<String>,

    #[command(flatten)]
    tls: tls::TlsOptions,

    #[command(flatten)]
    notify: notify::NotifyOptions,
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
  mpc-router serve --listen 0.0.0.0:50051 --data /var/lib/mpc-router --log-format json
      for other machines, durable, with logs for a collector
  mpc-router serve --listen 127.0.0.1:0 --heartbeat-timeout 1500ms
      for tests: a port that is free, and parties that are soon offline
  mpc-router certs ./certs --party alice
  mpc-router serve --tls-cert certs/server.pem --tls-key certs/server.key \\
      --tls-client-ca certs/ca.pem
      for known parties alone: each acts in its own name
  MPC_ROUTER_NOTIFY_URL=https://USER:PASSWORD@push.example/notify mpc-router serve
      for parties that are away, and are told when something waits for them

Durations are written as 1500ms, 30s, 5m, 24h or 7d; sizes as 512KiB, 2MiB or 1GiB.
The standard output has one line, `listening on HOST:PORT`, once the port is open.
Exit status: 0 after an orderly stop, 1 if it could not run, 2 if the command line, the environment
or the file is wrong.";

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    let arguments = file::Arguments::new(std::env::args_os().collect());
    let parsed = match arguments.complete() {
        Ok(arguments) => Cli::parse_from(arguments),
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "error: {error}");
            return ExitCode::from(WRONG_COMMAND_LINE);
        }
    };
    let done = match parsed.command {
        Command::Serve(options) => serve::run(&options, arguments),
        Command::Config { example } => configuration(example),
        Command::Check { data } => check(&data),
        Command::Health(options) => health::run(&options),
        Command::Metrics => metrics(),
        Command::Certs(options) => certs::run(&options),
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

/// What clap ends with as well.
const WRONG_COMMAND_LINE: u8 = 2;

fn configuration(example: bool) -> anyhow::Result<()> {
    let text = if example { reference::example() } else { reference::page() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn metrics() -> anyhow::Result<()> {
    io::stdout().write_all(mpc_router::metrics::page::page().as_bytes())?;
    Ok(())
}

fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mpc-router", &mut script);
    io::stdout().write_all(&script)?;
    Ok(())
}

fn check(data: &Path) -> anyhow::Result<()> {
    let Contents { parties, sessions, records, outstanding, commits, .. } = Store::check(data)?;
    writeln!(
        io::stdout(),
        "{}: whole; {parties} parties, {sessions} sessions, {records} records, {outstanding} \
         deliveries outstanding, {commits} commits",
        data.display(),
    )?;
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
