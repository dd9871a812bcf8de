//! What was called in a check, made short enough to be read.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{RequirementReport, TimelineEntry};
use crate::outcome::Finding;

/// The evidence of one requirement, with the names of its world cut to what tells them apart.
pub(super) struct Story<'a> {
    requirement: &'a RequirementReport,
    prefix: &'a str,
}

/// A message on its way: from the entry that routed it to one that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    /// Which entry routed it.
    pub(super) from: usize,
    /// Which entry brought it.
    pub(super) to: usize,
}

impl<'a> Story<'a> {
    pub(super) fn of(requirement: &'a RequirementReport) -> Self {
        Self { requirement, prefix: common_prefix(requirement).unwrap_or_default() }
    }

    /// What every name in this world begins with, and [`Self::short`] leaves out. It may be empty.
    pub(super) fn prefix(&self) -> &'a str {
        self.prefix
    }

    /// A text without what every name in it begins with.
    pub(super) fn short<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.prefix {
            "" => Cow::Borrowed(text),
            prefix if text.contains(prefix) => Cow::Owned(text.replace(prefix, "")),
            _ => Cow::Borrowed(text),
        }
    }

    /// Why it ended as it did.
    pub(super) fn detail(&self) -> Cow<'a, str> {
        self.short(&self.requirement.detail)
    }

    /// What was seen and what would have been accepted.
    pub(super) fn finding(&self) -> Option<Finding> {
        let finding = self.requirement.finding.as_ref()?;
        Some(Finding {
            seen: self.short(&finding.seen).into_owned(),
            accepted: self.short(&finding.accepted).into_owned(),
        })
    }

    /// All entries.
    pub(super) fn entries(&self) -> &'a [TimelineEntry] {
        &self.requirement.timeline
    }

    /// The parties, in the order in which they first did something.
    pub(super) fn parties(&self) -> Vec<&'a str> {
        let mut parties: Vec<&str> = Vec::new();
        for entry in self.entries() {
            if !parties.contains(&entry.party.as_str()) {
                parties.push(&entry.party);
            }
        }
        parties
    }

    /// At most `limit` entries, those first that have most to do with what the finding names: messages
    /// before sessions, sessions before parties, and of the same kind the last ones. If it names
    /// nothing, the last of all. And how many other ones are left out.
    pub(super) fn closest(&self, limit: usize) -> (Vec<&'a TimelineEntry>, usize) {
        let seen = self.requirement.finding.as_ref().map_or("", |it| it.seen.as_str());
        let parties = self.parties();
        let weight = |name: &str| match () {
            () if parties.contains(&name) => 1,
            () if !self.prefix.is_empty() && name.starts_with(self.prefix) => 2,
            () => 4,
        };
        let is_subject = |name: &&str| {
            names(seen, name) && (parties.contains(name) || weight(name) < 4 || is_identifier(name))
        };
        let subjects: BTreeSet<_> = words(seen).chain(parties.clone()).filter(is_subject).collect();
        let close = |entry: &TimelineEntry| -> usize {
            let is_about = |name: &&&str| {
                entry.party == **name || names(&entry.action, name) || names(&entry.result, name)
            };
            let about = subjects.iter().filter(is_about).map(|it| weight(it)).sum();
            // It concerns all members of its session.
            let to_all = entry.action.contains(" to everybody,");
            if about == 0 && to_all { usize::from(!subjects.is_empty()) } else { about }
        };
        let scored = self.entries().iter().enumerate().map(|(place, it)| (close(it), place));
        let mut scored: Vec<_> = scored.collect();
        if scored.iter().any(|it| it.0 > 0) {
            scored.retain(|it| it.0 > 0);
        }
        scored.sort_unstable();
        let mut kept: Vec<_> = scored.iter().rev().take(limit).map(|it| it.1).collect();
        kept.sort_unstable();
        let cut = self.entries().len() - kept.len() + self.requirement.timeline_cut;
        (kept.into_iter().map(|place| &self.entries()[place]).collect(), cut)
    }

    /// The messages that can be followed from the call that routed them to what brought them.
    pub(super) fn flights(&self) -> Vec<Flight> {
        let mut routed = std::collections::BTreeMap::new();
        let mut flights = Vec::new();
        for (place, entry) in self.entries().iter().enumerate() {
            let Some(id) = message_of(&entry.result) else { continue };
            if entry.action.starts_with("RouteMessage(") {
                routed.insert(id, place);
            } else if let Some(&from) = routed.get(id) {
                flights.push(Flight { from, to: place });
            }
        }
        flights
    }
}

/// The words of a text, names and identifiers in one piece.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| it.is_whitespace() || matches!(it, ',' | ':' | ';' | '(' | ')' | '"'))
        .map(|it| it.trim_end_matches("'s"))
        .filter(|it| !it.is_empty())
}

