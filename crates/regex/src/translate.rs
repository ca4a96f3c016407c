//! A pattern in the dialect of Rust's and Oniguruma's engines → the same in JavaScript's, for the flag `v`
//! (ECMA-262, 2024, § 22.2.1). What has no translation is an error that names it, never an approximation.

mod chars;

use crate::cost::{self, Item, Kind, Shape};

/// Translates a pattern.
///
/// # Errors
/// A sentence naming the construct that JavaScript lacks, or where the pattern ends too soon, or that it may take long (`cost.rs`).
pub fn to_javascript(pattern: &str) -> Result<String, String> {
    if pattern.len() > cost::PATTERN_BYTES_MAX {
        return Err(format!("a pattern is longer than {} bytes", cost::PATTERN_BYTES_MAX));
    }
    let mut translator =
        Translator { rest: pattern.chars().collect(), at: 0, out: String::new(), flags: Flags::default(), n_atomic: 0 };
    let alternatives = translator.alternatives(0)?;
    cost::check(pattern, &alternatives)?;
    // The first match is the one that begins where the run does. From its middle the search would walk to its end each time.
    let once = cost::tail(&alternatives).map(|chars| format!("(?<!{chars})")).unwrap_or_default();
    Ok(once + &translator.out)
}

#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    dot_matches_newline: bool,
}

struct Translator {
    rest: Vec<char>,
    at: usize,
    out: String,
    flags: Flags,
    /// Possessive and atomic parts so far: each is a named group.
    n_atomic: usize,
}

impl Translator {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn take(&mut self, expected: &str) -> bool {
        let found = expected.chars().enumerate().all(|(i, c)| self.rest.get(self.at + i) == Some(&c));
        if found {
            self.at += expected.chars().count();
        }
        found
    }

    fn next(&mut self) -> Result<char, String> {
        let c = self.peek().ok_or("a pattern ends too soon")?;
        self.at += 1;
        Ok(c)
    }

    /// Everything up to the end of the group (`depth` > 0) or of the pattern.
    fn alternatives(&mut self, depth: usize) -> Result<Vec<Vec<Item>>, String> {
        if depth > 100 {
            return Err("a pattern has more than 100 groups in each other".to_owned());
        }
        let flags = self.flags;
        let (mut all, mut items) = (Vec::new(), Vec::new());
        while let Some(c) = self.peek() {
            let start = self.out.len();
            self.at += 1;
            let kind = match c {
                ')' if depth > 0 => {
                    self.at -= 1;
                    break;
                }
                '|' => {
                    self.out.push(c);
                    all.push(std::mem::take(&mut items));
                    continue;
                }
                '^' | '$' => {
                    self.out.push(c);
                    items.push(Item::place(&self.out[start..]));
                    continue;
                }
                '(' => match self.group(depth)? {
                    Some(kind) => kind,
                    None => continue,
                },
                '[' => {
                    self.class(0)?;
                    Kind::Char
                }
                '.' => {
                    self.out.push_str(if self.flags.dot_matches_newline { "[^]" } else { r"[^\n]" });
                    Kind::Char
                }
                '\\' => {
                    let kind = if self.peek().is_some_and(|c| "AzbB".contains(c)) { Kind::Place } else { Kind::Char };
                    self.escape(false)?;
                    kind
                }
                '*' | '+' | '?' => return Err(format!("a pattern has a {c} that repeats nothing")),
                c => {
                    self.literal(c);
                    Kind::Char
                }
            };
            let text = self.out[start..].to_owned();
            let (min, max, lazy) = self.quantifier(start)?;
            items.push(Item { text, kind, min, max, lazy });
        }
        all.push(items);
        self.flags = flags;
        Ok(all)
    }

    /// What follows `(`. `None` for flags for the rest of a group, which cannot be repeated.
    fn group(&mut self, depth: usize) -> Result<Option<Kind>, String> {
        let outer = self.flags;
        let start = self.out.len();
        let mut atomic = false;
        let mut kind: fn(Shape) -> Kind = Kind::Group;
        if self.take("?>") {
            atomic = true;
            self.out.push_str("(?:");
        } else if let Some(opening) = ["?:", "?=", "?!", "?<=", "?<!"].into_iter().find(|opening| self.take(opening)) {
            self.out.push('(');
            self.out.push_str(opening);
            if opening != "?:" {
                kind = Kind::Look;
            }
        } else if self.take("?") {
            let mut on = true;
            loop {
                match self.next()? {
                    'i' => self.flags.ignore_case = on,
                    's' => self.flags.dot_matches_newline = on,
                    '-' => on = false,
                    // Unicode is always on.
                    'u' if on => {}
                    ')' => return Ok(None),
                    ':' => break,
                    other => return Err(format!("a pattern has a group (?{other}, which has no translation")),
                }
            }
            self.out.push_str("(?:");
        } else {
            // Nobody asks what a group captured, but `\1` may.
            self.out.push('(');
        }
        let inside = self.alternatives(depth + 1)?;
        if !self.take(")") {
            return Err("a pattern has a group that does not end".to_owned());
        }
        self.out.push(')');
        self.flags = outer;
        if atomic {
            self.make_atomic(start);
        }
        Ok(Some(kind(cost::choice(&inside))))
    }

