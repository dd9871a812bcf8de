//! PND-4: backlogs that do not fit into one answer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mpc_router_proto::v1::{GetPendingMessagesResponse, MpcMessage};
use prost::Message as _;
use tonic::Code;

use super::super::prelude::{Stop, Trial, Verdict};
use crate::answer::{Fate, words};
use crate::keeping::Keeping;
use crate::listing;
use crate::many::each;
use crate::party::{Party, Sent};
use crate::trial::Session;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The most that an answer of more than one message may have, encoded.
const ANSWER_LIMIT: usize = 4 * MIB;

/// Room that an answer may leave beside the largest message of the backlog: a target may reckon
/// with a reserve.
const RESERVE: usize = MIB;

/// Messages that a backlog takes at most.
const MESSAGES: usize = 6_000;

/// The longest single message that is tried.
const LONGEST: usize = 16 * MIB;

pub(super) async fn a_large_backlog_is_fetched_whole(trial: Trial) -> Verdict {
    let largest = usize::try_from(trial.timers().max_payload_bytes).unwrap_or(usize::MAX);
    if largest < ANSWER_LIMIT / MESSAGES {
        return Err(Stop::NotChecked(format!(
            "a backlog of more than 4 MiB takes over {MESSAGES} messages of at most {largest} bytes"
        )));
    }
    let noise = trial.payload(largest.min(LONGEST));
    let part = |length: usize| noise.slice(..length.min(largest));

    // Up to the limit in large steps and over it in small ones: what is reckoned wrong by a few
    // bytes a message comes to light.
    let mut waves = vec![pieces(&part(MIB), ANSWER_LIMIT - 128 * KIB)];
    waves.push((0..900).map(|number| part(number % 300)).collect());
    fetched_whole(&trial, "small", waves, Way::Acknowledging).await?;

    // Large ones of which no two fit, or hardly, with small ones that would fit in between.
    let large = largest.min(2 * MIB);
    if 10 * MIB / large <= MESSAGES / 8 {
        let mut waves = Vec::new();
        for _ in 0..5 {
            waves.push(pieces(&part(large), 2 * MIB));
            waves.push((0..60).map(|number| part(number * 10)).collect());
        }
        fetched_whole(&trial, "large", waves, Way::FromTheNewest).await?;
    }

    // All at once, so that as many as possible fall into one millisecond.
    let mut wave = pieces(&part(256 * KIB), 5 * MIB);
    wave.extend((0..300).map(|number| part(number % 200)));
    fetched_whole(&trial, "at-once", vec![wave], Way::FromTheBeginning).await?;

    if noise.len() > ANSWER_LIMIT {
        let small = || vec![part(10)];
        let waves = vec![small(), vec![noise.clone()], small()];
        fetched_whole(&trial, "longest", waves, Way::FromTheNewest).await?;
    }
    Ok(())
}

/// As many pieces as make up `total` bytes.
fn pieces(piece: &Bytes, total: usize) -> Vec<Bytes> {
    let whole = vec![piece.clone(); total / piece.len()];
    whole.into_iter().chain([piece.slice(..total % piece.len())]).collect()
}

/// How a poller comes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// From the largest `created_at` it has seen, without acknowledging.
    FromTheNewest,
    /// From there as well, acknowledging what it has before it polls again.
    Acknowledging,
    /// Always from 0: what it acknowledged is not answered again.
    FromTheBeginning,
}

/// An answer, with what was outstanding when it was asked for.
#[derive(Debug)]
struct Answered {
    after: i64,
    ids: BTreeSet<String>,
    newest: Option<i64>,
    length: usize,
    acknowledged_before: usize,
}

/// What a poller got of a backlog.
#[derive(Debug, Default)]
struct Fetched {
    created_at: BTreeMap<String, i64>,
    /// In the order of arrival.
    ids: Vec<String>,
    answers: Vec<Answered>,
}

/// Routes the waves one after another, each at once, and fetches them.
async fn fetched_whole(trial: &Trial, label: &str, waves: Vec<Vec<Bytes>>, way: Way) -> Verdict {
    let [alice, bob] =
        trial.parties([&*format!("{label}-sender"), &*format!("{label}-poller")]).await?;
    let session = trial.session(label, &[&alice, &bob]).await?;
    let keeping = trial.keeping();
    let mut backlog = Vec::new();
    for wave in waves {
        let routed = each(wave, |payload| {
            let (alice, request) = (alice.clone(), alice.outgoing(&session, &[&bob], payload));
            async move { alice.has_sent_this(request).await }
        });
        backlog.push(routed.await?);
    }
    let fetched = fetch(&bob, &session, way, &backlog, &keeping).await?;
    if let Some(seen) = fetched.fault(&backlog, way) {
        keeping.lasts()?;
        return Err(Stop::broken(
            seen,
            "answers of at most 4 MiB or one message, with the oldest that fit, and one that is \
             newer as long as there is any",
        ));
    }
    if way == Way::FromTheNewest {
        acknowledge(&bob, backlog.iter().flatten(), &keeping).await?;
    }
    Ok(())
}

