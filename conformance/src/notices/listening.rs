//! Notifications over HTTP.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::{Attempt, Notices, Reply};

/// No notification is longer. Bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// The path of the URL that is told; what comes to others is taken as well.
const PATH: &str = "/notifications";

/// How long to wait after a connection that could not be accepted.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// The end of the line from a target: who drops it hangs up.
#[derive(Debug)]
pub struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Notices {
    /// Listens there for notifications by HTTP; port 0 lets the system choose one. Must be called
    /// within a tokio runtime with IO enabled.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn listen(address: SocketAddr) -> io::Result<(Self, Listening)> {
        let listener = TcpListener::bind(address).await?;
        let url = format!("http://{}{PATH}", reached_at(listener.local_addr()?));
        let notices = Self::at(Some(url));
        let serving = tokio::spawn(serve(listener, notices.clone())).abort_handle();
        Ok((notices, Listening(serving)))
    }
}

/// Where somebody on this machine reaches a socket.
fn reached_at(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}

async fn serve(listener: TcpListener, notices: Notices) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The loss of whoever made the connection. Where there are too many open files the next
            // one fails as well, at once.
            tokio::time::sleep(AFTER_FAILURE).await;
            continue;
        };
        connections.spawn(converse(stream, notices.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers what comes on one connection.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, notices: Notices) {
    let promised = Promised::default();
    let service = service_fn(|request| answer(request, notices.clone(), promised.clone()));
    let connection = Telling { stream, notices: notices.clone(), promised: promised.clone() };
    // The target may hang up at any time.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

/// Notifications that count as told when what was written on their connection has left.
type Promised = Arc<Mutex<Vec<Attempt>>>;

/// A connection that notes when answers have left.
struct Telling<S> {
    stream: S,
    notices: Notices,
    promised: Promised,
}

impl<S: AsyncRead + Unpin> AsyncRead for Telling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Telling<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    /// HTTP is flushed when all of an answer is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        for attempt in self.promised.lock().expect("nobody panics with it").drain(..) {
            self.notices.answered(&attempt);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn answer(
    request: Request<Incoming>,
    notices: Notices,
    promised: Promised,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let lines: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let text = format!("{} {}\n{}\n", head.method, head.uri, lines.concat());
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let reply = if head.method == Method::POST {
        let (reply, attempt) = notices.receive(&body, &text).await;
        promised.lock().expect("nobody panics with it").extend(attempt);
        reply
    } else {
        notices.keep_garbled(&text);
        Reply::Garbled
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = reply.status();
    Ok(response)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn send(address: &str, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    fn post(method: &str, address: &str, body: &str) -> String {
        format!(
            "{method} {PATH} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    const TOLD: &str = r#"{"channel":"email","address":"a","party_id":"bob","session_id":"s"}"#;

    #[tokio::test]
    async fn who_gets_no_answer_has_told_nothing() {
        let notices = Notices::default();
        // The answer does not fit onto the way.
        let (mut target, ours) = tokio::io::duplex(64);
        let serving = tokio::spawn(converse(ours, notices.clone()));
        target.write_all(post("POST", "here", TOLD).as_bytes()).await.unwrap();
        let taken = || notices.of("bob").iter().map(|it| it.taken).collect::<Vec<_>>();
        while taken().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(taken(), [false]);
        let mut answer = String::new();
        target.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(taken(), [true]);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn notifications_come_by_post() {
        let (notices, _listening) = Notices::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = notices.url().unwrap().to_owned();
        let address = url.strip_prefix("http://").unwrap().strip_suffix(PATH).unwrap();
        let post = |method: &str, body: &str| post(method, address, body);
        assert_eq!(send(address, &post("POST", TOLD)).await, "HTTP/1.1 200 OK");
        let kept = notices.of("bob");
        assert_eq!((kept.len(), kept[0].taken, kept[0].session_id.as_str()), (1, true, "s"));
        assert!(kept[0].text.starts_with("POST /notifications\n"), "{}", kept[0].text);
        notices.refuse("bob", 2);
        let refused = "HTTP/1.1 429 Too Many Requests";
        assert_eq!(send(address, &post("POST", TOLD)).await, refused);
        assert_eq!(send(address, &post("PUT", TOLD)).await, "HTTP/1.1 400 Bad Request");
        assert_eq!(send(address, &post("POST", "told")).await, "HTTP/1.1 400 Bad Request");
        assert_eq!(notices.garbled().len(), 2);
    }
}
