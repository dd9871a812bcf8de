//! The ceremony: who took part, what was signed, what was verified.

use std::io;

use owo_colors::{OwoColorize as _, Style};

use super::super::ceremony::{CeremonyParty, CeremonyReport};
use super::super::wording::{duration, glyph, shortened, visible};
use super::{NAME_LIMIT, Page, columns, dim, style};
use crate::outcome::Outcome;

/// Writes the ceremony.
pub(super) fn write(
    page: &mut Page<'_, impl io::Write>,
    ceremony: &CeremonyReport,
) -> io::Result<()> {
    let outcome = ceremony.outcome();
    page.blank()?;
    let title = format!(
        "{} ceremony  {}, {}",
        glyph(outcome),
        ceremony.title(),
        duration(ceremony.duration_ms)
    );
    page.paragraph(0, &title, style(outcome))?;
    if let Some(excuse) = &ceremony.excuse {
        page.field("because", excuse)?;
    }
    parties(page, ceremony)?;
    let none = "none";
    page.field("group key", ceremony.group_public_key.as_deref().unwrap_or(none))?;
    page.field("message", &ceremony.message)?;
    page.field("signature", ceremony.signature.as_deref().unwrap_or(none))?;
    if !ceremony.phases.is_empty() {
        let phases: Vec<_> = ceremony
            .phases
            .iter()
            .map(|it| format!("{} {}", it.name, duration(it.duration_ms)))
            .collect();
        page.field("took", &phases.join(", "))?;
    }
    for check in &ceremony.verdict {
        let outcome = if check.passed { Outcome::Passed } else { Outcome::Failed };
        let lead = format!("  {} ", glyph(outcome).style(style(outcome)));
        let text = match check.detail.as_str() {
            "" => check.title(),
            detail => format!("{}: {}", check.title(), ceremony.short(detail)),
        };
        let style = if check.passed { Style::new() } else { style(outcome) };
        page.hanging(&lead, 4, &text, style)?;
    }
    Ok(())
}

/// Who took part, as a table, or line by line where that is too wide.
fn parties(page: &mut Page<'_, impl io::Write>, ceremony: &CeremonyReport) -> io::Result<()> {
    let parties = &ceremony.parties;
    let prefix = ceremony.prefix();
    let short = |text: &str| shortened(&visible(&ceremony.short(text)), NAME_LIMIT).into_owned();
    let widest = |head: &str, of: &dyn Fn(&CeremonyParty) -> &String| {
        parties.iter().map(|it| columns(&short(of(it)))).max().unwrap_or(0).max(columns(head))
    };
    let id = widest("party", &|it| &it.id);
    let role = widest("role", &|it| &it.role);
    let by = widest("by", &|it| &it.receives);
    let remark = "  did not finish";
    let fits = id + role + by + 42 + columns(remark) <= page.width;
    if !prefix.is_empty() {
        page.field("parties", &format!("names without their {prefix}"))?;
    }
    if fits {
        let head = format!(
            "    {:<id$}  {:<role$}  {:<by$}  {:>6}  {:>8}  {:>12}",
            "party", "role", "by", "sent", "received", "acknowledged"
        );
        writeln!(page.out, "{}", head.style(dim()))?;
    }
    for it in parties {
        let outcome = if it.finished { Outcome::Passed } else { Outcome::Failed };
        let lead = format!("  {} ", glyph(outcome).style(style(outcome)));
        let (name, its_role, receives) = (short(&it.id), short(&it.role), short(&it.receives));
        let remark = if it.finished { "" } else { remark };
        if fits {
            write!(page.out, "{lead}{name:<id$}  {its_role:<role$}  {receives:<by$}  ")?;
            writeln!(
                page.out,
                "{:>6}  {:>8}  {:>12}{remark}",
                it.sent, it.received, it.acknowledged
            )?;
        } else {
            let text = format!(
                "{name}, {its_role}, {receives}: {} sent, {} received, {} acknowledged{remark}",
                it.sent, it.received, it.acknowledged
            );
            page.hanging(&lead, 4, &text, Style::new())?;
        }
    }
    Ok(())
}
