//! `mpc-conformance list`.

use anstream::println;
use clap::Args;
use owo_colors::OwoColorize as _;

use super::Failure;
use crate::families::FAMILIES;
use crate::requirement_set;
use crate::select::Selection;

/// Which requirements to list.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: Filter,
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
    /// Print only the digest of all requirements, which reports and baselines carry: two versions
    /// of the suite with the same one ask the same of a router.
    #[arg(long, conflicts_with_all = ["json", "only", "skip", "capability"])]
    digest: bool,
}

/// The filters that `run` and `list` share.
#[derive(Debug, Default, Args)]
pub(super) struct Filter {
    /// Only these requirements: an identifier, or a pattern such as 'ORD-*'. May be repeated.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Not these requirements. May be repeated.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    skip: Vec<String>,
    /// Only what belongs to this capability. May be repeated.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    capability: Vec<crate::requirement::Capability>,
}

impl Filter {
    pub(super) fn selection(&self) -> Result<Selection, Failure> {
        Selection::new(&self.only, &self.skip, &self.capability).map_err(Failure::usage)
    }
}

impl List {
    pub(super) fn execute(self) -> Result<u8, Failure> {
        if self.digest {
            println!("{}", requirement_set::digest());
            return Ok(0);
        }
        let selection = self.filter.selection()?;
        if self.json {
            print_json(&selection);
            return Ok(0);
        }
        for family in FAMILIES {
            let mut selected =
                family.requirements.iter().filter(|it| selection.contains(it)).peekable();
            if selected.peek().is_none() {
                continue;
            }
            println!("{}", format!("{}: {}", family.name, family.title).bold());
            for requirement in selected {
                let says = textwrap(requirement.says, 78).join("\n                              ");
                println!(
                    "  {:<7} {:<6} {:<13}{says}",
                    requirement.id.cyan(),
                    requirement.level.to_string(),
                    requirement.capability.to_string(),
                );
            }
        }
        Ok(0)
    }
}

fn print_json(selection: &Selection) {
    let listed: Vec<_> = crate::families::requirements()
        .filter(|it| selection.contains(it))
        .map(|it| {
            serde_json::json!({
                "id": it.id,
                "level": it.level,
                "capability": it.capability,
                "says": it.says,
                "how": it.how,
                "checked": it.check.is_some(),
            })
        })
        .collect();
    println!("{}", serde_json::to_string_pretty(&listed).expect("plain values"));
}

/// The words of `text` in lines of at most `width` characters.
pub(super) fn textwrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("never empty");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.into());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
