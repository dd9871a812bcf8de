//! Parties whose streams end, which is no sign of their going (HB-5).

use mpc_router_proto::v1::{MpcMessage, SessionEvent};

use crate::connect::Cut;
use crate::families::arrivals::up_to_kept;
use crate::feed::Feed;
use crate::listening::listening;
use crate::outcome::Stop;
use crate::party::Party;
use crate::trial::Trial;

/// Parties that call over other connections than those of their streams.
pub(super) struct Streaming {
    pub(super) parties: Vec<Party>,
    /// The newer one of two of the same party: it goes on.
    _newer: Feed<MpcMessage>,
}

/// Their streams that end.
pub(super) struct Ending {
    messages: Vec<Feed<MpcMessage>>,
    events: Feed<SessionEvent>,
    cut: Cut,
}

impl Streaming {
    /// Opens a message stream for each of three parties, a second one for one of them, and an event
    /// stream for a fourth, and sees them alive.
    pub(super) async fn open(trial: &Trial) -> Result<(Self, Ending), Stop> {
        let [alice, cancels, has_two, listens] =
            trial.parties(["streams", "cancels", "has-two", "listens"]).await?;
        let (loses, cut) = trial.party_cuttable("loses").await?;
        let streaming = [&cancels, &has_two, &loses];
        let session = trial.session("streams", &[&alice, &cancels, &has_two, &loses]).await?;
        let streamed = trial.keeping_streamed().halved();
        let sent = alice.has_sent(&session, &streaming, "before").await?;
        let mut messages: Vec<_> = streaming.iter().map(|it| it.subscribe(&session)).collect();
        for feed in &mut messages {
            up_to_kept(feed, [&streamed], &[&sent]).await.map_err(Stop::unprepared)?;
        }
        // Of two that are opened at the same time, either may be the newer one.
        let mut newer = has_two.on_a_connection_of_its_own().subscribe(&session);
        up_to_kept(&mut newer, [&streamed], &[&sent]).await.map_err(Stop::unprepared)?;
        for party in streaming {
            streamed.prepared(party.acknowledge(sent.acknowledgement(party, true)).await)?;
        }
        let events = listening(trial, &listens, &[]).await?;
        let parties = [&cancels, &has_two, &loses, &listens];
        let parties = parties.map(Party::on_a_connection_of_its_own).to_vec();
        Ok((Self { parties, _newer: newer }, Ending { messages, events, cut }))
    }
}

impl Ending {
    /// One is cancelled, one that was the older of two, one loses its connection, and one was for
    /// events.
    pub(super) fn end(self) {
        self.cut.throw();
        drop((self.messages, self.events));
    }
}
