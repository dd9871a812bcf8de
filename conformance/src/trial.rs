//! One check's own world on a target: its parties, its sessions, its evidence.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpc_router_proto::v1::message_router_client::MessageRouterClient;
use mpc_router_proto::v1::{GetRegisteredPartiesRequest, RegisterPartyRequest, SessionEvent};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::clock::Clock;
use crate::connect::{Cut, Door};
use crate::identity::{NoIdentity, Shown};
use crate::journal::Journal;
use crate::means::Means;
use crate::notices::Notices;
use crate::outcome::{Finding, Stop};
use crate::pace::{Pace, Wait};
use crate::party::Party;
use crate::power::Power;
use crate::printed::Printed;
use crate::profile::Timers;
use crate::remembering::Remembering;
use crate::requirement::Capability;

/// A target that takes longer than this for an idle call cannot be blamed for being late.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// Everything that all checks of a run share.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The way to the target.
    pub door: Door,
    /// What the target's timers and limits are.
    pub timers: Timers,
    /// What the target claims besides `core`.
    pub capabilities: Vec<Capability>,
    /// What the suite has of it besides the way to it.
    pub means: Means,
    /// The longest of the target's timers that this run waits for.
    pub timer_limit: Duration,
    /// Whether a part of a check may take as long as `message_ttl`: where others of this run take
    /// as long anyway, or where there are no others.
    pub is_long: bool,
    /// How long to wait.
    pub pace: Pace,
    /// The time, as the suite has it.
    pub clock: Clock,
    /// What names and random choices derive from.
    pub seed: u64,
    /// Tells the names of this run from those of every other run on the same living target.
    pub run: String,
}

/// One check's own world on a target. Clones are the same world.
#[derive(Clone, Debug)]
pub struct Trial(Arc<World>);

#[derive(Debug)]
struct World {
    ground: Ground,
    tag: String,
    journal: Journal,
    remembering: Remembering,
    warnings: Mutex<Vec<Finding>>,
    unnamed: AtomicU32,
    /// Of all parties, where the target cannot see who calls.
    channel: Channel,
    /// The names of parties, by label, where only certain names have certificates.
    named: Mutex<BTreeMap<String, String>>,
    /// Why a party could not call.
    lacking: Mutex<Option<NoIdentity>>,
}

/// A session that was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its `session_id`.
    pub id: String,
}

impl Trial {
    /// A world of its own for the requirement `id`; `attempt` tells repeated ones apart.
    pub fn new(ground: &Ground, id: &str, attempt: u32) -> Self {
        let short = id.to_ascii_lowercase().replace('-', "");
        let again = if attempt == 0 { String::new() } else { format!("r{attempt}") };
        Self(Arc::new(World {
            ground: ground.clone(),
            tag: format!("{}-{short}{again}", ground.run),
            journal: Journal::new(),
            remembering: Remembering::new(&ground.timers),
            warnings: Mutex::default(),
            unnamed: AtomicU32::new(0),
            channel: ground.door.connect(),
            named: Mutex::default(),
            lacking: Mutex::default(),
        }))
    }

    /// A name that nobody else on the target has: for a party or a session.
    pub fn name(&self, label: &str) -> String {
        format!("{}-{label}", self.0.tag)
    }

    /// A party under a name of its own that has not registered.
    pub fn stranger(&self, label: &str) -> Party {
        let id = self.party_name(label);
        let channel = self.connection_of(&id);
        Party::new(self.clone(), id, channel)
    }

    /// A party of this name that shows something else of itself when it connects, or nothing.
    ///
    /// # Errors
    /// If it has no such certificate.
    pub(crate) fn showing(&self, id: &str, shown: Shown) -> Result<Party, NoIdentity> {
        let channel = self.door().showing(shown)?.connect();
        Ok(Party::new(self.clone(), id.into(), channel))
    }

