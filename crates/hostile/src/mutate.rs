//! Changes to valid input: bits, numbers at their edges, cuts, pieces of other files; and in JSON, other values.

use serde_json::{Map, Value};

/// xorshift64* (Vigna 2016).
pub struct Rng(u64);

impl Rng {
    /// Numbers that are the same for one seed.
    pub fn new(seed: u64) -> Self {
        Self((seed.wrapping_add(1)).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// 64 bits.
    #[allow(clippy::should_implement_trait, reason = "it has no end")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`; 0 if there is none.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() >> 33) as usize % n }
    }

    /// One of these.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Numbers at which something becomes too small, too large, or negative.
const EDGES: [u64; 24] = [
    0,
    1,
    2,
    3,
    8,
    9,
    31,
    32,
    33,
    0x7f,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    1 << 16,
    1 << 20,
    0x7fff_ffff,
    1 << 31,
    0xffff_ffff,
    1 << 32,
    1 << 40,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Changes bytes, `fields` of which are whole numbers (where they are, and how many bytes they take). `other` gives pieces.
pub fn bytes(rng: &mut Rng, bytes: &mut Vec<u8>, fields: &[(usize, usize)], other: &[u8]) {
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len());
        let n = rng.below(64).min(bytes.len() - at);
        match rng.below(12) {
            0..=2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
            3..=6 if !fields.is_empty() => {
                let (at, n) = *rng.of(fields);
                let value = if rng.below(4) == 0 { rng.below(300) as u64 } else { *rng.of(&EDGES) };
                if let Some(field) = bytes.get_mut(at..at + n) {
                    field.copy_from_slice(&value.to_le_bytes()[..n]);
                }
            }
            3..=7 => {
                let value = rng.of(&EDGES).to_le_bytes();
                let n = (*rng.of(&[1, 2, 4, 8])).min(bytes.len() - at);
                bytes[at..at + n].copy_from_slice(&value[..n]);
            }
            8 => drop(bytes.drain(at..at + n)),
            9 => {
                let piece = bytes[at..at + n].to_vec();
                let to = rng.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            10 => {
                let from = rng.below(other.len());
                let piece = &other[from..other.len().min(from + n)];
                bytes.splice(at..at + n, piece.iter().copied());
            }
            _ => {
                // Mostly near the end: what is cut off early says little.
                let cut = rng.below(bytes.len() + 1).max(rng.below(bytes.len() + 1));
                bytes.truncate(cut);
            }
        }
    }
}

/// Texts that mean something to some reader.
const TEXTS: [&str; 30] = [
    "",
    " ",
    "\u{2581}",
    "a",
    "he",
    "ha",
    "<unk>",
    "(",
    "a*",
    "(a+)+$",
    "\\s*",
    "(?=",
    "[^",
    "\\p{L}+",
    "(.*)*x",
    "a{9999}",
    "Sequence",
    "ByteLevel",
    "Replace",
    "Split",
    "BPE",
    "Unigram",
    "WordPiece",
    "<0x41>",
    "\u{10ffff}",
    "\u{0}",
    "-1",
    "1e999",
    "f64",
    "Q4_K",
];

/// Changes a value somewhere inside of `root`; `other` gives pieces.
pub fn json(rng: &mut Rng, root: &mut Value, other: &Value) {
    for _ in 0..=rng.below(3) {
        let n_nodes = count(root);
        let target = rng.below(n_nodes);
        let piece = nth(other, &mut rng.below(count(other))).cloned().unwrap_or_default();
        if let Some(value) = nth_mut(root, &mut { target }) {
            change(rng, value, piece);
        }
    }
}

/// Mostly into another value of the same type, which readers look at longer.
fn change(rng: &mut Rng, value: &mut Value, piece: Value) {
    if rng.below(10) < 7 {
        match value {
            Value::Null => *value = piece,
            Value::Bool(flag) => *flag = !*flag,
            Value::Number(number) => *value = other_number(rng, number),
            Value::String(text) => *text = other_text(rng, text, &piece),
            Value::Array(list) => change_list(rng, list, piece),
            Value::Object(map) => change_map(rng, map, piece),
        }
        return;
    }
    *value = match rng.below(8) {
        0 => Value::Null,
        1 => Value::Bool(rng.below(2) == 0),
        2 => (*rng.of(&EDGES)).into(),
        3 => Value::from(*rng.of(&TEXTS)),
        4 => Value::Array(Vec::new()),
        5 => Value::Object(Map::new()),
        6 if rng.below(10) == 0 => (0..1 + rng.below(150)).fold(value.take(), |value, _| Value::Array(vec![value])),
        _ => piece,
    };
}

fn other_number(rng: &mut Rng, number: &serde_json::Number) -> Value {
    match (rng.below(6), number.as_f64()) {
        (0, Some(x)) => (x * 2.0).into(),
        (1, Some(x)) => (-x).into(),
        (2, _) => (*rng.of(&[0.0, -0.0, 1e-300, 1e300, 0.5, 1e9, f64::MAX])).into(),
        (3, _) => number.as_u64().map_or(0, |n| n.wrapping_add(1)).into(),
        (4, _) => number.as_u64().map_or(0, |n| n / 2).into(),
        _ => (*rng.of(&EDGES)).into(),
    }
}

fn other_text(rng: &mut Rng, text: &str, piece: &Value) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = rng.below(chars.len());
    match rng.below(6) {
        0 if !chars.is_empty() => drop(chars.remove(at)),
        1 => chars.insert(at, *rng.of(&['(', ')', '*', '+', '\\', '[', '?', '|', '\u{2581}', '\u{0}', '9'])),
        2 => chars.extend_from_within(at..),
        3 => chars.truncate(at),
        4 => return piece.as_str().unwrap_or_default().to_owned(),
        _ => return (*rng.of(&TEXTS)).to_owned(),
    }
    chars.into_iter().collect()
}

fn change_list(rng: &mut Rng, list: &mut Vec<Value>, piece: Value) {
    let (at, to) = (rng.below(list.len()), rng.below(list.len()));
    match rng.below(4) {
        _ if list.is_empty() => list.push(piece),
        0 => drop(list.remove(at)),
        1 => list.insert(at, piece),
        2 => list.push(list[at].clone()),
        _ => list.swap(at, to),
    }
}

fn change_map(rng: &mut Rng, map: &mut Map<String, Value>, piece: Value) {
    let key = map.keys().nth(rng.below(map.len())).cloned().unwrap_or_default();
    match rng.below(3) {
        0 => drop(map.shift_remove(&key)),
        1 => drop(map.insert(key, piece)),
        _ => {
            let kept = map.shift_remove(&key).unwrap_or_default();
            map.insert((*rng.of(&TEXTS)).to_owned(), kept);
        }
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

fn nth<'a>(value: &'a Value, n: &mut usize) -> Option<&'a Value> {
    if *n == 0 {
        return Some(value);
    }
    *n -= 1;
    match value {
        Value::Array(list) => list.iter().find_map(|value| nth(value, n)),
        Value::Object(map) => map.values().find_map(|value| nth(value, n)),
        _ => None,
    }
}

fn nth_mut<'a>(value: &'a mut Value, n: &mut usize) -> Option<&'a mut Value> {
    if *n == 0 {
        return Some(value);
    }
    *n -= 1;
    match value {
        Value::Array(list) => list.iter_mut().find_map(|value| nth_mut(value, n)),
        Value::Object(map) => map.values_mut().find_map(|value| nth_mut(value, n)),
        _ => None,
    }
}