/// Whether a word looks like an identifier, rather than like a number or a word of a sentence.
fn is_identifier(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.bytes().any(|it| kind(&it));
    word.len() > 2 && has(u8::is_ascii_digit) && (has(u8::is_ascii_alphabetic) || word.len() > 7)
}

/// Whether the text names this party, and not only one whose name is longer.
fn names(text: &str, party: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|it: char| it.is_alphanumeric() || it == '-');
    text.match_indices(party).any(|(place, _)| !goes_on(&text[place + party.len()..]))
}

/// The identifier in a result that [`crate::Brief`] made of a message or of RouteMessage's answer.
fn message_of(result: &str) -> Option<&str> {
    result.strip_prefix("message ")?.split(' ').next().filter(|id| !id.is_empty())
}

/// What all names of a trial begin with: the run, the check and the attempt, as `Trial::new` puts
/// them together. It is in the names of all parties but the coordinator; where nothing was called,
/// it may be in the reason.
fn common_prefix(requirement: &RequirementReport) -> Option<&str> {
    let check = format!("-{}", requirement.id.to_ascii_lowercase().replace('-', ""));
    let parties = requirement.timeline.iter().map(|entry| entry.party.as_str());
    parties.chain([requirement.detail.as_str()]).find_map(|text| prefix_within(text, &check))
}

/// The beginning of a name in `text`, from where the name begins to the dash after `check`.
fn prefix_within<'a>(text: &'a str, check: &str) -> Option<&'a str> {
    let place = text.find(check)?;
    let begin = text[..place]
        .rfind(|it: char| !it.is_ascii_alphanumeric())
        .map_or(0, |before| before + text[before..].chars().next().map_or(0, char::len_utf8));
    let after_check = place + check.len();
    let dash = text[after_check..].find('-')?;
    // What comes between is `r` and the number of the attempt, if it was not the first.
    let again = &text[after_check..after_check + dash];
    let attempt = again.is_empty()
        || again.strip_prefix('r').is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit()));
    let end = after_check + dash + 1;
    (attempt && begin < place && end < text.len()).then(|| &text[begin..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn names_lose_what_all_have_in_common() {
        let report = samples::ord_1();
        let story = Story::of(&report);
        assert_eq!(story.prefix(), "00002a1f3b4-ord1-");
        let parties: Vec<_> = story.parties().into_iter().map(|it| story.short(it)).collect();
        assert_eq!(parties, ["alice", "bob", "coordinator", "carol"]);
        assert!(story.finding().unwrap().seen.starts_with("bob's stream"));
        for (name, prefix) in [
            ("x-ord1-", ""),
            ("x-ord1r2-bob", "x-ord1r2-"),
            ("x-ord12-bob", ""),
            ("x-ord1-late-streaming", "x-ord1-"),
            ("bob", ""),
        ] {
            let mut report = samples::ord_1();
            report.timeline.truncate(1);
            report.timeline[0].party = name.into();
            report.detail.clear();
            assert_eq!(Story::of(&report).prefix(), prefix, "{name}");
        }
    }

    #[test]
    fn names_are_shortened_in_a_reason_too() {
        let mut report = samples::ord_1();
        report.timeline.clear();
        report.detail =
            "what it needs first did not work: RegisterParty(2a1f-ord1-bob) was lost".into();
        let detail = Story::of(&report).detail().into_owned();
        assert_eq!(detail, "what it needs first did not work: RegisterParty(bob) was lost");
        report.detail = "it is said of -ord1-bob".into();
        assert_eq!(Story::of(&report).prefix(), "");
    }

    #[test]
    fn the_last_lines_are_those_of_the_parties_that_the_finding_names() {
        let mut report = samples::ord_1();
        let bob = "00002a1f3b4-ord1-bob";
        let story = Story::of(&report);
        let (lines, cut) = story.closest(100);
        assert!(lines.iter().all(|it| it.party == bob || it.action.contains(bob)));
        assert_eq!(cut, report.timeline.len() - lines.len() + report.timeline_cut);
        let (few, _) = Story::of(&report).closest(2);
        assert_eq!(few, lines[lines.len() - 2..]);

        report.finding = None;
        assert_eq!(Story::of(&report).closest(100).0.len(), report.timeline.len());
    }

    #[test]
    fn a_party_is_not_one_with_a_longer_name() {
        assert!(names("p1's stream", "p1"));
        assert!(names("p10 and p1", "p1"));
        assert!(!names("p10 and p1-late", "p1"));
    }

    #[test]
    fn messages_are_followed_from_their_routing() {
        let report = samples::ord_1();
        let entries = &report.timeline;
        let flights = Story::of(&report).flights();
        let ends: Vec<_> = flights
            .iter()
            .map(|it| (entries[it.from].result.as_str(), entries[it.to].party.as_str()))
            .collect();
        let bob = "00002a1f3b4-ord1-bob";
        assert_eq!(ends, [("message m-2", bob), ("message m-1", bob)]);
    }
}
