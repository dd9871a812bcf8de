//! What operators get from the program: its log, and what they ask it for.

use std::os::unix::net::UnixDatagram;

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;
use tonic::transport::Endpoint;

use crate::certs::in_tokio;
use crate::running::{Running, router, run, text};

fn running(options: &[&str]) -> Running {
    let mut command = router();
    command.args(["serve", "--listen", "127.0.0.1:0", "--operations", "127.0.0.1:0"]).args(options);
    Running::start(&mut command)
}

/// Alice sends bob, who is no member, a message.
fn refused_call(running: &Running) {
    let address = format!("http://{}", running.address);
    in_tokio(async {
        let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
        let mut client = MessageRouterClient::new(channel);
        let event = SessionEvent {
            session_id: "keygen-7".into(),
            event_type: "session_created".into(),
            selected_parties: vec!["alice".into()],
            ..Default::default()
        };
        let request = PublishSessionEventRequest { event: Some(event) };
        client.publish_session_event(request).await.unwrap();
        let request = RouteMessageRequest {
            session_id: "keygen-7".into(),
            from_party: "alice".into(),
            to_parties: vec!["bob".into()],
            ..Default::default()
        };
        client.route_message(request).await.unwrap_err();
    });
}

#[test]
fn the_log_tells_who_was_refused_what_and_why_once_it_is_asked_to() {
    let running = running(&[]);
    assert!(running.ask("GET /log", "").ends_with("\r\n\r\ninfo\n"));
    refused_call(&running);
    let changed = running.ask("PUT /log", "mpc_router=debug");
    assert!(changed.starts_with("HTTP/1.1 200"), "{changed}");
    assert!(running.ask("PUT /log", "a=b=c").starts_with("HTTP/1.1 400"));
    assert!(running.ask("GET /log", "").ends_with("mpc_router=debug\n"));
    refused_call(&running);
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "{log}");
    let begun = log.lines().filter(|line| line.contains("a session has these members"));
    assert!(begun.clone().all(|line| line.contains("session=\"keygen-7\"")), "{log}");
    assert_eq!(begun.count(), 2, "an event a line: {log}");
    let refused: Vec<_> = log.lines().filter(|line| line.contains("refused")).collect();
    let [refused] = refused[..] else { panic!("{log}") };
    for told in
        ["DEBUG", "RouteMessage", "keygen-7", "alice", "INVALID_ARGUMENT", "must be a member"]
    {
        assert!(refused.contains(told), "{told}: {refused}");
    }
}

#[test]
fn a_router_that_runs_is_asked_whether_it_is_ready() {
    let running = running(&[]);
    let address = running.operations();
    let asked = run(&["health", "--operations", &address]);
    assert_eq!((asked.status.code(), text(&asked.stdout)), (Some(0), "ready\n"));
    // As the router has it, in a file.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("router.toml");
    std::fs::write(&file, format!("operations = \"{address}\"\nack-timeout = \"9s\"\n")).unwrap();
    let asked = run(&["health", "--config", file.to_str().unwrap()]);
    assert_eq!(asked.status.code(), Some(0), "{}", text(&asked.stderr));
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
    let asked = run(&["health", "--operations", &address]);
    assert_eq!(asked.status.code(), Some(1));
    let error = text(&asked.stderr);
    assert!(error.contains("no router answers") && error.lines().count() == 1, "{error}");
    // Somebody takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let asked = run(&["health", "--operations", &address, "--timeout", "20ms"]);
    assert_eq!(asked.status.code(), Some(1));
}

#[test]
fn systemd_is_told_of_the_start_and_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let told = || {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).unwrap();
        text(&bytes[..length]).to_owned()
    };
    let mut command = router();
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", &path);
    let running = Running::start(&mut command);
    assert_eq!(told(), "READY=1");
    running.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(running.end().0, Some(0));
}
