//! What can be judged: the built-in router, one that runs already, one that the suite starts as a
//! process or in a container.

mod built_in;
mod docker;
mod engine;
mod output;
mod process;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tonic::transport::Uri;

use crate::connect::Door;
use crate::identity::{Identities, IdentityError, NoIdentity};
use crate::means::Means;
use crate::notices::{Listening, Notices};
use crate::power::Power;
use crate::printed::Printed;
use crate::profile::Profile;
use crate::report::TargetReport;
use crate::requirement::Capability;
use crate::run::Subject;

pub use built_in::InMemory;
pub use docker::{DockerError, LABEL};
pub use process::ProcessError;

/// Stands for the URL of the suite's listener in a command.
const NOTIFY: &str = "{notify}";

/// What an image stands behind.
const DOCKER: &str = "docker:";

/// What to judge, as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// The reference router, in this process, over real gRPC on the loopback interface.
    BuiltIn,
    /// A router that runs already; over TLS if the address says so.
    Attach(Uri),
    /// A command that the suite starts and ends.
    Exec(String),
    /// A local image, of which the suite starts a container and removes it, with what its program
    /// takes.
    Docker(String),
}

/// Why the text does not name a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// It has none of the known forms.
    #[error(
        "{0:?} is no target: use http://HOST:PORT, https://HOST:PORT, exec:COMMAND or docker:IMAGE"
    )]
    Form(String),
    /// It is an address that cannot be used.
    #[error("{0:?} is no address of a target: use http://HOST:PORT or https://HOST:PORT")]
    Address(String),
    /// There is no command.
    #[error("exec: has no command: use exec:COMMAND, with {{port}} where the port goes")]
    NoCommand,
    /// There is no image.
    #[error("docker: has no image: use docker:IMAGE, then what its program takes")]
    NoImage,
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
        if let Some(image) = text.strip_prefix(DOCKER) {
            return match image.trim() {
                "" => Err(SpecError::NoImage),
                image => Ok(Self::Docker(image.into())),
            };
        }
        if !text.starts_with("http://") && !text.starts_with("https://") {
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
            Self::Docker(image) => write!(f, "{DOCKER}{image}"),
        }
    }
}

impl Spec {
    /// What a profile names: its command or image, else its address, else the built-in router.
    ///
    /// # Errors
    /// If its address is none, or there is no image.
    pub fn of_profile(profile: &Profile) -> Result<Self, SpecError> {
        match (&profile.target.start, &profile.target.address) {
            (Some(image), _) if image.starts_with(DOCKER) => image.parse(),
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
    /// Hung up with it.
    _listening: Option<Listening>,
}

#[derive(Debug)]
enum Life {
    BuiltIn(built_in::BuiltIn),
    Foreign,
    Started(Held),
}

/// What the suite has started.
#[tonic::async_trait]
trait Started: fmt::Debug + Send + Sync {
    /// Asks it to end, and ends it by force after `limit`.
    async fn end(&self, limit: Duration);

    /// How it ended and what it said last, if it has ended.
    async fn obituary(&self) -> Option<String>;

    /// Ends it by force, for good, and leaves nothing of it behind.
    fn is_over(&self);
}

/// What ends with this at the latest.
#[derive(Debug)]
struct Held(Arc<dyn Started>);

/// Also after a panic or Ctrl-C, and whoever else has means to start it.
impl Drop for Held {
    fn drop(&mut self) {
        self.0.is_over();
    }
}

/// What the suite has started, and what it has of it.
struct Opened {
    door: Door,
    power: Power,
    printed: Option<Printed>,
    held: Held,
}

/// Why a target is not there.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The built-in router did not start.
    #[error("the built-in router did not start: {0}")]
    BuiltIn(String),
    /// Its notifications would not arrive.
    #[error("cannot listen for notifications at {address}: {source}; choose another address")]
    Notifications {
        /// Where they should arrive.
        address: SocketAddr,
        /// Why they cannot.
        source: std::io::Error,
    },
    /// The command did not start, or did not listen.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// There is no container of the image, or it does not listen.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The certificates of its callers cannot be used.
    #[error("the certificates that tls names cannot be used: {0}")]
    Identities(#[from] IdentityError),
    /// The coordinator's certificate cannot be used.
    #[error(transparent)]
    NoIdentity(#[from] NoIdentity),
    /// The name is none that a certificate can have.
    #[error("tls.server_name {0:?} is no name that a certificate can have")]
    ServerName(String),
    /// TLS is wanted, and there is nothing to speak it with.
    #[error(
        "{0} is reached over TLS: name in the profile, under [tls], the authority's certificate as \
         ca and the folder with the parties' certificates as identities"
    )]
    NoMaterial(Uri),
}

impl TargetError {
    /// Whether what was asked for makes no sense, rather than that it did not work.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::BuiltIn(_) => false,
            Self::Notifications { .. } => true,
            Self::Process(error) => error.is_usage(),
            Self::Docker(error) => error.is_usage(),
            Self::Identities(_)
            | Self::NoIdentity(_)
            | Self::ServerName(_)
            | Self::NoMaterial(_) => true,
        }
    }
}

