//! Who calls, as its certificate says, and what that lets it do.

use std::collections::BTreeSet;
use std::sync::Arc;

use mpc_router_core::{MessageStatus, Millis, PartyId};
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Tag, Tagged as _};

/// Whom a certificate names. Whoever makes one vouches for it: that the certificate is trusted, and
/// that the caller holds its key. A clone is the same identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity(Arc<Named>);

#[derive(Debug, PartialEq, Eq)]
struct Named {
    party: PartyId,
    coordinator: bool,
    /// The first moment at which the certificate is not valid any more.
    expires: Millis,
}

/// A certificate says of nobody who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is no X.509 certificate.
    #[error("the certificate cannot be read")]
    Malformed,
    /// It has no common name, an empty one, or one that is no text.
    #[error("the certificate's subject has no common name: it has to be the party_id")]
    Nameless,
    /// It has several common names, or one that shares its place with something else.
    #[error("the certificate's subject has several names where one common name is needed")]
    Ambiguous,
}

impl Identity {
    /// Reads the identity from a certificate in DER: the common name is the party's name, byte for
    /// byte, and a coordinator's if it is one of `coordinators`. Signatures and validity are not
    /// looked at: TLS does that.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn of_certificate(
        certificate: &[u8],
        coordinators: &BTreeSet<String>,
    ) -> Result<Self, IdentityError> {
        let certificate =
            Certificate::from_der(certificate).map_err(|_| IdentityError::Malformed)?;
        let certificate = certificate.tbs_certificate;
        let mut names = certificate
            .subject
            .0
            .iter()
            .filter(|name| name.0.iter().any(|attribute| attribute.oid == COMMON_NAME));
        let name = names.next().ok_or(IdentityError::Nameless)?;
        let [name] = name.0.as_slice() else { return Err(IdentityError::Ambiguous) };
        if names.next().is_some() {
            return Err(IdentityError::Ambiguous);
        }
        let party = text(name).and_then(|name| PartyId::parse(name).ok());
        let party = party.ok_or(IdentityError::Nameless)?;
        let coordinator = coordinators.contains(party.as_str());
        // The second that is named is a valid one still.
        let expires = certificate.validity.not_after.to_unix_duration().as_millis() + 1_000;
        let expires = Millis(i64::try_from(expires).unwrap_or(i64::MAX));
        Ok(Self(Arc::new(Named { party, coordinator, expires })))
    }

    /// The common name, which is the party's.
    pub fn party(&self) -> &str {
        self.0.party.as_str()
    }

    /// Whether it is a coordinator's.
    pub fn is_coordinator(&self) -> bool {
        self.0.coordinator
    }

    /// The first moment at which the certificate is not valid any more.
    pub(crate) fn expires(&self) -> Millis {
        self.0.expires
    }
}

/// `id-at-commonName`.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

fn text(name: &AttributeTypeAndValue) -> Option<&str> {
    let value = &name.value;
    let text = match value.tag() {
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().ok()?.as_str(),
        Tag::PrintableString => value.decode_as::<PrintableStringRef<'_>>().ok()?.as_str(),
        Tag::Ia5String => value.decode_as::<Ia5StringRef<'_>>().ok()?.as_str(),
        _ => return None,
    };
    Some(text)
}

/// Who makes a call. What carries calls puts it into their extensions: a connection by being its
/// `ConnectInfo`, as [`Secured`](crate::serve::Secured) does.
#[derive(Debug, Clone, Default)]
pub enum Caller {
    /// Nobody asked.
    #[default]
    Anonymous,
    /// Somebody whose certificate is trusted.
    Identified(Identity),
}

/// Nobody knows who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unauthenticated {
    /// The connection has no identity.
    #[error("this router serves callers with a client certificate only: connect with one")]
    Anonymous,
    /// It has had one.
    #[error("the client certificate has expired: connect with a new one")]
    Expired,
}

/// A caller may not do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    /// It calls in another party's name.
    #[error(
        "the party named is not the caller, whose client certificate has another common name: call \
         in your own name"
    )]
    OtherParty,
    /// It is no coordinator.
    #[error("only a coordinator publishes session events")]
    NotACoordinator,
}

impl Caller {
    /// Demands that the caller may call at all by now. An identity that is there counts, whether
    /// one is `required` or not.
    pub(crate) fn admitted(&self, required: bool, now: Millis) -> Result<(), Unauthenticated> {
        match self {
            Self::Anonymous if required => Err(Unauthenticated::Anonymous),
            // SEC-8: also where the connection has outlived it.
            Self::Identified(identity) if identity.expires() <= now => {
                Err(Unauthenticated::Expired)
            }
            _ => Ok(()),
        }
    }

    /// Demands that the caller is `party` itself. A coordinator is a party like any other, under
    /// its own name.
    pub(crate) fn is(&self, party: &PartyId) -> Result<(), Forbidden> {
        match self {
            // SEC-2, SEC-9.
            Self::Identified(identity) if identity.0.party != *party => Err(Forbidden::OtherParty),
            _ => Ok(()),
        }
    }

    /// Demands that the caller is a coordinator.
    pub(crate) fn coordinates(&self) -> Result<(), Forbidden> {
        match self {
            // SEC-3.
            Self::Identified(identity) if !identity.is_coordinator() => {
                Err(Forbidden::NotACoordinator)
            }
            _ => Ok(()),
        }
    }

    /// Whether the caller may know where to wake `party`.
    pub(crate) fn may_wake(&self, party: &PartyId) -> bool {
        // SEC-6.
        self.coordinates().is_ok() || self.is(party).is_ok()
    }

    /// Whether the caller may know that this message exists, and how far it has come.
    pub(crate) fn may_see(&self, message: &MessageStatus) -> bool {
        // SEC-4.
        self.coordinates().is_ok()
            || self.is(&message.from).is_ok()
            || message.deliveries.iter().any(|delivery| self.is(&delivery.party).is_ok())
    }
}
