//! A target that the suite starts from a command, and ends with everything that it started.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Uri;

use crate::profile::Profile;

/// How long a command may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How long one attempt to connect may take: an address where nobody answers at all must not
/// outlast [`START_LIMIT`].
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// How often a process is looked at that is to listen, or to end.
const LOOK: Duration = Duration::from_millis(20);

/// How long after its end the last words of a process are waited for. Who holds its output open may
/// live on.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(300);

/// Lines of output that are kept, to be shown if the process dies.
const LINES_KEPT: usize = 12;

/// What is kept of a line. Bytes.
const LINE_LIMIT: usize = 8 * 1024;

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
        if connects(socket).await {
            return Err(ProcessError::Occupied(socket));
        }
        let data = tempfile::Builder::new().prefix("mpc-conformance-").tempdir()?;
        let (port, folder) = (socket.port().to_string(), data.path().display().to_string());
        // Split first: a folder with a space in its name is one word.
        let words: Vec<_> = shlex::split(command)
            .ok_or_else(|| ProcessError::Words(command.into()))?
            .iter()
            .map(|word| word.replace("{port}", &port).replace("{data}", &folder))
            .collect();
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
        let mut output = Output::default();
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
            if let Some(obituary) = self.obituary().await {
                return Err(ProcessError::Died { address, obituary });
            }
            if connects(address).await {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ProcessError::Deaf { address, said: self.output.said() });
            }
            sleep(LOOK).await;
        }
    }

    pub(super) async fn obituary(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        self.output.ends().await;
        Some(format!("it ended with {status}{}", self.output.said()))
    }

    pub(super) async fn stop(mut self, stop_timeout_ms: u64) {
        self.signal(Signal::TERM);
        let patience = Duration::from_millis(stop_timeout_ms);
        let ends = async {
            // Where it cannot be waited for, its group still can.
            let _ = self.child.wait().await;
            // A shell that wraps the router ends at once, and the router is still at it.
            while self.group.is_some_and(|group| test_kill_process_group(group).is_ok()) {
                sleep(LOOK).await;
            }
        };
        // Whether they ended by themselves or not: dropping it ends what is left of the group.
        let _ = timeout(patience, ends).await;
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

async fn connects(address: SocketAddr) -> bool {
    matches!(timeout(CONNECT_LIMIT, TcpStream::connect(address)).await, Ok(Ok(_)))
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
#[derive(Debug, Default)]
struct Output {
    kept: Arc<Mutex<VecDeque<String>>>,
    followers: JoinSet<()>,
}

impl Output {
    fn follow(&mut self, stream: Option<impl AsyncRead + Send + Unpin + 'static>) {
        let Some(stream) = stream else { return };
        let kept = self.kept.clone();
        self.followers.spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while let Ok(chunk) = stream.fill_buf().await
                && !chunk.is_empty()
            {
                for part in chunk.split_inclusive(|byte| *byte == b'\n') {
                    let room = LINE_LIMIT.saturating_sub(line.len());
                    line.extend_from_slice(&part[..part.len().min(room)]);
                    if part.ends_with(b"\n") {
                        keep(&kept, &mut line);
                    }
                }
                let read = chunk.len();
                stream.consume(read);
            }
            if !line.is_empty() {
                keep(&kept, &mut line);
            }
        });
    }

    /// Waits for what is still on its way from a process that has ended.
    async fn ends(&mut self) {
        let all = async { while self.followers.join_next().await.is_some() {} };
        let _ = timeout(LAST_WORDS_LIMIT, all).await;
    }

    fn said(&self) -> String {
        let kept = self.kept.lock().expect("nobody panics with it");
        match kept.len() {
            0 => ", and it printed nothing".into(),
            _ => {
                let lines: Vec<_> = kept.iter().map(|line| format!("\n  | {line}")).collect();
                format!("; it printed last:{}", lines.concat())
            }
        }
    }
}

fn keep(kept: &Mutex<VecDeque<String>>, line: &mut Vec<u8>) {
    let mut kept = kept.lock().expect("nobody panics with it");
    if kept.len() == LINES_KEPT {
        kept.pop_front();
    }
    kept.push_back(String::from_utf8_lossy(line).trim_end().into());
    line.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_what_was_printed_is_kept_and_no_line_grows_without_bound() {
        let mut printed = vec![b'x'; 1024 * 1024];
        for number in 0..20 {
            printed.extend(format!("\nline {number}").bytes());
        }
        let mut output = Output::default();
        output.follow(Some(std::io::Cursor::new(printed)));
        output.ends().await;
        assert!(output.said().starts_with("; it printed last:\n  | line 8\n"), "{}", output.said());
        assert!(output.said().ends_with("\n  | line 19"), "{}", output.said());

        let mut output = Output::default();
        output.follow(Some(std::io::Cursor::new(vec![b'x'; 1024 * 1024])));
        output.ends().await;
        assert_eq!(output.said().matches('x').count(), LINE_LIMIT);
    }
}
