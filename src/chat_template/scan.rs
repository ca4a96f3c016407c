//! What is checked before a template is parsed: parsing and compiling recurse, and the stack of wasm is one megabyte.

use crate::error::{Error, ErrorKind, Result};

/// Longest template, in bytes. The longest published one has 40 KiB.
const SOURCE_BYTES_MAX: usize = 256 << 10;

/// Deepest nesting of brackets in one tag.
const BRACKETS_MAX: usize = 48;

/// Most operators in one tag, brackets, dots and bars included: a chain of them becomes a tree as deep as it is long.
const OPERATORS_MAX: usize = 400;

/// Most `elif` in a template: each is a level deeper than the last.
const ELIFS_MAX: usize = 200;

/// The filter that a loop's list is put through.
pub(super) const ITERATED: &str = "iterated";

/// The number 1, which the parser does not know: it multiplies constants while it parses, whatever comes of that.
pub(super) const ONE: &str = "__one";

/// Checks the limits. Returns the template with `{% generation %}` blocks, which only matter in training, replaced by ones
/// that always render, and with loops over a name put through [`ITERATED`].
pub(super) fn check(source: &str) -> Result<String> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(too_much(format!("the chat template is longer than {SOURCE_BYTES_MAX} bytes")));
    }
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let mut elifs = 0;
    while let Some((before, open, tag_and_rest)) = next_tag(rest) {
        out.push_str(before);
        out.push_str(open);
        let tag_bytes = match open {
            "{#" => tag_and_rest.find("#}").unwrap_or(tag_and_rest.len()),
            "{{" => tag_bytes(tag_and_rest, "}}")?,
            _ => tag_bytes(tag_and_rest, "%}")?,
        };
        let (tag, after) = tag_and_rest.split_at(tag_bytes);
        let word = tag.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        if word.starts_with("elif") && open == "{%" {
            elifs += 1;
        }
        match word {
            "generation" if open == "{%" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" if open == "{%" => out.push_str(&tag.replace("endgeneration", "endif")),
            "raw" if open == "{%" => {
                let (text, end) = after.split_at(raw_bytes(after));
                out.push_str(tag);
                out.push_str(text);
                rest = end;
                continue;
            }
            _ if open == "{%" && loops_over_name(word) => {
                let (head, trim) = tag.split_at(tag.trim_end_matches(['-', '+']).trim_end().len());
                push_unfolded(head, &mut out);
                out.push_str(&format!("|{ITERATED}{trim}"));
            }
            _ if open == "{#" => out.push_str(tag),
            _ => push_unfolded(tag, &mut out),
        }
        rest = after;
    }
    if elifs > ELIFS_MAX {
        return Err(too_much(format!("the chat template has more than {ELIFS_MAX} elif")));
    }
    out.push_str(rest);
    Ok(out)
}

/// The length of what is printed as it stands, up to the tag that ends it.
fn raw_bytes(after: &str) -> usize {
    let ends = |at: &usize| after[at + 2..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw");
    after.match_indices("{%").map(|(at, _)| at).find(ends).unwrap_or(after.len())
}

/// A tag in which products have [`ONE`] as a factor more, so that they are made when the template is rendered, and counted.
fn push_unfolded(tag: &str, out: &mut String) {
    let (mut quote, mut before, mut escaped) = (None, ' ', false);
    let mut chars = tag.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            // Neither a power nor arguments.
            None if c == '*' && chars.peek() != Some(&'*') && !matches!(before, '*' | '(' | ',') => {
                out.push_str(ONE);
                out.push('*');
            }
            None => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
}

/// Whether a tag is a loop over a name, or over a field of one.
fn loops_over_name(tag: &str) -> bool {
    let list = tag.strip_prefix("for ").and_then(|head| head.split_once(" in ")).map(|(_, list)| list.trim());
    list.is_some_and(|list| {
        !list.is_empty() && list.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
    })
}

/// The text before the next tag, how the tag opens, and the rest.
fn next_tag(source: &str) -> Option<(&str, &str, &str)> {
    let at = source
        .match_indices('{')
        .map(|(at, _)| at)
        .find(|at| source.as_bytes().get(at + 1).is_some_and(|next| matches!(next, b'{' | b'%' | b'#')))?;
    Some((&source[..at], &source[at..at + 2], &source[at + 2..]))
}

/// The length of a tag that ends with `close`, after checking its nesting and operators.
fn tag_bytes(tag: &str, close: &str) -> Result<usize> {
    let mut brackets = 0usize;
    let mut operators = 0;
    let mut quote = None;
    let mut word_bytes = 0;
    let bytes = tag.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        at += 1;
        if let Some(end) = quote {
            match byte {
                b'\\' => at += 1,
                _ if byte == end => quote = None,
                _ => {}
            }
            continue;
        }
        if brackets == 0 && bytes[at - 1..].starts_with(close.as_bytes()) {
            return Ok(at - 1);
        }
        let in_word = byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
        if !in_word {
            let word = &bytes[at - 1 - word_bytes..at - 1];
            operators += usize::from(matches!(word, b"and" | b"or" | b"not" | b"in" | b"is" | b"if" | b"else"));
            word_bytes = 0;
        } else {
            word_bytes += 1;
        }
        match byte {
            b'"' | b'\'' => quote = Some(byte),
            b'(' | b'[' | b'{' => {
                brackets += 1;
                operators += 1;
            }
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            b'+' | b'-' | b'*' | b'/' | b'%' | b'~' | b'.' | b'|' | b'=' | b'<' | b'>' | b'!' => operators += 1,
            _ => {}
        }
        if brackets > BRACKETS_MAX {
            return Err(too_much(format!("the chat template nests brackets more than {BRACKETS_MAX} deep")));
        }
        if operators > OPERATORS_MAX {
            return Err(too_much(format!("a tag of the chat template has more than {OPERATORS_MAX} operators")));
        }
    }
    // Never closed: the parser says so.
    Ok(tag.len())
}

fn too_much(message: String) -> Error {
    Error::new(ErrorKind::Template, message)
}
