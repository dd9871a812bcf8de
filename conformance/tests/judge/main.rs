//! `ci/judge`, which runs the suite in pipelines, and the GitHub action that is made of it.

#![expect(clippy::unwrap_used, reason = "what cannot be prepared is a test that fails")]

mod action;
mod examples;
mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The folder with the script and the action.
fn ci() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(ci().join(name)).unwrap()
}

/// A test's own folder.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// A program that `script` is, for the suite's own.
    fn suite(&self, script: &str) -> String {
        let name = self.file("suite of this test");
        std::fs::write(&name, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&name, executable).unwrap();
        name
    }

    /// A program in this folder, with nothing of a pipeline around these tests.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("JUDGE_") || name.starts_with("GITHUB_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn judge(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(ci().join("judge"));
        command.args(arguments);
        command
    }

    /// The names and values in a file of outputs, each there once.
    fn outputs(&self, name: &str) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.file(name)).unwrap();
        let pairs = text.lines().map(|line| line.split_once('=').unwrap());
        let outputs: BTreeMap<_, _> =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(outputs.len(), text.lines().count(), "{text}");
        outputs
    }
}

/// How a program ended, and all that it printed.
fn ended(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

/// The options that the script's help names, but for `--help`.
fn options() -> Vec<String> {
    let (code, help) = ended(&mut Bench::new().judge(&["--help"]));
    assert_eq!(code, Some(0), "{help}");
    let named = help.lines().filter_map(|it| it.strip_prefix("  --")?.split(' ').next());
    named.filter(|it| *it != "help").map(str::to_owned).collect()
}

/// The variable that stands for an option.
fn variable(option: &str) -> String {
    format!("JUDGE_{}", option.to_ascii_uppercase().replace('-', "_"))
}
