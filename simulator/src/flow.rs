//! Scripted flows: the rounds of a protocol as data, so that any protocol's traffic can be sent
//! without its cryptography.
//!
//! A flow is a TOML file:
//!
//! ```toml
//! name = "example"
//! about = "one line about it"
//! members = "all"            # who takes part: "all" parties, or as many as the "threshold" says
//!
//! [[round]]                  # a member begins a round when it has everything of the one before
//! number = 7                 # the round_number on the wire, a label; without it 1, 2, 3, ...
//!
//! [[round.send]]             # one message of each sender; a round can have several of these
//! type = "example.commit"    # the message_type; no two sends share one
//! from = [1, 2]              # the senders, by place among the members; without it every member
//! to = "all"                 # "all": one broadcast; "each": one message to each other member;
//!                            # [3]: to that member; [1, 3]: one message to several
//! size = "71 + 32*t"         # payload bytes, 32 or more: a number, or + - * ( ) with
//!                            # n parties, threshold t, and m members of the session
//! ```
//!
//! A payload begins with its canary, then says which message it is, and ends with a checksum; what
//! is between comes from the seed.

mod size;

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

pub use size::Size;

/// The smallest payload: canary, description and checksum.
pub const MIN_PAYLOAD_BYTES: u64 = 32;
/// The largest payload a flow may ask for. A router may well take less (RTE-9).
pub const MAX_PAYLOAD_BYTES: u64 = 64 * 1024 * 1024;

/// The flows that come with the simulator: name and text.
const SHIPPED: [(&str, &str); 7] = [
    ("gg18-keygen", include_str!("../flows/gg18-keygen.toml")),
    ("gg18-sign", include_str!("../flows/gg18-sign.toml")),
    ("cggmp24-aux", include_str!("../flows/cggmp24-aux.toml")),
    ("cggmp24-keygen", include_str!("../flows/cggmp24-keygen.toml")),
    ("cggmp24-sign", include_str!("../flows/cggmp24-sign.toml")),
    ("dkls23-keygen", include_str!("../flows/dkls23-keygen.toml")),
    ("dkls23-sign", include_str!("../flows/dkls23-sign.toml")),
];

/// A protocol's traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// A line about it.
    pub about: String,
    /// Who takes part.
    pub members: Members,
    /// What is sent, round by round.
    pub rounds: Vec<Round>,
    file: String,
}

/// Who takes part in a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Members {
    /// All parties, as in the generation of a key.
    All,
    /// As many as the threshold says, as in signing.
    Threshold,
}

/// One round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The `round_number` on the wire.
    pub number: i32,
    /// The messages of each member.
    pub sends: Vec<Send>,
}

/// One message of each sender in a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// The `message_type`.
    pub kind: String,
    /// The senders, by place among the members; `None` for all.
    pub from: Option<Vec<u16>>,
    /// The recipients.
    pub to: Recipients,
    /// The payload's length.
    pub size: Size,
    lines: Lines,
}

/// Who gets a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// All others, by one broadcast.
    All,
    /// All others, by one message to each.
    Each,
    /// These, by place among the members, by one message; the sender is left out.
    Listed(Vec<u16>),
}

/// Where in the file the fields of a send stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lines {
    from: usize,
    to: usize,
    size: usize,
}

