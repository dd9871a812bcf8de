//! Judging a router in this process, from the tests of those who write one in Rust.
//!
//! [`check`] takes whatever implements the generated trait
//! [`MessageRouter`], [`check_service`] a gRPC service made by generated code of your own:
//!
//! ```
//! use mpc_router::{Config, Router};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use mpc_conformance::select::Selection;
//! # use mpc_conformance::in_process::InProcess;
//! let router = Router::new(Config::default());
//! # let only = Selection::new(&["REG-1".to_owned()], &[], &[])?;
//! # InProcess::new(router).selection(only).run().await.assert_conformant();
//! # if false {
//! # let router = Router::new(Config::default());
//! mpc_conformance::check(router).await.assert_conformant();
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! Checks that have to wait for the router's timers wait as long as these are: so give the router
//! short ones, and tell the suite by a [`Profile`]. What else can be told stands at [`InProcess`].
//!
//! [`one_test_per_requirement!`](crate::one_test_per_requirement) makes each requirement a test of
//! its own, with a line of its own in the output of `cargo test` and `cargo nextest`:
//!
//! ```
//! # mod tests {
//! use mpc_conformance::in_process::InProcess;
//! use mpc_conformance::profile::{Profile, Timers};
//! use mpc_router::{Config, Router};
//! use std::time::Duration;
//!
//! fn router() -> InProcess {
//!     let ack_timeout = Duration::from_millis(400);
//!     let router = Router::new(Config { ack_timeout, ..Config::default() });
//!     let timers = Timers { ack_timeout_ms: 400, ..Timers::default() };
//!     InProcess::new(router).profile(Profile { timers, ..Profile::default() })
//! }
//!
//! mpc_conformance::one_test_per_requirement!(router());
//! # }
//! # fn main() {}
//! ```

mod service;
mod tests_of_requirements;

use std::any::type_name;
use std::fmt;
use std::time::Duration;

use mpc_router_proto::v1::message_router_server::{MessageRouter, MessageRouterServer};
use tonic::body::Body;
use tonic::codegen::{Service, StdError};

use self::service::Served;
use crate::connect::Door;
use crate::families;
use crate::means::Means;
use crate::notices::Notices;
use crate::outcome::Outcome;
use crate::profile::{Profile, Timers};
use crate::report::{OverallVerdict, Report, terminal};
use crate::requirement::Capability;
use crate::run::{Options, Subject, run, unjudged};
use crate::select::Selection;

#[doc(hidden)]
pub use tests_of_requirements::requirement_holds;

/// The width of the report in a panic, in columns.
const WIDTH: usize = 100;

/// Judges a router: the whole of `core`, with the timers that the contract names as the default.
///
/// Must be called within a tokio runtime with time enabled.
pub async fn check(router: impl MessageRouter) -> Report {
    InProcess::new(router).run().await
}

/// Judges a gRPC service of `mpc.router.v1.MessageRouter`, such as the server that generated code
/// of your own makes of your router; else as [`check`].
pub async fn check_service<S, B>(service: S) -> Report
where
    S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<StdError>,
    S::Future: Send,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    InProcess::of_service(service).run().await
}

/// A router in this process, and how it is to be judged.
///
/// It is served over pipes in memory, through the same gRPC stack as over a network.
pub struct InProcess {
    name: String,
    serve: Box<dyn FnOnce(&Timers) -> Door + Send>,
    profile: Profile,
    options: Options,
    notices: Option<Notices>,
}

impl InProcess {
    /// A router by the generated trait.
    pub fn new<R: MessageRouter>(router: R) -> Self {
        let serve = |timers: &Timers| {
            // A payload that is over `max_payload` by a little is the router's to refuse (RTE-9).
            let limit = timers.receive_limit();
            Door::memory(MessageRouterServer::new(router).max_decoding_message_size(limit))
        };
        Self::served(type_name::<R>(), serve)
    }

    /// A router by its gRPC service.
    pub fn of_service<S, B>(service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<B>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<StdError>,
        S::Future: Send,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        Self::served(type_name::<S>(), |_| Door::memory(Served(service)))
    }

    fn served(name: &str, serve: impl FnOnce(&Timers) -> Door + Send + 'static) -> Self {
        Self {
            name: name.into(),
            serve: Box::new(serve),
            profile: Profile::default(),
            options: Options::default(),
            notices: None,
        }
    }

