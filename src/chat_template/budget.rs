//! What a template may make. The engine counts instructions, and not what each of them makes: a string can be doubled, a list can be
//! nested in itself. So instructions that make something are followed by one that counts it, and each render has a budget.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::machinery::{Instruction, Instructions};
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

/// Bytes that a render may make at least; what it made and dropped counts as well. With the room to grow that strings and lists have
/// and a value's 24 bytes, three times this is there at once at most.
const BYTES: usize = 16 << 20;
/// And for each byte that it is given: templates pass the messages from filter to filter.
const BYTES_OF_INPUT: usize = 32;
/// The longest string that anything but output may make, beside the length of the input. Filters and methods make a value for each
/// of its letters at most.
const STRING_BYTES: usize = 512 << 10;
/// What a value takes.
const VALUE_BYTES: usize = 32;
/// Deepest value that is made: dropping it recurses, and the stack of wasm is one megabyte.
const DEPTH_MAX: usize = 64;
/// The longest list that is made by repeating one.
const REPEATED_MAX: usize = 10_000;

/// The filter that counts what is made, and all that is in it.
const MADE: &str = "__made";
/// The filter that counts a result: what is in it was there before.
const RESULT: &str = "__result";
/// The filter that multiplies.
const TIMES: &str = "__times";
/// The filter that looks at what becomes part of a namespace.
const KEPT: &str = "__kept";
/// The engine's own kinds of objects that are no data, though it calls them maps.
const LIVE: &[&str] = &["::Namespace", "::Macro", "::Closure", "::Loop", "::Module"];
/// What looking at a value counts.
const LOOK_BYTES: usize = 8;
/// Filters that nest lists in lists, or write what the engine has of a value. No known chat template uses them.
const REMOVED: &[&str] = &["batch", "chain", "groupby", "pprint", "slice", "zip"];

/// What is left of a render's budget.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Arc<Left>);

#[derive(Debug, Default)]
struct Left {
    bytes: AtomicUsize,
    string_bytes: AtomicUsize,
}

/// Whether a value may come to hold others: a namespace, a macro, a loop.
fn is_live(value: &Value) -> bool {
    let name = value.as_object().map_or("", |object| object.type_name());
    LIVE.iter().any(|live| name.ends_with(live))
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.to_owned())
}

impl Budget {
    /// Puts the filters into an environment.
    pub(super) fn install(&self, env: &mut Environment<'static>) {
        REMOVED.iter().for_each(|name| env.remove_filter(name));
        env.remove_global("debug");
        let [made, result, times, replaced, joined, kept, reversed, pairs] = std::array::from_fn(|_| self.clone());
        env.add_filter(MADE, move |value: Value| made.made(&value, 0).map(|()| value));
        env.add_filter(RESULT, move |value: Value| result.result(value));
        env.add_filter(KEPT, move |value: Value| kept.kept(&value, 0).map(|()| value));
        // Their own may be handed on by `map`, where nothing looks at what they give.
        env.add_filter("reverse", move |value: Value| reversed.listed(value.reverse()?));
        env.add_filter("items", move |value: Value| pairs.listed(minijinja::filters::items(&value)?));
        env.add_filter(TIMES, move |a: Value, b: Value| times.times(&a, &b));
        env.add_filter("replace", move |text: String, from: String, to: String| replaced.replace(&text, &from, &to));
        env.add_filter("join", move |list: Value, glue: Option<String>| joined.join(&list, &glue.unwrap_or_default()));
    }

    /// A new render of so much input.
    pub(super) fn begin(&self, input_bytes: usize) {
        self.0.bytes.store(BYTES.saturating_add(input_bytes.saturating_mul(BYTES_OF_INPUT)), Ordering::Relaxed);
        self.0.string_bytes.store(STRING_BYTES.saturating_add(input_bytes), Ordering::Relaxed);
    }

    /// Takes so many bytes.
    pub(super) fn take(&self, n_bytes: usize) -> Result<(), Error> {
        let left = self.0.bytes.load(Ordering::Relaxed);
        let rest = left.checked_sub(n_bytes).ok_or_else(|| invalid("the template makes too much"))?;
        self.0.bytes.store(rest, Ordering::Relaxed);
        Ok(())
    }

