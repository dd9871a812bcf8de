//! Parties that can be told, and what they were told.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use mpc_router_proto::v1::{NotificationChannel, RegisterPartyRequest};
use tokio::time::{Duration, Instant};

use super::super::prelude::*;
use crate::notices::{Notice, Notices};
use crate::pace::Wait;
use crate::party::Party;
use crate::trial::{Session, registration};

/// What a notification is.
const FORM: &str = "one POST a channel with the JSON {\"channel\": \"email\" or \"phone\" or \
                    \"push_token\", \"address\", \"party_id\", \"session_id\"}";

/// How long a notification may take: nothing says how soon it has to come, so only one that does
/// not come at all is missing.
const RAISED_WITHIN: Duration = Duration::from_secs(90);

/// How long the next attempt after one in vain may take: nothing says how soon, and senders that back
/// off take their time.
const TRIED_AGAIN_WITHIN: Duration = Duration::from_secs(200);

/// Where this process stood still for so long, a notification may have been answered so late that
/// its sender did not wait for the answer.
const ANSWERED_LATE: Duration = Duration::from_millis(500);

/// What takes longer to be tried again than a part of this is not waited for.
const TRIED_FOR: Duration = Duration::from_secs(240);

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The channels, as notifications name them.
pub(super) const EMAIL: &str = "email";
pub(super) const PHONE: &str = "phone";
pub(super) const PUSH: &str = "push_token";

