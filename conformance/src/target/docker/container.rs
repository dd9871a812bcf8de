//! One container: how it is started, looked at, taken down, and removed.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerStateStatusEnum, NetworkConnectRequest, NetworkDisconnectRequest};
use bollard::query_parameters::{
    KillContainerOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use bytes::Buf as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::StreamExt as _;
use tokio_util::io::StreamReader;

use super::DockerError;
use super::creating::{Made, Plan, apart, said};
use crate::connect::Door;
use crate::power::{Halt, HowEnded};
use crate::printed::Printed;
use crate::target::output::{LAST_WORDS_LIMIT, Output};
use crate::target::process::{ProcessError, START_LIMIT};

/// How often a container is looked at that is to listen, or to end.
const LOOK: Duration = Duration::from_millis(20);

/// How long a container that was killed is waited for.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take until who listens says something.
const GREETING_LIMIT: Duration = Duration::from_secs(1);

/// The network that all containers are in where nothing else is said.
pub(super) const NETWORK: &str = "bridge";

/// How a client begins with HTTP/2: its preface, and settings of which there are none.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A container of the suite's own; it can be started again.
#[derive(Debug)]
pub(super) struct Container {
    plan: Plan,
    docker: Docker,
    door: Door,
    /// Where its store lies, as far as that is known.
    store: Option<PathBuf>,
    /// All that it prints, where somebody looks for secrets in it.
    printed: Option<Printed>,
    /// How much of what it printed was read.
    read: Arc<AtomicUsize>,
    run: Mutex<Run>,
}

#[derive(Debug)]
struct Run {
    /// While it is being made for the first time.
    making: Option<JoinHandle<io::Result<()>>>,
    made: Option<Made>,
    output: Output,
    is_cut: bool,
    is_over: bool,
    /// What is mounted; removed when the run is over.
    folder: Option<TempDir>,
}

impl Container {
    /// Nothing is started yet.
    pub(super) fn new(
        plan: Plan,
        docker: Docker,
        door: Door,
        (folder, store): (TempDir, Option<PathBuf>),
        printed: Option<Printed>,
    ) -> Self {
        let run = Run {
            making: None,
            made: None,
            output: Output::default(),
            is_cut: false,
            is_over: false,
            folder: Some(folder),
        };
        let (read, run) = (Arc::default(), Mutex::new(run));
        Self { plan, docker, door, store, printed, read, run }
    }

    pub(super) fn printed(&self) -> Option<Printed> {
        self.printed.clone()
    }

    pub(super) fn store(&self) -> Option<PathBuf> {
        self.store.clone()
    }

    /// Starts it, and waits until it listens.
    pub(super) async fn start(&self) -> Result<(), DockerError> {
        if self.run().made.is_none() {
            self.make().await?;
        } else {
            self.mend().await.map_err(|error| self.not_started(error.to_string()))?;
            self.last_words().await;
            let started = self.docker.start_container(&self.plan.name, None).await;
            started.map_err(|error| self.not_started(said(&error)))?;
        }
        self.follow();
        let (image, port) = (self.plan.command.image.clone(), self.plan.port);
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some((code, printed, obituary)) = self.fate().await {
                return Err(DockerError::Died { image, port, code, printed, obituary });
            }
            if self.listens().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                let (printed, said) = self.words_so_far();
                return Err(DockerError::Deaf { image, port, printed, said });
            }
            sleep(LOOK).await;
        }
    }

    /// Whoever waits for this may go meanwhile: then what is made is removed once it is there.
    async fn make(&self) -> Result<(), DockerError> {
        let (tell, told) = oneshot::channel();
        {
            let mut run = self.run();
            if run.is_over {
                return Err(ProcessError::Over.into());
            }
            let making = self.plan.clone().create();
            run.making = Some(apart(async move { drop(tell.send(making.await)) }));
        }
        let made = told.await.map_err(|_| ProcessError::Over)?;
        if made.is_err() {
            // Of a container that does not start, there is one all the same.
            self.remove().await;
        }
        self.run().made = Some(made?);
        Ok(())
    }

    fn not_started(&self, why: String) -> DockerError {
        DockerError::Start { image: self.plan.command.image.clone(), why }
    }

    /// Reads what it prints from where it was read to before.
    fn follow(&self) {
        let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
        let read = self.read.clone();
        let mut known = read.load(Ordering::Relaxed);
        let pieces = self.docker.logs(&self.plan.name, Some(options)).map(move |piece| {
            let mut piece = piece.map(LogOutput::into_bytes).map_err(io::Error::other)?;
            let old = known.min(piece.len());
            piece.advance(old);
            known -= old;
            read.fetch_add(piece.len(), Ordering::Relaxed);
            io::Result::Ok(piece)
        });
        let mut output = Output::kept_in(self.printed.clone());
        output.follow(Some(StreamReader::new(Box::pin(pieces))));
        self.run().output = output;
    }

    /// Whether it takes calls. The engine itself accepts connections, and closes them again where
    /// nobody listens behind.
    async fn listens(&self) -> bool {
        let answers = async {
            let mut link = self.door.connect_raw().await?;
            link.write_all(PREFACE).await?;
            link.flush().await?;
            link.read_u8().await
        };
        match timeout(GREETING_LIMIT, answers).await {
            // Who keeps it open takes its time.
            Err(_) | Ok(Ok(_)) => true,
            // Somebody is there whose certificate, say, is wrong: the checks will tell.
            Ok(Err(error)) => error.kind() == io::ErrorKind::InvalidData,
        }
    }

    /// Asks it to end, and kills what has not ended within `limit`.
    pub(super) async fn stop(&self, limit: Duration) -> Halt {
        let began = Instant::now();
        self.signal(&self.plan.stop_signal).await;
        let in_time = self.ends_within(limit).await;
        let took = began.elapsed();
        if !in_time {
            self.kill().await;
        }
        let (_, said) = self.last_words().await;
        let code = self.exit_code().await.filter(|_| in_time);
        Halt { ended: code.map(HowEnded::Code), took, wrapped: false, said }
    }

    /// Ends it where it stands.
    pub(super) async fn kill(&self) {
        self.signal("SIGKILL").await;
        self.ends_within(KILL_LIMIT).await;
    }

    async fn signal(&self, signal: &str) {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        // What has ended already needs no signal.
        let _ = self.docker.kill_container(&self.plan.name, Some(options)).await;
    }

    async fn ends_within(&self, limit: Duration) -> bool {
        let ends = async {
            while self.exit_code().await.is_none() {
                sleep(LOOK).await;
            }
        };
        timeout(limit, ends).await.is_ok()
    }

    /// How it ended, if it has.
    async fn exit_code(&self) -> Option<i32> {
        use ContainerStateStatusEnum::{DEAD, EXITED};
        let state = match self.docker.inspect_container(&self.plan.name, None).await {
            Ok(found) => found.state?,
            // Somebody has removed it.
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Some(-1),
            Err(_) => return None,
        };
        let has_ended = matches!(state.status, Some(EXITED | DEAD));
        state.exit_code.filter(|_| has_ended).map(|code| i32::try_from(code).unwrap_or(-1))
    }

    /// How it ended, whether it has printed anything, and both in words, if it has ended.
    pub(super) async fn fate(&self) -> Option<(i32, bool, String)> {
        let code = self.exit_code().await?;
        let (printed, said) = self.last_words().await;
        Some((code, printed, format!("it ended with exit code {code}{said}")))
    }

    /// What it printed last, after its end.
    async fn last_words(&self) -> (bool, String) {
        let comes = async {
            while !self.run().output.has_ended() {
                sleep(LOOK).await;
            }
        };
        // The engine may be slow to tell.
        let _ = timeout(LAST_WORDS_LIMIT, comes).await;
        self.words_so_far()
    }

    fn words_so_far(&self) -> (bool, String) {
        let run = self.run();
        (!run.output.is_empty(), run.output.said())
    }

    /// Lets none of its processes run.
    pub(super) async fn pause(&self) -> io::Result<()> {
        self.docker.pause_container(&self.plan.name).await.map_err(io::Error::other)
    }

    /// Lets them run on.
    pub(super) async fn resume(&self) -> io::Result<()> {
        self.docker.unpause_container(&self.plan.name).await.map_err(io::Error::other)
    }

    /// Takes its network from it.
    pub(super) async fn cut(&self) -> io::Result<()> {
        let it = NetworkDisconnectRequest { container: self.plan.name.clone(), force: Some(true) };
        let cut = self.docker.disconnect_network(NETWORK, it).await;
        cut.map_err(io::Error::other)?;
        self.run().is_cut = true;
        Ok(())
    }

    /// Gives it back, where it was taken.
    pub(super) async fn mend(&self) -> io::Result<()> {
        if self.run().is_cut {
            let container = self.plan.name.clone();
            let it = NetworkConnectRequest { container, endpoint_config: None };
            let mended = self.docker.connect_network(NETWORK, it).await;
            mended.map_err(io::Error::other)?;
            self.run().is_cut = false;
        }
        Ok(())
    }

    /// Ends it by force, for good, and waits for its end.
    pub(super) fn ends_for_good(&self) {
        self.run().is_over = true;
        let (docker, name) = (self.docker.clone(), self.plan.name.clone());
        let killed = apart(async move {
            let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
            // It may have ended already.
            let _ = docker.kill_container(&name, Some(options)).await;
            let waited = docker.wait_container(&name, None).collect::<Vec<_>>();
            let _ = timeout(KILL_LIMIT, waited).await;
        });
        // Nobody is left to tell.
        let _ = killed.join();
    }

    /// Removes it, for good, and leaves nothing of it behind.
    pub(super) fn is_over(&self) {
        let (making, made) = {
            let mut run = self.run();
            run.is_over = true;
            (run.making.take(), run.made.take())
        };
        // What is still being made is removed afterwards.
        let _ = making.map(JoinHandle::join);
        let (docker, name) = (self.docker.clone(), self.plan.name.clone());
        let removed = apart(async move {
            drop(made);
            remove(&docker, &name).await;
        });
        let _ = removed.join();
        self.run().folder = None;
    }

    async fn remove(&self) {
        remove(&self.docker, &self.plan.name).await;
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().expect("nobody panics with it")
    }
}

/// With its anonymous volumes.
async fn remove(docker: &Docker, name: &str) {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    // It may have gone already.
    let _ = docker.remove_container(name, Some(options)).await;
}
