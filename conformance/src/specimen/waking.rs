//! Notifications to parties that are away: OFF.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::StatusCode;
use mpc_router_proto::v1::{NotificationChannel, RouteMessageRequest};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::routing::Arrival;
use super::state::{Number, State};
use super::{Fault, Twist, Variant};
use crate::notices::Notices;
use crate::printed::Printed;

/// How long after a failure a notification is tried again; the time doubles with each.
const RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// How long a slow gateway takes to set out.
const SLOW: Duration = Duration::from_millis(1_200);

/// For how long a call waits for a gateway that does not answer, where a fault lets it wait.
const WAITS: Duration = Duration::from_millis(300);

/// For how long a fault believes what it knew of who is online.
const STALE: Duration = Duration::from_millis(700);

/// What waking needs of the router's state.
#[derive(Debug, Default)]
pub(super) struct Waking {
    /// Where notifications are sent. Without it none is raised.
    pub(super) notices: Option<Notices>,
    of: BTreeMap<String, Absence>,
    /// What only a fault has: the one who sends everything.
    sender: Arc<Mutex<()>>,
    /// What only a fault asks for: what the call under way has to wait for.
    awaited: Vec<Errand>,
}

/// What is known of a party that is, or was, away.
#[derive(Debug, Default)]
struct Absence {
    /// The sessions of which it has been told since it last came back, and when.
    told: BTreeMap<String, Instant>,
    /// How often it has come back: what has set out before is not wanted any more.
    returns: Arc<AtomicU64>,
    /// What only faults ask for: when it last came back, and the channels that it once gave.
    returned_at: Option<Instant>,
    first_channels: Option<NotificationChannel>,
    latest_channels: Option<NotificationChannel>,
}

/// One notification on its way.
#[derive(Debug)]
pub(super) struct Errand {
    notices: Notices,
    body: Vec<u8>,
    is_first_channel: bool,
    returns: Arc<AtomicU64>,
    returned_before: u64,
    sender: Arc<Mutex<()>>,
    twist: Arc<Twist>,
    printed: Printed,
}

#[derive(Serialize)]
struct Body<'a> {
    channel: &'a str,
    address: &'a str,
    party_id: &'a str,
    session_id: &'a str,
    /// Only a fault sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<String>,
}

impl State {
    /// Whom of these the right specimen would tell of a message if it came now. Only a fault asks
    /// for it before it is there.
    pub(super) fn to_be_told(&self, request: &RouteMessageRequest) -> BTreeSet<String> {
        if !self.has(Fault::ToldRace) {
            return BTreeSet::new();
        }
        let (session_id, broadcast) = (&request.session_id, request.to_parties.is_empty());
        let recipients = self.recipients(request).into_iter();
        recipients.filter(|name| self.is_to_be_told(session_id, broadcast, name)).collect()
    }

    /// The message has become outstanding for the party: OFF-2, OFF-3.
    pub(super) fn raise(&mut self, number: Number, name: &str, arrival: &Arrival) {
        let Some(notices) = self.waking.notices.clone() else { return };
        if self.is(Variant::NoNotifications) {
            return;
        }
        let content = &self.messages[number].content;
        let (session_id, broadcast) = (content.session_id.clone(), content.is_broadcast);
        // OFF-2: what is decided now, not what was the case when the call arrived.
        if !self.is_to_be_told(&session_id, broadcast, name) && !arrival.to_be_told.contains(name) {
            return;
        }
        if self.has(Fault::NotifiesOnEmptyMailbox) && self.outstanding(&session_id, name).len() > 1
        {
            return;
        }
        let mut channels = self.channels_of(name);
        if self.has(Fault::NotifiesFirstChannelOnly) {
            channels.truncate(1);
        }
        let (sender, twist) = (self.waking.sender.clone(), self.twist.clone());
        let absence = self.waking.of.entry(name.to_owned()).or_default();
        absence.told.insert(session_id.clone(), Instant::now());
        let returns = absence.returns.clone();
        let mut told = Vec::new();
        for (place, (channel, address)) in channels.into_iter().enumerate() {
            let payload = &self.messages[number].content.payload;
            let preview = if self.twist.has(Fault::NotificationShowsPayload) {
                Some(String::from_utf8_lossy(payload).into_owned())
            } else {
                self.twist.has(Fault::NotificationCarriesMessage).then(|| BASE64.encode(payload))
            };
            let (address, party_id, session_id) = (&address, name, &session_id);
            let body = Body { channel, address, party_id, session_id, preview };
            let body = serde_json::to_vec(&body).expect("text is JSON");
            told.push(body.clone());
            let errand = Errand {
                notices: notices.clone(),
                body,
                is_first_channel: place == 0,
                returned_before: returns.load(Ordering::Relaxed),
                returns: returns.clone(),
                sender: sender.clone(),
                twist: twist.clone(),
                printed: self.printed.clone(),
            };
            // OFF-4: nobody waits for it.
            if twist.has(Fault::RoutingWaitsForNotification)
                || twist.has(Fault::RoutingFailsWithNotification)
                || twist.has(Fault::GatewayFailurePassedOn)
            {
                self.waking.awaited.push(errand);
            } else {
                tokio::spawn(errand.runs());
            }
        }
        told.iter().for_each(|body| self.note_notification(name, body));
    }

