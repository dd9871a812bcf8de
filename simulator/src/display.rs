//! What people see: progress as it happens, and the report.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use mpc_simulator::ceremony::{Ended, Plan, Progress, Report, What};
use mpc_simulator::record::Deed;
use owo_colors::OwoColorize as _;

/// With more parties than this, not every message is told as it is sent.
const FEW_PARTIES: u16 = 10;

/// Shows progress on standard error: lines, and on a terminal a last line that stays.
pub(crate) struct Display {
    detail: Detail,
    prefix: String,
    bar: Option<ProgressBar>,
    phase: &'static str,
    sent: usize,
    received: usize,
    acknowledged: usize,
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Detail {
    Nothing,
    Lives,
    Messages,
    Everything,
}

impl Display {
    pub(crate) fn new(plan: &Plan, target: &str, quiet: bool, verbose: bool) -> Self {
        let detail = match (quiet, verbose) {
            (true, _) => Detail::Nothing,
            (_, true) => Detail::Everything,
            _ if plan.parties <= FEW_PARTIES => Detail::Messages,
            _ => Detail::Lives,
        };
        let bar = (detail > Detail::Nothing && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(
                ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let display = Self {
            detail,
            prefix: begins(&plan.prefix),
            bar,
            phase: "gathering",
            sent: 0,
            received: 0,
            acknowledged: 0,
        };
        display.line(&format!(
            "{} among {} parties, {} of whom sign, through {target} (seed {}, names begin with {})",
            plan.protocol, plan.parties, plan.threshold, plan.seed, plan.prefix
        ));
        display
    }

    pub(crate) fn show(&mut self, news: &Progress) {
        let at = format!("{:>8.3}s", news.elapsed.as_secs_f64());
        match &news.what {
            What::Phase(phase) => {
                self.phase = phase;
                self.line(&format!("{} {}", at.dimmed(), phase.bold()));
            }
            What::Party { id, deed } => {
                match deed {
                    Deed::Accepted(..) => self.sent += 1,
                    Deed::Saw(_) => self.received += 1,
                    Deed::Acknowledged(..) => self.acknowledged += 1,
                    _ => {}
                }
                if detail(deed) <= self.detail {
                    let told = deed.to_string();
                    let told = if is_bad(deed) { told.red().to_string() } else { told };
                    let line = format!("{} {} {told}", at.dimmed(), id.cyan());
                    self.line(&line.replace(&self.prefix, ""));
                }
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!(
                "{}: {} sent, {} received, {} acknowledged",
                self.phase, self.sent, self.received, self.acknowledged
            ));
        }
    }

    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, line: &str) {
        if self.detail == Detail::Nothing {
            return;
        }
        // Progress that nobody can see is no reason to stop.
        let print = || drop(writeln!(anstream::stderr(), "{line}"));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

/// What all names begin with, which is not worth reading.
fn begins(prefix: &str) -> String {
    format!("{prefix}-")
}

/// With how much detail a deed is told.
fn detail(deed: &Deed) -> Detail {
    match deed {
        Deed::RegistrationRefused(_)
        | Deed::Came
        | Deed::Left
        | Deed::Vanished
        | Deed::Disconnected(_)
        | Deed::Joined(_)
        | Deed::Finished(_)
        | Deed::Failed(..)
        | Deed::ListedTwice(_)
        | Deed::Refused(..)
        | Deed::AcknowledgementRefused(..) => Detail::Lives,
        Deed::Registered | Deed::SubscriptionRefused(_) | Deed::Made(_) => Detail::Messages,
        Deed::Started(_)
        | Deed::Attempted(_)
        | Deed::Accepted(..)
        | Deed::Saw(_)
        | Deed::Applied(_)
        | Deed::Acknowledged(..)
        | Deed::Closed(_) => Detail::Everything,
    }
}

fn is_bad(deed: &Deed) -> bool {
    matches!(
        deed,
        Deed::Vanished
            | Deed::Disconnected(_)
            | Deed::RegistrationRefused(_)
            | Deed::Failed(..)
            | Deed::ListedTwice(_)
            | Deed::Refused(..)
            | Deed::AcknowledgementRefused(..)
    )
}

/// Prints what came of a ceremony; in one line if `quiet`.
pub(crate) fn print_report(out: &mut impl Write, report: &Report, quiet: bool) -> io::Result<()> {
    let mut text = Vec::new();
    write_report(&mut text, report, quiet)?;
    let text = String::from_utf8_lossy(&text);
    write!(out, "{}", text.replace(&begins(&report.prefix), ""))
}

fn write_report(out: &mut impl Write, report: &Report, quiet: bool) -> io::Result<()> {
    if !quiet {
        print_parties(out, report)?;
        writeln!(out)?;
        for item in &report.verdict {
            let name = format!("{:<14}", item.name);
            if item.passed {
                writeln!(out, "{} {name} {}", "pass".green(), item.detail)?;
            } else {
                writeln!(out, "{} {name} {}", "FAIL".red().bold(), item.detail)?;
            }
        }
        writeln!(out)?;
        if let Some(key) = &report.group_public_key {
            writeln!(out, "group key  {key}")?;
        }
        for signed in &report.signatures {
            writeln!(out, "message    {}", signed.message)?;
            writeln!(out, "signature  {}", signed.signature)?;
            writeln!(out, "           by {} in {}", signed.signers.join(", "), signed.session)?;
        }
        let phases: Vec<_> =
            report.phases.iter().map(|p| format!("{} {} ms", p.name, p.milliseconds)).collect();
        writeln!(out, "took       {}", phases.join(", "))?;
    }
    let items = report.verdict.len();
    let passed = report.verdict.iter().filter(|item| item.passed).count();
    if report.passed() {
        let what = match report.signatures.len() {
            0 => "flow".to_owned(),
            1 => "key and 1 signature".to_owned(),
            count => format!("key and {count} signatures"),
        };
        let verified = "verified:".green().bold().to_string();
        writeln!(out, "{verified} {what} of {}, {items} of {items} checks pass", report.protocol)
    } else {
        let why = match (report.ended, report.verdict.iter().find(|item| !item.passed)) {
            (Ended::Completed, Some(item)) => format!("{}: {}", item.name, item.detail),
            _ => report.reason.clone().unwrap_or_default(),
        };
        let failed = "failed:".red().bold().to_string();
        writeln!(out, "{failed} {passed} of {items} checks pass; {why}")
    }
}

fn print_parties(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let width = report.parties.iter().map(|party| party.id.len()).max().unwrap_or(0);
    for party in &report.parties {
        let id = format!("{:<width$}", party.id);
        let life = format!("{:<10} {:<7}", party.role.to_string(), party.receives.to_string());
        write!(
            out,
            "{} {life} sent {:>3}, received {:>3}, acknowledged {:>3}, finished {}",
            id.cyan(),
            party.sent,
            party.received,
            party.acknowledged,
            party.finished.len()
        )?;
        if party.refused > 0 {
            write!(out, ", {} unusable", party.refused)?;
        }
        if party.reconnects > 0 {
            write!(out, ", {} reconnects", party.reconnects)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