    /// Where the router's notifications arrive, if its gateway in this process
    /// [posts](Notices::post) them there. By default the suite listens where the profile says.
    #[must_use]
    pub fn notices(self, notices: Notices) -> Self {
        Self { notices: Some(notices), ..self }
    }

    /// What the suite is told of the router: its name, what it claims besides `core`, its timers.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Which requirements are checked; by default all.
    #[must_use]
    pub fn selection(mut self, selection: Selection) -> Self {
        self.options.selection = selection;
        self
    }

    /// What names and random choices derive from; by default 0, so that each run is like the last.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// The longest of the router's timers to wait for; by default a minute. A requirement that
    /// takes longer is not checked.
    #[must_use]
    pub fn timer_limit(mut self, timer_limit: Duration) -> Self {
        self.options.timer_limit = timer_limit;
        self
    }

    /// How much later at most what is sent to the router arrives, and what comes back; by default at
    /// once.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.options.latency = latency;
        self
    }

    /// Judges it. Must be called within a tokio runtime with time enabled.
    ///
    /// A router that does not answer at all has the verdict [`OverallVerdict::Unreachable`]. Where
    /// the suite cannot listen for notifications as the profile says, what needs them is not
    /// checked.
    pub async fn run(self) -> Report {
        let Self { name, serve, profile, options, mut notices } = self;
        let (mut listening, mut deaf) = (None, None);
        // Tests of single requirements run side by side, and there is one address.
        let wanted = families::requirements()
            .any(|it| it.capability == Capability::Offline && options.selection.contains(it));
        let wanted = wanted && profile.target.claims(Capability::Offline);
        if let (None, Some(address), true) = (&notices, profile.notifications.listen, wanted) {
            match Notices::listen(address).await {
                Ok(listened) => (notices, listening) = (Some(listened.0), Some(listened.1)),
                Err(error) => {
                    deaf = Some(format!(
                        "the suite cannot listen for notifications at {address}: {error}"
                    ));
                }
            }
        }
        let subject = Subject {
            name: profile.target.name.unwrap_or(name),
            reached_by: "in process".into(),
            door: serve(&profile.timers),
            timers: profile.timers,
            capabilities: profile.target.capabilities,
            means: Means { notices, ..Means::default() },
        };
        let mut report = match run(&subject, &options, |_| {}).await {
            Ok(report) => report,
            Err(unfit) => unjudged(subject.told(), &options, &format!("the target {unfit}")),
        };
        drop(listening);
        for requirement in &mut report.requirements {
            if let Some(why) = &deaf
                && requirement.outcome == Outcome::NotChecked
                && requirement.detail.contains("notifications.listen")
            {
                requirement.detail.clone_from(why);
            }
            // The command line knows no way to this router.
            if requirement.replay.is_some() {
                let (id, seed) = (&requirement.id, options.seed);
                let far = match options.latency.as_millis() {
                    0 => String::new(),
                    ms => format!(".latency(Duration::from_millis({ms}))"),
                };
                requirement.replay = Some(format!(
                    "in process: .seed({seed}){far}.selection(Selection::one({id:?})?)"
                ));
            }
        }
        report
    }
}

impl<R: MessageRouter> From<R> for InProcess {
    fn from(router: R) -> Self {
        Self::new(router)
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess")
            .field("name", &self.name)
            .field("profile", &self.profile)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Report {
    /// Demands that the router is conformant: nothing broken, and everything that applies checked.
    ///
    /// # Panics
    /// If it is not, with the report as it would stand on a terminal.
    #[track_caller]
    pub fn assert_conformant(&self) {
        if self.verdict != OverallVerdict::Conformant {
            panic!("the router is {}\n\n{}", self.verdict.words(), as_text(self));
        }
    }
}

/// A report as it would stand on a terminal without colours.
fn as_text(report: &Report) -> String {
    let options = terminal::Options { width: WIDTH, ..terminal::Options::default() };
    let mut text = anstream::StripStream::new(Vec::new());
    terminal::write(report, &options, &mut text).expect("memory can be written to");
    String::from_utf8_lossy(&text.into_inner()).into_owned()
}

#[cfg(test)]
mod tests;