impl Target {
    /// Makes the target there: starts what has to be started.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn open(spec: &Spec, profile: &Profile) -> Result<Self, TargetError> {
        let mut means = Means::default();
        let listened = listen(spec, profile).await?;
        let (notices, listening) = listened.unzip();
        let notify = notices.as_ref().and_then(Notices::url);
        means.notices.clone_from(&notices);
        let (door, life) = match spec {
            Spec::BuiltIn => {
                let router = built_in::BuiltIn::start(&profile.timers, notify).await?;
                (Door::tcp(router.address()), Life::BuiltIn(router))
            }
            Spec::Attach(uri) => (door(uri, identities(profile)?)?, Life::Foreign),
            Spec::Exec(command) => means.started(exec(command, profile, notify).await?),
            Spec::Docker(image) => means.started(docker::open(image, profile, notify).await?),
        };
        let subject = Subject {
            name: name(spec, profile),
            reached_by: spec.to_string(),
            door,
            timers: profile.timers,
            capabilities: profile.target.capabilities.clone(),
            means,
        };
        Ok(Self { subject, life, _listening: listening })
    }

    /// What reports say of a target that could not be opened.
    pub(crate) fn told(spec: &Spec, profile: &Profile) -> TargetReport {
        let claimed = &profile.target.capabilities;
        TargetReport::new(name(spec, profile), spec.to_string(), claimed, profile.timers)
    }

    /// What the target said last and how it ended, if the suite started it and it has
    /// ended.
    pub async fn obituary(&mut self) -> Option<String> {
        match &mut self.life {
            Life::Started(held) => held.0.obituary().await,
            Life::BuiltIn(_) | Life::Foreign => None,
        }
    }

    /// Ends what the suite started: asks it to, and ends it by force after `stop_timeout`.
    pub async fn close(self) {
        match self.life {
            Life::BuiltIn(router) => router.stop().await,
            Life::Started(held) => {
                let limit = Duration::from_millis(self.subject.timers.stop_timeout_ms);
                held.0.end(limit).await;
            }
            Life::Foreign => {}
        }
    }
}

impl Means {
    /// Takes what there is of a target that was started.
    fn started(&mut self, Opened { door, power, printed, held }: Opened) -> (Door, Life) {
        self.power = Some(power);
        self.printed = printed;
        (door, Life::Started(held))
    }
}

