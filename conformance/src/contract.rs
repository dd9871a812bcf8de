//! The contract as a page: what its words mean, and every requirement.

use std::fmt::Write as _;

use crate::families::FAMILIES;
use crate::requirement::{Capability, Level};

const DEFINITIONS: &str = include_str!("contract/definitions.md");

const HEAD: &str = "\
# The contract of a MessageRouter

What a router promises, beyond what `message_router.proto` says. Every requirement is one that
`mpc-conformance` checks; `mpc-conformance explain ORD-3` tells how, and what breaks it.
";

/// What the words mean that the requirements of a family use, as Markdown; nothing if they need none
/// beside those that hold everywhere.
pub fn definitions(family: &str) -> Option<&'static str> {
    let section = DEFINITIONS
        .split("## ")
        .find_map(|section| section.strip_prefix(family)?.strip_prefix('\n').map(str::trim_ascii));
    section.filter(|it| !it.is_empty())
}

/// All of it, as Markdown.
pub fn page() -> String {
    let mut page = format!("{HEAD}\n{}\n", definitions("All").unwrap_or_default());
    for family in FAMILIES {
        // Writing to a string does not fail.
        let _ = writeln!(page, "\n## {}: {}\n", family.name, family.title);
        if let Some(definitions) = definitions(family.name) {
            let _ = writeln!(page, "{definitions}\n");
        }
        let _ = writeln!(page, "| | | |\n|---|---|---|");
        for requirement in family.requirements {
            let level = match requirement.level {
                Level::Must => "MUST",
                Level::Should => "SHOULD",
            };
            let of = match requirement.capability {
                Capability::Core => String::new(),
                other => format!(" (`{other}`)"),
            };
            let says = requirement.says.replace('|', "\\|");
            let _ = writeln!(page, "| {} | {level}{of} | {says} |", requirement.id);
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_page_is_this_one() {
        expect_test::expect_file!["../../proto/CONTRACT.md"].assert_eq(&page());
    }

    #[test]
    fn every_definition_is_of_a_family() {
        let named = DEFINITIONS.split("## ").skip(1).filter_map(|it| it.lines().next());
        for name in named.filter(|it| *it != "All") {
            assert!(FAMILIES.iter().any(|it| it.name == name), "{name}");
            assert!(definitions(name).is_some_and(|it| !it.contains("## ")));
        }
        assert_eq!(definitions("AL"), None);
    }
}
