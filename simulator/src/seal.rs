//! Payloads as they travel: sealed from party to party, so that a router can neither read nor alter them.
//!
//! Each party has two identity keys, an X25519 key and an Ed25519 key. Their public halves stand in
//! the [`Roster`], which every party has from elsewhere; the router is trusted with nothing.
//!
//! **To one party**: the body is encrypted with ChaCha20-Poly1305 under a key that HKDF-SHA-256
//! derives from the two parties' X25519 secret. Only these two have it, so that the recipient knows
//! who made the message; there is no signature that could be shown around.
//!
//! **To several or all**: a key that all members share would let each of them speak in the name of
//! any other. So the sender draws a content key, encrypts the body with it once, adds the content
//! key sealed for each recipient as above, and signs the whole with its Ed25519 key. Whoever alters a
//! byte, a member that knows the content key included, breaks the signature. (The cipher does not
//! commit to its key: a sender could make one payload open differently for two recipients. Parties
//! therefore compare what they *opened*, in the echo round, and not the payloads.)
//!
//! Session, message type, sender, recipients and the way of addressing go into the derivation and
//! into the associated data: a payload opens at the place it was made for, and nowhere else.
//!
//! Every payload begins with sixteen random bytes, drawn for it alone. They salt the derivation, so
//! that key and nonce are never used twice, even for one message type twice in one session. And they
//! are a **canary**: being legible to everybody, they betray a payload wherever it turns up.

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer as _};
use hkdf::Hkdf;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore as _;
use sha2::Sha256;

use crate::encoding::{Digest, Frame};
use crate::roster::{Identity, Member, Roster};

/// The sixteen bytes that every payload begins with.
pub type Canary = [u8; CANARY_BYTES];

/// The length of a [`Canary`].
pub const CANARY_BYTES: usize = 16;

const TAG_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const WRAP_BYTES: usize = 2 + KEY_BYTES + TAG_BYTES;

/// The canary of a payload; `None` if it is too short to have one.
pub fn canary(payload: &[u8]) -> Option<Canary> {
    payload.first_chunk().copied()
}

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// Every other member (RTE-3).
    All,
    /// One member (RTE-1).
    One(u16),
    /// Several members, named (RTE-2).
    Several(Vec<u16>),
}

/// Where a message belongs.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The session's name.
    pub session: &'a str,
    /// The `message_type`.
    pub kind: &'a str,
    /// The sender.
    pub from: u16,
}

/// Why a payload could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It is too short, or its parts don't fit.
    #[error("it is too short or garbled")]
    Garbled,
    /// It is addressed in one way and came in another.
    #[error("it was addressed to {0} and came as if to {1}")]
    Addressed(&'static str, &'static str),
    /// It is not for this party.
    #[error("it is not addressed to this party")]
    NotForMe,
    /// Ciphertext or signature do not belong to this place.
    #[error("it was altered, or was not made by this sender for this recipient, session and type")]
    Forged,
    /// The sender is not in the roster.
    #[error("the roster does not have its sender")]
    Stranger,
}

/// How payloads are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Encrypted and authenticated.
    Sealed,
    /// The canary, then the body as it is: for scripted flows, whose payloads have a given size and
    /// carry their own checksum.
    Bare,
}

/// Seals and opens for one party.
#[derive(Debug)]
pub struct Sealer {
    identity: Identity,
    /// Secrets shared with one other party each.
    shared: BTreeMap<u16, SharedSecret>,
    rng: ChaCha20Rng,
}

struct SharedSecret([u8; 32]);

/// Shows no key.
impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedSecret")
    }
}

impl Sealer {
    /// `rng` gives canaries and content keys.
    pub fn new(identity: Identity, rng: ChaCha20Rng) -> Self {
        Self { identity, shared: BTreeMap::new(), rng }
    }

    /// The party's number.
    pub fn me(&self) -> u16 {
        self.identity.number
    }

    /// Makes the payload that takes `body` to `recipients`, the members that `to` comes to.
    pub fn seal(
        &mut self,
        seal: Seal,
        place: Place<'_>,
        to: &To,
        recipients: &[&Member],
        body: &[u8],
    ) -> Vec<u8> {
        let mut salt = [0; CANARY_BYTES];
        self.rng.fill_bytes(&mut salt);
        let mut payload = salt.to_vec();
        match (seal, to) {
            (Seal::Bare, _) => payload.extend(body),
            (Seal::Sealed, To::One(_)) => {
                let recipient = recipients.first().expect("a message to one has a recipient");
                payload.push(ONE);
                let bound = bound(place, ONE, &[recipient.number]);
                let key = self.pair_key(recipient, &salt, &bound);
                payload.extend(key.encrypt(body, &bound));
            }
            (Seal::Sealed, To::All | To::Several(_)) => {
                let way = if *to == To::All { ALL } else { SEVERAL };
                let numbers: Vec<_> = recipients.iter().map(|member| member.number).collect();
                let bound = bound(place, way, &numbers);
                let mut content = [0; KEY_BYTES];
                self.rng.fill_bytes(&mut content);
                payload.push(way);
                payload.extend((recipients.len() as u16).to_be_bytes());
                for recipient in recipients {
                    let wrap = self.pair_key(recipient, &salt, &bound).encrypt(&content, &bound);
                    payload.extend(recipient.number.to_be_bytes());
                    payload.extend(wrap);
                }
                payload.extend(OneUse::derive(&content, &salt, &bound).encrypt(body, &bound));
                let signed = signed_bytes(&bound, &payload);
                payload.extend(self.identity.signing.sign(&signed).to_bytes());
            }
        }
        payload
    }

