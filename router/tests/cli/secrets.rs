//! SEC-7: what is secret appears in nothing that a router says but in the answers that it is for.

use std::fs;

use mpc_router_proto::Encoded;
use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::certs::{Folder, in_tokio};
use crate::running::{run, text};

const PAYLOAD: &str = "payload-hush-1b7e";
const TOKEN: &str = "token-hush-2c8f";
const EMAIL: &str = "email-hush-3d90@example.org";
const PHONE: &str = "phone-hush-4ea1";
const PUSH: &str = "push-hush-5fb2";
const REASON: &str = "reason-hush-60c3";
const KEY: &str = "idempotency-hush-71d4";
const METADATA: &str = "metadata-hush-82e5";

/// How each secret may look like in a text: itself, as a list of bytes, or in hexadecimal digits.
fn looks(secret: &str) -> [String; 4] {
    let bytes = secret.as_bytes();
    let list = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let escaped = secret.escape_default().to_string();
    [secret.to_owned(), list, hexadecimal, escaped]
}

type Client = MessageRouterClient<Channel>;

/// A request with a key and more, that both cross the wire in headers.
fn with<T>(request: T, key: &str) -> Request<T> {
    let mut request = Request::new(request);
    let metadata = request.metadata_mut();
    metadata.insert("idempotency-key", key.parse().unwrap());
    metadata.insert("x-more", METADATA.parse().unwrap());
    request
}

fn registration(party: &str, role: &str, email: &str) -> RegisterPartyRequest {
    let notification =
        NotificationChannel { email: email.into(), phone: PHONE.into(), push_token: PUSH.into() };
    RegisterPartyRequest {
        party_id: party.into(),
        party_role: role.into(),
        version: String::new(),
        notification: Some(notification),
    }
}

fn event(session: &str, threshold_t: i32) -> PublishSessionEventRequest {
    let event = SessionEvent {
        event_type: "session_created".into(),
        session_id: session.into(),
        threshold_n: 2,
        threshold_t,
        selected_parties: vec!["alice".into(), "bob".into()],
        join_tokens: ["alice", "bob"].map(|party| (party.to_owned(), TOKEN.to_owned())).into(),
        ..Default::default()
    };
    PublishSessionEventRequest { event: Some(event) }
}

fn message(from: &str, to: &str, payload: &str) -> RouteMessageRequest {
    RouteMessageRequest {
        session_id: "s".into(),
        from_party: from.into(),
        to_parties: vec![to.into()],
        payload: payload.to_owned().into(),
        ..Default::default()
    }
}

fn acknowledgement(party: &str, message: &str, success: bool) -> AcknowledgeMessageRequest {
    AcknowledgeMessageRequest {
        message_id: message.into(),
        party_id: party.into(),
        session_id: "s".into(),
        success,
        error_message: REASON.into(),
    }
}

/// Each RPC once, as it should be.
async fn call_well(alice: &mut Client, bob: &mut Client, carol: &mut Client) {
    alice.register_party(registration("alice", "persistent", EMAIL)).await.unwrap();
    bob.register_party(registration("bob", "temporary", EMAIL)).await.unwrap();
    let beat = HeartbeatRequest { party_id: "alice".into(), timestamp: 0 };
    alice.heartbeat(with(beat, KEY)).await.unwrap();
    let listed = carol.get_registered_parties(GetRegisteredPartiesRequest::default()).await;
    let listed = listed.unwrap().into_inner().parties.remove(0);
    assert_eq!(listed.notification.unwrap().email, EMAIL, "the secret was there");
    let hear = SubscribeSessionEventsRequest { party_id: "bob".into(), event_types: vec![] };
    let mut events = bob.subscribe_session_events(hear).await.unwrap().into_inner();
    carol.publish_session_event(event("s", 2)).await.unwrap();
    let heard = events.message().await.unwrap().unwrap();
    assert_eq!(heard.join_tokens["bob"], TOKEN, "the secret was there");
    let open = SubscribeMessagesRequest { session_id: "s".into(), party_id: "bob".into() };
    let mut messages = bob.subscribe_messages(open).await.unwrap().into_inner();
    let routed = alice.route_message(with(message("alice", "bob", PAYLOAD), KEY)).await.unwrap();
    let message_id = routed.into_inner().message_id;
    let received = messages.message().await.unwrap().unwrap();
    assert_eq!(received.payload, PAYLOAD, "the secret was there");
    let poll = GetPendingMessagesRequest {
        session_id: "s".into(),
        party_id: "bob".into(),
        after_timestamp: 0,
    };
    assert_eq!(bob.get_pending_messages(poll).await.unwrap().into_inner().messages.len(), 1);
    let status = GetMessageStatusRequest { message_id: message_id.clone(), session_id: "s".into() };
    alice.get_message_status(status).await.unwrap();
    bob.acknowledge_message(acknowledgement("bob", &message_id, true)).await.unwrap();
}