/// Starts a command, and waits until it listens.
async fn exec(
    command: &str,
    profile: &Profile,
    notify: Option<&str>,
) -> Result<Opened, TargetError> {
    let own = match command.contains("{certs}") {
        true => Some(process::Certificates::make()?),
        false => None,
    };
    let known = match &own {
        Some(own) => Some(own.identities.clone()),
        None => identities(profile)?,
    };
    let command = command.replace(NOTIFY, notify.unwrap_or_default());
    let process = Arc::new(process::Process::new(&command, profile, own)?);
    let held = Held(process.clone());
    process.start().await?;
    let power = Power::new(engine::Controls(process.clone()));
    Ok(Opened { door: door(&process.address(), known)?, power, printed: process.printed(), held })
}

/// Who may call, as the profile says.
fn identities(profile: &Profile) -> Result<Option<Identities>, TargetError> {
    let Some(tls) = &profile.tls else { return Ok(None) };
    let wrong = |name: &String| TargetError::ServerName(name.clone());
    let server_name = tls
        .server_name
        .as_ref()
        .map(|name| ServerName::try_from(name.clone()).map_err(|_| wrong(name)));
    let server_name = server_name.transpose()?;
    Ok(Some(Identities::read(&tls.ca, &tls.identities, &tls.coordinator, server_name)?))
}

fn door(address: &Uri, identities: Option<Identities>) -> Result<Door, TargetError> {
    match (address.scheme_str(), identities) {
        (Some("https"), Some(identities)) => Ok(Door::tls(address.clone(), identities)?),
        (Some("https"), None) => Err(TargetError::NoMaterial(address.clone())),
        _ => Ok(Door::tcp(address.clone())),
    }
}

/// Listens for the target's notifications, where somebody wants that: the profile names the address,
/// or the target is told one.
async fn listen(
    spec: &Spec,
    profile: &Profile,
) -> Result<Option<(Notices, Listening)>, TargetError> {
    let is_told = match spec {
        Spec::BuiltIn => profile.target.claims(Capability::Offline),
        Spec::Exec(command) | Spec::Docker(command) => command.contains(NOTIFY),
        Spec::Attach(_) => false,
    };
    if is_told && matches!(spec, Spec::Docker(_)) && profile.notifications.listen.is_none() {
        return docker::listen().await.map(Some);
    }
    if is_told
        && matches!(spec, Spec::Docker(_))
        && cfg!(target_os = "linux")
        && let Some(own) = profile.notifications.listen.filter(|it| it.ip().is_loopback())
    {
        return Err(docker::DockerError::Listen(own).into());
    }
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let Some(address) = profile.notifications.listen.or(is_told.then_some(any)) else {
        return Ok(None);
    };
    let listened = Notices::listen(address).await;
    listened.map(Some).map_err(|source| TargetError::Notifications { address, source })
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
        assert_eq!("https://a:1".parse(), Ok(attach("https://a:1/")));
        assert_eq!("exec: router --x".parse(), Ok(Spec::Exec("router --x".into())));
        assert_eq!("docker:acme:1 --x".parse(), Ok(Spec::Docker("acme:1 --x".into())));
        for (text, error) in [
            ("localhost:50051", SpecError::Form("localhost:50051".into())),
            ("http://localhost", SpecError::Address("http://localhost".into())),
            ("http://:80", SpecError::Address("http://:80".into())),
            ("https://:1", SpecError::Address("https://:1".into())),
            ("exec: ", SpecError::NoCommand),
            ("docker: ", SpecError::NoImage),
        ] {
            assert_eq!(text.parse::<Spec>(), Err(error), "{text}");
        }
        for text in ["http://127.0.0.1:50051", "exec:router --x", "docker:acme:1 --x"] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_a_profile_starts_is_a_command_or_an_image() {
        let of = |start: &str| {
            let mut profile = Profile::default();
            profile.target.start = Some(start.into());
            Spec::of_profile(&profile)
        };
        assert_eq!(of("router --x"), Ok(Spec::Exec("router --x".into())));
        assert_eq!(of("docker:acme:1 --x"), Ok(Spec::Docker("acme:1 --x".into())));
        assert_eq!(of("docker:"), Err(SpecError::NoImage));
    }
}
