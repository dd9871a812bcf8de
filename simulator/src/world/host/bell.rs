//! Who has something to say: wakers that note it, in the order in which they were woken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use super::Key;

/// Those that were woken and not polled since.
#[derive(Debug, Default, Clone)]
pub(super) struct Ready(Arc<Rung>);

#[derive(Debug, Default)]
struct Rung {
    /// Whether there is something to be taken: asked for much more often than there is.
    any: AtomicBool,
    keys: Mutex<Vec<Key>>,
}

impl Ready {
    pub(super) fn is_empty(&self) -> bool {
        !self.0.any.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Vec<Key> {
        if self.is_empty() {
            return Vec::new();
        }
        self.0.any.store(false, Ordering::Release);
        std::mem::take(&mut *self.0.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct Bell {
    key: Key,
    ready: Ready,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let rung = &self.ready.0;
        let mut keys = rung.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.last() != Some(&self.key) {
            keys.push(self.key);
        }
        rung.any.store(true, Ordering::Release);
    }
}

/// The waker of one call or stream.
#[derive(Debug)]
pub(super) struct Bells(Waker);

impl Bells {
    pub(super) fn new(key: Key, ready: &Ready) -> Self {
        Self(Waker::from(Arc::new(Bell { key, ready: ready.clone() })))
    }

    pub(super) fn waker(&self) -> Waker {
        self.0.clone()
    }
}
