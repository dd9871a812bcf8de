use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::frame::{SCRIPT, SCRIPT_HASH, STYLE};
use super::*;
use crate::report::samples;

/// The values of an attribute, in all of the page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    page.split(&format!(" {name}=\"")).skip(1).map(|it| it.split('"').next().unwrap()).collect()
}

fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    page.split_once(start).unwrap().1.split_once(end).unwrap().0
}

#[test]
fn a_failure_is_found_in_every_part() {
    let report = samples::failing();
    let page = render(&report);
    assert!(page.contains("<h2>Not conformant</h2><p>2 MUSTs broken.</p>"));

    let banner = between(&page, "<section class=\"verdict failed\"", "</section>");
    assert!(banner.contains("href=\"#evidence-ORD-1\""), "{banner}");
    let tile = between(&page, "<span class=\"family\">ORD</span>", "</article>");
    assert!(tile.contains("<b>7</b>/8"), "{tile}");
    assert!(tile.contains("aria-label=\"ORD-1, failed\""), "{tile}");

    let evidence = between(&page, "id=\"evidence-ORD-1\"", "</details>");
    for part in [
        "bob's stream brought message 2 where message 1 was due",
        "the messages in the order in which they were routed",
        "mpc-conformance run --only ORD-1 --seed 42",
        "RouteMessage(s to bob, round 1, 5 bytes)",
        "3 earlier lines left out",
        "<svg",
    ] {
        assert!(evidence.contains(part), "{part} in {evidence}");
    }
    let row = between(&page, "<tr id=\"ORD-1\" data-outcome=\"failed\"", "</tr>");
    assert!(row.contains("412 ms") && row.contains("MUST") && row.contains("core"), "{row}");
}

#[test]
fn every_requirement_has_a_pill_a_card_and_a_row() {
    for report in samples::all() {
        let page = render(&report);
        let expected = |form: &dyn Fn(&str, &str) -> String| -> Vec<_> {
            report.requirements.iter().map(|it| form(&it.id, it.outcome.name())).collect()
        };
        let heads = |start: &str| -> Vec<_> {
            page.split(start).skip(1).map(|it| it.split('>').next().unwrap()).collect()
        };
        let pills = attributes(&page, "popovertarget");
        assert_eq!(pills, expected(&|id, _| format!("card-{id}")));
        let cards = heads("<div class=\"card ");
        assert_eq!(cards, expected(&|id, outcome| format!("{outcome}\" id=\"card-{id}\" popover")));
        let rows: Vec<_> = heads("<tr id=\"");
        let begins = expected(&|id, outcome| format!("{id}\" data-outcome=\"{outcome}\" "));
        assert_eq!(rows.len(), begins.len());
        assert!(rows.iter().zip(&begins).all(|(row, begin)| row.starts_with(begin)), "{rows:?}");
    }
}

#[test]
fn what_has_no_verdict_is_told_with_its_reason() {
    let page = render(&samples::failing());
    let open = between(&page, "<section id=\"open\">", "</section>");
    for part in [
        "<b>1 requirement inconclusive: </b>this machine kept the suite from running",
        "<b>8 requirements not checked: </b>ack_timeout is 90 s",
        "the profile has no <code>start</code>",
        "<dt>idempotency</dt><dd class=\"ids\"><a href=\"#IDM-1\">",
    ] {
        assert!(open.contains(part), "{part} in {open}");
    }
    assert!(!render(&samples::conformant()).contains("<h2>Without a verdict"));
}

#[test]
fn a_ceremony_is_shown_with_what_was_verified() {
    let report = samples::failing();
    let page = render(&report);
    let section = between(&page, "<section id=\"ceremony\">", "</section>");
    let ceremony = report.ceremony.as_ref().unwrap();
    for check in &ceremony.verdict {
        assert!(section.contains(&check.title()), "{}", check.name);
        assert!(section.contains(&check.detail), "{}", check.detail);
    }
    for party in &ceremony.parties {
        assert!(section.contains(&format!("title=\"{}\"", party.id)), "{}", party.id);
    }
    assert!(section.contains(ceremony.signature.as_ref().unwrap()));
    assert!(section.contains("a real key, a real signature, verified."));
    assert!(!section.contains("✗"));

    let page = render(&samples::hostile());
    let section = between(&page, "<section id=\"ceremony\">", "</section>");
    assert!(section.contains("it failed.") && section.contains("✗"));
}

#[test]
fn links_lead_somewhere_and_names_are_unique() {
    for report in samples::all() {
        let page = render(&report);
        let ids = attributes(&page, "id");
        let unique: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len());
        for link in attributes(&page, "href").into_iter().filter_map(|it| it.strip_prefix('#')) {
            assert!(unique.contains(link), "{link}");
        }
        for target in attributes(&page, "popovertarget") {
            assert!(unique.contains(target), "{target}");
        }
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    for report in samples::all() {
        let page = render(&report);
        for link in attributes(&page, "href") {
            assert!(link.starts_with('#') || link.starts_with("data:image/svg+xml,"), "{link}");
        }
        for name in ["src", "srcset", "action", "formaction", "poster", "background"] {
            assert_eq!(attributes(&page, name), [""; 0], "{name}");
        }
        let style = between(&page, "<style>", "</style>");
        assert!(!style.contains("url(") && !style.contains("@import"));
        assert_eq!(page.matches("<link").count(), 1, "the icon");
        assert!(page.contains("content=\"default-src 'none'; "));
    }
}

