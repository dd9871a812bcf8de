//! A target that the suite starts from a command, and ends with everything that it started.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Uri;

use super::TargetError;
use super::output::{LAST_WORDS_LIMIT, Output};
use crate::identity::Identities;
use crate::power::{Halt, HowEnded};
use crate::printed::Printed;
use crate::profile::Profile;
use crate::requirement::Capability;

/// How long a command may take until it listens.
pub(super) const START_LIMIT: Duration = Duration::from_secs(20);

/// How long one attempt to connect may take: an address where nobody answers at all must not
/// outlast [`START_LIMIT`].
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// How often a process is looked at that is to listen, or to end.
const LOOK: Duration = Duration::from_millis(10);

/// This machine's name for itself.
const LOCALHOST: &str = "localhost";

/// How long a process that was killed is waited for.
const KILL_LIMIT: Duration = Duration::from_secs(3);

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
    #[error(
        "{0:?} is no address that a started target can have: use http://127.0.0.1:PORT, or https:// \
         where it is reached over TLS"
    )]
    Address(String),
    /// An earlier process listens there.
    #[error("something listens at {0} already: end it, or choose another port")]
    Occupied(SocketAddr),
    /// It is not to run any more.
    #[error("the run is over")]
    Over,
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
        /// How it ended.
        status: ExitStatus,
        /// Whether it has printed anything.
        printed: bool,
        /// How it ended and what it said last.
        obituary: String,
    },
    /// It goes on and does not listen.
    #[error("the command did not listen at {address} within {} s{said}", START_LIMIT.as_secs())]
    Deaf {
        /// Where it should have listened.
        address: SocketAddr,
        /// Whether it has printed anything.
        printed: bool,
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

/// A process of the suite's own, in a process group of its own; it can be started again.
#[derive(Debug)]
pub(super) struct Process {
    words: Vec<String>,
    /// What the profile calls the machine, where it does: a certificate may have that name.
    host: Option<String>,
    socket: SocketAddr,
    /// Where its store lies, as far as that is known.
    store: Option<PathBuf>,
    is_encrypted: bool,
    /// All that it prints, where somebody looks for secrets in it.
    printed: Option<Printed>,
    run: Mutex<Run>,
}

/// Certificates of the suite's own for a target that it starts.
#[derive(Debug)]
pub(super) struct Certificates {
    folder: TempDir,
    pub(super) identities: Identities,
}

impl Certificates {
    pub(super) fn make() -> Result<Self, TargetError> {
        let folder = folder().map_err(ProcessError::from)?;
        let identities = Identities::make(folder.path())?;
        Ok(Self { folder, identities })
    }
}

#[derive(Debug)]
struct Run {
    /// The one that was started last.
    running: Option<Running>,
    /// Both are removed when the run is over.
    folder: Option<TempDir>,
    certificates: Option<Certificates>,
    is_over: bool,
}

#[derive(Debug)]
struct Running {
    child: Child,
    group: Option<Pid>,
    output: Output,
}

impl Process {
    /// What `command` means. Nothing is started yet.
    pub(super) fn new(
        command: &str,
        profile: &Profile,
        certificates: Option<Certificates>,
    ) -> Result<Self, ProcessError> {
        let (host, socket) = match socket_of(profile)? {
            Some(told) => told,
            None if command.contains("{port}") => (None, free_socket()?),
            None => return Err(ProcessError::NoPort(command.into())),
        };
        let folder = folder()?;
        let path = |folder: &TempDir| folder.path().display().to_string();
        let (port, data) = (socket.port().to_string(), path(&folder));
        let certs = certificates.as_ref().map(|it| path(&it.folder)).unwrap_or_default();
        // Split first: a folder with a space in its name is one word.
        let words: Vec<_> = shlex::split(command)
            .ok_or_else(|| ProcessError::Words(command.into()))?
            .iter()
            .map(|word| {
                let word = word.replace("{port}", &port).replace("{data}", &data);
                word.replace("{certs}", &certs)
            })
            .collect();
        if words.is_empty() {
            return Err(ProcessError::Words(command.into()));
        }
        let own = command.contains("{data}").then(|| folder.path().to_owned());
        let store = profile.target.data.clone().or(own);
        let is_encrypted = certificates.is_some() || profile.tls.is_some();
        let printed = profile.target.claims(Capability::Secure).then(Printed::default);
        let run = Run { running: None, folder: Some(folder), certificates, is_over: false };
        Ok(Self { words, host, socket, store, is_encrypted, printed, run: Mutex::new(run) })
    }

    pub(super) fn address(&self) -> Uri {
        uri_of(self.host.as_deref(), self.socket, self.is_encrypted)
    }

    /// All that it prints, where that is kept.
    pub(super) fn printed(&self) -> Option<Printed> {
        self.printed.clone()
    }

    pub(super) fn store(&self) -> Option<PathBuf> {
        self.store.clone()
    }

    /// Starts it, and waits until it listens.
    pub(super) async fn start(&self) -> Result<(), ProcessError> {
        if connects(self.socket).await {
            return Err(ProcessError::Occupied(self.socket));
        }
        self.launch()?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = self.status() {
                let (printed, said) = self.last_words().await;
                let obituary = format!("it ended with {status}{said}");
                return Err(ProcessError::Died { address: self.socket, status, printed, obituary });
            }
            if connects(self.socket).await {
                return Ok(());
            }
            if Instant::now() > deadline {
                let (printed, said) = self.words_so_far();
                return Err(ProcessError::Deaf { address: self.socket, printed, said });
            }
            sleep(LOOK).await;
        }
    }

    fn launch(&self) -> Result<(), ProcessError> {
        let mut run = self.run();
        // Under one lock: what is started after the end of the run would outlive it.
        if run.is_over {
            return Err(ProcessError::Over);
        }
        let (program, arguments) = self.words.split_first().expect("there is one");
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
        let mut output = Output::kept_in(self.printed.clone());
        output.follow(child.stdout.take());
        output.follow(child.stderr.take());
        run.running = Some(Running { child, group, output });
        Ok(())
    }

    /// Asks it to end, and kills what has not ended within `limit`.
    pub(super) async fn stop(&self, limit: Duration) -> Halt {
        let wrapped = self.run().running.as_ref().is_some_and(Running::has_others);
        self.signal(Signal::TERM);
        let began = Instant::now();
        let in_time = self.ends_within(limit).await;
        let took = began.elapsed();
        if !in_time {
            self.kill().await;
        }
        let (_, said) = self.last_words().await;
        let ended = self.status().filter(|_| in_time).map(how_ended);
        Halt { ended, took, wrapped, said }
    }

    /// Ends it where it stands, with all that it started.
    pub(super) async fn kill(&self) {
        self.signal(Signal::KILL);
        self.ends_within(KILL_LIMIT).await;
    }

    /// Lets none of it run.
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it run on.
    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// How it ended and what it said last, if it has ended.
    pub(super) async fn obituary(&self) -> Option<String> {
        self.fate().await.map(|(.., words)| words)
    }

    /// The same, with whether it has printed anything, and how it ended.
    pub(super) async fn fate(&self) -> Option<(HowEnded, bool, String)> {
        let status = self.status()?;
        let (printed, said) = self.last_words().await;
        Some((how_ended(status), printed, format!("it ended with {status}{said}")))
    }

    /// Ends it by force, for good, and waits for its end.
    pub(super) fn ends_for_good(&self) {
        self.run().is_over = true;
        self.signal(Signal::KILL);
        let began = std::time::Instant::now();
        while self.is_there() && began.elapsed() < KILL_LIMIT {
            std::thread::sleep(LOOK);
        }
    }

    /// Ends it by force, for good, and leaves nothing of it behind.
    pub(super) fn is_over(&self) {
        self.signal(Signal::KILL);
        let mut run = self.run();
        run.is_over = true;
        run.running = None;
        run.folder = None;
        run.certificates = None;
    }

    /// Whether it ends within `limit`, with all that it started.
    async fn ends_within(&self, limit: Duration) -> bool {
        let ends = async {
            while self.is_there() {
                sleep(LOOK).await;
            }
        };
        timeout(limit, ends).await.is_ok()
    }

    /// Whether it, or anything that it has started, goes on: a shell that wraps the router ends at
    /// once, and the router is still at it.
    fn is_there(&self) -> bool {
        let has_ended = self.status().is_some();
        let run = self.run();
        let Some(running) = &run.running else { return false };
        !has_ended || running.is_somewhere()
    }

    /// How it ended, if it has.
    fn status(&self) -> Option<ExitStatus> {
        self.run().running.as_mut()?.child.try_wait().ok().flatten()
    }

    /// What it printed last, after its end.
    async fn last_words(&self) -> (bool, String) {
        let comes = async {
            while self.run().running.as_mut().is_some_and(|it| !it.output.has_ended()) {
                sleep(LOOK).await;
            }
        };
        // Who has its output open may live on.
        let _ = timeout(LAST_WORDS_LIMIT, comes).await;
        self.words_so_far()
    }

    fn words_so_far(&self) -> (bool, String) {
        let run = self.run();
        let Some(running) = &run.running else { return (false, String::new()) };
        (!running.output.is_empty(), running.output.said())
    }

    fn signal(&self, signal: Signal) {
        if let Some(running) = &self.run().running {
            running.signal(signal);
        }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().expect("nobody panics with it")
    }
}

