//! Connections to a target: over TCP, over TLS, or in memory to a service in this process.

mod latency;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Server, Uri};

use crate::identity::{COORDINATOR, Grade, Identities, NoIdentity, Shown};

/// Bytes on their way in an in-memory connection, each way: about a socket's buffer.
const MEMORY_PIPE_BYTES: usize = 256 * 1024;

/// Receive windows, so that the client's side does not decide how fast a target may send.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to a target: it can be walked any number of times.
#[derive(Clone, Debug)]
pub struct Door {
    kind: Kind,
    /// What whoever walks it shows of itself.
    shows: Shown,
    /// How long what is sent may be under way, each way, beyond what it takes anyway.
    latency: Duration,
}

#[derive(Clone, Debug)]
enum Kind {
    Tcp(Uri),
    Tls { uri: Uri, identities: Identities, config: Option<Arc<ClientConfig>> },
    Memory(Arc<InMemory>),
}

/// A place in memory where something may be served: one service after the other.
#[derive(Debug)]
struct InMemory {
    served: Mutex<Option<Served>>,
    /// Whether what is served looks at what callers show of themselves.
    asks: bool,
}

#[derive(Debug)]
struct Served {
    connections: mpsc::UnboundedSender<io::Result<Link>>,
    server: AbortHandle,
    /// Breaks all of its connections.
    cut: Cut,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Door {
    fn new(kind: Kind, shows: Shown) -> Self {
        Self { kind, shows, latency: Duration::ZERO }
    }

    /// The same door at the end of a long way: everything that is sent on its connections arrives up
    /// to so much later, and so does what comes back.
    pub fn far_away(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// To a server at an address `http://host:port`.
    pub fn tcp(address: Uri) -> Self {
        Self::new(Kind::Tcp(address), Shown::Plaintext)
    }

    /// To a server at an address `https://host:port`, as the coordinator.
    ///
    /// # Errors
    /// If the coordinator has no certificate.
    pub fn tls(address: Uri, identities: Identities) -> Result<Self, NoIdentity> {
        let coordinator = identities.coordinator().to_owned();
        let kind = Kind::Tls { uri: address, identities, config: None };
        Self::new(kind, Shown::Nothing).named(&coordinator)
    }

    /// To a gRPC service in this process, served over pipes in memory. The server ends with the
    /// last clone of the door. Must be called within a tokio runtime.
    pub fn memory<S>(service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let door = Self::closed(false);
        door.serve(service);
        door
    }

    /// To a place in memory where nothing is served yet. Where callers are asked who they are, what
    /// is served finds that in the extensions of each request, as [`Opened`], and the door is the
    /// coordinator's.
    pub(crate) fn closed(asks: bool) -> Self {
        let shows = match asks {
            true => Shown::Certificate(COORDINATOR.into(), Grade::Good),
            false => Shown::Plaintext,
        };
        let memory = InMemory { served: Mutex::default(), asks };
        Self::new(Kind::Memory(Arc::new(memory)), shows)
    }

    /// Serves this from now on, where nothing is served. Must be called within a tokio runtime.
    pub(crate) fn serve<S>(&self, service: S)
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let Kind::Memory(memory) = &self.kind else { return };
        let (connections, incoming) = mpsc::unbounded_channel();
        let server = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .add_service(service)
            .serve_with_incoming(UnboundedReceiverStream::new(incoming));
        let server = tokio::spawn(server).abort_handle();
        *memory.lock() = Some(Served { connections, server, cut: Cut::default() });
    }

    /// Breaks all connections to what is served in memory, and refuses others until something is
    /// served again.
    pub(crate) fn close(&self) {
        if let Kind::Memory(memory) = &self.kind
            && let Some(served) = memory.lock().take()
        {
            served.cut.throw();
        }
    }

    /// Whether the target can see who calls.
    pub fn tells_who_calls(&self) -> bool {
        match &self.kind {
            Kind::Tcp(_) => false,
            Kind::Tls { .. } => true,
            Kind::Memory(memory) => memory.asks,
        }
    }

    /// The name of who publishes session events.
    pub fn coordinator(&self) -> &str {
        match &self.kind {
            Kind::Tls { identities, .. } => identities.coordinator(),
            Kind::Tcp(_) | Kind::Memory(_) => COORDINATOR,
        }
    }

    /// The same door for this party: where the target can see who calls, it sees its certificate.
    ///
    /// # Errors
    /// If it has none.
    pub fn named(&self, party: &str) -> Result<Self, NoIdentity> {
        match self.tells_who_calls() {
            true => self.showing(Shown::Certificate(party.into(), Grade::Good)),
            false => Ok(self.clone()),
        }
    }

    /// The same door for somebody who shows this of itself, where the target can see it.
    ///
    /// # Errors
    /// If there is no such certificate.
    pub fn showing(&self, shows: Shown) -> Result<Self, NoIdentity> {
        let mut kind = self.kind.clone();
        if let Kind::Tls { identities, config, .. } = &mut kind {
            *config = match shows {
                Shown::Plaintext => None,
                _ => Some(identities.config(&shows)?),
            };
        }
        Ok(Self { kind, shows, latency: self.latency })
    }

    /// Whether only certain names have certificates.
    pub(crate) fn has_certain_names(&self) -> bool {
        matches!(&self.kind, Kind::Tls { identities, .. } if identities.has_certain_names())
    }

    /// Notes that these parties are known to the target: none of their names is a new one's.
    pub(crate) fn takes_names(&self, known: &[String]) {
        if let Kind::Tls { identities, .. } = &self.kind {
            identities.takes_names(known);
        }
    }

    /// A party's name, where only certain names have certificates: the next one that nobody has had
    /// in this run. None where any name will do.
    pub(crate) fn next_name(&self) -> Option<Result<String, NoIdentity>> {
        match &self.kind {
            Kind::Tls { identities, .. } => identities.next_name(),
            Kind::Tcp(_) | Kind::Memory(_) => None,
        }
    }

    /// A connection that is made at the first call, and made anew when it breaks.
    pub fn connect(&self) -> Channel {
        self.connect_cuttable().0
    }

    /// The same, but its other side may send only so much that this one has not read. Bytes.
    pub fn connect_narrow(&self, window: u32) -> Channel {
        self.connect_with(window, window).0
    }

    /// The same, but only each of its streams is narrow: one that is not read leaves room for others.
    pub(crate) fn connect_narrow_streams(&self, window: u32) -> Channel {
        self.connect_with(window, CONNECTION_WINDOW_BYTES).0
    }

    /// A connection as bytes, for what no client would send.
    ///
    /// # Errors
    /// If it does not come about.
    pub(crate) async fn connect_raw(&self) -> io::Result<Link> {
        let opening = self.open(Cut::default());
        tokio::time::timeout(CONNECT_TIMEOUT, opening).await.map_err(io::Error::from)?
    }

    /// The same, with the means to break it.
    pub fn connect_cuttable(&self) -> (Channel, Cut) {
        self.connect_with(STREAM_WINDOW_BYTES, CONNECTION_WINDOW_BYTES)
    }

    fn connect_with(&self, stream_window: u32, connection_window: u32) -> (Channel, Cut) {
        let cut = Cut::default();
        let (door, thrown) = (self.clone(), cut.clone());
        // The connector encrypts; what an address of its own would ask tonic for.
        let plain = Endpoint::from_static("http://in-process");
        let endpoint = match &self.kind {
            Kind::Tcp(uri) | Kind::Tls { uri, .. } => plain.origin(uri.clone()),
            Kind::Memory(_) => plain,
        };
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(stream_window)
            .initial_connection_window_size(connection_window)
            .connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
                let (door, thrown) = (door.clone(), thrown.clone());
                async move { door.open(thrown).await.map(TokioIo::new) }
            }));
        (channel, cut)
    }

    async fn open(&self, cut: Cut) -> io::Result<Link> {
        let pipe = match &self.kind {
            Kind::Tcp(uri) | Kind::Tls { uri, config: None, .. } => Pipe::Tcp(dial(uri).await?),
            Kind::Tls { uri, config: Some(config), identities } => {
                let name = match identities.server_name() {
                    Some(name) => name.clone(),
                    None => ServerName::try_from(host(uri).to_owned()).map_err(io::Error::other)?,
                };
                let stream = TlsConnector::from(config.clone()).connect(name, dial(uri).await?);
                Pipe::Tls(Box::new(stream.await?))
            }
            Kind::Memory(memory) => {
                let (ours, theirs) = tokio::io::duplex(MEMORY_PIPE_BYTES);
                let served = memory.lock();
                let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
                let served = served.as_ref().ok_or_else(refused)?;
                let shown = self.shows.clone();
                let theirs = Link::new(Pipe::Memory(theirs), &served.cut, shown);
                served.connections.send(Ok(theirs)).map_err(|_| refused())?;
                Pipe::Memory(ours)
            }
        };
        if self.latency.is_zero() {
            return Ok(Link::new(pipe, &cut, self.shows.clone()));
        }
        // Broken at both ends: nobody hears of it through what is still under way.
        let far = Link::new(pipe, &cut, self.shows.clone());
        let near = latency::lengthened(far, self.latency, MEMORY_PIPE_BYTES);
        Ok(Link::new(Pipe::Memory(near), &cut, self.shows.clone()))
    }
}

