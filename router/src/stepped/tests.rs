use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use mpc_router_proto::v1::message_router_server::MessageRouter as _;
use mpc_router_proto::v1::*;
use tokio_stream::Stream as _;
use tonic::{Request, Response, Status};

use super::*;
use crate::log::MemoryLog;

fn router() -> Stepped {
    let config = Config { membership: false, ..Config::default() };
    Stepped::start(config, Arc::new(MemoryLog::default()), 1_000_000, 7).unwrap()
}

fn at_once<T>(
    mut call: Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + '_>>,
) -> T {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap().into_inner(),
        Poll::Pending => panic!("in memory all is safe at once"),
    }
}

fn registers(router: &Stepped, party: &str, push_token: &str) {
    let notification = NotificationChannel { push_token: push_token.into(), ..Default::default() };
    let request = RegisterPartyRequest {
        party_id: party.into(),
        party_role: "persistent".into(),
        notification: Some(notification),
        ..Default::default()
    };
    at_once(router.router().register_party(Request::new(request)));
}

fn sends(router: &Stepped) -> String {
    let request = RouteMessageRequest {
        session_id: "s".into(),
        from_party: "alice".into(),
        to_parties: vec!["bob".into()],
        ..Default::default()
    };
    at_once(router.router().route_message(Request::new(request))).message_id
}

#[test]
fn time_passes_only_when_told_and_what_is_due_then_is_done() {
    let mut router = router();
    assert_eq!((router.now(), router.poll_timeout()), (1_000_000, None));
    registers(&router, "alice", "");
    registers(&router, "bob", "");
    let request = SubscribeMessagesRequest { session_id: "s".into(), party_id: "bob".into() };
    let mut stream = at_once(router.router().subscribe_messages(Request::new(request)));
    let mut comes = || {
        let polled = Pin::new(&mut stream).poll_next(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(item) => Some(item.unwrap().unwrap().decode().unwrap().message_id),
            Poll::Pending => None,
        }
    };
    let sent = sends(&router);
    // Asked once more, the stream knows that what it gave has gone on its way.
    assert_eq!([comes(), comes(), comes()], [Some(sent.clone()), None, None]);
    let due = router.poll_timeout().unwrap();
    assert_eq!(due, 1_005_000, "RED-1");
    router.handle_time(due - 1);
    assert_eq!(comes(), None);
    router.handle_time(due);
    assert_eq!([comes(), comes()], [Some(sent), None]);
    router.handle_time(due - 1_000);
    assert_eq!(router.now(), due, "it never goes back");
}

#[test]
fn who_is_away_is_to_be_told() {
    let mut router = router();
    let push = BTreeSet::from([Channel::PushToken]);
    router.handle_channels(push.clone());
    registers(&router, "alice", "");
    registers(&router, "bob", "token");
    sends(&router);
    assert_eq!(router.poll_errand(&push), None, "OFF-3: bob is online");
    router.handle_time(1_030_001);
    sends(&router);
    let errand = router.poll_errand(&push).unwrap();
    assert_eq!((errand.party.as_str(), errand.address.as_str()), ("bob", "token"));
    router.handle_failed(&errand, Duration::from_secs(10));
    assert_eq!(router.poll_errand(&push), None);
    router.handle_time(1_040_001);
    let errand = router.poll_errand(&push).unwrap();
    router.handle_told(&errand);
    router.handle_time(2_000_000);
    assert_eq!(router.poll_errand(&push), None, "OFF-2");
}

#[test]
fn two_runs_of_one_number_give_the_same_identifiers() {
    let sent = || {
        let router = router();
        registers(&router, "alice", "");
        registers(&router, "bob", "");
        sends(&router)
    };
    assert_eq!(sent(), sent());
}
