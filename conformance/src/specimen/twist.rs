//! What is planted into one specimen.

use std::collections::BTreeSet;

use super::{Fault, Specimen, Variant};
use crate::requirement::Capability;

/// A set of faults and variants: none for the right specimen, one as a rule, several where legal
/// variants are combined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Twist {
    faults: BTreeSet<Fault>,
    variants: BTreeSet<Variant>,
}

impl Twist {
    /// Nothing planted: the right specimen.
    pub fn none() -> Self {
        Self::default()
    }

    /// This twist and one fault more.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.faults.insert(fault);
        self
    }

    /// This twist and one variant more.
    #[must_use]
    pub fn with_variant(mut self, variant: Variant) -> Self {
        self.variants.insert(variant);
        self
    }

    /// Whether the specimen has this fault.
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// Whether the specimen is of this variant.
    pub fn is(&self, variant: Variant) -> bool {
        self.variants.contains(&variant)
    }

    /// What a specimen with it claims besides `core`, if it does not ask who calls.
    pub fn claims(&self) -> Vec<Capability> {
        let lacking: Vec<_> = self.variants.iter().flat_map(|variant| variant.lacks()).collect();
        let claims = |it: &Capability| {
            let name = it.name();
            Specimen::CAPABILITIES.contains(&name) && !lacking.iter().any(|lacks| **lacks == name)
        };
        Capability::ALL.into_iter().filter(claims).collect()
    }
}

impl From<Fault> for Twist {
    fn from(fault: Fault) -> Self {
        Self::none().with_fault(fault)
    }
}

impl From<Variant> for Twist {
    fn from(variant: Variant) -> Self {
        Self::none().with_variant(variant)
    }
}

impl FromIterator<Variant> for Twist {
    fn from_iter<I: IntoIterator<Item = Variant>>(variants: I) -> Self {
        Self { faults: BTreeSet::new(), variants: variants.into_iter().collect() }
    }
}
