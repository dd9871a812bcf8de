//! What is too much is refused, definitely and at once, and what was accepted is kept.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use mpc_router::log::Log;
use mpc_router::{Config, Router, limits};
use mpc_router_proto::v1::message_router_server::MessageRouter as _;
use mpc_router_proto::v1::*;
use prost::Message as _;
use tonic::body::Body;
use tonic::{Code, Request};
use tower::ServiceExt as _;

use crate::late_log::LateLog;
use crate::support::*;

const MIB: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn messages_wait_as_far_as_there_is_room() {
    let served = Served::over_pipes(Config { max_outstanding: 2 * MIB, ..open_sessions() });
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let first = alice.send("s", &["bob"], vec![0; MIB]).await.unwrap();
    let second = alice.send("t", &["bob"], vec![1; MIB]).await.unwrap();
    for session in ["s", "t", "u"] {
        let refused = alice.send(session, &["bob"], "x").await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "FLW-3");
        assert!(refused.message().contains("try again later"), "{refused}");
    }
    assert_eq!(bob.poll("s", 0).await.unwrap().len(), 1, "FLW-3: what was accepted is kept");
    bob.ack("s", &first).await.unwrap();
    alice.send("u", &["bob"], "x").await.unwrap();
    assert_eq!(bob.poll("t", 0).await.unwrap()[0].message_id, second);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_fetch_its_messages_takes_nobody_elses_room() {
    let router = Router::new(open_sessions());
    for party in ["alice", "bob", "carol"] {
        register(&router, party).await;
    }
    let send = async |session: &str, to: &str| {
        let request = RouteMessageRequest {
            session_id: session.into(),
            from_party: "alice".into(),
            to_parties: to.split(' ').map(Into::into).collect(),
            payload: vec![0; 2 * MIB].into(),
            ..Default::default()
        };
        router.route_message(Request::new(request)).await.map(|it| it.into_inner().message_id)
    };
    let most = limits::PARTY_OUTSTANDING.bytes / (2 * MIB);
    let mut accepted = Vec::new();
    for number in 0..most {
        accepted.push(send(["s", "t"][number % 2], "bob").await.unwrap());
    }
    for session in ["s", "t", "new"] {
        for to in ["bob", "carol bob"] {
            let refused = send(session, to).await.unwrap_err();
            assert_eq!(refused.code(), Code::ResourceExhausted, "FLW-3");
        }
        send(session, "carol").await.expect("carol has room");
    }
    let served = Served::piping(router.clone());
    let mut carol = served.stranger("carol").await;
    assert_eq!(carol.beat().await.unwrap().pending_messages, 3, "RTE-8");
    let mut bob = served.stranger("bob").await;
    bob.ack("s", &accepted[0]).await.unwrap();
    send("new", "bob").await.expect("bob has room again");
}

#[tokio::test(start_paused = true)]
async fn streams_are_counted() {
    let router = Router::new(Config::default());
    register(&router, "bob").await;
    register(&router, "carol").await;
    let listen = async |party: &str| {
        let request =
            SubscribeSessionEventsRequest { party_id: party.into(), ..Default::default() };
        router.subscribe_session_events(Request::new(request)).await
    };
    let mut streams = Vec::new();
    for _ in 0..limits::STREAMS_PER_PARTY {
        streams.push(listen("bob").await.unwrap());
    }
    let refused = listen("bob").await.expect_err("one too many");
    assert_eq!(refused.code(), Code::ResourceExhausted, "FLW-3");
    listen("carol").await.expect("others have their own");
    streams.pop();
    listen("bob").await.expect("one has ended");
}

#[tokio::test(start_paused = true)]
async fn long_headers_are_refused_and_the_connection_goes_on() {
    let served = Served::over_pipes(open_sessions());
    let mut alice = served.party("alice").await;
    let mut request = Request::new(HeartbeatRequest { party_id: "alice".into(), timestamp: 0 });
    let long = "x".repeat(limits::HEADER_BYTES as usize);
    request.metadata_mut().insert("long", long.parse().unwrap());
    within(alice.client.heartbeat(request)).await.unwrap_err();
    alice.beat().await.unwrap();
}

/// The first bytes of a request, and no more.
struct Half(Option<Bytes>);

impl http_body::Body for Half {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        match self.get_mut().0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(http_body::Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_request_is_not_waited_for_for_ever() {
    let served = Served::over_pipes(open_sessions());
    let mut alice = served.party("alice").await;
    let message = RouteMessageRequest { payload: vec![0; 100].into(), ..Default::default() };
    let mut bytes = vec![0];
    bytes.extend((message.encoded_len() as u32).to_be_bytes());
    bytes.extend(&message.encode_to_vec()[..50]);
    let request =
        http::Request::post("http://router.invalid/mpc.router.v1.MessageRouter/RouteMessage")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::new(Half(Some(bytes.into()))))
            .unwrap();
    let channel = served.connect().await;
    let began = tokio::time::Instant::now();
    // Virtual time: as long as it takes.
    let long = limits::REQUEST_TIMEOUT + Duration::from_secs(30);
    let answer = tokio::time::timeout(long, channel.oneshot(request)).await.unwrap().unwrap();
    assert!(began.elapsed() >= limits::REQUEST_TIMEOUT);
    let status = answer.headers().get("grpc-status").unwrap();
    assert_eq!(status, &(Code::DeadlineExceeded as i32).to_string(), "FLW-4");
    alice.beat().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_by_its_deadline_and_happens_wholly() {
    let log = Arc::new(LateLog::default());
    let router = Router::with_log(open_sessions(), Arc::clone(&log) as Arc<dyn Log>).unwrap();
    let served = Served::piping(router);
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    log.hold();
    let mut request = Request::new(RouteMessageRequest {
        session_id: "s".into(),
        from_party: "alice".into(),
        to_parties: vec!["bob".into()],
        payload: "late".into(),
        ..Default::default()
    });
    request.set_timeout(Duration::from_secs(1));
    let began = tokio::time::Instant::now();
    within(alice.client.route_message(request)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "FLW-5");
    log.commit();
    assert_eq!(bob.poll("s", 0).await.unwrap()[0].payload, "late", "FLW-5");
}
