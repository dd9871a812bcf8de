//! The end of a program: everything is healed, all that waits is fetched, and all is asked for once
//! more.

use std::collections::BTreeSet;

use super::*;

/// Of so many units at most the status is asked for at the end.
const ASKED_FOR: usize = 200;

impl<H: Hands> Play<H> {
    pub(super) async fn drains(&self, program: &Program) {
        // What is due on the streams that are open may still be on its way.
        self.settles(program).await;
        for party in &program.late {
            self.registers(*party, 0, false).await;
        }
        for party in 0..program.parties {
            self.lives(party).await;
        }
        self.board.breaks(self.hands.now(), |_| true);
        self.board.recorder().drains(self.hands.now());
        for party in 0..program.parties {
            for session in 0..program.sessions.len() as u8 {
                self.fetches(program, party, session).await;
            }
            self.lives(party).await;
        }
        if self.conditions.is_virtual {
            self.hands.pass(&self.board, self.conditions.slack + Duration::from_millis(1)).await;
        }
        self.all_statuses(program).await;
        for party in 0..program.parties {
            for session in 0..program.sessions.len() as u8 {
                let units = self.board.recorder().had(party, session);
                let any = !units.is_empty();
                for unit in units {
                    self.acknowledges(party, unit, None, true, false).await;
                }
                if any {
                    self.polls(party, Some(session), 0, false).await;
                }
            }
            self.lives(party).await;
        }
        self.all_statuses(program).await;
        self.lists(false, None, None, false).await;
    }

    /// Fetches what waits for a party in a session, by a poll and by a stream.
    async fn fetches(&self, program: &Program, party: u8, session: u8) {
        self.polls(party, Some(session), 0, false).await;
        let due: BTreeSet<u32> = self.board.recorder().had(party, session).into_iter().collect();
        if due.is_empty() {
            return;
        }
        let number = u32::MAX - u32::from(party) * 256 - u32::from(session);
        self.subscribes(number, party, Some(session)).await;
        self.comes(program, |board| match board.stream(number) {
            Some(stream) => board.recorder().all_came(stream, &due),
            None => true,
        })
        .await;
        self.lives(party).await;
        self.board.closes(self.hands.now(), number, End::Ours);
    }

    async fn all_statuses(&self, program: &Program) {
        let units = program.units();
        let apart = units.div_ceil(ASKED_FOR).max(1);
        for unit in (0..units).step_by(apart) {
            self.asks(unit as u32, None, false).await;
        }
    }

    /// Waits until what was accepted has come on the streams that are open, or has had its time.
    async fn settles(&self, program: &Program) {
        let members = |session: u8| program.sessions.get(usize::from(session)).cloned();
        self.comes(program, |board| {
            let streams = board.streams();
            let recorder = board.recorder();
            streams.iter().all(|stream| recorder.nothing_due(*stream, &members))
        })
        .await;
    }

    /// Waits until this is so, or has had its time: the slack, a moment for each message, and half of it
    /// for what shows that.
    async fn comes(&self, program: &Program, is_so: impl FnMut(&Board) -> bool) {
        let slack = self.conditions.slack;
        let carried = u32::try_from(program.units()).unwrap_or(u32::MAX);
        let limit = slack * 3 / 2 + slack / 40 * carried.min(10_000);
        let until = self.hands.now() + limit.as_nanos() as Moment;
        self.hands.wait(&self.board, until, is_so).await;
    }
}
