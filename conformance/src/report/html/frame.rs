//! What all pages have in common: the head with the policy, the style, the script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::wording::glyph;
use crate::outcome::Outcome;

pub(super) const STYLE: &str = include_str!("page.css");
pub(super) const SCRIPT: &str = include_str!("filter.js");

/// The SHA-256 of the script, as a policy names it. When the script changes, the test that fails
/// says what it must be.
pub(super) const SCRIPT_HASH: &str = "sha256-DkSmcg7XLYUCKKbYWJ9MJ9A1MdyvpxkEnC309UKMgLQ=";

/// The parts of a page.
pub(super) struct Page {
    /// What it looks like in a row of tabs.
    pub(super) outcome: Outcome,
    /// The title, without the sign of the outcome.
    pub(super) title: String,
    /// The heading, and what stands below it.
    pub(super) heading: Markup,
    /// All of it.
    pub(super) main: Markup,
    /// By what it was written, and so on.
    pub(super) footer: Markup,
}

impl Page {
    pub(super) fn render(self) -> String {
        let policy = format!(
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
             script-src '{SCRIPT_HASH}'; base-uri 'none'; form-action 'none'"
        );
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (glyph(self.outcome)) " " (self.title) }
                    link rel="icon" href=(icon(self.outcome));
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header.masthead {
                        p.eyebrow { "MessageRouter conformance" }
                        (self.heading)
                    }
                    main { (self.main) }
                    footer { p { (self.footer) } }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }
}

/// The page's icon, so that open tabs tell their verdict.
fn icon(outcome: Outcome) -> String {
    let colour = match outcome {
        Outcome::Passed => "1a7f37",
        Outcome::Failed => "cf222e",
        _ => "8250df",
    };
    let sign = match outcome {
        Outcome::Passed => "M9 17l5 5 10-12",
        Outcome::Failed => "M10 10l12 12M22 10L10 22",
        _ => "M11 12a5 5 0 1 1 7 4.500c-2 1-2 1.500-2 3.500M16 24v.1",
    };
    format!(
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>\
         <rect width='32' height='32' rx='8' fill='%23{colour}'/>\
         <path d='{sign}' fill='none' stroke='white' stroke-width='3.500' stroke-linecap='round' \
         stroke-linejoin='round'/></svg>"
    )
}
