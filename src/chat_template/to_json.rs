//! The filter `tojson` as `transformers` defines it: Python's `json.dumps(x, ensure_ascii=…, …)`, by default not to ASCII.
//!
//! Unlike Jinja's own it does not escape for HTML, and it puts a space after commas and colons.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::OUTPUT_BYTES_MAX;

/// Deepest value that is written. Values come from JSON of at most this depth, or from a template's literals.
const DEPTH_MAX: usize = 128;

/// How one call of the filter writes.
struct Style {
    indent: Option<String>,
    comma: String,
    colon: String,
    sort_keys: bool,
    ascii: bool,
}

/// `value | tojson(indent=…, separators=…, sort_keys=…, ensure_ascii=…)`.
pub(super) fn tojson(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<Value>>("indent")?,
    };
    let indent = match indent {
        Some(indent) if !indent.is_none() && !indent.is_undefined() => Some(match indent.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(indent)?.min(64)),
        }),
        _ => None,
    };
    let (mut comma, mut colon) = (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned());
    if let Some(separators) = options.get::<Option<Value>>("separators")? {
        let mut texts = separators.try_iter()?.map(|text| text.to_string());
        if let (Some(first), Some(second)) = (texts.next(), texts.next()) {
            (comma, colon) = (first, second);
        }
    }
    let sort_keys = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    let ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    let style = Style { indent, comma, colon, sort_keys, ascii };
    options.assert_all_used()?;
    let mut out = String::new();
    write(value, &style, 0, &mut out)?;
    Ok(Value::from(out))
}

fn write(value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<(), Error> {
    // A list can be longer than memory: it may be repeated lazily.
    if depth > DEPTH_MAX || out.len() > OUTPUT_BYTES_MAX {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson: the value is too large"));
    }
    match value.kind() {
        ValueKind::Map => {
            let mut entries: Vec<(String, Value)> = Vec::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                entries.push((key.to_string(), item));
            }
            if style.sort_keys {
                entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            }
            list(entries.iter(), ('{', '}'), style, depth, out, |(key, item), out| {
                string(key, style.ascii, out);
                out.push_str(&style.colon);
                write(item, style, depth + 1, out)
            })
        }
        ValueKind::Seq | ValueKind::Iterable => {
            list(value.try_iter()?, ('[', ']'), style, depth, out, |item, out| write(&item, style, depth + 1, out))
        }
        ValueKind::String => {
            string(value.as_str().unwrap_or_default(), style.ascii, out);
            Ok(())
        }
        ValueKind::None => {
            out.push_str("null");
            Ok(())
        }
        ValueKind::Bool => {
            out.push_str(if value.is_true() { "true" } else { "false" });
            Ok(())
        }
        ValueKind::Number => {
            out.push_str(&value.to_string());
            Ok(())
        }
        other => Err(Error::new(ErrorKind::InvalidOperation, format!("tojson: {other} is not JSON"))),
    }
}

fn list<T>(
    items: impl Iterator<Item = T>,
    (open, close): (char, char),
    style: &Style,
    depth: usize,
    out: &mut String,
    mut write_item: impl FnMut(T, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let new_line = |depth: usize, out: &mut String| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(indent.as_str(), depth));
        }
    };
    out.push(open);
    let mut empty = true;
    for item in items {
        if !empty {
            out.push_str(&style.comma);
        }
        new_line(depth + 1, out);
        write_item(item, out)?;
        empty = false;
    }
    if !empty {
        new_line(depth, out);
    }
    out.push(close);
    Ok(())
}

/// A string with Python's escapes: quotes, backslashes and control characters; to ASCII also all others that are not printable there.
fn string(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (ascii && c > '~') => {
                out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
