//! Which patterns are taken: those of published tokenizers are, what may take long is not, and what is taken was tried on a matcher that
//! does as `RegExp` does, and counts.
#![cfg(not(target_arch = "wasm32"))]

use std::cell::Cell;
use std::fmt;

use regex::translate::to_javascript;

/// Of `tokenizer.json`s: GPT-2 (also Phi, OLMo, EXAONE 4), Llama 3 (GLM-4, SmolLM3), Qwen 2 (StableLM 2, Grok 2), GPT-4o, Tekken, cl100k as
/// two publishers write it, Kimi K2, DeepSeek LLM, coder and V3 (HyperCLOVA X Think), Seed Coder, EXAONE 4 MoE, BLOOM, SuperBPE, CLIP;
/// steps of Falcon, T5, XLM-RoBERTa and others.
const PUBLISHED: &[&str] = &[
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[\r\n]",
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s+$",
    r"[一-龥ࠀ-一가-퟿]+",
    r"\s?\p{L}+",
    r"\s?\p{P}+",
    r"\p{N}{1,3}",
    r"[一-龥぀-ゟ゠-ヿ]+",
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
    r" ?[^(\s|[.,!?…。，、।۔،])]+",
    r"(?=(\d{3})+(?!\d))",
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r"[\p{P}\$\+<=>\^~\|`]+",
    "[0-9][0-9][0-9]",
    r"\p{N}+",
    " {2,}",
    " +$",
    r"\w+|[^\w\s]+",
    r"^\w",
    r"\w$",
    r"^\s*",
    r"\s*$",
];

#[test]
fn published_patterns_are_taken() {
    for pattern in PUBLISHED {
        assert!(to_javascript(pattern).is_ok(), "{pattern}: {:?}", to_javascript(pattern));
    }
}

#[test]
fn patterns_that_may_take_long_are_refused() {
    for pattern in [
        "(a+)+$",
        "(a|aa)+$",
        "(.*)*x",
        "(?:a{1000}){1000}",
        r"(?:\p{L}{500}){9}",
        "((((a*)*)*)*)*b",
        ".*x",
        ".*.*x",
        "[^x]*x",
        "a*b|c",
        "(?:a*)+b",
        "(?=a*b)",
        "(?<=a*)b",
        "a*?b",
        "(?>a+)b",
        "a++b",
        "(?:a*b)*",
        "(?:a*){2}",
        "a*b|a*?",
        "c?a*b|a+",
        "a*b|a|a+",
        "a*b|aa+",
        "b?a*c|a+",
        "a*b|(?i:a)+",
        "(?i)a*b|(?-i)a+",
        "^a*b*c",
        "x|^a*.*c",
        "a?a?a?a?a?a?a?a?a?a?a?a?a?b",
        "(?:a|a)(?:a|a)(?:a|a)(?:a|a)(?:a|a)(?:a|a)(?:a|a)(?:a|a)b",
        "(a?){30}b",
        "a{0,9999}b",
        "a{99999999999999999999}",
        r"\s*x|\s+(?!\p{L})",
        r"\s+?(?!\S)",
        r"(?:\s+(?!\S))+x",
        r"\w+\b",
    ] {
        assert!(to_javascript(pattern).is_err(), "{pattern}");
    }
    let long = format!("[{}]", "a".repeat(16 << 10));
    assert!(to_javascript(&long).is_err());
    let message = regex::Regex::new("(a+)+$").expect_err("it is refused").to_string();
    assert!(message.contains("in proportion to the text"), "{message}");
}

/// A pattern of the letters `a` and `b`.
enum Node {
    /// Any of these.
    Letter(&'static str),
    End,
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    /// How often, and whether rather seldom.
    Repeat(Box<Node>, usize, Option<usize>, bool),
    Look(Box<Node>, bool),
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Letter(one) if one.len() == 1 => f.write_str(one),
            Self::Letter(any) => write!(f, "[{any}]"),
            Self::End => f.write_str("$"),
            Self::Sequence(nodes) => nodes.iter().try_for_each(|node| write!(f, "{node}")),
            Self::Choice(nodes) => {
                let texts: Vec<_> = nodes.iter().map(Node::to_string).collect();
                write!(f, "(?:{})", texts.join("|"))
            }
            Self::Repeat(node, min, max, lazy) => {
                match **node {
                    Self::Letter(_) => write!(f, "{node}")?,
                    _ => write!(f, "(?:{node})")?,
                }
                match (min, max) {
                    (0, None) => f.write_str("*")?,
                    (1, None) => f.write_str("+")?,
                    (0, Some(1)) => f.write_str("?")?,
                    (min, None) => write!(f, "{{{min},}}")?,
                    (min, Some(max)) => write!(f, "{{{min},{max}}}")?,
                }
                f.write_str(if *lazy { "?" } else { "" })
            }
            Self::Look(node, not) => write!(f, "(?{}{node})", if *not { "!" } else { "=" }),
        }
    }
}

/// Steps that a match may take.
const STEPS_MAX: u64 = 20_000_000;