    /// The same on this connection, where parties can share one.
    pub(crate) fn stranger_on(&self, label: &str, shared: &Channel) -> Party {
        match self.door().tells_who_calls() {
            true => self.stranger(label),
            false => Party::new(self.clone(), self.party_name(label), shared.clone()),
        }
    }

    /// The name of a party: one that nobody else on the target has.
    fn party_name(&self, label: &str) -> String {
        let mut named = self.0.named.lock().expect("nobody panics with it");
        if let Some(name) = named.get(label) {
            return name.clone();
        }
        match self.0.ground.door.next_name() {
            None => self.name(label),
            Some(Ok(name)) => {
                named.insert(label.into(), name.clone());
                name
            }
            Some(Err(why)) => {
                self.lacks(why);
                self.name(label)
            }
        }
    }

    /// The connection that a party has if it needs none of its own: where the target can see who
    /// calls, each has one.
    fn connection_of(&self, party: &str) -> Channel {
        match self.door().tells_who_calls() {
            true => self.door_of(party).connect(),
            false => self.0.channel.clone(),
        }
    }

    /// The way to the target for this party.
    pub fn door_of(&self, party: &str) -> Door {
        self.0.ground.door.named(party).unwrap_or_else(|why| {
            self.lacks(why);
            // What it has to say is not listened to any more.
            self.door().clone()
        })
    }

    /// Notes that a party cannot call, so that the check says nothing.
    fn lacks(&self, why: NoIdentity) {
        self.0.lacking.lock().expect("nobody panics with it").get_or_insert(why);
    }

    /// Why the check says nothing, if a party could not call.
    pub(crate) fn lacking(&self) -> Option<NoIdentity> {
        self.0.lacking.lock().expect("nobody panics with it").clone()
    }

    /// A registered party.
    ///
    /// # Errors
    /// If it could not be registered.
    pub async fn party(&self, label: &str) -> Result<Party, Stop> {
        self.party_as(label, "persistent").await
    }

    /// A registered party under a name that a target may refuse; none if it does.
    ///
    /// # Errors
    /// If nobody knows whether it was registered.
    pub(crate) async fn party_if_taken(&self, label: &str) -> Result<Option<Party>, Stop> {
        let party = self.stranger(label);
        match party.register("persistent").await.prepared() {
            Err(Stop::NotChecked(_)) => Ok(None),
            answer => answer.map(|_| Some(party)),
        }
    }

    /// A registered party of the role given.
    ///
    /// # Errors
    /// If it could not be registered.
    pub async fn party_as(&self, label: &str, role: &str) -> Result<Party, Stop> {
        let party = self.stranger(label);
        party.register(role).await.prepared()?;
        Ok(party)
    }

    /// Registered parties, as many as there are labels.
    ///
    /// # Errors
    /// If one could not be registered.
    pub async fn parties<const N: usize>(&self, labels: [&str; N]) -> Result<[Party; N], Stop> {
        let mut parties = Vec::with_capacity(N);
        for label in labels {
            parties.push(self.party(label).await?);
        }
        Ok(parties.try_into().expect("one party a label"))
    }

    /// A registered party with a connection of its own, and the means to break it.
    ///
    /// # Errors
    /// If it could not be registered.
    pub async fn party_cuttable(&self, label: &str) -> Result<(Party, Cut), Stop> {
        let id = self.party_name(label);
        let (channel, cut) = self.door_of(&id).connect_cuttable();
        let party = Party::new(self.clone(), id, channel);
        party.register("persistent").await.prepared()?;
        Ok((party, cut))
    }

    /// The party that publishes session events.
    pub fn coordinator(&self) -> Party {
        // The door is the coordinator's.
        Party::new(self.clone(), self.door().coordinator().into(), self.0.channel.clone())
    }

    /// Announces a session with these members.
    ///
    /// # Errors
    /// If it could not be announced.
    pub async fn session(&self, label: &str, members: &[&Party]) -> Result<Session, Stop> {
        self.session_named(self.name(label), members).await
    }