/// Calls that are refused for one reason or another.
async fn call_badly(alice: &mut Client, bob: &mut Client, carol: &mut Client) -> Vec<Status> {
    let mut refused = Vec::new();
    macro_rules! refused {
        ($($client:ident.$call:ident($request:expr);)*) => {
            $(refused.push($client.$call($request).await.map(drop).expect_err(stringify!($call)));)*
        };
    }
    let long = EMAIL.repeat(1_000);
    let large = PAYLOAD.repeat(200_000);
    refused! {
        alice.register_party(registration("alice", "boss", EMAIL));
        alice.register_party(registration("alice", "delegate", EMAIL));
        alice.register_party(registration("alice", "persistent", &long));
        alice.register_party(registration("bob", "persistent", EMAIL));
        alice.route_message(with(message("alice", "alice", PAYLOAD), "another"));
        alice.route_message(with(message("alice", "dora", PAYLOAD), "another"));
        alice.route_message(with(message("alice", "bob", TOKEN), KEY));
        alice.route_message(with(message("alice", "bob", PAYLOAD), &KEY.repeat(100)));
        alice.route_message(message("alice", "bob", &large));
        alice.route_message(message("bob", "alice", PAYLOAD));
        alice.publish_session_event(event("s", 2));
        carol.publish_session_event(event("s", 3));
        carol.publish_session_event(event("", 2));
        bob.acknowledge_message(acknowledgement("bob", "unknown", false));
        alice.acknowledge_message(acknowledgement("bob", "unknown", false));
        bob.heartbeat(HeartbeatRequest { party_id: "alice".into(), timestamp: 0 });
        bob.get_message_status(GetMessageStatusRequest::default());
        bob.get_pending_messages(GetPendingMessagesRequest::default());
        bob.subscribe_messages(SubscribeMessagesRequest::default());
        bob.subscribe_session_events(SubscribeSessionEventsRequest::default());
        bob.get_registered_parties(GetRegisteredPartiesRequest {
            role_filter: "boss".into(),
            only_online: false,
        });
    }
    refused
}

const RPCS: [&str; 10] = [
    "RouteMessage",
    "SubscribeMessages",
    "GetPendingMessages",
    "RegisterParty",
    "SubscribeSessionEvents",
    "PublishSessionEvent",
    "GetRegisteredParties",
    "AcknowledgeMessage",
    "GetMessageStatus",
    "Heartbeat",
];

