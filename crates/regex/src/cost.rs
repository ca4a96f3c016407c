//! How long a pattern may take. `RegExp` tries again without limit, and a pattern comes with a model and is not trusted: `(a+)+$` would
//! hold a worker for ever. So a pattern is taken only where all matches in a text together take time in proportion to the text.
//!
//! What makes it more is a part that repeats without limit, a *run*, before something that can fail: the run is walked in vain, once for
//! each place where it can begin or end. A pattern is taken where
//!
//! - nothing that can fail follows a run: `\p{L}+`, ` ?[^\s\p{L}\p{N}]+[\r\n]*`. Then a run that was walked is matched;
//! - or the alternative is *covered*: one behind it matches the same run, whatever follows, as `\s+` does in
//!   `\s*[\r\n]+|\s+(?!\S)|\s+`. Between them are only such that walk the same run. Each of them succeeds last where it can at all, so
//!   a run is walked once more for each of them, and then it is matched to its end;
//! - or the alternative begins with `^`, and is tried once in a text;
//! - or it is `x+$` alone: translated, it begins only where no `x` stands before ([`tail`]).
//!
//! Choices that are not runs (`a?`, `a|b`, `a{1,3}`) can only be tried as often as there are ways through them, which is limited.

/// Ways through the alternatives of a pattern, each times its length.
const WORK_MAX: u64 = 4096;
/// The longest pattern, in bytes. Those that list a script's letters take 2 KiB.
pub(crate) const PATTERN_BYTES_MAX: usize = 16 << 10;

/// Published patterns that take the square of a run: that of SuperBPE, of the digits of one number.
const KNOWN: &[&str] = &[r"(?=(\d{3})+(?!\d))"];

/// What an item matches.
#[derive(Debug)]
pub(crate) enum Kind {
    /// One character.
    Char,
    /// A place: `^`, `\b`.
    Place,
    /// A place before or after which something stands.
    Look(Shape),
    Group(Shape),
}

/// A part of an alternative, with how often it stands there.
#[derive(Debug)]
pub(crate) struct Item {
    /// Translated, without its quantifier.
    pub text: String,
    pub kind: Kind,
    pub min: u64,
    /// `None`: without limit.
    pub max: Option<u64>,
    /// It matches as few as it can.
    pub lazy: bool,
}

/// What matters of a part and what it consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// There are texts that it does not match.
    fails: bool,
    /// It has a run.
    runs: bool,
    /// It has a run, and behind that something that can fail.
    walks_in_vain: bool,
    ways: u64,
    length: u64,
}

impl Item {
    pub(crate) fn place(text: &str) -> Self {
        Self { text: text.to_owned(), kind: Kind::Place, min: 1, max: Some(1), lazy: false }
    }

    fn once(&self) -> Shape {
        match self.kind {
            Kind::Char | Kind::Place => Shape { fails: true, runs: false, walks_in_vain: false, ways: 1, length: 1 },
            // Whatever follows asks for the whole of it again.
            Kind::Look(inner) => Shape { fails: true, walks_in_vain: inner.runs, ..inner },
            Kind::Group(inner) => inner,
        }
    }

    fn shape(&self) -> Shape {
        let once = self.once();
        let most = self.max.unwrap_or(self.min.max(1));
        // One way for each count, times the ways through so many.
        let ways = match (once.ways, self.max) {
            (_, None) => power(once.ways, self.min.max(1)),
            (1, Some(max)) => max.saturating_sub(self.min) + 1,
            (ways, Some(max)) => {
                (self.min..=max.min(self.min + WORK_MAX)).fold(0, |sum: u64, n| sum.saturating_add(power(ways, n)))
            }
        };
        Shape {
            fails: once.fails && self.min > 0,
            runs: once.runs || self.max.is_none(),
            // A second one that must come follows the first one's run.
            walks_in_vain: once.walks_in_vain || (once.runs && self.min > 1),
            ways,
            length: once.length.saturating_mul(most),
        }
    }

    /// One character, repeated without limit from none or one on, as often as there is one.
    fn is_run(&self) -> bool {
        matches!(self.kind, Kind::Char) && self.max.is_none() && self.min <= 1 && !self.lazy
    }
}

fn power(base: u64, n: u64) -> u64 {
    base.saturating_pow(u32::try_from(n).unwrap_or(u32::MAX))
}