    /// Announces a session under a name that a target may refuse; none if it does.
    ///
    /// # Errors
    /// If nobody knows whether it was announced.
    pub(crate) async fn session_if_taken(
        &self,
        label: &str,
        members: &[&Party],
    ) -> Result<Option<Session>, Stop> {
        match self.session(label, members).await {
            Err(Stop::NotChecked(_)) => Ok(None),
            session => session.map(Some),
        }
    }

    /// Announces a session under exactly the name given.
    ///
    /// # Errors
    /// If it could not be announced.
    pub async fn session_named(&self, id: String, members: &[&Party]) -> Result<Session, Stop> {
        let event = SessionEvent {
            event_type: "session_created".into(),
            session_id: id.clone(),
            threshold_n: i32::try_from(members.len()).unwrap_or(i32::MAX),
            threshold_t: 1,
            selected_parties: members.iter().map(|party| party.id.clone()).collect(),
            ..Default::default()
        };
        self.coordinator().publish(event).await.prepared()?;
        Ok(Session { id })
    }

    /// The target's timers and limits.
    pub fn timers(&self) -> &Timers {
        &self.0.ground.timers
    }

    /// Whether the target claims this.
    pub fn claims(&self, capability: Capability) -> bool {
        capability == Capability::Core || self.0.ground.capabilities.contains(&capability)
    }

    /// The waits of this run.
    pub fn pace(&self) -> &Pace {
        &self.0.ground.pace
    }

    /// The way to the target.
    pub fn door(&self) -> &Door {
        &self.0.ground.door
    }

    /// Where the target's notifications arrive.
    ///
    /// # Errors
    /// Not checked, if it was not set up to send them to the suite.
    pub(crate) fn notices(&self) -> Result<&Notices, Stop> {
        self.0.ground.means.notices.as_ref().ok_or_else(|| {
            Stop::NotChecked(
                "the suite does not know where the target sends its notifications: choose an \
                 address, set the target up to POST them there, and tell it in the profile as \
                 notifications.listen; in a command that the suite starts, {notify} stands for it"
                    .into(),
            )
        })
    }

    /// The suite's clock.
    pub fn clock(&self) -> &Clock {
        &self.0.ground.clock
    }

    /// What the target prints, where the suite sees that.
    pub(crate) fn printed(&self) -> Option<&Printed> {
        self.0.ground.means.printed.as_ref()
    }

    /// Means to stop, kill and start the target.
    ///
    /// # Errors
    /// Not checked, if the suite has none.
    pub fn power(&self) -> Result<Power, Stop> {
        self.0.ground.means.power.clone().ok_or_else(|| {
            Stop::NotChecked(
                "it takes a target that the suite can stop, kill and start again: name its command \
                 by exec: or by target.start in the profile, with {data} where it takes the folder \
                 of its store, or with that folder as target.data"
                    .into(),
            )
        })
    }

    /// What became of which messages the target must know.
    pub(crate) fn remembering(&self) -> &Remembering {
        &self.0.remembering
    }

