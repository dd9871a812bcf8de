//! The tables of faults and variants are whole.

use std::collections::BTreeSet;

use crate::specimen::{Fault, Twist, Variant};

/// The requirements that the specimen's faults must cover, MUST and SHOULD, by family and last
/// number.
const FAMILIES: [(&str, u32); 18] = [
    ("REG", 8),
    ("DIR", 6),
    ("HB", 12),
    ("RTE", 16),
    ("ORD", 8),
    ("SUB", 10),
    ("PND", 8),
    ("ACK", 12),
    ("STS", 9),
    ("RED", 8),
    ("EXP", 2),
    ("OFF", 5),
    ("EVT", 13),
    ("SES", 7),
    ("FLW", 5),
    ("DUR", 9),
    ("SEC", 9),
    ("IDM", 3),
];

/// One fault is enough for a SHOULD.
const SHOULDS: [&str; 14] = [
    "REG-5", "REG-6", "DIR-5", "HB-10", "RTE-11", "RTE-12", "RTE-13", "RTE-16", "ORD-5", "SUB-10",
    "EVT-8", "EVT-9", "EVT-12", "FLW-5",
];

fn covered() -> BTreeSet<String> {
    FAMILIES
        .iter()
        .flat_map(|(family, last)| (1..=*last).map(move |number| format!("{family}-{number}")))
        .collect()
}

#[test]
fn every_requirement_has_its_faults() {
    for id in covered() {
        let faults = Fault::ALL.iter().filter(|fault| fault.kills() == id).count();
        let wanted = if SHOULDS.contains(&id.as_str()) { 1 } else { 2 };
        assert!(faults >= wanted, "{id} has {faults} faults, not {wanted}");
    }
}

#[test]
fn every_fault_breaks_a_requirement_that_there_is() {
    let covered = covered();
    for fault in Fault::ALL {
        assert!(covered.contains(fault.kills()), "{fault} kills {}", fault.kills());
    }
}

#[test]
fn every_variant_warns_of_requirements_that_there_are() {
    let covered = covered();
    for variant in Variant::ALL {
        for id in variant.warns() {
            assert!(covered.contains(*id), "{variant} warns of {id}");
        }
    }
}

#[test]
fn names_are_kebab_case_and_mean_one_thing() {
    let names: Vec<&str> = Fault::ALL
        .iter()
        .map(|fault| fault.name())
        .chain(Variant::ALL.iter().map(|variant| variant.name()))
        .collect();
    for name in &names {
        let words = name.split('-');
        let good = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        assert!(words.into_iter().all(good), "{name}");
    }
    let distinct: BTreeSet<&&str> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

#[test]
fn names_are_those_of_the_identifiers() {
    let flat = |text: &str| text.replace('-', "").to_lowercase();
    for fault in Fault::ALL {
        assert_eq!(flat(fault.name()), flat(&format!("{fault:?}")));
    }
    for variant in Variant::ALL {
        assert_eq!(flat(variant.name()), flat(&format!("{variant:?}")));
    }
}

#[test]
fn names_are_read_back() {
    for fault in Fault::ALL {
        assert_eq!(fault.name().parse(), Ok(*fault));
    }
    for variant in Variant::ALL {
        assert_eq!(variant.name().parse(), Ok(*variant));
    }
    assert_eq!(
        "no-such-thing".parse::<Fault>().unwrap_err().to_string(),
        "no fault is named \"no-such-thing\""
    );
    assert_eq!(
        "no-such-thing".parse::<Variant>().unwrap_err().to_string(),
        "no variant is named \"no-such-thing\""
    );
}

#[test]
fn stories_are_one_sentence() {
    let stories = Fault::ALL
        .iter()
        .map(|fault| fault.story())
        .chain(Variant::ALL.iter().map(|variant| variant.story()));
    for story in stories {
        assert!(story.ends_with('.') && !story.contains(". "), "{story}");
    }
}

#[test]
fn a_twist_is_a_set() {
    let twist =
        Twist::from(Variant::CoarseClock).with_variant(Variant::LongIds).with_fault(Fault::AckRace);
    assert!(twist.is(Variant::CoarseClock) && twist.is(Variant::LongIds));
    assert!(!twist.is(Variant::NumericIds));
    assert!(twist.has(Fault::AckRace) && !twist.has(Fault::PollTakesAway));
    let variants: Twist = [Variant::LongIds, Variant::CoarseClock].into_iter().collect();
    assert_eq!(variants.with_fault(Fault::AckRace), twist);
    assert_eq!(Twist::none(), Twist::default());
}
