//! `mpc-simulator`: threshold ceremonies through a MessageRouter, from the command line.

mod cli;
mod display;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
