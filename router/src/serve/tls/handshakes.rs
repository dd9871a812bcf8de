use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::task::{AbortHandle, JoinSet};
use tonic::transport::server::Connected as _;

use super::{Secured, Tls};
use crate::metrics::{HandshakeFailure, Metrics};
use crate::serve::Transport;
use crate::{IdentityError, limits};

/// Shakes hands on the connections of `incoming`, each in a task of its own, and gives those that
/// succeed as they do: who is slow or silent holds nobody else up.
#[derive(Debug)]
pub(super) struct Handshakes<IO, I> {
    incoming: I,
    tls: Tls,
    metrics: Option<Metrics>,
    /// Whether more may come in.
    open: bool,
    under_way: JoinSet<Option<Secured<IO>>>,
    /// The oldest first; those that have ended among them.
    by_age: VecDeque<AbortHandle>,
}

/// Why a connection does not become one.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("it took too long")]
    TimedOut,
    #[error(transparent)]
    Tls(#[from] io::Error),
    #[error(transparent)]
    Nobody(#[from] IdentityError),
}

impl<IO: Transport, I> Handshakes<IO, I> {
    pub(super) fn new(incoming: I, tls: Tls, metrics: Option<Metrics>) -> Self {
        let (under_way, by_age) = (JoinSet::new(), VecDeque::new());
        Self { incoming, tls, metrics, open: true, under_way, by_age }
    }

    fn begin(&mut self, io: IO) {
        if self.under_way.len() >= limits::HANDSHAKES {
            self.by_age.retain(|handshake| !handshake.is_finished());
            if let Some(oldest) = self.by_age.pop_front() {
                tracing::debug!("the oldest of too many TLS handshakes was ended");
                self.count(HandshakeFailure::TimedOut);
                oldest.abort();
            }
        }
        let shaking = shake(io, self.tls.clone(), self.metrics.clone());
        self.by_age.push_back(self.under_way.spawn(shaking));
        while self.by_age.front().is_some_and(AbortHandle::is_finished) {
            self.by_age.pop_front();
        }
    }

    fn count(&self, why: HandshakeFailure) {
        if let Some(metrics) = &self.metrics {
            metrics.handshake_failed(why);
        }
    }
}

async fn shake<IO: Transport>(io: IO, tls: Tls, metrics: Option<Metrics>) -> Option<Secured<IO>> {
    let peer = io.connect_info();
    let handshake = async {
        let io = tls.acceptor().accept(io).await?;
        Ok(Secured::new(io, tls.coordinators())?)
    };
    let shaken = tokio::time::timeout(limits::HANDSHAKE_TIMEOUT, handshake).await;
    let error = match shaken.unwrap_or(Err(Failed::TimedOut)) {
        Ok(secured) => {
            tracing::debug!(?peer, caller = ?secured.connect_info(), "a client has connected");
            return Some(secured);
        }
        Err(error) => error,
    };
    let why = match &error {
        Failed::TimedOut => HandshakeFailure::TimedOut,
        error if error.is_about_a_certificate() => HandshakeFailure::Certificate,
        _ => HandshakeFailure::Protocol,
    };
    // A certificate is for an operator to mend; the rest is the network's noise.
    match why {
        HandshakeFailure::Certificate => tracing::warn!(?peer, "a client was refused: {error}"),
        HandshakeFailure::TimedOut | HandshakeFailure::Protocol => {
            tracing::debug!(?peer, "a TLS handshake failed: {error}");
        }
    }
    if let Some(metrics) = metrics {
        metrics.handshake_failed(why);
    }
    None
}

impl Failed {
    fn is_about_a_certificate(&self) -> bool {
        let Self::Tls(error) = self else { return matches!(self, Self::Nobody(_)) };
        let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        matches!(
            error,
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
        )
    }
}

impl<IO: Transport, I: Stream<Item = IO> + Unpin> Stream for Handshakes<IO, I> {
    type Item = Secured<IO>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Secured<IO>>> {
        let this = self.get_mut();
        loop {
            match this.under_way.poll_join_next(context) {
                Poll::Ready(Some(Ok(Some(secured)))) => return Poll::Ready(Some(secured)),
                // It failed, or was ended to make room.
                Poll::Ready(Some(_)) => continue,
                Poll::Ready(None) if !this.open => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => {}
            }
            if !this.open {
                return Poll::Pending;
            }
            match Pin::new(&mut this.incoming).poll_next(context) {
                Poll::Ready(Some(io)) => this.begin(io),
                Poll::Ready(None) => this.open = false,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
