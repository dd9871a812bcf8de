//! Programs in words.

use std::fmt;

use super::{Act, FULL, Program};
use crate::fuzz::names::Naming;

/// The role of that number.
pub fn role_name(number: u8) -> &'static str {
    ["persistent", "delegate", "temporary"][usize::from(number % 3)]
}

/// A party's name in stories: a letter, or a number where there are too many.
pub fn party_name(number: u32) -> String {
    match u8::try_from(number) {
        Ok(number @ 0..26) => char::from(b'a' + number).into(),
        _ => format!("p{number}"),
    }
}

struct Parties<'a>(&'a [u8]);

impl fmt::Display for Parties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("nobody"),
            all => {
                let names: Vec<_> = all.iter().map(|it| party_name(u32::from(*it))).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

fn party(number: u8) -> String {
    party_name(u32::from(number))
}

fn of_session(session: Option<u8>) -> String {
    session.map_or_else(|| "all its sessions".into(), |it| format!("s{it}"))
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register { party: who, channel: 0 } => {
                write!(f, "{} registers again", party(*who))
            }
            Self::Register { party: who, channel } => {
                write!(f, "{} registers again with address {channel}", party(*who))
            }
            Self::Heartbeat { party: who, ahead: 0 } => {
                write!(f, "{} sends a heartbeat", party(*who))
            }
            Self::Heartbeat { party: who, ahead } => {
                let how = if *ahead > 0 { "ahead" } else { "behind" };
                let minutes = ahead.unsigned_abs();
                write!(f, "{} sends a heartbeat, its clock {minutes} min {how}", party(*who))
            }
            Self::List { only_online, role, by } => {
                let who = by.map_or_else(|| "somebody".into(), party);
                let what = if *only_online { "online" } else { "registered" };
                match role {
                    Some(role) => write!(f, "{who} asks who is {what} as {}", role_name(*role)),
                    None => write!(f, "{who} asks who is {what}"),
                }
            }
            Self::Wrong { what, party: who, session, unit } => {
                write!(f, "{} makes a call that must be rejected: {what}", party(*who))?;
                match what.is_about_a_message() {
                    true => write!(f, " (m{unit})"),
                    false => write!(f, " (s{session})"),
                }
            }
            Self::Publish { notice, session, event, selected, expires_in } => {
                let event = event.name();
                write!(f, "event e{notice} {event} of s{session} selects {}", Parties(selected))?;
                match expires_in {
                    0 => Ok(()),
                    ms => write!(f, ", expires in {ms} ms"),
                }
            }
            Self::Route { unit, count, session, sender, to, bytes, keyed } => {
                write!(f, "{} sends ", party(*sender))?;
                match count {
                    1 => write!(f, "m{unit}")?,
                    _ => write!(f, "m{unit} to m{}", unit + u32::from(*count) - 1)?,
                }
                match to.as_slice() {
                    [] => write!(f, " to everybody in s{session}")?,
                    to => write!(f, " to {} in s{session}", Parties(to))?,
                }
                if *bytes == FULL {
                    f.write_str(", as long as it may be")?;
                } else if *bytes > 0 {
                    write!(f, ", {bytes} bytes")?;
                }
                if *keyed { f.write_str(", with a key") } else { Ok(()) }
            }
            Self::RouteAgain { unit } => write!(f, "m{unit} is sent again with its key"),
            Self::Subscribe { stream, party: who, session } => {
                let session = of_session(*session);
                write!(f, "{} subscribes to {session} (stream {stream})", party(*who))
            }
            Self::Cancel { stream } => write!(f, "stream {stream} is cancelled"),
            Self::Poll { party: who, session, newer } => {
                write!(f, "{} polls {}", party(*who), of_session(*session))?;
                if *newer { f.write_str(" for what is newer than what it has") } else { Ok(()) }
            }
            Self::Acknowledge { party: who, unit, session, success } => {
                write!(f, "{} acknowledges m{unit}", party(*who))?;
                if let Some(session) = session {
                    write!(f, " as one of s{session}")?;
                }
                if *success { Ok(()) } else { f.write_str(" as of no use") }
            }
            Self::AcknowledgeAll { party: who, session } => {
                write!(f, "{} acknowledges all that has come to it in s{session}", party(*who))
            }
            Self::Status { unit, session } => {
                write!(f, "somebody asks for the status of m{unit}")?;
                match session {
                    Some(session) => write!(f, " as one of s{session}"),
                    None => Ok(()),
                }
            }
            Self::Listen { listener, party: who, only } => {
                write!(f, "{} listens for events (listener {listener})", party(*who))?;
                let only: Vec<_> = only.iter().map(|it| it.name()).collect();
                if only.is_empty() { Ok(()) } else { write!(f, ", only {}", only.join(", ")) }
            }
            Self::StopListening { listener } => write!(f, "listener {listener} is cancelled"),
            Self::Disconnect { party: who } => write!(f, "{} loses its connection", party(*who)),
            Self::Wait { ms } => write!(f, "{ms} ms pass"),
            Self::Restart => f.write_str("the router is stopped and started again"),
            Self::Kill => f.write_str("the router is killed and started again"),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (late, all): (Vec<_>, Vec<_>) =
            (0..self.parties).partition(|it| self.late.contains(it));
        writeln!(f, "Registered: {}.", Parties(&all))?;
        if !late.is_empty() {
            writeln!(f, "Not registered yet: {}.", Parties(&late))?;
        }
        if self.naming != Naming::Plain {
            writeln!(f, "Names: {}.", self.naming)?;
        }
        if self.odd_labels {
            writeln!(f, "Round numbers and message types are odd ones.")?;
        }
        for (number, members) in self.sessions.iter().enumerate() {
            writeln!(f, "Announced: session s{number} of {}.", Parties(members))?;
        }
        let mut number = 0;
        for step in &self.steps {
            number += usize::from(!step.together || number == 0);
            let mark = if step.together { " & " } else { "   " };
            write!(f, "{number:>4}{mark}{}", step.act)?;
            writeln!(f, "{}", if step.unheard { " (the answer is lost)" } else { "" })?;
        }
        Ok(())
    }
}
