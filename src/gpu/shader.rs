//! Joins WGSL. Declarations in WGSL are order-independent, so an import is concatenation: `#import name` brings
//! `lib/name.wgsl` (or `dir/name.wgsl`) once; a capital name is a slot that the caller must fill, and any other one that it may.
//! Any other `#` line is an error. `enable` and `requires` lines move to the top; naga wants the one for half floats, and takes
//! subgroups without one, which browsers demand (gfx-rs/wgpu#8202).

use crate::error::{Error, ErrorKind, Result};

include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// The WGSL that browsers (or, with `for_naga`, naga) compile.
///
/// # Errors
/// `gpu` for an unknown file or directive or a slot that nothing fills: a fault of doran, found by tests.
pub fn join<S: AsRef<str>>(name: &str, slots: &[(S, String)], for_naga: bool) -> Result<String> {
    let mut joiner = Joiner { slots, for_naga, seen: Vec::new(), enables: Vec::new(), text: String::new() };
    joiner.add(name)?;
    let mut wgsl = String::new();
    for enable in &joiner.enables {
        wgsl.push_str(enable);
        wgsl.push('\n');
    }
    wgsl.push_str(&joiner.text);
    Ok(wgsl)
}

struct Joiner<'a, S> {
    slots: &'a [(S, String)],
    for_naga: bool,
    seen: Vec<String>,
    enables: Vec<String>,
    text: String,
}

impl<S: AsRef<str>> Joiner<'_, S> {
    fn add(&mut self, name: &str) -> Result<()> {
        if self.seen.iter().any(|seen| seen == name) {
            return Ok(());
        }
        self.seen.push(name.to_owned());
        let (_, source) = FILES
            .iter()
            .find(|(file, _)| *file == name)
            .ok_or_else(|| Error::new(ErrorKind::Gpu, format!("no shader file {name}.wgsl")))?;
        for line in source.lines() {
            if let Some(import) = line.strip_prefix("#import ") {
                self.add(&self.resolve(name, import.trim())?)?;
            } else if line.starts_with('#') {
                return Err(Error::new(ErrorKind::Gpu, format!("{name}.wgsl: unknown directive {line}")));
            } else if ["enable ", "requires ", "diagnostic("].iter().any(|start| line.starts_with(start)) {
                if (!self.for_naga || line == "enable f16;") && !self.enables.iter().any(|enable| enable == line) {
                    self.enables.push(line.to_owned());
                }
            } else {
                self.text.push_str(line);
                self.text.push('\n');
            }
        }
        Ok(())
    }

    fn resolve(&self, file: &str, import: &str) -> Result<String> {
        if let Some((_, value)) = self.slots.iter().find(|(slot, _)| slot.as_ref() == import) {
            return Ok(value.clone());
        }
        if import.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
            return Err(Error::new(ErrorKind::Gpu, format!("{file}.wgsl: nothing fills the slot {import}")));
        }
        Ok(if import.contains('/') { import.to_owned() } else { format!("lib/{import}") })
    }
}

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<uniform>`
    Uniform,
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
}

/// The bindings of group 0 in order of their numbers, read from the joined text, so that they stand in one place only.
pub fn bindings(wgsl: &str) -> Vec<Access> {
    let mut found = Vec::new();
    for line in wgsl.lines() {
        let Some(rest) = line.strip_prefix("@group(0) @binding(") else { continue };
        let Some((number, rest)) = rest.split_once(')') else { continue };
        let access = if rest.contains("var<uniform>") {
            Access::Uniform
        } else if rest.contains("read_write") {
            Access::ReadWrite
        } else {
            Access::Read
        };
        if let Ok(number) = number.parse::<usize>() {
            found.push((number, access));
        }
    }
    found.sort_unstable_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, access)| access).collect()
}
