//! SEC-7: what a router keeps is not to be seen in what it shows of itself. What it logs and answers
//! is searched by the tests of the program.

use std::collections::HashMap;

use mpc_router::Router;
use mpc_router_proto::v1::message_router_server::MessageRouter as _;
use mpc_router_proto::v1::*;
use tonic::Request;

use crate::support::*;

const SECRET: &str = "hush1b7e";

#[tokio::test]
async fn a_router_shows_no_secret_of_those_that_it_keeps() {
    let router = Router::new(open_sessions());
    let channel = || SECRET.to_owned();
    let request = RegisterPartyRequest {
        party_id: "bob".into(),
        party_role: "persistent".into(),
        notification: Some(NotificationChannel {
            email: channel(),
            phone: channel(),
            push_token: channel(),
        }),
        ..Default::default()
    };
    router.register_party(Request::new(request)).await.unwrap();
    let join_tokens = HashMap::from([("bob".to_owned(), SECRET.to_owned())]);
    let created = SessionEvent { join_tokens, ..event("s", "session_created", &["bob"]) };
    let request = PublishSessionEventRequest { event: Some(created) };
    router.publish_session_event(Request::new(request)).await.unwrap();
    let hear = SubscribeSessionEventsRequest { party_id: "bob".into(), event_types: vec![] };
    let events = router.subscribe_session_events(Request::new(hear)).await.unwrap();
    let request = RouteMessageRequest {
        session_id: "s".into(),
        from_party: "alice".into(),
        to_parties: vec!["bob".into()],
        payload: SECRET.into(),
        ..Default::default()
    };
    router.route_message(Request::new(request)).await.unwrap();
    let open = SubscribeMessagesRequest { session_id: "s".into(), party_id: "bob".into() };
    let messages = router.subscribe_messages(Request::new(open)).await.unwrap();
    let shown = format!("{router:?} {events:?} {messages:?}");
    assert!(shown.contains("alice") && shown.contains("bob"), "it shows what it keeps: {shown}");
    assert!(!shown.contains(SECRET), "SEC-7: {shown}");
}
