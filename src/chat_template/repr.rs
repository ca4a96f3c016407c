//! How values are printed: as Python does, because templates print lists and dictionaries of tools as they are.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::OUTPUT_BYTES_MAX;

/// Deepest value that is printed.
const DEPTH_MAX: usize = 128;

/// Python's `str(value)` of a list or dictionary; `None` for anything else.
pub(super) fn of_container(value: &Value) -> Result<Option<String>, Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
        return Ok(None);
    }
    let mut out = String::new();
    write(value, 0, &mut out)?;
    Ok(Some(out))
}

/// Python's `repr(value)`.
fn write(value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
    // A list can be longer than memory: it may be repeated lazily.
    if depth > DEPTH_MAX || out.len() > OUTPUT_BYTES_MAX {
        return Err(Error::new(ErrorKind::InvalidOperation, "a value is too large to be printed"));
    }
    match value.kind() {
        ValueKind::Map => {
            out.push('{');
            for (at, key) in value.try_iter()?.enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write(&key, depth + 1, out)?;
                out.push_str(": ");
                write(&value.get_item(&key)?, depth + 1, out)?;
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (at, item) in value.try_iter()?.enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write(&item, depth + 1, out)?;
            }
            out.push(']');
        }
        ValueKind::String => string(value.as_str().unwrap_or_default(), out),
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

/// A string in single quotes, or in double ones if it holds single ones only.
fn string(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
}
