//! The program itself: its exit codes, its reports, and what becomes of the processes that it
//! starts.

#![expect(clippy::unwrap_used, reason = "what cannot be prepared is a test that fails")]

mod baselines;
mod beginning;
mod diffs;
mod failing;
mod fuzzing;
mod listing;
mod pipelines;
mod repeating;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use mpc_conformance::profile::Timers;
use mpc_conformance::report::{OverallVerdict, Report};
use mpc_router::serve::Server;
use mpc_router::{Config, Router};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Nothing here takes so long, however busy the machine is.
const LIMIT: Duration = Duration::from_secs(100);

/// A test's own folder, and the program with its temporary files there.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: TempDir::new().unwrap() };
        // With a space, as users have it.
        std::fs::create_dir(bench.temporary()).unwrap();
        bench
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn temporary(&self) -> PathBuf {
        self.file("temporary files")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpc-conformance"));
        command.args(arguments).env("TMPDIR", self.temporary()).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.start(arguments)).await
    }

    /// A target: `script` as the shell runs it, with this folder as `$0`.
    fn target(&self, script: &str) -> String {
        let folder = self.folder.path().to_str().unwrap();
        format!("exec:{}", shlex::try_join(["sh", "-c", script, folder]).unwrap())
    }

    /// A profile of a started target that listens at `address`, with short timers.
    fn profile(&self, address: SocketAddr) -> String {
        self.profile_with(address, "")
    }

    /// The same, and what `more` says.
    fn profile_with(&self, address: SocketAddr, more: &str) -> String {
        let timers = Timers::short();
        let text = format!(
            "target.address = 'http://{address}'\n\
             timers.heartbeat_timeout_ms = {}\n\
             timers.ack_timeout_ms = {}\n\
             {more}",
            timers.heartbeat_timeout_ms, timers.ack_timeout_ms
        );
        let file = self.file("profile.toml");
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().into()
    }

    fn report(&self, name: &str) -> Report {
        serde_json::from_slice(&std::fs::read(self.file(name)).unwrap()).unwrap()
    }

    async fn appears(&self, name: &str) {
        until(name, || self.file(name).exists()).await;
    }

    fn nothing_is_left(&self) {
        let left: Vec<_> = std::fs::read_dir(self.temporary()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// How the program ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    async fn of(child: Child) -> Self {
        let Output { status, stdout, stderr } =
            timeout(LIMIT, child.wait_with_output()).await.expect("it ends").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    #[track_caller]
    fn with(&self, code: i32, said: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(said), "{said:?} is missing: {self:?}");
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waits = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(LIMIT, waits).await.is_ok(), "waited in vain for {what}");
}

/// Wherever there is room.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// An address that nobody gets who asks for any: while this is kept, only who knows it listens
/// there.
struct Place {
    address: SocketAddr,
    // Bound, and never listening: whoever connects is refused.
    _kept: TcpSocket,
}

