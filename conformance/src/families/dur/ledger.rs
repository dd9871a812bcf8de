//! What a target has accepted, and must know after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mpc_router_proto::v1::{
    GetMessageStatusResponse, MessageDeliveryStatus, MpcMessage, RouteMessageRequest,
};
use tokio::time::Instant;

use crate::families::arrivals::{in_turn, stream_of, up_to_kept};
use crate::families::noting::words;
use crate::keeping::Keeping;
use crate::listing;
use crate::many::{each, statuses};
use crate::outcome::{Stop, Verdict};
use crate::party::{Party, Sent};
use crate::trial::{Session, Trial};

/// Where a delivery stands, as far as this side knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was handed out by no answer and no stream.
    Pending,
    /// It may have been handed out.
    Open,
    /// It was acknowledged; at which time, as soon as a status has told.
    Acknowledged(i64),
    Failed,
    /// It may have been acknowledged.
    PerhapsAcknowledged,
    /// It may have failed.
    PerhapsFailed,
}

/// A message, and where its deliveries stand.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) sent: Sent,
    states: BTreeMap<String, State>,
    /// Of each delivery that was handed out, as it was told: it is the same to the end.
    created_at: BTreeMap<String, i64>,
}

/// What was accepted, each sender's in the order of acceptance, and what perhaps was.
#[derive(Debug)]
pub(super) struct Ledger {
    trial: Trial,
    pub(super) entries: Vec<Entry>,
    /// Calls that had no answer: each happened wholly or not at all.
    perhaps: Vec<(RouteMessageRequest, Vec<String>)>,
    keeping: Keeping,
    /// Who has had a stream: the target may think that it still has.
    listeners: BTreeSet<String>,
    /// How long streams were open on which nothing was acknowledged.
    streamed: Duration,
    most_streamed: Duration,
}

impl Ledger {
    /// An empty one; the time for which its messages must be kept begins.
    pub(super) fn new(trial: &Trial) -> Self {
        Self {
            trial: trial.clone(),
            entries: Vec::new(),
            perhaps: Vec::new(),
            keeping: trial.keeping(),
            listeners: BTreeSet::new(),
            streamed: Duration::ZERO,
            most_streamed: trial.timers().all_attempts() / 4 * 3,
        }
    }

    /// The same with nothing but these entries, which must be kept from now on.
    pub(super) fn of_entries(trial: &Trial, entries: Vec<Entry>) -> Self {
        Self { entries, ..Self::new(trial) }
    }

    /// Notes how long a stream was open on which nothing was acknowledged.
    pub(super) fn was_streamed_for(&mut self, time: Duration) {
        self.streamed += time;
    }

    /// Notes an accepted message.
    pub(super) fn add(&mut self, sent: &Sent, recipients: &[&Party]) {
        self.accepted(sent.clone(), recipients.iter().map(|it| it.id.clone()).collect());
    }

    pub(super) fn accepted(&mut self, sent: Sent, recipients: Vec<String>) {
        let state = |party: &String| match self.listeners.contains(party) {
            true => State::Open,
            false => State::Pending,
        };
        let states = recipients.into_iter().map(|it| (it.clone(), state(&it))).collect();
        self.entries.push(Entry { sent, states, created_at: BTreeMap::new() });
    }

    /// Notes a call that had no answer.
    pub(super) fn perhaps(&mut self, request: RouteMessageRequest, recipients: Vec<String>) {
        self.perhaps.push((request, recipients));
    }

    /// Notes where a delivery stands.
    pub(super) fn stands(&mut self, id: &str, party: &Party, state: State) {
        let entry = self.entries.iter_mut().find(|it| it.sent.id == id);
        if let Some(known) = entry.and_then(|it| it.states.get_mut(&party.id)) {
            *known = state;
        }
    }

    /// Routes a message that the check needs, and notes it.
    pub(super) async fn routes(
        &mut self,
        from: &Party,
        session: &Session,
        to: &[&Party],
        recipients: &[&Party],
        payload: impl Into<bytes::Bytes>,
    ) -> Result<Sent, Stop> {
        let sent = from.has_sent(session, to, payload).await?;
        self.add(&sent, recipients);
        Ok(sent)
    }

