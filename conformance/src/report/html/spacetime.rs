//! A timeline as a space-time diagram: time runs down, every party has a lane, a message is a line
//! from the call that routed it to what brought it. Lines that cross are messages that overtook
//! each other.
//!
//! The diagram is one cell beside the rows that it is about, so each row is exactly as high as the
//! style sheet says. Its places are computed in whole pixels.

use maud::{Markup, html};

use super::super::timeline::Story;
use super::super::wording::{count, duration, offset};
use super::super::{RequirementReport, TimelineEntry};
use super::text;
use crate::journal::UNDER_WAY;

/// How high a row is; the style sheet has the same number. Pixels.
const ROW: usize = 26;

/// More lanes than this are no picture any more.
const LANES_LIMIT: usize = 24;

/// From one lane to the next, while their names fit beside one another, and with more. Pixels.
const WIDE_LANE: usize = 66;
const NARROW_LANE: usize = 22;
const WIDE_LANES: usize = 6;

/// A pause that is so long has a row of its own. Microseconds.
const PAUSE_US: u64 = 500_000;

/// The timeline of a requirement, if it has one.
pub(super) fn timeline(requirement: &RequirementReport) -> Markup {
    let story = Story::of(requirement);
    let rows = rows(story.entries());
    let parties = story.parties();
    let has_diagram = (2..=LANES_LIMIT).contains(&parties.len());
    html! {
        @if !story.entries().is_empty() {
            h4 { "Timeline" }
            p.aside {
                "Times in milliseconds since the check began."
                @if !story.prefix().is_empty() {
                    " Names are without their " code { (text(story.prefix())) } "."
                }
                @if requirement.timeline_cut > 0 {
                    " " (count(requirement.timeline_cut, "earlier line")) " left out."
                }
                @if has_diagram {
                    " ● call, ○ call that was not accepted or did not return, \
                     ◆ what a stream brought; a line is a message on its way."
                }
            }
            div.scroll.timeline tabindex="0" role="group" aria-label="Timeline" {
                table {
                    thead {
                        tr {
                            th.number scope="col" { "At" }
                            th.number scope="col" { "Took" }
                            @if has_diagram { th.lanes { (heads(&story, &parties)) } }
                            th scope="col" { "Party" }
                            th scope="col" { "Called, or got" }
                            th scope="col" { "What came of it" }
                        }
                    }
                    tbody {
                        @for (number, row) in rows.iter().enumerate() {
                            @let diagram = (number == 0 && has_diagram)
                                .then(|| diagram(&story, &rows, &parties));
                            (line(&story, row, rows.len(), diagram))
                        }
                    }
                }
            }
        }
    }
}

/// One row of the table.
enum Row<'a> {
    Entry(&'a TimelineEntry),
    /// Nothing happened for so long, in microseconds.
    Pause(u64),
}

fn rows(entries: &[TimelineEntry]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut before = entries.first().map_or(0, |it| it.at_us);
    for entry in entries {
        let pause = entry.at_us.saturating_sub(before);
        if pause >= PAUSE_US {
            rows.push(Row::Pause(pause));
        }
        before = entry.at_us;
        rows.push(Row::Entry(entry));
    }
    rows
}

fn line(story: &Story<'_>, row: &Row<'_>, rows: usize, diagram: Option<Markup>) -> Markup {
    let cell = |words: &str| {
        let words = text(&story.short(words));
        html! { td title=(words) { (words) } }
    };
    let diagram = html! {
        @if let Some(diagram) = diagram { td.lanes rowspan=(rows) { (diagram) } }
    };
    html! {
        @match row {
            Row::Entry(entry) => tr.unsettled[!is_settled(entry)] {
                td.number { (offset(entry.at_us)) }
                td.number {
                    @if let Some(until_us) = entry.until_us {
                        (offset(until_us.saturating_sub(entry.at_us)))
                    }
                }
                (diagram)
                (cell(&entry.party))
                (cell(&entry.action))
                (cell(&entry.result))
            },
            Row::Pause(us) => tr.pause {
                td.number { "⋮" }
                td {}
                (diagram)
                td colspan="3" { (duration(us / 1_000)) " pass" }
            },
        }
    }
}

/// From one lane to the next.
fn spacing(lanes: usize) -> usize {
    if lanes <= WIDE_LANES { WIDE_LANE } else { NARROW_LANE }
}

/// The middle of a lane.
fn x(lane: usize, lanes: usize) -> usize {
    lane * spacing(lanes) + spacing(lanes) / 2
}

/// The middle of a row.
fn y(row: usize) -> usize {
    row * ROW + ROW / 2
}

/// The names above the lanes, upright where they are narrow.
fn heads(story: &Story<'_>, parties: &[&str]) -> Markup {
    let lanes = parties.len();
    html! {
        div.heads.upright[lanes > WIDE_LANES] {
            @for party in parties {
                @let name = text(&story.short(party));
                span title=(name) style={ "width:" (spacing(lanes)) "px" } { (name) }
            }
        }
    }
}

