//! Serving a router over gRPC: the router itself, health checks and reflection, on one port.

mod connection;
mod incoming;
mod unvectored;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use futures_core::Stream;
use mpc_router_proto::FILE_DESCRIPTOR_SET;
use mpc_router_proto::v1::message_router_server::MessageRouterServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService as _;
use tonic::transport::server::Connected;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

use self::connection::Connection;
use self::incoming::Incoming;
pub use self::unvectored::Unvectored;
use crate::{Router, limits};

/// A port that is taken, and not served yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
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

impl Server {
    /// Takes a port, so that connections wait from here on; port 0 lets the system choose one.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bound.await.map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            _ => BindError::Refused { address, source },
        })
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
        let incoming = Incoming::new(self.listener).map(Ok::<_, Infallible>);
        serve_connections(router, incoming, shutdown).await
    }
}

/// Serves the connections that `incoming` gives, whatever they are made of, until `shutdown` is done;
/// else as [`Server::serve`].
///
/// # Errors
/// If the server cannot be set up.
pub async fn serve_connections<IO, E>(
    router: Router,
    incoming: impl Stream<Item = Result<IO, E>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError>
where
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let reporter = HealthReporter::new();
    reporter.set_serving::<MessageRouterServer<Router>>().await;
    let health = HealthServer::new(health_service(&reporter));
    let decoding_limit = router.config().max_payload.saturating_add(limits::REQUEST_MARGIN_BYTES);
    let service =
        MessageRouterServer::new(router.clone()).max_decoding_message_size(decoding_limit);

    // Stops on `shutdown`, and tells when the time for it is over.
    let (stopping, stopped) = oneshot::channel();
    let stop_timeout = router.config().stop_timeout;
    let stop = async {
        shutdown.await;
        tracing::info!("stopping");
        router.stop();
        end_health(reporter).await;
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
    let incoming = incoming.map(|io| io.map(|io| Connection::new(Unvectored::new(io), &cut)));
    let serve = tonic::transport::Server::builder()
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

fn health_service(reporter: &HealthReporter) -> impl Health + use<> {
    tonic_health::server::HealthService::from_health_reporter(reporter.clone())
}

/// Says that nothing is served any more, and ends the streams of those who watch that: they would
/// hold up the stop.
async fn end_health(mut reporter: HealthReporter) {
    for service in ["", MessageRouterServer::<Router>::NAME] {
        reporter.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
        reporter.clear_service_status(service).await;
    }
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