/// Changes a template: letters, words and whole tags, of itself and of another. Blocks mostly stay whole.
pub fn template(rng: &mut Rng, text: &mut String, other: &str) {
    for _ in 0..=rng.below(2) {
        let mut tags = tags(text);
        let pieces = self::tags(other);
        let opens = |tag: &String| tag.starts_with("{%");
        let (mut at, mut piece) = (rng.below(tags.len()), rng.of(&pieces).to_owned());
        for _ in 0..8 {
            if rng.below(20) > 0 && (opens(&tags[at]) || opens(&piece)) {
                (at, piece) = (rng.below(tags.len()), rng.of(&pieces).to_owned());
            }
        }
        match rng.below(7) {
            0 if tags.len() > 1 => drop(tags.remove(at)),
            1 => tags.insert(at, piece),
            2 => tags[at] = piece,
            3 => {
                let tag = tags[at].clone();
                tags.insert(at, tag);
            }
            4 => {
                let block = *rng.of(&[
                    ("{% for x in range(9) %}", "{{ x }}{% endfor %}"),
                    ("{% set x %}", "{% endset %}{{ x ~ x }}"),
                    ("{% set a = messages[0] %}", "{{ a }}"),
                    ("{% if loop is defined %}", "{% else %}{{ messages }}{% endif %}"),
                    ("{% filter upper %}", "{% endfilter %}"),
                    ("{% macro f(a, b=1) %}", "{{ a }}{% endmacro %}{{ f(2) }}"),
                    ("{% with y = [messages, 'a' * 99] %}", "{{ y|tojson }}{% endwith %}"),
                ]);
                tags.insert(at, block.0.to_owned());
                tags.insert(at + 2, block.1.to_owned());
            }
            5 => {
                let words = [
                    "messages",
                    "loop",
                    "ns",
                    "m.content",
                    "none",
                    "[1, 2]",
                    "('x' * 9)",
                    "m",
                    "(m|tojson)",
                    "1",
                    "{}",
                ];
                let new = *rng.of(&words);
                for old in ["m.content", "message", "loop.first", "ns.last", "tool", "role", "0"] {
                    if tags[at].contains(old) && rng.below(2) == 0 {
                        tags[at] = tags[at].replacen(old, new, 1);
                    }
                }
            }
            _ => {
                let mut chars: Vec<char> = tags[at].chars().collect();
                let place = rng.below(chars.len());
                let new = *rng.of(&['\'', ' ', '.', '(', '[', '-', '~', '+', '*', '|', 'x', '1', '\n']);
                match chars.get_mut(place) {
                    Some(c) if rng.below(2) == 0 => *c = new,
                    _ => chars.insert(place, new),
                }
                tags[at] = chars.into_iter().collect();
            }
        }
        *text = tags.concat();
    }
}

/// A template in its tags and the texts between them.
fn tags(text: &str) -> Vec<String> {
    let mut tags = vec![String::new()];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if (rest.starts_with("{%") || rest.starts_with("{{")) && tags.last().is_some_and(|tag| !tag.is_empty()) {
            tags.push(String::new());
        }
        let n = if rest.starts_with("%}") || rest.starts_with("}}") { 2 } else { c.len_utf8() };
        tags.last_mut().expect("one").push_str(&rest[..n]);
        if n == 2 && !c.is_alphanumeric() && c.len_utf8() == 1 {
            tags.push(String::new());
        }
        rest = &rest[n..];
    }
    tags
}