fn diagram(story: &Story<'_>, rows: &[Row<'_>], parties: &[&str]) -> Markup {
    let lanes = parties.len();
    let (width, height) = (lanes * spacing(lanes), rows.len() * ROW);
    let lane_of = |entry: &TimelineEntry| {
        parties.iter().position(|it| *it == entry.party).expect("every entry's party has a lane")
    };
    let placed: Vec<_> = rows
        .iter()
        .enumerate()
        .filter_map(|(row, it)| match it {
            Row::Entry(entry) => Some((x(lane_of(entry), lanes), row, *entry)),
            Row::Pause(_) => None,
        })
        .collect();
    html! {
        svg width=(width) height=(height) aria-hidden="true" {
            @for lane in 0..lanes {
                line.lane x1=(x(lane, lanes)) x2=(x(lane, lanes)) y1="0" y2=(height) {}
            }
            @for &(x, row, entry) in &placed {
                @if let Some(end) = end(entry, row, &placed) {
                    line.span x1=(x) x2=(x) y1=(y(row)) y2=(y(end)) {}
                }
            }
            @for flight in story.flights() {
                @let (from, to) = (&placed[flight.from], &placed[flight.to]);
                line.flight x1=(from.0) y1=(y(from.1)) x2=(to.0) y2=(y(to.1)) {}
            }
            @for &(x, row, entry) in &placed {
                @if is_arrival(entry) {
                    rect.arrival x=(x - 4) y=(y(row) - 4) width="8" height="8"
                        transform={ "rotate(45 " (x) " " (y(row)) ")" } {}
                } @else {
                    circle.call.unsettled[!is_settled(entry)] cx=(x) cy=(y(row)) r="4.5" {}
                }
            }
        }
    }
}

/// The last row that began before a call returned, if there is one after the call's own.
fn end(
    entry: &TimelineEntry,
    row: usize,
    placed: &[(usize, usize, &TimelineEntry)],
) -> Option<usize> {
    let until_us = match (entry.until_us, is_arrival(entry)) {
        (Some(until_us), _) => until_us,
        (None, true) => return None,
        // A call that did not return goes on to the end.
        (None, false) => u64::MAX,
    };
    let last = placed.iter().rev().find(|(_, _, it)| it.at_us <= until_us)?.1;
    (last > row).then_some(last)
}

/// Whether it is something that a stream brought, or its end, and not a call.
fn is_arrival(entry: &TimelineEntry) -> bool {
    entry.until_us.is_none()
        && (entry.action.starts_with("item of ") || entry.action.starts_with("end of "))
}

/// Whether it came to what a call or a stream is there for.
fn is_settled(entry: &TimelineEntry) -> bool {
    // As reports of earlier versions have it, too.
    let open = [UNDER_WAY, "did not return"];
    let mut endings =
        ["was rejected", "was lost", "had no answer", "ended with"].iter().chain(&open);
    !endings.any(|it| entry.result.starts_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn page(requirement: &RequirementReport) -> String {
        timeline(requirement).into_string()
    }

    #[test]
    fn a_message_that_overtakes_crosses_the_other_one() {
        let page = page(&samples::ord_1());
        let ends = |line: &str| -> Vec<usize> {
            let (line, _) = line.split_once('>').unwrap();
            line.split('"').filter_map(|it| it.parse().ok()).collect()
        };
        let flights: Vec<_> = page.split("<line class=\"flight\"").skip(1).map(ends).collect();
        let [second, first] = flights.as_slice() else { panic!("{flights:?}") };
        // x1, y1, x2, y2: the second message leaves below the first one and arrives above it.
        assert!(second[1] > first[1] && second[3] < first[3], "{flights:?}");
        assert_eq!((second[0], second[2]), (first[0], first[2]));
    }

    #[test]
    fn a_pause_has_a_row_of_its_own() {
        let mut requirement = samples::ord_1();
        let rows = |it: &RequirementReport| page(it).matches("<tr").count();
        let before = rows(&requirement);
        requirement.timeline.last_mut().unwrap().at_us += 10_000_000;
        assert_eq!(rows(&requirement), before + 1);
        assert!(page(&requirement).contains("10 s pass"));
        let height = format!("height=\"{}\"", before * ROW);
        assert!(page(&requirement).contains(&height), "as high as all rows but the head");
    }

    #[test]
    fn a_crowd_has_a_table_only() {
        let mut requirement = samples::ord_1();
        let entry = requirement.timeline[0].clone();
        for number in 0..LANES_LIMIT {
            let party = format!("00002a1f3b4-ord1-p{number}");
            requirement.timeline.push(TimelineEntry { party, ..entry.clone() });
        }
        assert!(page(&samples::ord_1()).contains("<svg"));
        assert!(!page(&requirement).contains("<svg"));
        assert!(page(&requirement).contains("p23"));
        requirement.timeline.clear();
        assert_eq!(page(&requirement), "");
    }

    #[test]
    fn rows_are_as_high_as_the_style_sheet_says() {
        assert!(super::super::frame::STYLE.contains(&format!("--row: {ROW}px")));
    }
}
