//! What members of a session do together: each protocol is a state machine that takes messages and
//! gives messages, until it has an output or somebody to blame.

mod frost_dkg;
mod frost_sign;
mod gather;
mod scripted;

use std::fmt;

pub use frost_dkg::{FrostDkg, KeyShare};
pub use frost_sign::{FrostSign, NonceUse, Shares, Signed};
pub use scripted::Scripted;

use crate::encoding::Digest;
use crate::seal::To;

/// A message to be sent, before it is sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The `message_type`. A member sends each type at most once to each other member.
    pub kind: String,
    /// The `round_number`, a label.
    pub round: i32,
    /// The recipients.
    pub to: To,
    /// What is in it.
    pub body: Vec<u8>,
}

/// Shows the body's length only.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {:?}, {} bytes", self.kind, self.to, self.body.len())
    }
}

/// A message that has come, opened.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// The `message_type`.
    pub kind: &'a str,
    /// The sender, who is a member and not oneself.
    pub from: u16,
    /// What is in it.
    pub body: &'a [u8],
}

/// Shows the body's length only.
impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}, {} bytes", self.kind, self.from, self.body.len())
    }
}

/// Whether a protocol can use a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// At once.
    Now,
    /// In a later round; until then it waits.
    Later,
    /// At no time: the sender never sends such a message to this member.
    Never,
}

/// Why a protocol failed, and through whom as far as one member can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// The member that seems to be at fault; whether it is, or whether the router altered or mixed
    /// up messages, is for the verdict to say.
    pub whom: Option<u16>,
    /// What is wrong.
    pub reason: String,
}

impl Blame {
    pub(crate) fn of(whom: u16, reason: impl Into<String>) -> Self {
        Self { whom: Some(whom), reason: reason.into() }
    }

    pub(crate) fn nobody(reason: impl Into<String>) -> Self {
        Self { whom: None, reason: reason.into() }
    }
}

/// What a member has at the end of a protocol.
#[derive(Debug, Clone)]
pub enum Output {
    /// A share of a new key.
    Key(Box<KeyShare>),
    /// A signature.
    Signature(Box<Signed>),
    /// Nothing but having heard what it should.
    Script(Transcript),
}

impl Output {
    /// What the member heard in the rounds in which all must hear the same.
    pub fn transcript(&self) -> &Transcript {
        match self {
            Self::Key(share) => &share.transcript,
            Self::Signature(signed) => &signed.transcript,
            Self::Script(transcript) => transcript,
        }
    }
}

/// A digest for each round in which every member must hear the same.
pub type Transcript = Vec<(String, Digest)>;

/// A protocol, from one member's side. Four kinds of method and no fifth: `handle` takes what came,
/// `poll_outgoing` and `poll_output` give what is due, the others only tell.
pub trait Protocol: fmt::Debug + Send {
    /// Whether it can use a message of this type from this member.
    fn expects(&self, kind: &str, from: u16) -> Expects;

    /// Takes a message that it [expects now](Expects::Now).
    ///
    /// # Errors
    /// If the message is unusable. The protocol has failed then, and gives nothing more.
    fn handle(&mut self, incoming: Incoming<'_>) -> Result<(), Blame>;

    /// The next message to send.
    fn poll_outgoing(&mut self) -> Option<Outgoing>;

    /// The output, once.
    fn poll_output(&mut self) -> Option<Output>;

    /// The messages it waits for now: type and sender.
    fn missing(&self) -> Vec<(String, u16)>;

    /// What nonces were used for so far, whether or not it came to an end.
    fn nonce_uses(&self) -> &[NonceUse] {
        &[]
    }
}

/// Runs protocols with each other until nothing moves, with no router between them, and gives each
/// member's output.
///
/// # Errors
/// If one fails, or if they get stuck.
pub fn rehearse(mut members: Vec<(u16, Box<dyn Protocol>)>) -> Result<Vec<(u16, Output)>, Blame> {
    let mut outputs = Vec::new();
    let mut early: Vec<(u16, u16, Outgoing)> = Vec::new();
    loop {
        let mut moved = false;
        let numbers: Vec<u16> = members.iter().map(|(number, _)| *number).collect();
        for (from, protocol) in &mut members {
            while let Some(outgoing) = protocol.poll_outgoing() {
                let to = match &outgoing.to {
                    To::All => numbers.iter().copied().filter(|to| to != from).collect(),
                    To::One(to) => vec![*to],
                    To::Several(to) => to.clone(),
                };
                early.extend(to.into_iter().map(|to| (*from, to, outgoing.clone())));
                moved = true;
            }
            if let Some(output) = protocol.poll_output() {
                outputs.push((*from, output));
            }
        }
        for (from, to, outgoing) in std::mem::take(&mut early) {
            let (_, protocol) = members
                .iter_mut()
                .find(|(number, _)| *number == to)
                .ok_or_else(|| Blame::of(from, "it sends to a party that is no member"))?;
            match protocol.expects(&outgoing.kind, from) {
                Expects::Now => {
                    let incoming = Incoming { kind: &outgoing.kind, from, body: &outgoing.body };
                    protocol.handle(incoming)?;
                    moved = true;
                }
                Expects::Later => early.push((from, to, outgoing)),
                Expects::Never => {
                    return Err(Blame::of(from, "it sends what its recipient never expects"));
                }
            }
        }
        if !moved {
            break;
        }
    }
    if outputs.len() == members.len() {
        Ok(outputs)
    } else {
        Err(Blame::nobody("the protocol got stuck"))
    }
}

#[cfg(test)]
mod tests;
