//! `mpc-conformance run`.

mod github;
mod judging;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::eprintln;
use clap::Args;

use self::judging::{Judged, worst};
use super::list::Filter;
use super::{Failure, INTERRUPTED, UNREACHABLE, USAGE, block_on, complain};
use crate::families;
use crate::profile::Profile;
use crate::report::baseline::Baseline;
use crate::report::{Counts, Form, OverallVerdict, Report, append, outputs, terminal};
use crate::run::Options;
use crate::target::Spec;

const AFTER_HELP: &str = "\
Targets:
  (none)             the reference router, in this process, with short timers
  http://HOST:PORT   a router that runs already; two runs may follow each other on it
  https://HOST:PORT  the same over mutual TLS, with the certificates that [tls] names
  exec:COMMAND       a command that the suite starts and ends; {port} stands for a free port,
                     {data} for a folder that is removed afterwards, {notify} for the URL at which
                     the suite takes notifications, {certs} for a folder with certificates made
                     for the run: ca.pem, server.pem and server.key
  docker:IMAGE [ARGUMENT]...
                     a container of a local image, which the suite starts and removes; the same
                     stand for what they are in the container, and --env NAME=VALUE may stand
                     before the image. Needs a suite built with --features docker

A router that claims `durable` is stopped, killed and started again at the end of the run, and its
store is damaged and put back; if it claims `secure` as well, once more: some print only then.
For this the suite must have started it: by exec:, docker: or target.start, with {data} in the
command or its folder as target.data. In a shell, let `exec` start it.

A container listens on all its addresses, and is reached on this machine alone. Without {port}, the
image has to expose one port. {data}, or target.data, is a folder in the container that stays over
restarts; if you are not root, its program is run as you where there is one. What a suite that was
killed leaves behind goes by
  docker ps -aq --filter label=mpc-conformance | xargs docker rm -fv

Repeated runs (--repeat) show what does not end the same way every time: each such requirement is
listed with how often it passed, failed or had no verdict, on the terminal and as `repeats` in JSON.
The worst run decides the exit code: a target that was lost, else a broken MUST, else what has no
verdict.

A baseline (--write-baseline) is a small JSON file that names what is broken, warned or not checked
in a target as it is, of the requirements that were selected. A run with --baseline shows that as
known, and its exit code is about the rest:

  0  nothing is worse than in the baseline
  1  something is broken or warned that was not, or the ceremony failed
  2  something has no verdict that had one
  4, 5 and 130 as without a baseline

What is better than in the baseline is named: then write it anew. In JUnit, a known failure is
skipped.