    /// Acknowledges a delivery, or says that it cannot be used, and notes that.
    pub(super) async fn ends(&mut self, party: &Party, sent: &Sent, success: bool) -> Verdict {
        let answer = party.acknowledge(sent.acknowledgement(party, success)).await;
        self.keeping.prepared(answer)?;
        let state = if success { State::Acknowledged(0) } else { State::Failed };
        self.stands(&sent.id, party, state);
        Ok(())
    }

    /// Acknowledges all that is outstanding for these parties.
    pub(super) async fn ends_all(&mut self, parties: &[&Party]) -> Verdict {
        let mut open = Vec::new();
        for party in parties {
            open.extend(
                self.open(party, None).into_iter().map(|it| ((*party).clone(), it.clone())),
            );
        }
        let answers = each(open.clone(), |(party, sent)| async move {
            Ok(party.acknowledge(sent.acknowledgement(&party, true)).await)
        });
        for answer in answers.await? {
            self.keeping.prepared(answer)?;
        }
        for (party, sent) in open {
            self.stands(&sent.id, &party, State::Acknowledged(0));
        }
        Ok(())
    }

    /// What must be outstanding for a party, in one session or in all.
    pub(super) fn open(&self, party: &Party, session: Option<&Session>) -> Vec<&Sent> {
        let is_open = |it: &&Entry| {
            let state = it.states.get(&party.id);
            matches!(state, Some(State::Pending | State::Open))
                && session.is_none_or(|session| session.id == it.sent.request.session_id)
        };
        self.entries.iter().filter(is_open).map(|it| &it.sent).collect()
    }

    /// A verdict, unless the target need not keep what it is about any more.
    pub(super) fn judged(&self, verdict: Verdict, when: &str) -> Verdict {
        if matches!(verdict, Err(Stop::Broken(_))) {
            self.keeping.lasts()?;
            if self.streamed > self.most_streamed {
                let why = "streams were open for so long that the target may have given up";
                return Err(Stop::Inconclusive(why.into()));
            }
        }
        verdict.map_err(|stop| stop.told(when))
    }

    /// Learns, before the target goes down, when what has been acknowledged was.
    pub(super) async fn learn(&mut self) -> Verdict {
        self.statuses_hold("before a restart").await
    }

    /// Demands that the status of each message agrees with what is known of it.
    pub(super) async fn statuses_hold(&mut self, when: &str) -> Verdict {
        // Who may know of all of them.
        let asking = self.trial.coordinator().on_a_connection_of_its_own();
        let told = statuses(&asking, self.entries.iter().map(|it| &it.sent)).await;
        let told = match told {
            Ok(told) => told,
            Err(stop) => return self.judged(Err(stop), when),
        };
        let mut verdict = Ok(());
        for (entry, status) in self.entries.iter_mut().zip(told) {
            verdict = entry.agrees(&status);
            if verdict.is_err() {
                break;
            }
        }
        self.judged(verdict, when)
    }

    /// Demands that polls of these parties answer with exactly what is outstanding for them, in
    /// order and as it was sent; what perhaps was accepted is there wholly or not at all.
    pub(super) async fn polls_hold(
        &mut self,
        parties: &[&Party],
        session: &Session,
        when: &str,
    ) -> Verdict {
        let mut polled = Vec::new();
        for party in parties {
            let answers = all_of_polls(party, session).await;
            let answers = match answers {
                Ok(answers) => answers,
                Err(stop) => return self.judged(Err(stop), when),
            };
            answers.iter().for_each(|it| self.sees(party, it));
            polled.push((*party, answers));
        }
        self.statuses_hold(when).await?;
        for (party, polled) in polled {
            let due = self.open(party, Some(session));
            let verdict = listing::in_turn(party, &polled, &due);
            self.judged(verdict, when)?;
            self.contents_hold(party, &polled, when)?;
        }
        Ok(())
    }

