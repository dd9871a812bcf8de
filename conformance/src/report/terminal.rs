//! What `mpc-conformance run` prints: the evidence first, the verdict last, where the eye is when
//! the run ends.

mod ceremony;
mod wrap;

use std::io;
use std::path::PathBuf;

use owo_colors::{OwoColorize as _, Style};

use self::wrap::{WIDTH_LIMIT, wrap};
use super::baseline::Compared;
use super::summary::{self, FamilyGroup, ids_of};
use super::timeline::Story;
use super::wording::{
    self, count, duration, glyph, micros, offset, shortened, utc, visible, words,
};
use super::{Form, Report, RequirementReport, TimelineEntry};
use crate::outcome::Outcome;

/// How many lines of a timeline are shown. Other forms have all.
const TIMELINE_LINES: usize = 12;

/// The longest name of a party in a timeline or table, in columns.
const NAME_LIMIT: usize = 24;

/// What labels take, with the space around them, in columns.
const LABEL_COLUMNS: usize = 15;

/// How the report is printed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether requirements that passed or are not claimed are listed one by one.
    pub verbose: bool,
    /// The files that were written, to be named at the end.
    pub files: Vec<(Form, PathBuf)>,
    /// The width to wrap at, in columns; more than 100 is taken for 100.
    pub width: usize,
}

impl Default for Options {
    /// Not verbose, no files, and as wide as the terminal that standard output is.
    fn default() -> Self {
        Self { verbose: false, files: Vec::new(), width: wrap::width_of_stdout() }
    }
}

/// Prints the report to standard output, in colours where that is a terminal which wants them
/// (`NO_COLOR` and its like are honoured).
///
/// # Errors
/// If standard output cannot be written to.
pub fn print(report: &Report, options: &Options) -> io::Result<()> {
    write(report, options, &mut anstream::stdout().lock())
}

/// Prints the files and the verdict alone.
///
/// # Errors
/// If standard output cannot be written to.
pub fn print_verdict(report: &Report, options: &Options) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let width = options.width.clamp(wrap::WIDTH_LEAST, WIDTH_LIMIT);
    verdict(&mut Page { out: &mut out, width }, report, options)
}

/// Writes the report, in colours: `out` takes them out where they are not wanted, as the streams of
/// `anstream` do.
///
/// # Errors
/// If `out` cannot be written to.
pub fn write(report: &Report, options: &Options, out: &mut impl io::Write) -> io::Result<()> {
    let mut page = Page { out, width: options.width.clamp(wrap::WIDTH_LEAST, WIDTH_LIMIT) };
    header(&mut page, report)?;
    overview(&mut page, report, options.verbose)?;
    for requirement in summary::findings(report) {
        finding(&mut page, requirement)?;
    }
    open_ends(&mut page, report)?;
    if let Some(ceremony) = &report.ceremony {
        ceremony::write(&mut page, ceremony)?;
    }
    verdict(&mut page, report, options)
}

struct Page<'a, W> {
    out: &'a mut W,
    width: usize,
}

impl<W: io::Write> Page<'_, W> {
    fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// A paragraph after an indentation; a text that is too long goes on below its beginning.
    fn paragraph(&mut self, indent: usize, text: &str, style: Style) -> io::Result<()> {
        self.hanging(&" ".repeat(indent), indent, text, style)
    }

    /// A paragraph after `lead`, which takes `columns`; a text that is too long goes on below its
    /// beginning.
    fn hanging(&mut self, lead: &str, columns: usize, text: &str, style: Style) -> io::Result<()> {
        let text = visible(text);
        let room = self.width.saturating_sub(columns);
        for (number, line) in wrap(&text, room).into_iter().enumerate() {
            let line = line.style(style);
            match number {
                0 => writeln!(self.out, "{lead}{line}")?,
                _ => writeln!(self.out, "{:columns$}{line}", "")?,
            }
        }
        Ok(())
    }

    /// A label and what it says.
    fn field(&mut self, label: &str, text: &str) -> io::Result<()> {
        self.hanging(&self::label(label), LABEL_COLUMNS, text, Style::new())
    }
}

fn label(label: &str) -> String {
    let width = LABEL_COLUMNS - 2;
    format!("  {}", format!("{label:<width$}").style(dim()))
}

fn dim() -> Style {
    Style::new().dimmed()
}

fn style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Passed => Style::new().green(),
        Outcome::Failed => Style::new().red().bold(),
        Outcome::Warned => Style::new().yellow(),
        Outcome::Inconclusive => Style::new().magenta(),
        Outcome::NotChecked => Style::new().cyan(),
        Outcome::NotApplicable => Style::new().dimmed(),
    }
}

