//! Keywords: which are known, what their values must be, and where they hold further schemas.

use serde_json::{Map, Value, json};

use super::bad;
use crate::error::Result;
use crate::formats::{self, Format};
use crate::pattern::translate;

/// Says something of a value to people or tools, and nothing of which values are valid.
const ANNOTATIONS: [&str; 12] = [
    "$comment",
    "$defs",
    "contentEncoding",
    "contentMediaType",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
/// Patterns of names at most, in one schema: that no two of them match the same name is looked at for each pair.
const MAX_NAME_PATTERNS: usize = 16;
/// A length or a count at most.
const MAX_COUNT: u64 = 10_000;

/// Looks at each keyword of a schema, and rewrites what llguidance reads otherwise. `latest`: its draft is 2020-12.
pub fn rewrite(schema: &mut Map<String, Value>, is_root: bool, latest: bool) -> Result<()> {
    for (name, value) in schema.iter() {
        look(name, value, is_root, latest)?;
    }
    schema.retain(|name, _| !ANNOTATIONS[2..].contains(&name.as_str()) || name == "definitions");
    schema.remove("uniqueItems");
    names(schema)?;
    patterns(schema)
}

/// Drops keywords and formats that are not implemented.
pub fn drop_unknown(schema: &mut Map<String, Value>, is_root: bool, latest: bool) {
    schema.retain(|name, value| match (name.as_str(), &*value) {
        ("format", Value::String(format)) => formats::format(format).is_some(),
        ("$anchor" | "$id", _) => is_root,
        _ => look(name, value, is_root, latest).is_ok(),
    });
}

/// Whether a keyword is known and its value is of the right kind.
fn look(name: &str, value: &Value, is_root: bool, latest: bool) -> Result<()> {
    let wants = |what: &str, is: bool| if is { Ok(()) } else { Err(bad(format!("{name} wants {what}"))) };
    let is_text = |value: &Value| value.is_string();
    let all = |value: &Value, each: fn(&Value) -> bool| value.as_array().is_some_and(|list| list.iter().all(each));
    match name {
        "$id" | "$anchor" if is_root => Ok(()),
        "$ref" | "pattern" | "format" => wants("a string", is_text(value)),
        "const" => Ok(()),
        "enum" => wants("a list of values", value.as_array().is_some_and(|list| !list.is_empty())),
        "type" => {
            let known = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
            wants("the name of a type, or a list of such", known(value) || all(value, known))
        }
        "prefixItems" if !latest => Err(bad("prefixItems is of draft 2020-12, and $schema names an older one")),
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
            wants("a list of schemas", value.as_array().is_some_and(|list| !list.is_empty()))
        }
        "properties" | "patternProperties" | "$defs" | "definitions" => {
            wants("an object of schemas", value.is_object())
        }
        "items" | "additionalItems" | "additionalProperties" => Ok(()),
        "required" => wants("a list of names", all(value, |name| name.is_string())),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => wants("a number", value.is_number()),
        "multipleOf" => wants("a number above 0", value.as_f64().is_some_and(|n| n > 0.0)),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            wants(&format!("a whole number up to {MAX_COUNT}"), value.as_u64().is_some_and(|n| n <= MAX_COUNT))
        }
        "uniqueItems" if value == &Value::Bool(false) => Ok(()),
        _ if ANNOTATIONS.contains(&name) => Ok(()),
        _ => Err(bad(format!("the keyword {name} is not implemented"))),
    }
}

/// Refuses counts of properties that the names of further ones could not keep: one may come twice, and counts once.
fn names(schema: &Map<String, Value>) -> Result<()> {
    let Some(least) = schema.get("minProperties").and_then(Value::as_u64) else { return Ok(()) };
    let n_required = schema.get("required").and_then(Value::as_array).map_or(0, Vec::len) as u64;
    if least > n_required + 1 {
        return Err(bad(format!("minProperties is implemented up to one more than there are required names: {least}")));
    }
    Ok(())
}

/// Patterns and formats as llguidance reads them.
fn patterns(schema: &mut Map<String, Value>) -> Result<()> {
    if let Some(Value::String(pattern)) = schema.get_mut("pattern") {
        *pattern = translate(pattern).map_err(bad)?;
    }
    if let Some(Value::Object(by_pattern)) = schema.get_mut("patternProperties") {
        if by_pattern.len() > MAX_NAME_PATTERNS {
            return Err(bad(format!("patternProperties has too many patterns: {MAX_NAME_PATTERNS} at most are taken")));
        }
        let mut rewritten = Map::new();
        for (pattern, within) in std::mem::take(by_pattern) {
            if rewritten.insert(translate(&pattern).map_err(bad)?, within).is_some() {
                return Err(bad(format!("two patterns of patternProperties are the same: {pattern}")));
            }
        }
        *by_pattern = rewritten;
    }
    let Some(Value::String(name)) = schema.get("format") else { return Ok(()) };
    match formats::format(name) {
        Some(Format::Known) => {}
        Some(Format::Pattern(pattern)) => {
            schema.remove("format");
            if schema.contains_key("pattern") {
                let further = json!({ "pattern": pattern });
                match schema.entry("allOf").or_insert_with(|| json!([])) {
                    Value::Array(all) => all.push(further),
                    _ => return Err(bad("allOf wants a list of schemas")),
                }
            } else {
                schema.insert("pattern".to_owned(), pattern.into());
            }
        }
        None => return Err(bad(format!("the format {name} is not implemented; these are: {}", formats::NAMES))),
    }
    Ok(())
}

/// The ways to the schemas within one, and the `$ref`s that it has.
pub fn children(schema: &Map<String, Value>) -> (Vec<Vec<String>>, Vec<String>) {
    let mut children = Vec::new();
    let mut refs = Vec::new();
    for (name, value) in schema {
        let own = |key: &str| vec![name.clone(), key.to_owned()];
        match (name.as_str(), value) {
            ("$ref", Value::String(named)) => refs.push(named.clone()),
            ("items", Value::Array(list)) | ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(list)) => {
                children.extend((0..list.len()).map(|i| own(&i.to_string())));
            }
            ("items" | "additionalItems" | "additionalProperties", _) => children.push(vec![name.clone()]),
            ("properties" | "patternProperties", Value::Object(map)) => children.extend(map.keys().map(|key| own(key))),
            _ => {}
        }
    }
    (children, refs)
}
