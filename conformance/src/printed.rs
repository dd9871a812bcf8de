//! All that a target prints: where its secrets must not be.

use std::sync::{Arc, Mutex};

/// What is kept of a target's output. Bytes.
const KEPT: usize = 64 * 1024 * 1024;

/// All that a target prints, as far as the first 64 MiB go. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    /// Adds what was printed now.
    pub(crate) fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().expect("nobody panics with it");
        let room = KEPT - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// All that is kept.
    pub(crate) fn kept(&self) -> Vec<u8> {
        self.0.lock().expect("nobody panics with it").clone()
    }

    /// Whether more may have been printed than is kept.
    pub(crate) fn is_full(&self) -> bool {
        self.0.lock().expect("nobody panics with it").len() == KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let printed = Printed::default();
        printed.add(b"one");
        assert_eq!((printed.kept(), printed.is_full()), (b"one".to_vec(), false));
        printed.add(&vec![b'.'; KEPT]);
        printed.add(b"more");
        assert_eq!((printed.kept().len(), printed.is_full()), (KEPT, true));
    }
}