async fn fetch(
    bob: &Party,
    session: &Session,
    way: Way,
    backlog: &[Vec<Sent>],
    keeping: &Keeping,
) -> Result<Fetched, Stop> {
    let routed: BTreeMap<_, _> =
        backlog.iter().flatten().map(|sent| (sent.id.as_str(), sent)).collect();
    let mut fetched = Fetched::default();
    let mut after = 0;
    loop {
        let answer = poll(bob, session, after, routed.len()).await?;
        let who = format!("a poll of {}", bob.id);
        listing::each_once(&who, &answer.messages)?;
        listing::by_age(&who, &answer.messages)?;
        if let Some(wrong) = answer.messages.iter().find(|it| !routed.contains_key(&*it.message_id))
        {
            let seen = format!("{who} answers with {}, which nobody routed", wrong.message_id);
            return Err(Stop::broken(seen, "the messages of the backlog"));
        }
        let known = fetched.ids.len();
        fetched.take(after, &answer, if way == Way::FromTheNewest { 0 } else { known });
        let news: Vec<_> = fetched.ids[known..].iter().map(|id| routed[id.as_str()]).collect();
        if fetched.ids.len() == known {
            return Ok(fetched);
        }
        if way != Way::FromTheNewest {
            acknowledge(bob, news, keeping).await?;
        }
        if way != Way::FromTheBeginning {
            after = answer.messages.iter().map(|it| it.created_at).fold(after, i64::max);
        }
    }
}

async fn poll(
    bob: &Party,
    session: &Session,
    after: i64,
    backlog: usize,
) -> Result<GetPendingMessagesResponse, Stop> {
    let answer = bob.poll_after(session, after).await;
    match &answer.fate {
        // What is over the receive limit is refused by the client itself.
        Fate::Refused(status)
            if matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted) =>
        {
            let seen = format!("a poll with {backlog} outstanding ended with {}", words(status));
            Err(Stop::broken(seen, "the oldest ones that fit into 4 MiB, or one message"))
        }
        _ => answer.accepted(),
    }
}

async fn acknowledge<'a>(
    bob: &Party,
    sent: impl IntoIterator<Item = &'a Sent>,
    keeping: &Keeping,
) -> Verdict {
    each(sent, |sent| {
        let (bob, keeping) = (bob.clone(), *keeping);
        let acknowledgement = sent.acknowledgement(&bob, true);
        async move { keeping.prepared(bob.acknowledge(acknowledgement).await) }
    })
    .await
    .map(drop)
}

impl Fetched {
    fn take(&mut self, after: i64, answer: &GetPendingMessagesResponse, acknowledged: usize) {
        for MpcMessage { message_id, created_at, .. } in &answer.messages {
            if self.created_at.insert(message_id.clone(), *created_at).is_none() {
                self.ids.push(message_id.clone());
            }
        }
        self.answers.push(Answered {
            after,
            ids: answer.messages.iter().map(|it| it.message_id.clone()).collect(),
            newest: answer.messages.iter().map(|it| it.created_at).max(),
            length: answer.encoded_len(),
            acknowledged_before: acknowledged,
        });
    }

    /// What is wrong with what was fetched of a backlog of waves, if anything is.
    fn fault(&self, backlog: &[Vec<Sent>], way: Way) -> Option<String> {
        let all = || backlog.iter().flatten();
        let missing: Vec<_> = all()
            .map(|it| it.id.as_str())
            .filter(|id| !self.created_at.contains_key(*id))
            .collect();
        let how = match way {
            Way::FromTheNewest => "from the largest created_at seen",
            Way::Acknowledging => "from the largest created_at seen, and acknowledging",
            Way::FromTheBeginning => "from 0, and acknowledging",
        };
        let polls = self.answers.len();
        for (number, answer) in self.answers.iter().enumerate() {
            let count = answer.ids.len();
            if answer.length > ANSWER_LIMIT && count > 1 {
                let length = answer.length;
                return Some(format!("an answer of {count} messages is {length} bytes long"));
            }
            if let Some(skipped) = self.skipped(answer, backlog) {
                return Some(format!(
                    "answer {} of {polls}, polling {how}, leaves out {skipped} and holds newer ones",
                    number + 1
                ));
            }
        }
        if !missing.is_empty() {
            return Some(format!(
                "polling {how} until nothing new came took {polls} polls and brought {} of {} \
                 messages; missing: {}",
                self.ids.len(),
                all().count(),
                listing::some(&missing)
            ));
        }
        let largest = all().map(|it| it.request.encoded_len()).max().unwrap_or(0);
        // The last two answers may hold less: the rest, and nothing.
        let full = &self.answers[..polls.saturating_sub(2)];
        let short = full.iter().find(|it| it.length + largest + RESERVE <= ANSWER_LIMIT)?;
        Some(format!(
            "an answer of {} messages is only {} bytes long, with older ones outstanding than the \
             next answer begins with",
            short.ids.len(),
            short.length
        ))
    }

    /// A message that an answer should hold because it holds newer ones.
    fn skipped(&self, answer: &Answered, backlog: &[Vec<Sent>]) -> Option<String> {
        let acknowledged: BTreeSet<_> = self.ids[..answer.acknowledged_before].iter().collect();
        let due = |sent: &Sent| {
            !acknowledged.contains(&sent.id)
                && self.created_at.get(&sent.id).is_none_or(|it| *it > answer.after)
                && !answer.ids.contains(&sent.id)
        };
        let holds_new =
            |sent: &Sent| answer.ids.contains(&sent.id) && self.created_at[&sent.id] > answer.after;
        let latest_wave = backlog.iter().rposition(|wave| wave.iter().any(holds_new))?;
        let earlier = backlog[..latest_wave].iter().flatten();
        let older = backlog.iter().flatten().filter(|sent| {
            self.created_at.get(&sent.id).is_some_and(|it| Some(*it) < answer.newest)
        });
        earlier.chain(older).find(|sent| due(sent)).map(|sent| sent.id.clone())
    }
}
