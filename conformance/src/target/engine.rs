//! The means to stop, kill and start a process that the suite has started.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

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
        let began = Instant::now();
        loop {
            match self.0.start().await {
                Ok(()) => return Ok(()),
                Err(error) if is_taken(&error) && began.elapsed() < ADDRESS_LIMIT => {
                    sleep(BETWEEN_STARTS).await;
                }
                Err(error) => return Err(not_started(&error)),
            }
        }
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