impl Running {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group that has ended already needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Whether anything of its group is there. What has ended and was not waited for by whoever
    /// started it does not count, where the system tells.
    fn is_somewhere(&self) -> bool {
        let Some(group) = self.group else { return false };
        test_kill_process_group(group).is_ok() && living_in(group).is_none_or(|living| living > 0)
    }

    /// Whether others than the command itself are in its group, where the system tells.
    fn has_others(&self) -> bool {
        self.group.and_then(living_in).is_some_and(|living| living > 1)
    }
}

/// How many processes of a group go on. Only Linux tells.
fn living_in(group: Pid) -> Option<usize> {
    let group = group.as_raw_nonzero().to_string();
    let is_living = |stat: &String| {
        // After the name, which may hold anything: the state, the parent, the group.
        let Some((_, rest)) = stat.rsplit_once(')') else { return false };
        let mut words = rest.split_whitespace();
        let state = words.next();
        !matches!(state, Some("Z" | "X")) && words.nth(1) == Some(group.as_str())
    };
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut stats = processes
        .filter(|it| it.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter_map(|it| std::fs::read_to_string(it.path().join("stat")).ok())
        .peekable();
    stats.peek()?;
    Some(stats.filter(is_living).count())
}

/// Also after a panic or Ctrl-C: the whole group goes.
impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

pub(super) fn how_ended(status: ExitStatus) -> HowEnded {
    match (status.code(), status.signal()) {
        (Some(code), _) => HowEnded::Code(code),
        (None, signal) => HowEnded::Signal(signal.unwrap_or_default()),
    }
}

async fn connects(address: SocketAddr) -> bool {
    matches!(timeout(CONNECT_LIMIT, TcpStream::connect(address)).await, Ok(Ok(_)))
}

pub(super) fn folder() -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix("mpc-conformance-").tempdir()
}