/// One item after the other.
fn sequence(items: &[Item]) -> Shape {
    let nothing = Shape { fails: false, runs: false, walks_in_vain: false, ways: 1, length: 0 };
    items.iter().rev().fold(nothing, |rest, item| {
        let item = item.shape();
        Shape {
            fails: item.fails || rest.fails,
            runs: item.runs || rest.runs,
            walks_in_vain: item.walks_in_vain || rest.walks_in_vain || (item.runs && rest.fails),
            ways: item.ways.saturating_mul(rest.ways),
            length: item.length.saturating_add(rest.length),
        }
    })
}

/// One alternative or another.
pub(crate) fn choice(alternatives: &[Vec<Item>]) -> Shape {
    let nothing = Shape { fails: true, runs: false, walks_in_vain: false, ways: 0, length: 0 };
    alternatives.iter().map(|items| sequence(items)).fold(nothing, |all, one| Shape {
        fails: all.fails && one.fails,
        runs: all.runs || one.runs,
        walks_in_vain: all.walks_in_vain || one.walks_in_vain,
        ways: all.ways.saturating_add(one.ways),
        length: all.length.saturating_add(one.length),
    })
}

/// An alternative that is a run of characters behind one other at most, and what follows.
struct Run<'a> {
    /// What the run is of, and what stands before it, with how often at least.
    chars: (&'a str, Option<(&'a str, u64)>),
    rest: &'a [Item],
}

fn run(items: &[Item]) -> Option<Run<'_>> {
    let at = items.iter().position(Item::is_run)?;
    let before = match &items[..at] {
        [] => None,
        [one] if matches!(one.kind, Kind::Char) && one.max == Some(1) => Some((one.text.as_str(), one.min)),
        _ => return None,
    };
    Some(Run { chars: (&items[at].text, before), rest: &items[at + 1..] })
}

impl Run<'_> {
    /// Whether it is matched to its end, wherever there is one.
    fn is_matched(&self) -> bool {
        // Or to its last space but one.
        let but_one =
            matches!(self.rest, [one] if one.text == r"(?!\P{White_Space})") && self.chars.0 == r"\p{White_Space}";
        but_one || !sequence(self.rest).fails
    }
}

/// Whether the alternative at `i` takes time in proportion to what is matched.
fn is_linear(alternatives: &[Vec<Item>], i: usize) -> bool {
    let items = &alternatives[i];
    if !sequence(items).walks_in_vain {
        return true;
    }
    // What begins with `^` is tried once; `^` behind a choice would not be.
    let begins = items.first().is_some_and(|first| matches!(first.kind, Kind::Place) && first.text == "^");
    let Some(own) = run(&items[usize::from(begins)..]) else { return false };
    if sequence(own.rest).walks_in_vain {
        return false;
    }
    let mut same = alternatives[i..].iter().map_while(|items| run(items).filter(|other| other.chars == own.chars));
    begins || same.any(|other| other.is_matched())
}

/// Whether a pattern is a run up to the end of the text and nothing else; gives its characters, translated.
pub(crate) fn tail(alternatives: &[Vec<Item>]) -> Option<&str> {
    match alternatives {
        [items] => match items.as_slice() {
            [chars, end] if chars.is_run() && matches!(end.kind, Kind::Place) && end.text == "$" => Some(&chars.text),
            _ => None,
        },
        _ => None,
    }
}

/// Refuses a pattern that may take longer than in proportion to the text.
pub(crate) fn check(pattern: &str, alternatives: &[Vec<Item>]) -> Result<(), String> {
    if KNOWN.contains(&pattern) || tail(alternatives).is_some() {
        return Ok(());
    }
    let work = alternatives
        .iter()
        .map(|items| sequence(items))
        .fold(0u64, |sum, shape| sum.saturating_add(shape.ways.saturating_mul(shape.length.max(1))));
    if work > WORK_MAX {
        return Err("a pattern has too many ways to match".to_owned());
    }
    match (0..alternatives.len()).all(|i| is_linear(alternatives, i)) {
        true => Ok(()),
        false => Err(
            "a pattern may take longer than in proportion to the text: something that can fail follows a part that \
                      repeats without limit"
                .to_owned(),
        ),
    }
}
