//! Grammars in Lark's syntax, before llguidance reads them: schemas within are prepared as others are, and depth is bounded.

use serde_json::{Deserializer, Value};

use crate::error::{ConstraintError, Result};
use crate::pattern::Size;
use crate::schema;

/// Brackets within brackets at most: the reader calls itself for each.
const MAX_DEPTH: usize = 48;
/// Rules and terminals at most: one may lead to the next, and the compiler calls itself for each.
const MAX_RULES: usize = 200;
/// All numbers of repetitions, multiplied: they may stand within each other, in terminals that are written out.
const MAX_REPEAT: u64 = 20_000;
/// Switches of llguidance that a grammar may set by `%llguidance`. It would ignore others in silence.
const SWITCHES: [&str; 3] = ["no_forcing", "allow_invalid_utf8", "allow_initial_skip"];

/// The grammar with its schemas prepared.
///
/// # Errors
/// `bad_argument` for brackets that are too deep and switches that are not known; those of [`schema::prepare`] for `%json`.
pub fn prepare(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let (mut depth, mut n_rules, mut repeats) = (0usize, 0, 1u64);
    while let Some(c) = rest.chars().next() {
        let mut n_bytes = c.len_utf8();
        match c {
            '"' | '/' if !rest.starts_with("//") => {
                n_bytes = quoted(rest, c);
                if c == '/' {
                    regex(&rest[..n_bytes])?;
                }
            }
            '/' | '#' => n_bytes = rest.find('\n').unwrap_or(rest.len()),
            // A token by its number, which repeats nothing.
            '<' if rest.starts_with("<[") => n_bytes = rest.find("]>").map_or(1, |at| at + 2),
            '(' | '[' | '{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(ConstraintError::bad(
                        "grammar",
                        format!("the grammar is nested too deeply: {MAX_DEPTH} brackets at most"),
                    ));
                }
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ':' => {
                n_rules += 1;
                if n_rules > MAX_RULES {
                    return Err(ConstraintError::bad(
                        "grammar",
                        format!("the grammar has too many rules: {MAX_RULES} at most are taken"),
                    ));
                }
            }
            '0'..='9' => {
                n_bytes = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                // A digit may be part of a name.
                if !out.ends_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '-') {
                    repeats = repeats.saturating_mul(rest[..n_bytes].parse::<u64>().unwrap_or(u64::MAX).max(1));
                }
                if repeats > MAX_REPEAT {
                    return Err(ConstraintError::bad(
                        "grammar",
                        format!(
                            "the grammar repeats too much: {MAX_REPEAT} is the most that its numbers may come to, multiplied"
                        ),
                    ));
                }
            }
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

/// Refuses a regex that repeats too much.
fn regex(text: &str) -> Result<()> {
    let mut size = Size::default();
    let mut rest = text.char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            '\\' => {
                rest.next();
                size.take('.');
            }
            '{' => {
                let numbers = text[at + 1..].split('}').next().unwrap_or_default().split(',');
                size.repeat(numbers.filter_map(|number| number.trim().parse().ok()).max().unwrap_or(1));
                while rest.clone().next().is_some_and(|(_, c)| c == ',' || c == ' ' || c == '}' || c.is_ascii_digit()) {
                    rest.next();
                }
            }
            '*' | '+' | '?' => {}
            _ => size.take(c),
        }
    }
    size.check().map_err(|why| ConstraintError::bad("grammar", why))
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
        Some((name, _)) => {
            Err(ConstraintError::bad("grammar", format!("%llguidance has no switch of this name: {name}")))
        }
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
        assert!(prepare("start: <[151657]> \"a\" <[151658]>").is_ok());
        assert!(prepare(&deep(60)).expect_err("too deep").message().contains("too deeply"));
        assert!(prepare("%llguidance {\"no_forcign\": true}\nstart: \"a\"").is_err());
    }
}
