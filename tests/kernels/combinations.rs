//! Every kernel file with everything that its slots may hold.

use doran::ops::elementwise::Function;
use doran::ops::{KvFormat, Reduce};
use doran::quant::Format;

/// What fills a kernel's slots.
pub type Slots = Vec<(&'static str, String)>;

/// Kernel files and what their slots may hold.
pub fn combinations() -> Vec<(&'static str, Slots)> {
    let mut all: Vec<(&'static str, Slots)> = Vec::new();
    for name in ["argmax", "argmax_slices", "attention_softmax", "rope", "select_rows"] {
        all.push((name, Vec::new()));
    }
    let reduces = [Reduce::None, Reduce::Workgroup, Reduce::Subgroup];
    for format in Format::ALL {
        for kernel in ["embedding", "matmul_tile", "matvec_batch"] {
            all.push((kernel, vec![("QUANT", format.shader().into())]));
        }
        for act in ["act/plain", "act/broadcast4"] {
            for kernel in ["matvec_rows", "matmul_rows"] {
                all.push((kernel, vec![("QUANT", format.shader().into()), ("ACT", act.into())]));
            }
        }
        for reduce in [Reduce::Workgroup, Reduce::Subgroup] {
            all.push(("matvec", vec![("QUANT", format.shader().into()), ("REDUCE", reduce.file().into())]));
        }
    }
    for reduce in reduces {
        all.push(("rms_norm", vec![("REDUCE", reduce.file().into())]));
    }
    for function in Function::ALL {
        all.push(("elementwise", vec![("FUNCTION", function.file().into())]));
    }
    for kv in [KvFormat::F32, KvFormat::F16] {
        all.push(("kv_write", vec![("KV", kv.file().into())]));
        for kernel in ["attention", "attention_scores", "attention_tile", "attention_values"] {
            all.push((kernel, vec![("KV", kv.file().into())]));
        }
    }
    for file in ["repack/word", "repack/half", "repack/q4_0", "repack/q4_1", "repack/q8_0"] {
        all.push(("repack", vec![("FORMAT", file.into())]));
    }
    all
}