    /// What was called so far.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// Random choices of this check: the same for the same seed.
    pub fn random(&self, purpose: &str) -> ChaCha20Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.0.ground.seed.to_le_bytes());
        for (index, byte) in self.0.tag.rsplit('-').next().unwrap_or_default().bytes().enumerate() {
            seed[8 + index % 12] = seed[8 + index % 12].rotate_left(3) ^ byte;
        }
        for (index, byte) in purpose.bytes().enumerate() {
            seed[20 + index % 12] = seed[20 + index % 12].rotate_left(3) ^ byte;
        }
        ChaCha20Rng::from_seed(seed)
    }

    /// A number that this check has not had before.
    pub fn number(&self) -> u32 {
        self.0.unnamed.fetch_add(1, Ordering::Relaxed)
    }

    /// A payload that is like no other one of this check, of the length given. Bytes.
    pub fn payload(&self, length: usize) -> bytes::Bytes {
        let number = self.number();
        let mut bytes = vec![0; length];
        self.random(&format!("payload {number}")).fill_bytes(&mut bytes);
        bytes.into()
    }

    /// Notes that a SHOULD was broken beside what the check is about.
    pub fn warn(&self, seen: String, accepted: String) {
        let mut warnings = self.0.warnings.lock().expect("nobody panics with it");
        warnings.push(Finding { seen, accepted });
    }

    /// What was warned of.
    pub fn warnings(&self) -> Vec<Finding> {
        self.0.warnings.lock().expect("nobody panics with it").clone()
    }

    /// Demands that `timer`, one of the target's, is not too long for this run to wait for.
    ///
    /// # Errors
    /// Not checked, if the timer is longer than the run may wait.
    pub fn can_wait_for(&self, name: &str, timer: Duration) -> Result<(), Stop> {
        let limit = self.0.ground.timer_limit;
        if timer > limit {
            return Err(Stop::NotChecked(format!(
                "{name} is {}, and this run waits for timers of at most {}: give the target a \
                 shorter one and tell it in the profile, or raise --timer-limit",
                span(timer),
                span(limit)
            )));
        }
        Ok(())
    }

    /// Whether a check may wait for `message_ttl` beside what else it does.
    pub(crate) fn waits_for_ttl(&self) -> bool {
        let ttl = self.timers().message_ttl();
        self.0.ground.is_long && self.can_wait_for("message_ttl", ttl).is_ok()
    }

    /// Sleeps.
    pub async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Repeats `look` until it gives something, as long as patience lasts.
    ///
    /// # Errors
    /// What `look` failed with, or a finding: `seen` tells what it was at the last look.
    pub async fn until<T, F>(&self, accepted: &str, mut look: impl FnMut() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<Result<T, String>, Stop>>,
    {
        let wait = self.pace().wait();
        loop {
            let seen = match look().await? {
                Ok(found) => return Ok(found),
                Err(seen) => seen,
            };
            if Instant::now() >= wait.deadline() {
                let waited = wait.elapsed().as_secs_f64();
                return Err(self
                    .missed(&wait, format!("{seen}, after {waited:.1} s"), accepted)
                    .await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What to say when something that must happen did not within a wait: a finding, unless the
    /// machine or the connection is to blame.
    pub async fn missed(
        &self,
        wait: &Wait,
        seen: impl Into<String>,
        accepted: impl Into<String>,
    ) -> Stop {
        match self.excuse(wait).await {
            Some(why) => Stop::Inconclusive(why),
            None => Stop::broken(seen, accepted),
        }
    }

    /// Why the target cannot be blamed for what was not seen within a wait, if it cannot.
    pub(crate) async fn excuse(&self, wait: &Wait) -> Option<String> {
        if let Some(stall) = wait.stalled() {
            return Some(wait.told(stall));
        }
        let mut client = MessageRouterClient::new(self.0.ground.door.connect());
        let request =
            GetRegisteredPartiesRequest { role_filter: "temporary".into(), only_online: true };
        let began = Instant::now();
        let probe = client.get_registered_parties(request);
        match tokio::time::timeout(PROBE_LIMIT, probe).await {
            Err(_) => Some(format!(
                "the target did not answer an idle call within {} s either",
                PROBE_LIMIT.as_secs()
            )),
            Ok(Err(status)) if crate::answer::is_lost(&status) => {
                Some(format!("the target cannot be reached: {}", status.message()))
            }
            Ok(_) if began.elapsed() > PROBE_LIMIT => Some("an idle call took too long".into()),
            Ok(_) => None,
        }
    }
}

/// A time in words.
fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds > 0 && seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ => format!("{} s", time.as_secs_f64()),
    }
}

/// The registration of a party.
pub(crate) fn registration(party_id: &str, role: &str) -> RegisterPartyRequest {
    RegisterPartyRequest {
        party_id: party_id.into(),
        party_role: role.into(),
        version: concat!("mpc-conformance ", env!("CARGO_PKG_VERSION")).into(),
        notification: None,
    }
}