#[test]
fn the_target_cannot_write_markup() {
    let page = render(&samples::hostile());
    assert_eq!(page.matches("<script").count(), 1, "the filter");
    assert!(!page.contains("<img"));
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
    let name = "&lt;/td&gt;&lt;script&gt;alert('x')&lt;/script&gt;&lt;img \
                src=https://evil.example/x.png&gt;&quot;'&amp;amp;\\u{1b}[2J\\u{202e}";
    assert!(page.contains(&format!("<h1>{name}</h1>")));
    assert!(page.contains(&format!("<title>✗ {name}: not conformant")));
}

#[test]
fn the_policy_lets_the_filter_run_and_nothing_else() {
    let digest = Sha256::digest(SCRIPT.as_bytes());
    assert_eq!(SCRIPT_HASH, format!("sha256-{}", base64(&digest)));
    let page = render(&samples::small());
    assert!(page.contains(&format!("script-src '{SCRIPT_HASH}';")));
    assert!(page.contains(&format!("<script>{SCRIPT}</script>")));
    for name in ["onclick", "onload", "onerror", "oninput"] {
        assert_eq!(attributes(&page, name), [""; 0]);
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0_usize, |sum, it| sum << 8 | usize::from(*it));
        let number = number << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[number >> (18 - 6 * place) & 63];
            text.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[test]
fn sentences_show_code_and_stress() {
    let shown = |says| sentence(says).into_string();
    assert_eq!(shown("a `b` c"), "a <code>b</code> c");
    assert_eq!(shown("`a*b`, *c* & `d`"), "<code>a*b</code>, <em>c</em> &amp; <code>d</code>");
    assert_eq!(shown("3 * 4 ` <b>"), "3 * 4 ` &lt;b&gt;");
    assert_eq!(shown(""), "");
}

/// Text reaches the contrast of WCAG 2 AA in both colour schemes: 4.5 to 1.
#[test]
fn colours_can_be_read() {
    let (light, rest) = STYLE.split_once("@media screen and (prefers-color-scheme: dark)").unwrap();
    let (dark, _) = rest.split_once("/*").unwrap();
    let outcomes = Outcome::ALL.map(|it| it.name());
    let on_tint = outcomes.map(|it| (it.to_owned(), format!("{it}-bg")));
    let on_sheet = outcomes.map(|it| (it.to_owned(), "sheet".to_owned()));
    let texts = ["ink", "soft", "link"].into_iter().flat_map(|text| {
        ["ground", "sheet", "sunken", "not_applicable-bg", "not_checked-bg"]
            .map(|ground| (text.to_owned(), ground.to_owned()))
    });
    let pairs: Vec<_> = on_tint.into_iter().chain(on_sheet).chain(texts).collect();
    for scheme in [light, dark] {
        for (text, ground) in &pairs {
            let contrast =
                contrast(luminance(colour(scheme, text)), luminance(colour(scheme, ground)));
            assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2} in {scheme}");
        }
        // White text on what failed.
        let contrast = contrast(1.0, luminance(colour(scheme, "failed-full")));
        assert!(contrast >= 4.5, "{contrast:.2}");
    }
}

/// The value of a variable of the style sheet.
fn colour<'a>(scheme: &'a str, name: &str) -> &'a str {
    between(scheme, &format!("--{name}: #"), ";")
}

fn luminance(colour: &str) -> f64 {
    let part = |place: usize| {
        let share = f64::from(u8::from_str_radix(&colour[place..place + 2], 16).unwrap()) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
}

fn contrast(one: f64, other: f64) -> f64 {
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn runs_and_baseline_are_on_the_page() {
    let page = render(&samples::repeated());
    let runs = between(&page, "<section id=\"runs\">", "</section>");
    for part in [
        "2 of 3 runs: not conformant 2",
        "<span class=\"tag\">this report</span>",
        "<a href=\"#REG-2\">REG-2</a>",
        "passed 1, failed 1",
    ] {
        assert!(runs.contains(part), "{part} in {runs}");
    }
    let baseline = between(&page, "<section id=\"baseline\">", "</section>");
    let group = |what: &str| between(baseline, what, "</details>");
    for (what, parts) in [
        ("worse than known", ["#REG-6", "in the baseline passed"]),
        ("known not to hold", ["#ORD-1", "failed"]),
    ] {
        for part in parts {
            assert!(group(what).contains(part), "{part} in {baseline}");
        }
    }
    assert!(baseline.contains("Worse than acme_known.json: "), "{baseline}");

    let page = render(&samples::small());
    assert!(!page.contains("id=\"runs\"") && !page.contains("id=\"baseline\""));
}

#[test]
fn what_took_long_has_a_long_bar() {
    let page = render(&samples::failing());
    let share = |id: &str| -> u64 {
        let row = between(&page, &format!("<tr id=\"{id}\""), "</tr>");
        between(row, "style=\"--share:", "\"").parse().unwrap()
    };
    assert_eq!(share("ACK-4"), 1_000, "the longest");
    assert_eq!(share("ORD-1"), 412 * 1_000 / 10_311);
    let never_ran = between(&page, "<tr id=\"IDM-1\"", "</tr>");
    assert!(!never_ran.contains("--share"));
}