    /// The same of a new stream, on which `sender` then sends something to the party alone.
    pub(super) async fn stream_holds(
        &mut self,
        party: &Party,
        session: &Session,
        sender: &Party,
        when: &str,
    ) -> Verdict {
        let began = Instant::now();
        self.listeners.insert(party.id.clone());
        let mut feed = party.subscribe(session);
        self.routes(sender, session, &[party], &[party], "the last one").await?;
        let due: Vec<Sent> = self.open(party, Some(session)).into_iter().cloned().collect();
        // Only what its own sender routed before it is sure to come before a fence.
        let fences: BTreeMap<&str, &Sent> =
            due.iter().map(|it| (it.request.from_party.as_str(), it)).collect();
        let fences: Vec<_> = fences.into_values().collect();
        let came = up_to_kept(&mut feed, [&self.keeping], &fences).await;
        self.streamed += began.elapsed();
        let came = match came {
            Ok(came) => came,
            Err(stop) => return self.judged(Err(stop), when),
        };
        // ORD-7 is about first deliveries.
        let first: Vec<_> = came.iter().filter(|it| self.is_pending(party, it)).cloned().collect();
        came.iter().for_each(|it| self.sees(party, it));
        let verdict = in_turn(&stream_of(party), &came, &due.iter().collect::<Vec<_>>());
        self.judged(verdict, when)?;
        let verdict = in_time(&stream_of(party), &first);
        self.judged(verdict, when)?;
        self.contents_hold(party, &came, when)
    }

    /// Whether a message has not been handed out to this party before.
    fn is_pending(&self, party: &Party, message: &MpcMessage) -> bool {
        let entry = self.entries.iter().find(|it| it.sent.id == message.message_id);
        entry.is_some_and(|it| it.states.get(&party.id) == Some(&State::Pending))
    }

    /// Notes that a message was handed out to a party: it may be one of those that perhaps were
    /// accepted.
    pub(super) fn sees(&mut self, party: &Party, message: &MpcMessage) {
        let is_known = self.entries.iter().any(|it| it.sent.id == message.message_id);
        let place = self.perhaps.iter().position(|(request, _)| is_of(request, message));
        if let Some(place) = place.filter(|_| !is_known) {
            let (request, recipients) = self.perhaps.remove(place);
            let sent = Sent { id: message.message_id.clone(), request };
            self.accepted(sent, recipients);
        }
        let entry = self.entries.iter_mut().find(|it| it.sent.id == message.message_id);
        if let Some(state) = entry.and_then(|it| it.states.get_mut(&party.id))
            && *state == State::Pending
        {
            *state = State::Open;
        }
    }

    /// Notes that a party polled without learning what it was answered with.
    pub(super) fn may_have_been_handed_out(&mut self, party: &Party) {
        for entry in &mut self.entries {
            if let Some(state) = entry.states.get_mut(&party.id)
                && *state == State::Pending
            {
                *state = State::Open;
            }
        }
    }

    /// Demands that what came is what was sent, and that its time is the same each time.
    fn contents_hold(&mut self, party: &Party, came: &[MpcMessage], when: &str) -> Verdict {
        let mut verdict = Ok(());
        for message in came {
            let entry = self.entries.iter_mut().find(|it| it.sent.id == message.message_id);
            let Some(entry) = entry else { continue };
            let created_at = entry.created_at.entry(party.id.clone());
            let created_at = *created_at.or_insert(message.created_at);
            if !is_of(&entry.sent.request, message) || created_at != message.created_at {
                verdict = Err(altered(party, &entry.sent.request, message, created_at));
                break;
            }
        }
        self.judged(verdict, when)
    }
}

impl Entry {
    /// Demands that a status agrees with what is known, and learns from it what is not.
    fn agrees(&mut self, status: &GetMessageStatusResponse) -> Verdict {
        let told: BTreeSet<_> = status.deliveries.iter().map(|it| it.party_id.as_str()).collect();
        let known: BTreeSet<_> = self.states.keys().map(String::as_str).collect();
        if told != known || status.deliveries.len() != known.len() {
            let list =
                |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
            let seen = format!("the status of {} lists {}", self.sent.id, list(&told));
            return Err(Stop::broken(seen, format!("its recipients: {}", list(&known))));
        }
        for entry in &status.deliveries {
            let Some(state) = self.states.get_mut(&entry.party_id) else { continue };
            if let Some(accepted) = disagrees(state, entry) {
                return Err(Stop::broken(words(&self.sent, entry), accepted));
            }
        }
        let all = self.states.values().all(|it| matches!(it, State::Acknowledged(_)));
        if status.all_acknowledged != all && !self.states.is_empty() {
            let seen = format!("all_acknowledged of {} is {}", self.sent.id, !all);
            return Err(Stop::broken(seen, format!("{all}, as its entries are")));
        }
        Ok(())
    }
}