fn header(page: &mut Page<'_, impl io::Write>, report: &Report) -> io::Result<()> {
    let title = format!("MessageRouter conformance, suite {}", report.suite_version);
    page.paragraph(0, &title, Style::new().bold())?;
    let target = &report.target;
    let reached = match target.reached_by == target.name {
        true => target.name.clone(),
        false => format!("{} ({})", target.name, target.reached_by),
    };
    page.field("target", &reached)?;
    let claims: Vec<_> = target.capabilities.iter().map(|it| it.name()).collect();
    page.field("claims", &claims.join(", "))?;
    if let Some(calibration) = &report.calibration {
        let told = format!(
            "round trip {}, at most {}; timers up to {} late",
            micros(calibration.round_trip_us),
            micros(calibration.round_trip_max_us),
            micros(calibration.timer_slack_us)
        );
        page.field("calibration", &told)?;
    }
    page.field("seed", &report.seed.to_string())?;
    page.field("run", &format!("{}, {}", utc(report.started_at_ms), duration(report.duration_ms)))?;
    page.blank()
}

fn overview(page: &mut Page<'_, impl io::Write>, report: &Report, verbose: bool) -> io::Result<()> {
    let families = summary::by_family(report);
    let name_width = families.iter().map(|it| columns(it.name)).max().unwrap_or(0);
    let title_width = families.iter().map(|it| columns(it.title)).max().unwrap_or(0);
    for family in &families {
        let name = format!("{:<name_width$}", visible(family.name));
        let lead =
            format!("  {}  {:<title_width$}  ", name.style(Style::new().bold()), family.title);
        counts(page, &lead, name_width + title_width + 6, family)?;
        if verbose {
            for requirement in &family.requirements {
                one_by_one(page, requirement)?;
            }
        }
    }
    Ok(())
}

/// How a family's requirements ended, with the identifiers of those that did not pass.
fn counts(
    page: &mut Page<'_, impl io::Write>,
    lead: &str,
    lead_columns: usize,
    family: &FamilyGroup<'_>,
) -> io::Result<()> {
    let mut line = lead.to_owned();
    let mut used = lead_columns;
    let mut is_first = true;
    for outcome in Outcome::ALL {
        let ended = family.ended(outcome);
        if ended.is_empty() {
            continue;
        }
        let mut text = format!("{} {} {}", glyph(outcome), ended.len(), words(outcome));
        if !matches!(outcome, Outcome::Passed | Outcome::NotApplicable) {
            text = format!("{text}: {}", visible(&ids_of(&ended)));
        }
        let gap = if is_first { 0 } else { 3 };
        if !is_first && used + gap + columns(&text) > page.width {
            writeln!(page.out, "{line}")?;
            (line, used) = (" ".repeat(lead_columns), lead_columns);
        } else {
            line.extend(std::iter::repeat_n(' ', gap));
            used += gap;
        }
        is_first = false;
        // A list of identifiers that is too long for a line goes on below its beginning.
        let mut parts = wrap(&text, page.width.saturating_sub(used)).into_iter();
        if let Some(first) = parts.next() {
            line += &first.style(style(outcome)).to_string();
            let mut last = columns(&first);
            for part in parts {
                writeln!(page.out, "{line}")?;
                line = format!("{:used$}{}", "", part.style(style(outcome)));
                last = columns(&part);
            }
            used += last;
        }
    }
    writeln!(page.out, "{line}")
}

fn one_by_one(
    page: &mut Page<'_, impl io::Write>,
    requirement: &RequirementReport,
) -> io::Result<()> {
    let outcome = requirement.outcome;
    let id = visible(&requirement.id);
    let lead = format!(
        "    {} {id:<7} {:<6} {:>8}  ",
        glyph(outcome).style(style(outcome)),
        requirement.level,
        if requirement.duration_ms == 0 {
            String::new()
        } else {
            duration(requirement.duration_ms)
        }
    );
    let says = match outcome {
        Outcome::Passed => requirement.says.clone(),
        _ => format!("{}: {}", words(outcome), requirement.says),
    };
    page.hanging(&lead, 31 + columns(&id).saturating_sub(7), &says, dim())
}

