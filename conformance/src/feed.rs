//! A stream as a check sees it: what came, when, and how it ended.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use mpc_router_proto::v1::{MpcMessage, SessionEvent};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tonic::{Response, Status, Streaming};

use crate::answer::{Answer, Fate, is_lost, is_overload, words};
use crate::brief::Brief;
use crate::outcome::Stop;
use crate::pace::Wait;
use crate::party::Sent;
use crate::requirement::Capability;
use crate::trial::Trial;

/// How often patience begins anew, at most, while a stream brings nothing but copies.
const CIRCLING_LIMIT: u32 = 6;

/// A stream as a check sees it. Dropping it cancels the stream.
#[derive(Debug)]
pub struct Feed<T> {
    trial: Trial,
    party: String,
    call: String,
    arrivals: mpsc::UnboundedReceiver<Arrival<T>>,
    headers: watch::Receiver<Option<Instant>>,
    /// Whether it is read.
    reads: watch::Sender<bool>,
    ended: Option<Ending>,
    seen: BTreeSet<String>,
    copies: Vec<(String, Instant)>,
    /// It has brought something.
    opened: bool,
    reader: AbortHandle,
}

/// Something that a stream brought.
#[derive(Clone, Debug)]
pub struct Item<T> {
    /// When this side read it.
    pub at: Instant,
    /// What it is.
    pub content: T,
}

/// How a stream ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// With OK.
    Ok,
    /// With a status of the target's.
    Status(Status),
    /// With its connection.
    Lost(String),
}

impl Ending {
    /// It in words.
    pub fn words(&self) -> String {
        match self {
            Self::Ok => "ended with OK".into(),
            Self::Status(status) => format!("ended with {}", words(status)),
            Self::Lost(why) => format!("was lost: {why}"),
        }
    }
}

#[derive(Debug)]
enum Arrival<T> {
    Item(Item<T>),
    End(Ending),
}

/// What streams carry.
pub trait Carried: Brief + Debug + Send + 'static {
    /// What tells it from every other one.
    fn id(&self) -> &str;
}

impl Carried for MpcMessage {
    fn id(&self) -> &str {
        &self.message_id
    }
}

impl Carried for SessionEvent {
    fn id(&self) -> &str {
        &self.event_id
    }
}

impl<T: Carried> Feed<T> {
    pub(crate) fn open(
        trial: Trial,
        party: String,
        call: String,
        opening: impl Future<Output = Result<Response<Streaming<T>>, Status>> + Send + 'static,
    ) -> Self {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let (opened, headers) = watch::channel(None);
        let (reads, mut may_read) = watch::channel(true);
        let noted = trial.journal().begin(&party, call.clone());
        let (journal, owner, what) = (trial.journal().clone(), party.clone(), call.clone());
        let reader = tokio::spawn(async move {
            let ending = match opening.await {
                Ok(response) => {
                    noted.end("headers".into());
                    opened.send_replace(Some(Instant::now()));
                    let mut stream = response.into_inner();
                    loop {
                        // Whoever drops the feed ends this as well.
                        let _ = may_read.wait_for(|reads| *reads).await;
                        match stream.message().await {
                            Ok(Some(content)) => {
                                journal.note(&owner, &format!("item of {what}"), content.brief());
                                let item = Item { at: Instant::now(), content };
                                if sender.send(Arrival::Item(item)).is_err() {
                                    return;
                                }
                            }
                            Ok(None) => break Ending::Ok,
                            Err(status) if is_lost(&status) => break Ending::Lost(words(&status)),
                            Err(status) => break Ending::Status(status),
                        }
                    }
                }
                Err(status) => {
                    let lost = is_lost(&status);
                    noted.end(words(&status));
                    if lost { Ending::Lost(words(&status)) } else { Ending::Status(status) }
                }
            };
            journal.note(&owner, &format!("end of {what}"), ending.words());
            // The check may have stopped listening; then nobody needs to know.
            let _ = sender.send(Arrival::End(ending));
        });
        Self {
            trial,
            party,
            call,
            arrivals,
            headers,
            reads,
            ended: None,
            seen: BTreeSet::new(),
            copies: Vec::new(),
            opened: false,
            reader: reader.abort_handle(),
        }
    }

    /// Reads nothing more of it but the next item, until it reads on.
    pub(crate) fn stalls(&self) {
        self.reads.send_replace(false);
    }

    /// Reads it again.
    pub(crate) fn reads_on(&self) {
        self.reads.send_replace(true);
    }

    /// The next item of any kind, copies included; `None` when the time is over or the stream has
    /// ended.
    pub async fn item_until(&mut self, deadline: Instant) -> Option<Item<T>> {
        if self.ended.is_some() {
            return None;
        }
        match tokio::time::timeout_at(deadline, self.arrivals.recv()).await {
            Ok(Some(Arrival::Item(item))) => {
                self.opened = true;
                Some(item)
            }
            Ok(Some(Arrival::End(ending))) => {
                self.ended = Some(ending);
                None
            }
            Ok(None) => {
                self.ended = Some(Ending::Lost("the reader stopped".into()));
                None
            }
            Err(_) => None,
        }
    }

