//! `mpc-conformance init`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anstream::{eprintln, print};
use clap::Args;

use super::Failure;

/// The profile, with every key as a comment.
const PROFILE: &str = include_str!("init/profile.toml");

const AFTER_HELP: &str = "\
The profile names every key, what it is for, and what holds without it. As it is written, it changes
nothing: take the # away where a line is true of your router.

  mpc-conformance init acme.toml
  mpc-conformance run --target http://127.0.0.1:50051 --profile acme.toml

Exit codes: 0 it is written; 5 it is there already, or cannot be written.";

/// Where to.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Init {
    /// The file to write; - for standard output.
    #[arg(default_value = "mpc-conformance.toml")]
    file: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(super) fn execute(self) -> Result<u8, Failure> {
        if self.file == Path::new("-") {
            print!("{PROFILE}");
            return Ok(0);
        }
        let file = self.file.display();
        let mut options = OpenOptions::new();
        match self.force {
            true => options.create(true).truncate(true),
            false => options.create_new(true),
        };
        let written = options
            .write(true)
            .open(&self.file)
            .and_then(|mut opened| opened.write_all(PROFILE.as_bytes()));
        match written {
            Ok(()) => {
                eprintln!("wrote {file}; say in it what is true of your router, then:");
                let word = self.file.to_string_lossy();
                let word = shlex::try_quote(&word).unwrap_or(word.clone());
                eprintln!("  mpc-conformance run --profile {word}");
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::usage(format!(
                "{file} is there already; name another file, or write over it: --force"
            ))),
            Err(error) => Err(Failure::usage(format!("cannot write {file}: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::profile::{Profile, Timers, TlsMaterial};
    use crate::requirement::Capability;

    /// The profile with every key set.
    fn uncommented() -> String {
        let lines = PROFILE.lines().map(|line| match line.strip_prefix('#') {
            // What is for people has a space after it.
            Some(key) if !key.is_empty() && !key.starts_with(' ') => key,
            _ => line,
        });
        lines.map(|line| format!("{line}\n")).collect()
    }

    fn keys(prefix: &str, value: &serde_json::Value) -> BTreeSet<String> {
        let Some(table) = value.as_object() else { return [prefix.to_owned()].into() };
        table.iter().flat_map(|(key, value)| keys(&format!("{prefix}/{key}"), value)).collect()
    }

    fn parse(text: &str) -> Profile {
        toml::from_str(text).unwrap_or_else(|error| panic!("{error}\nin\n{text}"))
    }

    #[test]
    fn as_it_is_it_changes_nothing() {
        assert_eq!(parse(PROFILE), Profile::default());
    }

    #[test]
    fn every_key_is_in_it_with_what_holds_without_it() {
        let text = uncommented();
        let profile = parse(&text);
        assert_eq!(profile.timers, Timers::default());
        assert_eq!(profile.target.capabilities, Capability::ALL[1..]);
        let told: toml::Table = text.parse().unwrap();
        let told = keys("", &serde_json::to_value(told).unwrap());
        let tls = TlsMaterial {
            ca: PathBuf::new(),
            identities: PathBuf::new(),
            coordinator: String::new(),
            server_name: None,
        };
        let known = Profile { tls: Some(tls), ..Profile::default() };
        assert_eq!(told, keys("", &serde_json::to_value(known).unwrap()));
    }
}
