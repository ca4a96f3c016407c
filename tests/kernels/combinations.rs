//! Every kernel file with everything that its slots may hold.

use doran::ops::elementwise::Function;
use doran::ops::{KvFormat, Reduce};
use doran::quant::Format;

/// What fills a kernel's slots.
pub type Slots = Vec<(&'static str, String)>;

/// Kernel files and what their slots may hold.
pub fn combinations() -> Vec<(&'static str, Slots)> {
    let mut all: Vec<(&'static str, Slots)> = Vec::new();
    for name in [
        "attention_softmax",
        "rope",
        "rope_attention_combine",
        "sample_best",
        "sample_filtered",
        "sample_slices",
        "select_rows",
    ] {
        all.push((name, Vec::new()));
    }
    let reduces = [Reduce::None, Reduce::Workgroup, Reduce::Subgroup];
    let epilogues: [Slots; 2] = [
        vec![("EPILOGUE", "epilogue/rows".into())],
        vec![("EPILOGUE", "epilogue/gate".into()), ("FUNCTION", Function::SiluMul.file().into())],
    ];
    for (format, half) in Format::ALL.into_iter().flat_map(|format| [(format, "half/unpack"), (format, "half/bits")]) {
        let quant: Slots = vec![("QUANT", format.shader().into()), ("HALF", half.into())];
        let with = |more: &[(&'static str, &str)]| {
            let more = more.iter().map(|(slot, file)| (*slot, (*file).to_owned()));
            quant.iter().cloned().chain(more).collect::<Slots>()
        };
        for kernel in ["embedding", "matmul_tile", "matvec_batch"] {
            all.push((kernel, quant.clone()));
        }
        for act in ["act/plain", "act/broadcast4"] {
            all.push(("matmul_rows", with(&[("ACT", act)])));
        }
        for epilogue in &epilogues {
            for (input, act) in [
                ("input/plain", "act/plain"),
                ("input/plain", "act/broadcast4"),
                ("input/norm", "act/plain"),
                ("input/norm_broadcast4", "act/plain"),
            ] {
                let slots = with(&[("INPUT", input), ("ACT", act)]);
                all.push(("matvec_rows", slots.into_iter().chain(epilogue.clone()).collect()));
            }
            for reduce in [Reduce::Workgroup, Reduce::Subgroup] {
                for input in ["input/plain", "input/norm"] {
                    let slots = with(&[("INPUT", input), ("ACT", "act/plain"), ("REDUCE", reduce.file())]);
                    all.push(("matvec", slots.into_iter().chain(epilogue.clone()).collect()));
                }
            }
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
        for kernel in ["attention_scores", "attention_tile", "attention_values", "rope_attention_rows"] {
            all.push((kernel, vec![("KV", kv.file().into())]));
        }
        for heads in ["heads/1", "heads/2", "heads/4", "heads/8"] {
            all.push(("rope_attention", vec![("KV", kv.file().into()), ("HEADS", heads.into())]));
        }
    }
    for file in ["repack/word", "repack/half", "repack/q4_0", "repack/q4_1", "repack/q8_0"] {
        all.push(("repack", vec![("FORMAT", file.into())]));
    }
    all
}
