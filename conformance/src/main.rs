//! `mpc-conformance`: judges any MessageRouter. See `mpc-conformance --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mpc_conformance::cli::main()
}
