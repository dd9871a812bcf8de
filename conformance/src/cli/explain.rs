//! `mpc-conformance explain`.

use anstream::println;
use clap::Args;
use owo_colors::OwoColorize as _;

use super::Failure;
use super::list::textwrap;
use crate::contract;
use crate::families;
use crate::requirement::Level;
use crate::specimen::Fault;

/// What to explain.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The requirement's identifier, such as ORD-1.
    id: String,
}

impl Explain {
    pub(super) fn execute(self) -> Result<u8, Failure> {
        let requirement = families::find(&self.id).ok_or_else(|| {
            let id = &self.id;
            Failure::usage(format!(
                "no requirement is called {id:?}; `mpc-conformance list` names them all"
            ))
        })?;
        let level = match requirement.level {
            Level::Must => "a router that breaks it is not conformant",
            Level::Should => "a router that breaks it gets a warning, and passes",
        };
        println!("{} {} ({level})", requirement.id.cyan().bold(), requirement.level.bold());
        println!("capability: {}\n", requirement.capability);
        println!("{}\n", textwrap(requirement.says, 96).join("\n"));
        if let Some(words) = contract::definitions(requirement.family()) {
            println!("{}", "What its words mean".bold());
            println!("{words}\n");
        }
        if requirement.check.is_none() {
            println!("This version of the suite states it, and has no check for it yet.");
            return Ok(0);
        }
        println!("{}", "How it is checked".bold());
        println!("{}\n", textwrap(requirement.how, 96).join("\n"));
        println!("{}", "Bugs that this check is known to find".bold());
        for fault in Fault::ALL.iter().filter(|it| it.kills() == requirement.id) {
            println!("  {}", fault.name().yellow());
            println!("      {}", textwrap(fault.story(), 90).join("\n      "));
        }
        println!("\nTo run it alone: mpc-conformance run --only {}", requirement.id);
        println!("Accepted, rejected, outstanding, ...: see mpc-conformance contract");
        Ok(0)
    }
}
