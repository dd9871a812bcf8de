//! Sessions and who is in them: SES.

use mpc_router_proto::v1::{RouteMessageRequest, SessionEvent};
use tokio::time::{Duration, Instant};
use tonic::Code;

use super::refusal::Refusal;
use super::state::{Session, State, Subscription};
use super::{Fault, Variant};

/// The types of event that announce a session.
const ANNOUNCING: [&str; 2] = ["session_created", "session_started"];

/// The types of event that end a session.
const ENDING: [&str; 4] =
    ["session_completed", "session_failed", "session_cancelled", "session_expired"];

/// How long after a session's end one fault sweeps it.
const SWEPT: Duration = Duration::from_secs(2);

/// So many sessions one fault knows.
const CACHE: usize = 1_000;

/// How long one fault trusts what it knows of a session.
const CACHED: Duration = Duration::from_secs(1);

/// Whether an event of this type ends its session.
pub(super) fn ends(event_type: &str) -> bool {
    ENDING.contains(&event_type)
}

impl State {
    /// Without membership, nothing is asked of who takes part in a session.
    fn sessions_are_open(&self) -> bool {
        [
            Variant::OpenSessions,
            Variant::RefusesUnannounced,
            Variant::AnyoneIsRoutedTo,
            Variant::UnannouncedBroadcast,
            Variant::TakesEveryRecipient,
        ]
        .into_iter()
        .any(|variant| self.is(variant))
    }

    /// What an event says of its session: who is in it, and until when.
    pub(super) fn note_event(&mut self, event: &SessionEvent) {
        let twist = self.twist.clone();
        // SES-4: an end is for good, the one in time as well.
        let over = self.session(&event.session_id).is_some_and(|session| self.is_over(session));
        let session = self.session_mut(&event.session_id);
        session.events += 1;
        if over {
            session.ended_at.get_or_insert_with(Instant::now);
        }
        let first = !session.announced;
        let announces = ANNOUNCING.contains(&event.event_type.as_str());
        if announces || (twist.has(Fault::AnyEventAnnounces) && !ends(&event.event_type)) {
            session.announced = true;
            session.begun.get_or_insert_with(Instant::now);
            // SES-4: the newest one that is not 0.
            let told = event.expires_at != 0 || twist.has(Fault::LaterEventClearsExpiry);
            if told && (first || !twist.has(Fault::FirstExpiryStands)) {
                session.expires_at = event.expires_at;
            }
            if twist.has(Fault::AnnouncingReopens) {
                session.ended_at = None;
            }
            self.select(event, first);
        }
        let ends = ends(&event.event_type)
            && (!twist.has(Fault::OnlyCompletedEnds) || event.event_type == "session_completed");
        if ends {
            // For good.
            let session = self.session_mut(&event.session_id);
            session.ended_at.get_or_insert_with(Instant::now);
            if twist.has(Fault::EndEmptiesMailboxes) {
                session.mailboxes.clear();
            }
        }
    }

    /// SES-6: the members are the newest selection that there is.
    fn select(&mut self, event: &SessionEvent, first: bool) {
        let twist = self.twist.clone();
        // PND-1, SUB-1: announced again it is the same session.
        if twist.has(Fault::AnnouncingAgainEmptiesSession) && !first {
            self.session_mut(&event.session_id).mailboxes.clear();
        }
        if twist.has(Fault::AnnouncingAgainSilencesStreams) && !first {
            let of_it = |it: &&mut Subscription| it.session == event.session_id;
            self.subscriptions.iter_mut().filter(of_it).for_each(|it| it.superseded = true);
        }
        let none = event.selected_parties.is_empty();
        if (none && !twist.has(Fault::EmptySelectionClearsMembers))
            || (!first && twist.has(Fault::MembersNeverChange))
        {
            return;
        }
        let session = self.session_mut(&event.session_id);
        let before = session.members.clone();
        if !twist.has(Fault::MembersOnlyAdded) {
            session.members.clear();
        }
        session.members.extend(event.selected_parties.iter().cloned());
        session.members.sort();
        session.members.dedup();
        if first {
            session.first_members.clone_from(&session.members);
        }
        let members = session.members.clone();
        // SES-6: earlier deliveries stay.
        if twist.has(Fault::ChangeEmptiesMailboxes) {
            session.mailboxes.retain(|party, _| members.contains(party));
        }
        if twist.has(Fault::NewMembersGetHistory) && !first {
            let new = members.iter().filter(|member| !before.contains(member));
            for member in new.cloned().collect::<Vec<_>>() {
                self.hand_down_history(&event.session_id, &member);
            }
        }
    }

