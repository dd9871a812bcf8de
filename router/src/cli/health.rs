//! Asking a router that runs whether it is ready: for containers and scripts, which have nothing else
//! to ask it with.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::{address, units};

/// Ask a router that runs whether it is ready
///
/// Prints its answer, one line. Exit status: 0 if it is ready, 1 if not or if it does not answer.
#[derive(Debug, clap::Args)]
pub(super) struct Health {
    /// A TOML file with options; see `mpc-router serve --help`
    #[arg(long, env = "MPC_ROUTER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where the router answers operators: the same as its own
    #[arg(long, env = "MPC_ROUTER_OPERATIONS", value_name = "HOST:PORT", value_parser = address)]
    operations: SocketAddr,

    /// How long to wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = units::timer)]
    timeout: Duration,
}

/// The longest answer there can be, with room to spare.
const ANSWER_BYTES: usize = 16 << 10;

/// Asks, and tells the answer.
pub(super) fn run(options: &Health) -> anyhow::Result<()> {
    let silent = || format!("no router answers at {}", options.operations);
    let answer = ask(options).with_context(silent)?;
    let (head, said) = answer.split_once("\r\n\r\n").with_context(silent)?;
    let said = said.lines().next().unwrap_or_default();
    match head.split(' ').nth(1) {
        Some("200") => writeln!(io::stdout(), "{said}").map_err(Into::into),
        Some("503") => bail!("not ready: {said}"),
        _ => bail!("what answers at {} is no router", options.operations),
    }
}

fn ask(options: &Health) -> io::Result<String> {
    let end = Instant::now() + options.timeout;
    let mut address = options.operations;
    if address.ip().is_unspecified() {
        // Where a router listens on all addresses, it is reached on this machine's own.
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    let mut connection = TcpStream::connect_timeout(&address, options.timeout)?;
    connection.write_all(b"GET /readyz HTTP/1.1\r\nhost: router\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 1 << 10];
    while answer.len() < ANSWER_BYTES {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        connection.set_read_timeout(Some(left))?;
        match connection.read(&mut part)? {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
