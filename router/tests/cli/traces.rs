//! Traces, as a collector gets them.

use crate::running::{run, text};

#[cfg(not(feature = "otel"))]
#[test]
fn a_router_without_traces_says_so() {
    let output = run(&["serve", "--otlp-endpoint", "http://127.0.0.1:4317", "--check-config"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("--features otel") && error.lines().count() == 1, "{error}");
}

#[test]
fn what_is_no_collectors_address_is_refused() {
    let output = run(&["serve", "--otlp-endpoint", "https://collector", "--check-config"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("http://127.0.0.1:4317"));
}

#[cfg(feature = "otel")]
mod with_otel {
    use std::convert::Infallible;
    use std::task::{Context, Poll};

    use http_body_util::BodyExt as _;
    use mpc_router_proto::v1::HeartbeatRequest;
    use mpc_router_proto::v1::message_router_client::MessageRouterClient;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::body::Body;
    use tonic::codegen::{BoxFuture, Service};
    use tonic::server::NamedService;
    use tonic::transport::Endpoint;
    use tonic::{Request, Status};

    use crate::certs::in_tokio;
    use crate::running::{Running, router};

    const TRACE: [u8; 16] = [
        0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47,
        0x36,
    ];
    const CALLER: [u8; 8] = [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];

    /// Keeps what is exported to it, and answers with nothing, which is an answer of this service.
    #[derive(Clone)]
    struct Collector(mpsc::UnboundedSender<Vec<u8>>);

    impl NamedService for Collector {
        const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
    }

    impl Service<http::Request<Body>> for Collector {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Self::Response, Infallible>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            let exported = self.0.clone();
            Box::pin(async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let _ = exported.send(body.to_vec());
                Ok(Status::ok("").into_http())
            })
        }
    }

    fn has(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn each_call_is_a_span_of_its_callers_trace() {
        let exported = in_tokio(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let collector = format!("http://{}", listener.local_addr().unwrap());
            let (exported, mut exports) = mpsc::unbounded_channel();
            let server = tonic::transport::Server::builder().add_service(Collector(exported));
            let serving =
                tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
            let mut command = router();
            command.args(["serve", "--listen", "127.0.0.1:0", "--otlp-endpoint", &collector]);
            let running = Running::start(&mut command);
            let endpoint = Endpoint::from_shared(format!("http://{}", running.address)).unwrap();
            let mut client = MessageRouterClient::new(endpoint.connect().await.unwrap());
            let beat = HeartbeatRequest { party_id: "nobody-in-particular".into(), timestamp: 0 };
            let mut request = Request::new(beat);
            let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            request.metadata_mut().insert("traceparent", parent.parse().unwrap());
            client.heartbeat(request).await.unwrap_err();
            running.signal("TERM");
            let (status, log) = tokio::task::spawn_blocking(|| running.end()).await.unwrap();
            assert_eq!(status, Some(0), "{log}");
            let exported = exports.recv().await.unwrap();
            serving.abort();
            exported
        });
        for part in ["mpc-router", "Heartbeat", "nobody-in-particular", "NOT_FOUND"] {
            assert!(has(&exported, part.as_bytes()), "{part}");
        }
        assert!(has(&exported, &TRACE) && has(&exported, &CALLER), "W3C trace context");
    }
}
