//! What a run tells GitHub Actions.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rand_core::{OsRng, RngCore as _};

use super::{Done, Failure};
use crate::report::github::{Annotation, SUMMARY_LIMIT, annotations, commands, summary};
use crate::report::{Report, append};

/// While this is kept, GitHub's runner takes nothing that is printed for a command: a target could
/// say what begins like one.
pub(super) struct Muted {
    /// What ends it. Nobody can guess it.
    token: String,
}

impl Muted {
    pub(super) fn begin() -> Self {
        let token = format!("{:016x}{:016x}", OsRng.next_u64(), OsRng.next_u64());
        say(&[format!("::stop-commands::{token}")]);
        Self { token }
    }

    /// Prints what went wrong where it is between the two: on another stream it may be read later.
    pub(super) fn complain(&self, message: &str) {
        say(&[format!("error: {message}")]);
    }
}

impl Drop for Muted {
    fn drop(&mut self) {
        say(&[format!("::{}::", self.token)]);
    }
}

/// Prints the annotations for what came of a run, or why none did.
pub(super) fn annotate(ended: &Result<Option<Done>, Failure>) {
    let annotations = match ended {
        Ok(Some(done)) => annotations(&done.report, done.lost.as_deref()),
        Ok(None) => Vec::new(),
        Err(failure) => {
            let lines = failure.message.lines().map(Into::into).collect();
            vec![Annotation::error("mpc-conformance", lines)]
        }
    };
    say(&commands(&annotations));
}

/// Where the summary goes, if anywhere.
pub(super) fn summary_file() -> Option<PathBuf> {
    let name = std::env::var_os("GITHUB_STEP_SUMMARY")?;
    (!name.is_empty()).then(|| name.into())
}

/// Adds the summary to what is there already. Together they are as much as GitHub takes.
pub(super) fn summarise(report: &Report, file: &Path) -> Result<(), String> {
    let there = std::fs::metadata(file).map_or(0, |it| it.len());
    // One for the end of a line that has none.
    let room = SUMMARY_LIMIT.saturating_sub(usize::try_from(there).unwrap_or(usize::MAX));
    append(file, &summary(report, room.saturating_sub(1)))
        .map_err(|error| format!("cannot write the summary to {}: {error}", file.display()))
}

/// Lines on standard output. Where they cannot be printed, nobody listens.
fn say(lines: &[String]) {
    let mut out = io::stdout().lock();
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
    let _ = out.flush();
}
