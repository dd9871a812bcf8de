//! Trials that do not come to an end.
//!
//! On virtual time, a check that waits for what only time brings, and lets none pass, goes round for
//! ever. No timer within the trial can tell.

use std::process::exit;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anstream::eprintln;

/// How often the trials are looked at, and how long one takes that is worth a word.
const LOOK: Duration = Duration::from_secs(60);

/// No trial takes so long.
const LONGEST: Duration = Duration::from_secs(900);

/// The trials that are under way, with when each began.
#[derive(Default)]
pub(super) struct Watch(Mutex<Vec<(Instant, String)>>);

impl Watch {
    /// Does `work`, and looks meanwhile at the trials in it. Ends the process if one never ends.
    pub(super) fn over<T>(&self, work: impl FnOnce(&Self) -> T) -> T {
        let (ends, has_ended) = channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || self.looks(&has_ended));
            let result = work(self);
            drop(ends);
            result
        })
    }

    /// A trial of this name.
    pub(super) fn trial<T>(&self, name: String, work: impl FnOnce() -> T) -> T {
        let under_way = || self.0.lock().expect("nobody panics with it");
        let began = (Instant::now(), name);
        under_way().push(began.clone());
        let result = work();
        under_way().retain(|it| *it != began);
        result
    }

    fn looks(&self, has_ended: &Receiver<()>) {
        while has_ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            for (began, name) in &*self.0.lock().expect("nobody panics with it") {
                let time = began.elapsed();
                if time > LONGEST {
                    eprintln!("{name} does not come to an end: a check of it lets no time pass");
                    exit(1);
                }
                if time > LOOK {
                    eprintln!("still at {name}, for {} s", time.as_secs());
                }
            }
        }
    }
}
