//! JavaScript's regular expressions, in the syntax of the Rust crate `regex`.
//!
//! JSON Schema's patterns are JavaScript's. Read as Rust's, some would match other texts: `.` also takes a carriage return, `\d` a
//! digit of any script, `[a&&b]` is an intersection. An answer that follows the pattern here and fails there would be of no use. So
//! what is meant is spelled out, and what has no like is refused by name.

mod size;

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

use size::MAX_SIZE;
pub use size::Size;

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str =
    "\\t\\n\\x0B\\x0C\\r \\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}\\x{FEFF}";
/// What `.` takes: all but line terminators, of which JavaScript knows four.
const DOT: &str = "[^\\n\\r\\x{2028}\\x{2029}]";
/// Nothing at all, as `[]` in JavaScript.
const NEVER: &str = "[^\\x{0}-\\x{10FFFF}]";
/// Anything, as `[^]` in JavaScript.
const ALWAYS: &str = "[\\x{0}-\\x{10FFFF}]";

/// What a part of a class or an escape stands for.
enum Atom {
    Char(char),
    /// A class, in Rust's syntax.
    Set(String),
}

/// The same pattern for the crate `regex`. The error is a sentence that names what is not taken.
pub fn translate(js: &str) -> Result<String, String> {
    let mut from = js.chars().peekable();
    let mut to = String::with_capacity(js.len() + 16);
    let mut size = Size::default();
    while let Some(c) = from.next() {
        match c {
            '\\' => match escape(&mut from, false)? {
                Atom::Char(c) => literal(&mut to, c),
                Atom::Set(set) => to.push_str(&set),
            },
            '.' => to.push_str(DOT),
            '[' => class(&mut from, &mut to)?,
            '(' => group(&mut from, &mut to)?,
            '{' => {
                size.repeat(repeat(&mut from, &mut to)?);
                continue;
            }
            ')' | '|' | '^' | '$' => to.push(c),
            '*' | '+' | '?' => {
                to.push(c);
                from.next_if_eq(&'?');
                continue;
            }
            ']' | '}' => return Err(format!("the pattern has a \"{c}\" that closes nothing; write \\{c}: {js}")),
            _ => literal(&mut to, c),
        }
        size.take(c);
    }
    size.check()?;
    // llguidance would read an empty pattern as a comment.
    Ok(if to.is_empty() { "(?:)".to_owned() } else { to })
}

/// A character that stands for itself, whatever Rust's syntax makes of it.
fn literal(to: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || (!c.is_ascii() && c.is_alphanumeric()) {
        to.push(c);
    } else {
        // Writing to a `String` does not fail.
        let _ = write!(to, "\\x{{{:X}}}", u32::from(c));
    }
}

/// What comes after `(`. Groups capture nothing here.
fn group(from: &mut Peekable<Chars<'_>>, to: &mut String) -> Result<(), String> {
    to.push_str("(?:");
    if from.next_if_eq(&'?').is_none() {
        return Ok(());
    }
    match from.next() {
        Some(':') => Ok(()),
        Some('<') if !matches!(from.peek(), Some('=' | '!')) => from
            .by_ref()
            .find(|c| *c == '>')
            .map(|_| ())
            .ok_or_else(|| "a group's name in the pattern does not end".to_owned()),
        Some('=' | '!' | '<') => Err("lookahead and lookbehind in a pattern are not implemented".to_owned()),
        _ => Err("the pattern has a group of a kind that is not implemented: (?…)".to_owned()),
    }
}

/// What comes after `{`: how often. Gives the most of it that is stated.
fn repeat(from: &mut Peekable<Chars<'_>>, to: &mut String) -> Result<u64, String> {
    let inner: String = from.by_ref().take_while(|c| *c != '}').take(24).collect();
    let wrong = || format!("{{{inner}}} in the pattern says no number of times; write \\{{ for the character");
    let number = |text: &str| -> Result<u64, String> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let n: u64 = if digits { text.parse().unwrap_or(u64::MAX) } else { return Err(wrong()) };
        if n > MAX_SIZE {
            Err(format!("{n} repetitions in the pattern are too many: {MAX_SIZE} at most"))
        } else {
            Ok(n)
        }
    };
    let (written, times) = match inner.split_once(',') {
        None => (format!("{{{}}}", number(&inner)?), number(&inner)?),
        Some((least, "")) => (format!("{{{},}}", number(least)?), number(least)?),
        Some((least, most)) => (format!("{{{},{}}}", number(least)?, number(most)?), number(most)?),
    };
    to.push_str(&written);
    from.next_if_eq(&'?');
    Ok(times)
}

/// What comes after `[`.
fn class(from: &mut Peekable<Chars<'_>>, to: &mut String) -> Result<(), String> {
    let negated = from.next_if_eq(&'^').is_some();
    if from.next_if_eq(&']').is_some() {
        to.push_str(if negated { ALWAYS } else { NEVER });
        return Ok(());
    }
    to.push_str(if negated { "[^" } else { "[" });
    let unclosed = || "a class in the pattern does not end: [".to_owned();
    loop {
        let low = match from.next().ok_or_else(unclosed)? {
            ']' => break,
            '\\' => escape(from, true)?,
            c => Atom::Char(c),
        };
        let mut ahead = from.clone();
        let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']');
        if !is_range {
            match low {
                Atom::Char(c) => literal(to, c),
                Atom::Set(set) => to.push_str(&set),
            }
            continue;
        }
        from.next();
        let high = match from.next().ok_or_else(unclosed)? {
            '\\' => escape(from, true)?,
            c => Atom::Char(c),
        };
        let (Atom::Char(low), Atom::Char(high)) = (low, high) else {
            return Err(
                "a range in a class of the pattern begins or ends with a class; write \\- for the character".to_owned()
            );
        };
        literal(to, low);
        to.push('-');
        literal(to, high);
    }
    to.push(']');
    Ok(())
}

