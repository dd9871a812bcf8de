//! Serving a router over gRPC: the router itself, health checks and reflection, on one port, with
//! TLS or without.

mod admission;
mod calls;
mod connection;
mod health;
mod incoming;
mod tls;
mod unvectored;

use std::convert::Infallible;
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_core::Stream;
use mpc_router_proto::FILE_DESCRIPTOR_SET;
use mpc_router_proto::v1::message_router_server::MessageRouterServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tonic_health::pb::health_server::HealthServer;

use self::admission::Admission;
use self::calls::Calls;
use self::connection::Connection;
use self::health::Told;
pub(crate) use self::incoming::Incoming;
pub use self::tls::{Secured, Tls, TlsError, TlsFiles, TrustedClients};
pub use self::unvectored::Unvectored;
use crate::{Router, limits};

/// A port that is taken, and not served yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

/// A port could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has it.
    #[error(
        "{address} is in use already: end what listens there, or choose another port \
         (port 0 lets the system choose)"
    )]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The system does not give it.
    #[error(
        "cannot listen on {address}: choose an address of this machine, and a port that you may use"
    )]
    Refused {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Serving ended with an error.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve")]
pub struct ServeError(#[from] tonic::transport::Error);

/// Takes a port, and tells which one it is.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        _ => BindError::Refused { address, source },
    })
}

impl Server {
    /// Takes a port, so that connections wait from here on; port 0 lets the system choose one.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let (listener, address) = bind(address).await?;
        Ok(Self { listener, address, tls: None })
    }

    /// Serves over TLS alone (SEC-1), and keeps up with its files.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The address that is listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done, then stops in good order (DUR-7): streams end with
    /// UNAVAILABLE, no new call is taken, and those under way are finished, for no longer than the
    /// router's `stop_timeout`.
    ///
    /// # Errors
    /// If the server cannot be set up.
    pub async fn serve(
        self,
        router: Router,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let incoming = Incoming::new(self.listener);
        match self.tls {
            None => serve_connections(router, incoming.map(Ok::<_, Infallible>), shutdown).await,
            Some(tls) => {
                let incoming = tls.accept_counted(incoming, Some(router.metrics().clone()));
                tokio::select! {
                    served = serve_connections(router, incoming, shutdown) => served,
                    never = tls.keep_up() => match never {},
                }
            }
        }
    }
}

/// What a connection can be made of: a socket, a pipe, or either with TLS around it.
pub trait Transport:
    AsyncRead + AsyncWrite + Connected<ConnectInfo: Debug> + Unpin + Send + 'static
{
}

impl<IO> Transport for IO where
    IO: AsyncRead + AsyncWrite + Connected<ConnectInfo: Debug> + Unpin + Send + 'static
{
}

/// Serves the connections that `incoming` gives, whatever they are made of, until `shutdown` is done;
/// else as [`Server::serve`].
///
/// # Errors
/// If the server cannot be set up.
pub async fn serve_connections<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    router: Router,
    incoming: impl Stream<Item = Result<impl Transport, E>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let mut told = Told::new(router.health()).await;
    let health = HealthServer::new(told.service());
    let metrics = router.metrics().clone();
    let decoding_limit = router.config().max_payload.saturating_add(limits::REQUEST_MARGIN_BYTES);
    let service =
        MessageRouterServer::new(router.clone()).max_decoding_message_size(decoding_limit);

    // Stops on `shutdown`, and tells when the time for it is over.
    let (stopping, stopped) = oneshot::channel();
    let stop_timeout = router.config().stop_timeout;
    let stop = async {
        tokio::select! {
            () = shutdown => {}
            never = told.follow() => match never {},
        }
        tracing::info!("stopping");
        router.stop();
        told.end().await;
        let _ = stopping.send(());
    };
    let too_late = async {
        match stopped.await {
            // A fifth of the time is for what comes after: the end of the process.
            Ok(()) => tokio::time::sleep(stop_timeout.mul_f64(0.8)).await,
            Err(_) => std::future::pending().await,
        }
    };

    let cut = CancellationToken::new();
    // tonic would not wait for `shutdown` any more once there are no more connections to come.
    let incoming = incoming.chain(tokio_stream::pending());
    let room = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let counted = metrics.clone();
    let incoming = incoming.filter_map(|io| match (io, Arc::clone(&room).try_acquire_owned()) {
        (Ok(io), Ok(place)) => {
            let place = (place, counted.connection());
            Some(Ok(Connection::new(Unvectored::new(io), &cut, place)))
        }
        (Ok(_), Err(_)) => {
            tracing::warn!("a connection is one too many and is closed");
            counted.connection_refused();
            None
        }
        (Err(error), _) => Some(Err(error)),
    });
    let serve = tonic::transport::Server::builder()
        .layer(Calls(metrics))
        .layer(Admission::default())
        .http2_max_header_list_size(limits::HEADER_BYTES)
        .initial_stream_window_size(limits::CALL_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits::STREAMS_PER_CONNECTION)
        .http2_max_pending_accept_reset_streams(Some(limits::CANCELLED_CALLS))
        .http2_keepalive_interval(Some(limits::KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(limits::KEEPALIVE_TIMEOUT))
        .add_service(service)
        .add_service(health)
        .add_service(reflection_v1())
        .add_service(reflection_v1alpha())
        .serve_with_incoming_shutdown(incoming, stop);
    let mut serve = std::pin::pin!(serve);
    tokio::select! {
        served = &mut serve => served?,
        () = too_late => {
            tracing::warn!("some connections did not end in time and are cut off");
            cut.cancel();
            // They run in tasks of their own, which end with them at once.
            if let Ok(served) = tokio::time::timeout(stop_timeout.mul_f64(0.1), serve).await {
                served?;
            }
        }
    }
    tracing::info!("stopped");
    Ok(())
}

macro_rules! reflection {
    ($name:ident, $build:ident, $version:ident) => {
        fn $name() -> tonic_reflection::server::$version::ServerReflectionServer<
            impl tonic_reflection::server::$version::ServerReflection,
        > {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .$build()
                .expect("the descriptors were generated with the code")
        }
    };
}

reflection!(reflection_v1, build_v1, v1);
reflection!(reflection_v1alpha, build_v1alpha, v1alpha);