    /// What the call under way has to wait for. Only faults have something.
    pub(super) fn awaited_errands(&mut self) -> Vec<Errand> {
        std::mem::take(&mut self.waking.awaited)
    }

    fn is_to_be_told(&self, session_id: &str, broadcast: bool, name: &str) -> bool {
        let Some(party) = self.party(name) else { return false };
        let absence = self.waking.of.get(name);
        // OFF-3: not who is online.
        let mut away = !self.is_online(party) || self.has(Fault::NotifiesOnlineParties);
        if self.has(Fault::NotifiesWhoHasNoStream) {
            away = self.subscriptions.iter().all(|stream| stream.party != name);
        }
        if self.has(Fault::NotifiesByStalePresence) {
            let returned = absence.and_then(|absence| absence.returned_at);
            away |= returned.is_some_and(|returned| returned.elapsed() < STALE);
        }
        if !away || self.channels_of(name).is_empty() {
            return false;
        }
        if self.has(Fault::NotifiesOfUnicastsOnly) && broadcast {
            return false;
        }
        // OFF-2: once a session.
        let none = BTreeMap::new();
        let told = absence.map_or(&none, |absence| &absence.told);
        if self.has(Fault::NotifiesOfEachMessage) {
            return true;
        }
        if self.has(Fault::NotifiesOnceForAllSessions) {
            return told.is_empty();
        }
        match told.get(session_id) {
            None => true,
            Some(at) => {
                self.has(Fault::ToldMarkExpires) && at.elapsed() > self.settings.heartbeat_timeout
            }
        }
    }

    /// A party's channels that have an address. OFF-5: those of its last registration.
    fn channels_of(&self, name: &str) -> Vec<(&'static str, String)> {
        let absence = self.waking.of.get(name);
        let mut channels = self.party(name).and_then(|party| party.notification.as_ref());
        if self.has(Fault::NotifiesByFirstRegistration) {
            channels = absence.and_then(|absence| absence.first_channels.as_ref());
        }
        if self.has(Fault::RemovedChannelStillUsed) {
            channels = absence.and_then(|absence| absence.latest_channels.as_ref());
        }
        let none = NotificationChannel::default();
        let channels = match channels {
            Some(channels) => channels,
            None if self.has(Fault::NotifiesWithoutAddress) => &none,
            None => return Vec::new(),
        };
        [
            ("email", &channels.email),
            ("phone", &channels.phone),
            ("push_token", &channels.push_token),
        ]
        .into_iter()
        .filter(|(_, address)| !address.is_empty() || self.has(Fault::NotifiesWithoutAddress))
        .map(|(channel, address)| (channel, address.clone()))
        .collect()
    }

    /// The party has registered, for the first time or again: that is a return.
    pub(super) fn has_registered(&mut self, name: &str, channels: Option<&NotificationChannel>) {
        let absence = self.waking.of.entry(name.to_owned()).or_default();
        if absence.first_channels.is_none() {
            absence.first_channels = channels.cloned();
        }
        if channels.is_some_and(|it| *it != NotificationChannel::default()) {
            absence.latest_channels = channels.cloned();
        }
        self.comes_back(name);
    }

