//! Words and figures as the reports for people write them.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::OverallVerdict;
use crate::outcome::Outcome;
use crate::requirement::Level;

/// The text with everything written out that would act instead of being seen: what controls a
/// terminal, turns the direction of reading, or takes no space.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{ffff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text, cut if it has more than `limit` characters.
pub(super) fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    if text.chars().count() <= limit {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().take(limit.saturating_sub(1)).chain(['…']).collect())
}

/// A part of a sentence of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span<'a> {
    Plain(&'a str),
    Code(&'a str),
    Stressed(&'a str),
}

/// The parts of a sentence, in which `code` stands between backticks and what is stressed between
/// asterisks. A sign without its counterpart stands for itself.
pub(super) fn spans(sentence: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    for (part, is_code) in between(sentence, '`') {
        match is_code {
            true => spans.push(Span::Code(part)),
            false => {
                spans.extend(between(part, '*').map(|(part, is_stressed)| match is_stressed {
                    true => Span::Stressed(part),
                    false => Span::Plain(part),
                }))
            }
        }
    }
    spans
}

/// The parts between the signs, and whether each stands between two that belong together. Unless
/// every sign has its counterpart, there is one part, the whole.
fn between(text: &str, sign: char) -> impl Iterator<Item = (&str, bool)> {
    let signs = text.matches(sign).count();
    let parts = text.splitn(if signs.is_multiple_of(2) { signs + 1 } else { 1 }, sign);
    parts.zip([false, true].into_iter().cycle()).filter(|(part, _)| !part.is_empty())
}

/// The outcome as a sign that is told from the others without colour.
pub(super) fn glyph(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "✓",
        Outcome::Failed => "✗",
        Outcome::Warned => "!",
        Outcome::Inconclusive => "?",
        Outcome::NotChecked => "○",
        Outcome::NotApplicable => "–",
    }
}

/// The outcome in words.
pub(super) fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Warned => "warned",
        Outcome::Inconclusive => "inconclusive",
        Outcome::NotChecked => "not checked",
        Outcome::NotApplicable => "not claimed",
    }
}

/// What became of a requirement of this level, as the end of a sentence that begins with the level.
pub(super) fn ending(outcome: Outcome, level: Level) -> &'static str {
    match (outcome, level) {
        (Outcome::Failed, _) => "broken",
        (Outcome::Warned, Level::Should) => "not kept",
        // Beside what the requirement demands there is something that it recommends.
        (Outcome::Warned, Level::Must) => "kept, but not as it should be",
        (other, _) => words(other),
    }
}

/// The outcome that looks as the verdict over all does.
pub(super) fn outcome_like(verdict: OverallVerdict) -> Outcome {
    match verdict {
        OverallVerdict::Conformant => Outcome::Passed,
        OverallVerdict::NotConformant | OverallVerdict::Unreachable => Outcome::Failed,
        OverallVerdict::Incomplete => Outcome::Inconclusive,
    }
}

/// A number of things: `1 requirement`, `2 requirements`.
pub(super) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A time for people: `12 ms`, `1.5 s`, `2 min 5 s`, `24 h`.
pub(super) fn duration(ms: u64) -> String {
    let two = |large: u64, unit: &str, small: u64, unit_of_small: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {unit_of_small}"),
    };
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => {
            let tenths = (ms + 50) / 100;
            match tenths % 10 {
                0 => format!("{} s", tenths / 10),
                _ => format!("{}.{} s", tenths / 10, tenths % 10),
            }
        }
        60_000..3_600_000 => two(ms / 60_000, "min", ms / 1_000 % 60, "s"),
        _ => two(ms / 3_600_000, "h", ms / 60_000 % 60, "min"),
    }
}

/// A short time for people: `850 µs`, `1.2 ms`, and from a second on as [`duration`].
pub(super) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us / 100 % 10),
        _ => duration(us / 1_000),
    }
}

/// A time within a timeline, in milliseconds with one decimal.
pub(super) fn offset(us: u64) -> String {
    format!("{}.{}", us / 1_000, us / 100 % 10)
}

/// A size for people: `2 MiB`, `64 KiB`, `1500 bytes`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".into(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

