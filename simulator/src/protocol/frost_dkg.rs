//! FROST key generation over Ed25519, with the echo that makes its first round a broadcast, and a
//! confirmation that all ended with one key.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use frost_ed25519::keys::dkg::{self, round1, round2};
use frost_ed25519::keys::{KeyPackage, PublicKeyPackage};
use frost_ed25519::{Error, Identifier};
use rand_chacha::ChaCha20Rng;

use super::gather::Gather;
use super::{Blame, Expects, Incoming, Outgoing, Output, Protocol, Transcript};
use crate::encoding::{Digest, Frame};
use crate::seal::To;

pub(super) const ROUND1: &str = "frost.dkg.round1";
pub(super) const ECHO: &str = "frost.dkg.echo";
pub(super) const ROUND2: &str = "frost.dkg.round2";
pub(super) const CONFIRM: &str = "frost.dkg.confirm";

/// A member's share of a key.
#[derive(Clone)]
pub struct KeyShare {
    /// The session that made the key.
    pub session: String,
    /// The parties that hold a share of it.
    pub holders: Vec<u16>,
    /// The group's public key, as Ed25519 has it.
    pub group_key: [u8; 32],
    /// The digests of what was broadcast.
    pub transcript: Transcript,
    pub(crate) secret: KeyPackage,
    pub(crate) public: PublicKeyPackage,
}

/// Shows no secret.
impl fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyShare").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Generates a key of which every member holds a share.
///
/// 1. Each broadcasts its round-1 package.
/// 2. Each broadcasts a digest of all round-1 packages: the echo. If two members saw different
///    packages, all stop here, before a secret is sent.
/// 3. Each sends every other member its secret share.
/// 4. Each broadcasts a digest of the group's key, all verifying shares and the transcript.
pub struct FrostDkg {
    session: String,
    me: u16,
    members: Vec<u16>,
    first_secret: Option<round1::SecretPackage>,
    second_secret: Option<round2::SecretPackage>,
    packages: BTreeMap<Identifier, round1::Package>,
    mine: Vec<u8>,
    /// One for each round; `round` is the one under way.
    rounds: [Gather; 4],
    round: usize,
    my_echo: Option<Digest>,
    my_confirmation: Option<Digest>,
    share: Option<KeyShare>,
    outgoing: VecDeque<Outgoing>,
    output: Option<Output>,
}

/// Shows no secret.
impl fmt::Debug for FrostDkg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = &self.rounds;
        f.debug_struct("FrostDkg")
            .field("me", &self.me)
            .field("rounds", rounds)
            .finish_non_exhaustive()
    }
}

impl FrostDkg {
    /// The types of its messages, round by round.
    pub(crate) const KINDS: [&str; 4] = [ROUND1, ECHO, ROUND2, CONFIRM];

    /// Begins for the member `me`; `members` has it too.
    ///
    /// # Errors
    /// If `threshold` is less than 2, or more than there are members.
    pub fn new(
        session: &str,
        me: u16,
        members: &[u16],
        threshold: u16,
        rng: ChaCha20Rng,
    ) -> Result<Self, Blame> {
        let count = u16::try_from(members.len()).map_err(|_| Blame::nobody("too many members"))?;
        let (secret, package) = dkg::part1(identifier(me)?, count, threshold, rng)
            .map_err(|error| Blame::nobody(error.to_string()))?;
        let mine = package.serialize().map_err(|error| Blame::nobody(error.to_string()))?;
        let others: Vec<_> = members.iter().copied().filter(|member| *member != me).collect();
        let first = Outgoing { kind: ROUND1.into(), round: 1, to: To::All, body: mine.clone() };
        Ok(Self {
            session: session.into(),
            me,
            members: members.to_vec(),
            first_secret: Some(secret),
            second_secret: None,
            packages: BTreeMap::new(),
            mine,
            rounds: Self::KINDS.map(|kind| Gather::new(kind, others.iter().copied())),
            round: 0,
            my_echo: None,
            my_confirmation: None,
            share: None,
            outgoing: [first].into(),
            output: None,
        })
    }

    /// Round 1 is complete: says what was heard.
    fn echo(&mut self) {
        let heard = self.rounds[0].digest(&self.session, self.me, Some(&self.mine));
        self.my_echo = Some(heard);
        self.broadcast(ECHO, heard);
    }

    /// All heard the same: hands out secret shares.
    fn deal(&mut self) -> Result<(), Blame> {
        let secret = self.first_secret.take().expect("shares are dealt once");
        let (secret, packages) =
            dkg::part2(secret, &self.packages).map_err(|error| self.blame(&error))?;
        self.second_secret = Some(secret);
        for member in self.members.iter().copied().filter(|member| *member != self.me) {
            let package = packages
                .get(&identifier(member)?)
                .ok_or_else(|| Blame::nobody("a member has no share"))?;
            let body = package.serialize().map_err(|error| Blame::nobody(error.to_string()))?;
            let to = To::One(member);
            self.outgoing.push_back(Outgoing { kind: ROUND2.into(), round: 3, to, body });
        }
        Ok(())
    }

