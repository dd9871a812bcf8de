//! A target that the suite starts from a command, and ends with everything that it started.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tonic::transport::Uri;

use crate::profile::Profile;

/// How long a command may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Lines of output that are kept, to be shown if the process dies.
const LINES_KEPT: usize = 12;

/// Why a command is no target.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A shell would not understand it either.
    #[error("cannot split the command {0:?} into words: a quote is missing")]
    Words(String),
    /// There is no port in it, and none elsewhere.
    #[error(
        "the command {0:?} has no {{port}}, and the profile has no target.address: put {{port}} \
         where the command takes its port"
    )]
    NoPort(String),
    /// Where it should listen cannot be understood.
    #[error("{0:?} is no address that a started target can have: use http://127.0.0.1:PORT")]
    Address(String),
    /// An earlier process listens there.
    #[error("something listens at {0} already: end it, or choose another port")]
    Occupied(SocketAddr),
    /// No port or folder could be had from the system.
    #[error("cannot prepare the start: {0}")]
    System(#[from] std::io::Error),
    /// The program cannot be run.
    #[error("cannot run {program:?}: {source}")]
    Run {
        /// The first word of the command.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended before it listened.
    #[error("the command ended before it listened at {address}: {obituary}")]
    Died {
        /// Where it should have listened.
        address: SocketAddr,
        /// How it ended and what it said last.
        obituary: String,
    },
    /// It goes on and does not listen.
    #[error("the command did not listen at {address} within {} s{said}", START_LIMIT.as_secs())]
    Deaf {
        /// Where it should have listened.
        address: SocketAddr,
        /// What it said last.
        said: String,
    },
}

impl ProcessError {
    /// Whether the command or the address makes no sense, rather than that it did not work.
    pub(super) fn is_usage(&self) -> bool {
        matches!(self, Self::Words(_) | Self::NoPort(_) | Self::Address(_))
    }
}

/// A process of the suite's own, in a process group of its own.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
    address: Uri,
    output: Output,
    /// Removed with it.
    _data: TempDir,
}

impl Process {
    pub(super) async fn start(command: &str, profile: &Profile) -> Result<Self, ProcessError> {
        let socket = socket_of(command, profile)?;
        if TcpStream::connect(socket).await.is_ok() {
            return Err(ProcessError::Occupied(socket));
        }
        let data = tempfile::Builder::new().prefix("mpc-conformance-").tempdir()?;
        let filled = command
            .replace("{port}", &socket.port().to_string())
            .replace("{data}", &data.path().display().to_string());
        let words = shlex::split(&filled).ok_or_else(|| ProcessError::Words(command.into()))?;
        let (program, arguments) =
            words.split_first().ok_or_else(|| ProcessError::Words(command.into()))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ProcessError::Run { program: program.clone(), source })?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let output = Output::default();
        output.follow(child.stdout.take());
        output.follow(child.stderr.take());
        let address = format!("http://{socket}").parse().expect("a socket's address is a host");
        let mut process = Self { child, group, address, output, _data: data };
        process.listens(socket).await?;
        Ok(process)
    }

    pub(super) fn address(&self) -> &Uri {
        &self.address
    }

    async fn listens(&mut self, address: SocketAddr) -> Result<(), ProcessError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(obituary) = self.obituary() {
                return Err(ProcessError::Died { address, obituary });
            }
            if TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ProcessError::Deaf { address, said: self.output.said() });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn obituary(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(format!("it ended with {status}{}", self.output.said()))
    }

    pub(super) async fn stop(mut self, stop_timeout_ms: u64) {
        self.signal(Signal::TERM);
        let patience = Duration::from_millis(stop_timeout_ms);
        // Whether it ended by itself or not: dropping it ends what is left of its group.
        let _ = tokio::time::timeout(patience, self.child.wait()).await;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group that has ended already needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Also after a panic or Ctrl-C: the whole group goes.
impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Where the command will listen: a free port if it has a place for one, else the profile's.
fn socket_of(command: &str, profile: &Profile) -> Result<SocketAddr, ProcessError> {
    if let Some(address) = &profile.target.address {
        let wrong = || ProcessError::Address(address.clone());
        let socket = address.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
        return socket.replace("localhost", "127.0.0.1").parse().map_err(|_| wrong());
    }
    if !command.contains("{port}") {
        return Err(ProcessError::NoPort(command.into()));
    }
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// The last lines of a process's output.
#[derive(Clone, Debug, Default)]
struct Output(Arc<Mutex<VecDeque<String>>>);

impl Output {
    fn follow(&self, stream: Option<impl AsyncRead + Send + Unpin + 'static>) {
        let Some(stream) = stream else { return };
        let kept = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                let mut kept = kept.0.lock().expect("nobody panics with it");
                if kept.len() == LINES_KEPT {
                    kept.pop_front();
                }
                kept.push_back(String::from_utf8_lossy(&line).trim_end().into());
            }
        });
    }

    fn said(&self) -> String {
        let kept = self.0.lock().expect("nobody panics with it");
        match kept.len() {
            0 => ", and it printed nothing".into(),
            _ => {
                let lines: Vec<_> = kept.iter().map(|line| format!("\n  | {line}")).collect();
                format!("; it printed last:{}", lines.concat())
            }
        }
    }
}
