use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A router that runs as a process of its own.
pub(crate) struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts a router with these options, and waits until it serves.
    pub(crate) async fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mpc-router"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("it starts, whatever it was killed at");
        let address = line.strip_prefix("listening on ").expect("it says where").to_owned();
        Self { child, address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The most memory that it has had so far, in MiB; None where the system does not tell.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? >> 10)
    }

    /// Ends it at once, without a word to it.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ends it in good order.
    pub(crate) async fn stop(mut self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).expect("it runs");
        let process = rustix::process::Pid::from_raw(id).expect("it has a number");
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().await.unwrap();
        assert!(status.success(), "DUR-7: {status}");
    }
}