    /// The party has heartbeaten, polled or subscribed: whatever it missed, it will be told of anew.
    pub(super) fn comes_back(&mut self, name: &str) {
        let absence = self.waking.of.entry(name.to_owned()).or_default();
        absence.told.clear();
        absence.returned_at = Some(Instant::now());
        absence.returns.fetch_add(1, Ordering::Relaxed);
    }

    /// OFF-2: an acknowledgement is no return. Only a fault takes it for one.
    pub(super) fn told_anew_after_ack(&mut self, name: &str) {
        if self.has(Fault::AckClearsToldMark)
            && let Some(absence) = self.waking.of.get_mut(name)
        {
            absence.told.clear();
        }
    }

    /// OFF-1: nothing is lost for who can be told. Only a fault keeps the latest alone.
    pub(super) fn collapse(&mut self, number: Number, name: &str) {
        if !self.has(Fault::CollapsesWhileAway) || !self.can_be_told(name) {
            return;
        }
        let of = |number: Number| {
            let content = &self.messages[number].content;
            (&content.session_id, &content.from_party)
        };
        let session_id = of(number).0;
        let older: BTreeSet<Number> = self
            .outstanding(session_id, name)
            .into_iter()
            .filter(|other| *other != number && of(*other) == of(number))
            .collect();
        for other in older {
            self.take_out(other, name);
        }
    }

    /// Whether the party is away and has a channel.
    pub(super) fn can_be_told(&self, name: &str) -> bool {
        self.party(name).is_some_and(|party| !self.is_online(party))
            && !self.channels_of(name).is_empty()
    }
}

impl Errand {
    /// Tries until it is brought or not wanted any more: OFF-4.
    async fn runs(self) {
        if self.twist.is(Variant::SlowNotifications) {
            sleep(SLOW).await;
        }
        let sender = self.sender.clone();
        let _alone = match self.twist.has(Fault::HangingGatewayHoldsUpAll) {
            true => Some(sender.lock().await),
            false => None,
        };
        let slow = self.twist.is(Variant::SlowRetries);
        let (mut wait, longest) =
            if slow { (LONGEST_RETRY, LONGEST_RETRY * 4) } else { (RETRY, LONGEST_RETRY) };
        let mut tries = 1;
        while self.is_wanted() {
            let status = self.notices.post(&self.body).await.status();
            if !self.is_brought(status) {
                self.note_failure();
            }
            let final_one = !status.is_server_error();
            let given_up = self.twist.has(Fault::NotificationTriedOnce)
                || (self.twist.has(Fault::NotificationTriedTwice) && tries == 2)
                || (self.twist.has(Fault::OnlyServerErrorsAreRetried) && final_one)
                || (self.twist.has(Fault::RetriesFirstChannelOnly) && !self.is_first_channel);
            if self.is_brought(status) || given_up {
                return;
            }
            sleep(wait).await;
            wait = longest.min(wait * 2);
            tries += 1;
            // What failed may have been brought, so a copy is no harm.
            if self.twist.is(Variant::NotificationCopyAfterFailure) && self.is_wanted() {
                self.notices.post(&self.body).await;
            }
        }
    }

    /// OFF-4: any 2xx is success, and nothing else is.
    fn is_brought(&self, status: StatusCode) -> bool {
        status == StatusCode::OK
            || (status.is_success() && !self.twist.has(Fault::Only200IsSuccess))
    }

    /// SEC-7: it is told without what was to be sent.
    fn note_failure(&self) {
        self.printed.add(b"a notification failed\n");
        if self.twist.has(Fault::FailedNotificationLogged) {
            self.printed.add(&self.body);
        }
    }

    fn is_wanted(&self) -> bool {
        self.returns.load(Ordering::Relaxed) == self.returned_before
    }

    /// Tries once, for a while, and goes on beside the call. Tells whether it was brought.
    pub(super) async fn begins(self) -> bool {
        let brought = timeout(WAITS, self.runs_once()).await.unwrap_or(false);
        if !brought {
            tokio::spawn(async move {
                sleep(RETRY).await;
                self.runs().await;
            });
        }
        brought
    }

    /// Tries once, and tells whether it was brought.
    pub(super) async fn runs_once(&self) -> bool {
        self.is_brought(self.notices.post(&self.body).await.status())
    }
}
