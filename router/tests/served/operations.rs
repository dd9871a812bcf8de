//! What operators are answered, and what is counted for them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpc_router::log::{Health, Log};
use mpc_router::operations::{LogFilter, Operations};
use mpc_router::{Config, Router, limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::late_log::LateLog;
use crate::support::*;

#[derive(Default)]
struct Filter(Mutex<String>);

impl LogFilter for Filter {
    fn filter(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn change(&self, filter: &str) -> Result<(), String> {
        if filter.contains('!') {
            return Err("this is no filter".into());
        }
        *self.0.lock().unwrap() = filter.to_owned();
        Ok(())
    }
}

/// An operations address that is answered until this is dropped.
struct Asked {
    address: std::net::SocketAddr,
    serving: JoinHandle<std::convert::Infallible>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Asked {
    async fn of(router: &Router) -> Self {
        let operations = Operations::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = operations.local_addr();
        let serving = tokio::spawn(operations.serve(router.clone(), Arc::<Filter>::default()));
        Self { address, serving }
    }

    /// The whole answer to these bytes.
    async fn send(&self, bytes: &[u8]) -> String {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // Who is refused before all is read may be told so by a reset.
        let _ = within(connection.read_to_end(&mut answer)).await;
        String::from_utf8(answer).unwrap()
    }

    /// The status and the text of an answer.
    async fn ask(&self, what: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let request =
            format!("{what} HTTP/1.1\r\nhost: router\r\ncontent-length: {length}\r\n\r\n{body}");
        let answer = self.send(request.as_bytes()).await;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), text.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path}"), "").await
    }

    /// The number that the metrics give for a series.
    async fn metric(&self, series: &str) -> f64 {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200);
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} is not in {text}")).parse().unwrap()
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let config =
        Config { max_retries: 0, ack_timeout: Duration::from_millis(1), ..open_sessions() };
    let served = Served::on_port(config).await;
    let asked = Asked::of(&served.router).await;
    let [mut alice, mut bob, mut carol] = served.parties(["alice", "bob", "carol"]).await;
    let messages = carol.open("other").await.unwrap();
    let events = carol.hear(&[]).await.unwrap();
    let all = carol.open("").await.unwrap();
    for (of, open) in [("session", 1.0), ("all_sessions", 1.0), ("events", 1.0)] {
        let series = format!("mpc_router_streams_open{{of=\"{of}\"}}");
        assert_eq!(asked.metric(&series).await, open, "{of}");
    }
    drop((messages, events, all));
    let sent = alice.send("s", &["bob", "carol"], "one").await.unwrap();
    let refused = alice.send("s", &["alice"], "to herself").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(asked.metric("mpc_router_deliveries_outstanding").await, 2.0);
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 1);
    bob.ack("s", &sent).await.unwrap();
    carol.answer("s", &sent, false).await.unwrap();
    // What is sent and never answered is given up, since it is not sent again here.
    alice.send("s", &["bob"], "two").await.unwrap();
    let mut stream = bob.open("s").await.unwrap();
    next(&mut stream).await;
    let given_up = "mpc_router_deliveries_failed_total{reason=\"given_up\"}";
    within(async {
        while asked.metric(given_up).await < 1.0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let rpc = |name: &str, code: &str| {
        format!("mpc_router_requests_total{{rpc=\"{name}\",code=\"{code}\"}}")
    };
    for (series, value) in [
        (rpc("RouteMessage", "OK"), 2.0),
        (rpc("RouteMessage", "INVALID_ARGUMENT"), 1.0),
        (rpc("RegisterParty", "OK"), 3.0),
        (rpc("Heartbeat", "OK"), 0.0),
        ("mpc_router_request_duration_seconds_count{rpc=\"RouteMessage\"}".into(), 3.0),
        ("mpc_router_requests_in_flight{rpc=\"RouteMessage\"}".into(), 0.0),
        ("mpc_router_messages_accepted_total".into(), 2.0),
        ("mpc_router_deliveries_handed_out_total".into(), 2.0),
        ("mpc_router_deliveries_acknowledged_total".into(), 1.0),
        ("mpc_router_deliveries_failed_total{reason=\"refused\"}".into(), 1.0),
        ("mpc_router_deliveries_failed_total{reason=\"expired\"}".into(), 0.0),
        ("mpc_router_redeliveries_total".into(), 0.0),
        ("mpc_router_deliveries_outstanding".into(), 0.0),
        ("mpc_router_sessions".into(), 1.0),
        ("mpc_router_parties{role=\"persistent\",online=\"true\"}".into(), 3.0),
        ("mpc_router_parties{role=\"delegate\",online=\"true\"}".into(), 0.0),
        ("mpc_router_connections_total".into(), 3.0),
        ("mpc_router_connections_open".into(), 3.0),
        ("mpc_router_log_health{state=\"fine\"}".into(), 1.0),
        ("mpc_router_log_health{state=\"failing\"}".into(), 0.0),
    ] {
        assert_eq!(asked.metric(&series).await, value, "{series}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_expires_is_told_apart_and_so_is_what_is_sent_again() {
    let second = Duration::from_secs(1);
    let config = Config { ack_timeout: second, message_ttl: 3 * second, ..open_sessions() };
    let served = Served::over_pipes(config);
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    alice.send("s", &["bob", "carol"], "one").await.unwrap();
    let mut stream = bob.open("s").await.unwrap();
    names(&mut stream, 2).await;
    tokio::time::sleep(4 * second).await;
    let text = served.router.metrics_text();
    for line in [
        "mpc_router_deliveries_failed_total{reason=\"expired\"} 2",
        "mpc_router_deliveries_failed_total{reason=\"given_up\"} 0",
        "mpc_router_deliveries_handed_out_total 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
    assert!(!text.contains("mpc_router_redeliveries_total 0\n"), "{text}");
}

#[tokio::test]
async fn a_call_that_is_given_up_by_its_caller_is_counted_as_cancelled() {
    let log = Arc::new(LateLog::default());
    let router = Router::with_log(open_sessions(), Arc::clone(&log) as Arc<dyn Log>).unwrap();
    let served = Served::piping(router);
    let mut alice = served.party("alice").await;
    log.hold();
    let calling = tokio::spawn(async move { alice.send("s", &["bob"], "x").await });
    let has = |line: &str| served.router.metrics_text().lines().any(|it| it == line);
    let until = async |line: &str| {
        within(async {
            while !has(line) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    };
    until("mpc_router_requests_in_flight{rpc=\"RouteMessage\"} 1").await;
    calling.abort();
    until("mpc_router_requests_total{rpc=\"RouteMessage\",code=\"CANCELLED\"} 1").await;
    until("mpc_router_requests_in_flight{rpc=\"RouteMessage\"} 0").await;
}

#[tokio::test]
async fn operators_are_answered_in_plain_http() {
    let router = Router::new(open_sessions());
    let asked = Asked::of(&router).await;
    assert_eq!(asked.get("/healthz").await, (200, "alive\n".into()));
    assert_eq!(asked.get("/readyz").await, (200, "ready\n".into()));
    assert_eq!(asked.get("/").await.0, 200);
    let (status, text) = asked.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
    let (status, text) = asked.get("/nowhere").await;
    assert!(status == 404 && text.contains("/metrics"), "{text}");
    assert_eq!(asked.ask("DELETE /metrics", "").await.0, 405);
    assert_eq!(asked.ask("POST /log", "warn").await.0, 405);
    let head = asked.send(b"HEAD /metrics HTTP/1.1\r\nhost: router\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    let not_allowed = asked.send(b"PUT /healthz HTTP/1.1\r\nhost: router\r\n\r\n").await;
    assert!(not_allowed.contains("allow: GET, HEAD\r\n"), "{not_allowed}");
}

#[tokio::test]
async fn what_is_logged_is_asked_and_changed() {
    let router = Router::new(open_sessions());
    let asked = Asked::of(&router).await;
    assert_eq!(asked.ask("PUT /log", " warn,mpc_router=debug\n").await.0, 200);
    assert_eq!(asked.get("/log").await, (200, "warn,mpc_router=debug\n".into()));
    let (status, why) = asked.ask("PUT /log", "warn!").await;
    assert!(status == 400 && why.contains("no filter"), "{why}");
    let long = "x".repeat(limits::OPERATIONS_BODY_BYTES + 1);
    assert_eq!(asked.ask("PUT /log", &long).await.0, 413);
    assert_eq!(asked.get("/log").await.1, "warn,mpc_router=debug\n", "it stays");
}

#[tokio::test(start_paused = true)]
async fn who_sends_no_request_is_not_waited_for() {
    let router = Router::new(open_sessions());
    let asked = Asked::of(&router).await;
    for begun in
        [&b""[..], b"GET /met", b"PUT /log HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"]
    {
        let answer = asked.send(begun).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let many: String = (0..100).map(|at| format!("x-{at}: y\r\n")).collect();
    let answer = asked.send(format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = "y".repeat(2 * limits::OPERATIONS_HEADER_BYTES);
    let answer = asked.send(format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n").as_bytes()).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(asked.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn health_and_readiness_follow_the_log() {
    let log = Arc::new(LateLog::default());
    let router = Router::with_log(open_sessions(), Arc::clone(&log) as Arc<dyn Log>).unwrap();
    let served = Served::piping(router);
    let asked = Asked::of(&served.router).await;
    let mut health = HealthClient::new(served.connect().await);
    let about = |service: &str| HealthCheckRequest { service: service.into() };
    let router = "mpc.router.v1.MessageRouter";
    let mut watched = health.watch(about("")).await.unwrap().into_inner();
    let mut watched_too = health.watch(about(router)).await.unwrap().into_inner();
    let mut told = async || {
        let [all, ours] = [next(&mut watched).await, next(&mut watched_too).await];
        assert_eq!(all.status(), ours.status());
        assert_eq!(health.check(about("")).await.unwrap().into_inner(), all);
        assert_eq!(health.check(about(router)).await.unwrap().into_inner(), ours);
        all.status()
    };
    assert_eq!(told().await, ServingStatus::Serving);
    let set = |health| log.health.send_replace(health);
    set(Health::Failing("the disk is gone".into()));
    assert_eq!(told().await, ServingStatus::NotServing);
    assert_eq!(asked.get("/readyz").await, (503, "the disk is gone\n".into()));
    assert_eq!(asked.get("/healthz").await.0, 200, "it lives");
    assert_eq!(asked.metric("mpc_router_log_health{state=\"failing\"}").await, 1.0);
    // What makes room has to come through.
    set(Health::Full("4 MiB are left".into()));
    assert_eq!(told().await, ServingStatus::Serving);
    let (status, text) = asked.get("/readyz").await;
    assert!(status == 200 && text.contains("4 MiB are left"), "{text}");
    set(Health::Failing("the disk is gone".into()));
    assert_eq!(told().await, ServingStatus::NotServing);
    set(Health::Fine);
    assert_eq!(told().await, ServingStatus::Serving);
    assert_eq!(asked.get("/readyz").await, (200, "ready\n".into()));
    served.router.stop();
    assert_eq!(asked.get("/readyz").await, (503, "stopping\n".into()));
}
