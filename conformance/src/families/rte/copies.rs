//! RTE-6, and the *once* of RTE-2.

use mpc_router_proto::v1::MpcMessage;
use tokio::time::Instant;

use crate::families::arrivals::{acknowledge, up_to};
use crate::feed::Feed;
use crate::keeping::Keeping;
use crate::listing;
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

/// Messages that are tried where copies may be redeliveries as well.
const ROUNDS: usize = 5;

pub(super) async fn named_twice_is_meant_once(trial: Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["alice", "bob", "carol"]).await?;
    let session = trial.session("s", &[&alice, &bob, &carol]).await?;
    let named: [&[&Party]; 4] = [
        &[&bob, &bob],
        &[&bob, &carol, &bob],
        &[&bob, &bob, &bob, &carol, &carol],
        &[&carol, &bob, &carol, &bob],
    ];
    let mut at_bob = Listening::new(&trial, &alice, &bob, &session).await?;
    for to in named {
        at_bob.gets_once(to).await?;
    }
    polled_and_counted_once(&trial).await
}

/// What is not handed out yet can be counted without a look at the clock.
async fn polled_and_counted_once(trial: &Trial) -> Verdict {
    let [alice, bob, carol] = trial.parties(["count-a", "count-b", "count-c"]).await?;
    let session = trial.session("count", &[&alice, &bob, &carol]).await?;
    let keeping = trial.keeping();
    let mut all = Vec::new();
    let named: [&[&Party]; 2] = [&[&bob, &bob], &[&carol, &bob, &carol, &bob, &bob]];
    for to in named {
        let sent = alice.sends(&session, to, "named twice").await?;
        let mut entries: Vec<_> =
            alice.status(&sent).await?.deliveries.into_iter().map(|it| it.party_id).collect();
        entries.sort_unstable();
        let mut recipients: Vec<_> = to.iter().map(|party| party.id.clone()).collect();
        recipients.sort_unstable();
        recipients.dedup();
        if entries != recipients {
            let named = named_as(&sent);
            let seen = format!("routed to {named}, its status has entries for {entries:?}");
            return Err(Stop::broken(seen, format!("one each for {recipients:?}")));
        }
        all.push(sent);
    }
    let pending = bob.heartbeat().await.prepared()?.pending_messages;
    if pending != 2 {
        keeping.lasts()?;
        let seen = format!("{} has pending_messages {pending} by two messages to it", bob.id);
        return Err(Stop::broken(seen, "2, one delivery a message however often it is named"));
    }
    let polled = bob.polls(&session).await?;
    if let Err(stop) = listing::exactly(&bob, &polled, &all) {
        keeping.lasts()?;
        return Err(stop);
    }
    Ok(())
}

/// A recipient with a stream that is known to be open, so that nothing comes both by its replay and
/// live.
pub(super) struct Listening<'a> {
    trial: &'a Trial,
    sender: &'a Party,
    recipient: &'a Party,
    session: &'a Session,
    feed: Feed<MpcMessage>,
}

impl<'a> Listening<'a> {
    pub(super) async fn new(
        trial: &'a Trial,
        sender: &'a Party,
        recipient: &'a Party,
        session: &'a Session,
    ) -> Result<Self, Stop> {
        let keeping = trial.keeping_streamed();
        let primer = sender.has_sent(session, &[recipient], "primer").await?;
        let mut feed = recipient.subscribe(session);
        up_to(&mut feed, &[&primer]).await?;
        acknowledge([&keeping], recipient, [&primer]).await?;
        Ok(Self { trial, sender, recipient, session, feed })
    }

    /// Demands that a message to the parties given comes once, apart from redeliveries.
    pub(super) async fn gets_once(&mut self, to: &[&Party]) -> Verdict {
        let ack_timeout = self.trial.timers().ack_timeout();
        let mut early = 0;
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let keeping = self.trial.keeping_streamed();
            let sent = self.sender.sends(self.session, to, "once").await?;
            let arrivals = self.arrivals(&sent, &keeping).await?;
            let [first, second, ..] = *arrivals else { return Ok(()) };
            // A redelivery leaves no earlier than `ack_timeout` after the first delivery did, and
            // that was not before the call.
            if second - began < ack_timeout {
                return Err(twice(self.recipient, &sent, (second - began).as_millis()));
            }
            // On a slow way nothing is certain, but redeliveries keep their distance.
            if second - first >= ack_timeout / 4 {
                return Ok(());
            }
            early += 1;
            if early == ROUNDS {
                return Err(twice(self.recipient, &sent, (second - first).as_millis()));
            }
        }
        Ok(())
    }

    /// When `sent` and its copies came: it is acknowledged at once, and what is routed then fences
    /// it.
    async fn arrivals(&mut self, sent: &Sent, keeping: &Keeping) -> Result<Vec<Instant>, Stop> {
        let mut arrivals = Vec::new();
        let mut fence: Option<Sent> = None;
        loop {
            let wait = self.trial.pace().wait();
            let Some(item) = self.feed.item_until(wait.deadline()).await else {
                // It says why nothing came.
                self.feed.next(&format!("message {}", sent.id)).await?;
                continue;
            };
            if item.content.message_id == sent.id {
                arrivals.push(item.at);
            } else if let Some(fence) = &fence
                && fence.id == item.content.message_id
            {
                acknowledge([keeping], self.recipient, [fence]).await?;
                return Ok(arrivals);
            }
            if fence.is_none() && !arrivals.is_empty() {
                let acknowledgement = sent.acknowledgement(self.recipient, true);
                keeping.accepted(self.recipient.acknowledge(acknowledgement).await)?;
                let to = [self.recipient];
                fence = Some(self.sender.sends(self.session, &to, "fence").await?);
            }
        }
    }
}

fn twice(recipient: &Party, sent: &Sent, within_ms: u128) -> Stop {
    let named = named_as(sent);
    let seen = format!(
        "routed to {named}, {} came twice on {}'s stream within {within_ms} ms",
        sent.id, recipient.id
    );
    Stop::broken(seen, "one delivery, and copies only when it is not acknowledged in time")
}

fn named_as(sent: &Sent) -> String {
    sent.request.to_parties.join(", ")
}