    fn string(&self, n_bytes: usize) -> Result<(), Error> {
        if n_bytes > self.0.string_bytes.load(Ordering::Relaxed) {
            return Err(invalid("the template makes a string that is too long"));
        }
        self.take(n_bytes + VALUE_BYTES)
    }

    fn shallow(&self, value: &Value) -> Result<(), Error> {
        match value.kind() {
            ValueKind::String => self.string(value.as_str().map_or(0, str::len)),
            _ => self.take(value.len().unwrap_or(0).saturating_add(1).saturating_mul(VALUE_BYTES)),
        }
    }

    fn made(&self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Err(invalid("the template nests values too deep"));
        }
        self.shallow(value)?;
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.try_for_each(|item| self.made(&item, depth + 1)),
            ValueKind::Map => value.try_iter()?.try_for_each(|key| self.made(&value.get_item(&key)?, depth + 1)),
            _ => Ok(()),
        }
    }

    fn result(&self, value: Value) -> Result<Value, Error> {
        let value = self.listed(value)?;
        self.shallow(&value).map(|()| value)
    }

    /// What is made only when it is looked at (a slice, a sum of lists), as a list: the engine would keep what it is made of, and a
    /// thousand of them in each other end the stack.
    fn listed(&self, value: Value) -> Result<Value, Error> {
        if value.kind() != ValueKind::Iterable {
            return Ok(value);
        }
        let mut items = Vec::new();
        for item in value.try_iter()? {
            self.take(LOOK_BYTES)?;
            items.push(item);
        }
        Ok(items.into())
    }

    /// Looks at what a namespace is to hold. It is all that a template can change, so a value can contain itself only by way of one:
    /// hence no namespace, nor a macro, which knows the variables around it.
    fn kept(&self, value: &Value, depth: usize) -> Result<(), Error> {
        self.take(LOOK_BYTES)?;
        if depth > DEPTH_MAX {
            return Err(invalid("the template nests values too deep"));
        }
        match value.kind() {
            ValueKind::Plain => Err(invalid("a namespace holds data only")),
            ValueKind::Map if is_live(value) => Err(invalid("a namespace holds data only, no namespace and no macro")),
            ValueKind::Map => value.try_iter()?.try_for_each(|key| self.kept(&value.get_item(&key)?, depth + 1)),
            ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.try_for_each(|item| self.kept(&item, depth + 1)),
            _ => Ok(()),
        }
    }

    fn times(&self, a: &Value, b: &Value) -> Result<Value, Error> {
        let count = |value: &Value| {
            usize::try_from(value.clone()).map_err(|_| invalid("a text or a list is repeated by a whole number"))
        };
        let is_list = |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
        for (value, other) in [(a, b), (b, a)] {
            if let Some(text) = value.as_str() {
                let n = count(other)?;
                self.string(text.len().saturating_mul(n))?;
                return Ok(text.repeat(n).into());
            }
            if is_list(value) {
                let n = count(other)?;
                if value.len().is_none_or(|len| len.saturating_mul(n) > REPEATED_MAX) {
                    return Err(invalid("the template repeats a list too often"));
                }
                let items: Vec<Value> = value.try_iter()?.collect();
                let items: Vec<Value> = std::iter::repeat_n(items, n).flatten().collect();
                self.take(items.len() * VALUE_BYTES)?;
                return Ok(items.into());
            }
        }
        if a.is_integer() && b.is_integer() {
            let product =
                i64::try_from(a.clone()).ok().zip(i64::try_from(b.clone()).ok()).and_then(|(a, b)| a.checked_mul(b));
            return product.map(Value::from).ok_or_else(|| invalid("a product is too large"));
        }
        Ok((f64::try_from(a.clone())? * f64::try_from(b.clone())?).into())
    }

    /// `str.replace`, if what comes of it is not too long.
    pub(super) fn replace(&self, text: &str, from: &str, to: &str) -> Result<String, Error> {
        let n = text.matches(from).count();
        self.string(text.len().saturating_add(n.saturating_mul(to.len())))?;
        Ok(text.replace(from, to))
    }

    /// The items with `glue` between them.
    pub(super) fn join(&self, list: &Value, glue: &str) -> Result<String, Error> {
        let mut out = String::new();
        if let Some(text) = list.as_str() {
            self.string(text.len().saturating_mul(glue.len() + 1))?;
        }
        let letters = |text: &str| text.chars().map(|c| Value::from(c.to_string())).collect::<Vec<_>>();
        let items: Box<dyn Iterator<Item = Value>> = match list.as_str() {
            Some(text) => Box::new(letters(text).into_iter()),
            None => Box::new(list.try_iter()?),
        };
        for (i, item) in items.enumerate() {
            out.push_str(if i > 0 { glue } else { "" });
            match item.as_str() {
                Some(text) => out.push_str(text),
                None => out.push_str(&item.to_string()),
            }
            self.take(VALUE_BYTES)?;
            if out.len() > self.0.string_bytes.load(Ordering::Relaxed) {
                return Err(invalid("the template makes a string that is too long"));
            }
        }
        Ok(out)
    }
}

