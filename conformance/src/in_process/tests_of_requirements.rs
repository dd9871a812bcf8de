//! One test a requirement, for those who run `cargo test` or `cargo nextest`.

use std::future::Future;

use super::{InProcess, as_text};
use crate::outcome::Outcome;
use crate::report::Report;
use crate::select::Selection;

/// Makes a test of each requirement of `core`: a module a family, a test an identifier, such as
/// `ord::ord_1`.
///
/// Its argument is an expression for a new router: either what implements the generated trait, or
/// an [`InProcess`], which also carries a profile. It stands for an `async`
/// block: it may `.await`, and is evaluated once a test, within a tokio runtime of the test's own,
/// of one thread and on real time.
///
/// A test passes if its requirement holds; what a router only should do is printed. It fails if the
/// requirement is broken, and also if there is no verdict, since a test that says `ok` has checked
/// something. The selection of an [`InProcess`] is not used.
///
/// ```
/// # use mpc_router::{Config, Router};
/// mpc_conformance::one_test_per_requirement!(Router::new(Config::default()));
/// # fn main() {}
/// ```
///
/// The tests stand in the module in which the macro does, with `cfg(test)`.
#[macro_export]
macro_rules! one_test_per_requirement {
    ($router:expr) => {
        #[cfg(test)]
        async fn router_to_be_judged() -> $crate::in_process::InProcess {
            ::std::convert::Into::into($router)
        }

        $crate::__requirements_of_core!($crate::__a_test_each);
    };
}

/// The tests of [`one_test_per_requirement!`], given the names of all.
#[doc(hidden)]
#[macro_export]
macro_rules! __a_test_each {
    ($($family:ident { $($requirement:ident)* })*) => {
        $(
            #[cfg(test)]
            mod $family {
                $(
                    #[test]
                    fn $requirement() {
                        $crate::in_process::requirement_holds(
                            concat!(module_path!(), "::", stringify!($requirement)),
                            super::router_to_be_judged(),
                        );
                    }
                )*
            }
        )*
    };
}

/// Gives the names of all requirements of `core` to another macro: `ord_1` for `ORD-1`.
#[doc(hidden)]
#[macro_export]
macro_rules! __requirements_of_core {
    ($($then:tt)*) => {
        $($then)*! {
            reg { reg_1 reg_2 reg_3 reg_4 reg_5 reg_6 reg_7 reg_8 }
            dir { dir_1 dir_2 dir_3 dir_4 dir_5 dir_6 }
            hb { hb_1 hb_2 hb_3 hb_4 hb_5 hb_6 hb_7 hb_8 hb_9 hb_10 hb_11 hb_12 }
            rte {
                rte_1 rte_2 rte_3 rte_4 rte_5 rte_6 rte_7 rte_8 rte_9 rte_10 rte_11 rte_12 rte_13
                rte_14 rte_15 rte_16
            }
            ord { ord_1 ord_2 ord_3 ord_4 ord_5 ord_6 ord_7 ord_8 }
            sub { sub_1 sub_2 sub_3 sub_4 sub_5 sub_6 sub_7 sub_8 sub_10 }
            pnd { pnd_1 pnd_2 pnd_3 pnd_4 pnd_5 pnd_6 pnd_7 pnd_8 }
            ack {
                ack_1 ack_2 ack_3 ack_4 ack_5 ack_6 ack_7 ack_8 ack_9 ack_10 ack_11 ack_12
            }
            sts { sts_1 sts_2 sts_3 sts_4 sts_5 sts_6 sts_7 sts_8 sts_9 }
            evt { evt_1 evt_2 evt_3 evt_4 evt_5 evt_6 evt_7 evt_8 evt_9 evt_10 evt_11 evt_12 }
        }
    };
}

/// Runs one requirement's check in a runtime of its own. `test` is the path of the test, from its
/// crate on; its last part names the requirement.
///
/// # Panics
/// If the requirement is broken, or there is no verdict, with the evidence.
#[doc(hidden)]
#[track_caller]
pub fn requirement_holds<F>(test: &str, router: F)
where
    F: Future<Output = InProcess>,
{
    // The crate is no part of a test's name.
    let test = test.split_once("::").map_or(test, |(_, test)| test);
    let id = test.rsplit("::").next().unwrap_or(test).to_uppercase().replace('_', "-");
    let selection = Selection::one(&id).expect("a test is named after a requirement");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives a runtime what it needs");
    let mut report = runtime.block_on(async { router.await.selection(selection).run().await });
    for requirement in &mut report.requirements {
        // Exactly: else `hb_1` would stand for `hb_10` as well.
        let replay = format!("cargo test -- --exact {test}");
        requirement.replay = requirement.replay.take().map(|_| replay);
    }
    match judged(&report) {
        Ok(None) => {}
        Ok(Some(warning)) => println!("{warning}"),
        Err(failure) => panic!("{failure}"),
    }
}

