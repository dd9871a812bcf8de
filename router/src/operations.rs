//! What operators and their programs ask a router, over HTTP on an address of its own: whether it
//! lives and is ready, its metrics, and what it logs.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

use crate::log::Health;
use crate::serve::{BindError, Incoming, bind};
use crate::{Router, limits};

/// What is logged, and how it is changed.
pub trait LogFilter: Send + Sync + 'static {
    /// What is logged.
    fn filter(&self) -> String;

    /// Logs this from now on.
    ///
    /// # Errors
    /// If it is no filter. The text says what one is.
    fn change(&self, filter: &str) -> Result<(), String>;
}

/// An address for operators that is taken, and not served yet. Whoever can connect to it may ask
/// everything: it is for this machine, or for a network of operators.
#[derive(Debug)]
pub struct Operations {
    listener: TcpListener,
    address: SocketAddr,
}

impl Operations {
    /// Takes the address, so that connections wait from here on; port 0 lets the system choose one.
    ///
    /// # Errors
    /// If it cannot be had.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let (listener, address) = bind(address).await?;
        Ok(Self { listener, address })
    }

    /// The address that is listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is dropped: it goes on while the router stops, and tells so.
    pub async fn serve(self, router: Router, log: Arc<dyn LogFilter>) -> Infallible {
        let asked = Asked { router, log };
        let free = Arc::new(Semaphore::new(limits::OPERATIONS_CONNECTIONS));
        let mut incoming = Incoming::new(self.listener);
        let mut open = JoinSet::new();
        loop {
            let permit = Arc::clone(&free).acquire_owned().await.expect("it is never closed");
            let connection = incoming.next().await.expect("a listener goes on");
            while open.try_join_next().is_some() {}
            let asked = asked.clone();
            open.spawn(async move {
                let _permit = permit;
                asked.answer_on(connection).await;
            });
        }
    }
}

/// What the answers are made of.
#[derive(Clone)]
struct Asked {
    router: Router,
    log: Arc<dyn LogFilter>,
}

impl Asked {
    /// Answers one request, which is all that a connection is for.
    async fn answer_on(self, connection: TcpStream) {
        let answer =
            service_fn(|request| async { Ok::<_, Infallible>(self.answer(request).await) });
        let served = http1::Builder::new()
            .keep_alive(false)
            .timer(TokioTimer::new())
            .header_read_timeout(limits::OPERATIONS_TIMEOUT)
            .max_headers(limits::OPERATIONS_HEADERS)
            .max_buf_size(limits::OPERATIONS_HEADER_BYTES)
            .serve_connection(TokioIo::new(connection), answer);
        match tokio::time::timeout(limits::OPERATIONS_TIMEOUT, served).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a request to the operations address failed"),
            Err(_) => tracing::debug!("a request to the operations address took too long"),
        }
    }

    async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (path, method) = (request.uri().path().to_owned(), request.method().clone());
        let reads = method == Method::GET || method == Method::HEAD;
        match &*path {
            "/log" if method == Method::PUT => self.change_log(request.into_body()).await,
            "/log" if !reads => not_allowed("GET, HEAD, PUT"),
            "/" | "/metrics" | "/healthz" | "/readyz" if !reads => not_allowed("GET, HEAD"),
            "/" => text(StatusCode::OK, THERE_IS),
            "/metrics" => {
                let mut metrics = text(StatusCode::OK, self.router.metrics_text());
                let kind = HeaderValue::from_static(OPEN_METRICS);
                metrics.headers_mut().insert(header::CONTENT_TYPE, kind);
                metrics
            }
            "/healthz" => text(StatusCode::OK, "alive\n"),
            "/readyz" => self.ready(),
            "/log" => text(StatusCode::OK, self.log.filter() + "\n"),
            _ => text(StatusCode::NOT_FOUND, format!("there is nothing here\n\n{THERE_IS}")),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        if self.router.is_stopping() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
        }
        match &*self.router.health().borrow() {
            Health::Fine => text(StatusCode::OK, "ready\n"),
            // What makes room has to come through.
            Health::Full(why) => {
                text(StatusCode::OK, format!("ready for acknowledgements: {why}\n"))
            }
            Health::Failing(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        }
    }

    async fn change_log<B>(&self, body: B) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Ok(body) = Limited::new(body, limits::OPERATIONS_BODY_BYTES).collect().await else {
            let most = limits::OPERATIONS_BODY_BYTES;
            let why = format!("a filter has {most} bytes at most\n");
            return text(StatusCode::PAYLOAD_TOO_LARGE, why);
        };
        let body = body.to_bytes();
        let Ok(filter) = str::from_utf8(&body).map(str::trim) else {
            return text(StatusCode::BAD_REQUEST, "a filter is a text\n");
        };
        match self.log.change(filter) {
            Ok(()) => text(StatusCode::OK, format!("{filter}\n")),
            Err(why) => text(StatusCode::BAD_REQUEST, format!("{why}\n")),
        }
    }
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const THERE_IS: &str = "\
GET /metrics    what is counted, in the OpenMetrics text format
GET /healthz    200 as long as the program lives
GET /readyz     200 if calls are taken, else 503 and why not
GET /log        what is logged
PUT /log        log something else, such as warn,mpc_router=debug
";

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let text_of_it = format!("here only {allowed} can be done\n");
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, text_of_it);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
