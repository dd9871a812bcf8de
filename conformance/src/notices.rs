//! Where a target's notifications arrive: kept by party, and answered as a check wants it (OFF).

mod listening;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::StatusCode;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

pub use listening::Listening;

/// What is kept of a request that is no notification, in characters.
const GARBLED_LIMIT: usize = 2_000;

/// How many of these are kept.
const GARBLED_KEPT: usize = 50;

/// Where a target's notifications arrive. Clones are the same place.
///
/// They come by HTTP to where it [listens](Notices::listen), or straight from a gateway in this
/// process by [`post`](Notices::post).
#[derive(Clone, Debug)]
pub struct Notices(Arc<Place>);

#[derive(Debug)]
struct Place {
    desk: Mutex<Desk>,
    /// Counts what happens here, so that it can be waited for.
    changed: watch::Sender<u64>,
    url: Option<String>,
}

#[derive(Debug, Default)]
struct Desk {
    kept: BTreeMap<String, Vec<Notice>>,
    garbled: Vec<String>,
    orders: BTreeMap<String, Order>,
}

/// A notification, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// When.
    pub at: Instant,
    /// Over which channel the party is to be told.
    pub channel: String,
    /// Where on this channel.
    pub address: String,
    /// Who is to be told.
    pub party_id: String,
    /// Of which session.
    pub session_id: String,
    /// Whether it was answered with success, and the answer has left. One that was not is to come
    /// again.
    pub taken: bool,
    /// All that was sent, whatever is in it.
    pub text: String,
}

/// The body of a notification. A later version may add fields.
#[derive(Deserialize)]
struct Told {
    channel: String,
    address: String,
    party_id: String,
    session_id: String,
}

/// A notification that was kept, by its place among those of its party.
#[derive(Debug)]
struct Attempt {
    party_id: String,
    place: usize,
}

/// What a notification is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The party is told.
    Taken(StatusCode),
    /// Not now.
    Refused(StatusCode),
    /// This is no notification.
    Garbled,
}

/// Any 2xx is success: a party's notifications are answered with one after the other.
const TAKEN: [StatusCode; 3] = [StatusCode::OK, StatusCode::ACCEPTED, StatusCode::NO_CONTENT];

/// And nothing else is.
const REFUSED: [StatusCode; 4] = [
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::BAD_GATEWAY,
];

impl Reply {
    /// Its HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Taken(status) | Self::Refused(status) => status,
            Self::Garbled => StatusCode::BAD_REQUEST,
        }
    }
}

/// What becomes of the notifications to one party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// So many of each channel are refused.
    Refuse(usize),
    /// None is answered.
    Hang,
}

impl Default for Notices {
    fn default() -> Self {
        Self::at(None)
    }
}

impl Notices {
    fn at(url: Option<String>) -> Self {
        let (changed, _) = watch::channel(0);
        Self(Arc::new(Place { desk: Mutex::default(), changed, url }))
    }

