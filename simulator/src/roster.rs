//! Who takes part: names, roles and identity keys.

use std::fmt;

use ed25519_dalek::{SigningKey, VerifyingKey};
use rand_core::RngCore as _;
use serde::Serialize;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::seed::Seed;

/// How a party takes part, as it registers (REG-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Always there: streams, heartbeats, and reconnects.
    Persistent,
    /// Comes for a session on a user's behalf, hands over the result, and leaves.
    Delegate,
    /// Comes when it can, which is late.
    Temporary,
}

impl Role {
    /// The role's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Persistent => "persistent",
            Self::Delegate => "delegate",
            Self::Temporary => "temporary",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a party gets its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Receives {
    /// By SubscribeMessages.
    Stream,
    /// By GetPendingMessages alone: it registers a notification channel and is away until that
    /// wakes it (OFF-1).
    Poll,
}

impl fmt::Display for Receives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "streams",
            Self::Poll => "polls",
        })
    }
}

/// What everybody knows of a party.
#[derive(Debug, Clone)]
pub struct Member {
    /// 1 for the first; also its identifier in FROST.
    pub number: u16,
    /// Its `party_id`.
    pub id: String,
    /// How it takes part.
    pub role: Role,
    /// How it gets its messages.
    pub receives: Receives,
    /// Its public key for sealing.
    pub sealing: PublicKey,
    /// Its public key for signing what goes to many.
    pub signing: VerifyingKey,
}

impl Member {
    /// Whether the party is there all the time. The others are visitors: away until they are asked
    /// for, by a way that is not the router's (a user opens an app, a mail is read).
    pub fn is_resident(&self) -> bool {
        self.role == Role::Persistent && self.receives == Receives::Stream
    }
}

/// What one party alone knows.
pub struct Identity {
    /// Its number in the roster.
    pub number: u16,
    pub(crate) sealing: StaticSecret,
    pub(crate) signing: SigningKey,
}

/// Shows no key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("number", &self.number).finish_non_exhaustive()
    }
}

/// All parties, with their public identity keys and the coordinator's.
///
/// Parties trust the roster, not the router: it reaches each of them beforehand and by another way,
/// as the identity keys of real parties do when these are installed.
#[derive(Debug, Clone)]
pub struct Roster {
    members: Vec<Member>,
    coordinator: VerifyingKey,
}

/// A roster with the secrets that belong to it, before these are handed out.
#[derive(Debug)]
pub struct Enrolment {
    /// What all know.
    pub roster: Roster,
    /// One for each party, in the order of the roster.
    pub identities: Vec<Identity>,
    /// The coordinator's key.
    pub coordinator: CoordinatorKey,
}

/// What the coordinator signs sessions with.
pub struct CoordinatorKey(pub(crate) SigningKey);

/// Shows no key.
impl fmt::Debug for CoordinatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CoordinatorKey")
    }
}

impl Roster {
    /// Makes `parties` parties called `{prefix}-p1`, `{prefix}-p2`, ... with keys from `seed`.
    ///
    /// Of each five, the third is a delegate, the fourth is temporary, and the fifth works in
    /// offline mode and polls; the others are persistent and stream.
    pub fn enrol(seed: Seed, prefix: &str, parties: u16) -> Enrolment {
        let mut members = Vec::new();
        let mut identities = Vec::new();
        for number in 1..=parties {
            let (role, receives) = match number % 5 {
                3 => (Role::Delegate, Receives::Stream),
                4 => (Role::Temporary, Receives::Stream),
                0 => (Role::Persistent, Receives::Poll),
                _ => (Role::Persistent, Receives::Stream),
            };
            let mut rng = seed.stream("identity", number, "");
            let identity = Identity {
                number,
                sealing: StaticSecret::random_from_rng(&mut rng),
                signing: signing_key(&mut rng),
            };
            members.push(Member {
                number,
                id: format!("{prefix}-p{number}"),
                role,
                receives,
                sealing: PublicKey::from(&identity.sealing),
                signing: identity.signing.verifying_key(),
            });
            identities.push(identity);
        }
        let coordinator = signing_key(&mut seed.stream("identity", 0, ""));
        Enrolment {
            roster: Self { members, coordinator: coordinator.verifying_key() },
            identities,
            coordinator: CoordinatorKey(coordinator),
        }
    }

    /// All parties, by number.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The party with this number.
    pub fn get(&self, number: u16) -> Option<&Member> {
        self.members.get(usize::from(number).checked_sub(1)?)
    }

    /// The party with this `party_id`.
    pub fn find(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The name of a party that the roster is known to hold.
    pub(crate) fn name(&self, number: u16) -> &str {
        self.get(number).map_or("an unknown party", |member| &member.id)
    }

    pub(crate) fn coordinator(&self) -> &VerifyingKey {
        &self.coordinator
    }
}

fn signing_key(rng: &mut rand_chacha::ChaCha20Rng) -> SigningKey {
    let mut secret = [0; 32];
    rng.fill_bytes(&mut secret);
    SigningKey::from_bytes(&secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_parties_have_every_role_and_one_poller() {
        let enrolment = Roster::enrol(Seed(1), "x", 5);
        let told: Vec<_> = enrolment
            .roster
            .members()
            .iter()
            .map(|m| format!("{} {} {}", m.id, m.role, m.receives))
            .collect();
        assert_eq!(
            told,
            [
                "x-p1 persistent streams",
                "x-p2 persistent streams",
                "x-p3 delegate streams",
                "x-p4 temporary streams",
                "x-p5 persistent polls",
            ]
        );
        assert_eq!(enrolment.roster.find("x-p4").unwrap().number, 4);
        assert!(enrolment.roster.get(0).is_none() && enrolment.roster.get(6).is_none());
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", Roster::enrol(Seed(1), "x", 2));
        assert!(!shown.contains("SigningKey") && !shown.contains("StaticSecret"), "{shown}");
    }
}
