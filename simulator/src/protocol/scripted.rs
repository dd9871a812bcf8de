//! A scripted flow, from one member's side.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use rand_core::RngCore as _;

use super::gather::Gather;
use super::{Blame, Expects, Incoming, Outgoing, Output, Protocol, Transcript};
use crate::encoding::{Digest, Frame};
use crate::flow::{Flow, Recipients, Send};
use crate::seal::{CANARY_BYTES, To};
use crate::seed::Seed;

const CHECKSUM_BYTES: usize = 8;
const HEADER_BYTES: usize = 8;

/// Sends and expects what a [`Flow`] says.
///
/// A body says which message it is: the number of the send, sender and recipient (0 for several),
/// six bytes, then two of the session's digest. It ends with a checksum over the session's name and
/// everything before. Whoever gets another message than it should can tell whose it is.
#[derive(Debug)]
pub struct Scripted {
    seed: Seed,
    session: String,
    flow: Arc<Flow>,
    me: u16,
    members: Vec<u16>,
    parties: u16,
    threshold: u16,
    /// What is to come: for each round one gathering for each send.
    rounds: Vec<Vec<Gather>>,
    round: usize,
    /// The digests of what this member broadcasts, by the number of the send.
    mine: Vec<Option<Digest>>,
    transcript: Transcript,
    outgoing: VecDeque<Outgoing>,
    output: Option<Output>,
}

impl Scripted {
    /// Begins for the member `me`; `members` has it too. The flow was [checked](Flow::check) for
    /// these numbers of `parties` and `threshold`.
    pub fn new(
        seed: Seed,
        session: &str,
        flow: Arc<Flow>,
        me: u16,
        members: &[u16],
        (parties, threshold): (u16, u16),
    ) -> Self {
        let mut scripted = Self {
            seed,
            session: session.into(),
            me,
            members: members.to_vec(),
            parties,
            threshold,
            rounds: Vec::new(),
            round: 0,
            mine: vec![None; flow.rounds.iter().map(|round| round.sends.len()).sum()],
            transcript: Vec::new(),
            outgoing: VecDeque::new(),
            output: None,
            flow,
        };
        scripted.rounds = scripted
            .flow
            .rounds
            .iter()
            .map(|round| round.sends.iter().map(|send| scripted.gather(send)).collect())
            .collect();
        scripted.speak();
        scripted.advance();
        scripted
    }

    /// Whom this member hears in a send.
    fn gather(&self, send: &Send) -> Gather {
        let heard = match &send.to {
            Recipients::All | Recipients::Each => true,
            Recipients::Listed(places) => places.contains(&self.place(self.me)),
        };
        let senders = self.senders(send).filter(|from| heard && *from != self.me);
        Gather::new(&send.kind, senders)
    }

    fn senders(&self, send: &Send) -> impl Iterator<Item = u16> {
        self.members.iter().copied().filter(|member| {
            send.from.as_ref().is_none_or(|places| places.contains(&self.place(*member)))
        })
    }

    /// A member's place, from 1; 0 for others.
    fn place(&self, member: u16) -> u16 {
        let place = self.members.iter().position(|other| *other == member);
        place.map_or(0, |place| place as u16 + 1)
    }

    /// Sends this member's messages of the round that has begun.
    fn speak(&mut self) {
        let flow = Arc::clone(&self.flow);
        let Some(round) = flow.rounds.get(self.round) else { return };
        let first: usize = flow.rounds[..self.round].iter().map(|round| round.sends.len()).sum();
        for (at, send) in round.sends.iter().enumerate() {
            if !self.senders(send).any(|from| from == self.me) {
                continue;
            }
            let others = self.members.iter().copied().filter(|member| *member != self.me);
            let to: Vec<To> = match &send.to {
                Recipients::All => vec![To::All],
                Recipients::Each => others.map(To::One).collect(),
                Recipients::Listed(places) => {
                    let listed: Vec<u16> =
                        others.filter(|member| places.contains(&self.place(*member))).collect();
                    match listed[..] {
                        [] => vec![],
                        [one] => vec![To::One(one)],
                        _ => vec![To::Several(listed)],
                    }
                }
            };
            for to in to {
                let body = self.fill(first + at, send, &to);
                if to == To::All {
                    self.mine[first + at] = Some(Digest::of(&body));
                }
                let kind = send.kind.clone();
                self.outgoing.push_back(Outgoing { kind, round: round.number, to, body });
            }
        }
    }

