//! The program, started.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) fn router() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpc-router"));
    // What the tests are run with must not show.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MPC_ROUTER_")) {
        command.env_remove(name);
    }
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    router().args(arguments).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A router that runs until it is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
    log: Arc<Log>,
    /// Reads its log, so that it never waits for somebody to do so.
    reader: Option<JoinHandle<()>>,
}

/// What was logged so far.
#[derive(Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").map(str::to_owned);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Log::default());
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stderr.lines() {
                    log.text.lock().unwrap().push_str(&(line.unwrap() + "\n"));
                    log.grown.notify_all();
                }
            }
        });
        let mut running = Self { child, address: String::new(), log, reader: Some(reader) };
        running.address = address.unwrap_or_else(|| panic!("{line:?}"));
        running
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits until it has logged this.
    pub(crate) fn wait_for(&self, what: &str) {
        let text = self.log.text.lock().unwrap();
        let long = Duration::from_secs(60);
        let waited = self.log.grown.wait_timeout_while(text, long, |text| !text.contains(what));
        let (text, waited) = waited.unwrap();
        assert!(!waited.timed_out(), "{what} is not in {text}");
    }

    /// Where it answers operators, who are told of that in its log.
    pub(crate) fn operations(&self) -> String {
        self.wait_for("operators are answered");
        let text = self.log.text.lock().unwrap();
        let line = text.lines().find(|line| line.contains("operators are answered")).unwrap();
        line.rsplit("address=").next().unwrap().trim().to_owned()
    }

    /// The answer to an HTTP request at that address.
    pub(crate) fn ask(&self, what: &str, body: &str) -> String {
        let mut connection = TcpStream::connect(self.operations()).unwrap();
        let length = body.len();
        let request =
            format!("{what} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits for its end: the exit status, and what it logged.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let text = self.log.text.lock().unwrap().clone();
        (status.code(), text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
