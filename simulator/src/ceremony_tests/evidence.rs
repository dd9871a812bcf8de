//! Each item of the verdict fails when the one thing it is about is wrong, and no other item does.

use super::*;
use crate::encoding::Digest;
use crate::protocol::{Blame, Output};
use crate::pump::{Weather, World};
use crate::verdict::Evidence;

/// Judges the evidence of a good ceremony after `spoil` had its way with it.
fn judged(spoil: impl FnOnce(&mut Evidence<'_>)) -> (BTreeSet<&'static str>, String) {
    World::new(&plan(5, 3, 1), Weather::default()).run_for(|remains| {
        let mut evidence = remains.evidence();
        assert!(evidence.judge().iter().all(|item| item.passed));
        spoil(&mut evidence);
        let failing: Vec<_> = evidence.judge().into_iter().filter(|item| !item.passed).collect();
        let told = failing.iter().map(|item| item.detail.clone()).collect::<Vec<_>>().join("\n");
        (failing.iter().map(|item| item.name).collect(), told)
    })
}

fn output<'a>(evidence: &'a mut Evidence<'_>, session: usize, place: usize) -> &'a mut Output {
    let outcomes = &mut evidence.minutes[session].outcomes;
    let (_, outcome) = outcomes.iter_mut().nth(place).unwrap();
    outcome.as_mut().unwrap().as_mut().unwrap()
}

#[test]
fn a_member_that_does_not_know_the_end() {
    let (failing, told) = judged(|evidence| {
        evidence.minutes[0].outcomes.insert(4, None);
    });
    // Without its key it also has no share in what all must have.
    assert_eq!(failing, ["ended", "group_key", "transcripts"].into());
    assert!(told.contains("x-p4 does not know how x-keygen ended"), "{told}");
}

#[test]
fn a_ceremony_that_was_not_completed() {
    let (failing, _) = judged(|evidence| evidence.failure = Some("stopped".into()));
    assert_eq!(failing, ["ended"].into());
}

#[test]
fn another_group_key() {
    let (failing, told) = judged(|evidence| {
        let Output::Key(share) = output(evidence, 0, 2) else { panic!() };
        share.group_key[3] ^= 1;
    });
    assert_eq!(failing, ["group_key"].into());
    assert!(told.contains("x-p1 and x-p3 have different group keys"), "{told}");
}

#[test]
fn another_transcript() {
    let (failing, told) = judged(|evidence| {
        let Output::Key(share) = output(evidence, 0, 1) else { panic!() };
        share.transcript[0].1 = Digest::of(b"other");
    });
    assert_eq!(failing, ["transcripts"].into());
    assert!(told.contains("x-p1 and x-p2 heard different `frost.dkg.round1`"), "{told}");
}

/// The case in which a valid signature proves nothing: two shares whose senders are mixed up.
#[test]
fn shares_under_each_others_names() {
    let (failing, told) = judged(|evidence| {
        for place in 0..3 {
            let Output::Signature(signed) = output(evidence, 1, place) else { panic!() };
            if let Some(shares) = &mut signed.shares {
                let signers: Vec<u16> = shares.shares.keys().copied().collect();
                let (one, two) = (shares.shares[&signers[0]], shares.shares[&signers[1]]);
                shares.shares.insert(signers[0], two);
                shares.shares.insert(signers[1], one);
                return;
            }
        }
        panic!("somebody aggregates");
    });
    assert_eq!(failing, ["shares"].into());
    assert!(told.contains("its signature share does not verify"), "{told}");
}

#[test]
fn a_signature_of_something_else() {
    let (failing, told) = judged(|evidence| evidence.minutes[1].agenda.message_hash[0] ^= 1);
    assert_eq!(failing, ["signature"].into());
    assert!(told.contains("'s signature of x-sign-1 does not verify"), "{told}");
}

#[test]
fn a_nonce_for_two_shares() {
    let (failing, told) = judged(|evidence| {
        let uses = evidence.minutes[1].nonce_uses.values_mut().next().unwrap();
        let mut again = uses[0].clone();
        again.package = Digest::of(b"another message");
        uses.push(again);
    });
    assert_eq!(failing, ["nonces"].into());
    assert!(told.contains("made two shares with one nonce"), "{told}");
}

#[test]
fn holders_that_cannot_sign() {
    let (failing, told) = judged(|evidence| {
        assert_eq!(evidence.trials.len(), 10, "all sets of 3 of 5");
        evidence.trials[4].1 = Err(Blame::of(2, "its signature share does not verify"));
    });
    assert_eq!(failing, ["any_threshold"].into());
    assert!(told.contains("cannot sign"), "{told}");

    let (failing, _) = judged(|evidence| {
        let Ok(Output::Signature(signed)) = &mut evidence.trials[0].1 else { panic!() };
        signed.signature[40] ^= 1;
    });
    assert_eq!(failing, ["any_threshold"].into());
}

#[test]
fn what_the_ledger_finds() {
    type Spoil = fn(&mut Evidence<'_>);
    let cases: [(&str, Spoil); 11] = [
        ("applied_once", |e| e.findings.applied_once -= 1),
        ("applied_once", |e| e.findings.misapplied.push("x".into())),
        ("lost", |e| e.findings.lost.push("x".into())),
        ("duplicated", |e| e.findings.duplicated.push("x".into())),
        ("phantom", |e| e.findings.phantom.push("x".into())),
        ("misrouted", |e| e.findings.misrouted.push("x".into())),
        ("mislabelled", |e| e.findings.mislabelled.push("x".into())),
        ("altered", |e| e.findings.altered.push("x".into())),
        ("canaries", |e| e.findings.betrayed.push("x".into())),
        ("acknowledged", |e| e.findings.unacknowledged.push("x".into())),
        ("conduct", |e| e.findings.contradicted.push("x".into())),
    ];
    for (name, spoil) in cases {
        assert_eq!(judged(spoil).0, [name].into());
    }
}

#[test]
fn a_ceremony_in_which_nothing_happened() {
    let (failing, _) = judged(|evidence| {
        evidence.minutes.clear();
        evidence.trials.clear();
        evidence.findings = Default::default();
    });
    let all = [
        "any_threshold",
        "applied_once",
        "group_key",
        "nonces",
        "shares",
        "signature",
        "transcripts",
    ];
    assert!(failing.is_superset(&all.into()), "{failing:?}");
}
