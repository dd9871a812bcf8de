//! The command line.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;

use crate::meddler::{Hooks, Meddler};
use crate::router::serve;

fn simulator(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpc-simulator"));
    command.args(args).env_remove("MPC_ROUTER_TARGET").stdin(Stdio::null());
    command
}

/// Runs it beside the router that the test serves.
async fn run(args: &[&str]) -> Output {
    let mut command = simulator(args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_ceremony_prints_who_did_what_and_the_verdict() {
    let (target, _stop) = serve().await;
    let out = run(&["ceremony", "--deadline", "10m", "--target", &target]).await;
    let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{stdout}{stderr}");
    for line in [
        "p1 persistent streams",
        "p3 delegate   streams",
        "p4 temporary  streams",
        "p5 persistent polls",
        "pass signature",
        "pass canaries",
        "group key ",
        "verified: key and 2 signatures of frost-ed25519, 17 of 17 checks pass",
    ] {
        assert!(stdout.contains(line), "{line}\nis missing in\n{stdout}");
    }
    for line in [" keygen", "p4 came", "p1 sends frost.dkg.round1 to all", "p5 finished sign-"] {
        assert!(stderr.contains(line), "{line}\nis missing in\n{stderr}");
    }
    assert!(!stderr.contains('\u{1b}'), "no colours where there is no terminal");
}

#[tokio::test]
async fn quiet_is_one_line_and_json_is_a_report() {
    let (target, _stop) = serve().await;
    let json = std::env::temp_dir().join(format!("mpc-simulator-test-{}.json", std::process::id()));
    let path = json.to_str().unwrap();
    let flow = ["ceremony", "--flow", "gg18-sign", "-q", "--deadline", "10m", "--target", &target];
    let out = run(&[&flow[..], &["--json", path]].concat()).await;
    assert_eq!(out.status.code(), Some(0), "{}{}", text(&out.stdout), text(&out.stderr));
    assert_eq!(text(&out.stdout), "verified: flow of gg18-sign, 12 of 12 checks pass\n");
    assert_eq!(text(&out.stderr), "");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    std::fs::remove_file(&json).unwrap();
    assert_eq!(report["protocol"], "gg18-sign");
    assert_eq!(report["ended"], "completed");

    let out = run(&[&flow[..], &["--json", "-"]].concat()).await;
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(report["verdict"].as_array().unwrap().len(), 12);

    let out = run(&[&flow[..], &["--json", "/nowhere/report.json"]].concat()).await;
    assert_eq!(out.status.code(), Some(3));
    assert!(text(&out.stderr).starts_with("error: cannot write /nowhere/report.json: "));
}

#[tokio::test]
async fn a_failed_verdict_is_exit_code_1() {
    let hooks = Hooks {
        handed: Arc::new(|_, mut message| {
            message.round_number += 1;
            vec![message]
        }),
        ..Hooks::default()
    };
    let target = serve_meddler(hooks).await;
    let out =
        run(&["ceremony", "-n", "2", "-t", "2", "-q", "--deadline", "10m", "--target", &target])
            .await;
    assert_eq!(out.status.code(), Some(1));
    let told = text(&out.stdout);
    assert!(
        told.starts_with("failed: 16 of 17 checks pass; mislabelled: the router: p1"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1);
}

#[tokio::test]
async fn errors_are_one_line_that_says_what_to_do() {
    let flow = std::env::temp_dir().join(format!("mpc-simulator-bad-{}.toml", std::process::id()));
    std::fs::write(&flow, "name = \"x\"\nmembers = \"all\"\n[[round]]\nrounds = 3\n").unwrap();
    let flow = flow.to_str().unwrap();
    let target = ["--target", "http://127.0.0.1:1"];
    for (args, code, told) in [
        (vec!["ceremony"], 5, "start one with `mpc-router serve`"),
        (vec!["ceremony", "--target", "nonsense"], 5, "such as http://127.0.0.1:50051"),
        (vec!["ceremony", "-t", "6"], 5, "with 5 parties the threshold is 2 to 5, not 6"),
        (vec!["ceremony", "-n", "1"], 5, "a ceremony takes 2 to 1000 parties, not 1"),
        (vec!["ceremony", "--deadline", "0s"], 5, "the deadline must be more than 0"),
        (vec!["ceremony", "--flow", "nope"], 5, "`mpc-simulator flows` lists them"),
        (vec!["ceremony", "--flow", flow], 5, "toml:4: unknown field `rounds`"),
        (vec!["flows", "nope"], 5, "no flow is called nope"),
        (
            [&["ceremony", "-q"][..], &target].concat(),
            4,
            "no router answers at http://127.0.0.1:1 (Connection refused",
        ),
    ] {
        let out = run(&args).await;
        let stderr = text(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(told), "{args:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(text(&out.stdout), "", "{args:?}");
    }
    std::fs::remove_file(flow).unwrap();
    // What clap says may be longer.
    for args in [&["ceremony", "--deadline", "1h"][..], &["ceremony", "--nonsense"], &["nothing"]] {
        assert_eq!(run(args).await.status.code(), Some(5), "{args:?}");
    }
}

#[tokio::test]
async fn a_target_that_is_no_router_is_told_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder().add_routes(Routes::default());
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let out = run(&["ceremony", "-q", "--deadline", "10m", "--target", &target]).await;
    let stderr = text(&out.stderr);
    assert_eq!(out.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("(what is there is none: "), "{stderr}");
}

#[tokio::test]
async fn help_teaches_and_flows_are_listed() {
    let help = text(&run(&["--help"]).await.stdout);
    for line in ["Examples:", "mpc-router serve &", "Exit codes:", "ceremony"] {
        assert!(help.contains(line), "{line}\nis missing in\n{help}");
    }
    let flows = text(&run(&["flows"]).await.stdout);
    assert!(flows.lines().count() >= 2);
    for flow in flows.lines() {
        let name = flow.split_whitespace().next().unwrap();
        let shown = text(&run(&["flows", name]).await.stdout);
        assert!(shown.contains(&format!("name = \"{name}\"")), "{shown}");
    }
    let script = text(&run(&["completions", "bash"]).await.stdout);
    assert!(script.contains("mpc-simulator"));
}

#[tokio::test]
async fn an_interrupt_ends_it_in_good_order() {
    // Nothing is ever handed out, so it would go on for long.
    let hooks = Hooks { handed: Arc::new(|_, _| vec![]), ..Hooks::default() };
    let target = serve_meddler(hooks).await;
    let (code, stdout) = tokio::task::spawn_blocking(move || {
        let mut child = simulator(&["ceremony", "--deadline", "10m", "--target", &target])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // The late party is the last to begin.
        let late = lines.find(|line| line.as_ref().unwrap().contains("p4 sends"));
        assert!(late.is_some());
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        for line in lines {
            line.unwrap();
        }
        let mut stdout = String::new();
        child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        (child.wait().unwrap().code(), stdout)
    })
    .await
    .unwrap();
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("checks pass; it was stopped"), "{stdout}");
}

async fn serve_meddler(hooks: Hooks) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder().add_service(Meddler::service(hooks));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    target
}
