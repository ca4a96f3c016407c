//! A pattern in the dialect of Rust's and Oniguruma's engines → the same in JavaScript's, for the flag `v`
//! (ECMA-262, 2024, § 22.2.1). What has no translation is an error that names it, never an approximation.

/// `\w` in the sense of Unicode (UTS #18, annex C), as the inside of a class.
const WORD: &str = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}";
/// Scripts that patterns name without saying that they are scripts.
const SCRIPTS: &[&str] = &[
    "Arabic",
    "Armenian",
    "Bengali",
    "Bopomofo",
    "Cyrillic",
    "Devanagari",
    "Georgian",
    "Greek",
    "Gujarati",
    "Gurmukhi",
    "Han",
    "Hangul",
    "Hebrew",
    "Hiragana",
    "Kannada",
    "Katakana",
    "Khmer",
    "Lao",
    "Latin",
    "Malayalam",
    "Myanmar",
    "Sinhala",
    "Tamil",
    "Telugu",
    "Thai",
    "Tibetan",
];

/// Translates a pattern.
///
/// # Errors
/// A sentence naming the construct that JavaScript lacks, or where the pattern ends too soon.
pub fn to_javascript(pattern: &str) -> Result<String, String> {
    let mut translator =
        Translator { rest: pattern.chars().collect(), at: 0, out: String::new(), flags: Flags::default(), n_atomic: 0 };
    translator.alternatives(0)?;
    Ok(translator.out)
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
    fn alternatives(&mut self, depth: usize) -> Result<(), String> {
        if depth > 100 {
            return Err("a pattern has more than 100 groups in each other".to_owned());
        }
        let flags = self.flags;
        while let Some(c) = self.peek() {
            let start = self.out.len();
            self.at += 1;
            match c {
                ')' if depth > 0 => {
                    self.at -= 1;
                    break;
                }
                '|' | '^' | '$' => {
                    self.out.push(c);
                    continue;
                }
                '(' => {
                    if !self.group(depth)? {
                        continue;
                    }
                }
                '[' => self.class(0)?,
                '.' => self.out.push_str(if self.flags.dot_matches_newline { "[^]" } else { r"[^\n]" }),
                '\\' => self.escape(false)?,
                '*' | '+' | '?' => return Err(format!("a pattern has a {c} that repeats nothing")),
                c => self.literal(c),
            }
            self.quantifier(start)?;
        }
        self.flags = flags;
        Ok(())
    }

    /// What follows `(`. Gives whether it can be repeated: flags for the rest of a group cannot.
    fn group(&mut self, depth: usize) -> Result<bool, String> {
        let outer = self.flags;
        let start = self.out.len();
        let mut atomic = false;
        if self.take("?>") {
            atomic = true;
            self.out.push_str("(?:");
        } else if let Some(kind) = ["?:", "?=", "?!", "?<=", "?<!"].into_iter().find(|kind| self.take(kind)) {
            self.out.push('(');
            self.out.push_str(kind);
        } else if self.take("?") {
            let mut on = true;
            loop {
                match self.next()? {
                    'i' => self.flags.ignore_case = on,
                    's' => self.flags.dot_matches_newline = on,
                    '-' => on = false,
                    // Unicode is always on.
                    'u' if on => {}
                    ')' => return Ok(false),
                    ':' => break,
                    other => return Err(format!("a pattern has a group (?{other}, which has no translation")),
                }
            }
            self.out.push_str("(?:");
        } else {
            // Nobody asks what a group captured, but `\1` may.
            self.out.push('(');
        }
        self.alternatives(depth + 1)?;
        if !self.take(")") {
            return Err("a pattern has a group that does not end".to_owned());
        }
        self.out.push(')');
        self.flags = outer;
        if atomic {
            self.make_atomic(start);
        }
        Ok(true)
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

    /// A repetition of what was written since `start`, if one follows.
    fn quantifier(&mut self, start: usize) -> Result<(), String> {
        match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.at += 1;
                self.out.push(c);
            }
            Some('{') => match self.braces() {
                Some(braces) => self.out.push_str(&braces),
                None => return Ok(()),
            },
            _ => return Ok(()),
        }
        if self.take("?") {
            self.out.push('?');
        } else if self.take("+") {
            self.make_atomic(start);
        }
        if self.peek().is_some_and(|c| "*+?".contains(c)) {
            return Err("a pattern repeats a repetition".to_owned());
        }
        Ok(())
    }

    /// `{n}`, `{n,}`, `{,m}` or `{n,m}`; anything else is a brace for itself.
    fn braces(&mut self) -> Option<String> {
        let end = self.rest[self.at..].iter().position(|c| *c == '}')?;
        let inside: String = self.rest[self.at + 1..self.at + end].iter().collect();
        let (low, high) = inside.split_once(',').unwrap_or((&inside, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if !digits(low) || !digits(high) || (low.is_empty() && high.is_empty()) {
            return None;
        }
        self.at += end + 1;
        Some(format!("{{{}{inside}}}", if low.is_empty() { "0" } else { "" }))
    }

    /// A character that means itself, outside of a class.
    fn literal(&mut self, c: char) {
        let cases = self.cases(c);
        if cases.is_empty() {
            push_escaped(&mut self.out, c, r"\^$.*+?()[]{}|/");
        } else {
            self.out.push('[');
            self.out.extend(cases);
            self.out.push(']');
        }
    }

    /// The spellings of a letter where case does not count; none where it counts or there is but one.
    fn cases(&self, c: char) -> Vec<char> {
        let mut cases: Vec<char> = Vec::new();
        if self.flags.ignore_case {
            cases = [c].into_iter().chain(c.to_lowercase()).chain(c.to_uppercase()).collect();
            // Unicode folds the long s and the kelvin sign, too.
            for folded in ["sS\u{17f}", "kK\u{212a}"] {
                if folded.contains(c) {
                    cases.extend(folded.chars());
                }
            }
            cases.sort_unstable();
            cases.dedup();
            cases.retain(|c| !SYNTAX_IN_CLASS.contains(*c));
        }
        if cases.len() > 1 { cases } else { Vec::new() }
    }

    /// What follows `[`, with its `]`.
    fn class(&mut self, depth: usize) -> Result<(), String> {
        if depth > 20 {
            return Err("a pattern has more than 20 classes in each other".to_owned());
        }
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        let mut operand = self.out.len();
        let (mut first, mut in_operand) = (true, false);
        loop {
            if self.take("&&") {
                let left = self.out.split_off(operand);
                self.out.push_str(&if in_operand { format!("{left}]&&[") } else { format!("[{left}]&&[") });
                operand = self.out.len();
                in_operand = true;
                continue;
            }
            match self.next()? {
                ']' if !first => break,
                '[' if self.peek() == Some(':') => {
                    return Err("a pattern has a POSIX class, which has no translation".to_owned());
                }
                '[' => self.class(depth + 1)?,
                '\\' if self.peek().is_some_and(|c| "pPsSdDwW".contains(c)) => self.escape(true)?,
                c => {
                    let low = self.class_char(c)?;
                    let is_range =
                        self.peek() == Some('-') && !matches!(self.rest.get(self.at + 1), None | Some(']' | '['));
                    if !is_range {
                        let cases = self.cases(low);
                        for c in if cases.is_empty() { vec![low] } else { cases } {
                            push_escaped(&mut self.out, c, SYNTAX_IN_CLASS);
                        }
                    } else {
                        self.at += 1;
                        let c = self.next()?;
                        let high = self.class_char(c)?;
                        self.range(low, high)?;
                    }
                }
            }
            first = false;
        }
        if in_operand {
            self.out.push(']');
        }
        self.out.push(']');
        Ok(())
    }

    fn range(&mut self, low: char, high: char) -> Result<(), String> {
        let mut push = |low: char, high: char| {
            push_escaped(&mut self.out, low, SYNTAX_IN_CLASS);
            self.out.push('-');
            push_escaped(&mut self.out, high, SYNTAX_IN_CLASS);
        };
        push(low, high);
        if self.flags.ignore_case {
            let both = |f: fn(&char) -> bool| f(&low) && f(&high);
            if both(char::is_ascii_lowercase) {
                push(low.to_ascii_uppercase(), high.to_ascii_uppercase());
            } else if both(char::is_ascii_uppercase) {
                push(low.to_ascii_lowercase(), high.to_ascii_lowercase());
            } else if !both(char::is_ascii_digit) {
                return Err("a pattern has a range in any case, which has no translation".to_owned());
            }
        }
        Ok(())
    }

    /// One character inside a class: itself, or an escape for one.
    fn class_char(&mut self, c: char) -> Result<char, String> {
        if c != '\\' { Ok(c) } else { self.escaped_char() }
    }

    /// The character that an escape stands for; the backslash is behind us.
    fn escaped_char(&mut self) -> Result<char, String> {
        Ok(match self.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'a' => '\u{7}',
            'e' => '\u{1b}',
            'x' => self.code_point(2)?,
            'u' => self.code_point(4)?,
            c if !c.is_alphanumeric() => c,
            c => return Err(format!(r"a pattern has \{c}, which has no translation")),
        })
    }

    fn code_point(&mut self, n_digits: usize) -> Result<char, String> {
        let digits: String = if self.take("{") {
            let mut digits = String::new();
            loop {
                match self.next()? {
                    '}' => break digits,
                    c => digits.push(c),
                }
            }
        } else {
            (0..n_digits).map(|_| self.next()).collect::<Result<_, _>>()?
        };
        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        code.ok_or_else(|| format!("a pattern has a code point {digits:?}, which is none"))
    }

    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(c) = self.peek() else { return Err("a pattern ends with a backslash".to_owned()) };
        let known = match c {
            's' => r"\p{White_Space}",
            'S' => r"\P{White_Space}",
            'd' => r"\p{Nd}",
            'D' => r"\P{Nd}",
            'A' if !in_class => "^",
            'z' if !in_class => "$",
            _ => "",
        };
        if !known.is_empty() {
            self.at += 1;
            self.out.push_str(known);
            return Ok(());
        }
        match c {
            'p' | 'P' => {
                self.at += 1;
                self.property(c == 'P')
            }
            'w' | 'W' => {
                self.at += 1;
                self.out.push_str(&format!("[{}{WORD}]", if c == 'W' { "^" } else { "" }));
                Ok(())
            }
            'b' if !in_class => {
                self.at += 1;
                self.out.push_str(&format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"));
                Ok(())
            }
            'B' if !in_class => {
                self.at += 1;
                self.out.push_str(&format!("(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))"));
                Ok(())
            }
            _ => {
                let c = self.escaped_char()?;
                self.literal(c);
                Ok(())
            }
        }
    }

    /// `\p{…}` or `\pL`, behind the letter.
    fn property(&mut self, mut negated: bool) -> Result<(), String> {
        let mut name = String::new();
        match self.next()? {
            '{' => loop {
                match self.next()? {
                    '}' => break,
                    '^' if name.is_empty() => negated = !negated,
                    c if c.is_ascii_alphanumeric() || c == '_' || c == '=' => name.push(c),
                    c => return Err(format!("a pattern has {c:?} in the name of a property")),
                }
            },
            c => name.push(c),
        }
        let script = if SCRIPTS.contains(&name.as_str()) { "Script=" } else { "" };
        self.out.push_str(&format!(r"\{}{{{script}{name}}}", if negated { 'P' } else { 'p' }));
        Ok(())
    }
}

/// What a class with the flag `v` reserves, alone or doubled.
const SYNTAX_IN_CLASS: &str = r"()[]{}/-\|&!#$%*+,.:;<=>?@^`~";

fn push_escaped(out: &mut String, c: char, syntax: &str) {
    match c {
        '\n' => out.push_str(r"\n"),
        '\r' => out.push_str(r"\r"),
        '\u{2028}' => out.push_str(r"\u2028"),
        '\u{2029}' => out.push_str(r"\u2029"),
        c => {
            if syntax.contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
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
            ("(?>a+)b", r"(?:(?=(?<a0>(?:a+)))\k<a0>)b"),
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