/// Calls that are no requests at all, full of secrets.
async fn call_malformed(channel: &Channel) -> Vec<Status> {
    let secrets = [PAYLOAD, TOKEN, EMAIL].concat();
    let length = u8::try_from(secrets.len()).unwrap();
    let field = |key: u8, before: &[u8]| {
        let length = length + u8::try_from(before.len()).unwrap();
        [&[key, length], before, secrets.as_bytes()].concat()
    };
    let mut bodies = Vec::new();
    for number in 1..=10 {
        // A text that is none; a message that is none; a length without its bytes.
        bodies.push(field(number << 3 | 2, b"\xff"));
        bodies.push(field(number << 3 | 2, b"\x0a\xff"));
        bodies.push(field(number << 3 | 3, b""));
    }
    bodies.push([&[0x0a, 0x7f], secrets.as_bytes()].concat());
    bodies.push(secrets.into_bytes());
    let mut refused = Vec::new();
    for rpc in RPCS {
        for body in &bodies {
            let path = format!("/mpc.router.v1.MessageRouter/{rpc}").parse().unwrap();
            let request = with(Encoded::<()>::from_bytes(body.clone().into()), KEY);
            let mut client = tonic::client::Grpc::new(channel.clone());
            client.ready().await.unwrap();
            let answer: Result<tonic::Response<()>, _> =
                client.unary(request, path, ProstCodec::default()).await;
            // Whatever it is, it may be something that the RPC ignores.
            refused.extend(answer.err());
        }
    }
    assert!(refused.len() > bodies.len(), "some of it is malformed");
    refused
}

/// The text there, and what stands before and after it.
fn around(text: &[u8], at: usize) -> &[u8] {
    &text[at.saturating_sub(200)..text.len().min(at + 200)]
}

#[test]
fn what_is_secret_is_in_no_log_and_no_error() {
    let folder = Folder::filled();
    folder.make(&["--party", "bob"]);
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let running = folder.serve(&["--log", "trace", "--data", data, "--operations", "127.0.0.1:0"]);
    let refused = in_tokio(async {
        let mut clients = Vec::new();
        for name in ["alice", "bob", "carol"] {
            let channel = folder.connect(&running.address, name).await.unwrap();
            clients.push(MessageRouterClient::new(channel));
        }
        let [mut alice, mut bob, mut carol] = <[Client; 3]>::try_from(clients).unwrap();
        call_well(&mut alice, &mut bob, &mut carol).await;
        let mut refused = call_badly(&mut alice, &mut bob, &mut carol).await;
        let channel = folder.connect(&running.address, "alice").await.unwrap();
        refused.extend(call_malformed(&channel).await);
        refused
    });
    let metrics = running.ask("GET /metrics", "");
    assert!(metrics.contains("mpc_router_messages_accepted_total 1\n"), "{metrics}");
    for name in ["alice", "carol", "session=", "\"s\""] {
        assert!(!metrics.contains(name), "{name} is in {metrics}");
    }
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "{log}");
    let refused_calls = log.lines().filter(|line| line.contains("refused")).count();
    assert!(refused_calls >= refused.len() / 2, "{log}");
    assert!(log.contains("TRACE"), "there is a log to look at: {log}");
    // Once more, for what it says of what it has kept.
    let again = folder.serve(&["--log", "trace", "--data", data]);
    again.signal("TERM");
    let (status, second_log) = again.end();
    assert_eq!(status, Some(0), "{second_log}");
    let checked = run(&["check", "--data", data]);
    let checked = [checked.stdout, checked.stderr].map(|it| text(&it).to_owned()).concat();
    assert!(!checked.is_empty());
    let keys = ["ca", "server", "alice", "bob", "carol"].map(|name| {
        let pem = fs::read_to_string(folder.path(&format!("{name}.key"))).unwrap();
        pem.lines().nth(1).unwrap().to_owned()
    });
    let secrets = [PAYLOAD, TOKEN, EMAIL, PHONE, PUSH, REASON, KEY, METADATA];
    let secrets = secrets.into_iter().chain(keys.iter().map(String::as_str));
    let said = refused.iter().map(|status| format!("{status:?}"));
    for text in [log, second_log, checked, metrics].into_iter().chain(said) {
        for look in secrets.clone().flat_map(looks) {
            let at = text.find(&*look);
            let around = at.map(|at| String::from_utf8_lossy(around(text.as_bytes(), at)));
            assert_eq!(around, None, "SEC-7: {look}");
        }
    }
}