    /// Opens a payload that is said to belong at `place`, and to have come as a broadcast or not.
    ///
    /// # Errors
    /// If it was not made by that sender, for this party, for that place.
    pub fn open(
        &mut self,
        seal: Seal,
        place: Place<'_>,
        is_broadcast: bool,
        payload: &[u8],
        roster: &Roster,
    ) -> Result<Vec<u8>, Unopened> {
        let sender = roster.get(place.from).ok_or(Unopened::Stranger)?;
        let (salt, rest) = payload.split_first_chunk().ok_or(Unopened::Garbled)?;
        if seal == Seal::Bare {
            return Ok(rest.to_vec());
        }
        let (&way, rest) = rest.split_first().ok_or(Unopened::Garbled)?;
        // RTE-3: the flag says what the sender meant.
        match (way, is_broadcast) {
            (ALL, true) | (ONE | SEVERAL, false) => {}
            (ALL, false) => return Err(Unopened::Addressed("all", "some")),
            (ONE | SEVERAL, true) => return Err(Unopened::Addressed("some", "all")),
            _ => return Err(Unopened::Garbled),
        }
        if way == ONE {
            let bound = bound(place, ONE, &[self.me()]);
            return self.pair_key(sender, salt, &bound).decrypt(rest, &bound);
        }
        let (count, rest) = rest.split_first_chunk().ok_or(Unopened::Garbled)?;
        let wraps = usize::from(u16::from_be_bytes(*count)) * WRAP_BYTES;
        let (wraps, rest) = rest.split_at_checked(wraps).ok_or(Unopened::Garbled)?;
        let body = rest.len().checked_sub(SIGNATURE_LENGTH).ok_or(Unopened::Garbled)?;
        let (body, signature) = rest.split_at(body);
        let wraps: Vec<(u16, &[u8])> = wraps
            .chunks_exact(WRAP_BYTES)
            .map(|wrap| (u16::from_be_bytes([wrap[0], wrap[1]]), &wrap[2..]))
            .collect();
        let recipients: Vec<_> = wraps.iter().map(|(number, _)| *number).collect();
        let bound = bound(place, way, &recipients);
        let signature = Signature::from_slice(signature).map_err(|_| Unopened::Garbled)?;
        let signed = signed_bytes(&bound, &payload[..payload.len() - SIGNATURE_LENGTH]);
        sender.signing.verify_strict(&signed, &signature).map_err(|_| Unopened::Forged)?;
        let me = self.me();
        let (_, wrap) = wraps.iter().find(|(number, _)| *number == me).ok_or(Unopened::NotForMe)?;
        let content = self.pair_key(sender, salt, &bound).decrypt(wrap, &bound)?;
        OneUse::derive(&content, salt, &bound).decrypt(body, &bound)
    }

    fn pair_key(&mut self, other: &Member, salt: &Canary, bound: &[u8]) -> OneUse {
        let identity = &self.identity;
        let shared = self.shared.entry(other.number).or_insert_with(|| {
            SharedSecret(identity.sealing.diffie_hellman(&other.sealing).to_bytes())
        });
        OneUse::derive(&shared.0, salt, bound)
    }
}

const ONE: u8 = 1;
const SEVERAL: u8 = 2;
const ALL: u8 = 3;

/// What a payload is bound to. The sender is in it, so that the two directions between two parties
/// have different keys and no message can be thrown back at its sender.
fn bound(place: Place<'_>, way: u8, recipients: &[u16]) -> Vec<u8> {
    let mut frame = Frame::new("payload");
    frame.text(place.session).text(place.kind).number(place.from).number(way);
    for recipient in recipients {
        frame.number(*recipient);
    }
    frame.finish()
}

fn signed_bytes(bound: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = Frame::new("signed payload");
    frame.bytes(bound).bytes(&Digest::of(payload).0);
    frame.finish()
}

/// A key and nonce for one encryption.
struct OneUse {
    cipher: ChaCha20Poly1305,
    nonce: [u8; 12],
}

impl OneUse {
    fn derive(secret: &[u8], salt: &Canary, bound: &[u8]) -> Self {
        let mut bytes = [0; KEY_BYTES + 12];
        Hkdf::<Sha256>::new(Some(salt), secret)
            .expand(bound, &mut bytes)
            .expect("HKDF-SHA-256 gives up to 8160 bytes");
        let (key, nonce) = bytes.split_at(KEY_BYTES);
        Self {
            cipher: ChaCha20Poly1305::new(key.into()),
            nonce: nonce.try_into().expect("twelve bytes are left"),
        }
    }

