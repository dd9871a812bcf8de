//! `mpc-conformance run`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::eprintln;
use clap::Args;

use super::list::Filter;
use super::{Failure, INTERRUPTED, USAGE, block_on, complain};
use crate::calibrate::Unfit;
use crate::ceremony;
use crate::families;
use crate::profile::{Profile, Timers};
use crate::report::live::{Live, Show};
use crate::report::{Form, OverallVerdict, Report, terminal};
use crate::run::{Options, run, unjudged};
use crate::select::Selection;
use crate::target::{Spec, Target};

const AFTER_HELP: &str = "\
Targets:
  (none)             the reference router, in this process, with short timers
  http://HOST:PORT   a router that runs already; two runs may follow each other on it
  exec:COMMAND       a command that the suite starts and ends; {port} stands for a free port, {data}
                     for a folder that is removed afterwards

A profile tells the suite what a target claims and how long its timers are. Every key is optional:

  [target]
  name = \"acme-router 1.4\"
  address = \"http://127.0.0.1:50051\"
  start = \"acme-router --port 50051\"
  capabilities = [\"redelivery\"]

  [timers]
  heartbeat_timeout_ms = 1500      # without it 30000, and the run takes as long
  ack_timeout_ms = 400
  max_payload_bytes = 2097152

Exit codes: 0 conformant; 1 a MUST is broken, or the ceremony failed; 2 nothing is broken, but
something was inconclusive or not checked; 4 the target cannot be reached, or died; 5 usage, or a
report could not be written; 130 interrupted.";

/// Where a run without arguments writes its reports.
const DEMO_FOLDER: &str = "mpc-report";

/// The longest of the target's timers that is waited for if nothing else is said. Seconds.
const TIMER_LIMIT: u64 = 60;

/// What to judge, and how.
#[derive(Debug, Default, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Run {
    /// What to judge; goes before what the profile says [default: the built-in reference router].
    #[arg(long)]
    target: Option<String>,
    /// What the suite is told of the target.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the report as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    /// What names and random choices derive from [default: a new one each time].
    #[arg(long)]
    seed: Option<u64>,
    /// The longest of the target's timers to wait for, in seconds; checks that would have to wait
    /// longer are reported as not checked.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMER_LIMIT)]
    timer_limit: u64,
    /// Run no ceremony through the target. (Where requirements are chosen, none is run anyway.)
    #[arg(long)]
    no_ceremony: bool,
    /// Show every requirement, not only what is wrong.
    #[arg(long, short)]
    verbose: bool,
    /// Print nothing but errors: the exit code and the reports tell.
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
}

impl Run {
    /// What is done without any arguments: the built-in router, all reports.
    pub(super) fn demo() -> Self {
        let file = |name| Some(Path::new(DEMO_FOLDER).join(name));
        Self {
            json: file("report.json"),
            junit: file("junit.xml"),
            html: file("report.html"),
            timer_limit: TIMER_LIMIT,
            ..Self::default()
        }
    }

    pub(super) fn execute(self) -> Result<u8, Failure> {
        let selection = self.filter.selection()?;
        let (spec, profile) = self.subject()?;
        let applies = |it: &_| selection.contains(it) && profile.target.claims(it.capability);
        if !families::requirements().any(applies) {
            return Err(Failure::usage(
                "the target claims none of what was selected: add it to target.capabilities in a \
                 profile",
            ));
        }
        for (_, path) in self.files() {
            writable(path)?;
        }
        let options = Options {
            seed: self.seed.unwrap_or_else(a_new_seed),
            selection,
            timer_limit: Duration::from_secs(self.timer_limit),
            replay: self.replay(&spec),
            begins_at: None,
        };
        let judged = block_on(self.judge(&spec, &profile, &options))?;
        let Some(Judged { report, lost }) = judged.transpose()? else {
            return Ok(INTERRUPTED);
        };
        let failures = self.write(&report, lost.is_some());
        failures.iter().for_each(|it| complain(it));
        match (lost, report.verdict.exit_code()) {
            (Some(lost), _) => Err(Failure::unreachable(lost)),
            (None, 0) if !failures.is_empty() => Ok(USAGE),
            (None, verdict) => Ok(verdict),
        }
    }

    fn subject(&self) -> Result<(Spec, Profile), Failure> {
        let mut profile = match &self.profile {
            Some(path) => Profile::read(path).map_err(Failure::usage)?,
            None => Profile::default(),
        };
        let spec = match &self.target {
            Some(text) => text.parse(),
            None => Spec::of_profile(&profile),
        }
        .map_err(Failure::usage)?;
        if self.profile.is_none() && spec == Spec::BuiltIn {
            profile.timers = Timers::built_in();
        }
        Ok((spec, profile))
    }

