//! What is logged, and how that is changed while the router runs.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use mpc_router::operations::LogFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

use super::{LogFormat, Serve, traces};

/// The log's filter, which can be replaced. A clone is the same.
#[derive(Debug, Clone)]
pub(super) struct Logs {
    handle: reload::Handle<EnvFilter, Registry>,
    current: Arc<Mutex<String>>,
}

impl Logs {
    /// Begins to log, on standard error.
    pub(super) fn start(options: &Serve, traces: Option<traces::Layer>) -> Self {
        let colours = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        let (filter, handle) = reload::Layer::new(parsed(&options.log).expect("it was parsed"));
        let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colours);
        let lines = match options.log_format {
            LogFormat::Text => lines.with_filter(filter).boxed(),
            LogFormat::Json => lines.json().with_filter(filter).boxed(),
        };
        let layers: Vec<_> = traces.into_iter().chain([lines]).collect();
        Registry::default().with(layers).init();
        Self { handle, current: Arc::new(Mutex::new(options.log.clone())) }
    }
}

impl LogFilter for Logs {
    fn filter(&self) -> String {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, text: &str) -> Result<(), String> {
        let filter = parsed(text)?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == text {
            return Ok(());
        }
        let tell = || tracing::info!(from = *current, to = text, "the log has another filter");
        // By whichever of the two lets it through.
        let told = tracing::enabled!(tracing::Level::INFO);
        if told {
            tell();
        }
        self.handle.reload(filter).map_err(|error| error.to_string())?;
        if !told {
            tell();
        }
        text.clone_into(&mut current);
        Ok(())
    }
}

/// Accepts what can be understood as a log filter.
pub(super) fn filter(text: &str) -> Result<String, String> {
    parsed(text).map(|_| text.to_owned())
}

fn parsed(text: &str) -> Result<EnvFilter, String> {
    let filter = EnvFilter::try_new(text);
    filter.map_err(|error| format!("{error}: write a level such as info, or warn,mpc_router=debug"))
}
