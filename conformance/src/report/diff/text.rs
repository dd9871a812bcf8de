//! A diff for who reads it.

use owo_colors::{OwoColorize as _, Style};

use super::super::wording::{count, duration, glyph, ids, utc, visible, words};
use super::{Changed, Diff, Side, Single};
use crate::outcome::Outcome;

impl Diff {
    /// It in lines, in colours, the verdict last. What came from a target is text in it.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![side("old", &self.old), side("new", &self.new)];
        if self.same_requirement_set == Some(false) {
            lines.push("the reports are about different sets of requirements".into());
        }
        let mut section = |title: &str, entries: Vec<String>| {
            if !entries.is_empty() {
                lines.push(String::new());
                lines.push(title.bold().to_string());
                lines.extend(entries.into_iter().map(|it| format!("  {it}")));
            }
        };
        section("newly broken", self.newly_broken.iter().map(changed).collect());
        section("mended", self.mended.iter().map(changed).collect());
        section("ended otherwise", self.otherwise.iter().map(changed).collect());
        section("only in the old report", by_outcome(&self.only_old));
        section("only in the new report", by_outcome(&self.only_new));
        let slower = self.slower.iter().map(|it| {
            let (old, new) = (duration(it.old_ms), duration(it.new_ms));
            format!("{:<7} {old} → {new}", visible(&it.id))
        });
        section("took more than twice as long (this is no regression)", slower.collect());
        lines.push(String::new());
        lines.push(self.verdict());
        lines
    }

    fn verdict(&self) -> String {
        let mut parts = Vec::new();
        if self.is_lost_now() {
            parts.push("the target was lost".into());
        }
        if !self.newly_broken.is_empty() {
            let broken = self.newly_broken.iter().map(|it| it.id.as_str());
            parts.push(format!("{} newly broken ({})", self.newly_broken.len(), ids(broken)));
        }
        let only_new = self.only_new.iter().filter(|it| it.outcome == Outcome::Failed);
        let only_new: Vec<_> = only_new.map(|it| it.id.as_str()).collect();
        if !only_new.is_empty() {
            let many = count(only_new.len(), "MUST");
            parts.push(format!("{many} broken in the new report only ({})", ids(only_new)));
        }
        if self.ceremony_fails_now() {
            parts.push("the ceremony fails".into());
        }
        if parts.is_empty() {
            parts.push("nothing is newly broken".into());
        }
        if !self.mended.is_empty() {
            parts.push(format!("{} mended", self.mended.len()));
        }
        let (title, style) = match self.regression {
            true => ("REGRESSION", Style::new().red().bold()),
            false => ("NO REGRESSION", Style::new().green().bold()),
        };
        visible(&format!("{title}: {}", parts.join(", "))).style(style).to_string()
    }
}

fn side(label: &str, side: &Side) -> String {
    let (verdict, began) = (side.verdict.words(), utc(side.started_at_ms));
    format!("{label}  {}, {verdict}, {began}", visible(&side.target))
}

fn changed(it: &Changed) -> String {
    let (old, new) = (words(it.old), words(it.new));
    let why = if it.detail.is_empty() { String::new() } else { format!(": {}", it.detail) };
    let line = format!("{} {:<7} {}  {old} → {new}{why}", glyph(it.new), it.id, it.level);
    visible(&line).into_owned()
}

fn by_outcome(singles: &[Single]) -> Vec<String> {
    let mut lines = Vec::new();
    for outcome in Outcome::ALL {
        let own: Vec<_> =
            singles.iter().filter(|it| it.outcome == outcome).map(|it| it.id.as_str()).collect();
        if !own.is_empty() {
            let line = format!("{} {} {}: {}", glyph(outcome), own.len(), words(outcome), ids(own));
            lines.push(visible(&line).into_owned());
        }
    }
    lines
}
