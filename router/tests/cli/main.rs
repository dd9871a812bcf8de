//! The program `mpc-router`, as a shell sees it.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod certs;
mod config;
mod notify;
mod operations;
mod running;
mod secrets;
mod traces;

use std::net::TcpListener;

use running::{Running, router, run, text};

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
        &["serve", "--tls-cert", "server.pem"],
        &["serve", "--tls-key", "server.key"],
        &["serve", "--tls-client-ca", "ca.pem"],
        &["serve", "--coordinator", "carol"],
        &["serve", "--notify-smtp", "smtps://mail.example"],
        &["certs"],
        &["certs", "folder", "--party", "../alice"],
        &["certs", "folder", "--days", "0"],
        &["route"],
        &[],
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_gateway_that_is_none_is_one_line_without_its_password() {
    let from = ["--notify-from", "router@example.org"];
    for wrong in [
        &["--notify-url", "ftp://user:hush@push.example/"][..],
        &["--notify-url", "https://user:hush%ff@push.example/"],
        &["--notify-smtp", "smtps://user:hush@mail.example", from[0], from[1]],
        &["--notify-smtp", "smtps://user@mail.example", from[0], from[1]],
        &["--notify-smtp", "smtps://mail.example", from[0], "hush"],
    ] {
        let output = run(&[&["serve", "--listen", "127.0.0.1:0"], wrong].concat());
        assert_eq!(output.status.code(), Some(1), "{wrong:?}");
        let error = text(&output.stderr);
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.starts_with("error: the URL of --notify-"), "{error}");
        assert!(!error.contains("hush") && output.stdout.is_empty(), "SEC-7: {error}");
    }
}

#[test]
fn it_says_whether_parties_that_are_away_are_told() {
    let mut command = router();
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let running = Running::start(&mut command);
    running.signal("TERM");
    let (_, log) = running.end();
    assert_eq!(log.matches("--notify-url").count(), 1, "{log}");
    command.env("MPC_ROUTER_NOTIFY_URL", "http://user:hush@127.0.0.1:9/");
    let running = Running::start(&mut command);
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "DUR-7: {log}");
    assert!(!log.contains("--notify-url") && !log.contains("hush"), "SEC-7: {log}");
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
        "--tls-client-ca",
        "MPC_ROUTER_TLS_CERT",
        "MPC_ROUTER_NOTIFY_URL",
        "MPC_ROUTER_NOTIFY_SMTP_PASSWORD",
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