impl Place {
    fn new() -> Self {
        let kept = TcpSocket::new_v4().unwrap();
        // As every listener here has it: so these may bind it as well.
        kept.set_reuseaddr(true).unwrap();
        kept.bind(ANYWHERE).unwrap();
        Self { address: kept.local_addr().unwrap(), _kept: kept }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn listener(&self) -> TcpListener {
        TcpListener::bind(self.address).await.unwrap()
    }
}

/// Serves the reference router, with short timers, until the test ends.
async fn serve(address: SocketAddr) -> SocketAddr {
    let timers = Timers::short();
    let config = Config {
        heartbeat_timeout: timers.heartbeat_timeout(),
        ack_timeout: timers.ack_timeout(),
        ..Config::default()
    };
    let server = Server::bind(address).await.unwrap();
    let address = server.local_addr();
    tokio::spawn(server.serve(Router::new(config), std::future::pending()));
    address
}

/// There is a router at `listener` for the first connection, which is the canary's, and none any more
/// from the second one on, which is a check's.
async fn lose_router(listener: TcpListener) {
    let router = serve(ANYWHERE).await;
    let (judge, _) = listener.accept().await.unwrap();
    let first = tokio::spawn(relay(judge, router));
    drop(listener.accept().await.unwrap());
    drop(listener);
    first.abort();
}

async fn relay(mut from: TcpStream, to: SocketAddr) {
    let mut to = TcpStream::connect(to).await.unwrap();
    // Either side may break it off.
    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
}

#[tokio::test]
async fn a_selection_of_nothing_that_is_claimed_is_a_wrong_command() {
    let bench = Bench::new();
    let ended = bench.run(&["run", "--only", "DUR-*"]).await;
    ended.with(5, "the target claims none of what was selected");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    let ended = bench.run(&["run", "--only", "DUR-*,REG-1", "--quiet"]).await;
    ended.with(0, "");
}

#[tokio::test]
async fn a_target_that_does_not_start_is_told_with_its_last_words_and_reported() {
    let bench = Bench::new();
    std::fs::write(bench.file("report.json"), "an old report").unwrap();
    let target = bench.target("echo no such store >&2; exit 3; : {port}");
    let json = bench.file("report.json");
    let ended = bench.run(&["run", "--target", &target, "--json", json.to_str().unwrap()]).await;
    ended.with(4, "exit status: 3; it printed last:\n  | no such store\n");
    let report = bench.report("report.json");
    assert_eq!(report.verdict, OverallVerdict::Unreachable);
    assert!(report.requirements[0].detail.contains("exit status: 3"), "{report:?}");
    bench.nothing_is_left();
}

#[tokio::test]
async fn a_folder_with_a_space_in_its_name_is_one_word() {
    let bench = Bench::new();
    let script = "echo \"$# words: $1, $2\" >&2; exit 3";
    let target = format!("{} {{data}} --port={{port}}", bench.target(script));
    let ended = bench.run(&["run", "--target", &target]).await;
    let data = bench.temporary().join("mpc-conformance-");
    ended.with(4, &format!("2 words: {}", data.display()));
    ended.with(4, ", --port=");
}

#[tokio::test]
async fn a_target_that_dies_meanwhile_is_reported() {
    let bench = Bench::new();
    std::fs::write(bench.file("report.json"), "an old report").unwrap();
    let script = "touch \"$0/started\"; until [ -e \"$0/end\" ]; do sleep 0.02; done; \
                  echo the disk is full >&2; touch \"$0/ended\"; exit 7";
    let (target, place) = (bench.target(script), Place::new());
    let (profile, json) = (bench.profile(place.address), bench.file("report.json"));
    // HB-6 takes more than two seconds: that is long after the process has ended.
    let options = ["--only", "HB-6", "--json", json.to_str().unwrap()];
    let arguments = [&["run", "--target", &target, "--profile", &profile][..], &options].concat();
    let suite = bench.start(&arguments);
    bench.appears("started").await;
    let (listener, router) = (place.listener().await, serve(ANYWHERE).await);
    let serving = async {
        // The first one only looks whether anybody listens.
        drop(listener.accept().await.unwrap());
        let (judge, _) = listener.accept().await.unwrap();
        std::fs::write(bench.file("end"), "").unwrap();
        bench.appears("ended").await;
        tokio::spawn(relay(judge, router));
        loop {
            let (judge, _) = listener.accept().await.unwrap();
            tokio::spawn(relay(judge, router));
        }
    };
    let ended = tokio::select! {
        ended = Ended::of(suite) => ended,
        () = serving => unreachable!("it serves forever"),
    };
    ended.with(4, "died: it ended with exit status: 7; it printed last:\n  | the disk is full");
    assert!(ended.stdout.contains("TARGET LOST"), "{ended:?}");
    // What was found before is told.
    assert!(ended.stdout.contains("heartbeats and liveness"), "{ended:?}");
    let report = bench.report("report.json");
    assert_eq!((report.verdict, report.counts.passed), (OverallVerdict::Unreachable, 1));
}

#[tokio::test]
async fn an_attached_target_that_refuses_everything_from_now_on_is_lost() {
    let bench = Bench::new();
    let place = Place::new();
    let listener = place.listener().await;
    let (target, json) = (place.url(), bench.file("report.json"));
    let options = ["--only", "REG-1", "--json", json.to_str().unwrap()];
    let suite = bench.start(&[&["run", "--target", &target][..], &options].concat());
    lose_router(listener).await;
    Ended::of(suite).await.with(4, "");
    assert_eq!(bench.report("report.json").verdict, OverallVerdict::Unreachable);
}

#[tokio::test]
async fn a_router_behind_a_shell_may_end_in_order() {
    let bench = Bench::new();
    let script = "(trap 'sleep 0.3; touch \"$0/clean\"; exit' TERM; touch \"$0/started\"; \
                  while :; do sleep 0.05; done) & wait";
    let (target, place) = (bench.target(script), Place::new());
    let profile = bench.profile(place.address);
    let suite =
        bench.start(&["run", "--target", &target, "--profile", &profile, "--only", "REG-1"]);
    bench.appears("started").await;
    serve(place.address).await;
    Ended::of(suite).await.with(0, "");
    assert!(bench.file("clean").exists(), "it was killed before it had ended");
    bench.nothing_is_left();
}

/// A target that never listens, and tells who it is.
const DEAF: &str = "echo $$ > \"$0/starting\"; mv \"$0/starting\" \"$0/started\"; \
                    exec sleep 1000; : {port}";

fn send(to: &Child, signal: Signal) {
    let pid = to.id().and_then(|it| Pid::from_raw(it.cast_signed())).expect("it runs");
    kill_process(pid, signal).unwrap();
}

#[tokio::test]
async fn what_was_started_ends_with_a_run_that_is_interrupted() {
    for signal in [Signal::INT, Signal::TERM, Signal::QUIT] {
        interrupted_by(signal).await;
    }
}

/// Where these tests ignore it themselves, as under `nohup`, what they start ignores it as well.
#[tokio::test]
async fn what_was_started_ends_with_its_terminal() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.map_or(0, |it| u64::from_str_radix(it.trim(), 16).unwrap());
    if ignored & 1 == 0 {
        interrupted_by(Signal::HUP).await;
    }
}

