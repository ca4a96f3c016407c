//! JSON Schemas, before llguidance reads them.
//!
//! It ignores keywords that it has not heard of, takes some wrong values for others, and reads patterns and formats in ways of its own.
//! So every schema that it will come to is looked at here: what it would ignore is refused by name, and what it would read otherwise
//! is rewritten.

mod keywords;
mod numbers;

use std::collections::HashSet;

use llguidance::JsonCompileOptions;
use serde_json::{Map, Value, json};

use crate::error::{ConstraintError, Result};
use numbers::Multiples;

/// Schemas within schemas at most, counting those that a `$ref` leads to: the compiler calls itself for each.
const MAX_DEPTH: usize = 64;
/// Schemas at most, counting one each time that a `$ref` leads to it.
const MAX_SCHEMAS: usize = 20_000;
/// Properties at most, of all objects together: what an object costs grows with the square of its properties.
const MAX_PROPERTIES: usize = 400;

/// Drafts whose keywords mean here what they say there.
const DRAFTS: [(&str, bool); 4] = [
    ("https://json-schema.org/draft/2020-12/schema", true),
    ("https://json-schema.org/draft/2019-09/schema", false),
    ("http://json-schema.org/draft-07/schema", false),
    ("http://json-schema.org/draft-06/schema", false),
];

/// The schema in a text, for llguidance.
///
/// # Errors
/// `bad_argument` for what is no JSON or no schema, for keywords and values that are not implemented, for what is too deep or too
/// large; `schema_unsatisfiable` for `false`.
pub fn prepare(text: &str) -> Result<Value> {
    prepare_value(serde_json::from_str(text).map_err(|error| bad(format!("the schema is no JSON: {error}")))?)
}

/// As [`prepare`], of JSON.
pub fn prepare_value(mut schema: Value) -> Result<Value> {
    match schema {
        Value::Bool(true) => schema = Value::Object(Map::new()),
        Value::Bool(false) => return Err(ConstraintError::unsatisfiable("schema", "it is false")),
        _ => {}
    }
    let Some(root) = schema.as_object_mut() else { return Err(bad("a schema is an object, or true or false")) };
    let latest = draft(root)?;
    let lenient = lenient(root)?;
    let mut walk = Walk {
        root: &mut schema,
        latest,
        lenient,
        rewritten: HashSet::new(),
        refs: HashSet::new(),
        multiples: Multiples::default(),
        n: 0,
        n_properties: 0,
    };
    walk.visit(&mut Vec::new(), 0)?;
    walk.multiples.check()?;
    layout().apply_to(&mut schema);
    Ok(schema)
}

/// How the JSON is laid out: on one line, a space after each colon and comma.
///
/// It is how models write short JSON, so nothing is lost to them. And it leaves no choice outside of values: keys, brackets and spaces
/// between two values are forced, and a small model cannot lose itself in line breaks, as it does where white space is free.
fn layout() -> JsonCompileOptions {
    JsonCompileOptions {
        item_separator: ", ".to_owned(),
        key_separator: ": ".to_owned(),
        whitespace_flexible: false,
        ..JsonCompileOptions::default()
    }
}

/// Whether the schema is of the latest draft; takes the name of its draft away.
fn draft(root: &mut Map<String, Value>) -> Result<bool> {
    let Some(named) = root.remove("$schema") else { return Ok(true) };
    let named = named.as_str().unwrap_or_default().trim_end_matches('#');
    let known = DRAFTS.iter().find(|(uri, _)| *uri == named).map(|(_, latest)| *latest);
    known.ok_or_else(|| {
        bad(format!("$schema names a draft that is not implemented (2020-12, 2019-09, 07 and 06 are): {named}"))
    })
}

/// Whether keywords that are not implemented are passed over: `x-guidance` says so, as llguidance has it. How JSON is laid out is not a
/// schema's to say, but it may say what is done anyway.
fn lenient(root: &mut Map<String, Value>) -> Result<bool> {
    let Some(said) = root.remove("x-guidance") else { return Ok(false) };
    let done = json!({ "item_separator": ", ", "key_separator": ": ", "whitespace_flexible": false });
    let mut lenient = false;
    for (name, value) in said.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("lenient", Value::Bool(value)) => lenient = *value,
            _ if done.get(name) == Some(value) => {}
            _ => return Err(bad(format!("x-guidance cannot have {name} {value}"))),
        }
    }
    Ok(lenient)
}

fn bad(message: impl Into<String>) -> ConstraintError {
    ConstraintError::bad("schema", message)
}

/// The way to a schema within the document: keys, and indices in lists.
type Path = Vec<String>;

/// A path as a reader knows it.
fn shown(path: &[String]) -> String {
    format!("#/{}", path.join("/"))
}

/// Visits all schemas that are reached from the root, in the order in which llguidance compiles them.
struct Walk<'a> {
    root: &'a mut Value,
    /// The draft is 2020-12.
    latest: bool,
    /// What is not implemented is passed over.
    lenient: bool,
    /// Paths that have been rewritten: a `$ref` may lead to one again.
    rewritten: HashSet<Path>,
    /// Paths that a `$ref` led to.
    refs: HashSet<Path>,
    multiples: Multiples,
    n: usize,
    n_properties: usize,
}

impl Walk<'_> {
    fn visit(&mut self, path: &mut Path, depth: usize) -> Result<()> {
        self.n += 1;
        if depth > MAX_DEPTH || self.n > MAX_SCHEMAS {
            let message = format!(
                "the schema is too large: {MAX_DEPTH} schemas within schemas, and {MAX_SCHEMAS} in all, are the most"
            );
            return Err(bad(message));
        }
        let is_first = self.rewritten.insert(path.clone());
        let Some(schema) = at(self.root, path) else {
            return Err(bad(format!("there is no schema at {}", shown(path))));
        };
        let schema = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(schema) => schema,
            _ => return Err(bad(format!("a schema is an object, or true or false: {}", shown(path)))),
        };
        if is_first {
            self.n_properties += schema.get("properties").and_then(Value::as_object).map_or(0, Map::len);
            if self.n_properties > MAX_PROPERTIES {
                return Err(bad(format!("the schema is too large: {MAX_PROPERTIES} properties are the most")));
            }
            let within = |error: ConstraintError| bad(format!("{} (in {})", error.message(), shown(path)));
            if self.lenient {
                keywords::drop_unknown(schema, path.is_empty(), self.latest);
            }
            keywords::rewrite(schema, path.is_empty(), self.latest).map_err(within)?;
            numbers::rewrite(schema, &mut self.multiples).map_err(within)?;
        }
        let (children, refs) = keywords::children(schema);
        let n_before = path.len();
        for child in children {
            path.extend(child);
            self.visit(path, depth + 1)?;
            path.truncate(n_before);
        }
        for named in refs {
            let mut target = resolve(&named)?;
            if self.refs.insert(target.clone()) {
                self.visit(&mut target, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// What a path leads to.
fn at<'a>(root: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(root, |value, key| match value {
        Value::Object(map) => map.get_mut(key),
        Value::Array(list) => list.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The path that a `$ref` names.
fn resolve(named: &str) -> Result<Path> {
    let plain = !named.contains(['~', '%']);
    match named.strip_prefix('#') {
        Some("" | "/") => Ok(Path::new()),
        Some(pointer) if plain && pointer.starts_with('/') => Ok(pointer[1..].split('/').map(str::to_owned).collect()),
        _ => Err(bad(format!(
            "a $ref is taken where it points into this schema, as #/$defs/name does, without escapes: {named}"
        ))),
    }
}
