//! Which requirements a run is about.

use crate::families;
use crate::requirement::{Capability, Requirement};

/// Which requirements a run is about. By default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    only: Vec<Pattern>,
    skip: Vec<Pattern>,
    capabilities: Vec<Capability>,
}

/// An identifier in which `*` stands for any text, such as `ORD-*`. Letter case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(String);

/// Why a selection cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SelectionError {
    /// A pattern that stands for nothing is a typing error.
    #[error("no requirement matches {0:?}; `mpc-conformance list` names them all")]
    MatchesNothing(String),
    /// Each part matches something, but nothing is left of all together.
    #[error("the filters leave no requirement; `mpc-conformance list` names them all")]
    LeavesNothing,
}

impl Selection {
    /// What matches one of `only` (if there are any) and belongs to one of `capabilities` (if there
    /// are any), but for what matches one of `skip`.
    ///
    /// # Errors
    /// If a pattern matches no requirement, or nothing is left.
    pub fn new(
        only: &[String],
        skip: &[String],
        capabilities: &[Capability],
    ) -> Result<Self, SelectionError> {
        let parse = |patterns: &[String]| {
            patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>, _>>()
        };
        let selection =
            Self { only: parse(only)?, skip: parse(skip)?, capabilities: capabilities.to_vec() };
        match families::requirements().any(|it| selection.contains(it)) {
            true => Ok(selection),
            false => Err(SelectionError::LeavesNothing),
        }
    }

    /// Exactly one requirement.
    ///
    /// # Errors
    /// If there is none of this identifier.
    pub fn one(id: &str) -> Result<Self, SelectionError> {
        Self::new(&[id.to_owned()], &[], &[])
    }

    /// Exactly these.
    pub(crate) fn exactly(requirements: &[&Requirement]) -> Self {
        let only = requirements.iter().map(|it| Pattern(it.id.into())).collect();
        Self { only, ..Self::default() }
    }

    /// Whether the run is about this requirement.
    pub fn contains(&self, requirement: &Requirement) -> bool {
        (self.only.is_empty() || self.only.iter().any(|it| it.matches(requirement.id)))
            && !self.skip.iter().any(|it| it.matches(requirement.id))
            && (self.capabilities.is_empty() || self.capabilities.contains(&requirement.capability))
    }

    /// Whether it is about all of them.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, SelectionError> {
        let pattern = Self(text.to_ascii_uppercase());
        match families::requirements().any(|it| pattern.matches(it.id)) {
            true => Ok(pattern),
            false => Err(SelectionError::MatchesNothing(text.into())),
        }
    }

    fn matches(&self, id: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = id.strip_prefix(parts.next().unwrap_or_default()) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        let mut rest = rest;
        for part in parts {
            let Some(place) = rest.find(part) else { return false };
            rest = &rest[place + part.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(only: &[&str], skip: &[&str]) -> Result<Vec<&'static str>, SelectionError> {
        let own = |it: &[&str]| it.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let selection = Selection::new(&own(only), &own(skip), &[])?;
        Ok(families::requirements().filter(|it| selection.contains(it)).map(|it| it.id).collect())
    }

    #[test]
    fn patterns_select_and_leave_out() {
        assert_eq!(select(&["ORD-1"], &[]).unwrap(), ["ORD-1"]);
        assert_eq!(
            select(&["dir-*"], &["DIR-5", "*-6"]).unwrap(),
            ["DIR-1", "DIR-2", "DIR-3", "DIR-4"]
        );
        assert_eq!(
            select(&["*D*-2"], &[]).unwrap(),
            ["DIR-2", "ORD-2", "PND-2", "RED-2", "DUR-2", "IDM-2"]
        );
        assert_eq!(select(&[], &[]).unwrap().len(), families::requirements().count());
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_an_error() {
        assert_eq!(select(&["ORD-99"], &[]), Err(SelectionError::MatchesNothing("ORD-99".into())));
        assert_eq!(select(&[], &["X*"]), Err(SelectionError::MatchesNothing("X*".into())));
        assert_eq!(select(&["ORD-1"], &["ORD-*"]), Err(SelectionError::LeavesNothing));
    }
}