async fn interrupted_by(signal: Signal) {
    let bench = Bench::new();
    let suite = bench.start(&["run", "--target", &bench.target(DEAF)]);
    bench.appears("started").await;
    send(&suite, signal);
    Ended::of(suite).await.with(130, "");
    bench.nothing_is_left();
    let target = std::fs::read_to_string(bench.file("started")).unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", target.trim()));
    // Dead, even if nobody has asked yet how it ended.
    until("its end", || is_missing_or_dead(&status)).await;
}

fn is_missing_or_dead(status: &Path) -> bool {
    match std::fs::read_to_string(status) {
        Ok(text) => text.lines().any(|line| line.starts_with("State:\tZ")),
        Err(error) => matches!(error.kind(), ErrorKind::NotFound) || error.raw_os_error().is_some(),
    }
}

#[tokio::test]
async fn nohup_is_heeded() {
    let bench = Bench::new();
    let place = Place::new();
    let (target, profile) = (bench.target(DEAF), bench.profile(place.address));
    let suite = env!("CARGO_BIN_EXE_mpc-conformance");
    let options = ["--target", &target, "--profile", &profile, "--only", "REG-1", "--quiet"];
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" run \"$@\"", suite]).args(options);
    command.env("TMPDIR", bench.temporary()).kill_on_drop(true);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let suite = command.spawn().unwrap();
    bench.appears("started").await;
    send(&suite, Signal::HUP);
    serve(place.address).await;
    Ended::of(suite).await.with(0, "");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_report_that_cannot_be_written_hides_neither_the_verdict_nor_the_others() {
    let bench = Bench::new();
    let junit = bench.file("junit.xml");
    let options = ["--only", "REG-1", "--json", "/dev/full", "--junit", junit.to_str().unwrap()];
    let ended = bench.run(&[&["run"][..], &options].concat()).await;
    ended.with(5, "cannot write the JSON report to /dev/full");
    assert!(ended.stdout.contains("CONFORMANT: 1 requirement holds"), "{ended:?}");
    assert!(std::fs::read_to_string(junit).unwrap().contains("REG-1"));
}

#[tokio::test]
async fn completions_go_into_a_pipe_that_is_closed() {
    let bench = Bench::new();
    let mut child = bench.start(&["completions", "bash"]);
    drop(child.stdout.take());
    Ended::of(child).await.with(0, "");
}
