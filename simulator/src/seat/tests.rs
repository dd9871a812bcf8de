use std::sync::Arc;

use super::*;
use crate::flow::Flow;
use crate::protocol::Scripted;
use crate::roster::Enrolment;
use crate::seed::Seed;

const KINDS: usize = 2;

fn protocol(me: u16) -> Result<Box<dyn Protocol>, Blame> {
    let text = r#"
name = "twice"
members = "all"
[[round]]
[[round.send]]
type = "a"
to = "all"
size = 40
[[round.send]]
type = "b"
to = "all"
size = 40
"#;
    let flow = Arc::new(Flow::parse("twice.toml", text).unwrap());
    Ok(Box::new(Scripted::new(Seed(1), "s", flow, me, &[1, 2, 3], (3, 2))))
}

/// Member 3, whose session has not begun, and what the others send it in two broadcasts each.
struct Early {
    roster: Roster,
    sealer: Sealer,
    seat: Seat,
    messages: Vec<MpcMessage>,
}

impl Early {
    fn new() -> Self {
        let Enrolment { roster, identities, .. } = Roster::enrol(Seed(1), "x", 3);
        let terms = Terms {
            session: "s".into(),
            holders: 3,
            threshold: 2,
            members: vec![1, 2, 3],
            message_hash: Vec::new(),
            expires_at: 0,
        };
        let mut messages = Vec::new();
        let mut last = None;
        for identity in identities {
            let me = identity.number;
            let mut sealer = Sealer::new(identity, Seed(1).stream("seal", me, ""));
            let mut seat = Seat::new(terms.clone(), Seal::Bare, KINDS);
            if me == 3 {
                last = Some((sealer, seat));
                break;
            }
            seat.start(protocol(me), &mut sealer, &roster);
            while let Some(Effect::Send(Sending { request, .. })) = seat.poll_effect() {
                messages.push(MpcMessage {
                    message_id: format!("m{}", messages.len()),
                    session_id: request.session_id,
                    from_party: request.from_party,
                    is_broadcast: true,
                    round_number: request.round_number,
                    message_type: request.message_type,
                    payload: request.payload,
                    created_at: 0,
                });
            }
        }
        assert_eq!(messages.len(), 4);
        let (sealer, seat) = last.unwrap();
        let mut early = Self { roster, sealer, seat, messages };
        // As often as a stream may break, and routed twice, as a sender may call twice.
        for _ in 0..1_000 {
            for message in early.messages.clone() {
                let again = format!("{}-again", message.message_id);
                early.takes(&MpcMessage { message_id: again, ..message.clone() });
                early.takes(&message);
            }
        }
        assert!(early.seat.poll_effect().is_none(), "all of them wait");
        early
    }

    fn takes(&mut self, message: &MpcMessage) {
        self.seat.handle_message(message, &mut self.sealer, &self.roster);
    }
}

/// The identifiers acknowledged for good and for ill; each is acknowledged one way only (ACK-4).
fn acknowledged(seat: &mut Seat) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut good, mut ill) = (BTreeSet::new(), BTreeSet::new());
    while let Some(effect) = seat.poll_effect() {
        if let Effect::Acknowledge(id, result) = effect {
            if result.is_ok() {
                good.insert(id)
            } else {
                ill.insert(id)
            };
        }
    }
    assert!(good.is_disjoint(&ill), "{good:?} {ill:?}");
    (good, ill)
}

#[test]
fn early_messages_wait_however_often_they_come() {
    let Early { roster, mut sealer, mut seat, .. } = Early::new();
    seat.start(protocol(3), &mut sealer, &roster);
    let (good, ill) = acknowledged(&mut seat);
    assert_eq!((good.len(), ill.len()), (8, 0));
    assert!(seat.output().is_some());
}

#[test]
fn early_messages_of_a_session_that_never_begins_are_refused() {
    let Early { roster, mut sealer, mut seat, .. } = Early::new();
    seat.start(Err(Blame::nobody("no")), &mut sealer, &roster);
    let (good, ill) = acknowledged(&mut seat);
    assert_eq!((good.len(), ill.len()), (0, 8));
}

#[test]
fn more_than_a_session_can_have_does_not_wait() {
    let mut early = Early::new();
    let message = early.messages[0].clone();
    for number in 0..10_u8 {
        let id = format!("phantom-{number}");
        let payload = vec![number; 40].into();
        early.takes(&MpcMessage { message_id: id, payload, ..message.clone() });
    }
    // Members times kinds may wait, and four do already.
    let (good, ill) = acknowledged(&mut early.seat);
    assert_eq!((good.len(), ill.len()), (0, 10 - (3 * KINDS - 4)));
}
