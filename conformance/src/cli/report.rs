//! `mpc-conformance report`.

use std::path::PathBuf;

use anstream::{print, println};
use clap::{Args, Subcommand};

use super::Failure;
use crate::report::diff::Diff;
use crate::report::json;
use crate::report::schema::SCHEMA;

const AFTER_HELP: &str = "\
What counts as a regression: a MUST that is broken in NEW and was not in OLD, or that OLD does not
have; a SHOULD that is not kept and was not broken before; a ceremony that fails, or a target that
was lost, where that was not so before. What lost its verdict is listed, and is none: the exit
code of `run` tells of it. Neither is a check that took more than twice as long (and at least 100 ms
more).

  mpc-conformance run --target http://127.0.0.1:50051 --json new.json
  mpc-conformance report diff released.json new.json

Exit codes: 0 no regression; 1 a regression; 5 a report cannot be read.";

const SCHEMA_AFTER_HELP: &str = "\
A report's `format` grows when a field changes its meaning or goes. Within one format only fields
and capabilities are added: read what you know, and leave the rest.

Exit codes: 0 always.";

/// What to do with reports.
#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what changed between two JSON reports.
    Diff(DiffArguments),
    /// Print the JSON Schema of JSON reports (draft 2020-12).
    #[command(after_help = SCHEMA_AFTER_HELP)]
    Schema,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
struct DiffArguments {
    /// The earlier report, as `run --json` wrote it.
    old: PathBuf,
    /// The later report.
    new: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

impl Report {
    pub(super) fn execute(self) -> Result<u8, Failure> {
        let DiffArguments { old, new, json: as_json } = match self.command {
            Command::Diff(arguments) => arguments,
            Command::Schema => {
                print!("{SCHEMA}");
                return Ok(0);
            }
        };
        let old = json::read(&old).map_err(Failure::usage)?;
        let new = json::read(&new).map_err(Failure::usage)?;
        let diff = Diff::between(&old, &new);
        match as_json {
            true => println!("{}", serde_json::to_string_pretty(&diff).expect("plain values")),
            false => println!("{}", diff.lines().join("\n")),
        }
        Ok(u8::from(diff.regression))
    }
}