    /// All shares are there: makes the key.
    fn combine(&mut self) -> Result<(), Blame> {
        let mut shares = BTreeMap::new();
        for (from, body) in self.rounds[2].come() {
            let package = round2::Package::deserialize(body)
                .map_err(|_| Blame::of(from, "its secret share is not one"))?;
            shares.insert(identifier(from)?, package);
        }
        let secret = self.second_secret.as_ref().expect("shares are dealt before they come");
        let (secret, public) =
            dkg::part3(secret, &self.packages, &shares).map_err(|error| self.blame(&error))?;
        self.second_secret = None;
        let group_key = <[u8; 32]>::try_from(
            public.verifying_key().serialize().map_err(|error| Blame::nobody(error.to_string()))?,
        )
        .map_err(|_| Blame::nobody("the group's key is no Ed25519 key"))?;
        let heard = self.my_echo.expect("the echo was sent before");
        let mut frame = Frame::new("key confirmation");
        frame.text(&self.session).bytes(&group_key).bytes(&heard.0);
        frame.bytes(&public.serialize().map_err(|error| Blame::nobody(error.to_string()))?);
        let confirmation = frame.digest();
        self.my_confirmation = Some(confirmation);
        self.share = Some(KeyShare {
            session: self.session.clone(),
            holders: self.members.clone(),
            group_key,
            transcript: vec![(ROUND1.into(), heard)],
            secret,
            public,
        });
        self.broadcast(CONFIRM, confirmation);
        Ok(())
    }

    /// All confirmed.
    fn finish(&mut self) {
        let mut share = self.share.take().expect("the key was made before it was confirmed");
        for (round, mine) in [(1, self.my_echo), (3, self.my_confirmation)] {
            let mine = mine.expect("everything was sent");
            let heard = self.rounds[round].digest(&self.session, self.me, Some(&mine.0));
            share.transcript.push((self.rounds[round].kind().into(), heard));
        }
        self.output = Some(Output::Key(Box::new(share)));
    }

    fn broadcast(&mut self, kind: &str, digest: Digest) {
        let round = if kind == ECHO { 2 } else { 4 };
        let body = digest.0.to_vec();
        self.outgoing.push_back(Outgoing { kind: kind.into(), round, to: To::All, body });
    }

    fn blame(&self, error: &Error) -> Blame {
        blame(error, &self.members)
    }

    /// Goes through the rounds as far as what has come allows.
    fn advance(&mut self) -> Result<(), Blame> {
        while let Some(round) = self.rounds.get(self.round)
            && round.is_complete()
        {
            match self.round {
                0 => self.echo(),
                1 => self.deal()?,
                2 => self.combine()?,
                _ => self.finish(),
            }
            self.round += 1;
        }
        Ok(())
    }
}

impl Protocol for FrostDkg {
    fn expects(&self, kind: &str, from: u16) -> Expects {
        match self.rounds.iter().position(|round| round.kind() == kind && round.expects(from)) {
            Some(round) if round > self.round => Expects::Later,
            Some(round) if round == self.round => Expects::Now,
            _ => Expects::Never,
        }
    }

    fn handle(&mut self, incoming: Incoming<'_>) -> Result<(), Blame> {
        let Incoming { from, body, .. } = incoming;
        match self.round {
            0 => {
                let package = round1::Package::deserialize(body)
                    .map_err(|_| Blame::of(from, "its round-1 package is not one"))?;
                self.packages.insert(identifier(from)?, package);
            }
            1 if self.my_echo.is_some_and(|mine| mine.0 != body) => {
                return Err(Blame::of(
                    from,
                    "it heard other round-1 packages: a broadcast was not the same for all",
                ));
            }
            3 if self.my_confirmation.is_some_and(|mine| mine.0 != body) => {
                return Err(Blame::of(from, "it came to another key or transcript"));
            }
            _ => {}
        }
        if let Some(round) = self.rounds.get_mut(self.round) {
            round.keep(from, body);
        }
        self.advance()
    }

    fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.output.take()
    }

    fn missing(&self) -> Vec<(String, u16)> {
        self.rounds.get(self.round).map(Gather::missing).unwrap_or_default()
    }
}

/// A member's identifier in FROST.
pub(crate) fn identifier(member: u16) -> Result<Identifier, Blame> {
    Identifier::try_from(member).map_err(|_| Blame::nobody("member 0 does not exist"))
}

/// Whom FROST blames, as a member.
pub(super) fn blame(error: &Error, members: &[u16]) -> Blame {
    let culprits = error.culprits();
    let whom = members
        .iter()
        .copied()
        .find(|member| identifier(*member).is_ok_and(|id| culprits.contains(&id)));
    Blame { whom, reason: error.to_string().trim_end_matches('.').to_lowercase() }
}