    /// What was written since `start` is matched once and not tried again: a look-ahead does that in JavaScript.
    fn make_atomic(&mut self, start: usize) {
        let name = format!("a{}", self.n_atomic);
        self.n_atomic += 1;
        let inner = self.out.split_off(start);
        self.out.push_str(&format!(r"(?=(?<{name}>{inner}))\k<{name}>"));
        let inner = self.out.split_off(start);
        self.out.push_str(&format!("(?:{inner})"));
    }

    /// A repetition of what was written since `start`, if one follows: how often, and whether rather seldom.
    fn quantifier(&mut self, start: usize) -> Result<(u64, Option<u64>, bool), String> {
        let (min, max) = match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.at += 1;
                self.out.push(c);
                (u64::from(c == '+'), (c == '?').then_some(1))
            }
            Some('{') => match self.braces() {
                Some(counts) => counts,
                None => return Ok((1, Some(1), false)),
            },
            _ => return Ok((1, Some(1), false)),
        };
        let lazy = self.take("?");
        if lazy {
            self.out.push('?');
        } else if self.take("+") {
            self.make_atomic(start);
        }
        if self.peek().is_some_and(|c| "*+?".contains(c)) {
            return Err("a pattern repeats a repetition".to_owned());
        }
        Ok((min, max, lazy))
    }

    /// `{n}`, `{n,}`, `{,m}` or `{n,m}`; anything else is a brace for itself.
    fn braces(&mut self) -> Option<(u64, Option<u64>)> {
        let end = self.rest[self.at..].iter().position(|c| *c == '}')?;
        let inside: String = self.rest[self.at + 1..self.at + end].iter().collect();
        let (low, high) = inside.split_once(',').unwrap_or((&inside, &inside));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if !digits(low) || !digits(high) || (low.is_empty() && high.is_empty()) {
            return None;
        }
        self.at += end + 1;
        self.out.push_str(&format!("{{{}{inside}}}", if low.is_empty() { "0" } else { "" }));
        let number = |text: &str| text.parse().unwrap_or(u64::MAX);
        Some((if low.is_empty() { 0 } else { number(low) }, (!high.is_empty()).then(|| number(high))))
    }
}

#[cfg(test)]
mod tests {
    use super::to_javascript;

    #[test]
    fn constructs_become_javascripts() {
        for (pattern, javascript) in [
            (r" ?\p{L}+|\s+(?!\S)", r" ?\p{L}+|\p{White_Space}+(?!\P{White_Space})"),
            (r"[^\s\p{L}\p{N}]+", r"[^\p{White_Space}\p{L}\p{N}]+"),
            (r"[^\r\n\p{L}]?+\p{L}", r"(?:(?=(?<a0>[^\r\n\p{L}]?))\k<a0>)\p{L}"),
            (r"(?i:'s|'ll)x", "(?:'[Ss\u{17f}]|'[Ll][Ll])x"),
            (r"(?i)[a-c]", "[a-cA-C]"),
            (r"\p{N}{1,3}|a{,2}|\{b", r"\p{N}{1,3}|a{0,2}|\{b"),
            (r"[\p{P}\$\+<=>\^~\|]+", r"[\p{P}\$\+\<\=\>\^\~\|]+"),
            (r"[\p{Lu}&&[^\p{Han}]]", r"[[\p{Lu}]&&[[^\p{Script=Han}]]]"),
            (r"\pL\PL\p{^L}\d.", r"\p{L}\P{L}\P{L}\p{Nd}[^\n]"),
            (r"[]a-][-b]", r"[\]a\-][\-b]"),
            (r"\x{ac00}\'/", r"가'\/"),
            ("(?>a+)b?", r"(?:(?=(?<a0>(?:a+)))\k<a0>)b?"),
            (" +$", "(?<! ) +$"),
            (r"\s*$", r"(?<!\p{White_Space})\p{White_Space}*$"),
        ] {
            assert_eq!(to_javascript(pattern).as_deref(), Ok(javascript), "{pattern}");
        }
    }

    #[test]
    fn what_has_no_translation_is_refused() {
        for pattern in
            [r"\G", r"\R", "[[:alpha:]]", "(?m)a", "(a", "[a", "a\\", "*a", r"\p{", "(?i)[à-é]", "a**", r"\1"]
        {
            assert!(to_javascript(pattern).is_err(), "{pattern}");
        }
        assert!(to_javascript(&"(".repeat(1000)).is_err());
        assert!(to_javascript(&"[".repeat(1000)).is_err());
    }
}
