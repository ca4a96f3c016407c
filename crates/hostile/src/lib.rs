//! What reads input that may be hostile: one function for each kind of input, from bytes to whatever the engine makes of them before
//! a GPU is asked for anything. libFuzzer calls them (`fuzz/`), and so does a bounded run that is the same every time
//! (`tests/hostile.rs`), on files that are valid but for some changes ([`mutate`]).
//!
//! A target may refuse its input with an error that has a code. It must not panic, and it checks what callers rely on.
#![cfg(not(target_arch = "wasm32"))]

mod adapters;
mod constraints;
mod manifests;
mod messages;
mod models;
pub mod mutate;
pub mod seeds;
mod texts;

/// How far an input came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It was refused at its first look: a magic number, a length, no JSON.
    Header,
    /// It was refused later.
    Inside,
    /// It was taken.
    Whole,
}

/// A kind of input.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its folder of seeds too.
    pub name: &'static str,
    /// Reads one.
    pub run: fn(&[u8]) -> Reach,
    /// Bytes that may be allocated at once for each byte of the input, and besides.
    pub memory: (usize, usize),
}

impl Target {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// All kinds.
///
/// The bounds are of what is made of a byte at most. Of a GGUF header a token of 8 bytes (an empty text) becomes a `String` in the
/// checkpoint, one in the table of pieces, and keys of the two maps of the crate `tokenizers`, each with room to grow; a metadata pair
/// of 13 bytes becomes an entry of a map. In JSON a value of two bytes (`0,`) becomes a `Value` of 72 bytes in a vector with room to
/// grow, while the text is there as well. A configuration of a few hundred bytes makes a graph whose size is that of the tensors.
/// What is there besides: answers to texts that are always the same; of a manifest, the chunks of a file of any size (131,072 at
/// most, of 56 bytes, thrice while they are compared); of a `tokenizer.json`, compiled patterns. A template may do what a program
/// can: it has a budget of its own (`src/chat_template/budget.rs`). A constraint is a machine that is made as it runs, within the limits that
/// `crates/constrained/src/vocabulary.rs` states.
pub const TARGETS: [Target; 8] = [
    Target { name: "gguf", run: models::gguf, memory: (64, MIB) },
    Target { name: "safetensors", run: models::safetensors, memory: (64, MIB) },
    Target { name: "manifest", run: manifests::manifest, memory: (64, 24 * MIB) },
    Target { name: "adapter", run: adapters::adapter, memory: (64, 256 * KIB) },
    Target { name: "messages", run: messages::messages, memory: (64, MIB) },
    Target { name: "tokenizer", run: texts::tokenizer, memory: (64, 4 * MIB) },
    Target { name: "template", run: texts::template, memory: (64, 64 * MIB) },
    Target { name: "constraint", run: constraints::constraint, memory: (64, 64 * MIB) },
];

/// Reads an input for a fuzzer, which keeps those that come to new places.
pub fn fuzz(name: &str, input: &[u8]) {
    let target = Target::named(name).expect("a target");
    (target.run)(input);
}

/// The first bytes of an input as a number, and the rest.
fn number<const N: usize>(input: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = input.split_first_chunk::<N>()?;
    let mut bytes = [0; 8];
    bytes[..N].copy_from_slice(first);
    Some((u64::from_le_bytes(bytes), rest))
}

/// A text and the rest: two bytes say how long it is.
fn text(input: &[u8]) -> Option<(&str, &[u8])> {
    let (n_bytes, rest) = number::<2>(input)?;
    let (text, rest) = rest.split_at_checked(n_bytes as usize)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// Whether a text is JSON.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}
