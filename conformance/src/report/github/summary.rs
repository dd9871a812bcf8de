//! The summary of a run, as Markdown for the page of a run on GitHub.

use super::super::baseline::Compared;
use super::super::ceremony::CeremonyReport;
use super::super::summary::{because, bracketed, by_reason, findings};
use super::super::timeline::Story;
use super::super::wording::{duration, ending, glyph, outcome_like, short_digest, utc, words};
use super::super::{Report, RequirementReport};
use super::markdown::{code, sentence, text};
use crate::outcome::Outcome;

/// How much of a summary GitHub takes from a step, in bytes.
pub(crate) const SUMMARY_LIMIT: usize = 1 << 20;

/// What is kept free for telling that something is left out, in bytes.
const NOTE: usize = 200;

/// A heading, a table's head, and its rows.
struct Table {
    title: &'static str,
    head: &'static str,
    rows: Vec<String>,
}

/// The report in at most `limit` bytes, but for its heading, which is there in any case. What does
/// not fit is counted.
pub(crate) fn render(report: &Report, limit: usize) -> String {
    let mut page = heading(report);
    let (head, foot) = (counts(report), foot(report));
    if page.len() + head.len() + foot.len() + NOTE > limit {
        return page;
    }
    page += &head;
    let mut left_out = 0;
    for Table { title, head, rows } in [broken(report), open_ends(report)] {
        let mut lines = format!("\n### {title}\n\n{head}\n");
        let beginning = lines.len();
        for row in rows {
            if page.len() + lines.len() + row.len() + 1 + foot.len() + NOTE > limit {
                left_out += 1;
                continue;
            }
            lines += &row;
            lines.push('\n');
        }
        if lines.len() > beginning {
            page += &lines;
        }
    }
    if left_out > 0 {
        page += &format!("\n{left_out} more do not fit here: the reports have all of them.\n");
    }
    page + &foot
}

fn heading(report: &Report) -> String {
    let glyph = glyph(outcome_like(report.verdict));
    format!("## {glyph} MessageRouter conformance: {}\n", report.verdict.words())
}

fn counts(report: &Report) -> String {
    let cells = |of: &dyn Fn(Outcome) -> String| {
        format!("|{}\n", Outcome::ALL.map(|it| format!(" {} |", of(it))).concat())
    };
    format!(
        "\n**{}**: {}.\n\n{}{}{}",
        text(&report.target.name),
        text(&because(report, bracketed)),
        cells(&|it| format!("{} {}", glyph(it), words(it))),
        cells(&|_| "--:".into()),
        cells(&|it| report.counts.get(it).to_string()),
    )
}

/// What failed, then what warned.
fn broken(report: &Report) -> Table {
    let rows = findings(report).into_iter().map(|requirement| {
        let RequirementReport { level, outcome, known, replay, .. } = requirement;
        let known = if *known { ", known to the baseline" } else { "" };
        let replay = replay.iter().map(|it| format!("<br>Again: {}", code(it)));
        let story = Story::of(requirement);
        let (seen, accepted) = match story.finding() {
            Some(finding) => (text(&finding.seen), text(&finding.accepted)),
            None => (text(&story.detail()), String::new()),
        };
        format!(
            "| {} {level} {}{known}{} | {seen} | {accepted} |",
            named(requirement, glyph(*outcome)),
            ending(*outcome, *level),
            format!("<br>{}", sentence(&requirement.says)) + &replay.collect::<String>(),
        )
    });
    Table {
        title: "What did not hold",
        head: "| Requirement | Seen | Accepted |\n| --- | --- | --- |",
        rows: rows.collect(),
    }
}

/// What has no verdict, with the reasons.
fn open_ends(report: &Report) -> Table {
    let groups = [Outcome::Inconclusive, Outcome::NotChecked]
        .into_iter()
        .flat_map(|outcome| by_reason(report, outcome));
    let rows = groups.map(|group| {
        let requirements = group.requirements.iter().map(|it| {
            let known = if it.known { ", known to the baseline" } else { "" };
            let named = named(it, glyph(it.outcome));
            format!("{named} {}{known}: {}", words(it.outcome), sentence(&it.says))
        });
        let requirements = requirements.collect::<Vec<_>>().join("<br>");
        format!("| {requirements} | {} |", text(&group.words()))
    });
    Table {
        title: "What has no verdict",
        head: "| Requirements | Why |\n| --- | --- |",
        rows: rows.collect(),
    }
}

