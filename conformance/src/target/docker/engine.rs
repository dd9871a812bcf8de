//! The means to stop, kill, hold and start a container, and to cut it off.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::DockerError;
use super::container::Container;
use crate::power::{Engine, Folder, Halt, HowEnded, NotStarted, Store};
use crate::target::Started;
use crate::target::engine::once_free;

/// Those of one container.
#[derive(Debug)]
pub(super) struct Controls(pub(super) Arc<Container>);

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
        self.0.pause().await
    }

    async fn resume(&self) -> io::Result<()> {
        self.0.resume().await
    }

    async fn cut(&self) -> io::Result<()> {
        self.0.cut().await
    }

    async fn mend(&self) -> io::Result<()> {
        self.0.mend().await
    }

    async fn fate(&self) -> Option<NotStarted> {
        let (code, printed, words) = self.0.fate().await?;
        let ended = Some(HowEnded::Code(code));
        Some(NotStarted { ended, printed, is_excused: false, words })
    }

    fn store(&self) -> Option<Arc<dyn Store>> {
        Some(Arc::new(Folder(self.0.store()?)))
    }

    fn is_over(&self) {
        self.0.ends_for_good();
    }
}

#[tonic::async_trait]
impl Started for Container {
    async fn end(&self, limit: Duration) {
        // Whether it ended by itself or not: what is left of it is removed.
        drop(self.stop(limit).await);
    }

    async fn obituary(&self) -> Option<String> {
        self.fate().await.map(|(.., words)| words)
    }

    fn is_over(&self) {
        self.is_over();
    }
}

/// Whether a start has failed for the port on this machine, in the engine's words.
fn is_taken(error: &DockerError) -> bool {
    match error {
        DockerError::Start { why, .. } => {
            why.contains("port is already allocated") || why.contains("address already in use")
        }
        _ => false,
    }
}

fn not_started(error: &DockerError) -> NotStarted {
    let (ended, printed, is_excused) = match error {
        DockerError::Died { code, printed, .. } => (Some(HowEnded::Code(*code)), *printed, false),
        DockerError::Deaf { printed, .. } => (None, *printed, false),
        _ => (None, false, true),
    };
    NotStarted { ended, printed, is_excused, words: error.to_string() }
}
