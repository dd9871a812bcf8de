//! The end of a program: everything is healed, all that waits is fetched, and all is asked for once
//! more.

use std::collections::BTreeSet;

use super::*;

/// Of so many units at most the status is asked for at the end.
const ASKED_FOR: usize = 200;

impl Play {
    pub(super) async fn drains(&self, program: &Program) {
        // What is due on the streams that are open may still be on its way.
        self.settles(program).await;
        for party in 0..program.parties {
            self.lives(party, false).await;
        }
        self.breaks(|_| true);
        self.recorder().drains(self.now());
        for party in 0..program.parties {
            for session in 0..program.sessions.len() as u8 {
                self.fetches(program, party, session).await;
            }
            self.lives(party, false).await;
        }
        if self.stage.is_virtual {
            tokio::time::sleep(self.stage.slack + Duration::from_millis(1)).await;
        }
        self.all_statuses(program).await;
        for party in 0..program.parties {
            for session in 0..program.sessions.len() as u8 {
                let units = self.recorder().had(party, session);
                let any = !units.is_empty();
                for unit in units {
                    self.acknowledges(party, unit, None, true, false).await;
                }
                if any {
                    self.polls(party, Some(session), 0, false).await;
                }
            }
            self.lives(party, false).await;
        }
        self.all_statuses(program).await;
        self.lists(false, false).await;
    }

    /// Fetches what waits for a party in a session, by a poll and by a stream.
    async fn fetches(&self, program: &Program, party: u8, session: u8) {
        self.polls(party, Some(session), 0, false).await;
        let due: BTreeSet<u32> = self.recorder().had(party, session).into_iter().collect();
        if due.is_empty() {
            return;
        }
        let number = u32::MAX - u32::from(party) * 256 - u32::from(session);
        self.subscribes(number, party, Some(session)).await;
        self.comes(program, |play| {
            let streams = lock(&play.streams);
            let Some(open) = streams.get(&number) else { return true };
            play.recorder().all_came(open.number, &due)
        })
        .await;
        self.lives(party, false).await;
        let open = lock(&self.streams).remove(&number);
        if let Some(open) = open {
            self.closes(&open, End::Ours);
        }
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
        self.comes(program, |play| {
            let streams: Vec<_> = lock(&play.streams).values().map(|it| it.number).collect();
            let recorder = play.recorder();
            streams.iter().all(|stream| recorder.nothing_due(*stream, &members))
        })
        .await;
    }

    /// Waits until this is so, or has had its time: the slack, a moment for each message, and half of it
    /// for what shows that.
    async fn comes(&self, program: &Program, mut is_so: impl FnMut(&Self) -> bool) {
        let slack = self.stage.slack;
        let carried = u32::try_from(program.units()).unwrap_or(u32::MAX);
        let limit = Instant::now() + slack * 3 / 2 + slack / 40 * carried.min(10_000);
        loop {
            let news = self.news.notified();
            if is_so(self) || tokio::time::timeout_at(limit, news).await.is_err() {
                return;
            }
            // Where something has come, more comes.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