/// Where the profile says that a started target listens, with its name for this machine.
pub(super) fn socket_of(
    profile: &Profile,
) -> Result<Option<(Option<String>, SocketAddr)>, ProcessError> {
    let Some(address) = &profile.target.address else { return Ok(None) };
    let wrong = || ProcessError::Address(address.clone());
    let socket = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    let socket = socket.ok_or_else(wrong)?.trim_end_matches('/');
    let named = socket.strip_prefix(LOCALHOST).and_then(|rest| rest.strip_prefix(':'));
    let Some(port) = named else {
        return Ok(Some((None, socket.parse().map_err(|_| wrong())?)));
    };
    let port = port.parse().map_err(|_| wrong())?;
    Ok(Some((Some(LOCALHOST.into()), SocketAddr::from((Ipv4Addr::LOCALHOST, port)))))
}

/// Where nobody listens.
pub(super) fn free_socket() -> Result<SocketAddr, ProcessError> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// How a started target is reached.
pub(super) fn uri_of(host: Option<&str>, socket: SocketAddr, is_encrypted: bool) -> Uri {
    let scheme = if is_encrypted { "https" } else { "http" };
    let address = match host {
        Some(host) => format!("{scheme}://{host}:{}", socket.port()),
        None => format!("{scheme}://{socket}"),
    };
    address.parse().expect("a socket's address is a host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_target_listens_where_the_profile_says() {
        let of = |address: &str| {
            let mut profile = Profile::default();
            profile.target.address = Some(address.into());
            let process = Process::new("router", &profile, None).ok()?;
            Some((process.address().to_string(), process.socket.to_string()))
        };
        let both = |name: &str, socket: &str| Some((name.to_owned(), socket.to_owned()));
        assert_eq!(of("http://127.0.0.1:7/"), both("http://127.0.0.1:7/", "127.0.0.1:7"));
        assert_eq!(of("http://localhost:7"), both("http://localhost:7/", "127.0.0.1:7"));
        assert_eq!(of("http://[::1]:7"), both("http://[::1]:7/", "[::1]:7"));
        for wrong in ["127.0.0.1:7", "http://localhost", "http://localhost:x", "https://router:7"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
