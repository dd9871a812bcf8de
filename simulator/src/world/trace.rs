//! All that happens, as lines: hashed, and told if somebody listens.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::action::Millis;
use crate::encoding::Digest;

/// Hears each line, with how long after the beginning it is, in milliseconds.
pub(crate) type Listener<'a> = &'a mut dyn FnMut(Millis, &str);

/// The trace of a world. Two worlds that have the same digest went the same way.
pub(super) struct Trace<'a> {
    began: Millis,
    hash: Sha256,
    line: String,
    /// What idle parties do is too much to be hashed line by line.
    idle: u64,
    listener: Option<Listener<'a>>,
}

impl<'a> Trace<'a> {
    pub(super) fn new(began: Millis, listener: Option<Listener<'a>>) -> Self {
        let (hash, line) = (Sha256::new(), String::new());
        Self { began, hash, line, idle: 0, listener }
    }

    /// Something happened.
    pub(super) fn tell(&mut self, now: Millis, what: fmt::Arguments<'_>) {
        self.line.clear();
        // Writing into a string does not fail.
        let _ = self.line.write_fmt(what);
        self.hash.update(now.to_be_bytes());
        self.hash.update((self.line.len() as u64).to_be_bytes());
        self.hash.update(&self.line);
        if let Some(listener) = &mut self.listener {
            listener(now - self.began, &self.line);
        }
    }

    /// An idle party got this answer.
    pub(super) fn idle(&mut self, number: u32, answer: u64) {
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let with = |hash: u64, value: u64| (hash ^ value).wrapping_mul(PRIME).rotate_left(29);
        self.idle = with(with(self.idle, u64::from(number)), answer);
    }

    /// The digest of all of it.
    pub(super) fn digest(self) -> Digest {
        let mut hash = self.hash;
        hash.update(self.idle.to_be_bytes());
        Digest(hash.finalize().into())
    }
}
