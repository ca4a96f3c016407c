//! Single characters: themselves, classes, escapes and properties.

use super::Translator;

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

impl Translator {
    /// A character that means itself, outside of a class.
    pub(super) fn literal(&mut self, c: char) {
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
    pub(super) fn class(&mut self, depth: usize) -> Result<(), String> {
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
    pub(super) fn escape(&mut self, in_class: bool) -> Result<(), String> {
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