    /// Where the target has to send them, if it is by HTTP.
    pub fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }

    /// Takes the body of one notification. It does not return as long as a check lets the gateway
    /// hang.
    pub async fn post(&self, body: &[u8]) -> Reply {
        let (reply, attempt) = self.receive(body, "").await;
        if let Some(attempt) = attempt {
            self.answered(&attempt);
        }
        reply
    }

    /// The same, where `head` is what else was sent with it. With [`Reply::Taken`] comes what
    /// counts as told once the answer has left: whoever does not get it sends a copy.
    async fn receive(&self, body: &[u8], head: &str) -> (Reply, Option<Attempt>) {
        let text = format!("{head}{}", String::from_utf8_lossy(body));
        let Ok(told) = serde_json::from_slice::<Told>(body) else {
            self.keep_garbled(&text);
            return (Reply::Garbled, None);
        };
        let party = told.party_id.clone();
        let (reply, attempt) = self.keep(told, text);
        match reply {
            Some(reply @ Reply::Taken(_)) => return (reply, Some(attempt)),
            Some(reply) => return (reply, None),
            None => {}
        }
        let mut changes = self.0.changed.subscribe();
        let hangs = |desk: &Desk| desk.orders.get(&party) == Some(&Order::Hang);
        while hangs(&self.desk()) {
            if changes.changed().await.is_err() {
                break;
            }
        }
        // Whoever sent it may have given up meanwhile, so it must not count as told.
        (Reply::Refused(StatusCode::SERVICE_UNAVAILABLE), None)
    }

    /// The answer has left.
    fn answered(&self, attempt: &Attempt) {
        let mut desk = self.desk();
        let kept = desk.kept.get_mut(&attempt.party_id);
        if let Some(notice) = kept.and_then(|kept| kept.get_mut(attempt.place)) {
            notice.taken = true;
        }
        self.tell_change();
    }

    /// Keeps it, and gives the answer; none if it is to hang.
    fn keep(&self, told: Told, text: String) -> (Option<Reply>, Attempt) {
        let mut desk = self.desk();
        let desk = &mut *desk;
        let before = desk.kept.entry(told.party_id.clone()).or_default();
        let refused = before.iter().filter(|it| {
            !it.taken && it.session_id == told.session_id && it.channel == told.channel
        });
        let reply = match desk.orders.get(&told.party_id) {
            Some(Order::Hang) => None,
            Some(Order::Refuse(times)) if refused.count() < *times => {
                Some(Reply::Refused(REFUSED[before.len() % REFUSED.len()]))
            }
            Some(Order::Refuse(_)) | None => Some(Reply::Taken(TAKEN[before.len() % TAKEN.len()])),
        };
        let attempt = Attempt { party_id: told.party_id.clone(), place: before.len() };
        before.push(Notice {
            at: Instant::now(),
            channel: told.channel,
            address: told.address,
            party_id: told.party_id,
            session_id: told.session_id,
            taken: false,
            text,
        });
        self.tell_change();
        (reply, attempt)
    }

    fn keep_garbled(&self, text: &str) {
        let mut desk = self.desk();
        if desk.garbled.len() < GARBLED_KEPT {
            desk.garbled.push(text.chars().take(GARBLED_LIMIT).collect());
        }
        self.tell_change();
    }

    /// What came for this party, the oldest first.
    pub fn of(&self, party_id: &str) -> Vec<Notice> {
        self.desk().kept.get(party_id).cloned().unwrap_or_default()
    }

    /// What came that is no notification.
    pub fn garbled(&self) -> Vec<String> {
        self.desk().garbled.clone()
    }

    /// Refuses the first so many of each session and channel that come for this party.
    pub fn refuse(&self, party_id: &str, times: usize) {
        self.desk().orders.insert(party_id.to_owned(), Order::Refuse(times));
    }

    /// Answers nothing that comes for this party, until it is released.
    pub fn hang(&self, party_id: &str) {
        self.desk().orders.insert(party_id.to_owned(), Order::Hang);
    }

    /// Refuses what hangs, and takes what comes from now on.
    pub fn release(&self, party_id: &str) {
        self.desk().orders.remove(party_id);
        self.tell_change();
    }

    fn tell_change(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().expect("nobody panics with it")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(party: &str, channel: &str) -> String {
        format!(
            r#"{{"channel":"{channel}","address":"a","party_id":"{party}","session_id":"s","x":1}}"#
        )
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_is_kept_and_answered_as_wanted() {
        let notices = Notices::default();
        let post =
            async |party: &str, channel: &str| notices.post(told(party, channel).as_bytes()).await;
        for status in TAKEN {
            assert_eq!(post("alice", "email").await, Reply::Taken(status));
        }
        notices.refuse("bob", 2);
        let (first, second) = (Reply::Refused(REFUSED[0]), Reply::Refused(REFUSED[1]));
        for reply in [first, second, Reply::Taken(TAKEN[2])] {
            assert_eq!(post("bob", "email").await, reply);
        }
        assert_eq!(post("bob", "phone").await, Reply::Refused(REFUSED[3]));
        let of_bob = notices.of("bob");
        assert_eq!(
            of_bob.iter().map(|it| it.taken).collect::<Vec<_>>(),
            [false, false, true, false]
        );
        assert_eq!(of_bob[3].channel, "phone");
        assert_eq!(notices.of("carol"), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_refused_when_it_is_released() {
        let notices = Notices::default();
        notices.hang("bob");
        let hanging = tokio::spawn({
            let notices = notices.clone();
            async move { notices.post(told("bob", "email").as_bytes()).await }
        });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!hanging.is_finished());
        let taken = Reply::Taken(TAKEN[0]);
        assert_eq!(notices.post(told("alice", "email").as_bytes()).await, taken);
        notices.release("bob");
        assert_eq!(hanging.await.unwrap(), Reply::Refused(REFUSED[0]));
        assert!(!notices.of("bob")[0].taken);
    }

    #[tokio::test]
    async fn what_is_no_notification_is_kept_as_well() {
        let notices = Notices::default();
        assert_eq!(notices.post(br#"{"channel":"email"}"#).await, Reply::Garbled);
        assert_eq!(notices.post(b"hello").await, Reply::Garbled);
        assert_eq!(notices.garbled(), [r#"{"channel":"email"}"#, "hello"]);
    }
}
