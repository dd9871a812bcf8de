//! Means to stop a target, to kill it, and to start it again, at the same address and with the same
//! data; some can be held as they stand as well, and cut off.

mod store;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use self::store::{Contents, Folder, Store};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowEnded {
    /// By itself, with this exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl fmt::Display for HowEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What came of asking a target to end.
#[derive(Clone, Debug)]
pub struct Halt {
    /// How it ended; nothing if it did not, and had to be killed.
    pub ended: Option<HowEnded>,
    /// How long it took.
    pub took: Duration,
    /// Whether what ended is only around the target, as a shell is, so that how it ended tells
    /// nothing.
    pub wrapped: bool,
    /// What it printed last, for findings.
    pub said: String,
}

/// Why a target does not serve after it was started.
#[derive(Clone, Debug)]
pub struct NotStarted {
    /// How it ended; nothing if it goes on and does not listen.
    pub ended: Option<HowEnded>,
    /// Whether it has printed anything.
    pub printed: bool,
    /// Whether the machine is to blame, or somebody else on it.
    pub is_excused: bool,
    /// All of it in words, as the end of a sentence that begins with the target.
    pub words: String,
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// What can stop, kill and start one target.
#[tonic::async_trait]
pub trait Engine: fmt::Debug + Send + Sync {
    /// Asks the target to end, and kills it if it has not within `limit`.
    async fn stop(&self, limit: Duration) -> Halt;

    /// Ends the target where it stands, as `kill -9` does.
    async fn kill(&self);

    /// Starts the target, which has ended, and waits until it can be connected to.
    ///
    /// # Errors
    /// If it ends or does not listen.
    async fn start(&self) -> Result<(), NotStarted>;

    /// Holds the target as it stands: none of it runs, and its connections stay open.
    ///
    /// # Errors
    /// If that did not work, or cannot be done with this target.
    async fn pause(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Lets it run on.
    ///
    /// # Errors
    /// If that did not work, or cannot be done with this target.
    async fn resume(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes its network from the target: nothing reaches it any more.
    ///
    /// # Errors
    /// If that did not work, or cannot be done with this target.
    async fn cut(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Gives the network back.
    ///
    /// # Errors
    /// If that did not work, or cannot be done with this target.
    async fn mend(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// How the target ended, if it has, since it listened.
    async fn fate(&self) -> Option<NotStarted> {
        None
    }

    /// Its store, where the suite knows it.
    fn store(&self) -> Option<Arc<dyn Store>>;

    /// Ends the target for good, at once and by force: the run is over.
    fn is_over(&self) {}
}

/// Means to stop, kill and start a target. Clones are the same means.
#[derive(Clone, Debug)]
pub struct Power(Arc<Plug>);

#[derive(Debug)]
struct Plug {
    engine: Box<dyn Engine>,
    /// Whether it serves, as far as this side knows.
    on: AtomicBool,
    trouble: Mutex<Option<String>>,
    /// What its store has to hold again when a check is over that has changed it.
    kept: Mutex<Option<Contents>>,
}

/// Also after a panic or Ctrl-C: no store is left damaged.
impl Drop for Plug {
    fn drop(&mut self) {
        if self.kept.get_mut().is_ok_and(|kept| kept.is_some()) {
            self.engine.is_over();
            // There is nobody left to tell.
            let _ = self.puts_back();
        }
    }
}

impl Plug {
    fn puts_back(&self) -> io::Result<()> {
        let mut kept = self.kept.lock().expect("nobody panics with it");
        if let (Some(contents), Some(store)) = (&*kept, self.engine.store()) {
            store.restore(contents)?;
        }
        *kept = None;
        Ok(())
    }
}

impl Power {
    /// Of a target that serves.
    pub fn new(engine: impl Engine + 'static) -> Self {
        Self(Arc::new(Plug {
            engine: Box::new(engine),
            on: AtomicBool::new(true),
            trouble: Mutex::default(),
            kept: Mutex::default(),
        }))
    }

    /// Asks the target to end, and kills it if it has not within `limit`.
    pub async fn stop(&self, limit: Duration) -> Halt {
        self.0.on.store(false, Ordering::Relaxed);
        self.0.engine.stop(limit).await
    }

    /// Ends the target where it stands.
    pub async fn kill(&self) {
        self.0.on.store(false, Ordering::Relaxed);
        self.0.engine.kill().await;
    }

    /// Starts the target, which has ended.
    ///
    /// # Errors
    /// If it ends or does not listen.
    pub async fn start(&self) -> Result<(), NotStarted> {
        let started = self.0.engine.start().await;
        let trouble = started.as_ref().err().map(ToString::to_string);
        *self.0.trouble.lock().expect("nobody panics with it") = trouble;
        self.0.on.store(started.is_ok(), Ordering::Relaxed);
        started
    }

    /// Holds the target as it stands.
    ///
    /// # Errors
    /// If that did not work, or cannot be done with this target.
    pub async fn pause(&self) -> io::Result<()> {
        // Also if that does not come to its end.
        self.0.on.store(false, Ordering::Relaxed);
        self.0.engine.pause().await
    }

    /// Lets it run on.
    ///
    /// # Errors
    /// If that did not work, or cannot be done with this target.
    pub async fn resume(&self) -> io::Result<()> {
        self.0.engine.resume().await?;
        self.0.on.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Takes its network from the target.
    ///
    /// # Errors
    /// If that did not work, or cannot be done with this target.
    pub async fn cut(&self) -> io::Result<()> {
        // Also if that does not come to its end.
        self.0.on.store(false, Ordering::Relaxed);
        self.0.engine.cut().await
    }

    /// Gives the network back.
    ///
    /// # Errors
    /// If that did not work, or cannot be done with this target.
    pub async fn mend(&self) -> io::Result<()> {
        self.0.engine.mend().await?;
        self.0.on.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Notes what the store of the target, which is stopped, holds before a check changes it. It is
    /// put back, whatever becomes of the check.
    pub(crate) fn keeps(&self, contents: Contents) {
        *self.0.kept.lock().expect("nobody panics with it") = Some(contents);
    }

    /// Kills the target, and puts back what its store held.
    ///
    /// # Errors
    /// If that cannot be written.
    pub(crate) async fn puts_back(&self) -> io::Result<()> {
        self.kill().await;
        self.0.puts_back()
    }

    /// Starts the target if a check has left it as it should not be: with a store that was changed,
    /// stopped, or in the middle of stopping or starting.
    ///
    /// # Errors
    /// If it ends or does not listen.
    pub async fn comes_back(&self) -> Result<(), NotStarted> {
        let changed = self.0.kept.lock().expect("nobody panics with it").is_some();
        if self.0.on.load(Ordering::Relaxed) && !changed {
            return Ok(());
        }
        self.kill().await;
        if let Err(error) = self.0.puts_back() {
            let words = format!("its store cannot be put back as it was: {error}");
            let failed = NotStarted { ended: None, printed: false, is_excused: true, words };
            *self.0.trouble.lock().expect("nobody panics with it") = Some(failed.to_string());
            return Err(failed);
        }
        self.start().await
    }

    /// How the target ended, if it has, by itself, since it listened.
    pub async fn fate(&self) -> Option<NotStarted> {
        self.0.engine.fate().await
    }

    /// Why the target does not serve, if it did not when it was last started.
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().expect("nobody panics with it").clone()
    }

    /// Its store, where the suite knows it. It is to be looked at only while the target is stopped.
    pub fn store(&self) -> Option<Arc<dyn Store>> {
        self.0.engine.store()
    }
}
