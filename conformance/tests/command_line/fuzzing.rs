//! Random programs, and those that were kept.

use mpc_conformance::fuzz::corpus::Saved;
use mpc_conformance::specimen::{Fault, Settings, Specimen, Twist};
use tokio_stream::wrappers::TcpListenerStream;

use super::*;

/// Serves a specimen with short timers over the wire, until the test ends.
async fn specimen(twist: impl Into<Twist>) -> SocketAddr {
    let Timers { heartbeat_timeout_ms, ack_timeout_ms, .. } = Timers::short();
    let timers = Timers { heartbeat_timeout_ms, ack_timeout_ms, ..Timers::default() };
    let settings = Settings::of(&timers);
    let service = Specimen::new(settings, twist).into_service();
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

#[tokio::test]
async fn the_reference_router_is_fuzzed_in_process() {
    let bench = Bench::new();
    let corpus = bench.file("corpus");
    let options = ["--seed", "7", "--cases", "20", "--corpus", corpus.to_str().unwrap()];
    let ended = bench.run(&[&["fuzz"][..], &options].concat()).await;
    ended.with(0, "fuzzing the reference router in this process, seed 7");
    assert!(ended.stdout.contains("nothing found: 20 programs in"), "{ended:?}");
    assert!(!corpus.exists(), "there is nothing to keep");
}

#[tokio::test]
async fn what_is_wrong_with_a_router_over_the_wire_is_told_small_kept_and_replayed() {
    let bench = Bench::new();
    let wrong = specimen(Fault::AcknowledgedReplayed).await;
    let (profile, corpus) = (bench.profile(wrong), bench.file("corpus"));
    let kept = ["--corpus", corpus.to_str().unwrap()];
    let small = ["--seed", "1", "--minutes", "1", "--operations", "12", "--parties", "3"];
    let fuzz = [&["fuzz", "--profile", &profile][..], &small].concat();
    let ended = bench.run(&[&fuzz[..], &kept].concat()).await;
    ended.with(1, "");
    for part in ["breaks SUB-4: What was acknowledged", "operations show it", "Play it again:\n"] {
        assert!(ended.stdout.contains(part), "{part:?} is missing: {}", ended.stdout);
    }
    let files: Vec<_> = std::fs::read_dir(&corpus).unwrap().map(|it| it.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let saved = Saved::read(file).unwrap();
    assert!(saved.program.steps.len() <= 8, "{}", saved.program);

    let replay = ["replay", file.to_str().unwrap(), "--times", "2"];
    let ended = bench.run(&[&replay[..], &["--profile", &profile]].concat()).await;
    ended.with(1, "");
    assert!(ended.stdout.contains("2 of 2 times"), "{ended:?}");
    // What was kept is played first.
    let ended = bench.run(&[&fuzz[..], &kept].concat()).await;
    ended.with(1, "");
    assert!(ended.stdout.contains("found: 1 programs"), "{ended:?}");

    let right = specimen(Twist::default()).await;
    let profile = bench.profile(right);
    let ended = bench.run(&[&replay[..], &["--profile", &profile]].concat()).await;
    ended.with(0, "");
    assert!(ended.stdout.contains("nothing wrong"), "{ended:?}");
    let cases = ["fuzz", "--profile", &profile, "--seed", "2", "--cases", "20"];
    let elsewhere = bench.file("none");
    let ended = bench.run(&[&cases[..], &["--corpus", elsewhere.to_str().unwrap()]].concat()).await;
    ended.with(0, "");
    // And in this process, without a target.
    bench.run(&replay).await.with(0, "");
}

#[tokio::test]
async fn what_cannot_be_fuzzed_or_replayed_is_told() {
    let bench = Bench::new();
    let place = Place::new();
    let ended = bench.run(&["fuzz", "--target", &place.url(), "--cases", "1"]).await;
    ended.with(4, "cannot be reached");
    bench.run(&["fuzz", "--cases", "0"]).await.with(5, "0");
    let file = bench.file("program.json");
    let replay = ["replay", file.to_str().unwrap()];
    bench.run(&replay).await.with(5, "cannot read");
    std::fs::write(&file, "{}").unwrap();
    bench.run(&replay).await.with(5, "is no saved program: missing field");
    let text = r#"{"format": 1, "anomaly": "lost", "breaks": "SUB-3", "target": "t", "seed": 0, "case": 0,
        "program": {"parties": 1, "sessions": [[0]], "steps": [{"act": {"heartbeat": {"party": 3}}}]}}"#;
    std::fs::write(&file, text).unwrap();
    bench.run(&replay).await.with(5, "there is no party 3");
}
