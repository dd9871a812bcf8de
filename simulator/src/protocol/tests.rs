use super::*;
use crate::seed::Seed;

type Machines = Vec<(u16, Box<dyn Protocol>)>;

fn keygen(members: &[u16], threshold: u16) -> Machines {
    let machine = |member: &u16| {
        let rng = Seed(1).stream("test", *member, "");
        let machine = FrostDkg::new("s", *member, members, threshold, rng).unwrap();
        (*member, Box::new(machine) as Box<dyn Protocol>)
    };
    members.iter().map(machine).collect()
}

fn keys(count: u16, threshold: u16) -> Vec<KeyShare> {
    let members: Vec<u16> = (1..=count).collect();
    let outputs = rehearse(keygen(&members, threshold)).unwrap();
    outputs
        .into_iter()
        .map(|(_, output)| match output {
            Output::Key(share) => *share,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn signer(me: u16, members: &[u16], keys: &[KeyShare]) -> Result<FrostSign, Blame> {
    let key = keys[usize::from(me) - 1].clone();
    FrostSign::new("s", me, members, key, b"message".to_vec(), Seed(1).stream("test", me, ""))
}

fn hand(to: &mut dyn Protocol, from: u16, outgoing: &Outgoing) -> Result<(), Blame> {
    assert_eq!(to.expects(&outgoing.kind, from), Expects::Now);
    to.handle(Incoming { kind: &outgoing.kind, from, body: &outgoing.body })
}

#[test]
fn any_numbers_make_one_key_and_any_signers_sign() {
    for (count, threshold) in [(2, 2), (3, 2), (5, 3), (6, 6)] {
        let keys = keys(count, threshold);
        assert!(keys.iter().all(|share| share.group_key == keys[0].group_key));
        assert!(keys.iter().all(|share| share.transcript == keys[0].transcript));
        assert_eq!(keys[0].transcript.len(), 3, "three rounds are for all");
        // From the end, so that the aggregator is not always the first; one more than it takes too.
        for size in threshold..=count.min(threshold + 1) {
            let members: Vec<u16> = (count - size + 1..=count).rev().collect();
            let machines = members
                .iter()
                .map(|me| {
                    let machine = signer(*me, &members, &keys).unwrap();
                    (*me, Box::new(machine) as Box<dyn Protocol>)
                })
                .collect();
            for (member, output) in rehearse(machines).unwrap() {
                let Output::Signature(signed) = output else { panic!("{output:?}") };
                let key = ed25519_dalek::VerifyingKey::from_bytes(&signed.group_key).unwrap();
                let signature = ed25519_dalek::Signature::from_bytes(&signed.signature);
                key.verify_strict(b"message", &signature).unwrap();
                assert_eq!(signed.shares.is_some(), member == members[0]);
            }
        }
    }
}

#[test]
fn early_messages_are_for_later_and_past_ones_for_never() {
    let mut machines = keygen(&[1, 2], 2);
    let mut first = machines.remove(0).1;
    let mut second = machines.remove(0).1;
    let expects = |machine: &dyn Protocol| {
        ["round1", "echo", "round2", "confirm", "other"]
            .map(|kind| machine.expects(&format!("frost.dkg.{kind}"), 2))
    };
    use Expects::{Later, Never, Now};
    assert_eq!(expects(&*first), [Now, Later, Later, Later, Never]);
    assert_eq!(first.missing(), [("frost.dkg.round1".to_owned(), 2)]);
    hand(&mut *first, 2, &second.poll_outgoing().unwrap()).unwrap();
    assert_eq!(expects(&*first), [Never, Now, Later, Later, Never]);
    assert_eq!(first.expects("frost.dkg.echo", 1), Never, "from oneself");
    assert_eq!(first.expects("frost.dkg.echo", 3), Never, "from a stranger");
}

/// Two members of three, with the third's messages in the test's hands.
#[test]
fn whoever_sends_a_bad_share_is_blamed() {
    let mut machines = keygen(&[1, 2, 3], 2);
    for round in 0..2 {
        let sent: Vec<(u16, Outgoing)> = machines
            .iter_mut()
            .map(|(member, machine)| (*member, machine.poll_outgoing().unwrap()))
            .collect();
        for (member, machine) in &mut machines {
            for (from, outgoing) in sent.iter().filter(|(from, _)| from != member) {
                hand(&mut **machine, *from, outgoing).unwrap();
            }
        }
        assert_eq!(sent[0].1.kind, ["frost.dkg.round1", "frost.dkg.echo"][round]);
    }
    // What 3 has for 1 goes to 2: a share, but not 2's.
    let for_one = machines[2].1.poll_outgoing().unwrap();
    assert_eq!(for_one.to, To::One(1));
    let for_one_and_two =
        [machines[0].1.poll_outgoing().unwrap(), machines[0].1.poll_outgoing().unwrap()];
    let (_, second) = &mut machines[1];
    hand(&mut **second, 1, &for_one_and_two[0]).unwrap();
    let blame = hand(&mut **second, 3, &for_one).unwrap_err();
    assert_eq!(blame, Blame::of(3, "invalid secret share"));
}

#[test]
fn members_that_heard_differently_stop_before_a_secret_is_sent() {
    let mut machines = keygen(&[1, 2], 2);
    let mut first = machines.remove(0).1;
    let mut second = machines.remove(0).1;
    hand(&mut *first, 2, &second.poll_outgoing().unwrap()).unwrap();
    assert_eq!(first.poll_outgoing().unwrap().kind, "frost.dkg.round1");
    let mut echo = first.poll_outgoing().unwrap();
    assert_eq!(echo.kind, "frost.dkg.echo");
    echo.body[0] ^= 1;
    let blame = hand(&mut *first, 2, &echo).unwrap_err();
    assert!(blame.reason.contains("a broadcast was not the same for all"), "{}", blame.reason);
    assert_eq!(first.poll_outgoing(), None, "no share goes out");
}

#[test]
fn who_cannot_sign_is_told_so() {
    let keys = keys(3, 2);
    let refused = |me, members: &[u16]| signer(me, members, &keys).unwrap_err();
    assert_eq!(refused(1, &[1]), Blame::nobody("it takes 2 to sign"));
    assert_eq!(refused(1, &[1, 4]), Blame::of(4, "it holds no share of the key"));
    let numbers = FrostDkg::new("s", 1, &[1, 2], 3, Seed(1).stream("test", 1, "")).unwrap_err();
    assert!(numbers.reason.contains("min_signers"), "{}", numbers.reason);
}

#[test]
fn a_signer_signs_what_it_was_asked_for_and_once() {
    let keys = keys(3, 2);
    // An aggregator that asks for something else.
    let other = FrostSign::new(
        "s",
        1,
        &[1, 2],
        keys[0].clone(),
        b"another message".to_vec(),
        Seed(1).stream("test", 1, ""),
    );
    let mut other = other.unwrap();
    let mut second = signer(2, &[1, 2], &keys).unwrap();
    let commitment = second.poll_outgoing().unwrap();
    hand(&mut other, 2, &commitment).unwrap();
    let blame = hand(&mut second, 1, &other.poll_outgoing().unwrap()).unwrap_err();
    assert_eq!(blame, Blame::of(1, "it asks for a signature on another message"));
    assert!(second.nonce_uses().is_empty() && second.poll_outgoing().is_none());

    // One that asks for it with other signers.
    let mut wider = signer(1, &[1, 2, 3], &keys).unwrap();
    hand(&mut wider, 2, &signer(2, &[1, 2, 3], &keys).unwrap().poll_outgoing().unwrap()).unwrap();
    hand(&mut wider, 3, &signer(3, &[1, 2, 3], &keys).unwrap().poll_outgoing().unwrap()).unwrap();
    let mut second = signer(2, &[1, 2], &keys).unwrap();
    let package = wider.poll_outgoing().unwrap();
    let blame = hand(&mut second, 1, &package).unwrap_err();
    assert_eq!(blame, Blame::of(1, "its signing package is for other signers"));

    // One that asks rightly: one share, and no second one.
    let mut first = signer(1, &[1, 2], &keys).unwrap();
    let mut second = signer(2, &[1, 2], &keys).unwrap();
    hand(&mut first, 2, &second.poll_outgoing().unwrap()).unwrap();
    let package = first.poll_outgoing().unwrap();
    hand(&mut second, 1, &package).unwrap();
    assert_eq!(second.nonce_uses().len(), 1);
    assert_eq!(second.expects(&package.kind, 1), Expects::Never);

    // A share that is not its sender's, and a signature that is none.
    let mut share = second.poll_outgoing().unwrap();
    share.body[3] ^= 1;
    let blame = hand(&mut first, 2, &share).unwrap_err();
    assert_eq!(blame, Blame::of(2, "its signature share does not verify"));
    let kind = "frost.sign.signature".to_owned();
    let signature = Outgoing { kind, round: 4, to: To::All, body: vec![9; 64] };
    let blame = hand(&mut second, 1, &signature).unwrap_err();
    assert_eq!(blame, Blame::of(1, "its signature does not verify"));
}

#[test]
fn protocols_that_get_stuck_say_so() {
    let mut machines = keygen(&[1, 2, 3], 2);
    machines.remove(2);
    assert!(rehearse(machines).is_err());
}
