//! The program `mpc-router`, as a shell sees it.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::*;

fn router() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpc-router"));
    // What the tests are run with must not show.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MPC_ROUTER_")) {
        command.env_remove(name);
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    router().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A router that runs until it is dropped.
struct Running {
    child: Child,
    address: String,
    /// Reads its log, so that it never waits for somebody to do so.
    log: Option<JoinHandle<String>>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").map(str::to_owned);
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        let mut running = Self { child, address: String::new(), log: Some(log) };
        running.address = address.unwrap_or_else(|| panic!("{line:?}"));
        running
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for its end: the exit status, and what it logged.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (status.code(), self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_says_where_it_listens_and_stops_in_good_order() {
    for signal in ["TERM", "INT"] {
        let running = Running::start(router().args(["serve", "--listen", "127.0.0.1:0"]));
        assert!(running.address.starts_with("127.0.0.1:"));
        assert!(!running.address.ends_with(":0"));
        std::net::TcpStream::connect(&running.address).unwrap();
        running.signal(signal);
        let (status, log) = running.end();
        assert_eq!(status, Some(0), "DUR-7: {log}");
        assert!(log.contains("stopping") && !log.contains("WARN"), "{log}");
        assert!(!log.contains('\x1b'), "colours are for terminals: {log:?}");
    }
}

#[test]
fn it_is_set_up_by_the_environment_too() {
    let mut command = router();
    command.arg("serve").env("MPC_ROUTER_LISTEN", "127.0.0.1:0");
    command.env("MPC_ROUTER_LOG_FORMAT", "json");
    let running = Running::start(&mut command);
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.lines().count() > 0 && log.lines().all(|line| line.starts_with('{')), "{log}");
}

#[test]
fn what_is_secret_is_not_logged() {
    let options = ["serve", "--listen", "127.0.0.1:0", "--log", "trace", "--open-sessions"];
    let running = Running::start(router().args(options));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = format!("http://{}", running.address);
    runtime.block_on(async {
        let channel = tonic::transport::Endpoint::from_shared(address).unwrap().connect().await;
        let mut client = MessageRouterClient::new(channel.unwrap());
        let notification = NotificationChannel { email: SECRET.into(), ..Default::default() };
        let request = RegisterPartyRequest {
            party_id: "bob".into(),
            party_role: "persistent".into(),
            notification: Some(notification),
            ..Default::default()
        };
        client.register_party(request).await.unwrap();
        let subscribe =
            SubscribeSessionEventsRequest { party_id: "bob".into(), event_types: vec![] };
        let mut events = client.subscribe_session_events(subscribe).await.unwrap().into_inner();
        let event = SessionEvent {
            event_type: "session_created".into(),
            session_id: "s".into(),
            join_tokens: [("bob".to_owned(), SECRET.to_owned())].into(),
            ..Default::default()
        };
        let request = PublishSessionEventRequest { event: Some(event) };
        client.publish_session_event(request).await.unwrap();
        assert!(events.message().await.unwrap().is_some());
        let subscribe = SubscribeMessagesRequest { session_id: "s".into(), party_id: "bob".into() };
        let mut messages = client.subscribe_messages(subscribe).await.unwrap().into_inner();
        let right = RouteMessageRequest {
            session_id: "s".into(),
            from_party: "alice".into(),
            to_parties: vec!["bob".into()],
            payload: SECRET.into(),
            ..Default::default()
        };
        client.route_message(right.clone()).await.unwrap();
        assert_eq!(messages.message().await.unwrap().unwrap().payload, SECRET);
        let wrong = RouteMessageRequest { to_parties: vec!["alice".into()], ..right };
        client.route_message(wrong).await.unwrap_err();
    });
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("TRACE"), "there is a log to look at: {log}");
    assert!(!log.contains(SECRET), "{log}");
}

const SECRET: &str = "hush-hush-1b7e";

#[test]
fn a_port_in_use_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = run(&["serve", "--listen", &address.to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("error: port "), "{error}");
    assert!(error.contains(&address.port().to_string()) && error.contains("--listen"), "{error}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_wrong_command_line_is_told_apart() {
    for wrong in [
        &["serve", "--heartbeat-timeout", "30"][..],
        &["serve", "--max-payload", "2MB"],
        &["serve", "--listen", "50051"],
        &["serve", "--max-retries", "-1"],
        &["serve", "--log", "a=b=c"],
        &["serve", "--colour"],
        &["route"],
        &[],
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{wrong:?}");
    }
}

#[test]
fn it_explains_itself() {
    let help = run(&["serve", "--help"]);
    assert!(help.status.success());
    let help = text(&help.stdout);
    for said in [
        "MPC_ROUTER_LISTEN",
        "--heartbeat-timeout",
        "--ack-timeout",
        "--max-retries",
        "--message-ttl",
        "--max-payload",
        "--stop-timeout",
        "[default: 30s]",
        "Examples:",
        "Exit status:",
    ] {
        assert!(help.contains(said), "{said}");
    }
    let version = run(&["--version"]);
    assert_eq!(text(&version.stdout), concat!("mpc-router ", env!("CARGO_PKG_VERSION"), "\n"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert!(script.status.success());
        assert!(text(&script.stdout).contains("heartbeat-timeout"), "{shell}");
    }
}
