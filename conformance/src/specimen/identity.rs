//! Who calls, and what that lets it do: SEC.

use mpc_router_proto::v1::SessionEvent;
use tonic::{Extensions, Status};

use super::refusal::Refusal;
use super::state::{Message, Party, State};
use super::{Fault, Specimen};
use crate::connect::Opened;
use crate::identity::{COORDINATOR, Grade, Shown};

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Nobody asks.
    Anybody,
    /// Whom its certificate names.
    Known(String),
}

/// A call, as far as it matters who makes it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call<'a> {
    /// In this party's name.
    Of(&'a str, Act),
    /// Publishes an event.
    Publish(Option<&'a SessionEvent>),
    /// Asks for a status.
    Status,
    /// Asks for the directory.
    Directory,
}

/// What is done in a party's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Route,
    /// With a key that stands for a call already.
    RouteAgain,
    Subscribe,
    Listen,
    Poll,
    /// The same two in all sessions.
    SubscribeToAll,
    PollAll,
    Acknowledge,
    Register,
    Heartbeat,
}

impl Specimen {
    /// Who makes this call, if it may.
    pub(super) fn admit(&self, extensions: &Extensions, call: Call<'_>) -> Result<Caller, Status> {
        if !self.secure {
            return Ok(Caller::Anybody);
        }
        let caller = self.caller(extensions.get::<Opened>().map(|it| &it.shown), call)?;
        if let Caller::Known(name) = &caller {
            self.may(name, call).map_err(|refusal| refusal.status(&self.twist))?;
        }
        Ok(caller)
    }

    /// SEC-1, SEC-8: whom the caller has shown to be.
    fn caller(&self, shown: Option<&Shown>, call: Call<'_>) -> Result<Caller, Status> {
        let has = |fault| self.twist.has(fault);
        let unknown = |lets: bool| match lets {
            true => Ok(Caller::Anybody),
            false => Err(Status::unauthenticated("show a certificate that is trusted")),
        };
        let (name, grade) = match shown {
            Some(Shown::Certificate(name, grade)) => (name.as_str(), *grade),
            Some(Shown::AlsoCalled(_, other)) if has(Fault::NameFromSan) => {
                (other.as_str(), Grade::Good)
            }
            Some(Shown::AlsoCalled(name, _)) => (name.as_str(), Grade::Good),
            Some(Shown::Nothing) => {
                let open =
                    has(Fault::DirectoryNeedsNoCertificate) && matches!(call, Call::Directory);
                return unknown(open || has(Fault::CertificateOptional));
            }
            Some(Shown::Plaintext) | None => return unknown(has(Fault::PlaintextPortOpen)),
        };
        let taken = match grade {
            Grade::Good => true,
            Grade::SelfSigned => has(Fault::AnyCertificateTrusted),
            Grade::OtherAuthority => {
                has(Fault::AnyCertificateTrusted) || has(Fault::AuthorityKnownByName)
            }
            Grade::ByAParty => has(Fault::PartiesMayCertify),
            Grade::Expired => has(Fault::ExpiredCertificateTaken),
            Grade::NotYetValid => {
                has(Fault::ExpiredCertificateTaken) || has(Fault::BeginOfValidityIgnored)
            }
        };
        // SEC-2: the whole common name, as it stands there.
        let name = match name.rsplit_once("CN=") {
            Some((_, last)) if has(Fault::NameCutFromDn) => last,
            _ => name,
        };
        if taken { Ok(Caller::Known(name.to_owned())) } else { unknown(false) }
    }

    /// SEC-2, SEC-3, SEC-9: whether this caller may make the call.
    fn may(&self, caller: &str, call: Call<'_>) -> Result<(), Refusal> {
        let has = |fault| self.twist.has(fault);
        match call {
            Call::Of(party, act) => {
                let coordinates = caller == COORDINATOR
                    && match act {
                        Act::Route | Act::RouteAgain => has(Fault::CoordinatorRoutesForAnybody),
                        Act::Acknowledge => has(Fault::CoordinatorAcknowledgesForAnybody),
                        Act::Subscribe | Act::Poll | Act::SubscribeToAll | Act::PollAll => {
                            has(Fault::CoordinatorReadsForAnybody)
                        }
                        _ => false,
                    };
                let unchecked = match act {
                    Act::Route => has(Fault::SenderNotCompared),
                    Act::RouteAgain => {
                        has(Fault::SenderNotCompared) || has(Fault::KnownKeyAnswersAnybody)
                    }
                    Act::Poll => has(Fault::PollerNotCompared),
                    Act::PollAll => {
                        has(Fault::PollerNotCompared) || has(Fault::WildcardPollNotCompared)
                    }
                    Act::SubscribeToAll => has(Fault::WildcardStreamNotCompared),
                    Act::Acknowledge => has(Fault::AcknowledgerNotCompared),
                    Act::Heartbeat => has(Fault::HeartbeatNotCompared),
                    Act::Register => has(Fault::RegistrationNotCompared),
                    Act::Listen => has(Fault::ListenerNotCompared),
                    Act::Subscribe => false,
                };
                let alike = has(Fault::NamesComparedWithoutCase)
                    && caller.to_lowercase() == party.to_lowercase();
                if caller == party || coordinates || unchecked || alike {
                    return Ok(());
                }
                Err(Refusal::denied("the certificate is another party's"))
            }
            Call::Publish(event) => {
                let selected = event.is_some_and(|event| {
                    event.selected_parties.iter().any(|party| party == caller)
                });
                let may = caller == COORDINATOR
                    || has(Fault::AnybodyPublishes)
                    || (has(Fault::SelectedPartiesPublish) && selected);
                if may { Ok(()) } else { Err(Refusal::denied("only a coordinator publishes")) }
            }
            Call::Status | Call::Directory => Ok(()),
        }
    }
}

impl State {
    /// SEC-4: whether the caller may know of this message.
    pub(super) fn may_see(&self, caller: &Caller, message: &Message) -> bool {
        let Caller::Known(name) = caller else { return true };
        let member = || {
            let session = self.session(&message.content.session_id);
            session.is_some_and(|session| session.has_member(name))
        };
        name == COORDINATOR
            || message.content.from_party == *name
            || message.delivery(name).is_some()
            || self.has(Fault::StatusForAnybody)
            || (self.has(Fault::StatusForMembers) && member())
    }

    /// SEC-6: whether the caller may know where to wake this party.
    pub(super) fn may_wake(&self, caller: &Caller, party: &Party, filtered: bool) -> bool {
        let Caller::Known(name) = caller else { return true };
        name == COORDINATOR
            || party.name == *name
            || self.has(Fault::ChannelsForAnybody)
            || (self.has(Fault::FilteredListShowsChannels) && filtered)
    }

    /// SEC-5: whether events go out with the subscriber's own join token alone.
    pub(super) fn keeps_tokens_apart(&self, secure: bool, replayed: bool) -> bool {
        secure
            && !self.has(Fault::AllTokensForEverybody)
            && !(replayed && self.has(Fault::ReplayHasAllTokens))
    }
}