/// The same instructions, with those that count.
pub(super) fn counted<'a>(old: &Instructions<'a>) -> Instructions<'a> {
    let all: Vec<Instruction<'a>> = (0..old.len() as u32).filter_map(|i| old.get(i).cloned()).collect();
    let count = |name: &'static str| Instruction::ApplyFilter(name, Some(1), !0);
    let expand = |instruction: &Instruction<'a>| match instruction {
        // What is printed is counted by the formatter.
        Instruction::EmitRaw(text) => vec![Instruction::LoadConst(Value::from(*text)), Instruction::Emit],
        Instruction::Mul => vec![Instruction::ApplyFilter(TIMES, Some(2), !0)],
        made @ (Instruction::BuildList(_)
        | Instruction::BuildMap(_)
        | Instruction::BuildKwargs(_)
        | Instruction::MergeKwargs(_)) => vec![made.clone(), count(MADE)],
        // The namespace lies on what is put into it.
        set @ Instruction::SetAttr(_) => vec![Instruction::Swap, count(KEPT), Instruction::Swap, set.clone()],
        made @ (Instruction::Add
        | Instruction::StringConcat
        | Instruction::Slice
        | Instruction::EndCapture
        | Instruction::ApplyFilter(..)
        | Instruction::CallFunction(..)
        | Instruction::CallMethod(..)
        | Instruction::CallObject(_)) => vec![made.clone(), count(RESULT)],
        other => vec![other.clone()],
    };
    let expanded: Vec<_> = all.iter().map(expand).collect();
    let places: Vec<u32> = std::iter::once(0)
        .chain(expanded.iter().scan(0, |at, these| {
            *at += these.len() as u32;
            Some(*at)
        }))
        .collect();
    let place = |old: u32| places.get(old as usize).copied().unwrap_or(u32::MAX);
    let mut new = Instructions::new(old.name(), old.source());
    for (i, these) in expanded.into_iter().enumerate() {
        for instruction in these {
            let moved = match instruction {
                Instruction::Jump(to) => Instruction::Jump(place(to)),
                Instruction::JumpIfFalse(to) => Instruction::JumpIfFalse(place(to)),
                Instruction::JumpIfFalseOrPop(to) => Instruction::JumpIfFalseOrPop(place(to)),
                Instruction::JumpIfTrueOrPop(to) => Instruction::JumpIfTrueOrPop(place(to)),
                Instruction::Iterate(to) => Instruction::Iterate(place(to)),
                Instruction::BuildMacro(name, to, flags) => Instruction::BuildMacro(name, place(to), flags),
                other => other,
            };
            match old.get_line(i as u32).and_then(|line| u16::try_from(line).ok()) {
                Some(line) => new.add_with_line(moved, line),
                None => new.add(moved),
            };
        }
    }
    new
}

/// The same of all blocks.
pub(super) fn counted_blocks<'a>(blocks: &BTreeMap<&'a str, Instructions<'a>>) -> BTreeMap<&'a str, Instructions<'a>> {
    blocks.iter().map(|(name, block)| (*name, counted(block))).collect()
}
