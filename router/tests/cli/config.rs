//! What is set, where, and what of it counts.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::running::{Running, router, run, text};

/// A configuration file.
struct File {
    folder: TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let file = Self { folder: TempDir::new().unwrap() };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("router.toml")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    /// What `serve --check-config` says with this file and more arguments.
    fn check(&self, more: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = router();
        command.args(["serve", "--check-config", "--config"]).arg(self.path()).args(more);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let said = text(&output.stdout).to_owned() + text(&output.stderr);
        (output.status.code(), said)
    }
}

#[test]
fn what_is_valid_is_told_without_starting() {
    let file = File::new("listen = \"127.0.0.1:0\"\nack-timeout = \"9s\"\nmax-retries = 7\n");
    assert_eq!(file.check(&[], &[]), (Some(0), "the configuration is valid\n".into()));
    let file = File::new("tls-cert = \"none.pem\"\ntls-key = \"none.key\"\n");
    let (status, said) = file.check(&[], &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("none.pem"), "{said}");
}

#[test]
fn what_is_wrong_is_told_with_its_file_and_line() {
    for (content, expected) in [
        ("\nack_timeout = \"9s\"", "router.toml, line 2: there is no key `ack_timeout`"),
        ("ack-timeout = \"9\"", "router.toml, line 1: `ack-timeout` cannot be this"),
        ("tls-key = \"server.key\"", "--tls-cert"),
        ("= 1", "router.toml, line 1: "),
    ] {
        let (status, said) = File::new(content).check(&[], &[]);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{said}");
    }
    let output = run(&["serve", "--config", "/none/router.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("error: /none/router.toml: cannot be read"));
    assert!(run(&["serve", "--config", "/none/router.toml", "--help"]).status.success());
}

/// What counts is what is complained of: that the port is in use which was set where it counts.
#[test]
fn flags_count_before_the_environment_and_that_before_the_file() {
    let taken: Vec<_> =
        (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let [file, variable, flag] =
        [0, 1, 2].map(|at: usize| taken[at].local_addr().unwrap().to_string());
    let path = File::new(&format!("listen = \"{file}\"\n"));
    let complained_of = |more: &[&str], variable: Option<&str>| {
        let mut command = router();
        command.arg("serve").args(more).env("MPC_ROUTER_CONFIG", path.path());
        command.envs(variable.map(|value| ("MPC_ROUTER_LISTEN", value)));
        let output = command.output().unwrap();
        let error = text(&output.stderr).to_owned();
        assert!(error.starts_with("error: port "), "{error}");
        let port = error.split(' ').nth(2).unwrap();
        format!("127.0.0.1:{port}")
    };
    assert_eq!(complained_of(&[], None), file);
    assert_eq!(complained_of(&[], Some(&variable)), variable);
    assert_eq!(complained_of(&["--listen", &flag], Some(&variable)), flag);
    assert_eq!(complained_of(&[&format!("--listen={flag}")], None), flag);
}

#[test]
fn a_file_may_rely_on_the_command_line_and_be_set_back_by_the_environment() {
    let file = File::new("tls-key = \"none.key\"\nopen-sessions = true\n");
    let (status, said) = file.check(&["--tls-cert", "none.pem"], &[]);
    assert_eq!(status, Some(1), "the pair is complete: {said}");
    let file = File::new("open-sessions = true\n");
    assert_eq!(file.check(&[], &[("MPC_ROUTER_OPEN_SESSIONS", "false")]).0, Some(0));
    assert_eq!(file.check(&["--open-sessions"], &[]).0, Some(0));
}

#[test]
fn the_reference_and_the_example_are_printed() {
    let reference = run(&["config"]);
    assert!(text(&reference.stdout).contains("### `--heartbeat-timeout DURATION`"));
    let example = text(&run(&["config", "--example"]).stdout).to_owned();
    let file = File::new(&example);
    assert_eq!(file.check(&[], &[]).0, Some(0), "with everything commented out");
    for line in example.lines().filter(|line| line.starts_with('#') && !line.starts_with("# ")) {
        // Those name files, need others beside them, or another build.
        if line.len() > 1
            && !["#tls-", "#coordinator", "#otlp-", "#notify-"]
                .iter()
                .any(|it| line.starts_with(it))
        {
            file.write(&line[1..]);
            let (status, said) = file.check(&[], &[]);
            assert_eq!(status, Some(0), "{line}: {said}");
        }
    }
}

#[test]
fn what_is_logged_changes_on_a_hangup() {
    let file = File::new("log = \"warn\"\n");
    let mut command = router();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(file.path());
    let running = Running::start(&mut command);
    file.write("log = \"debug\"\n");
    running.signal("HUP");
    running.wait_for("the log has another filter");
    file.write("log = \"a=b=c\"\n");
    running.signal("HUP");
    running.wait_for("the configuration cannot be read");
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("router.toml, line 1: `log` cannot be this"), "{log}");
    assert!(log.contains("stopping"), "it logs more than warnings: {log}");
}
