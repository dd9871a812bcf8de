//! The names of what a program is about, on the wire.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::program::Program;

/// What the names of one program begin with, so that nothing else on the target has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(String);

impl Names {
    /// Names that begin with this.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self(prefix.into())
    }
}

/// In what way names are like each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Naming {
    /// They are numbered.
    #[default]
    Plain,
    /// Each is the beginning of the next.
    Prefixes,
    /// They differ in the case of letters.
    Case,
    /// They differ behind the first 80 characters.
    Long,
    /// A session's name, a colon and a party's name are the same text for two of them.
    Colons,
    /// They differ in how a letter with an accent is made up.
    Accents,
    /// Sessions differ by a space at the end.
    Spaces,
}

impl Naming {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Plain,
        Self::Prefixes,
        Self::Case,
        Self::Long,
        Self::Colons,
        Self::Accents,
        Self::Spaces,
    ];

    /// Whether the program's names are numbered.
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }

    fn says(self) -> &'static str {
        match self {
            Self::Plain => "numbered",
            Self::Prefixes => "each is the beginning of the next",
            Self::Case => "they differ in the case of letters",
            Self::Long => "they differ behind the first 80 characters",
            Self::Colons => "with colons, by which two pairs of session and party look the same",
            Self::Accents => "they differ in how a letter with an accent is made up",
            Self::Spaces => "sessions differ by a space at the end",
        }
    }

    /// The end of a party's or a session's name.
    fn end(self, kind: char, number: u8) -> String {
        let (pair, is_odd) = (number / 2, number % 2 == 1);
        match self {
            Self::Prefixes if number < 20 => {
                format!("{kind}{}", "1".repeat(usize::from(number) + 1))
            }
            Self::Case if is_odd => format!("{kind}aB{pair}"),
            Self::Case => format!("{kind}Ab{pair}"),
            Self::Long => format!("{kind}{}{number}", "x".repeat(80)),
            Self::Accents if is_odd => format!("{kind}e\u{301}{pair}"),
            Self::Accents => format!("{kind}\u{e9}{pair}"),
            Self::Spaces if kind == 's' && is_odd => format!("s{pair} "),
            Self::Spaces if kind == 's' => format!("s{pair}"),
            _ => format!("{kind}{number}"),
        }
    }
}

impl fmt::Display for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.says())
    }
}

/// The names of one program.
#[derive(Debug)]
pub(super) struct NameTable {
    prefix: String,
    parties: Vec<String>,
    sessions: Vec<String>,
}

impl NameTable {
    pub(super) fn new(names: Names, program: &Program) -> Self {
        let Names(prefix) = names;
        let naming = program.naming;
        let name = |kind, number| format!("{prefix}-{}", naming.end(kind, number));
        let mut parties: Vec<_> = (0..program.parties).map(|it| name('p', it)).collect();
        let mut sessions: Vec<_> =
            (0..program.sessions.len() as u8).map(|it| name('s', it)).collect();
        if naming == Naming::Colons
            && let ([first, second, ..], [one, other, ..]) = (&mut *parties, &mut *sessions)
        {
            *first = format!("x:{second}");
            *other = format!("{one}:x");
        }
        Self { prefix, parties, sessions }
    }

    /// The parties' `party_id`s.
    pub(super) fn parties(&self) -> &[String] {
        &self.parties
    }

    /// A party's `party_id`.
    pub(super) fn party(&self, number: u8) -> String {
        self.parties[usize::from(number)].clone()
    }

    /// A session's `session_id`.
    pub(super) fn session(&self, number: u8) -> String {
        self.sessions[usize::from(number)].clone()
    }

    /// Whose `party_id` it is.
    pub(super) fn whose(&self, name: &str) -> Option<u32> {
        self.parties.iter().position(|it| it == name).map(|it| it as u32)
    }

    /// Whose `session_id` it is.
    pub(super) fn which(&self, name: &str) -> Option<u32> {
        self.sessions.iter().position(|it| it == name).map(|it| it as u32)
    }

    /// A name that nobody registers, whatever it is for.
    pub(super) fn stranger(&self) -> String {
        format!("{}-nobody", self.prefix)
    }

    /// Whether it is the name of nobody.
    pub(super) fn is_nobody(&self, name: &str) -> bool {
        name.is_empty() || name.strip_prefix(&*self.prefix) == Some("-nobody")
    }

    /// A `session_id` that nobody announces.
    pub(super) fn unannounced(&self) -> String {
        format!("{}-nowhere", self.prefix)
    }

    /// An `idempotency-key`; odd ones differ in case, and behind the first 80 characters.
    pub(super) fn key(&self, number: u32, is_odd: bool) -> String {
        match is_odd {
            true => {
                let letter = if number.is_multiple_of(2) { 'k' } else { 'K' };
                format!("{}-{}{letter}{}", self.prefix, "y".repeat(80), number / 2)
            }
            false => format!("{}-k{number}", self.prefix),
        }
    }

    /// An `event_id`.
    pub(super) fn event(&self, notice: u32) -> String {
        format!("{}-e{notice}", self.prefix)
    }

    /// Which event has this `event_id`.
    pub(super) fn notice(&self, name: &str) -> Option<u32> {
        self.number("-e", name)
    }

    /// What all payloads begin with.
    pub(super) fn mark_begin(&self) -> String {
        format!("{}-m", self.prefix)
    }

    /// What a payload begins with.
    pub(super) fn mark(&self, unit: u32) -> String {
        format!("{}-m{unit} ", self.prefix)
    }

    /// What the payload of something begins with that must not be routed.
    pub(super) fn wrong_mark(&self) -> String {
        format!("{}-wrong ", self.prefix)
    }

    /// Which unit a payload says that it is.
    pub(super) fn unit(&self, payload: &[u8]) -> Option<u32> {
        let mark = payload.split(|it| *it == b' ').next()?;
        self.number("-m", std::str::from_utf8(mark).ok()?)
    }

    fn number(&self, kind: &str, name: &str) -> Option<u32> {
        name.strip_prefix(&*self.prefix)?.strip_prefix(kind)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_things_have_one_name() {
        for naming in Naming::ALL {
            let sessions = vec![Vec::new(); 5];
            let program = Program { naming, parties: 30, sessions, ..Program::default() };
            let table = NameTable::new(Names::new("run7"), &program);
            let mut all = [table.parties.clone(), table.sessions.clone()].concat();
            all.push(table.stranger());
            all.push(table.unannounced());
            for party in 0..30 {
                assert_eq!(table.whose(&table.party(party)), Some(u32::from(party)), "{naming:?}");
            }
            let many = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), many, "{naming:?}: {all:?}");
            assert!(all.iter().all(|it| it.contains("run7")), "{naming:?}: {all:?}");
        }
    }
}
