//! The filter of a table's rows, which is in the address as well. `filter.js` does it.
//!
//! A row has `data-outcome`, `data-family` and, for the order, `data-took`.

use maud::{Markup, html};

use super::{class, mark};
use crate::outcome::Outcome;

/// What can be chosen.
pub(super) struct Filter<'a> {
    /// Examples of what to search for.
    pub(super) hint: &'a str,
    /// The outcomes that there are: as rows name them, with what they look like, and in words.
    pub(super) outcomes: Vec<(&'a str, Outcome, &'a str)>,
    /// The families: as rows name them, and their subjects.
    pub(super) families: Vec<(&'a str, &'a str)>,
}

impl Filter<'_> {
    /// The form. The script shows it: without one it would do nothing.
    pub(super) fn form(&self) -> Markup {
        html! {
            form.filter #filter hidden {
                label.words {
                    span { "Search" }
                    input type="search" name="words" autocomplete="off" spellcheck="false"
                        placeholder=(self.hint);
                }
                label.select {
                    span { "Family" }
                    select name="family" autocomplete="off" {
                        option value="" { "All families" }
                        @for (name, title) in &self.families {
                            option value=(name) {
                                (name) @if !title.is_empty() { " – " (title) }
                            }
                        }
                    }
                }
                label.select {
                    span { "Order" }
                    select name="order" autocomplete="off" {
                        option value="" { "By contract" }
                        option value="took" { "Longest first" }
                    }
                }
                fieldset {
                    legend { "Outcome" }
                    @for (name, look, words) in &self.outcomes {
                        label.choice.(class(*look)) {
                            input type="checkbox" name="outcome" value=(name) autocomplete="off";
                            (mark(*look)) " " (words)
                        }
                    }
                }
                div.shown {
                    output aria-live="polite" {}
                    button.all type="button" hidden { "Show all" }
                }
            }
        }
    }
}

/// What stands where no row matches.
pub(super) fn nothing() -> Markup {
    html! {
        p.nothing hidden {
            "Nothing matches. " button.all type="button" { "Show all" }
        }
    }
}

/// A link to the rows that a filter shows, such as `outcome=failed`; without the script, to all.
pub(super) fn link(filter: &str, of: Markup) -> Markup {
    html! { a href="#requirements" data-filter=(filter) { (of) } }
}
