//! `mpc-conformance replay`.

use std::path::PathBuf;

use anstream::println;
use clap::Args;
use owo_colors::OwoColorize as _;

use super::super::{Failure, INTERRUPTED, block_on};
use super::{Found, On, live, print_found, virtual_time};
use crate::fuzz::attempt::Attempt;
use crate::fuzz::corpus::Saved;
use crate::fuzz::program::Program;
use crate::fuzz::rehearsal::rehearse;
use crate::fuzz::search::worst;
use crate::target::{InMemory, Spec};

const AFTER_HELP: &str = "\
Exit codes: 0 nothing of it breaks a MUST; 1 something does; 4 the target cannot be reached;
5 usage, or a file that holds no program; 130 interrupted.";

/// What to play again.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Replay {
    /// Files that `fuzz` has saved.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    on: On,
    /// Play each so many times.
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true,
          value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
}

impl Replay {
    pub(in crate::cli) fn execute(self) -> Result<u8, Failure> {
        let (spec, profile) = self.on.subject()?;
        let saved = self.files.iter().map(|file| Saved::read(file)).collect::<Result<Vec<_>, _>>();
        let saved = saved.map_err(Failure::usage)?;
        if spec == Spec::BuiltIn {
            let (router, terms) = (InMemory::new(profile.timers), virtual_time::terms(&profile));
            let mut broken = false;
            for (file, saved) in self.files.iter().zip(saved) {
                let play = |_| rehearse(&router, &terms, &profile.timers, &saved.program);
                let attempts = (0..self.times).map(play).collect();
                broken |= tell(file, &saved.program, attempts);
            }
            return Ok(u8::from(broken));
        }
        let ended = block_on(async {
            let ground = live::Ground::open(&spec, &profile, 0).await?;
            let mut broken = false;
            for (file, saved) in self.files.iter().zip(saved) {
                let mut attempts = Vec::new();
                for _ in 0..self.times {
                    attempts.push(ground.play(&saved.program).await?);
                }
                broken |= tell(file, &saved.program, attempts);
            }
            ground.target.close().await;
            Ok(u8::from(broken))
        })?;
        ended.unwrap_or(Ok(INTERRUPTED))
    }
}

/// Tells what came of playing a program so often, and whether that breaks a MUST.
fn tell(file: &std::path::Path, program: &Program, attempts: Vec<Attempt>) -> bool {
    let times = attempts.len() as u32;
    let is_broken = |it: &&Attempt| worst(&it.findings).is_some_and(|it| !it.is_warning());
    let shows = attempts.iter().filter(is_broken).count() as u32;
    let Some(attempt) = attempts.iter().find(is_broken) else {
        println!("{} {}: nothing wrong", "right".green().bold(), file.display());
        return false;
    };
    let Some(finding) = worst(&attempt.findings).cloned() else { return false };
    println!("{}: {shows} of {times} times", file.display());
    let found = Found {
        case: None,
        program: program.clone(),
        finding,
        attempt: attempt.clone(),
        before: program.steps.len(),
        played: 0,
        shows: (shows, times),
    };
    print_found(&found, None);
    true
}
