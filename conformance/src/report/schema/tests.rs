use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::SCHEMA;
use super::checker::check;
use super::probe::{Types, probe};
use crate::report::{FORMAT, Report, json as form, samples};

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn value(report: &Report) -> Value {
    serde_json::from_str(&form::render(report)).unwrap()
}

/// Reports in which every field is there, and between them every value of every enumeration.
fn full() -> (Vec<Report>, Types) {
    let mut types = Types::default();
    let mut reports = Vec::new();
    let mut turn = 0;
    // The first one tells how many values there are.
    while reports.is_empty() || types.variants.values().any(|it| turn < it.len()) {
        reports.push(Report { format: FORMAT, ..probe(turn, &mut types) });
        turn += 1;
    }
    (reports, types)
}

/// The paths of all values in this one but itself.
fn paths(value: &Value) -> Vec<String> {
    let within: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, it)| (key.clone(), it)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(place, it)| (place.to_string(), it)).collect()
        }
        _ => Vec::new(),
    };
    let each = within.into_iter().flat_map(|(key, it)| {
        let below = paths(it).into_iter().map(|path| format!("/{key}{path}")).collect::<Vec<_>>();
        [vec![format!("/{key}")], below].concat()
    });
    each.collect()
}

#[test]
fn every_report_is_as_the_schema_says() {
    let schema = schema();
    for report in samples::all() {
        assert_eq!(check(&schema, &value(&report), true), [""; 0]);
    }
}

#[test]
fn every_field_is_described() {
    let schema = schema();
    let (reports, types) = full();
    for report in &reports {
        assert_eq!(check(&schema, &value(report), true), [""; 0]);
    }
    assert!(types.fields.len() > 12, "{types:?}");
    let undone = value(&reports[0]);
    for (name, fields) in &types.fields {
        for field in *fields {
            let there = paths(&undone).iter().any(|it| it.ends_with(&format!("/{field}")));
            assert!(there, "{name}.{field} is in the report");
        }
    }
}

/// The other way round: what is described is a field, and a value that is named can occur.
#[test]
fn what_is_described_exists() {
    let schema = schema();
    let (_, types) = full();
    let mut objects = vec![schema.clone()];
    objects.extend(schema["$defs"].as_object().unwrap().values().cloned());
    let mut described = BTreeSet::new();
    let mut named = BTreeSet::new();
    for object in &objects {
        if let Some(properties) = object["properties"].as_object() {
            let names: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
            let is_it =
                |fields: &&&[&str]| fields.iter().copied().collect::<BTreeSet<_>>() == names;
            let name = types.fields.iter().find(|(_, fields)| is_it(fields));
            let (name, _) = name.unwrap_or_else(|| panic!("no type has the fields {names:?}"));
            described.insert(*name);
        }
        if let Some(values) = object["enum"].as_array() {
            let values: Vec<&str> = values.iter().map(|it| it.as_str().unwrap()).collect();
            let name = types.variants.iter().find(|(_, variants)| **variants == values);
            let (name, _) = name.unwrap_or_else(|| panic!("no enumeration has {values:?}"));
            named.insert(*name);
        }
    }
    assert_eq!(described, types.fields.keys().copied().collect());
    assert_eq!(named, types.variants.keys().copied().collect());
}

#[test]
fn what_is_no_report_is_refused() {
    let schema = schema();
    let (reports, _) = full();
    let right = value(&reports[0]);
    let all = paths(&right);
    assert!(all.len() > 100, "{all:?}");
    for path in all {
        // A list of nothing is neither a text nor a number nor an object, nor a list of the right.
        for wrong in [json!([[]]), json!(1.5), json!({ "of": "another kind" })] {
            let mut changed = right.clone();
            *changed.pointer_mut(&path).unwrap() = wrong.clone();
            let found = check(&schema, &changed, false);
            assert!(found.iter().any(|it| it.starts_with(&path)), "{path} as {wrong}: {found:?}");
        }
    }
    for (path, wrong) in [
        ("/format", json!(2)),
        ("/seed", json!(-1)),
        ("/verdict", json!("fine")),
        ("/repeats/worst", json!(0)),
        ("/requirements/0/outcome", json!("fell")),
        ("/requirements/0/level", json!("must")),
        ("/target/capabilities/0", json!("event_replay")),
        ("/requirements/0/finding", json!(null)),
    ] {
        let mut changed = right.clone();
        *changed.pointer_mut(path).unwrap() = wrong;
        let found = check(&schema, &changed, false);
        assert!(found.iter().any(|it| it.starts_with(path)), "{path}: {found:?}");
    }
}

/// What is written every time is required, and nothing else is.
#[test]
fn what_may_be_absent_is_what_the_suite_may_leave_out() {
    let schema = schema();
    let (reports, _) = full();
    let right = value(&reports[0]);
    let optional = [
        "/requirement_set",
        "/ceremony",
        "/ceremony/excuse",
        "/repeats",
        "/baseline",
        "/requirements/0/known",
        "/requirements/0/finding",
        "/requirements/0/likely_causes",
        "/requirements/0/timeline",
        "/requirements/0/timeline_cut",
        "/requirements/0/replay",
    ];
    for path in paths(&right) {
        let (parent, name) = path.rsplit_once('/').unwrap();
        let mut changed = right.clone();
        let Some(object) = changed.pointer_mut(parent).unwrap().as_object_mut() else { continue };
        object.remove(name).unwrap();
        let found = check(&schema, &changed, false);
        assert_eq!(found.is_empty(), optional.contains(&path.as_str()), "{path}: {found:?}");
        // And what the schema takes, the suite reads.
        if found.is_empty() {
            serde_json::from_value::<Report>(changed).unwrap();
        }
    }
}

#[test]
fn what_later_versions_add_is_no_error() {
    let mut report = value(&samples::small());
    report["weather"] = json!("fine");
    report["requirements"][0]["weather"] = json!(["fine"]);
    assert_eq!(check(&schema(), &report, false), [""; 0]);
    assert_eq!(check(&schema(), &report, true).len(), 2);
}

#[test]
fn the_schema_is_that_of_this_format() {
    let schema = schema();
    assert_eq!(schema["properties"]["format"]["const"], FORMAT);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["$id"].as_str().unwrap().ends_with(&format!(":{FORMAT}")));
    let promise = schema["description"].as_str().unwrap();
    assert!(promise.contains(&format!("the version of this form, {FORMAT} here")), "{promise}");
}