/// Whether the requirement of a report holds, with a warning if there is one to give; else why the
/// test must not pass.
fn judged(report: &Report) -> Result<Option<String>, String> {
    let [requirement] = report.requirements.as_slice() else {
        return Err(format!("{} requirements were checked", report.requirements.len()));
    };
    match requirement.outcome {
        Outcome::Passed | Outcome::NotApplicable => Ok(None),
        Outcome::Warned => Ok(Some(as_text(report))),
        Outcome::Failed => Err(format!("{} is broken\n\n{}", requirement.id, as_text(report))),
        Outcome::Inconclusive | Outcome::NotChecked => Err(format!(
            "there is no verdict on {}: {}\n\n{}",
            requirement.id,
            requirement.detail,
            as_text(report)
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::families;
    use crate::outcome::Finding;
    use crate::profile::Profile;
    use crate::requirement::Capability;
    use crate::specimen::{Fault, Settings, Specimen, Twist};

    macro_rules! by_family {
        ($($family:ident { $($requirement:ident)* })*) => {
            [$((stringify!($family), &[$(stringify!($requirement)),*][..])),*]
        };
    }

    #[test]
    fn there_is_a_test_for_each_requirement_of_core() {
        let known = families::FAMILIES.iter().filter_map(|family| {
            let core = family.requirements.iter().filter(|it| it.capability == Capability::Core);
            let names: Vec<_> = core.map(|it| it.id.to_lowercase().replace('-', "_")).collect();
            (!names.is_empty()).then(|| (family.name.to_lowercase(), names))
        });
        let named = crate::__requirements_of_core!(by_family).map(|(family, names)| {
            (family.to_owned(), names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(named.to_vec(), known.collect::<Vec<_>>());
    }

    async fn specimen(twist: impl Into<Twist>) -> InProcess {
        Specimen::new(Settings::default(), twist).into()
    }

    #[test]
    fn a_router_that_keeps_the_requirement_passes() {
        requirement_holds("reg_1", specimen(Twist::none()));
    }

    #[test]
    #[should_panic(expected = "REG-1 is broken")]
    fn a_router_that_breaks_the_requirement_fails() {
        requirement_holds("reg_1", specimen(Fault::TemporaryPartiesRefused));
    }

    #[test]
    fn the_failure_shows_the_evidence_and_how_to_repeat_it() {
        let failing =
            || requirement_holds("a::reg::reg_1", specimen(Fault::TemporaryPartiesRefused));
        let panic = std::panic::catch_unwind(failing).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        for part in ["RegisterParty with a new `party_id`", "timeline", "--exact reg::reg_1\n"] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    #[should_panic(expected = "there is no verdict on ACK-9: ack_timeout is 5 s")]
    fn what_cannot_be_checked_fails() {
        let impatient = async { specimen(Twist::none()).await.timer_limit(Duration::from_secs(1)) };
        requirement_holds("ack_9", impatient);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_verdict_in_favour_passes() {
        let selection = Selection::one("REG-1").unwrap();
        let mut report = specimen(Twist::none())
            .await
            .profile(Profile::default())
            .selection(selection)
            .run()
            .await;
        for outcome in Outcome::ALL {
            report.requirements[0].outcome = outcome;
            report.requirements[0].detail = "the reason".into();
            report.requirements[0].finding =
                Some(Finding { seen: "this".into(), accepted: "that".into() });
            match outcome {
                Outcome::Passed | Outcome::NotApplicable => {
                    assert_eq!(judged(&report), Ok(None));
                }
                Outcome::Warned => assert!(judged(&report).unwrap().unwrap().contains("this")),
                Outcome::Failed => assert!(judged(&report).unwrap_err().contains("this")),
                Outcome::NotChecked | Outcome::Inconclusive => {
                    assert!(judged(&report).unwrap_err().contains("the reason"));
                }
            }
        }
        report.requirements.clear();
        assert!(judged(&report).is_err());
    }
}
