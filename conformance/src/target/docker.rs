//! A target in a container of a local image, that the suite starts and removes.

#[cfg(not(feature = "docker"))]
mod absent;
#[cfg(feature = "docker")]
mod command;
#[cfg(feature = "docker")]
mod container;
#[cfg(feature = "docker")]
mod creating;
#[cfg(feature = "docker")]
mod engine;
#[cfg(feature = "docker")]
mod opening;

use std::net::SocketAddr;

use super::process::ProcessError;

#[cfg(not(feature = "docker"))]
pub(super) use absent::{listen, open};
#[cfg(feature = "docker")]
pub(super) use opening::{listen, open};

/// Every container of the suite's has this label: whoever was killed could not remove its own.
pub const LABEL: &str = "mpc-conformance";

/// Why there is no container to be judged.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The suite cannot start containers.
    #[error(
        "this mpc-conformance was built without Docker: build it with `cargo install --path \
         conformance --features docker`"
    )]
    Absent,
    /// A shell would not understand it either.
    #[error("cannot split {0:?} into words: a quote is missing")]
    Words(String),
    /// There is no image in it.
    #[error("docker: has no image: use docker:IMAGE, then what its program takes")]
    NoImage,
    /// Before the image stands what is none.
    #[error("{0:?} is no option of docker: before the image, only --env NAME=VALUE can stand")]
    Option(String),
    /// Nobody knows where it listens in its container.
    #[error(
        "the image {image} exposes {exposed}, and the command has no {{port}}: put {{port}} where \
         it takes its port"
    )]
    NoPort {
        /// The image.
        image: String,
        /// What it exposes, in words.
        exposed: String,
    },
    /// Its store cannot lie there.
    #[error("target.data {0:?} is no folder in a container: use an absolute path")]
    Data(String),
    /// Its notifications would not arrive.
    #[error(
        "{0} is this machine's own, and nobody in a container reaches it: leave notifications.listen \
         out, or name the address of Docker's bridge"
    )]
    Listen(SocketAddr),
    /// It is published on this machine's own address alone.
    #[error("{0} is no address that a container can have: use http://127.0.0.1:PORT")]
    Address(SocketAddr),
    /// Nobody answers, or not to this user.
    #[error("cannot speak with Docker: {0}; does its engine run here, and may you use it?")]
    Engine(String),
    /// None of this name is here.
    #[error("there is no local image {0}: the suite pulls none, so build it or pull it before")]
    NoLocalImage(String),
    /// The engine did not start it.
    #[error("the container of {image} cannot be started: {why}")]
    Start {
        /// The image.
        image: String,
        /// What the engine says.
        why: String,
    },
    /// It ended before it listened.
    #[error("the container of {image} ended before it listened on its port {port}: {obituary}")]
    Died {
        /// The image.
        image: String,
        /// Where it should have listened.
        port: u16,
        /// Its exit code.
        code: i32,
        /// Whether it has printed anything.
        printed: bool,
        /// How it ended and what it said last.
        obituary: String,
    },
    /// It goes on and does not listen.
    #[error(
        "the container of {image} did not listen on its port {port} within {} s, for whoever comes \
         from outside{said}",
        super::process::START_LIMIT.as_secs()
    )]
    Deaf {
        /// The image.
        image: String,
        /// Where it should have listened.
        port: u16,
        /// Whether it has printed anything.
        printed: bool,
        /// What it said last.
        said: String,
    },
    /// No port or folder could be had.
    #[error(transparent)]
    System(#[from] ProcessError),
}

impl DockerError {
    /// Whether what was asked for makes no sense, rather than that it did not work.
    pub(super) fn is_usage(&self) -> bool {
        match self {
            Self::Absent
            | Self::Words(_)
            | Self::NoImage
            | Self::Option(_)
            | Self::NoPort { .. }
            | Self::Listen(_)
            | Self::Address(_)
            | Self::Data(_) => true,
            Self::System(error) => error.is_usage(),
            Self::Engine(_)
            | Self::NoLocalImage(_)
            | Self::Start { .. }
            | Self::Died { .. }
            | Self::Deaf { .. } => false,
        }
    }
}
