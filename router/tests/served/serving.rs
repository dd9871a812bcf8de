use mpc_router::Router;
use mpc_router::serve::{BindError, Server, serve_connections};
use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use tokio::io::AsyncReadExt as _;
use tonic::Code;

use crate::support::*;

#[tokio::test]
async fn stopping_ends_streams_and_refuses_calls() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    let mut messages = bob.open("s").await.unwrap();
    let mut events = bob.hear(&[]).await.unwrap();
    let last = alice.send("s", &["bob"], "last").await.unwrap();
    assert_eq!(names(&mut messages, 1).await, [last]);
    let stopped = served.stop();
    assert_eq!(end(&mut messages).await.code(), Code::Unavailable, "DUR-7");
    assert_eq!(end(&mut events).await.code(), Code::Unavailable, "DUR-7");
    // Every connection ends, so the server does, long before its time is over.
    within(stopped).await.unwrap();
    assert_eq!(alice.send("s", &["bob"], "late").await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stopped_router_does_nothing_more() {
    let served = Served::on_port(open_sessions()).await;
    let [mut alice, mut bob] = served.parties(["alice", "bob"]).await;
    served.router.stop();
    assert_eq!(alice.beat().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(alice.send("s", &["bob"], "x").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(bob.open("s").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(bob.hear(&[]).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = server.local_addr();
    assert_ne!(address.port(), 0);
    let error = Server::bind(address).await.unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    let elsewhere = Server::bind(([192, 0, 2, 1], 1).into()).await.unwrap_err();
    assert!(matches!(elsewhere, BindError::Refused { .. }), "{elsewhere:?}");
}

#[tokio::test]
async fn it_serves_on_when_no_more_connections_come() {
    let (connect, incoming) = tokio::sync::mpsc::unbounded_channel::<std::io::Result<_>>();
    let incoming = tokio_stream::wrappers::UnboundedReceiverStream::new(incoming);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async { stopped.await.unwrap_or_default() };
    let serve = serve_connections(Router::new(open_sessions()), incoming, shutdown);
    let serving = tokio::spawn(serve);
    let mut bob =
        Party { name: "bob".into(), client: MessageRouterClient::new(over_a_pipe(&connect).await) };
    bob.register("persistent").await.unwrap();
    drop(connect);
    let mut stream = bob.open("s").await.unwrap();
    bob.beat().await.unwrap();
    stop.send(()).unwrap();
    assert_eq!(end(&mut stream).await.code(), Code::Unavailable, "DUR-7");
    within(serving).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_does_not_end_in_time_is_cut_off() {
    let served = Served::over_pipes(open_sessions());
    let (mut ours, theirs) = tokio::io::duplex(1 << 10);
    served.add(theirs);
    // It never speaks, and so never ends.
    tokio::task::yield_now().await;
    within(served.stop()).await.unwrap();
    let mut bytes = Vec::new();
    within(ours.read_to_end(&mut bytes)).await.unwrap();
}

#[tokio::test]
async fn a_burst_of_cancelled_calls_leaves_the_connection_alone() {
    let served = Served::over_pipes(open_sessions());
    let [mut alice, _bob] = served.parties(["alice", "bob"]).await;
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let bob = Party { name: "bob".into(), client: MessageRouterClient::new(over(ours).await) };
    let opening = tokio::spawn({
        let mut bob = bob.clone();
        async move { bob.open("s").await }
    });
    for _ in 0..60 {
        let beating = tokio::spawn({
            let mut bob = bob.clone();
            async move { bob.beat().await }
        });
        // Until it is written; the server does not read yet.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        beating.abort();
        assert!(beating.await.unwrap_err().is_cancelled());
    }
    served.add(theirs);
    let mut stream = within(opening).await.unwrap().unwrap();
    let sent = alice.send("s", &["bob"], "after the burst").await.unwrap();
    assert_eq!(names(&mut stream, 1).await, [sent]);
}

#[tokio::test]
async fn names_without_end_are_refused_in_few_words() {
    let served = Served::on_port(open_sessions()).await;
    let long = "x".repeat(20_000);
    let mut bob = served.stranger(&long).await;
    let refused = bob.register("persistent").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().len() < 200, "{refused:?}");
    let mut alice = served.party("alice").await;
    let refused = alice.publish(event("s", &long, &[])).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().len() < 200, "{refused:?}");
    let kind = "y".repeat(4_000);
    for (kind, code) in [(&*kind, None), ("session_created", Some(Code::AlreadyExists))] {
        let named = SessionEvent { event_id: "e".into(), ..event("s", kind, &[]) };
        let published = alice.publish(named).await;
        assert_eq!(published.as_ref().err().map(tonic::Status::code), code);
    }
    assert!(alice.list("", false).await.unwrap().iter().all(|party| party.party_id == "alice"));
}

#[tokio::test]
async fn health_is_told_and_ends_with_the_router() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;

    let served = Served::on_port(open_sessions()).await;
    let mut health = HealthClient::new(served.connect().await);
    for service in ["", "mpc.router.v1.MessageRouter"] {
        let request = HealthCheckRequest { service: service.into() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let request = HealthCheckRequest { service: String::new() };
    let mut watched = health.watch(request).await.unwrap().into_inner();
    assert_eq!(next(&mut watched).await.status(), ServingStatus::Serving);
    // Somebody who watches does not hold up the stop.
    within(served.stop()).await.unwrap();
}

#[tokio::test]
async fn the_contract_can_be_asked_for() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let served = Served::on_port(open_sessions()).await;
    let mut reflection = ServerReflectionClient::new(served.connect().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = reflection.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    let answer = next(&mut asked.into_inner()).await.message_response.unwrap();
    let MessageResponse::ListServicesResponse(listed) = answer else { panic!("{answer:?}") };
    let listed: Vec<_> = listed.service.iter().map(|service| &*service.name).collect();
    assert!(listed.contains(&"mpc.router.v1.MessageRouter"), "{listed:?}");
}

#[tokio::test]
async fn what_is_secret_shows_nowhere() {
    let served = Served::on_port(open_sessions()).await;
    let mut bob = served.party("bob").await;
    let request = RegisterPartyRequest {
        party_id: "alice".into(),
        party_role: "persistent".into(),
        notification: Some(NotificationChannel {
            email: "secret".into(),
            phone: "secret".into(),
            push_token: "secret".into(),
        }),
        ..Default::default()
    };
    bob.client.register_party(request).await.unwrap();
    let _heard = bob.hear(&[]).await.unwrap();
    let _stream = bob.open("s").await.unwrap();
    let tokens = [("bob".to_owned(), "secret".to_owned())].into();
    let created = event("s", "session_created", &["bob", "carol"]);
    bob.publish(SessionEvent { join_tokens: tokens, ..created }).await.unwrap();
    bob.send("s", &["carol"], "secret").await.unwrap();
    let shown = format!("{:?}", served.router);
    assert!(shown.contains("carol") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_router_can_be_made_anywhere() {
    let router = Router::new(open_sessions());
    assert_eq!(router.clone().config(), &open_sessions());
}