fn named(requirement: &RequirementReport, glyph: &str) -> String {
    format!("{glyph} **{}**", text(&requirement.id))
}

/// The ceremony, what the run was held against, and what it was.
fn foot(report: &Report) -> String {
    let mut lines: Vec<String> = report.ceremony.iter().map(ceremony).collect();
    if let Some(repeats) = &report.repeats {
        lines.extend(repeats.lines().iter().map(|it| text(it)));
    }
    if let Some((held, all)) = report.baseline.as_ref().map(Compared::lines) {
        lines.push(format!("**baseline**: {}", text(&all)));
        // The file is in the line above.
        lines.extend(held[1..].iter().map(|(label, it)| format!("{label}: {}", text(it))));
    }
    let digest = report.requirement_set.iter();
    let digest = digest.map(|it| format!(", requirement set {}", code(&short_digest(it))));
    lines.push(format!(
        "seed {}, {}, took {}, mpc-conformance {}{}",
        report.seed,
        utc(report.started_at_ms),
        duration(report.duration_ms),
        text(&report.suite_version),
        digest.collect::<String>()
    ));
    let lines = lines.into_iter().map(|it| format!("- {it}\n"));
    format!("\n{}", lines.collect::<String>())
}

fn ceremony(ceremony: &CeremonyReport) -> String {
    let outcome = ceremony.outcome();
    let broken = ceremony.broken().map(|it| {
        let detail = ceremony.short(&it.detail);
        format!("; {}: {}", text(&it.title()), text(&detail))
    });
    let excuse = ceremony.excuse.iter().map(|it| format!("; but {}", text(it)));
    format!(
        "{} ceremony ({}): {}{}",
        glyph(outcome),
        text(&ceremony.title()),
        words(outcome),
        broken.chain(excuse).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::*;
    use crate::report::samples;

    #[test]
    fn a_summary_reads_as_recorded() {
        let mut report = samples::small();
        let ord_1 = report.requirements.iter_mut().find(|it| it.id == "ORD-1").unwrap();
        ord_1.known = true;
        expect_file!["summary/failing.md"].assert_eq(&render(&report, SUMMARY_LIMIT));
    }

    #[test]
    fn what_held_is_told_in_a_few_lines() {
        let report = samples::conformant();
        let text = render(&report, SUMMARY_LIMIT);
        let start = "## ✓ MessageRouter conformance: conformant\n\n**reference router**: ";
        assert!(text.starts_with(start), "{text}");
        assert!(!text.contains("###") && text.lines().count() < 12, "{text}");
    }

    #[test]
    fn repeats_and_baselines_are_told() {
        let report = samples::repeated();
        let text = render(&report, SUMMARY_LIMIT);
        let repeats = report.repeats.unwrap().lines();
        let (held, all) = report.baseline.unwrap().lines();
        for line in repeats.iter().chain([&all]).chain(held.iter().map(|(_, line)| line)) {
            assert!(text.contains(&super::text(line)), "{line} in {text}");
        }
    }

    #[test]
    fn the_target_cannot_write_markdown() {
        let text = render(&samples::hostile(), SUMMARY_LIMIT);
        for part in ["<script", "<img", "</td>", "://", "\u{1b}", "\u{202e}"] {
            assert!(!text.contains(part), "{part} in {text}");
        }
        let small = samples::hostile();
        let rows = text.lines().filter(|it| it.starts_with("| ✗ ") || it.starts_with("| ! "));
        assert_eq!(rows.clone().count(), findings(&small).len());
        assert!(rows.clone().all(|it| it.matches('|').count() == 4), "{text}");
    }

    #[test]
    fn it_fits_where_it_goes() {
        let report = samples::hostile();
        let whole = render(&report, SUMMARY_LIMIT);
        assert!(whole.len() < SUMMARY_LIMIT);
        let heading = heading(&report);
        for limit in (0..whole.len() + 300).step_by(97) {
            let text = render(&report, limit);
            assert!(text.len() <= limit || text == heading, "{} for {limit}", text.len());
            assert!(text == heading || text == whole || text.contains(" more do not fit here"));
        }
        let mut huge = samples::conformant();
        for requirement in &mut huge.requirements {
            requirement.outcome = Outcome::Failed;
            requirement.says = "|".repeat(5_000);
            requirement.detail = "#".repeat(5_000);
        }
        let text = render(&samples::sum_up(huge), SUMMARY_LIMIT);
        assert!(text.len() <= SUMMARY_LIMIT && text.contains(" more do not fit here"));
    }
}
