//! FROST signing over Ed25519 by some of those who hold a share.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use frost_ed25519::keys::PublicKeyPackage;
use frost_ed25519::round1::{self, SigningCommitments, SigningNonces};
use frost_ed25519::round2::{self, SignatureShare};
use frost_ed25519::{Identifier, Signature, SigningPackage};
use rand_chacha::ChaCha20Rng;
use serde::Serialize;

use super::frost_dkg::{blame, identifier};
use super::gather::Gather;
use super::{Blame, Expects, Incoming, KeyShare, Outgoing, Output, Protocol, Transcript};
use crate::encoding::{Digest, Frame};
use crate::seal::To;

pub(super) const COMMITMENT: &str = "frost.sign.commitment";
pub(super) const PACKAGE: &str = "frost.sign.package";
pub(super) const SHARE: &str = "frost.sign.share";
pub(super) const SIGNATURE: &str = "frost.sign.signature";

/// A signature, as one signer has it.
#[derive(Debug, Clone)]
pub struct Signed {
    /// What was signed.
    pub message: Vec<u8>,
    /// The group's public key.
    pub group_key: [u8; 32],
    /// The signature, as Ed25519 has it.
    pub signature: [u8; 64],
    /// The digests of what went to all signers.
    pub transcript: Transcript,
    /// What the aggregator put together; `None` for the other signers.
    pub shares: Option<Shares>,
}

/// The signature shares that an aggregator was given, with what they can be checked against.
#[derive(Debug, Clone)]
pub struct Shares {
    pub(crate) package: SigningPackage,
    pub(crate) shares: BTreeMap<u16, SignatureShare>,
    pub(crate) public: PublicKeyPackage,
}

impl Shares {
    /// Checks one signer's share against that signer's verifying share.
    pub(crate) fn verify(&self, signer: u16) -> Result<(), Blame> {
        let fault = || Blame::of(signer, "its signature share does not verify");
        let id = identifier(signer)?;
        let share = self.shares.get(&signer).ok_or_else(fault)?;
        let verifying = self.public.verifying_shares().get(&id).ok_or_else(fault)?;
        let key = self.public.verifying_key();
        frost_core::verify_signature_share(id, verifying, share, &self.package, key)
            .map_err(|_| fault())
    }
}

/// One signature share, by what went into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NonceUse {
    /// The commitment to the nonces.
    pub commitment: Digest,
    /// What was signed with them: the message and everybody's commitments.
    pub package: Digest,
}

/// Signs a message together with the other members.
///
/// The first member aggregates; being a signer too, it sends itself nothing.
///
/// 1. Each sends the aggregator its commitments.
/// 2. The aggregator sends all signers the signing package, by name.
/// 3. Each sends the aggregator its share, which is verified against its sender when it comes. (A sum
///    of shares whose senders are mixed up is still a valid signature.)
/// 4. The aggregator broadcasts the signature, and each verifies it.
pub struct FrostSign {
    session: String,
    me: u16,
    members: Vec<u16>,
    key: KeyShare,
    message: Vec<u8>,
    nonces: Option<SigningNonces>,
    my_commitments: SigningCommitments,
    uses: Vec<NonceUse>,
    stage: Stage,
    shares: Option<Shares>,
    transcript: Transcript,
    outgoing: VecDeque<Outgoing>,
    output: Option<Output>,
}

#[derive(Debug)]
enum Stage {
    /// The aggregator gathers commitments.
    Commitments(Gather),
    /// The aggregator gathers shares.
    Shares(Gather),
    /// A signer waits for the package.
    Package(Gather),
    /// A signer waits for the signature.
    Signature(Gather),
    Done,
}

/// Shows no secret.
impl fmt::Debug for FrostSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = &self.stage;
        f.debug_struct("FrostSign")
            .field("me", &self.me)
            .field("stage", stage)
            .finish_non_exhaustive()
    }
}

impl FrostSign {
    /// The types of its messages, round by round.
    pub(crate) const KINDS: [&str; 4] = [COMMITMENT, PACKAGE, SHARE, SIGNATURE];