    /// SES-1, SES-3, SES-4: whether the sender may route in the session now.
    pub(super) fn check_sender(&mut self, request: &RouteMessageRequest) -> Result<(), Refusal> {
        // Only faults let these come so far (RTE-7); whoever has them asks nothing further.
        if request.session_id.is_empty() || request.from_party.is_empty() {
            return Ok(());
        }
        let session = self.session(&request.session_id);
        let announced = session.is_some_and(|session| session.announced);
        let broadcast = request.to_parties.is_empty();
        if !announced {
            let opened = self.has(Fault::UnannouncedSessionOpened)
                || session.is_some_and(|session| session.opened_by_refusal);
            let open = (self.sessions_are_open() && !self.is(Variant::RefusesUnannounced))
                || (opened && self.party(&request.from_party).is_some());
            // That a broadcast has somebody whom it could mean is asked of open sessions as well.
            let to_whom = !broadcast || self.is(Variant::UnannouncedBroadcast);
            if open && to_whom {
                return Ok(());
            }
            if self.has(Fault::RefusedRouteOpensSession) {
                self.session_mut(&request.session_id).opened_by_refusal = true;
            }
            // SES-3
            return Err(
                Refusal::not_found("the session was never announced").or(Code::FailedPrecondition)
            );
        }
        if self.sessions_are_open() {
            return Ok(());
        }
        // SES-4
        if session.is_some_and(|session| self.is_over(session)) {
            return Err(Refusal::precondition("the session has ended"));
        }
        // SES-1
        let sender = &request.from_party;
        let member = session.is_some_and(|session| {
            session.has_member(sender)
                || (self.has(Fault::MembersByCollation)
                    && session.has_member_that_looks_like(sender))
                || (session.members.is_empty() && self.has(Fault::NoMembersMeansEverybody))
        });
        let passes = member
            || (broadcast && self.has(Fault::BroadcastSenderUnchecked))
            || (self.is_member_somewhere(sender) && self.has(Fault::MemberElsewhereSends));
        if passes { Ok(()) } else { Err(Refusal::denied("the sender is no member")) }
    }

    /// SES-2: whether a recipient may be named; `place` is its place among those who are.
    pub(super) fn check_member(
        &self,
        session: &Session,
        name: &str,
        place: usize,
    ) -> Result<(), Refusal> {
        // REG-8: a member that has not registered yet is routed to.
        if session.has_member(name) {
            return if self.has(Fault::UnregisteredRecipientRefused) && self.party(name).is_none() {
                Err(Refusal::not_found("a recipient is not registered"))
            } else {
                Ok(())
            };
        }
        let registered = self.party(name).is_some();
        let taken = if self.sessions_are_open() || session.opened_by_refusal {
            registered || self.is(Variant::AnyoneIsRoutedTo)
        } else {
            (registered && self.has(Fault::RegisteredIsMember))
                || (registered && self.has(Fault::UnannouncedSessionOpened) && !session.announced)
                || (place > 0 && self.has(Fault::FirstRecipientChecked))
        };
        if taken {
            Ok(())
        } else {
            Err(Refusal::invalid("a recipient is no member of the session").or(Code::NotFound))
        }
    }