    fn encrypt(self, body: &[u8], bound: &[u8]) -> Vec<u8> {
        self.cipher
            .encrypt(&self.nonce.into(), Payload { msg: body, aad: bound })
            .expect("bodies are shorter than 256 GiB")
    }

    fn decrypt(self, sealed: &[u8], bound: &[u8]) -> Result<Vec<u8>, Unopened> {
        self.cipher
            .decrypt(&self.nonce.into(), Payload { msg: sealed, aad: bound })
            .map_err(|_| Unopened::Forged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    struct Three {
        roster: Roster,
        sealers: Vec<Sealer>,
    }

    fn three() -> Three {
        let enrolment = Roster::enrol(Seed(3), "x", 3);
        let sealers = enrolment
            .identities
            .into_iter()
            .map(|identity| {
                let rng = Seed(3).stream("seal", identity.number, "");
                Sealer::new(identity, rng)
            })
            .collect();
        Three { roster: enrolment.roster, sealers }
    }

    const PLACE: Place<'_> = Place { session: "s", kind: "k", from: 1 };

    impl Three {
        fn seal(&mut self, to: &To) -> Vec<u8> {
            let recipients: Vec<_> = self
                .roster
                .members()
                .iter()
                .filter(|m| match to {
                    To::All => m.number != 1,
                    To::One(one) => m.number == *one,
                    To::Several(several) => several.contains(&m.number),
                })
                .collect();
            self.sealers[0].seal(Seal::Sealed, PLACE, to, &recipients, b"body")
        }

        fn open(
            &mut self,
            me: usize,
            place: Place<'_>,
            all: bool,
            payload: &[u8],
        ) -> Result<Vec<u8>, Unopened> {
            self.sealers[me - 1].open(Seal::Sealed, place, all, payload, &self.roster)
        }
    }

    #[test]
    fn a_payload_opens_for_its_recipients_at_its_place_and_nowhere_else() {
        let mut three = three();
        for (to, broadcast, for_third) in [
            (To::One(2), false, Err(Unopened::Forged)),
            (To::Several(vec![2]), false, Err(Unopened::NotForMe)),
            (To::All, true, Ok(b"body".to_vec())),
        ] {
            let payload = three.seal(&to);
            assert_eq!(three.open(2, PLACE, broadcast, &payload).unwrap(), b"body");
            assert_eq!(three.open(3, PLACE, broadcast, &payload), for_third, "{to:?}");
            assert!(matches!(
                three.open(2, PLACE, !broadcast, &payload),
                Err(Unopened::Addressed(..))
            ));
            for place in [
                Place { session: "t", ..PLACE },
                Place { kind: "l", ..PLACE },
                Place { from: 3, ..PLACE },
            ] {
                assert_eq!(three.open(2, place, broadcast, &payload), Err(Unopened::Forged));
            }
            assert_eq!(
                three.open(2, Place { from: 9, ..PLACE }, broadcast, &payload),
                Err(Unopened::Stranger)
            );
        }
    }

    #[test]
    fn each_altered_byte_and_each_cut_is_noticed() {
        let mut three = three();
        for (to, broadcast) in
            [(To::One(2), false), (To::Several(vec![2, 3]), false), (To::All, true)]
        {
            let payload = three.seal(&to);
            for at in 0..payload.len() {
                let mut altered = payload.clone();
                altered[at] ^= 1;
                assert!(three.open(2, PLACE, broadcast, &altered).is_err(), "{to:?}, byte {at}");
                assert!(three.open(2, PLACE, broadcast, &payload[..at]).is_err(), "{to:?}, {at}");
            }
        }
    }

    #[test]
    fn nothing_is_sealed_twice_the_same_way() {
        let mut three = three();
        for to in [To::One(2), To::All] {
            let (one, two) = (three.seal(&to), three.seal(&to));
            assert_ne!(canary(&one), canary(&two));
            assert_ne!(one[CANARY_BYTES + 1..], two[CANARY_BYTES + 1..]);
        }
    }

    #[test]
    fn a_message_thrown_back_does_not_open() {
        let mut three = three();
        let payload = three.seal(&To::One(2));
        let back = Place { from: 2, ..PLACE };
        assert_eq!(three.open(1, back, false, &payload), Err(Unopened::Forged));
    }

    #[test]
    fn a_member_cannot_speak_in_anothers_name() {
        let mut three = three();
        let members: Vec<_> = three.roster.members().to_vec();
        let recipients = [&members[1]];
        let forged = three.sealers[2].seal(Seal::Sealed, PLACE, &To::All, &recipients, b"forged");
        assert_eq!(three.open(2, PLACE, true, &forged), Err(Unopened::Forged));
    }
}