    fn fill(&self, number: usize, send: &Send, to: &To) -> Vec<u8> {
        let size = send
            .size
            .bytes(self.parties, self.threshold, self.members.len() as u16)
            .expect("the flow was checked for these numbers") as usize;
        let to = if let To::One(to) = to { *to } else { 0 };
        let mut body = self.header(number, self.me, to).to_vec();
        body.resize(size - CANARY_BYTES - CHECKSUM_BYTES, 0);
        let scope = format!("{}/{}/{to}", self.session, send.kind);
        self.seed.stream("script", self.me, &scope).fill_bytes(&mut body[HEADER_BYTES..]);
        body.extend(self.checksum(&body));
        body
    }

    fn header(&self, number: usize, from: u16, to: u16) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..2].copy_from_slice(&(number as u16).to_be_bytes());
        header[2..4].copy_from_slice(&from.to_be_bytes());
        header[4..6].copy_from_slice(&to.to_be_bytes());
        header[6..].copy_from_slice(&Digest::of(self.session.as_bytes()).0[..2]);
        header
    }

    fn checksum(&self, body: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut frame = Frame::new("script");
        frame.text(&self.session).bytes(body);
        *frame.digest().0.first_chunk().expect("a digest is longer")
    }

    /// The message of this type: its number among all sends, its round, and its place there.
    fn find(&self, kind: &str) -> Option<(usize, usize, usize)> {
        let mut number = 0;
        for (round, gathers) in self.rounds.iter().enumerate() {
            for (at, gather) in gathers.iter().enumerate() {
                if gather.kind() == kind {
                    return Some((number, round, at));
                }
                number += 1;
            }
        }
        None
    }

    /// Goes through the rounds as far as what has come allows.
    fn advance(&mut self) {
        while let Some(round) = self.rounds.get(self.round)
            && round.iter().all(Gather::is_complete)
        {
            for (gather, send) in round.iter().zip(&self.flow.rounds[self.round].sends) {
                if send.to == Recipients::All {
                    let number = self.find(&send.kind).map_or(0, |(number, ..)| number);
                    let mine = self.mine[number].map(|digest| digest.0);
                    let mine = mine.as_ref().map(|digest| digest.as_slice());
                    let heard = gather.digest(&self.session, self.me, mine);
                    self.transcript.push((send.kind.clone(), heard));
                }
            }
            self.round += 1;
            if self.round == self.rounds.len() {
                self.output = Some(Output::Script(std::mem::take(&mut self.transcript)));
            }
            self.speak();
        }
    }
}

impl Protocol for Scripted {
    fn expects(&self, kind: &str, from: u16) -> Expects {
        match self.find(kind) {
            Some((_, round, at)) if self.rounds[round][at].expects(from) => {
                match round.cmp(&self.round) {
                    Ordering::Greater => Expects::Later,
                    Ordering::Equal => Expects::Now,
                    Ordering::Less => Expects::Never,
                }
            }
            _ => Expects::Never,
        }
    }

    fn handle(&mut self, incoming: Incoming<'_>) -> Result<(), Blame> {
        let Incoming { kind, from, body } = incoming;
        let fault = |what: String| Err(Blame::of(from, what));
        let Some((number, round, at)) = self.find(kind) else {
            return fault(format!("the flow has no `{kind}`"));
        };
        let send = &self.flow.rounds[round].sends[at];
        let wanted = send
            .size
            .bytes(self.parties, self.threshold, self.members.len() as u16)
            .unwrap_or_default() as usize;
        let Some((said, sum)) = body.split_last_chunk::<CHECKSUM_BYTES>() else {
            return fault(format!("its `{kind}` is too short for a checksum"));
        };
        if *sum != self.checksum(said) {
            return fault(format!("the checksum of its `{kind}` is wrong"));
        }
        let to: &[u16] = match send.to {
            Recipients::All => &[0],
            Recipients::Each => &[self.me],
            // A list of two that has the sender in it comes to one.
            Recipients::Listed(_) => &[0, self.me],
        };
        if !to.iter().any(|to| said.starts_with(&self.header(number, from, *to))) {
            return fault(format!("its `{kind}` is in truth another message"));
        }
        if body.len() + CANARY_BYTES != wanted {
            let have = body.len() + CANARY_BYTES;
            return fault(format!("its `{kind}` has {have} bytes instead of {wanted}"));
        }
        self.rounds[round][at].keep(from, &Digest::of(body).0);
        self.advance();
        Ok(())
    }

    fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.output.take()
    }

    fn missing(&self) -> Vec<(String, u16)> {
        let round = self.rounds.get(self.round).map(Vec::as_slice).unwrap_or_default();
        round.iter().flat_map(Gather::missing).collect()
    }
}
