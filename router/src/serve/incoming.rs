use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

/// How long to wait when the system has no more connections to give, as with too many open files:
/// asking again at once would keep a core busy and help nobody.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections that a listener accepts. It never ends.
#[derive(Debug)]
pub(crate) struct Incoming {
    listener: TcpListener,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, pause: None }
    }
}

impl Stream for Incoming {
    type Item = TcpStream;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<TcpStream>> {
        let this = self.get_mut();
        loop {
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(context));
                this.pause = None;
            }
            match ready!(this.listener.poll_accept(context)) {
                Ok((connection, _)) => {
                    // Small messages must not wait for others to fill a packet with.
                    if let Err(error) = connection.set_nodelay(true) {
                        tracing::debug!(%error, "a connection ended before it began");
                        continue;
                    }
                    return Poll::Ready(Some(connection));
                }
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection ended before it began");
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections for the moment");
                    this.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
                }
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
