//! `mpc-router`: the reference MessageRouter as a program.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