A profile tells the suite what a target claims and how long its timers are; `mpc-conformance init`
writes one in which every key is explained. Every key is optional:

  [target]
  name = \"acme-router 1.4\"
  address = \"http://127.0.0.1:50051\"
  start = \"acme-router --port 50051 --data /tmp/acme\"     # or \"docker:acme:1.4 serve\"
  data = \"/tmp/acme\"              # where its store lies, if not in {data}
  capabilities = [\"redelivery\"]

  [timers]
  heartbeat_timeout_ms = 1500      # without it 30000, and the run takes as long
  ack_timeout_ms = 400
  max_payload_bytes = 2097152

  [notifications]
  listen = \"127.0.0.1:18080\"     # where the target POSTs its notifications (`offline`); any path
                                   # will do. With {notify} in a command, a free port by default

  [tls]                            # `secure`; not needed with {certs} in the command
  ca = \"ca.pem\"                    # whose certificates the target trusts, and which signed its own
  identities = \"certs\"             # NAME.pem and NAME.key for each party_id; with ca.key there, the
                                   # suite makes what it needs. Checks take several hundred names,
                                   # and each run on the same router takes new ones
  coordinator = \"coordinator\"      # who publishes session events; with {certs} always this name
  server_name = \"router.acme\"      # in the target's certificate, if not the host of its address

Exit codes: 0 conformant; 1 a MUST is broken, or the ceremony failed; 2 nothing is broken, but
something was inconclusive or not checked; 4 the target cannot be reached, or died; 5 usage, or a
report could not be written; 130 interrupted.";

/// Where a run without arguments writes its reports.
const DEMO_FOLDER: &str = "mpc-report";

/// The longest of the target's timers that is waited for if nothing else is said. Seconds.
const TIMER_LIMIT: u64 = 60;

/// The longest delay that can be asked for: with more, an idle call takes longer than the suite takes
/// for the end of a connection. Milliseconds.
pub(super) const LATENCY_MAX: u64 = 1_000;

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
    /// Write the verdict as a badge, an SVG to show on a page.
    #[arg(long, value_name = "FILE")]
    badge: Option<PathBuf>,
    /// Add what the run comes to at the end of this file, for the next step of a pipeline: a line
    /// of key=value each for verdict, passed, failed, warned, inconclusive, not_checked,
    /// not_applicable, and for each of json, junit, html and badge that was written.
    #[arg(long, value_name = "FILE")]
    outputs: Option<PathBuf>,
    /// Tell GitHub Actions: print annotations, and add a summary at the end of the file that
    /// GITHUB_STEP_SUMMARY names, if it names one. Nothing that the target says is taken for a
    /// command.
    #[arg(long)]
    github: bool,
    /// Hold the run against what this file knows not to hold: only what is worse counts.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write what does not hold as a baseline for later runs.
    #[arg(long, value_name = "FILE", conflicts_with = "fail_fast")]
    write_baseline: Option<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    /// What names and random choices derive from [default: a new one each time].
    #[arg(long)]
    seed: Option<u64>,
    /// The longest of the target's timers to wait for, in seconds; checks that would have to wait
    /// longer are reported as not checked.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMER_LIMIT)]
    timer_limit: u64,
    /// Delay all that is sent to the target and comes back by up to so many milliseconds, each time
    /// anew, as a long way does: a router that is far away is not wrong. The built-in router's
    /// timers grow with it; with another one's short timers, some checks may come to no verdict.
    #[arg(long, value_name = "MS", default_value_t = 0, hide_default_value = true,
          value_parser = clap::value_parser!(u64).range(..=LATENCY_MAX))]
    latency: u64,
    /// End the run at the first MUST that is broken, and not known to be: the rest is reported as
    /// not checked, and no further run begins.
    #[arg(long)]
    fail_fast: bool,
    /// Run so many times on the same target, each time with the next seed; the reports are those of
    /// the worst run.
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true,
          value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Run no ceremony through the target. (Where requirements are chosen, none is run anyway.)
    #[arg(long)]
    no_ceremony: bool,
    /// Show every requirement, not only what is wrong.
    #[arg(long, short)]
    verbose: bool,
    /// Print nothing but errors (and annotations): the exit code and the reports tell.
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
            badge: file("badge.svg"),
            timer_limit: TIMER_LIMIT,
            repeat: 1,
            ..Self::default()
        }
    }

    pub(super) fn execute(self) -> Result<u8, Failure> {
        let muted = self.github.then(github::Muted::begin);
        let ended = self.judge_and_report();
        match (&ended, &muted) {
            // It has the target's words in it.
            (Ok(Some(Done { lost: Some(lost), .. })), Some(muted)) => muted.complain(lost),
            (Ok(Some(Done { lost: Some(lost), .. })), None) => complain(lost),
            (Err(failure), _) => complain(&failure.message),
            _ => {}
        }
        drop(muted);
        if self.github {
            github::annotate(&ended);
        }
        Ok(match ended {
            Ok(Some(done)) => done.exit_code,
            Ok(None) => INTERRUPTED,
            Err(failure) => failure.exit_code,
        })
    }

    /// `None` if it was interrupted.
    fn judge_and_report(&self) -> Result<Option<Done>, Failure> {
        let selection = self.filter.selection()?;
        let (spec, profile) = self.subject()?;
        let applies = |it: &_| selection.contains(it) && profile.target.claims(it.capability);
        if !families::requirements().any(applies) {
            return Err(Failure::usage(
                "the target claims none of what was selected: add it to target.capabilities in a \
                 profile",
            ));
        }
        let baseline = self.baseline.as_deref().map(Baseline::read).transpose();
        let baseline = baseline.map_err(Failure::usage)?;
        let files = self.files().map(|(_, path)| path);
        let summary = self.github.then(github::summary_file).flatten();
        for path in files.chain(&self.write_baseline).chain(&self.outputs).chain(&summary) {
            writable(path)?;
        }
        self.has_its_line()?;
        let options = Options {
            seed: self.seed.unwrap_or_else(a_new_seed),
            selection,
            timer_limit: Duration::from_secs(self.timer_limit),
            latency: Duration::from_millis(self.latency),
            fail_fast: self.fail_fast,
            known: baseline.iter().flat_map(Baseline::broken).map(Into::into).collect(),
            replay: self.replay(&spec),
            begins_at: None,
        };
        let judged = block_on(self.judge(&spec, &profile, &options))?;
        let Some(judged) = judged.transpose()? else { return Ok(None) };
        let Judged { reports, lost } = judged;
        let mut report = worst(&reports, self.repeat);
        let mut exit_code = report.verdict.exit_code();
        if let Some((baseline, file)) = baseline.zip(self.baseline.as_ref()) {
            let compared = baseline.compare(&reports, file);
            exit_code = compared.exit_code(&reports);
            compared.mark(&mut report);
            report.baseline = Some(compared);
        }
        let mut failures = self.write(&report, lost.is_some());
        failures.extend(self.write_baseline(&reports).err());
        failures.extend(summary.and_then(|it| github::summarise(&report, &it).err()));
        failures.iter().for_each(|it| complain(it));
        if lost.is_some() {
            exit_code = UNREACHABLE;
        } else if exit_code == 0 && !failures.is_empty() {
            exit_code = USAGE;
        }
        Ok(Some(Done { report, lost, exit_code }))
    }

    fn write_baseline(&self, reports: &[Report]) -> Result<(), String> {
        let Some(path) = &self.write_baseline else { return Ok(()) };
        let file = path.display();
        if reports.iter().any(|it| it.verdict == OverallVerdict::Unreachable) {
            return Err(format!("the baseline {file} was not written: the target was lost"));
        }
        let baseline = Baseline::of(reports);
        std::fs::write(path, baseline.render())
            .map_err(|error| format!("cannot write the baseline {file}: {error}"))?;
        if !self.quiet {
            eprintln!("the baseline {file} knows {} that do not hold", baseline.size());
        }
        Ok(())
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
            profile = Profile::built_in();
            profile.timers = profile.timers.far_away(Duration::from_millis(self.latency));
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
        if self.latency > 0 {
            words.extend(["--latency".into(), self.latency.to_string()]);
        }
        shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
    }

    fn files(&self) -> impl Iterator<Item = (Form, &PathBuf)> {
        [
            (Form::Html, &self.html),
            (Form::Json, &self.json),
            (Form::Junit, &self.junit),
            (Form::Badge, &self.badge),
        ]
        .into_iter()
        .filter_map(|(form, path)| Some((form, path.as_ref()?)))
    }

    /// In a file of outputs, a name has one line.
    fn has_its_line(&self) -> Result<(), Failure> {
        let breaks = |path: &Path| path.to_string_lossy().contains(['\n', '\r']);
        match self.outputs.is_some() && self.files().any(|(_, path)| breaks(path)) {
            true => Err(Failure::usage(
                "--outputs cannot name a file whose name has more than one line: choose another",
            )),
            false => Ok(()),
        }
    }

    /// Writes all reports that can be written, and prints; of a target that was lost before anything
    /// was judged, only what it comes to. Returns what went wrong.
    fn write(&self, report: &Report, is_lost: bool) -> Vec<String> {
        let mut failures = Vec::new();
        let mut files = Vec::new();
        for (form, path) in self.files() {
            match form.write(report, path) {
                Ok(()) => files.push((form, path.clone())),
                Err(error) => failures.push(error.to_string()),
            }
        }
        if let Some(path) = &self.outputs
            && let Err(error) = append(path, &outputs::render(report, &files))
        {
            failures.push(format!("cannot write the outputs to {}: {error}", path.display()));
        }
        if self.quiet {
            return failures;
        }
        let options =
            terminal::Options { verbose: self.verbose, files, ..terminal::Options::default() };
        let Counts { passed, failed, warned, .. } = report.counts;
        let printed = match is_lost && passed + failed + warned == 0 {
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

/// What came of a command that judged.
struct Done {
    /// Of the worst run, held against the baseline if there is one.
    report: Report,
    /// Why the target is not there, or not any more, where more is known than the report says.
    lost: Option<String>,
    exit_code: u8,
}

/// Finds out before the run, not after it, that a report could not be written.
pub(super) fn writable(path: &Path) -> Result<(), Failure> {
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

/// A seed that is short enough to be typed.
pub(super) fn a_new_seed() -> u64 {
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
        run.latency = 20;
        assert_eq!(
            run.replay(&Spec::Exec("a {port}".into())),
            "mpc-conformance run --target 'exec:a {port}' --profile 'a profile.toml' --timer-limit 5 \
             --latency 20"
        );
    }
}
