//! The contract: every requirement, and the check that each has. One file a family.

mod ack;
mod alike;
mod announcing;
mod arrivals;
mod dir;
mod dur;
mod evt;
mod exp;
mod flw;
mod hb;
mod idm;
mod noting;
mod off;
mod ord;
mod pnd;
mod red;
mod reg;
mod restarting;
mod rte;
mod scene;
mod sec;
mod ses;
mod stalling;
mod sts;
mod sub;
mod turns;

use crate::requirement::{Family, Requirement};

/// Every family, in the order of the contract.
pub const FAMILIES: [Family; 18] = [
    reg::FAMILY,
    dir::FAMILY,
    hb::FAMILY,
    rte::FAMILY,
    ord::FAMILY,
    sub::FAMILY,
    pnd::FAMILY,
    ack::FAMILY,
    sts::FAMILY,
    red::FAMILY,
    exp::FAMILY,
    off::FAMILY,
    evt::FAMILY,
    ses::FAMILY,
    flw::FAMILY,
    dur::FAMILY,
    sec::FAMILY,
    idm::FAMILY,
];

/// Every requirement, in the order of the contract.
pub fn requirements() -> impl Iterator<Item = &'static Requirement> {
    FAMILIES.iter().flat_map(|family| family.requirements)
}

/// The requirement with this identifier, in any letter case.
pub fn find(id: &str) -> Option<&'static Requirement> {
    requirements().find(|it| it.id.eq_ignore_ascii_case(id))
}

/// The imports that every family needs.
mod prelude {
    pub(super) use tonic::Code;

    pub(super) use crate::outcome::{Stop, Verdict, all_hold};
    pub(super) use crate::requirement::{
        Capability, Family, Turn, must, must_of, should, should_of,
    };
    pub(super) use crate::trial::Trial;

    /// A check as a requirement holds it.
    macro_rules! check {
        ($check:ident) => {
            |trial| Box::pin($check(trial))
        };
    }
    pub(super) use check;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::requirement::{Capability, Level};

    #[test]
    fn identifiers_are_numbered_within_their_family_and_never_twice() {
        let mut known = BTreeSet::new();
        for family in FAMILIES {
            for (index, requirement) in family.requirements.iter().enumerate() {
                assert_eq!(requirement.id, format!("{}-{}", family.name, index + 1));
                assert!(known.insert(requirement.id));
                assert_eq!(requirement.check.is_some(), !requirement.how.is_empty());
            }
        }
    }

    #[test]
    fn everything_in_core_has_a_check() {
        for requirement in requirements().filter(|it| it.capability == Capability::Core) {
            assert!(requirement.check.is_some(), "{} has no check", requirement.id);
        }
    }

    #[test]
    fn levels_agree_with_the_contract() {
        let shoulds: Vec<_> =
            requirements().filter(|it| it.level == Level::Should).map(|it| it.id).collect();
        let expected = "REG-5 REG-6 DIR-5 HB-10 RTE-11 RTE-12 RTE-13 RTE-16 ORD-5 SUB-10 EVT-8 \
                        EVT-9 EVT-12 FLW-5 SEC-8";
        assert_eq!(shoulds, expected.split_whitespace().collect::<Vec<_>>());
    }
}