/// What comes after `\`.
fn escape(from: &mut Peekable<Chars<'_>>, in_class: bool) -> Result<Atom, String> {
    let Some(c) = from.next() else { return Err("the pattern ends with a \\".to_owned()) };
    let set = |text: &str| Ok(Atom::Set(text.to_owned()));
    match c {
        'd' => set(&format!("[{DIGIT}]")),
        'D' => set(&format!("[^{DIGIT}]")),
        'w' => set(&format!("[{WORD}]")),
        'W' => set(&format!("[^{WORD}]")),
        's' => set(&format!("[{SPACE}]")),
        'S' => set(&format!("[^{SPACE}]")),
        'p' | 'P' => property(c, from).map(Atom::Set),
        't' => Ok(Atom::Char('\t')),
        'n' => Ok(Atom::Char('\n')),
        'v' => Ok(Atom::Char('\u{B}')),
        'f' => Ok(Atom::Char('\u{C}')),
        'r' => Ok(Atom::Char('\r')),
        'b' if in_class => Ok(Atom::Char('\u{8}')),
        'b' | 'B' => Err(format!("word boundaries in a pattern are not implemented: \\{c}")),
        '0' if !from.peek().is_some_and(char::is_ascii_digit) => Ok(Atom::Char('\0')),
        '0'..='9' | 'k' => Err(format!("references back in a pattern are not implemented: \\{c}")),
        'c' => match from.next() {
            Some(letter) if letter.is_ascii_alphabetic() => Ok(Atom::Char(char::from(letter as u8 % 32))),
            _ => Err("\\c in the pattern wants a letter".to_owned()),
        },
        'x' => char_of(hex(from, 2)?),
        'u' => unicode(from),
        _ if c.is_ascii_alphanumeric() => Err(format!("\\{c} in the pattern means nothing")),
        _ => Ok(Atom::Char(c)),
    }
}

/// `\p{…}`: Rust knows most of JavaScript's properties, by the same names.
fn property(p: char, from: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let open = from.next_if_eq(&'{').is_some();
    let name: String = from.by_ref().take_while(|c| *c != '}').take(64).collect();
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '=');
    if open && plain {
        Ok(format!("\\{p}{{{name}}}"))
    } else {
        Err(format!("\\{p} in the pattern wants a property: \\{p}{{L}}"))
    }
}

/// The value of `n` hexadecimal digits.
fn hex(from: &mut Peekable<Chars<'_>>, n: usize) -> Result<u32, String> {
    let digits: String = from.by_ref().take(n).collect();
    let whole = digits.len() == n && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u32::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| whole)
        .ok_or_else(|| format!("\\x or \\u in the pattern wants {n} hexadecimal digits"))
}

/// `\u0000`, `\u{0}`, or two of the first that are the halves of one character.
fn unicode(from: &mut Peekable<Chars<'_>>) -> Result<Atom, String> {
    if from.next_if_eq(&'{').is_some() {
        let digits: String = from.by_ref().take_while(|c| *c != '}').take(8).collect();
        return char_of(u32::from_str_radix(&digits, 16).unwrap_or(u32::MAX));
    }
    let first = hex(from, 4)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char_of(first);
    }
    let mut ahead = from.clone();
    if (ahead.next(), ahead.next()) == (Some('\\'), Some('u'))
        && let Ok(second @ 0xDC00..=0xDFFF) = hex(&mut ahead, 4)
    {
        *from = ahead;
        return char_of(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
    }
    char_of(first)
}

fn char_of(code: u32) -> Result<Atom, String> {
    char::from_u32(code).map(Atom::Char).ok_or_else(|| "an escape in the pattern stands for no character".to_owned())
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn spells_out_what_javascript_means() {
        for (js, rust) in [
            ("^a.b$", "^a[^\\n\\r\\x{2028}\\x{2029}]b$"),
            ("\\d+?", "[0-9]+"),
            ("[^\\w-]", "[^[0-9A-Za-z_]\\x{2D}]"),
            ("[a-c&&[]", "[a-c\\x{26}\\x{26}\\x{5B}]"),
            ("(?<year>\\d{4})", "(?:[0-9]{4})"),
            ("(a|b)*", "(?:a|b)*"),
            ("\\/\\u00e9\\u{1F600}\\uD83D\\uDE00", "\\x{2F}é\\x{1F600}\\x{1F600}"),
            ("가-힣", "가\\x{2D}힣"),
            ("[]|[^]", "[^\\x{0}-\\x{10FFFF}]|[\\x{0}-\\x{10FFFF}]"),
            ("\\p{Lu}{2,3}", "\\p{Lu}{2,3}"),
            ("", "(?:)"),
        ] {
            assert_eq!(translate(js).as_deref(), Ok(rust), "{js}");
        }
    }

    #[test]
    fn names_what_it_refuses() {
        for (js, named) in [
            ("(?=a)", "lookahead"),
            ("(?<!a)", "lookbehind"),
            ("(a)\\1", "references back"),
            ("\\bword\\b", "word boundaries"),
            ("a{99999}", "too many"),
            ("(a{1000}){1000}", "repeats too much"),
            ("(?:(?:a{9}b){9}c{9}){99}", "repeats too much"),
            ("a{b}", "number of times"),
            ("a}", "closes nothing"),
            ("[a", "does not end"),
            ("[\\d-z]", "range"),
            ("\\uD800", "no character"),
            ("\\q", "means nothing"),
            ("a\\", "ends with"),
            ("(?i)a", "not implemented"),
        ] {
            let why = translate(js).expect_err(js);
            assert!(why.contains(named), "{js}: {why}");
        }
    }
}
