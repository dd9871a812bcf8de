use super::*;
use crate::seed::Seed;

/// Records by name, so that a case reads as what happened.
struct Story {
    roster: Roster,
    ledger: Ledger,
    at: Millis,
}

impl Story {
    fn new() -> Self {
        let roster = Roster::enrol(Seed(1), "x", 3).roster;
        let mut story = Self { roster, ledger: Ledger::default(), at: 0 };
        for party in 1..=3 {
            story.does(party, Deed::Joined("s".into()));
        }
        story
    }

    fn does(&mut self, party: u16, deed: Deed) {
        self.ledger.record(&Record { at: self.at, party, deed });
    }

    /// Party 1 sends a payload to 2, and the router takes it.
    fn sends(&mut self, payload: &[u8; 20]) -> Digest {
        let digest = Digest::of(payload);
        self.does(
            1,
            Deed::Made(Made {
                session: "s".into(),
                kind: "k".into(),
                round: 1,
                broadcast: false,
                recipients: vec![2],
                digest,
                canary: *payload.first_chunk().unwrap(),
                bytes: payload.len(),
            }),
        );
        self.does(1, Deed::Attempted(digest));
        self.does(1, Deed::Accepted(digest, "m".into()));
        digest
    }

    fn sees(&mut self, party: u16, payload: &[u8; 20]) {
        self.does(
            party,
            Deed::Saw(Saw {
                message_id: "m".into(),
                session: "s".into(),
                asked: "s".into(),
                from: "x-p1".into(),
                kind: "k".into(),
                round: 1,
                broadcast: false,
                digest: Digest::of(payload),
                canary: payload.first_chunk().copied(),
                after_acknowledgement: false,
            }),
        );
    }

    fn ends(self) -> Findings {
        self.ledger.examine(&self.roster)
    }
}

const PAYLOAD: [u8; 20] = [7; 20];

#[test]
fn a_message_that_came_and_was_applied_and_acknowledged() {
    let mut story = Story::new();
    let digest = story.sends(&PAYLOAD);
    story.sees(2, &PAYLOAD);
    story.does(2, Deed::Applied(digest));
    story.does(2, Deed::Acknowledged("m".into(), true));
    let good = Findings { deliveries: 1, applied_once: 1, ..Findings::default() };
    assert_eq!(story.ends(), good);
    assert!(!good.router_is_at_fault());
}

#[test]
fn a_message_is_lost_if_its_recipient_listened_long_enough() {
    let lost = |joined: bool, after: Millis, ends: Deed| {
        let mut story = Story::new();
        if !joined {
            story.ledger.joined.clear();
        }
        story.at = 10_000;
        story.sends(&PAYLOAD);
        story.at += after;
        story.does(2, ends);
        story.ends().lost.len()
    };
    let closed = || Deed::Closed("s".into());
    assert_eq!(lost(true, DUE_AFTER_MS, closed()), 1);
    assert_eq!(lost(true, DUE_AFTER_MS - 1, closed()), 0);
    assert_eq!(lost(true, DUE_AFTER_MS, Deed::Vanished), 1);
    assert_eq!(lost(true, 0, Deed::Vanished), 0);
    assert_eq!(lost(true, 0, Deed::Left), 1, "who never stopped listening should have it");
    assert_eq!(lost(false, DUE_AFTER_MS, closed()), 0, "who never came cannot have it");
}

#[test]
fn what_is_applied_wrongly() {
    let mut story = Story::new();
    let digest = story.sends(&PAYLOAD);
    story.sees(2, &PAYLOAD);
    for party in [2, 2, 3] {
        story.does(party, Deed::Applied(digest));
    }
    story.does(2, Deed::Applied(Digest::of(b"nobody's")));
    let found = story.ends();
    assert_eq!(found.applied_once, 0);
    let mut told = found.misapplied;
    told.sort();
    assert_eq!(
        told,
        [
            "x-p2 applied `k` of x-p1 to x-p2 in s 2 times",
            "x-p2 applied a message that nobody sent",
            "x-p3 applied `k` of x-p1 to x-p2 in s, which is not for it",
        ]
    );
}

#[test]
fn a_party_that_contradicts_itself_is_no_fault_of_the_router() {
    let mut story = Story::new();
    for payload in [PAYLOAD, [8; 20]] {
        story.sends(&payload);
        story.sees(2, &payload);
    }
    // For this the router would have to give two identifiers, which is not what this is about.
    story.ledger.saw.iter_mut().enumerate().for_each(|(at, (_, saw))| {
        saw.message_id = format!("m{at}");
    });
    let found = story.ends();
    assert_eq!(found.contradicted, ["x-p1 sent two different `k` to x-p2 in s"]);
    assert!(found.altered.is_empty() && found.phantom.is_empty() && found.lost.is_empty());
}

#[test]
fn an_acknowledgement_that_was_never_taken() {
    let mut story = Story::new();
    let digest = story.sends(&PAYLOAD);
    story.sees(2, &PAYLOAD);
    story.does(2, Deed::Applied(digest));
    assert_eq!(story.ends().unacknowledged, ["x-p2's acknowledgement of m was never taken"]);
}
