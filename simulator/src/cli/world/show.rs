//! What people see of a world.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use mpc_simulator::world::Outcome;
use owo_colors::OwoColorize as _;

/// Where the lines of a trace go, and on a terminal how far the world is.
pub(super) struct Story {
    out: Option<Box<dyn Write>>,
    bar: Option<ProgressBar>,
    drawn: Instant,
    trouble: Option<io::Error>,
}

/// How often progress is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(100);

/// A last line on standard error that stays, if that is a terminal.
pub(super) fn bar(quiet: bool) -> Option<ProgressBar> {
    (!quiet && io::stderr().is_terminal()).then(|| {
        let bar = ProgressBar::new_spinner();
        bar.set_style(
            ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.enable_steady_tick(DRAWN_EVERY);
        bar
    })
}

impl Story {
    pub(super) fn begin(path: Option<&Path>, quiet: bool) -> anyhow::Result<Self> {
        let out: Option<Box<dyn Write>> = match path {
            None => None,
            Some(path) if path == Path::new("-") => Some(Box::new(io::stdout().lock())),
            Some(path) => {
                let file = File::create(path);
                let file = file.with_context(|| format!("cannot write {}", path.display()))?;
                Some(Box::new(BufWriter::new(file)))
            }
        };
        let bar = bar(quiet || path == Some(Path::new("-")));
        Ok(Self { out, bar, drawn: Instant::now(), trouble: None })
    }

    pub(super) fn tell(&mut self, at: u64, line: &str) {
        if let Some(out) = &mut self.out
            && self.trouble.is_none()
            && let Err(error) = writeln!(out, "{} {line}", time(at))
        {
            self.trouble = Some(error);
        }
        if let Some(bar) = &self.bar
            && self.drawn.elapsed() >= DRAWN_EVERY
        {
            self.drawn = Instant::now();
            bar.set_message(format!("{} of virtual time", time(at).trim_start()));
        }
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let flushed = self.out.as_mut().map_or(Ok(()), Write::flush);
        self.trouble.map_or(flushed, Err).context("cannot write the trace")
    }
}

/// Virtual time since the beginning, such as `1:00:01.500`.
fn time(at: u64) -> String {
    let (hours, minutes, seconds) = (at / 3_600_000, at / 60_000 % 60, at as f64 / 1_000.0 % 60.0);
    match (hours, minutes) {
        (0, 0) => format!("{seconds:>13.3}"),
        (0, _) => format!("{:>13}", format!("{minutes}:{seconds:06.3}")),
        _ => format!("{:>13}", format!("{hours}:{minutes:02}:{seconds:06.3}")),
    }
}

pub(super) fn print(text: &str) -> anyhow::Result<()> {
    write!(anstream::stdout(), "{text}").context("cannot print")
}

/// Prints what came of a world; `line` plays it again.
pub(super) fn outcome(outcome: &Outcome, line: &str, quiet: bool) -> anyhow::Result<()> {
    let mut text = String::new();
    let failed = !outcome.passed();
    if failed {
        text.push_str(&format!("{line}\n"));
    }
    if !quiet {
        text.push_str(&told(outcome));
    }
    let lasted = time(outcome.lasted_ms);
    let lasted = lasted.trim_start();
    let verdict = match (failed, outcome.stopped) {
        (true, _) => format!("{} {}", "failed:".red().bold(), first(outcome)),
        (false, true) => format!("{} after {lasted} of virtual time", "stopped:".yellow().bold()),
        (false, false) => format!(
            "{} {} events in {lasted} of virtual time, {} faults",
            "well:".green().bold(),
            outcome.events,
            outcome.faults.values().sum::<u32>(),
        ),
    };
    text.push_str(&format!("{verdict}\n"));
    if failed {
        text.push_str(&format!("{line}\n"));
    }
    print(&text)
}

/// The first thing that is wrong.
pub(super) fn first(outcome: &Outcome) -> String {
    let first = outcome.troubles.first();
    first.map_or_else(String::new, |trouble| format!("{}: {}", trouble.check, trouble.what))
}

fn told(outcome: &Outcome) -> String {
    let mut text = String::new();
    let scenario = &outcome.scenario;
    match scenario.parties {
        0 => {}
        parties => text.push_str(&format!(
            "{} among {parties} parties, threshold {}, seed {}\n",
            scenario.flow, scenario.threshold, scenario.seed
        )),
    }
    let idle = scenario.idle_parties;
    if idle > 0 {
        let (hours, beats) = (scenario.hours, outcome.heartbeats);
        text.push_str(&format!("{idle} idle parties for {hours} h: {beats} heartbeats\n"));
    }
    let faults: Vec<_> = outcome.faults.iter().map(|(kind, it)| format!("{it} {kind}")).collect();
    if !faults.is_empty() {
        text.push_str(&format!("faults     {}\n", faults.join(", ")));
    }
    if let Some(report) = &outcome.ceremony {
        let ended = format!("{:?}", report.ended).to_lowercase();
        let reason = report.reason.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        text.push_str(&format!("ceremony   {ended}{reason}\n"));
    }
    if let Some(excuse) = &outcome.excuse {
        text.push_str(&format!("it may     fail, since {excuse}\n"));
    }
    text.push_str(&format!("trace      {}\n", outcome.trace.hex()));
    for trouble in &outcome.troubles {
        let check = format!("{:<10}", trouble.check);
        text.push_str(&format!("{} {check} {}\n", "FAIL".red().bold(), trouble.what));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_at_a_glance() {
        let told = [1, 61_500, 86_340_000].map(|at| time(at).trim_start().to_owned());
        assert_eq!(told, ["0.001", "1:01.500", "23:59:00.000"]);
    }
}
