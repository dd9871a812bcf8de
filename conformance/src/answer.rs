//! What a unary call came to.

use std::time::Duration;

use tonic::{Code, Status};

use crate::outcome::Stop;
use crate::requirement::Capability;
use crate::trial::Trial;

/// How findings begin to tell of a call that hangs.
pub(crate) const UNANSWERED: &str = "had no answer after";

/// What a unary call came to, in the words of the contract.
#[derive(Debug)]
pub struct Answer<T> {
    /// The call in a few words, for findings.
    pub(crate) call: String,
    /// What became of it.
    pub(crate) fate: Fate<T>,
    pub(crate) trial: Trial,
    /// Why the target may rightly have rejected it, though nothing in the call is wrong.
    pub(crate) excuse: Option<String>,
}

/// What became of a call.
#[derive(Debug)]
pub enum Fate<T> {
    /// It returned OK and, where the answer has that field, `success = true`.
    Accepted(T),
    /// It returned a status other than OK.
    Refused(Status),
    /// It returned OK and `success = false`, with the text given.
    Declined(String),
    /// It did not return in time, though the target answered others.
    Unanswered(Duration),
    /// The connection broke, or the machine was too slow.
    Lost(String),
}

impl<T> Answer<T> {
    /// The answer, where accepting is what the requirement demands.
    ///
    /// # Errors
    /// A finding if the target rejected the call, but for lack of resources: then inconclusive.
    pub fn accepted(self) -> Result<T, Stop> {
        match self.overload() {
            Some(stop) => Err(stop),
            None => self.accepted_under_any_load(),
        }
    }

    /// The answer, where the requirement leaves no room for a lack of resources either.
    ///
    /// # Errors
    /// A finding if the target rejected the call.
    pub(crate) fn accepted_under_any_load(self) -> Result<T, Stop> {
        let accepted = "OK, with success = true where the answer has that field";
        match self.fate {
            Fate::Accepted(answer) => Ok(answer),
            Fate::Lost(why) => Err(Stop::Inconclusive(format!("{}: {why}", self.call))),
            fate => Err(Stop::broken(format!("{} {}", self.call, fate.words()), accepted)),
        }
    }

    /// Why the call proves nothing, if the target has an excuse, or refused it for lack of resources:
    /// that is its right under load (FLW-3), and the suite itself makes load.
    pub(crate) fn overload(&self) -> Option<Stop> {
        if let (Some(why), Some(false)) = (&self.excuse, self.was_accepted()) {
            return Some(Stop::Inconclusive(format!("{}: {why}", self.call)));
        }
        match &self.fate {
            Fate::Refused(status) if is_overload(status) => {
                let (call, words) = (&self.call, self.fate.words());
                let why = format!("the target says that it is overloaded: {call} {words}");
                Some(Stop::Inconclusive(why))
            }
            _ => None,
        }
    }

    /// The answer, where the call only prepares what is to be checked.
    ///
    /// # Errors
    /// Without the answer the requirement cannot be checked; the one that the target broke by
    /// rejecting has a check of its own.
    pub fn prepared(self) -> Result<T, Stop> {
        if let Some(stop) = self.overload() {
            return Err(stop);
        }
        match self.fate {
            Fate::Accepted(answer) => Ok(answer),
            Fate::Lost(why) => Err(Stop::Inconclusive(format!("{}: {why}", self.call))),
            fate => Err(Stop::NotChecked(format!(
                "what it needs first did not work: {} {}",
                self.call,
                fate.words()
            ))),
        }
    }

    /// Demands that the target rejected the call. A status other than the `usual` ones is a
    /// warning.
    ///
    /// # Errors
    /// A finding if it accepted.
    pub fn rejected(self, usual: &[Code]) -> Result<(), Stop> {
        let names: Vec<_> = usual.iter().map(|code| code_name(*code)).collect();
        let accepted = format!("a rejection ({}, or success = false)", names.join(" or "));
        match self.fate {
            Fate::Refused(status) => {
                // Where the target can see who calls, a call in no party's name, or in one that it
                // does not know, may break that rule as well.
                let by_identity = status.code() == Code::PermissionDenied
                    && self.trial.claims(Capability::Secure);
                if !usual.contains(&status.code()) && !by_identity {
                    let seen = format!("{} is rejected with {}", self.call, words(&status));
                    self.trial.warn(seen, format!("the status {}", names.join(" or ")));
                }
                Ok(())
            }
            Fate::Declined(_) => Ok(()),
            Fate::Lost(why) => Err(Stop::Inconclusive(format!("{}: {why}", self.call))),
            fate => Err(Stop::broken(format!("{} {}", self.call, fate.words()), accepted)),
        }
    }

    /// The same without what the target answered.
    pub(crate) fn hollow(self) -> Answer<()> {
        let fate = match self.fate {
            Fate::Accepted(_) => Fate::Accepted(()),
            Fate::Refused(status) => Fate::Refused(status),
            Fate::Declined(text) => Fate::Declined(text),
            Fate::Unanswered(time) => Fate::Unanswered(time),
            Fate::Lost(why) => Fate::Lost(why),
        };
        Answer { call: self.call, fate, trial: self.trial, excuse: self.excuse }
    }

    /// The same where which status it is has a check of its own: any will do.
    ///
    /// # Errors
    /// A finding if it accepted.
    pub(crate) fn rejected_in_any_way(self, usual: &[Code]) -> Result<(), Stop> {
        if self.was_accepted() == Some(false) { Ok(()) } else { self.rejected(usual) }
    }

    /// Whether the target accepted; `None` where nobody knows.
    pub fn was_accepted(&self) -> Option<bool> {
        match self.fate {
            Fate::Accepted(_) => Some(true),
            Fate::Refused(_) | Fate::Declined(_) => Some(false),
            Fate::Unanswered(_) | Fate::Lost(_) => None,
        }
    }
}

impl<T> Fate<T> {
    /// What became of it, as the end of a sentence that begins with the call.
    pub fn words(&self) -> String {
        match self {
            Self::Accepted(_) => "was accepted".into(),
            Self::Refused(status) => format!("was rejected with {}", words(status)),
            Self::Declined(text) if text.is_empty() => {
                "was rejected with success = false".to_owned()
            }
            Self::Declined(text) => format!("was rejected with success = false ({text})"),
            Self::Unanswered(time) => {
                format!("{UNANSWERED} {:.1} s, while other calls had", time.as_secs_f64())
            }
            Self::Lost(why) => format!("was lost: {why}"),
        }
    }
}

/// A status in words.
pub fn words(status: &Status) -> String {
    match status.message() {
        "" => code_name(status.code()),
        message => format!("{} ({message})", code_name(status.code())),
    }
}

/// A status code as gRPC's documents write it.
pub fn code_name(code: Code) -> String {
    let mut name = String::new();
    for (index, letter) in format!("{code:?}").char_indices() {
        if letter.is_uppercase() && index > 0 && code != Code::Ok {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// Whether a status was made on this side, by a connection that broke: the call may have happened.
pub fn is_lost(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// Whether a status says that the target lacks the resources for a call.
pub(crate) fn is_overload(status: &Status) -> bool {
    matches!(status.code(), Code::ResourceExhausted | Code::Unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_named_as_in_grpc() {
        assert_eq!(code_name(Code::InvalidArgument), "INVALID_ARGUMENT");
        assert_eq!(code_name(Code::Ok), "OK");
        assert_eq!(code_name(Code::NotFound), "NOT_FOUND");
    }
}
