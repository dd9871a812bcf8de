//! What may have caused a finding: the bugs with which a check has said nearly the same before.
//!
//! The self-test plants bugs; what the checks then said of each stands in `specimen/symptoms.txt`,
//! which `mpc-conformance selftest --write-symptoms` writes. A router can be wrong in other ways,
//! so a cause is a hint and no part of the verdict.

use std::collections::BTreeMap;

use crate::outcome::Finding;
use crate::specimen::Fault;

const SYMPTOMS: &str = include_str!("specimen/symptoms.txt");

/// How much of two findings has to be the same, of 1.
const ALIKE: f64 = 0.7;

/// What is less alike than the best one by more than this is left out.
const BEHIND: f64 = 0.1;

/// More would be no hint any more.
const MOST: usize = 3;

/// The bugs that look like this finding of the check of `id`, the likeliest first; none if it is
/// like nothing that is known.
pub(crate) fn likely(id: &str, finding: &Finding) -> Vec<Fault> {
    let seen = Shape::of(&finding.seen);
    let known = SYMPTOMS.lines().filter_map(parse).filter(|(fault, _)| fault.kills() == id);
    let mut alike: Vec<_> =
        known.map(|(fault, symptom)| (Shape::of(symptom).alike(&seen), fault)).collect();
    alike.sort_by(|one, other| other.0.total_cmp(&one.0));
    let best = alike.first().map_or(0.0, |it| it.0);
    let enough = ALIKE.max(best - BEHIND);
    alike.into_iter().filter(|it| it.0 >= enough).take(MOST).map(|it| it.1).collect()
}

/// What the checks said of these bugs, as a file of symptoms.
pub(crate) fn symptoms<'a>(said: impl IntoIterator<Item = (Fault, &'a Finding)>) -> String {
    let line = |(fault, finding): (Fault, &Finding)| {
        format!("{fault}: {}\n", finding.seen.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    said.into_iter().map(line).collect()
}

fn parse(line: &str) -> Option<(Fault, &str)> {
    let (name, symptom) = line.split_once(": ")?;
    Some((name.parse().ok()?, symptom))
}

/// The pairs of words that follow each other in a sentence, with how often. What differs from run to
/// run counts as the same: names, identifiers, numbers, and what a target says in its own words.
#[derive(Debug)]
struct Shape<'a>(BTreeMap<[&'a str; 2], usize>);

impl<'a> Shape<'a> {
    fn of(text: &'a str) -> Self {
        let (mut pairs, mut last, mut depth) = (BTreeMap::new(), "", 0_u32);
        for word in text.split_inclusive(|it: char| !it.is_alphanumeric() && it != '_') {
            let end = word.chars().next_back().filter(|it| !it.is_alphanumeric() && *it != '_');
            let bare = end.map_or(word, |end| &word[..word.len() - end.len_utf8()]);
            if depth == 0 && !bare.is_empty() {
                let bare = if bare.contains(|it: char| it.is_ascii_digit()) { "#" } else { bare };
                if (last, bare) != ("#", "#") {
                    *pairs.entry([last, bare]).or_insert(0) += 1;
                }
                last = bare;
            }
            match end {
                Some('(') => depth += 1,
                Some(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Self(pairs)
    }

    /// How much of both is the same, from 0 to 1 (the coefficient of Sørensen and Dice).
    #[expect(clippy::cast_precision_loss, reason = "sentences are short")]
    fn alike(&self, other: &Self) -> f64 {
        let all: usize = self.0.values().chain(other.0.values()).sum();
        let both: usize = self
            .0
            .iter()
            .map(|(pair, times)| other.0.get(pair).copied().unwrap_or(0).min(*times))
            .sum();
        2.0 * both as f64 / all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_no_difference() {
        let alike = |one, other| Shape::of(one).alike(&Shape::of(other));
        let one = "0a4-ord1-bob got 3 of 40 messages, then NOT_FOUND (no such thing)";
        let other = "77f-ord1-bob got 12 of 400 messages, then NOT_FOUND (unknown (really))";
        assert!((alike(one, other) - 1.0).abs() < f64::EPSILON);
        assert!(alike(one, "carol's stream broke: UNAVAILABLE") < 0.2);
        assert!(alike("", "").abs() < f64::EPSILON);
    }

    #[test]
    fn every_line_is_the_symptom_of_a_bug_and_points_to_it() {
        let mut known = 0;
        for line in SYMPTOMS.lines() {
            let (fault, symptom) = parse(line).expect(line);
            let finding = Finding { seen: symptom.into(), accepted: String::new() };
            let likely = likely(fault.kills(), &finding);
            let first = likely.first().expect("it is like itself");
            let is_first = *first == fault || {
                let of_first = SYMPTOMS.lines().filter_map(parse).find(|it| it.0 == *first);
                Shape::of(symptom).alike(&Shape::of(of_first.expect("it has one").1)) > 0.999
            };
            assert!(is_first, "{fault}: {likely:?}");
            known += 1;
        }
        assert_eq!(known, Fault::ALL.len(), "run selftest --write-symptoms");
    }

    #[test]
    fn what_is_like_nothing_has_no_likely_cause() {
        let finding = Finding { seen: "something else altogether".into(), accepted: "it".into() };
        assert_eq!(likely("ORD-1", &finding), []);
        assert_eq!(likely("NONE-1", &finding), []);
    }
}