    /// The next item that is no copy of an earlier one of this feed. It must come. Patience begins
    /// anew with each copy, as long as these show a slow stream rather than one that goes round in
    /// circles.
    ///
    /// # Errors
    /// A finding if it does not come; `what` names it.
    pub async fn next(&mut self, what: &str) -> Result<T, Stop> {
        let since_new = self.trial.pace().wait();
        let patience = self.trial.pace().patience();
        let limit = Instant::now() + patience * CIRCLING_LIMIT;
        loop {
            let deadline = (Instant::now() + patience).min(limit);
            let Some(item) = self.item_until(deadline).await else {
                return Err(self.nothing(&since_new, what).await);
            };
            if self.seen.insert(item.content.id().to_owned()) {
                return Ok(item.content);
            }
            self.copies.push((item.content.id().to_owned(), item.at));
        }
    }

    /// What [`Feed::next`] has passed over: each copy, and when this side read it.
    pub(crate) fn copies(&self) -> &[(String, Instant)] {
        &self.copies
    }

    /// The check's world.
    pub(crate) fn trial(&self) -> &Trial {
        &self.trial
    }

    /// Why the stream's end proves nothing, if it was refused for lack of resources (FLW-3).
    pub(crate) fn overload(&self) -> Option<Stop> {
        match &self.ended {
            Some(ending @ Ending::Status(status)) if !self.opened && is_overload(status) => {
                let (who, call, words) = (&self.party, &self.call, ending.words());
                let why = format!("the target says that it is overloaded: {who}'s {call} {words}");
                Some(Stop::Inconclusive(why))
            }
            _ => None,
        }
    }

    async fn nothing(&self, wait: &Wait, what: &str) -> Stop {
        let who = format!("{}'s {}", self.party, self.call);
        if let Some(stop) = self.overload() {
            return stop;
        }
        match &self.ended {
            Some(Ending::Lost(why)) => Stop::Inconclusive(format!("{who} was lost: {why}")),
            Some(ending) => {
                Stop::broken(format!("{who} {} before {what} came", ending.words()), what)
            }
            None => {
                let waited = wait.elapsed().as_secs_f64();
                let seen =
                    format!("{who} brought nothing new for {waited:.1} s: {what} is missing");
                self.trial.missed(wait, seen, what).await
            }
        }
    }

    /// The next `count` items that are no copies. They must come.
    ///
    /// # Errors
    /// A finding if one does not come; `what` names them.
    pub async fn take(&mut self, count: usize, what: &str) -> Result<Vec<T>, Stop> {
        let mut items = Vec::with_capacity(count);
        while items.len() < count {
            items.push(self.next(&format!("{what} ({} of {count})", items.len() + 1)).await?);
        }
        Ok(items)
    }

    /// The items that came by the end of a quiet window, but for copies of earlier ones.
    pub async fn during_quiet(&mut self) -> Vec<T> {
        let deadline = Instant::now() + self.trial.pace().quiet();
        let mut items = Vec::new();
        while let Some(item) = self.item_until(deadline).await {
            if self.seen.insert(item.content.id().to_owned()) {
                items.push(item.content);
            }
        }
        items
    }

    /// Demands that nothing but copies of earlier items comes within a quiet window.
    ///
    /// # Errors
    /// A finding if something does; `accepted` says why it should not.
    pub async fn stays_quiet(&mut self, accepted: &str) -> Result<(), Stop> {
        match self.during_quiet().await.first() {
            None => Ok(()),
            Some(item) => {
                let seen = format!("{}'s {} brought {}", self.party, self.call, item.brief());
                Err(Stop::broken(seen, accepted))
            }
        }
    }

    /// How the stream ended, once it has and all its items are read.
    pub fn ending(&self) -> Option<&Ending> {
        self.ended.as_ref()
    }

    /// Waits for the end; items that come before it are dropped. `None` when the time is over.
    pub async fn end_until(&mut self, deadline: Instant) -> Option<&Ending> {
        while self.item_until(deadline).await.is_some() {}
        self.ended.as_ref()
    }

    /// Waits for the response headers; whether they came in time.
    pub async fn headers_within(&mut self, time: Duration) -> bool {
        let come = self.headers.wait_for(Option::is_some);
        matches!(tokio::time::timeout(time, come).await, Ok(Ok(_)))
    }

    /// What opening the stream came to, as a call's answer: one that brings something, ends with OK
    /// or stays open with its headers here was accepted.
    pub(crate) async fn opening(mut self) -> Answer<()> {
        let wait = self.trial.pace().wait();
        let brought = self.item_until(wait.deadline()).await.is_some();
        let fate = match &self.ended {
            Some(Ending::Status(status)) if !brought => Fate::Refused(status.clone()),
            Some(Ending::Lost(why)) if !brought => Fate::Lost(why.clone()),
            None if !brought && self.headers.borrow().is_none() => Fate::Unanswered(wait.elapsed()),
            _ => Fate::Accepted(()),
        };
        Answer { call: self.call.clone(), fate, trial: self.trial.clone(), excuse: None }
    }

