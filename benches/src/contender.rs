use std::io;

use crate::bare::{Bare, Ceiling, Usual};
use crate::running::Running;

/// A server to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// A bare server that does the least; see [`Ceiling`].
    Ceiling,
    /// The reference router, in memory.
    Router,
    /// A bare server of the usual kind; see [`Usual`].
    Usual,
}

impl Contender {
    /// All of them, as they are numbered, the router between the two that it is compared with.
    pub const ALL: [Self; 3] = [Self::Ceiling, Self::Router, Self::Usual];

    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Ceiling => "ceiling",
            Self::Usual => "usual",
        }
    }

    /// Starts a fresh one.
    ///
    /// # Errors
    /// If threads or a port cannot be had.
    pub fn start(self) -> io::Result<Running> {
        match self {
            Self::Router => Running::router(),
            Self::Ceiling => Running::tuned(Bare::new(Ceiling::default())),
            Self::Usual => Running::untuned(Bare::new(Usual::default())),
        }
    }
}
