//! Joins WGSL. Declarations in WGSL are order-independent, so an import is concatenation: `#import name` brings
//! `lib/name.wgsl` (or `dir/name.wgsl`) once; a capital name is a slot that the caller fills. Any other `#` line is an
//! error. `enable` lines move to the top; naga takes subgroups without one, browsers demand it (gfx-rs/wgpu#8202).

use crate::error::{Error, ErrorKind, Result};

macro_rules! shaders {
    ($($name:literal),* $(,)?) => {
        /// Every WGSL file by its path under `shaders/`, without the ending.
        pub const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../shaders/", $name, ".wgsl")))),*];
    };
}

shaders![
    "act/broadcast4",
    "act/plain",
    "attention_scores",
    "attention_softmax",
    "attention_tile",
    "attention_values",
    "elementwise",
    "elementwise/add",
    "elementwise/mul",
    "elementwise/silu",
    "elementwise/silu_mul",
    "embedding",
    "epilogue/gate",
    "epilogue/rows",
    "half/bits",
    "half/unpack",
    "heads/1",
    "heads/2",
    "heads/4",
    "heads/8",
    "input/norm",
    "input/norm_broadcast4",
    "input/plain",
    "kv/f16",
    "kv/f32",
    "kv_write",
    "lib/attention_rows",
    "lib/block",
    "lib/head_groups",
    "lib/linear_io",
    "lib/linear_params",
    "lib/linear_rows",
    "lib/nibbles",
    "lib/quads",
    "lib/rope_attention_io",
    "lib/rope_attention_splits",
    "lib/rope_table",
    "lib/sample_logits",
    "lib/sample_publish",
    "lib/sampling",
    "lib/scales",
    "lib/silu",
    "lib/step",
    "lib/window",
    "matmul_rows",
    "matmul_tile",
    "matvec",
    "matvec_batch",
    "matvec_rows",
    "quant/bf16",
    "quant/f16",
    "quant/f32",
    "quant/q4_0",
    "quant/q4_1",
    "quant/q8_0",
    "reduce/none",
    "reduce/subgroup",
    "reduce/workgroup",
    "repack",
    "repack/half",
    "repack/nibbles",
    "repack/q4_0",
    "repack/q4_1",
    "repack/q8_0",
    "repack/word",
    "rms_norm",
    "rope",
    "rope_attention",
    "rope_attention_combine",
    "rope_attention_rows",
    "sample_best",
    "sample_filtered",
    "sample_slices",
    "select_rows",
];

/// The WGSL that browsers (or, with `for_naga`, naga) compile.
///
/// # Errors
/// `gpu` for an unknown file or directive or a slot that nothing fills: a fault of doran, found by tests.
pub fn join(name: &str, slots: &[(&str, String)], for_naga: bool) -> Result<String> {
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

struct Joiner<'a> {
    slots: &'a [(&'a str, String)],
    for_naga: bool,
    seen: Vec<String>,
    enables: Vec<String>,
    text: String,
}

impl Joiner<'_> {
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
            } else if line.starts_with("enable ") || line.starts_with("diagnostic(") {
                if !self.for_naga && !self.enables.iter().any(|enable| enable == line) {
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
        if import.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
            let slot = self.slots.iter().find(|(slot, _)| *slot == import);
            return slot
                .map(|(_, value)| value.clone())
                .ok_or_else(|| Error::new(ErrorKind::Gpu, format!("{file}.wgsl: nothing fills the slot {import}")));
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
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, access)| access).collect()
}
