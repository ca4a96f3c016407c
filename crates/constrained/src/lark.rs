//! Grammars in Lark's syntax, before llguidance reads them: schemas within are prepared as others are, and depth is bounded.

use serde_json::{Deserializer, Value};

use crate::error::{ConstraintError, Result};
use crate::schema;

/// Brackets within brackets at most: the reader calls itself for each.
const MAX_DEPTH: usize = 48;
/// Switches of llguidance that a grammar may set by `%llguidance`. It would ignore others in silence.
const SWITCHES: [&str; 3] = ["no_forcing", "allow_invalid_utf8", "allow_initial_skip"];

/// The grammar with its schemas prepared.
///
/// # Errors
/// `bad_argument` for brackets that are too deep and switches that are not known; those of [`schema::prepare`] for `%json`.
pub fn prepare(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut depth = 0usize;
    while let Some(c) = rest.chars().next() {
        let mut n_bytes = c.len_utf8();
        match c {
            '"' | '/' if !rest.starts_with("//") => n_bytes = quoted(rest, c),
            '/' | '#' => n_bytes = rest.find('\n').unwrap_or(rest.len()),
            '(' | '[' | '{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(ConstraintError::bad("grammar", format!("the grammar is nested too deeply: {MAX_DEPTH} brackets at most")));
                }
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '%' => {
                for keyword in ["%json", "%llguidance"] {
                    if let Some((value, n_after)) = rest.strip_prefix(keyword).and_then(json) {
                        out.push_str(keyword);
                        out.push(' ');
                        out.push_str(&within(keyword, value)?.to_string());
                        rest = &rest[keyword.len() + n_after..];
                        n_bytes = 0;
                        break;
                    }
                }
            }
            _ => {}
        }
        let (done, left) = rest.split_at(n_bytes);
        out.push_str(done);
        rest = left;
    }
    Ok(out)
}

/// Bytes of a string or a regex that begins here, with both its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' if quote == '"' => return at,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The JSON at the begin of a text, and its bytes. Where there is none, llguidance says so.
fn json(text: &str) -> Option<(Value, usize)> {
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, values.byte_offset()))
}

fn within(keyword: &str, value: Value) -> Result<Value> {
    if keyword == "%json" {
        return schema::prepare_value(value);
    }
    let unknown = value.as_object().into_iter().flatten().find(|(name, _)| !SWITCHES.contains(&name.as_str()));
    match unknown {
        Some((name, _)) => Err(ConstraintError::bad("grammar", format!("%llguidance has no switch of this name: {name}"))),
        None => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::prepare;

    #[test]
    fn schemas_within_are_prepared() {
        let out = prepare("start: \"(\" %json {\"type\": \"object\"} /[(]\\/+/ // (((\n").expect("a grammar");
        assert!(out.contains("x-guidance"), "{out}");
        assert!(out.ends_with("/[(]\\/+/ // (((\n"), "{out}");
        let why = prepare("start: %json {\"type\": \"array\", \"uniqueItems\": true}").expect_err("not implemented");
        assert!(why.message().contains("uniqueItems"), "{why}");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |n: usize| format!("start: {}\"a\"{}", "(".repeat(n), ")".repeat(n));
        assert!(prepare(&deep(40)).is_ok());
        assert!(prepare(&deep(60)).expect_err("too deep").message().contains("too deeply"));
        assert!(prepare("%llguidance {\"no_forcign\": true}\nstart: \"a\"").is_err());
    }
}
