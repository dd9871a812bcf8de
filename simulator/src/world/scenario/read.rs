//! Scenarios from TOML, with the line and the field of what is wrong.

use serde::de::Deserialize as _;
use toml::Spanned;

use super::{Fault, Scenario, ScenarioError};
use crate::flow::FlowError;

pub(super) fn scenario(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let reader = Reader { file, text };
    let mut head: toml::Table = toml::from_str(text).map_err(|error| {
        reader.error(error.span().map_or(0, |span| span.start), "", error.message())
    })?;
    head.remove("fault");
    let mut scenario = Scenario::deserialize(head).map_err(|error| {
        let (field, what) = named(error.message(), "");
        reader.error(reader.place(0, &field), &field, what)
    })?;
    let faults: Faults = toml::from_str(text).map_err(|error| {
        reader.error(error.span().map_or(0, |span| span.start), "fault", error.message())
    })?;
    for fault in faults.fault {
        let begins = fault.span().start;
        let fault = Fault::deserialize(fault.into_inner()).map_err(|error| {
            let (field, what) = named(error.message(), "fault.");
            let name = field.rsplit('.').next().unwrap_or_default();
            reader.error(reader.place(begins, name), &field, what)
        })?;
        if let Some(whom) = fault.names().iter().find(|whom| **whom > scenario.parties) {
            let what = format!("there is no party {whom}: there are {}", scenario.parties);
            let several = matches!(fault, Fault::LoseConnection { .. } | Fault::Partition { .. });
            let field = if several { "parties" } else { "party" };
            return Err(reader.error(reader.place(begins, field), &format!("fault.{field}"), what));
        }
        scenario.faults.push(fault);
    }
    scenario.check().map_err(|ScenarioError(error)| {
        let at = reader.place(0, &error.field);
        match error.file.as_str() {
            "the scenario" => reader.error(at, &error.field, error.what),
            // It is the flow's own file that is wrong.
            _ => ScenarioError(error),
        }
    })?;
    Ok(scenario)
}

#[derive(serde::Deserialize)]
struct Faults {
    #[serde(default)]
    fault: Vec<Spanned<toml::Table>>,
}

/// The field that a message of the parser is about, behind `before`, and the message.
fn named(message: &str, before: &str) -> (String, String) {
    let field = message.split('`').nth(1).filter(|_| message.contains("field `"));
    let kind = message.contains("variant").then_some("kind");
    let field = field.or(kind).map(|field| format!("{before}{field}"));
    (field.unwrap_or_else(|| before.trim_end_matches('.').into()), message.trim().to_owned())
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    /// Where a field is set within a table that begins there, or else that place.
    fn place(&self, begins: usize, field: &str) -> usize {
        let mut at = begins;
        for line in self.text[begins..].split_inclusive('\n') {
            if at > begins && line.trim_start().starts_with('[') {
                break;
            }
            let set = line.trim_start().strip_prefix(field).map(str::trim_start);
            if !field.is_empty() && set.is_some_and(|rest| rest.starts_with('=')) {
                return at;
            }
            at += line.len();
        }
        begins
    }

    fn error(&self, at: usize, field: &str, what: impl Into<String>) -> ScenarioError {
        let line = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let (file, field) = (self.file.into(), field.into());
        ScenarioError(FlowError { file, line, field, what: what.into() })
    }
}
