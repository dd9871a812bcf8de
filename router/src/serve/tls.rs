//! TLS: which certificates the router shows and trusts, and how they are replaced while it runs.

mod files;
mod handshakes;
mod secured;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures_core::Stream;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;
use tokio_stream::StreamExt as _;

pub use self::files::TlsError;
use self::handshakes::Handshakes;
pub use self::secured::Secured;
use super::Transport;
use crate::limits;
use crate::metrics::Metrics;

/// The files with the router's certificate and key, and with those whom it trusts. All are PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The router's certificate, followed by those between it and its authority.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// Who may connect. None: anybody, and nobody is asked who it is.
    pub clients: Option<TrustedClients>,
}

/// Clients that show a certificate.
#[derive(Debug, Clone)]
pub struct TrustedClients {
    /// The certificates of the authorities that sign those of clients.
    pub authorities: PathBuf,
    /// The common names of those who publish session events.
    pub coordinators: BTreeSet<String>,
}

/// TLS 1.3 with certificates from files. A clone is the same.
///
/// Nothing older than TLS 1.3 is spoken: before it, clients' certificates crossed the network in
/// the clear, and with them the parties' names. Sessions are not resumed, so that each connection's
/// certificate is verified, by what is trusted then.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
    /// What stands for what was read last, be it of use or not.
    seen: Mutex<Seen>,
}

type Seen = [u8; 32];

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If one cannot be read or is not what it should be. The text names the file.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let (seen, config) = files::read(&files);
        let (current, seen) = (RwLock::new(config?), Mutex::new(seen));
        Ok(Self(Arc::new(Shared { files, current, seen })))
    }

    /// Whether clients have to show a certificate.
    pub fn asks_for_certificates(&self) -> bool {
        self.0.files.clients.is_some()
    }

    /// Reads the files again if they have changed, and uses what they say for connections from now
    /// on. Files that are of no use are logged as an error, and change nothing.
    pub async fn reload(&self) {
        let tls = self.clone();
        // Files can be slow; what happens in a task of its own does not panic.
        let _ = tokio::task::spawn_blocking(move || tls.0.reload()).await;
    }

    /// Keeps up with the files, looking at them every few seconds. Never ends.
    pub async fn keep_up(&self) -> Infallible {
        loop {
            tokio::time::sleep(limits::CERTIFICATES_INTERVAL).await;
            self.reload().await;
        }
    }

    /// Shakes hands on these connections, many at a time. Those that fail are logged and left out.
    pub fn accept<IO, I>(
        &self,
        incoming: I,
    ) -> impl Stream<Item = Result<Secured<IO>, Infallible>> + use<IO, I>
    where
        IO: Transport,
        I: Stream<Item = IO> + Unpin,
    {
        self.accept_counted(incoming, None)
    }

    /// As [`accept`](Self::accept); those that fail are counted as well.
    pub(super) fn accept_counted<IO, I>(
        &self,
        incoming: I,
        metrics: Option<Metrics>,
    ) -> impl Stream<Item = Result<Secured<IO>, Infallible>> + use<IO, I>
    where
        IO: Transport,
        I: Stream<Item = IO> + Unpin,
    {
        Handshakes::new(incoming, self.clone(), metrics).map(Ok)
    }

    fn acceptor(&self) -> TlsAcceptor {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current))
    }

    fn coordinators(&self) -> Option<&BTreeSet<String>> {
        self.0.files.clients.as_ref().map(|clients| &clients.coordinators)
    }
}

impl Shared {
    fn reload(&self) {
        // Held all along, so that of two who reload at once the later one reads what the files say
        // last.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, config) = files::read(&self.files);
        if *seen == now {
            return;
        }
        *seen = now;
        match config {
            Ok(config) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!("new certificates are used from now on");
            }
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::error!("new certificates cannot be used, the old ones stay: {error:#}");
            }
        }
    }
}
