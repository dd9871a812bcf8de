//! What can be judged: the built-in router, one that runs already, one that the suite starts.

mod built_in;
mod process;

use std::fmt;
use std::str::FromStr;

use tonic::transport::Uri;

use crate::connect::Door;
use crate::profile::Profile;
use crate::report::TargetReport;
use crate::run::Subject;

pub use process::ProcessError;

/// What to judge, as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// The reference router, in this process, over real gRPC on the loopback interface.
    BuiltIn,
    /// A router that runs already.
    Attach(Uri),
    /// A command that the suite starts and ends.
    Exec(String),
}

/// Why the text does not name a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// It has none of the known forms.
    #[error("{0:?} is no target: use http://HOST:PORT or exec:COMMAND")]
    Form(String),
    /// It is an address that cannot be used.
    #[error("{0:?} is no address of a target: use http://HOST:PORT")]
    Address(String),
    /// It wants TLS.
    #[error(
        "{0:?} wants TLS, which this version of the suite does not speak: use http://HOST:PORT"
    )]
    Tls(String),
    /// There is no command.
    #[error("exec: has no command: use exec:COMMAND, with {{port}} where the port goes")]
    NoCommand,
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if let Some(command) = text.strip_prefix("exec:") {
            return match command.trim() {
                "" => Err(SpecError::NoCommand),
                command => Ok(Self::Exec(command.into())),
            };
        }
        if text.starts_with("https://") {
            return Err(SpecError::Tls(text.into()));
        }
        if !text.starts_with("http://") {
            return Err(SpecError::Form(text.into()));
        }
        let uri: Uri = text.parse().map_err(|_| SpecError::Address(text.into()))?;
        match (uri.host(), uri.port_u16(), uri.path()) {
            (Some(host), Some(_), "" | "/") if !host.is_empty() => Ok(Self::Attach(uri)),
            _ => Err(SpecError::Address(text.into())),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::Attach(uri) => write!(f, "{}", uri.to_string().trim_end_matches('/')),
            Self::Exec(command) => write!(f, "exec:{command}"),
        }
    }
}

impl Spec {
    /// What a profile names: its command, else its address, else the built-in router.
    ///
    /// # Errors
    /// If its address is none.
    pub fn of_profile(profile: &Profile) -> Result<Self, SpecError> {
        match (&profile.target.start, &profile.target.address) {
            (Some(command), _) => Ok(Self::Exec(command.clone())),
            (None, Some(address)) => address.parse(),
            (None, None) => Ok(Self::BuiltIn),
        }
    }
}

/// A target that is there to be judged. What the suite started ends with it.
#[derive(Debug)]
pub struct Target {
    /// What is judged.
    pub subject: Subject,
    life: Life,
}

#[derive(Debug)]
enum Life {
    BuiltIn(built_in::BuiltIn),
    Foreign,
    Process(Box<process::Process>),
}

/// Why a target is not there.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The built-in router did not start.
    #[error("the built-in router did not start: {0}")]
    BuiltIn(String),
    /// The command did not start, or did not listen.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl TargetError {
    /// Whether what was asked for makes no sense, rather than that it did not work.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::BuiltIn(_) => false,
            Self::Process(error) => error.is_usage(),
        }
    }
}

impl Target {
    /// Makes the target there: starts what has to be started.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn open(spec: &Spec, profile: &Profile) -> Result<Self, TargetError> {
        let (door, life) = match spec {
            Spec::BuiltIn => {
                let router = built_in::BuiltIn::start(&profile.timers).await?;
                (Door::tcp(router.address()), Life::BuiltIn(router))
            }
            Spec::Attach(uri) => (Door::tcp(uri.clone()), Life::Foreign),
            Spec::Exec(command) => {
                let process = process::Process::start(command, profile).await?;
                (Door::tcp(process.address().clone()), Life::Process(Box::new(process)))
            }
        };
        let subject = Subject {
            name: name(spec, profile),
            reached_by: spec.to_string(),
            door,
            timers: profile.timers,
            capabilities: profile.target.capabilities.clone(),
        };
        Ok(Self { subject, life })
    }

    /// What reports say of a target that could not be opened.
    pub(crate) fn told(spec: &Spec, profile: &Profile) -> TargetReport {
        let claimed = &profile.target.capabilities;
        TargetReport::new(name(spec, profile), spec.to_string(), claimed, profile.timers)
    }

    /// What the target's process said last and how it ended, if the suite started it and it has
    /// ended.
    pub async fn obituary(&mut self) -> Option<String> {
        match &mut self.life {
            Life::Process(process) => process.obituary().await,
            Life::BuiltIn(_) | Life::Foreign => None,
        }
    }

    /// Ends what the suite started: asks it to, and ends it by force after `stop_timeout`.
    pub async fn close(self) {
        match self.life {
            Life::BuiltIn(router) => router.stop().await,
            Life::Process(process) => process.stop(self.subject.timers.stop_timeout_ms).await,
            Life::Foreign => {}
        }
    }
}

/// What reports call a target.
fn name(spec: &Spec, profile: &Profile) -> String {
    profile.target.name.clone().unwrap_or_else(|| match spec {
        Spec::BuiltIn => built_in::name(),
        spec => spec.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_from_text() {
        let attach = |text: &str| Spec::Attach(text.parse().unwrap());
        assert_eq!("http://127.0.0.1:50051".parse(), Ok(attach("http://127.0.0.1:50051/")));
        assert_eq!("http://[::1]:1/".parse(), Ok(attach("http://[::1]:1/")));
        assert_eq!("exec: router --x".parse(), Ok(Spec::Exec("router --x".into())));
        for (text, error) in [
            ("localhost:50051", SpecError::Form("localhost:50051".into())),
            ("http://localhost", SpecError::Address("http://localhost".into())),
            ("http://:80", SpecError::Address("http://:80".into())),
            ("https://a:1", SpecError::Tls("https://a:1".into())),
            ("exec: ", SpecError::NoCommand),
        ] {
            assert_eq!(text.parse::<Spec>(), Err(error), "{text}");
        }
    }
}
