//! Calls under way, and calls to be made again.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore as _;

use crate::action::{Action, Call, CallError, Millis, Reply, Ticket};

/// The pause before the first repetition.
const BACKOFF_FIRST_MS: u64 = 50;
/// The longest pause.
pub(crate) const BACKOFF_LAST_MS: u64 = 2_000;

/// How long to wait before trying again, `attempt` counting the failures so far: twice as long each
/// time, and up to half of it more or less, so that those who failed together come back apart.
pub(crate) fn backoff(attempt: u32, rng: &mut ChaCha20Rng) -> Millis {
    let pause = BACKOFF_FIRST_MS.saturating_mul(1 << attempt.min(16)).min(BACKOFF_LAST_MS);
    pause / 2 + rng.next_u64() % pause
}

/// Calls of one machine, each for a purpose `P`. One whose effect is unknown is made again, with the
/// very same content, until there is an answer.
#[derive(Debug)]
pub(crate) struct Calls<P> {
    next: u64,
    rng: ChaCha20Rng,
    open: BTreeMap<Ticket, Open<P>>,
    /// What is to be made, by the time it is due.
    due: BTreeSet<(Millis, Ticket)>,
}

#[derive(Debug)]
struct Open<P> {
    call: Call,
    purpose: P,
    failures: u32,
    last_failure: Option<String>,
    again: bool,
}

impl<P: Clone> Calls<P> {
    pub(crate) fn new(rng: ChaCha20Rng) -> Self {
        Self { next: 0, rng, open: BTreeMap::new(), due: BTreeSet::new() }
    }

    /// Makes a call now; if `again`, until it is answered.
    pub(crate) fn start(&mut self, call: Call, purpose: P, again: bool, now: Millis) {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.open.insert(ticket, Open { call, purpose, failures: 0, last_failure: None, again });
        self.due.insert((now, ticket));
    }

    /// Takes a result, and gives it back with its purpose if that settles the call.
    pub(crate) fn handle_reply(
        &mut self,
        ticket: Ticket,
        result: Result<Reply, CallError>,
        now: Millis,
    ) -> Option<(P, Result<Reply, CallError>)> {
        let open = self.open.get_mut(&ticket)?;
        if open.again
            && let Err(CallError::Unknown(why) | CallError::Unreachable(why)) = result
        {
            open.last_failure = Some(why);
            let pause = backoff(open.failures, &mut self.rng);
            open.failures += 1;
            self.due.insert((now + pause, ticket));
            return None;
        }
        self.open.remove(&ticket).map(|open| (open.purpose, result))
    }

    /// The next call that is due, and its purpose.
    pub(crate) fn poll_action(&mut self, now: Millis) -> Option<(Action, P)> {
        loop {
            let &(at, ticket) = self.due.first()?;
            if at > now {
                return None;
            }
            self.due.pop_first();
            if let Some(open) = self.open.get(&ticket) {
                return Some((Action::Call(ticket, open.call.clone()), open.purpose.clone()));
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether a call for such a purpose is under way or to be made again.
    pub(crate) fn any(&self, of: impl Fn(&P) -> bool) -> bool {
        self.open.values().any(|open| of(&open.purpose))
    }

    /// Why the last attempt at such a call had no answer.
    pub(crate) fn trouble(&self, of: impl Fn(&P) -> bool) -> Option<&str> {
        let mut open = self.open.values().filter(|open| of(&open.purpose));
        open.find_map(|open| open.last_failure.as_deref())
    }

    /// Forgets calls; what is answered to them is ignored.
    pub(crate) fn forget(&mut self, of: impl Fn(&P) -> bool) {
        self.open.retain(|_, open| !of(&open.purpose));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn call() -> Call {
        Call::Heartbeat(Default::default())
    }

    #[test]
    fn an_unknown_effect_is_asked_for_again_later_and_a_refusal_is_not() {
        let mut calls = Calls::new(Seed(1).stream("backoff", 1, ""));
        calls.start(call(), "a", true, 10);
        calls.start(call(), "b", false, 10);
        let unknown = || Err(CallError::Unknown("lost".into()));
        let (Some((Action::Call(a, _), "a")), Some((Action::Call(b, _), "b"))) =
            (calls.poll_action(10), calls.poll_action(10))
        else {
            panic!("two calls are due");
        };
        assert!(calls.handle_reply(a, unknown(), 10).is_none());
        assert!(matches!(calls.handle_reply(b, unknown(), 10), Some(("b", Err(_)))));
        assert!(calls.poll_action(10).is_none());
        let at = calls.poll_timeout().unwrap();
        assert!((35..=85).contains(&at), "{at}");
        assert!(calls.poll_action(at).is_some());
        let refused = Err(CallError::Refused("no".into()));
        assert!(matches!(calls.handle_reply(a, refused, at), Some(("a", Err(_)))));
        assert!(calls.handle_reply(a, Ok(Reply::Done), at).is_none(), "a second answer");
        assert!(!calls.any(|_| true) && calls.poll_timeout().is_none());
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut rng = Seed(1).stream("backoff", 1, "");
        for attempt in 0..70 {
            let full = (BACKOFF_FIRST_MS << attempt.min(10)).min(BACKOFF_LAST_MS);
            let pause = backoff(attempt, &mut rng);
            assert!((full / 2..full * 3 / 2).contains(&pause), "{attempt}: {pause}");
        }
    }

    #[test]
    fn forgotten_calls_are_neither_made_nor_heard() {
        let mut calls = Calls::new(Seed(1).stream("backoff", 1, ""));
        calls.start(call(), "a", true, 0);
        calls.forget(|purpose| *purpose == "a");
        assert!(calls.poll_action(0).is_none() && !calls.any(|_| true));
    }
}
