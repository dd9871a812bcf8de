//! A checker of the part of JSON Schema that the report's schema uses. A keyword that it does not
//! know is an error: what is not checked must not stand there as if it were.

use serde_json::{Map, Value};

/// What is wrong with a value, by a path such as `/requirements/0/id`; nothing if it is as `schema`
/// says. If `closed`, no object may have a property that the schema does not name.
pub(super) fn check(schema: &Value, value: &Value, closed: bool) -> Vec<String> {
    let checker = Checker { root: schema, closed };
    let mut wrong = Vec::new();
    checker.check(schema, value, "", &mut wrong);
    wrong
}

struct Checker<'a> {
    root: &'a Value,
    closed: bool,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, path: &str, wrong: &mut Vec<String>) {
        let mut say = |what: String| wrong.push(format!("{path}: {what}"));
        let schema = schema.as_object().expect("a schema is an object");
        for (keyword, argument) in schema {
            match keyword.as_str() {
                "$schema" | "$id" | "title" | "description" => {
                    assert!(argument.is_string(), "{keyword} is text");
                }
                "$defs" => assert_eq!(path, "", "definitions stand at the top"),
                "type" if !has_type(argument, value) => say(format!("is not of {argument}")),
                "const" if argument != value => say(format!("is not {argument}")),
                "enum" if !list(argument).contains(value) => say(format!("is none of {argument}")),
                "minimum" => {
                    let least = argument.as_i64().expect("a whole number");
                    if value.as_i64().is_some_and(|it| it < least) {
                        say(format!("is less than {argument}"));
                    }
                }
                "required" => {
                    for name in list(argument) {
                        let name = name.as_str().expect("a name");
                        assert!(schema["properties"].get(name).is_some(), "{name} is described");
                        if value.is_object() && value.get(name).is_none() {
                            say(format!("has no {name}"));
                        }
                    }
                }
                "type" | "const" | "enum" | "properties" | "items" | "$ref" | "anyOf" => {}
                other => panic!("{other} is no keyword that is checked"),
            }
        }
        if let Some(reference) = schema.get("$ref") {
            self.check(self.resolved(reference), value, path, wrong);
        }
        if let Some(any) = schema.get("anyOf") {
            let each = list(any).iter().map(|schema| {
                let mut wrong = Vec::new();
                self.check(schema, value, path, &mut wrong);
                wrong
            });
            let each: Vec<_> = each.collect();
            // What is wrong is told of the first, which is the one that is described.
            if each.iter().all(|it| !it.is_empty()) {
                wrong.extend(each.into_iter().next().expect("one at least"));
            }
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            for (place, value) in values.iter().enumerate() {
                self.check(items, value, &format!("{path}/{place}"), wrong);
            }
        }
        if let (Some(properties), Some(values)) = (schema.get("properties"), value.as_object()) {
            self.check_properties(properties, values, path, wrong);
        }
    }

    fn check_properties(
        &self,
        properties: &Value,
        values: &Map<String, Value>,
        path: &str,
        wrong: &mut Vec<String>,
    ) {
        for (name, value) in values {
            match properties.get(name) {
                Some(schema) => self.check(schema, value, &format!("{path}/{name}"), wrong),
                None if self.closed => wrong.push(format!("{path}: {name} is not described")),
                None => {}
            }
        }
    }

    fn resolved(&self, reference: &Value) -> &Value {
        let place = reference.as_str().and_then(|it| it.strip_prefix('#'));
        let found = place.and_then(|it| self.root.pointer(it));
        found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn has_type(types: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().expect("a type has a name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("{other} is no type that is checked"),
    };
    match types {
        Value::Array(types) => types.iter().any(is),
        one => is(one),
    }
}