    /// Demands that the stream is refused, by ending with a status before any item.
    ///
    /// # Errors
    /// A finding if it stays open, brings something or ends with OK.
    pub async fn refused(&mut self, usual: &[tonic::Code]) -> Result<(), Stop> {
        let names: Vec<_> = usual.iter().map(|code| crate::answer::code_name(*code)).collect();
        let names = names.join(" or ");
        let accepted = format!("a stream that ends with {names}");
        let who = format!("{}'s {}", self.party, self.call);
        let wait = self.trial.pace().wait();
        if let Some(item) = self.item_until(wait.deadline()).await {
            let seen = format!("{who} was opened and brought {}", item.content.brief());
            return Err(Stop::broken(seen, accepted));
        }
        match &self.ended {
            Some(Ending::Status(status)) => {
                // As of calls: it may break the rule that callers call in their own name as well.
                let by_identity = status.code() == tonic::Code::PermissionDenied
                    && self.trial.claims(Capability::Secure);
                if !usual.contains(&status.code()) && !by_identity {
                    self.trial.warn(format!("{who} ended with {}", words(status)), names);
                }
                Ok(())
            }
            Some(Ending::Ok) => Err(Stop::broken(format!("{who} ended with OK"), accepted)),
            Some(Ending::Lost(why)) => Err(Stop::Inconclusive(format!("{who} was lost: {why}"))),
            None => {
                let seen = format!("{who} stayed open for {:.1} s", wait.elapsed().as_secs_f64());
                Err(self.trial.missed(&wait, seen, accepted).await)
            }
        }
    }
}

impl Feed<MpcMessage> {
    /// Demands that these messages come next, in this order, apart from copies.
    ///
    /// # Errors
    /// A finding if one is missing, another one comes, or the order is another one.
    pub async fn brings(&mut self, expected: &[&Sent]) -> Result<Vec<MpcMessage>, Stop> {
        let mut messages = Vec::with_capacity(expected.len());
        for (index, sent) in expected.iter().enumerate() {
            let what = format!("message {} of {} ({})", index + 1, expected.len(), sent.id);
            let message = self.next(&what).await?;
            if message.message_id != sent.id {
                let seen = match expected.iter().position(|it| it.id == message.message_id) {
                    Some(place) => format!(
                        "{}'s stream brought message {} where message {} was due",
                        self.party,
                        place + 1,
                        index + 1
                    ),
                    None => format!(
                        "{}'s stream brought {} where {what} was due",
                        self.party,
                        message.brief()
                    ),
                };
                return Err(Stop::broken(
                    seen,
                    "the messages in the order in which they were routed",
                ));
            }
            messages.push(message);
        }
        Ok(messages)
    }

    /// Everything that comes before `fence` does, copies included. The fence must come.
    ///
    /// # Errors
    /// A finding if the fence does not come.
    pub async fn up_to(&mut self, fence: &Sent) -> Result<Vec<MpcMessage>, Stop> {
        let mut messages = Vec::new();
        loop {
            let wait = self.trial.pace().wait();
            let Some(item) = self.item_until(wait.deadline()).await else {
                let what = format!("message {}, routed last", fence.id);
                return Err(self.nothing(&wait, &what).await);
            };
            self.seen.insert(item.content.message_id.clone());
            if item.content.message_id == fence.id {
                return Ok(messages);
            }
            messages.push(item.content);
        }
    }
}

impl Feed<SessionEvent> {
    /// The next event that is `wanted`, copies included; all others are passed over. It must come.
    ///
    /// # Errors
    /// A finding if it does not come; `what` names it.
    pub async fn next_wanted(
        &mut self,
        wanted: impl Fn(&SessionEvent) -> bool,
        what: &str,
    ) -> Result<SessionEvent, Stop> {
        let wait = self.trial.pace().wait();
        loop {
            match self.item_until(wait.deadline()).await {
                Some(item) if wanted(&item.content) => return Ok(item.content),
                Some(_) => {}
                None => return Err(self.nothing(&wait, what).await),
            }
        }
    }

    /// Demands that no event that is `unwanted` comes within a quiet window.
    ///
    /// # Errors
    /// A finding if one does; `accepted` says why it should not.
    pub async fn is_without(
        &mut self,
        unwanted: impl Fn(&SessionEvent) -> bool,
        accepted: &str,
    ) -> Result<(), Stop> {
        let deadline = Instant::now() + self.trial.pace().quiet();
        while let Some(item) = self.item_until(deadline).await {
            if unwanted(&item.content) {
                let brief = item.content.brief();
                let seen = format!("{}'s {} brought {brief}", self.party, self.call);
                return Err(Stop::broken(seen, accepted));
            }
        }
        Ok(())
    }
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