/// A party that is registered with notification channels.
#[derive(Clone, Debug)]
pub(super) struct Reachable {
    pub(super) party: Party,
    pub(super) channels: Vec<(&'static str, String)>,
}

impl Reachable {
    /// Registers a party with an address on each of these channels.
    pub(super) async fn new(
        trial: &Trial,
        label: &str,
        kinds: &[&'static str],
    ) -> Result<Self, Stop> {
        let party = trial.stranger(label);
        let channels = register(trial, &party, kinds).await?;
        Ok(Self { party, channels })
    }

    /// Registers again, with a new address on each of these channels and on no other.
    pub(super) async fn moves(&self, trial: &Trial, kinds: &[&'static str]) -> Result<Self, Stop> {
        let channels = register(trial, &self.party, kinds).await?;
        Ok(Self { party: self.party.clone(), channels })
    }
}

async fn register(
    trial: &Trial,
    party: &Party,
    kinds: &[&'static str],
) -> Result<Vec<(&'static str, String)>, Stop> {
    let mut notification = NotificationChannel::default();
    let mut channels = Vec::new();
    for &kind in kinds {
        let number = trial.number();
        let (field, address) = match kind {
            EMAIL => (&mut notification.email, format!("party-{number}@example.org")),
            PHONE => (&mut notification.phone, format!("+4930{number:07}")),
            _ => (&mut notification.push_token, format!("token-{number}-of-{}", party.id)),
        };
        field.clone_from(&address);
        channels.push((kind, address));
    }
    registers_with(party, Some(notification)).await?;
    Ok(channels)
}

/// Registers with exactly this.
pub(super) async fn registers_with(
    party: &Party,
    notification: Option<NotificationChannel>,
) -> Verdict {
    let request = RegisterPartyRequest { notification, ..registration(&party.id, "persistent") };
    party.register_with(request).await.prepared().map(drop)
}

/// What the target told, and what it must not tell.
#[derive(Debug)]
pub(super) struct Bell<'a> {
    trial: &'a Trial,
    notices: &'a Notices,
    payloads: Vec<String>,
    judges_form: bool,
    /// Since it is looked at.
    since: Wait,
}

impl<'a> Bell<'a> {
    pub(super) fn new(trial: &'a Trial) -> Result<Self, Stop> {
        let (notices, since) = (trial.notices()?, trial.pace().wait());
        Ok(Self { trial, notices, payloads: Vec::new(), since, judges_form: false })
    }

    /// The same for the check that says what a notification is: others have nothing to go by where
    /// one cannot be read.
    pub(super) fn judging_form(trial: &'a Trial) -> Result<Self, Stop> {
        Ok(Self { judges_form: true, ..Self::new(trial)? })
    }

    /// A payload that no notification may carry.
    pub(super) fn payload(&mut self) -> String {
        let payload = format!("of no concern to a gateway: {}", self.trial.number());
        self.payloads.push(payload.clone());
        payload
    }

    /// Waits until the party was told so often of the session on each of its channels. It must be.
    ///
    /// # Errors
    /// A finding if it is not.
    pub(super) async fn rings(&self, who: &Reachable, session: &Session, times: usize) -> Verdict {
        self.rings_within(RAISED_WITHIN, who, session, times).await
    }

    /// The same, where it is known how long it may take.
    pub(super) async fn rings_within(
        &self,
        time: Duration,
        who: &Reachable,
        session: &Session,
        times: usize,
    ) -> Verdict {
        let wait = self.trial.pace().wait();
        loop {
            let came = self.notices.of(&who.party.id);
            let lacks =
                who.channels.iter().find(|channel| taken(&came, session, channel).count() < times);
            let Some((channel, address)) = lacks else { return Ok(()) };
            self.is_well_formed(&who.party)?;
            if wait.elapsed() > time {
                let known = came.iter().map(words).collect::<Vec<_>>().join("; ");
                let seen = format!(
                    "{} was not told of {} on its {channel} ({address}) for {:.1} s; what came for \
                     it{}: {}",
                    who.party.id,
                    session.id,
                    wait.elapsed().as_secs_f64(),
                    self.notices.url().map(|url| format!(" at {url}")).unwrap_or_default(),
                    if known.is_empty() { "nothing" } else { &known },
                );
                let accepted = match times {
                    1 => "one notification a session and channel".to_owned(),
                    times => format!("{times}, one each time that it was away"),
                };
                return Err(self.trial.missed(&wait, seen, accepted).await);
            }
            self.trial.sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Waits until what was sent in vain has come again: until the party was told of each of these
    /// sessions on each of its channels. Nothing says how soon, so the time begins anew with each
    /// attempt, and is longer where attempts, or what is `usual`, show a slow sender.
    ///
    /// # Errors
    /// A finding if it was tried and is not tried again; not checked if that takes too long.
    pub(super) async fn rings_again(
        &self,
        who: &Reachable,
        sessions: &[Session],
        usual: Duration,
    ) -> Verdict {
        let (wait, began) = (self.trial.pace().wait(), Instant::now());
        loop {
            let came = self.notices.of(&who.party.id);
            self.is_well_formed(&who.party)?;
            let ways: Vec<_> = sessions
                .iter()
                .flat_map(|session| who.channels.iter().map(move |it| (session, it)))
                .map(|(session, channel)| Way::new(&came, session, channel))
                .collect();
            let missing: Vec<_> = ways.iter().filter(|way| !way.told).collect();
            let Some(one) = missing.first() else { return Ok(()) };
            let slowest = ways.iter().map(|way| way.spacing).max().unwrap_or_default().max(usual);
            let patience = TRIED_AGAIN_WITHIN + slowest * 3;
            for way in &missing {
                let Some(last) = way.last else { continue };
                if last.max(began).elapsed() > patience {
                    let (session, (channel, address)) = (&way.session.id, way.channel);
                    let seen = format!(
                        "{} was told of {session} on its {channel} ({address}) in vain, and not \
                         again for {:.0} s",
                        who.party.id,
                        last.max(began).elapsed().as_secs_f64()
                    );
                    let accepted = "another attempt, until one is answered with success";
                    return Err(self.trial.missed(&wait, seen, accepted).await);
                }
            }
            let was_tried = missing.iter().any(|way| way.last.is_some());
            if wait.elapsed() > TRIED_FOR || (!was_tried && wait.elapsed() > patience) {
                let (session, channel) = (&one.session.id, one.channel.0);
                let why = format!(
                    "{} was not told of {session} on its {channel} for {:.0} s, and nothing says \
                     how long the target may take",
                    who.party.id,
                    wait.elapsed().as_secs_f64()
                );
                return Err(Stop::NotChecked(why));
            }
            self.trial.sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Demands that the party was told so often of each of these sessions, on each of its channels,
    /// and of nothing else; whatever was tried in vain aside.
    ///
    /// # Errors
    /// A finding that tells a notification that should not have come.
    pub(super) fn rang_just(&self, who: &Reachable, told: &[(&Session, usize)]) -> Verdict {
        self.is_well_formed(&who.party)?;
        let came = self.notices.of(&who.party.id);
        let mut expected = 0;
        for (session, times) in told {
            for channel in &who.channels {
                let count = taken(&came, session, channel).count();
                expected += count;
                if count > *times {
                    let (kind, session) = (channel.0, &session.id);
                    let seen = format!(
                        "{} was told of {session} on its {kind} {count} times",
                        who.party.id
                    );
                    let accepted = format!("{times}, one each time that it was away");
                    return Err(self.too_often(seen, accepted));
                }
            }
        }
        if came.iter().filter(|it| it.taken).count() > expected {
            let is_expected = |it: &&Notice| {
                told.iter().any(|(session, times)| *times > 0 && session.id == it.session_id)
                    && who.channels.iter().any(|channel| is_on(it, channel))
            };
            let wrong = came.iter().filter(|it| it.taken).find(|it| !is_expected(it));
            let wrong = wrong.map(words).unwrap_or_default();
            let accepted = "one notification a session and channel, and no other";
            return Err(Stop::broken(format!("{} got {wrong}", who.party.id), accepted));
        }
        Ok(())
    }

    /// What to say of copies: a finding, unless their sender may have waited for this machine.
    fn too_often(&self, seen: String, accepted: String) -> Stop {
        let lag = self.since.lag();
        if lag < ANSWERED_LATE {
            return Stop::broken(seen, accepted);
        }
        Stop::Inconclusive(format!(
            "{seen}, but this machine kept the suite from running for {:.1} s, so the first may \
             have been answered too late",
            lag.as_secs_f64()
        ))
    }

    /// Demands that nothing came for the party.
    ///
    /// # Errors
    /// A finding that tells what did; `why` nothing should.
    pub(super) fn is_silent_for(&self, party: &Party, why: &str) -> Verdict {
        self.is_well_formed(party)?;
        match self.notices.of(&party.id).first() {
            None => Ok(()),
            Some(notice) => {
                let seen = format!("{} got {}", party.id, words(notice));
                Err(Stop::broken(seen, format!("none: {why}")))
            }
        }
    }

    /// Demands that the party was not told of the session on these channels.
    ///
    /// # Errors
    /// A finding if it was; `why` it should not.
    pub(super) fn was_not_told(&self, who: &Reachable, session: &Session, why: &str) -> Verdict {
        let came = self.notices.of(&who.party.id);
        let told = who.channels.iter().find_map(|channel| taken(&came, session, channel).next());
        match told {
            None => Ok(()),
            Some(notice) => {
                let seen = format!("{} got {}", who.party.id, words(notice));
                Err(Stop::broken(seen, format!("none there: {why}")))
            }
        }
    }

    /// Demands that what concerns the party is a notification, and that none carries a payload.
    fn is_well_formed(&self, party: &Party) -> Verdict {
        let garbled = self.notices.garbled();
        if let Some(text) = garbled.iter().find(|text| text.contains(&party.id)) {
            return Err(self.unreadable(format!("this came for {}: {text:?}", party.id)));
        }
        for notice in self.notices.of(&party.id) {
            if ![EMAIL, PHONE, PUSH].contains(&notice.channel.as_str()) {
                return Err(self.unreadable(format!("{} got {}", party.id, words(&notice))));
            }
            if let Some(payload) = self.payloads.iter().find(|it| carries(&notice.text, it)) {
                let seen = format!(
                    "{} got {} with the payload {payload:?} in it",
                    party.id,
                    words(&notice)
                );
                return Err(Stop::broken(seen, "no payload in a notification"));
            }
        }
        Ok(())
    }

    /// What to say of something that came, and is no notification.
    fn unreadable(&self, seen: String) -> Stop {
        match self.judges_form {
            true => Stop::broken(seen, FORM),
            false => {
                Stop::NotChecked(format!("its notifications cannot be read, see OFF-2: {seen}"))
            }
        }
    }

    /// Waits as long as it takes for what is too much to show.
    pub(super) async fn quiet(&self) {
        self.trial.sleep(self.trial.pace().quiet()).await;
    }

    /// How long until the party was told of a session, from when on it was waited for.
    pub(super) async fn times(&self, who: &Reachable, session: &Session) -> Result<Duration, Stop> {
        let began = Instant::now();
        self.rings(who, session, 1).await?;
        Ok(began.elapsed())
    }
}

fn is_on(notice: &Notice, (channel, address): &(&'static str, String)) -> bool {
    notice.channel == *channel && notice.address == *address
}

/// What came of one session on one channel.
struct Way<'a> {
    session: &'a Session,
    channel: &'a (&'static str, String),
    told: bool,
    /// When it was last tried.
    last: Option<Instant>,
    /// The longest time between one attempt and the next.
    spacing: Duration,
}

impl<'a> Way<'a> {
    fn new(came: &[Notice], session: &'a Session, channel: &'a (&'static str, String)) -> Self {
        let its = |it: &&Notice| it.session_id == session.id && is_on(it, channel);
        let attempts: Vec<_> = came.iter().filter(its).map(|it| it.at).collect();
        let spacing = attempts.windows(2).map(|pair| pair[1] - pair[0]).max();
        Self {
            session,
            channel,
            told: taken(came, session, channel).next().is_some(),
            last: attempts.last().copied(),
            spacing: spacing.unwrap_or_default(),
        }
    }
}

/// What was told of the session on this channel.
fn taken<'a>(
    came: &'a [Notice],
    session: &'a Session,
    channel: &'a (&'static str, String),
) -> impl Iterator<Item = &'a Notice> {
    came.iter().filter(|it| it.taken && it.session_id == session.id && is_on(it, channel))
}

fn words(notice: &Notice) -> String {
    let Notice { channel, address, session_id, taken, .. } = notice;
    let answered = if *taken { "" } else { ", which was not answered with success" };
    format!("a notification on {channel} ({address:?}) of session {session_id}{answered}")
}

/// Whether a text has the payload in it, in any of the usual forms.
fn carries(text: &str, payload: &str) -> bool {
    let hex: String = payload.bytes().map(|byte| format!("{byte:02x}")).collect();
    let numbers: Vec<_> = payload.bytes().map(|byte| byte.to_string()).collect();
    // Base64 takes three bytes at a time, and what stands before shifts where they begin: at the
    // ends are characters that depend on what is there.
    let as_base64 = (0..3).filter_map(|skipped| payload.as_bytes().get(skipped..)).any(|rest| {
        let whole = &rest[..rest.len() / 3 * 3];
        !whole.is_empty()
            && (text.contains(&STANDARD_NO_PAD.encode(whole))
                || text.contains(&URL_SAFE_NO_PAD.encode(whole)))
    });
    text.contains(payload)
        || as_base64
        || text.to_lowercase().contains(&hex)
        || text.replace(' ', "").contains(&numbers.join(","))
}

#[cfg(test)]
mod tests {
    use super::carries;

    #[test]
    fn a_payload_is_found_in_any_form() {
        let payload = "no concern";
        for text in [
            "x no concern y",
            "x=\"bm8gY29uY2Vybg==\"",
            "eG5vIGNvbmNlcm54",
            "eHhubyBjb25jZXJueHg=",
            "6e6f20636f6e6365726e",
            "6E6F20636F6E6365726E",
            "[110, 111, 32, 99, 111, 110, 99, 101, 114, 110]",
        ] {
            assert!(carries(text, payload), "{text}");
        }
        assert!(!carries("no notion", payload));
    }
}