impl InMemory {
    fn lock(&self) -> MutexGuard<'_, Option<Served>> {
        self.served.lock().expect("nobody panics with it")
    }
}

fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or("127.0.0.1").trim_matches(['[', ']'])
}

async fn dial(uri: &Uri) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host(uri), uri.port_u16().unwrap_or(80))).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Breaks the connections of one channel, as a cable that is pulled does: no farewell is sent over
/// HTTP/2. The channel makes a new connection at its next call.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<Mutex<CancellationToken>>);

impl Cut {
    /// Breaks what is open now.
    pub fn throw(&self) {
        std::mem::take(&mut *self.0.lock().expect("nobody panics with it")).cancel();
    }

    fn current(&self) -> CancellationToken {
        self.0.lock().expect("nobody panics with it").clone()
    }
}

/// One connection, which breaks when its `cut` is thrown.
pub(crate) struct Link {
    pipe: Pipe,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    opened: Opened,
}

/// How a connection was opened.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// What whoever opened it shows of itself.
    pub(crate) shown: Shown,
    /// What no other connection has.
    pub(crate) number: u64,
}

enum Pipe {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Memory(DuplexStream),
}

impl Link {
    fn new(pipe: Pipe, cut: &Cut, shown: Shown) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let opened = Opened { shown, number: NEXT.fetch_add(1, Ordering::Relaxed) };
        Self { pipe, cut: Box::pin(cut.current().cancelled_owned()), opened }
    }

    /// The open end, or an error once the cut was thrown.
    fn poll_pipe(&mut self, cx: &mut Context<'_>) -> io::Result<Pin<&mut dyn Stream>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(match &mut self.pipe {
            Pipe::Tcp(stream) => Pin::new(stream) as Pin<&mut dyn Stream>,
            Pipe::Tls(stream) => Pin::<&mut TlsStream<TcpStream>>::new(stream),
            Pipe::Memory(stream) => Pin::<&mut DuplexStream>::new(stream),
        })
    }
}

impl Connected for Link {
    type ConnectInfo = Opened;

    fn connect_info(&self) -> Opened {
        self.opened.clone()
    }
}

trait Stream: AsyncRead + AsyncWrite {}
impl<T: AsyncRead + AsyncWrite> Stream for T {}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_pipe(cx)?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_pipe(cx)?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_pipe(cx)?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_pipe(cx)?.poll_shutdown(cx)
    }
}