/// What is wrong with a flow, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FlowError {
    /// The file, or the flow's name if it came with the simulator.
    pub file: String,
    /// The line, from 1; 0 if the file could not be read.
    pub line: usize,
    /// The field, such as `round.send.size`; empty if the file is no TOML.
    pub field: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl Flow {
    /// The flows that come with the simulator.
    pub fn shipped() -> Vec<Self> {
        SHIPPED
            .iter()
            .map(|(name, text)| Self::parse(name, text).expect("a test reads all shipped flows"))
            .collect()
    }

    /// The text of the shipped flow of this name, to begin one's own with.
    pub fn shipped_text(name: &str) -> Option<&'static str> {
        SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
    }

    /// The shipped flow of this name, or else the flow in the file of this name.
    ///
    /// # Errors
    /// If there is neither, or the file is no good.
    pub fn find(name: &str) -> Result<Self, FlowError> {
        if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            return Self::parse(name, text);
        }
        let text = std::fs::read_to_string(Path::new(name)).map_err(|error| FlowError {
            file: name.into(),
            line: 0,
            field: String::new(),
            what: format!(
                "no flow of this name comes with the simulator (`mpc-simulator flows` lists them), \
                 and it cannot be read as a file: {error}"
            ),
        })?;
        Self::parse(name, &text)
    }

    /// Reads a flow; `file` is what errors call it.
    ///
    /// # Errors
    /// If the text is no flow.
    pub fn parse(file: &str, text: &str) -> Result<Self, FlowError> {
        Reader { file, text }.flow()
    }

    /// How many members a session of this flow has, with `n` parties and threshold `t`.
    pub fn member_count(&self, n: u16, t: u16) -> u16 {
        match self.members {
            Members::All => n,
            Members::Threshold => t,
        }
    }

    /// The longest payload with `n` parties and threshold `t`, in bytes.
    pub fn largest(&self, n: u16, t: u16) -> u64 {
        let members = self.member_count(n, t);
        let sends = self.rounds.iter().flat_map(|round| &round.sends);
        sends.filter_map(|send| send.size.bytes(n, t, members)).max().unwrap_or(0)
    }

    /// Checks that the flow makes sense for `n` parties and threshold `t`.
    ///
    /// # Errors
    /// If it names a member that is not there, or a size is out of bounds.
    pub fn check(&self, n: u16, t: u16) -> Result<(), FlowError> {
        let members = self.member_count(n, t);
        for send in self.rounds.iter().flat_map(|round| &round.sends) {
            let error = |line, field: &str, what| {
                Err(FlowError { file: self.file.clone(), line, field: field.into(), what })
            };
            let absent = |list: &[u16]| list.iter().copied().find(|place| *place > members);
            if let Some(place) = send.from.as_deref().and_then(absent) {
                let what = format!("there is no member {place}: the session has {members}");
                return error(send.lines.from, "round.send.from", what);
            }
            if let Recipients::Listed(list) = &send.to
                && let Some(place) = absent(list)
            {
                let what = format!("there is no member {place}: the session has {members}");
                return error(send.lines.to, "round.send.to", what);
            }
            let bytes = send.size.bytes(n, t, members);
            if !bytes.is_some_and(|bytes| (MIN_PAYLOAD_BYTES..=MAX_PAYLOAD_BYTES).contains(&bytes))
            {
                let what = format!(
                    "comes to {} bytes with {n} parties and threshold {t}; it must be \
                     {MIN_PAYLOAD_BYTES} to {MAX_PAYLOAD_BYTES}",
                    bytes.map_or("fewer than 0".into(), |bytes| bytes.to_string())
                );
                return error(send.lines.size, "round.send.size", what);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowText {
    name: Spanned<String>,
    #[serde(default)]
    about: String,
    members: Members,
    #[serde(default)]
    round: Vec<Spanned<RoundText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoundText {
    number: Option<i32>,
    #[serde(default)]
    send: Vec<SendText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendText {
    r#type: Spanned<String>,
    from: Option<Spanned<Vec<u16>>>,
    to: Spanned<toml::Value>,
    size: Spanned<toml::Value>,
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn flow(&self) -> Result<Flow, FlowError> {
        let read: FlowText = toml::from_str(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            FlowError { what: error.message().to_owned(), ..self.error(at, "", "") }
        })?;
        if read.name.get_ref().is_empty() {
            return Err(self.error(read.name.span().start, "name", "is empty"));
        }
        if read.round.is_empty() {
            return Err(self.error(0, "round", "a flow has one at least"));
        }
        let mut rounds: Vec<Round> = Vec::new();
        for (place, round) in read.round.into_iter().enumerate() {
            let at = round.span().start;
            let round = round.into_inner();
            if round.send.is_empty() {
                return Err(self.error(at, "round.send", "a round has one at least"));
            }
            let mut sends: Vec<Send> = Vec::new();
            for send in round.send {
                let at = send.r#type.span().start;
                let kind = send.r#type.get_ref();
                if kind.is_empty() {
                    return Err(self.error(at, "round.send.type", "is empty"));
                }
                let mut before = rounds.iter().flat_map(|round| &round.sends).chain(&sends);
                if before.any(|send| send.kind == *kind) {
                    let what = format!("`{kind}` is there already; each send has its own");
                    return Err(self.error(at, "round.send.type", what));
                }
                sends.push(self.send(send)?);
            }
            let number = round.number.unwrap_or_else(|| i32::try_from(place).unwrap_or(0) + 1);
            if number < 0 {
                return Err(self.error(at, "round.number", "is negative (RTE-12)"));
            }
            rounds.push(Round { number, sends });
        }
        Ok(Flow {
            name: read.name.into_inner(),
            about: read.about,
            members: read.members,
            rounds,
            file: self.file.into(),
        })
    }

    fn send(&self, send: SendText) -> Result<Send, FlowError> {
        let lines = Lines {
            from: send.from.as_ref().map_or(0, |from| self.line(from.span().start)),
            to: self.line(send.to.span().start),
            size: self.line(send.size.span().start),
        };
        let from = match send.from {
            None => None,
            Some(from) => {
                let at = from.span().start;
                Some(self.places(at, "round.send.from", from.into_inner())?)
            }
        };
        let at = send.to.span().start;
        let to = match send.to.into_inner() {
            toml::Value::String(to) if to == "all" => Recipients::All,
            toml::Value::String(to) if to == "each" => Recipients::Each,
            toml::Value::Array(list) => {
                let list: Option<Vec<u16>> =
                    list.iter().map(|place| u16::try_from(place.as_integer()?).ok()).collect();
                let list = list.ok_or_else(|| self.error(at, "round.send.to", TO))?;
                Recipients::Listed(self.places(at, "round.send.to", list)?)
            }
            _ => return Err(self.error(at, "round.send.to", TO)),
        };
        let at = send.size.span().start;
        let size = match send.size.into_inner() {
            toml::Value::Integer(bytes) => Size::parse(&bytes.to_string()),
            toml::Value::String(text) => Size::parse(&text),
            _ => Err("is a number, or an expression in quotes".into()),
        };
        let size = size.map_err(|what| self.error(at, "round.send.size", what))?;
        Ok(Send { kind: send.r#type.into_inner(), from, to, size, lines })
    }

    fn places(&self, at: usize, field: &str, list: Vec<u16>) -> Result<Vec<u16>, FlowError> {
        let mut sorted = list.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if list.is_empty() {
            Err(self.error(at, field, "names nobody"))
        } else if sorted.len() < list.len() {
            Err(self.error(at, field, "names a member twice"))
        } else if sorted.first() == Some(&0) {
            Err(self.error(at, field, "members count from 1"))
        } else {
            Ok(sorted)
        }
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn error(&self, at: usize, field: &str, what: impl Into<String>) -> FlowError {
        let line = self.line(at);
        FlowError { file: self.file.into(), line, field: field.into(), what: what.into() }
    }
}

const TO: &str = r#"is "all", "each", or a list of members such as [1, 3]"#;

#[cfg(test)]
mod tests;