fn finding(page: &mut Page<'_, impl io::Write>, requirement: &RequirementReport) -> io::Result<()> {
    let outcome = requirement.outcome;
    let story = Story::of(requirement);
    page.blank()?;
    let ending = wording::ending(outcome, requirement.level);
    let known = if requirement.known { ", known to the baseline" } else { "" };
    let (id, level) = (&requirement.id, requirement.level);
    let title = format!("{} {id}  {level} {ending}{known}", glyph(outcome));
    page.paragraph(0, &title, style(outcome))?;
    page.paragraph(2, &requirement.says, Style::new().bold())?;
    match story.finding() {
        Some(finding) => {
            page.field("seen", &finding.seen)?;
            page.field("accepted", &finding.accepted)?;
            for cause in &requirement.likely_causes {
                page.field("looks like", cause)?;
            }
            if requirement.likely_causes.is_empty() {
                let id = &requirement.id;
                let hint = format!("nothing that is known; see mpc-conformance explain {id}");
                page.field("looks like", &hint)?;
            }
        }
        None => page.field("because", &story.detail())?,
    }
    timeline(page, &story)?;
    if let Some(replay) = &requirement.replay {
        // In one piece, so that it can be copied.
        writeln!(page.out, "{}{}", label("replay"), visible(replay))?;
    }
    Ok(())
}

fn timeline(page: &mut Page<'_, impl io::Write>, story: &Story<'_>) -> io::Result<()> {
    let (lines, cut) = story.closest(TIMELINE_LINES);
    if lines.is_empty() {
        return Ok(());
    }
    let mut about = vec!["times in ms".to_owned()];
    if !story.prefix().is_empty() {
        about.push(format!("names without their {}", story.prefix()));
    }
    if cut > 0 {
        about.push(format!("{} left out", count(cut, "other line")));
    }
    page.field("timeline", &about.join("; "))?;
    let name = |entry: &TimelineEntry| {
        shortened(&visible(&story.short(&entry.party)), NAME_LIMIT).into_owned()
    };
    let names = lines.iter().map(|it| columns(&name(it))).max().unwrap_or(0);
    let times = lines.iter().map(|it| offset(it.at_us).len()).max().unwrap_or(0);
    for entry in lines {
        let at = format!("{:>times$}", offset(entry.at_us));
        let lead = format!("    {}  {:<names$}  ", at.style(dim()), name(entry));
        let text = format!("{} → {}", story.short(&entry.action), story.short(&entry.result));
        page.hanging(&lead, times + names + 8, &text, Style::new())?;
    }
    Ok(())
}

/// What has no verdict, with the reasons.
fn open_ends(page: &mut Page<'_, impl io::Write>, report: &Report) -> io::Result<()> {
    for outcome in [Outcome::Inconclusive, Outcome::NotChecked] {
        for group in summary::by_reason(report, outcome) {
            page.blank()?;
            let ids = ids_of(&group.requirements);
            let title = format!("{} {}: {ids}", glyph(outcome), words(outcome));
            page.paragraph(0, &title, style(outcome))?;
            page.paragraph(2, &group.words(), Style::new())?;
        }
    }
    let not_claimed = summary::not_claimed(report);
    if !not_claimed.is_empty() {
        page.blank()?;
        let title = format!("{} not claimed by the target", glyph(Outcome::NotApplicable));
        page.paragraph(0, &title, Style::new())?;
    }
    for (capability, requirements) in not_claimed {
        let ids = ids_of(&requirements);
        let line = format!("{capability:<12} {:>3}  {ids}", requirements.len());
        page.paragraph(2, &line, dim())?;
    }
    Ok(())
}

fn verdict(
    page: &mut Page<'_, impl io::Write>,
    report: &Report,
    options: &Options,
) -> io::Result<()> {
    page.blank()?;
    for (form, path) in &options.files {
        let path = path.display().to_string();
        writeln!(page.out, "{}{}", label(form.name()), visible(&path))?;
    }
    if let Some(repeats) = &report.repeats {
        for (number, line) in repeats.lines().into_iter().enumerate() {
            page.field(if number == 0 { "repeats" } else { "" }, &line)?;
        }
        page.blank()?;
    }
    let held = report.baseline.as_ref().map(Compared::lines);
    if let Some((lines, _)) = &held {
        for (label, line) in lines {
            page.field(label, line)?;
        }
        page.blank()?;
    }
    if let Some(digest) = &report.requirement_set {
        page.field("contract", &format!("requirement set {}", wording::short_digest(digest)))?;
    }
    if !options.files.is_empty() || report.requirement_set.is_some() {
        page.blank()?;
    }
    let words = report.verdict.words().to_uppercase();
    let style = style(wording::outcome_like(report.verdict)).bold();
    page.paragraph(
        0,
        &format!("{words}: {}", summary::because(report, summary::bracketed)),
        style,
    )?;
    if let Some((_, all)) = &held {
        let is_worse = report.baseline.as_ref().is_some_and(|it| !it.worse.is_empty());
        let outcome = if is_worse { Outcome::Failed } else { Outcome::Passed };
        page.paragraph(0, &format!("BASELINE: {all}"), self::style(outcome).bold())?;
    }
    Ok(())
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests;