    fn replay(&self, spec: &Spec) -> String {
        let mut words = vec!["mpc-conformance".to_owned(), "run".to_owned()];
        if *spec != Spec::BuiltIn {
            words.extend(["--target".into(), spec.to_string()]);
        }
        if let Some(profile) = &self.profile {
            words.extend(["--profile".into(), profile.display().to_string()]);
        }
        if self.timer_limit != TIMER_LIMIT {
            words.extend(["--timer-limit".into(), self.timer_limit.to_string()]);
        }
        shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
    }

    async fn judge(
        &self,
        spec: &Spec,
        profile: &Profile,
        options: &Options,
    ) -> Result<Judged, Failure> {
        let mut target = match Target::open(spec, profile).await {
            Ok(target) => target,
            Err(error) if error.is_usage() => return Err(Failure::usage(error)),
            Err(error) => {
                let lost = error.to_string();
                // Without what the command printed: every requirement would tell it again.
                let why = lost.lines().next().unwrap_or_default().trim_end_matches(':');
                let report = unjudged(Target::told(spec, profile), options, why);
                return Ok(Judged { report, lost: Some(lost) });
            }
        };
        let show = Show::fitting(self.quiet);
        let mut live = Live::new(show);
        let judged = run(&target.subject, options, |progress| live.tell(progress)).await;
        drop(live);
        let mut report = match judged {
            Ok(report) => report,
            Err(unfit) => {
                let lost = lost(spec, &unfit, target.obituary().await);
                let why = format!("the target {unfit}");
                let report = unjudged(target.subject.told(), options, &why);
                target.close().await;
                return Ok(Judged { report, lost: Some(lost) });
            }
        };
        let mut obituary = target.obituary().await;
        let is_there = obituary.is_none() && report.verdict != OverallVerdict::Unreachable;
        if is_there && self.with_ceremony(&options.selection) {
            let tell = |phase: &str| self.tell_phase(phase);
            ceremony::add(&mut report, &target.subject, tell).await;
            obituary = target.obituary().await;
        }
        target.close().await;
        if obituary.is_some() {
            report.verdict = OverallVerdict::Unreachable;
        }
        Ok(Judged { report, lost: obituary.map(|it| format!("{spec} died: {it}")) })
    }

    fn tell_phase(&self, phase: &str) {
        if !self.quiet {
            eprintln!("ceremony: {phase}");
        }
    }

    fn with_ceremony(&self, selection: &Selection) -> bool {
        !self.no_ceremony && selection.is_everything()
    }

    fn files(&self) -> impl Iterator<Item = (Form, &PathBuf)> {
        [(Form::Html, &self.html), (Form::Json, &self.json), (Form::Junit, &self.junit)]
            .into_iter()
            .filter_map(|(form, path)| Some((form, path.as_ref()?)))
    }

    /// Writes all reports that can be written, and prints; of a target that was lost, only what it
    /// comes to. Returns what went wrong.
    fn write(&self, report: &Report, is_lost: bool) -> Vec<String> {
        let mut failures = Vec::new();
        let mut files = Vec::new();
        for (form, path) in self.files() {
            match form.write(report, path) {
                Ok(()) => files.push((form, path.clone())),
                Err(error) => failures.push(error.to_string()),
            }
        }
        if self.quiet {
            return failures;
        }
        let options =
            terminal::Options { verbose: self.verbose, files, ..terminal::Options::default() };
        let printed = match is_lost {
            true => terminal::print_verdict(report, &options),
            false => terminal::print(report, &options),
        };
        match printed {
            // Who pipes into `head` has seen enough.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                failures.push(format!("cannot print: {error}"));
            }
            _ => {}
        }
        failures
    }
}

/// What came of a run.
struct Judged {
    report: Report,
    /// Why the target is not there, or not any more, where more is known than the report says.
    lost: Option<String>,
}

/// Finds out before the run, not after it, that a report could not be written.
fn writable(path: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage(format!("cannot write {}: {error}; choose another place", path.display()))
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let new = !path.exists();
    std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    if new {
        std::fs::remove_file(path).map_err(failed)?;
    }
    Ok(())
}

fn lost(spec: &Spec, unfit: &Unfit, obituary: Option<String>) -> String {
    let hint = match (spec, unfit) {
        (Spec::Attach(_), Unfit::Unreachable(_)) => {
            "; is the router running, and is this its address?"
        }
        _ => "",
    };
    let obituary = obituary.map(|it| format!("; {it}")).unwrap_or_default();
    format!("the target {spec} {unfit}{hint}{obituary}")
}

/// A seed that is short enough to be typed.
fn a_new_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    now.map_or(0, |it| u64::from(it.subsec_nanos()) ^ (it.as_secs() << 12)) & 0xff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replay_has_all_that_the_outcome_depends_on() {
        let mut run = Run::demo();
        assert_eq!(run.replay(&Spec::BuiltIn), "mpc-conformance run");
        run.profile = Some("a profile.toml".into());
        run.timer_limit = 5;
        assert_eq!(
            run.replay(&Spec::Exec("a {port}".into())),
            "mpc-conformance run --target 'exec:a {port}' --profile 'a profile.toml' --timer-limit 5"
        );
    }
}
