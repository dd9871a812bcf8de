//! Targets in containers, on a real engine. Where there is none these tests are skipped, unless
//! `DOCKER_TESTS=must`.

#![expect(clippy::unwrap_used, reason = "what cannot be prepared is a test that fails")]

mod image;
mod judged;
mod left;
mod means;
mod wrong;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use mpc_conformance::target::LABEL;
use tempfile::TempDir;

use image::IMAGE;

/// Nothing here takes so long, however busy the machine is.
const LIMIT: Duration = Duration::from_secs(500);

/// A test's own folder, and the program with its temporary files there.
struct Bench(TempDir);

impl Bench {
    /// `None` where no engine runs, and none has to.
    fn new() -> Option<Self> {
        image::is_built().then(|| {
            let bench = Self(TempDir::new().unwrap());
            std::fs::create_dir(bench.temporary()).unwrap();
            bench
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn temporary(&self) -> PathBuf {
        self.file("temporary files")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpc-conformance"));
        command.args(arguments).env("TMPDIR", self.temporary()).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// Whether the suite has put nothing there, or has removed it.
    fn is_clean(&self) -> bool {
        std::fs::read_dir(self.temporary()).unwrap().next().is_none()
    }
}

/// How a program ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn of(Output { status, stdout, stderr }: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    #[track_caller]
    fn with(&self, code: i32, said: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(said), "{said:?} is missing: {self:?}");
    }
}

/// What `docker` says.
fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// The containers that a suite has started, whatever has become of them.
fn containers_of(suite: u32) -> Vec<String> {
    let filter = format!("label={LABEL}={suite}");
    let all = docker(&["ps", "--all", "--quiet", "--filter", &filter]).unwrap();
    all.lines().map(str::to_owned).collect()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LIMIT, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A container that listens where nobody outside gets to.
fn deaf() -> String {
    format!("docker:{IMAGE} serve --listen 127.0.0.1:{{port}}")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
