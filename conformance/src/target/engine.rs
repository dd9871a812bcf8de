//! The means to stop, kill and start a process that the suite has started.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Started;
use super::process::{Process, ProcessError, how_ended};
use crate::power::{Engine, Folder, Halt, NotStarted, Store};

/// For how long a start is tried again whose address was still taken: by connections of before, or
/// by somebody who was given the port meanwhile.
const ADDRESS_LIMIT: Duration = Duration::from_secs(70);

/// How long after such a start the next one is tried.
const BETWEEN_STARTS: Duration = Duration::from_millis(300);

/// Those of one process.
#[derive(Debug)]
pub(super) struct Controls(pub(super) Arc<Process>);

#[tonic::async_trait]
impl Engine for Controls {
    async fn stop(&self, limit: Duration) -> Halt {
        self.0.stop(limit).await
    }

    async fn kill(&self) {
        self.0.kill().await;
    }

    async fn start(&self) -> Result<(), NotStarted> {
        let started = once_free(|| self.0.start(), is_taken).await;
        started.map_err(|error| not_started(&error))
    }

    async fn pause(&self) -> io::Result<()> {
        self.0.pause();
        Ok(())
    }

    async fn resume(&self) -> io::Result<()> {
        self.0.resume();
        Ok(())
    }

    async fn fate(&self) -> Option<NotStarted> {
        let (ended, printed, words) = self.0.fate().await?;
        Some(NotStarted { ended: Some(ended), printed, is_excused: false, words })
    }

    fn store(&self) -> Option<Arc<dyn Store>> {
        Some(Arc::new(Folder(self.0.store()?)))
    }

    fn is_over(&self) {
        self.0.ends_for_good();
    }
}

#[tonic::async_trait]
impl Started for Process {
    async fn end(&self, limit: Duration) {
        // Whether it ended by itself or not: what is left of it ends now.
        drop(self.stop(limit).await);
    }

    async fn obituary(&self) -> Option<String> {
        self.obituary().await
    }

    fn is_over(&self) {
        self.is_over();
    }
}

/// Starts something, again and again for as long as its address is taken.
pub(super) async fn once_free<E, F>(
    start: impl Fn() -> F,
    is_taken: impl Fn(&E) -> bool,
) -> Result<(), E>
where
    F: Future<Output = Result<(), E>>,
{
    let began = Instant::now();
    loop {
        match start().await {
            Err(error) if is_taken(&error) && began.elapsed() < ADDRESS_LIMIT => {
                sleep(BETWEEN_STARTS).await;
            }
            started => return started,
        }
    }
}

/// Whether a start has failed for its address. In words, as each system and language has it.
fn is_taken(error: &ProcessError) -> bool {
    match error {
        ProcessError::Occupied(_) => true,
        ProcessError::Died { obituary, .. } => obituary.to_lowercase().lines().any(|line| {
            line.contains("eaddrinuse") || (line.contains("address") && line.contains("in use"))
        }),
        _ => false,
    }
}

fn not_started(error: &ProcessError) -> NotStarted {
    let (ended, printed) = match error {
        ProcessError::Died { status, printed, .. } => (Some(how_ended(*status)), *printed),
        ProcessError::Deaf { printed, .. } => (None, *printed),
        _ => (None, false),
    };
    let judges = matches!(error, ProcessError::Died { .. } | ProcessError::Deaf { .. });
    let is_excused = !judges || is_taken(error);
    NotStarted { ended, printed, is_excused, words: error.to_string() }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;
    use crate::profile::Profile;

    const LIMIT: Duration = Duration::from_secs(60);

    async fn until(what: &str, holds: impl Fn() -> bool) {
        let waits = async {
            while !holds() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(LIMIT, waits).await.is_ok(), "waited in vain for {what}");
    }

    #[tokio::test]
    async fn a_process_is_held_with_all_that_it_started_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        // Bound, and not listening: nobody else gets it.
        let kept = TcpSocket::new_v4().unwrap();
        kept.set_reuseaddr(true).unwrap();
        kept.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = kept.local_addr().unwrap();
        let mut profile = Profile::default();
        profile.target.address = Some(format!("http://{address}"));
        let script = "sleep 1000 & echo $! > \"$0/new\"; mv \"$0/new\" \"$0/child\"; wait";
        let folder = folder.path().to_str().unwrap();
        let words = shlex::try_join(["sh", "-c", script, folder]).unwrap();
        let process = Arc::new(Process::new(&words, &profile, None).unwrap());
        let listens = async {
            until("the start", || file("child").exists()).await;
            TcpListener::bind(address).await.unwrap()
        };
        let (started, _listener) = tokio::join!(process.start(), listens);
        started.unwrap();

        let child = std::fs::read_to_string(file("child")).unwrap();
        let status = format!("/proc/{}/status", child.trim());
        let is_held = || {
            let status = std::fs::read_to_string(&status).unwrap();
            status.lines().any(|line| line.starts_with("State:\tT"))
        };
        let controls = Controls(process);
        assert!(!is_held());
        controls.pause().await.unwrap();
        until("it to be held", is_held).await;
        controls.resume().await.unwrap();
        until("it to go on", || !is_held()).await;
        // It ends while it is held as well.
        controls.pause().await.unwrap();
        controls.kill().await;
        assert!(controls.fate().await.is_some());
        controls.cut().await.unwrap_err();
    }
}
