//! The verdict alone, as an SVG to show on a page: flat, two fields, and nothing loaded.
//!
//! Whoever looks at it has another font than was measured here. So each text is told how wide it
//! is to be drawn (`textLength`), and fits in any font.

use maud::{PreEscaped, html};

use super::wording::visible;
use super::{OverallVerdict, Report, summary};

const LABEL: &str = "MessageRouter conformance";

/// The size of the font, in pixels.
const FONT_SIZE: u32 = 11;

/// The height of the badge, in pixels.
const HEIGHT: u32 = 20;

/// Between a text and the ends of its field, in pixels.
const MARGIN: u32 = 6;

/// A field's colour, and that of the text on it.
struct Paint {
    field: &'static str,
    text: &'static str,
    shadow: &'static str,
}

const LABEL_PAINT: Paint = light_on("#555");
const GREEN: Paint = light_on("#1a7f37");
const RED: Paint = light_on("#cf222e");
const GREY: Paint = light_on("#6e7781");
const YELLOW: Paint = Paint { field: "#dfb317", text: "#24292f", shadow: "#ccc" };

const fn light_on(field: &'static str) -> Paint {
    Paint { field, text: "#fff", shadow: "#010101" }
}

/// The report as a badge.
pub fn render(report: &Report) -> String {
    let message = message(report);
    let paint = paint(report.verdict);
    let label_width = width(LABEL);
    let message_width = width(&message);
    let begin = label_width + 2 * MARGIN;
    let all = begin + message_width + 2 * MARGIN;
    let name = format!("{LABEL}: {message}");
    let title = format!(
        "{LABEL} of {}: {}, {}",
        report.target.name,
        report.verdict.words(),
        summary::because(report, |_| String::new())
    );
    let text = |paint: &Paint, left: u32, width: u32, text: &str| {
        html! {
            @for (y, colour, opacity) in [(15, paint.shadow, ".3"), (14, paint.text, "1")] {
                text x=(left) y=(y) fill=(colour) fill-opacity=(opacity)
                    aria-hidden=[(y == 15).then_some("true")]
                    textLength=(width) lengthAdjust="spacingAndGlyphs" { (text) }
            }
        }
    };
    // Rounded on the right only: the label's field is on its left.
    let field = format!(
        "M{begin} 0h{}a3 3 0 0 1 3 3v{}a3 3 0 0 1 -3 3h-{}z",
        all - begin - 3,
        HEIGHT - 6,
        all - begin - 3
    );
    let badge = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(all) height=(HEIGHT)
            viewBox={ "0 0 " (all) " " (HEIGHT) } role="img" aria-label=(name)
        {
            title { (visible(&title)) }
            linearGradient id="shine" x2="0" y2="100%" {
                stop offset="0" stop-color="#bbb" stop-opacity=".1" {}
                stop offset="1" stop-opacity=".1" {}
            }
            rect width=(all) height=(HEIGHT) rx="3" fill=(LABEL_PAINT.field) {}
            path d=(field) fill=(paint.field) {}
            rect width=(all) height=(HEIGHT) rx="3" fill="url(#shine)" {}
            g font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size=(FONT_SIZE)
                text-rendering="geometricPrecision"
            {
                (text(&LABEL_PAINT, MARGIN, label_width, LABEL))
                (text(&paint, begin + MARGIN, message_width, &message))
            }
        }
        (PreEscaped("\n"))
    };
    badge.into_string()
}

/// The verdict in a few words.
fn message(report: &Report) -> String {
    let counts = &report.counts;
    let judged = counts.passed + counts.failed + counts.warned;
    let open = counts.inconclusive + counts.not_checked;
    let many = |number: usize, verb: &str| match number {
        1 => format!("1 {verb}s"),
        _ => format!("{number} {verb}"),
    };
    let why = match report.verdict {
        OverallVerdict::Unreachable => return report.verdict.words().into(),
        OverallVerdict::Conformant if counts.warned > 0 => {
            format!("{}, {}", many(counts.passed, "hold"), many(counts.warned, "warn"))
        }
        OverallVerdict::Conformant => many(counts.passed, "hold"),
        OverallVerdict::NotConformant if counts.failed == 0 => "the ceremony failed".into(),
        OverallVerdict::NotConformant if counts.failed == 1 => format!("1 of {judged} fails"),
        OverallVerdict::NotConformant => format!("{} of {judged} fail", counts.failed),
        OverallVerdict::Incomplete if judged == 0 => "nothing was checked".into(),
        OverallVerdict::Incomplete if open == 0 => "the ceremony has no verdict".into(),
        OverallVerdict::Incomplete => format!("{open} of {} without a verdict", judged + open),
    };
    let selected = summary::selected_of(report);
    let part = selected.map(|all| format!(", {} of {all} selected", report.requirements.len()));
    format!("{}: {why}{}", report.verdict.words(), part.unwrap_or_default())
}

