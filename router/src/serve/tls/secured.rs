use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::{Caller, Identity, IdentityError, limits};

/// A connection after its TLS handshake. It knows who is at its other end, and ends when that one's
/// certificate expires (SEC-8).
#[derive(Debug)]
pub struct Secured<IO> {
    io: TlsStream<IO>,
    caller: Caller,
    expiry: Option<Expiry>,
}

/// When a certificate expires. Time passes as tokio's clock does; where the system's is ahead of
/// that, as it is after it was set or the machine slept, that one counts. None that is set back gives more time.
#[derive(Debug)]
struct Expiry {
    /// Since 1970.
    at: Duration,
    deadline: Instant,
    look_again: Pin<Box<Sleep>>,
}

impl Expiry {
    fn of(identity: &Identity) -> Self {
        let at = u64::try_from(identity.expires().0).unwrap_or_default();
        let at = Duration::from_millis(at);
        let deadline = Instant::now() + time_left(at);
        Self { at, deadline, look_again: Box::pin(tokio::time::sleep(Duration::ZERO)) }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.look_again.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            self.deadline = self.deadline.min(now + time_left(self.at));
            if self.deadline <= now {
                return Poll::Ready(());
            }
            let soon = now + limits::CERTIFICATE_EXPIRY_INTERVAL;
            self.look_again.as_mut().reset(self.deadline.min(soon));
        }
        Poll::Pending
    }
}

/// How long it is until then by the system's clock.
fn time_left(at: Duration) -> Duration {
    at.saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl<IO: Unpin> Secured<IO> {
    /// Reads who the client is, once for all its calls, where clients are asked for that.
    pub(super) fn new(
        io: TlsStream<IO>,
        coordinators: Option<&BTreeSet<String>>,
    ) -> Result<Self, IdentityError> {
        let (mut caller, mut expiry) = (Caller::Anonymous, None);
        if let Some(coordinators) = coordinators {
            let certificates = io.get_ref().1.peer_certificates();
            let certificate = certificates.and_then(<[_]>::first);
            let certificate = certificate.ok_or(IdentityError::Malformed)?;
            let identity = Identity::of_certificate(certificate, coordinators)?;
            expiry = Some(Expiry::of(&identity));
            caller = Caller::Identified(identity);
        }
        Ok(Self { io, caller, expiry })
    }

    fn poll_io(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> io::Result<Pin<&mut TlsStream<IO>>> {
        let this = self.get_mut();
        match this.expiry.as_mut().map(|expiry| expiry.poll(context)) {
            Some(Poll::Ready(())) => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the certificate has expired"))
            }
            _ => Ok(Pin::new(&mut this.io)),
        }
    }
}

impl<IO> Connected for Secured<IO> {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_io(context)?.poll_read(context, buffer)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(context)?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_io(context)?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_io(context)?.poll_shutdown(context)
    }
}