    /// Begins for the member `me`; `members` are the signers, the aggregator first.
    ///
    /// # Errors
    /// If the signers are too few, or do not all hold a share of the key.
    pub fn new(
        session: &str,
        me: u16,
        members: &[u16],
        key: KeyShare,
        message: Vec<u8>,
        mut rng: ChaCha20Rng,
    ) -> Result<Self, Blame> {
        let threshold = *key.secret.min_signers();
        if members.len() < usize::from(threshold) {
            return Err(Blame::nobody(format!("it takes {threshold} to sign")));
        }
        if let Some(stranger) = members.iter().find(|member| !key.holders.contains(member)) {
            return Err(Blame::of(*stranger, "it holds no share of the key"));
        }
        let aggregator = *members.first().ok_or_else(|| Blame::nobody("nobody signs"))?;
        let (nonces, commitments) = round1::commit(key.secret.signing_share(), &mut rng);
        let others = members.iter().copied().filter(|member| *member != me);
        let stage = if me == aggregator {
            Stage::Commitments(Gather::new(COMMITMENT, others))
        } else {
            Stage::Package(Gather::new(PACKAGE, [aggregator]))
        };
        let mut protocol = Self {
            session: session.into(),
            me,
            members: members.to_vec(),
            key,
            message,
            nonces: Some(nonces),
            my_commitments: commitments,
            uses: Vec::new(),
            stage,
            shares: None,
            transcript: Vec::new(),
            outgoing: VecDeque::new(),
            output: None,
        };
        if me != aggregator {
            let body = commitments.serialize().map_err(|error| Blame::nobody(error.to_string()))?;
            protocol.send(COMMITMENT, 1, To::One(aggregator), body);
        } else if members.len() == 1 {
            return Err(Blame::nobody("one alone does not sign"));
        }
        Ok(protocol)
    }

    fn aggregator(&self) -> u16 {
        self.members[0]
    }

    fn send(&mut self, kind: &str, round: i32, to: To, body: Vec<u8>) {
        self.outgoing.push_back(Outgoing { kind: kind.into(), round, to, body });
    }

    /// The aggregator has all commitments: hands out the package.
    fn package(&mut self, commitments: &Gather) -> Result<(), Blame> {
        let mut all = BTreeMap::from([(identifier(self.me)?, self.my_commitments)]);
        for (from, body) in commitments.come() {
            let commitments = SigningCommitments::deserialize(body)
                .map_err(|_| Blame::of(from, "its commitments are none"))?;
            all.insert(identifier(from)?, commitments);
        }
        let package = SigningPackage::new(all, &self.message);
        let body = package.serialize().map_err(|error| Blame::nobody(error.to_string()))?;
        self.heard(PACKAGE, &body);
        let share = self.sign(&package, &body)?;
        let signers = self.members[1..].to_vec();
        self.send(PACKAGE, 2, To::Several(signers), body);
        let public = self.key.public.clone();
        self.shares = Some(Shares { package, shares: [(self.me, share)].into(), public });
        Ok(())
    }

    /// Makes this member's share. The nonces are gone then, whatever comes.
    fn sign(&mut self, package: &SigningPackage, bytes: &[u8]) -> Result<SignatureShare, Blame> {
        let nonces = self.nonces.take().ok_or_else(|| {
            Blame::of(self.aggregator(), "it wants a second share made with the same nonces")
        })?;
        let share = round2::sign(package, &nonces, &self.key.secret)
            .map_err(|error| blame(&error, &self.members))?;
        let commitments =
            self.my_commitments.serialize().map_err(|error| Blame::nobody(error.to_string()))?;
        self.uses
            .push(NonceUse { commitment: Digest::of(&commitments), package: Digest::of(bytes) });
        Ok(share)
    }

    /// A signer has the package: checks that it is about the right thing, and signs.
    fn answer(&mut self, body: &[u8]) -> Result<(), Blame> {
        let aggregator = self.aggregator();
        let package = SigningPackage::deserialize(body)
            .map_err(|_| Blame::of(aggregator, "its signing package is none"))?;
        if package.message() != &self.message {
            return Err(Blame::of(aggregator, "it asks for a signature on another message"));
        }
        let signers: Vec<&Identifier> = package.signing_commitments().keys().collect();
        let mut members =
            self.members.iter().map(|member| identifier(*member)).collect::<Result<Vec<_>, _>>()?;
        members.sort();
        if !signers.into_iter().eq(&members) {
            return Err(Blame::of(aggregator, "its signing package is for other signers"));
        }
        self.heard(PACKAGE, body);
        let share = self.sign(&package, body)?;
        self.send(SHARE, 3, To::One(aggregator), share.serialize());
        Ok(())
    }