    /// SES-7: whether the party may subscribe to the session or poll it.
    pub(super) fn admit(&self, session_id: &str, party: &str, way: Reading) -> Result<(), Refusal> {
        // Only faults let a party come so far that is not registered (SUB-7, PND-7).
        let unknown = self.party(party).is_none();
        if self.sessions_are_open() || unknown || session_id.is_empty() {
            return Ok(());
        }
        let session = self.session(session_id);
        let over = session.is_some_and(|session| self.is_over(session));
        let member = session.is_some_and(|session| session.has_member(party));
        let reached = session.is_some_and(|session| session.reached.contains(party));
        let admitted = (member || reached && !self.has(Fault::FormerMembersShutOut))
            // SES-5: as before its end.
            && !(over && self.has(Fault::EndedSessionShut));
        let unchecked = match way {
            Reading::Stream => self.has(Fault::StrangersSubscribe),
            Reading::Poll => self.has(Fault::StrangersPoll),
        };
        let elsewhere = self.has(Fault::MemberElsewhereReads) && self.is_member_somewhere(party);
        if admitted || unchecked || elsewhere {
            return Ok(());
        }
        Err(Refusal::denied("the party is no member of the session").or(Code::NotFound))
    }

    fn is_member_somewhere(&self, party: &str) -> bool {
        self.sessions.values().any(|session| session.has_member(party))
    }

    /// SES-4: whether the session has ended or expired.
    pub(super) fn is_over(&self, session: &Session) -> bool {
        let ended = session.ended_at.is_some_and(|at| {
            // A fault knows of it later.
            !self.has(Fault::EndCachedForASecond) || at.elapsed() >= CACHED
        });
        ended || (self.is_out_of_time(session) && !self.has(Fault::ExpiryIgnored))
    }

    /// Whether the session is one whose `expires_at` has passed. Only a fault asks for that alone.
    pub(super) fn has_expired(&self, session_id: &str) -> bool {
        self.session(session_id).is_some_and(|session| self.is_out_of_time(session))
    }

    fn is_out_of_time(&self, session: &Session) -> bool {
        session.expires_at != 0 && session.expires_at <= self.clock.unix_ms()
    }

    /// SES-5: what was accepted before the end stays. Only a fault acts on it.
    pub(super) fn sweep_expired_sessions(&mut self) {
        if self.has(Fault::ExpiredSessionSwept) {
            let now = self.clock.unix_ms();
            let expired = |it: &&mut Session| it.expires_at != 0 && it.expires_at <= now;
            self.sessions.values_mut().filter(expired).for_each(|it| it.mailboxes.clear());
        }
        self.sweep_ended_sessions();
    }

    /// EXP-2: whether its session has ended or not, what waits is kept. Only a fault sweeps it a
    /// while after the end.
    fn sweep_ended_sessions(&mut self) {
        if self.has(Fault::EndedSessionSweptLater) {
            let old = |it: &&mut Session| it.ended_at.is_some_and(|at| at.elapsed() >= SWEPT);
            self.sessions.values_mut().filter(old).for_each(|it| it.mailboxes.clear());
        }
    }

    /// SES-4: a session is known however many others there are. Only a fault forgets those of which
    /// nobody has asked for longest, to make room for a new one.
    pub(super) fn evict_session(&mut self, session_id: &str) {
        if !self.has(Fault::SessionsInACache) {
            return;
        }
        let key = self.session_key(session_id).to_owned();
        self.tally.sessions_used += 1;
        let now = self.tally.sessions_used;
        if let Some(session) = self.sessions.get_mut(&key) {
            session.used = now;
        } else if self.sessions.len() >= CACHE
            && let Some(oldest) = self.sessions.iter().min_by_key(|(_, it)| it.used)
        {
            let oldest = oldest.0.clone();
            self.sessions.remove(&oldest);
        }
        self.sessions.entry(key).or_default().used = now;
    }

    /// SES-5: whether the session takes acknowledgements. It always does.
    pub(super) fn takes_acknowledgements(&self, session_id: &str) -> bool {
        !self.has(Fault::EndedSessionRefusesAcks)
            || !self.session(session_id).is_some_and(|session| self.is_over(session))
    }
}

/// How a party wants to read in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Stream,
    Poll,
}

impl Session {
    pub(super) fn has_member(&self, name: &str) -> bool {
        self.members.iter().any(|member| member == name)
    }

    /// The same, where accents count by how they look, as in a database's collation.
    fn has_member_that_looks_like(&self, name: &str) -> bool {
        let composed = |name: &str| name.replace("e\u{301}", "\u{e9}");
        self.members.iter().any(|member| composed(member) == composed(name))
    }
}