/// What an entry should be, if it is something else. What it tells is known from now on.
fn disagrees(state: &mut State, entry: &MessageDeliveryStatus) -> Option<String> {
    let told = entry.status.as_str();
    let is_open = matches!(told, "pending" | "delivered");
    let at = entry.acknowledged_at;
    match *state {
        State::Pending => (told != "pending").then(|| "pending: it was never handed out".into()),
        State::Open => (!is_open).then(|| "pending or delivered: nobody acknowledged it".into()),
        State::Failed => (told != "failed").then(|| "failed, as before".into()),
        State::Acknowledged(before) if told == "acknowledged" && (before == 0 || before == at) => {
            *state = State::Acknowledged(at);
            None
        }
        State::Acknowledged(0) => Some("acknowledged, as before".into()),
        State::Acknowledged(before) => Some(format!("acknowledged at {before}, as before")),
        State::PerhapsAcknowledged | State::PerhapsFailed if is_open => {
            *state = State::Open;
            None
        }
        State::PerhapsAcknowledged if told == "acknowledged" => {
            *state = State::Acknowledged(at);
            None
        }
        State::PerhapsFailed if told == "failed" => {
            *state = State::Failed;
            None
        }
        State::PerhapsAcknowledged => Some("open or acknowledged".into()),
        State::PerhapsFailed => Some("open or failed".into()),
    }
}

/// Whether a message is what was asked for.
fn is_of(request: &RouteMessageRequest, message: &MpcMessage) -> bool {
    request.session_id == message.session_id
        && request.from_party == message.from_party
        && request.round_number == message.round_number
        && request.message_type == message.message_type
        && request.to_parties.is_empty() == message.is_broadcast
        && request.payload == message.payload
}

fn altered(
    party: &Party,
    request: &RouteMessageRequest,
    message: &MpcMessage,
    created_at: i64,
) -> Stop {
    let places = request.payload.iter().zip(&message.payload).filter(|(one, other)| one != other);
    let seen = format!(
        "{} got {} of {} in {}, round {}, type {:?}, broadcast {}, created_at {}, with {} bytes, {} of \
         them altered",
        party.id,
        message.message_id,
        message.from_party,
        message.session_id,
        message.round_number,
        message.message_type,
        message.is_broadcast,
        message.created_at,
        message.payload.len(),
        places.count(),
    );
    let accepted = format!(
        "what was sent by {} in {}, round {}, type {:?}, broadcast {}, created_at {created_at}, with \
         {} bytes",
        request.from_party,
        request.session_id,
        request.round_number,
        request.message_type,
        request.to_parties.is_empty(),
        request.payload.len(),
    );
    Stop::broken(seen, accepted)
}

/// ORD-7: demands that first deliveries do not go back in `created_at`.
fn in_time(who: &str, came: &[MpcMessage]) -> Verdict {
    match came.windows(2).find(|pair| pair[0].created_at > pair[1].created_at) {
        None => Ok(()),
        Some(pair) => {
            let seen = format!(
                "{who} brought {} (created_at {}) before {} (created_at {})",
                pair[0].message_id, pair[0].created_at, pair[1].message_id, pair[1].created_at
            );
            Err(Stop::broken(seen, "first deliveries that never go back in created_at"))
        }
    }
}

/// All that is outstanding: an answer need not hold more than fits into 4 MiB.
async fn all_of_polls(party: &Party, session: &Session) -> Result<Vec<MpcMessage>, Stop> {
    let (mut all, mut known, mut after): (Vec<MpcMessage>, BTreeSet<String>, i64) =
        Default::default();
    loop {
        let answer = party.poll_after(session, after).await.accepted()?.messages;
        let before = all.len();
        for message in answer {
            after = after.max(message.created_at);
            if known.insert(message.message_id.clone()) {
                all.push(message);
            }
        }
        if all.len() == before {
            return Ok(all);
        }
    }
}
