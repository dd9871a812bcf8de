//! What a call passes before the specimen sees it: FLW-4. The right specimen lets everything pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::Request;
use mpc_router_proto::v1::RouteMessageRequest;
use prost::Message as _;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Duration, sleep};
use tonic::Status;
use tonic::body::Body;

use super::wire::{HEAD, Whole, collect};
use super::{Fault, Twist};

/// Calls that may be under way, where a fault counts them.
const PERMITS: usize = 200;

/// Calls that may wait to be taken up, where a fault counts them, and how long each takes.
const WAITING: usize = 60;
const TAKEN_UP: Duration = Duration::from_millis(1);

/// How long the first panic takes with symbols to load.
const SYMBOLS: Duration = Duration::from_secs(6);

/// What faults keep here.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    twist: Arc<Twist>,
    permits: Arc<Semaphore>,
    reading: Arc<Mutex<()>>,
    poisoned: Arc<AtomicBool>,
    waiting: Arc<AtomicUsize>,
}

impl Gate {
    pub(super) fn new(twist: Arc<Twist>) -> Self {
        Self {
            twist,
            permits: Arc::new(Semaphore::new(PERMITS)),
            reading: Arc::default(),
            poisoned: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Lets a call pass, or refuses it.
    pub(super) async fn enters(&self, request: Request<Body>) -> Result<Request<Body>, Status> {
        if self.twist.has(Fault::ResetsLeakPermits) {
            self.permits.acquire().await.expect("nobody closes it").forget();
        }
        if self.twist.has(Fault::WaitingCallsRefuseOthers) {
            if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                return Err(Status::cancelled("CANCELLED"));
            }
            let gate = self.clone();
            // Also when the call has been reset.
            tokio::spawn(async move {
                let _turn = gate.reading.lock().await;
                sleep(TAKEN_UP).await;
                gate.waiting.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let reads = self.twist.has(Fault::RequestsReadInTurn);
        let decodes = self.twist.has(Fault::GarbagePoisonsLock);
        let leaks = self.twist.has(Fault::ResetsLeakPermits);
        let panics = self.twist.has(Fault::FirstPanicHoldsUp);
        if !reads && !decodes && !leaks && !panics {
            return Ok(request);
        }
        if decodes && self.poisoned.load(Ordering::Relaxed) {
            return Err(Status::internal("the lock is poisoned"));
        }
        let _turn = if reads { Some(self.reading.lock().await) } else { None };
        let (parts, body) = request.into_parts();
        // A call that is reset ends here.
        let body = collect(body).await?;
        let message = body.get(HEAD..).unwrap_or_default();
        let is_garbage = parts.uri.path().ends_with("/RouteMessage")
            && RouteMessageRequest::decode(message).is_err();
        let is_first = is_garbage && !self.poisoned.swap(true, Ordering::Relaxed);
        if is_first && panics {
            let symbols = self.reading.clone().lock_owned().await;
            // Also when the call has been reset.
            tokio::spawn(async move {
                sleep(SYMBOLS).await;
                drop(symbols);
            });
        }
        if panics {
            drop(self.reading.lock().await);
        }
        Ok(Request::from_parts(parts, Body::new(Whole(Some(body)))))
    }

    /// The call has come to its end.
    pub(super) fn leaves(&self) {
        if self.twist.has(Fault::ResetsLeakPermits) {
            self.permits.add_permits(1);
        }
    }
}