    /// The aggregator has a share: verifies it against its sender.
    fn take_share(&mut self, from: u16, body: &[u8]) -> Result<(), Blame> {
        let share = SignatureShare::deserialize(body)
            .map_err(|_| Blame::of(from, "its signature share is none"))?;
        let shares = self.shares.as_mut().expect("the package went out before");
        shares.shares.insert(from, share);
        shares.verify(from)
    }

    /// The aggregator has all shares.
    fn aggregate(&mut self) -> Result<(), Blame> {
        let shares = self.shares.clone().expect("the package went out before");
        let by_id = shares
            .shares
            .iter()
            .map(|(signer, share)| Ok((identifier(*signer)?, *share)))
            .collect::<Result<BTreeMap<_, _>, Blame>>()?;
        let signature = frost_ed25519::aggregate(&shares.package, &by_id, &shares.public)
            .map_err(|error| blame(&error, &self.members))?;
        let body = signature.serialize().map_err(|error| Blame::nobody(error.to_string()))?;
        self.send(SIGNATURE, 4, To::All, body.clone());
        self.finish(&body)
    }

    /// Verifies the signature, and is done with it.
    fn finish(&mut self, body: &[u8]) -> Result<(), Blame> {
        let fault = || Blame::of(self.aggregator(), "its signature does not verify");
        let signature = Signature::deserialize(body).map_err(|_| fault())?;
        let key = self.key.public.verifying_key();
        key.verify(&self.message, &signature).map_err(|_| fault())?;
        let bytes = body.try_into().map_err(|_| fault())?;
        self.heard(SIGNATURE, body);
        self.output = Some(Output::Signature(Box::new(Signed {
            message: self.message.clone(),
            group_key: self.key.group_key,
            signature: bytes,
            transcript: std::mem::take(&mut self.transcript),
            shares: self.shares.take(),
        })));
        Ok(())
    }

    fn heard(&mut self, kind: &str, body: &[u8]) {
        let mut frame = Frame::new("said to all");
        frame.text(&self.session).text(kind).bytes(body);
        self.transcript.push((kind.into(), frame.digest()));
    }
}

impl Protocol for FrostSign {
    fn expects(&self, kind: &str, from: u16) -> Expects {
        let from_signer = from != self.me && self.members.contains(&from);
        let stage =
            match kind {
                COMMITMENT | SHARE if self.me == self.aggregator() && from_signer => {
                    if kind == COMMITMENT { 0 } else { 1 }
                }
                PACKAGE | SIGNATURE
                    if self.me != self.aggregator() && from == self.aggregator() =>
                {
                    if kind == PACKAGE { 0 } else { 1 }
                }
                _ => return Expects::Never,
            };
        let now = match self.stage {
            Stage::Commitments(_) | Stage::Package(_) => 0,
            Stage::Shares(_) | Stage::Signature(_) => 1,
            Stage::Done => 2,
        };
        match stage.cmp(&now) {
            Ordering::Greater => Expects::Later,
            Ordering::Equal => Expects::Now,
            Ordering::Less => Expects::Never,
        }
    }

    fn handle(&mut self, incoming: Incoming<'_>) -> Result<(), Blame> {
        let Incoming { from, body, .. } = incoming;
        let others: Vec<_> =
            self.members.iter().copied().filter(|member| *member != self.me).collect();
        self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Commitments(mut gather) => {
                if gather.keep(from, body) {
                    let next = Stage::Shares(Gather::new(SHARE, others));
                    self.package(&gather)?;
                    next
                } else {
                    Stage::Commitments(gather)
                }
            }
            Stage::Shares(mut gather) => {
                let complete = gather.keep(from, body);
                self.take_share(from, body)?;
                if complete {
                    self.aggregate()?;
                    Stage::Done
                } else {
                    Stage::Shares(gather)
                }
            }
            Stage::Package(_) => {
                self.answer(body)?;
                Stage::Signature(Gather::new(SIGNATURE, [from]))
            }
            Stage::Signature(_) => {
                self.finish(body)?;
                Stage::Done
            }
            Stage::Done => Stage::Done,
        };
        Ok(())
    }

    fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.output.take()
    }

    fn missing(&self) -> Vec<(String, u16)> {
        match &self.stage {
            Stage::Commitments(gather)
            | Stage::Shares(gather)
            | Stage::Package(gather)
            | Stage::Signature(gather) => gather.missing(),
            Stage::Done => Vec::new(),
        }
    }

    fn nonce_uses(&self) -> &[NonceUse] {
        &self.uses
    }
}
