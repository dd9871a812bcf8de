//! `FAULTS.md`: what the self-test plants, for people who want to know what the suite finds.

use std::fmt::Write as _;

use expect_test::expect_file;

use crate::families::{FAMILIES, requirements};
use crate::specimen::{Fault, Variant};

/// The page.
fn page() -> String {
    let mut page = format!(
        "# What the self-test plants\n\n\
         <!-- Written by UPDATE_EXPECT=1 cargo test -p mpc-conformance --lib published -->\n\n\
         `mpc-conformance selftest` plants {} faults, one after the other, into a router that is \
         right. The check\nof the requirement that a fault breaks has to find it, and to say what \
         is wrong. Then {} legal variants\nof that router, and the router itself, have to pass all \
         checks. `mpc-conformance selftest --html FILE`\nwrites what became of each; \
         `mpc-conformance explain ORD-1` shows a requirement's sentence and its check.\n",
        Fault::ALL.len(),
        Variant::ALL.len(),
    );
    for family in &FAMILIES {
        let faults = || {
            let of = |id| Fault::ALL.iter().filter(move |it| it.kills() == id);
            family.requirements.iter().flat_map(move |it| of(it.id))
        };
        let _ = write!(
            page,
            "\n## {}: {} ({} faults)\n\n| requirement | fault | what is wrong |\n|---|---|---|\n",
            family.name,
            family.title,
            faults().count()
        );
        for fault in faults() {
            let _ = writeln!(page, "| {} | `{fault}` | {} |", fault.kills(), cell(fault.story()));
        }
    }
    let _ = write!(
        page,
        "\n## Legal variants\n\n\
         Each is one decision that the contract leaves open. Of what breaks a SHOULD, the checks \
         may warn.\n\n\
         | variant | what is different | may warn | does not claim |\n|---|---|---|---|\n"
    );
    for variant in Variant::ALL {
        let (warns, lacks) = (variant.warns().join(", "), variant.lacks().join(", "));
        let story = cell(variant.story());
        let _ = writeln!(page, "| `{variant}` | {story} | {warns} | {lacks} |");
    }
    page
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_page_in_the_repository_is_this_one() {
    expect_file![concat!(env!("CARGO_MANIFEST_DIR"), "/FAULTS.md")].assert_eq(&page());
}

#[test]
fn every_fault_variant_and_check_is_on_the_page() {
    let page = page();
    for fault in Fault::ALL {
        let row = format!("\n| {} | `{fault}` | ", fault.kills());
        assert_eq!(page.matches(&row).count(), 1, "{fault}");
    }
    for variant in Variant::ALL {
        assert_eq!(page.matches(&format!("\n| `{variant}` | ")).count(), 1, "{variant}");
    }
    for requirement in requirements().filter(|it| it.check.is_some()) {
        assert!(page.contains(&format!("\n| {} | `", requirement.id)), "{}", requirement.id);
    }
}
