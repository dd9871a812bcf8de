//! What the JSON report is like, as a JSON Schema.

/// The schema of reports of this [`FORMAT`](super::FORMAT): `mpc-conformance report schema`.
pub const SCHEMA: &str = include_str!("../../report.schema.json");

#[cfg(test)]
mod checker;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod tests;
