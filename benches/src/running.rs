use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mpc_router::limits;
use mpc_router::serve::Unvectored;
use mpc_router_proto::v1::message_router_server::{MessageRouter, MessageRouterServer};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::StreamExt as _;
use tonic::transport::server::{Server, TcpIncoming};

/// How many threads serve. They share the machine's cores with the clients', and with nobody else if
/// the machine is otherwise idle.
const SERVER_THREADS: usize = 2;

/// How long a server's threads may take to end: they only have to finish what they are about.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A server that runs on threads of its own, on a loopback port, until it is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    threads: Threads,
    /// Some until dropped.
    runtime: Option<Runtime>,
}

impl Running {
    /// Serves the reference router.
    ///
    /// # Errors
    /// If threads or a port cannot be had.
    pub fn router() -> io::Result<Self> {
        Self::start(async || {
            let server = mpc_router::serve::Server::bind(ANY_PORT).await;
            let server = server.map_err(io::Error::other)?;
            let address = server.local_addr();
            // What a round leaves unacknowledged is not to be sent again while it lasts.
            let ack_timeout = Duration::from_hours(1);
            let config = mpc_router::Config { ack_timeout, ..mpc_router::Config::default() };
            let router = mpc_router::Router::new(config);
            Ok((address, async move {
                // A server that fails is noticed by its clients.
                let _ = server.serve(router, std::future::pending()).await;
            }))
        })
    }

    /// Serves with the settings that make fan-out cheapest, which are the router's.
    ///
    /// # Errors
    /// If threads or a port cannot be had.
    pub fn tuned(service: impl MessageRouter) -> io::Result<Self> {
        Self::start(async || {
            let (address, incoming) = incoming().await?;
            let serve = Server::builder()
                .initial_stream_window_size(limits::CALL_WINDOW_BYTES)
                .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
                .max_concurrent_streams(limits::STREAMS_PER_CONNECTION)
                .add_service(MessageRouterServer::new(service))
                .serve_with_incoming(incoming.map(|connection| connection.map(Unvectored::new)));
            Ok((address, async {
                let _ = serve.await;
            }))
        })
    }

    /// Serves with tonic's own settings.
    ///
    /// # Errors
    /// If threads or a port cannot be had.
    pub fn untuned(service: impl MessageRouter) -> io::Result<Self> {
        Self::start(async || {
            let (address, incoming) = incoming().await?;
            let serve = Server::builder()
                .add_service(MessageRouterServer::new(service))
                .serve_with_incoming(incoming);
            Ok((address, async {
                let _ = serve.await;
            }))
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its threads have spent so far, in the kernel too; exact while they sleep. None where the
    /// system does not tell (it is Linux that does).
    pub fn cpu(&self) -> Option<Duration> {
        self.threads.cpu()
    }

    fn start<S>(prepare: impl AsyncFnOnce() -> io::Result<(SocketAddr, S)>) -> io::Result<Self>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let threads = Threads::default();
        let started = threads.clone();
        let runtime = Builder::new_multi_thread()
            .worker_threads(SERVER_THREADS)
            .thread_name("server")
            .on_thread_start(move || started.add_this_one())
            .enable_all()
            .build()?;
        let (address, serve) = runtime.block_on(prepare())?;
        runtime.spawn(serve);
        Ok(Self { address, threads, runtime: Some(runtime) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(STOP_TIMEOUT);
        }
    }
}

async fn incoming() -> io::Result<(SocketAddr, TcpIncoming)> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let address = listener.local_addr()?;
    Ok((address, TcpIncoming::from(listener).with_nodelay(Some(true))))
}

/// The threads of a server.
#[derive(Debug, Default, Clone)]
struct Threads {
    /// Where each one's folder is below /proc.
    folders: Arc<Mutex<Vec<PathBuf>>>,
}

impl Threads {
    fn add_this_one(&self) {
        if let Ok(thread) = fs::read_link("/proc/thread-self") {
            let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.push(PathBuf::from("/proc").join(thread));
        }
    }

    fn cpu(&self) -> Option<Duration> {
        let folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = |folder: &PathBuf| {
            let text = fs::read_to_string(folder.join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
        };
        let spent: Duration = folders.iter().filter_map(spent).sum();
        (!spent.is_zero()).then_some(spent)
    }
}