fn paint(verdict: OverallVerdict) -> Paint {
    match verdict {
        OverallVerdict::Conformant => GREEN,
        OverallVerdict::NotConformant => RED,
        OverallVerdict::Incomplete => YELLOW,
        OverallVerdict::Unreachable => GREY,
    }
}

/// How wide a text is in Verdana, in whole pixels.
fn width(text: &str) -> u32 {
    (text.chars().map(advance).sum::<u32>() * FONT_SIZE).div_ceil(2_048)
}

/// How wide a character is in Verdana, in parts of its size, of which there are 2,048. What no
/// badge says is taken for the widest.
fn advance(character: char) -> u32 {
    match character {
        'i' | 'l' => 562,
        ' ' | 'f' | 'j' => 720,
        ',' | '.' => 745,
        't' => 807,
        'r' => 874,
        ':' => 930,
        'c' | 's' | 'z' => 1_076,
        'a' | 'e' | 'k' | 'v' | 'x' | 'y' => 1_230,
        'b' | 'd' | 'g' | 'o' | 'p' | 'q' => 1_276,
        'h' | 'n' | 'u' | '0'..='9' => 1_302,
        'R' => 1_424,
        'M' | 'w' => 1_726,
        'm' => 1_992,
        _ => 2_048,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::*;
    use crate::report::{Counts, samples};

    #[test]
    fn a_badge_looks_as_recorded() {
        // A tag a line, so that a difference can be read.
        let text = render(&samples::small()).replace("><", ">\n<");
        expect_file!["badge/failing.svg"].assert_eq(&text);
    }

    #[test]
    fn the_message_is_the_verdict_with_its_counts() {
        let with = |verdict, counts| Report { verdict, counts, ..samples::small() };
        let of = |verdict, counts| message(&with(verdict, counts));
        let counts = Counts { passed: 141, not_applicable: 9, ..Counts::default() };
        assert_eq!(of(OverallVerdict::Conformant, counts), "conformant: 141 hold");
        let warned = Counts { passed: 1, warned: 1, ..counts };
        assert_eq!(of(OverallVerdict::Conformant, warned), "conformant: 1 holds, 1 warns");
        let failed = Counts { passed: 137, failed: 3, warned: 1, inconclusive: 2, ..counts };
        let broken = OverallVerdict::NotConformant;
        assert_eq!(of(broken, failed), "not conformant: 3 of 141 fail");
        assert_eq!(of(broken, Counts { failed: 1, ..failed }), "not conformant: 1 of 139 fails");
        assert_eq!(of(broken, counts), "not conformant: the ceremony failed");
        let open = Counts { inconclusive: 1, not_checked: 20, ..counts };
        let incomplete = OverallVerdict::Incomplete;
        assert_eq!(of(incomplete, open), "incomplete: 21 of 162 without a verdict");
        assert_eq!(of(incomplete, counts), "incomplete: the ceremony has no verdict");
        let nothing = Counts { passed: 0, ..open };
        assert_eq!(of(incomplete, nothing), "incomplete: nothing was checked");
        assert_eq!(message(&samples::lost()), "target lost");

        let mut part = samples::conformant();
        let all = part.requirements.len();
        part.requirements.truncate(1);
        let part = samples::sum_up(part);
        assert_eq!(message(&part), format!("conformant: 1 holds, 1 of {all} selected"));
    }

    #[test]
    fn texts_fit() {
        // The sums of Verdana's own widths at 11 pixels, in tenths of a pixel.
        for (text, tenths) in [(LABEL, 1592), ("target lost", 570), ("incomplete", 604)] {
            let room = width(text) * 10;
            assert!(room >= tenths && room < tenths + 30, "{text}: {room} for {tenths}");
        }
        for report in samples::all() {
            let badge = render(&report);
            let message = message(&report);
            assert!(message.chars().all(|it| advance(it) < 2_048), "{message} is measured");
            let all = width(LABEL) + width(&message) + 4 * MARGIN;
            assert!(badge.contains(&format!(" width=\"{all}\" height=\"20\"")), "{badge}");
            let text_length = format!("textLength=\"{}\"", width(&message));
            assert!(badge.contains(&text_length), "{badge}");
        }
    }

    #[test]
    fn the_target_cannot_write_svg_and_nothing_is_loaded() {
        for report in samples::all() {
            let badge = render(&report);
            assert_eq!(badge.matches("<title>").count(), 1, "{badge}");
            for part in ["<script", "<img", "<style", "href", "src=", "\u{1b}", "@import"] {
                let outside = badge.replace(&html! { (visible(samples::HOSTILE)) }.0, "");
                assert!(!outside.contains(part), "{part} in {outside}");
            }
            let links = badge.replace("http://www.w3.org/2000/svg", "").replace("url(#shine)", "");
            let links = links.replace("img src=https://evil.example", "");
            assert!(!links.contains("://") && !links.contains("url("), "{links}");
        }
    }
}