/// Tries `node` at `at`, and what comes then; backtracks as `RegExp` does.
fn tries(node: &Node, text: &[u8], at: usize, steps: &Cell<u64>, then: &mut dyn FnMut(usize) -> bool) -> bool {
    steps.set(steps.get() + 1);
    assert!(steps.get() < STEPS_MAX, "it takes for ever");
    match node {
        Node::Letter(any) => text.get(at).is_some_and(|c| any.as_bytes().contains(c)) && then(at + 1),
        Node::End => at == text.len() && then(at),
        Node::Sequence(nodes) => match nodes.split_first() {
            None => then(at),
            Some((first, rest)) => tries(first, text, at, steps, &mut |to| all(rest, text, to, steps, then)),
        },
        Node::Choice(nodes) => nodes.iter().any(|node| tries(node, text, at, steps, then)),
        Node::Repeat(node, min, max, lazy) => repeats(node, (*min, *max, *lazy), 0, text, at, steps, then),
        Node::Look(node, not) => tries(node, text, at, steps, &mut |_| true) != *not && then(at),
    }
}

fn all(nodes: &[Node], text: &[u8], at: usize, steps: &Cell<u64>, then: &mut dyn FnMut(usize) -> bool) -> bool {
    match nodes.split_first() {
        None => then(at),
        Some((first, rest)) => tries(first, text, at, steps, &mut |to| all(rest, text, to, steps, then)),
    }
}

fn repeats(
    node: &Node,
    counts: (usize, Option<usize>, bool),
    done: usize,
    text: &[u8],
    at: usize,
    steps: &Cell<u64>,
    then: &mut dyn FnMut(usize) -> bool,
) -> bool {
    let (min, max, lazy) = counts;
    if lazy && done >= min && then(at) {
        return true;
    }
    let more = max.is_none_or(|max| done < max)
        && tries(node, text, at, steps, &mut |to| {
            // A round beyond the fewest that matches nothing is none.
            (to > at || done < min) && repeats(node, counts, done + 1, text, to, steps, then)
        });
    more || (!lazy && done >= min && then(at))
}

/// Steps of finding all matches in a text.
fn steps(pattern: &Node, text: &[u8]) -> u64 {
    let (steps, mut at) = (Cell::new(0), 0);
    while at <= text.len() {
        let mut end = at;
        let found = tries(pattern, text, at, &steps, &mut |to| {
            end = to;
            true
        });
        at = if found && end > at { end } else { at + 1 };
    }
    steps.get()
}

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    fn node(&mut self, depth: u64) -> Node {
        match self.below(if depth == 0 { 4 } else { 9 }) {
            0..=1 => self.letter(),
            2 => {
                let letter = self.letter();
                self.repeat(letter)
            }
            3 if self.below(4) == 0 => Node::End,
            3 => Node::Letter("a"),
            4 => Node::Choice((0..=self.below(3)).map(|_| self.sequence(depth - 1)).collect()),
            5..=6 => {
                let inside = self.node(depth - 1);
                self.repeat(inside)
            }
            7 => Node::Look(Box::new(self.sequence(depth - 1)), self.below(2) == 0),
            _ => self.sequence(depth - 1),
        }
    }

    fn letter(&mut self) -> Node {
        Node::Letter(["a", "b", "ab"][self.below(3) as usize])
    }

    fn repeat(&mut self, node: Node) -> Node {
        let (min, max) =
            [(0, None), (1, None), (0, Some(1)), (1, Some(2)), (2, None), (0, None), (1, None)][self.below(7) as usize];
        match node {
            // A place is not repeated, nor is what is repeated already.
            Node::Look(..) | Node::End => node,
            node => Node::Repeat(Box::new(node), min, max, self.below(5) == 0),
        }
    }

    fn sequence(&mut self, depth: u64) -> Node {
        Node::Sequence((0..=self.below(3)).map(|_| self.node(depth)).collect())
    }
}

#[test]
fn what_is_taken_takes_steps_in_proportion_to_the_text() {
    let work = || {
        let mut rng = Rng(7);
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..40_000 {
            let alternatives: Vec<_> = (0..=rng.below(4)).map(|_| rng.sequence(2)).collect();
            let texts: Vec<_> = alternatives.iter().map(Node::to_string).collect();
            let text = texts.join("|");
            let Ok(javascript) = to_javascript(&text) else {
                refused += 1;
                continue;
            };
            // That one begins elsewhere.
            if javascript.starts_with("(?<!") || !text.contains(['*', '+', ',']) {
                continue;
            }
            taken += 1;
            let pattern = Node::Choice(alternatives);
            for (before, unit, after) in [
                ("", "a", ""),
                ("", "a", "b"),
                ("b", "a", ""),
                ("", "ab", ""),
                ("", "aab", "a"),
                ("", "b", "a"),
                ("a", "b", ""),
            ] {
                let of = |n: usize| steps(&pattern, format!("{before}{}{after}", unit.repeat(n)).as_bytes());
                let (short, long) = (of(60), of(240));
                // Four times the text: sixteen times the steps if they grew with its square. The pattern's own length is lost in the 60.
                assert!(
                    long < 6 * short + 600,
                    "{text} on {unit:?} between {before:?} and {after:?}: {short}, {long} steps"
                );
            }
        }
        println!("{taken} patterns with repetitions taken, {refused} refused");
        assert!(taken > 3_000 && refused > 3_000, "{taken} {refused}");
    };
    std::thread::Builder::new().stack_size(256 << 20).spawn(work).expect("a thread").join().expect("no panic");
}