/// As much of a digest as tells it from others.
pub(super) fn short_digest(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// A time of day: `2026-07-22 10:11:12 UTC`, from Unix milliseconds.
pub(super) fn utc(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years that begin in March put the leap day last, so that a date follows from the number of
    // the day by divisions alone. 719,468 days lie between 1 March of year 0 and 1970.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Identifiers in a line, those that follow one another drawn together: `ORD-1, ORD-3 to ORD-5`.
pub(super) fn ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    let mut runs: Vec<(&str, &str, usize)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((_, last, length)) if follows(last, id) => (*last, *length) = (id, *length + 1),
            _ => runs.push((id, id, 1)),
        }
    }
    let mut line = String::new();
    for (first, last, length) in runs {
        let comma = if line.is_empty() { "" } else { ", " };
        // A String takes all that is written to it.
        let _ = match length {
            1 => write!(line, "{comma}{first}"),
            2 => write!(line, "{comma}{first}, {last}"),
            _ => write!(line, "{comma}{first} to {last}"),
        };
    }
    line
}

/// Whether `id` is the next identifier of the family after `last`.
fn follows(last: &str, id: &str) -> bool {
    let parts = |id: &str| {
        let (family, number) = id.split_once('-')?;
        Some((family.to_owned(), number.parse::<u32>().ok()?))
    };
    match (parts(last), parts(id)) {
        (Some((family, before)), Some((same, number))) => {
            family == same && before.checked_add(1) == Some(number)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_screen_is_written_out() {
        assert_eq!(visible("plain, ü, 日本, ✓"), "plain, ü, 日本, ✓");
        assert_eq!(visible("\u{1b}[2Jgone\r\n"), r"\u{1b}[2Jgone\r\n");
        assert_eq!(visible("evil\u{202e}txt.exe\u{200b}"), r"evil\u{202e}txt.exe\u{200b}");
        assert_eq!(visible("\u{9b}31m\0\u{7f}"), r"\u{9b}31m\u{0}\u{7f}");
    }

    #[test]
    fn sentences_have_code_and_stress() {
        use Span::{Code, Plain, Stressed};
        assert_eq!(
            spans("`a*b*` is *not* `c`."),
            [Code("a*b*"), Plain(" is "), Stressed("not"), Plain(" "), Code("c"), Plain(".")]
        );
        assert_eq!(spans("one ` and 2 * 3"), [Plain("one ` and 2 * 3")]);
        assert_eq!(spans(""), []);
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(shortened("müsli", 5), "müsli");
        assert_eq!(shortened("müslis", 5), "müsl…");
    }

    #[test]
    fn times_are_short() {
        let shown: Vec<_> =
            [0, 999, 1_000, 1_500, 59_949, 60_000, 125_000, 86_400_000, 3_900_000, 59_960]
                .map(duration)
                .into();
        let expected = [
            "0 ms",
            "999 ms",
            "1 s",
            "1.5 s",
            "59.9 s",
            "1 min",
            "2 min 5 s",
            "24 h",
            "1 h 5 min",
            "60 s",
        ];
        assert_eq!(shown, expected);
        let shown = [850, 1_250, 999_999, 1_500_000].map(micros);
        assert_eq!(shown, ["850 µs", "1.2 ms", "999.9 ms", "1.5 s"]);
        assert_eq!([0, 12_345, 10_000_000].map(offset), ["0.0", "12.3", "10000.0"]);
    }

    #[test]
    fn sizes_are_exact() {
        let shown = [0, 1_500, 65_536, 2_097_152, 2_097_153].map(size);
        assert_eq!(shown, ["0 bytes", "1500 bytes", "64 KiB", "2 MiB", "2097153 bytes"]);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let shown = [0, -1, 951_782_400_000, 951_868_800_000, 1_767_225_599_999, 4_107_542_400_000]
            .map(utc);
        let expected = [
            "1970-01-01 00:00:00 UTC",
            "1969-12-31 23:59:59 UTC",
            "2000-02-29 00:00:00 UTC",
            "2000-03-01 00:00:00 UTC",
            "2025-12-31 23:59:59 UTC",
            "2100-03-01 00:00:00 UTC",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn identifiers_in_a_row_are_drawn_together() {
        assert_eq!(ids([]), "");
        assert_eq!(ids(["ORD-1"]), "ORD-1");
        assert_eq!(ids(["ORD-1", "ORD-2", "SUB-3"]), "ORD-1, ORD-2, SUB-3");
        assert_eq!(ids(["ORD-1", "ORD-3", "ORD-4", "ORD-5"]), "ORD-1, ORD-3 to ORD-5");
        assert_eq!(ids(["DUR-9", "SEC-9", "odd"]), "DUR-9, SEC-9, odd");
    }
}
