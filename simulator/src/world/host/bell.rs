//! Who has something to say: wakers that note it, in the order in which they were woken.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use super::Key;

/// Those that were woken and not polled since.
#[derive(Debug, Default, Clone)]
pub(super) struct Ready(Arc<Mutex<Vec<Key>>>);

impl Ready {
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(super) fn take(&self) -> Vec<Key> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct Bell {
    key: Key,
    ready: Ready,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.last() != Some(&self.key) {
            ready.push(self.key);
        }
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
