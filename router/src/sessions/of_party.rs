//! What concerns all of a party's sessions at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use mpc_router_core::{
    Budget, Content, Gathering, MessageId, Millis, PartyId, Selected, Session, SessionId,
};

use super::Sessions;
use super::cell::End;
use super::stamps::Stamps;
use super::wildcard::WildcardReader;
use crate::commits::Lost;

impl Sessions {
    /// How many deliveries of a party are outstanding, over all its sessions (HB-4).
    pub(crate) async fn outstanding(&self, party: &PartyId) -> Result<usize, Lost> {
        let mut outstanding = 0;
        for session in self.around.counted.of(party) {
            let tallied = self.visit(&session, |cell| cell.tally(party))?;
            outstanding += tallied.safe().await?;
        }
        Ok(outstanding)
    }

    /// Answers a poll of all the party's sessions (SUB-9).
    pub(super) async fn fetch_of_all(
        &self,
        party: &PartyId,
        after: Millis,
        budget: Budget,
    ) -> Result<Vec<Content>, Lost> {
        let mut looked_at = Vec::new();
        let contents = loop {
            let (sessions, until) = self.settled(party).await?;
            let large_alone = self.around.stamps.is_some();
            let mut gathering = Gathering::new(after, until, budget, large_alone);
            for session in &sessions {
                let gather = |session: &mut Session, _| session.gather(party, &mut gathering);
                looked_at.push(self.visit(session, |cell| cell.act(gather))?);
            }
            let selected = gathering.select();
            let mut of_sessions: BTreeMap<usize, Vec<MessageId>> = BTreeMap::new();
            for Selected { session, message } in &selected {
                of_sessions.entry(*session).or_default().push(*message);
            }
            let mut taken = BTreeMap::new();
            for (at, messages) in of_sessions {
                let take = |session: &mut Session, now| session.handle_take(now, party, &messages);
                let took = self.visit(&sessions[at], |cell| cell.act(take))?;
                looked_at.push(took.map(|contents| drop(taken.insert(at, contents.into_iter()))));
            }
            // Each session is locked for itself, so what was acknowledged in between is missing.
            let contents = selected.iter().map(|it| taken.get_mut(&it.session)?.next()?);
            let contents: Vec<_> = contents.flatten().collect();
            if selected.is_empty() || !contents.is_empty() {
                break contents;
            }
        };
        for looked_at in looked_at {
            looked_at.safe().await?;
        }
        Ok(contents)
    }

    /// The sessions that have something for a party, and until when: what is not newer is visible in
    /// all of them, so that nothing older comes to light later (PND-3).
    async fn settled(&self, party: &PartyId) -> Result<(Vec<SessionId>, Millis), Lost> {
        let until = self.around.stamps.as_ref().map(Stamps::last);
        // What got its time before that is in a session that is counted, once it has passed.
        self.cells.await_passing();
        let sessions = self.around.counted.of(party);
        let mut on_the_way = Vec::new();
        for session in &sessions {
            on_the_way.push(self.visit(session, |cell| cell.act(|_, _| ()))?);
        }
        for acted in on_the_way {
            acted.safe().await?;
        }
        Ok((sessions, until.unwrap_or(Millis(i64::MAX))))
    }

    /// Opens a stream of all of a party's sessions, those that begin later included (SUB-9). It reads
    /// the party's own mailboxes only, so nobody has to be asked whether it may (SES-7).
    ///
    /// # Errors
    /// If the log refused something of one of the sessions meanwhile.
    pub(crate) fn subscribe_to_all(&self, party: PartyId) -> Result<WildcardReader, Lost> {
        let (wildcard, sessions) = self.around.counted.open(party, &self.around.streams);
        let reader = WildcardReader::new(wildcard, Arc::clone(&self.around.stopping));
        for session in sessions {
            // What a stream shows is committed, so it need not wait.
            if let Err(lost) = self.visit(&session, |cell| cell.attach(reader.wildcard())) {
                self.unsubscribe_from_all(&reader);
                return Err(lost);
            }
        }
        Ok(reader)
    }

    /// Closes a stream of all of a party's sessions.
    pub(crate) fn unsubscribe_from_all(&self, reader: &WildcardReader) {
        let wildcard = reader.wildcard();
        // Whoever attached it did so with the session locked, and counted it first: none is missed.
        for session in self.around.counted.close(wildcard) {
            if let Some(cell) = self.cells.get(&session) {
                cell.unsubscribe(wildcard.stream());
            }
        }
        wildcard.end(End::Superseded);
    }
}
