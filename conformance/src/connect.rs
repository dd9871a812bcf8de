//! Connections to a target: over TCP, or in memory to a service in this process.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::transport::{Channel, Endpoint, Server, Uri};

/// Bytes on their way in an in-memory connection, each way: about a socket's buffer.
const MEMORY_PIPE_BYTES: usize = 256 * 1024;

/// Receive windows, so that the client's side does not decide how fast a target may send.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to a target: it can be walked any number of times.
#[derive(Clone, Debug)]
pub struct Door(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Tcp(Uri),
    Memory(Arc<InMemory>),
}

#[derive(Debug)]
struct InMemory {
    connections: mpsc::UnboundedSender<io::Result<DuplexStream>>,
    server: AbortHandle,
}

impl Drop for InMemory {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Door {
    /// To a server at an address `http://host:port`.
    pub fn tcp(address: Uri) -> Self {
        Self(Kind::Tcp(address))
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
        let (connections, incoming) = mpsc::unbounded_channel();
        let server = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .add_service(service)
            .serve_with_incoming(UnboundedReceiverStream::new(incoming));
        let server = tokio::spawn(server).abort_handle();
        Self(Kind::Memory(Arc::new(InMemory { connections, server })))
    }

    /// A connection that is made at the first call, and made anew when it breaks.
    pub fn connect(&self) -> Channel {
        self.connect_cuttable().0
    }

    /// The same, with the means to break it.
    pub fn connect_cuttable(&self) -> (Channel, Cut) {
        let cut = Cut::default();
        let (door, thrown) = (self.clone(), cut.clone());
        let endpoint = match &self.0 {
            Kind::Tcp(uri) => Endpoint::from(uri.clone()),
            Kind::Memory(_) => Endpoint::from_static("http://in-process"),
        };
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
                let (door, thrown) = (door.clone(), thrown.clone());
                async move { door.open(thrown).await.map(TokioIo::new) }
            }));
        (channel, cut)
    }

    async fn open(&self, cut: Cut) -> io::Result<Link> {
        let pipe = match &self.0 {
            Kind::Tcp(uri) => {
                let host = uri.host().unwrap_or("127.0.0.1").trim_matches(['[', ']']);
                let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
                stream.set_nodelay(true)?;
                Pipe::Tcp(stream)
            }
            Kind::Memory(memory) => {
                let (ours, theirs) = tokio::io::duplex(MEMORY_PIPE_BYTES);
                let gone = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
                memory.connections.send(Ok(theirs)).map_err(gone)?;
                Pipe::Memory(ours)
            }
        };
        Ok(Link { pipe, cut: Box::pin(cut.current().cancelled_owned()) })
    }
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
struct Link {
    pipe: Pipe,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

enum Pipe {
    Tcp(TcpStream),
    Memory(DuplexStream),
}

impl Link {
    /// The open end, or an error once the cut was thrown.
    fn poll_pipe(&mut self, cx: &mut Context<'_>) -> io::Result<Pin<&mut dyn Stream>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(match &mut self.pipe {
            Pipe::Tcp(stream) => Pin::new(stream) as Pin<&mut dyn Stream>,
            Pipe::Memory(stream) => Pin::<&mut DuplexStream>::new(stream),
        })
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
