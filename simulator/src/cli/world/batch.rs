//! Many worlds, on as many threads as there are cores.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::ProgressBar;
use mpc_simulator::world::{Audience, Drawing, Outcome, draw, play_before};
use owo_colors::OwoColorize as _;

use super::super::{FAILED, Failure, write_json};
use super::{line, show};

/// Which seeds to play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seeds {
    which: Which,
    within: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    /// From the first to one before the second.
    Range(u64, u64),
    Listed(Vec<u64>),
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().map_err(|_| SEEDS.to_owned());
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (number(from)?, number(to)?),
            None => (1, number(text)?.saturating_add(1)),
        };
        if from >= to {
            return Err(SEEDS.into());
        }
        Ok(Self { which: Which::Range(from, to), within: None })
    }
}

const SEEDS: &str = "write it as 1..1000, of which the last is not played, or as 1000";

impl Seeds {
    /// Seeds that were hardly ever played, for so long.
    pub(super) fn new_ones(within: Duration) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let from = now.as_millis() as u64 * 1_000;
        Self { which: Which::Range(from, u64::MAX), within: Some(within) }
    }

    /// The seeds of a list.
    pub(super) fn listed(file: &str, text: &str) -> Result<Self, String> {
        let mut seeds = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let seed = line.split('#').next().unwrap_or_default().trim();
            if !seed.is_empty() {
                let seed = seed.parse();
                let number = number + 1;
                seeds.push(seed.map_err(|_| format!("{file}:{number}: this is no seed"))?);
            }
        }
        if seeds.is_empty() {
            return Err(format!("{file}: there is no seed in it"));
        }
        Ok(Self { which: Which::Listed(seeds), within: None })
    }

    pub(super) fn within(self, within: Option<Duration>) -> Self {
        Self { within, ..self }
    }

    fn get(&self, at: u64) -> Option<u64> {
        match &self.which {
            Which::Range(from, to) => from.checked_add(at).filter(|seed| seed < to),
            Which::Listed(seeds) => seeds.get(usize::try_from(at).ok()?).copied(),
        }
    }
}

/// Many worlds to be played.
pub(super) struct Batch {
    pub(super) seeds: Seeds,
    pub(super) given: Drawing,
    pub(super) options: String,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) quiet: bool,
}

/// What is known so far.
#[derive(Default)]
struct Sum {
    played: u64,
    events: u64,
    excused: u64,
    failed: Vec<Outcome>,
}

/// As many failures end a batch: there is enough to look at.
const MOST_FAILURES: usize = 20;

impl Batch {
    /// Plays them all, and tells of those that failed.
    pub(super) fn run(&self, json: Option<&Path>) -> Result<ExitCode, Failure> {
        let first = self.seeds.get(0).unwrap_or_default();
        draw(first, &self.given).check().map_err(Failure::usage)?;
        let (began, next, bar) = (Instant::now(), AtomicU64::new(0), show::bar(self.quiet));
        let (outcomes, played) = mpsc::channel();
        let mut sum = Sum::default();
        thread::scope(|scope| {
            let threads = thread::available_parallelism().map_or(1, usize::from);
            for _ in 0..threads {
                let outcomes = outcomes.clone();
                let next = &next;
                scope.spawn(move || self.play(next, began, &outcomes));
            }
            drop(outcomes);
            for outcome in played {
                self.add(&mut sum, outcome?, bar.as_ref());
            }
            Ok::<(), Failure>(())
        })?;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        sum.failed.sort_by_key(|outcome| outcome.scenario.seed);
        let to_stdout = json == Some(Path::new("-"));
        if let Some(path) = json {
            write_json(&sum.failed, path, to_stdout)?;
        }
        if !to_stdout {
            self.tell(&sum, began.elapsed())?;
        }
        let stopped = self.stop.load(Ordering::Relaxed) && sum.failed.len() < MOST_FAILURES;
        Ok(if sum.failed.is_empty() && !stopped { ExitCode::SUCCESS } else { FAILED.into() })
    }

    fn play(
        &self,
        next: &AtomicU64,
        began: Instant,
        outcomes: &mpsc::Sender<Result<Outcome, Failure>>,
    ) {
        loop {
            let late = self.seeds.within.is_some_and(|within| began.elapsed() >= within);
            if late || self.stop.load(Ordering::Relaxed) {
                return;
            }
            let Some(seed) = self.seeds.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let scenario = draw(seed, &self.given);
            let audience = Audience { listener: None, stop: Some(&self.stop) };
            let outcome = play_before(&scenario, audience).map_err(Failure::usage);
            if outcomes.send(outcome).is_err() {
                return;
            }
        }
    }

    fn add(&self, sum: &mut Sum, outcome: Outcome, bar: Option<&ProgressBar>) {
        if outcome.stopped {
            return;
        }
        sum.played += 1;
        sum.events += outcome.events;
        sum.excused += u64::from(outcome.excuse.is_some());
        if !outcome.passed() {
            let told = format!(
                "{}  {} {}",
                line(outcome.scenario.seed, &self.options),
                "failed:".red().bold(),
                show::first(&outcome)
            );
            let print = || drop(writeln!(anstream::stderr(), "{told}"));
            match bar {
                Some(bar) => bar.suspend(print),
                None if self.quiet => {}
                None => print(),
            }
            sum.failed.push(outcome);
            if sum.failed.len() >= MOST_FAILURES {
                self.stop.store(true, Ordering::Relaxed);
            }
        }
        if let Some(bar) = bar {
            let failed = sum.failed.len();
            bar.set_message(format!("{} worlds, {failed} failed", sum.played));
        }
    }

    fn tell(&self, sum: &Sum, took: Duration) -> anyhow::Result<()> {
        let Sum { played, events, excused, failed } = sum;
        let mut text = String::new();
        for outcome in failed {
            text.push_str(&format!("{}\n", line(outcome.scenario.seed, &self.options)));
        }
        let took = took.as_secs_f64();
        let counts = format!("{played} worlds, {events} events, {excused} with a reason to fail");
        let verdict = if failed.is_empty() {
            format!("{} {counts}, in {took:.1} s", "well:".green().bold())
        } else {
            let count = failed.len();
            format!("{} {count} of {counts}, in {took:.1} s", "failed:".red().bold())
        };
        text.push_str(&format!("{verdict}\n"));
        if let Some(outcome) = failed.first() {
            text.push_str(&format!("{}\n", line(outcome.scenario.seed, &self.options)));
        }
        show::print(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_a_number_or_a_list() {
        let all = |seeds: &Seeds| (0..9).map_while(|at| seeds.get(at)).collect::<Vec<_>>();
        assert_eq!(all(&"5..8".parse().unwrap()), [5, 6, 7]);
        assert_eq!(all(&"3".parse().unwrap()), [1, 2, 3]);
        for wrong in ["", "0", "8..5", "5..5", "x", "1..", "-1"] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
        let listed = Seeds::listed("f", "# all\n\n7 # a bug\n 9\n").unwrap();
        assert_eq!(all(&listed), [7, 9]);
        assert_eq!(Seeds::listed("f", "7\nx").unwrap_err(), "f:2: this is no seed");
        assert!(Seeds::listed("f", "# none").is_err());
    }
}
