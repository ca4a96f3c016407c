//! Every kernel file with everything that its slots may hold.

use doran::ops::elementwise::Function;
use doran::ops::linear::activations::Activations;
use doran::ops::linear::int8;
use doran::ops::{KvFormat, Reduce};
use doran::quant::Format;

/// What fills a kernel's slots.
pub type Slots = Vec<(&'static str, String)>;

/// Kernel files and what their slots may hold.
pub fn combinations() -> Vec<(&'static str, Slots)> {
    let mut all: Vec<(&'static str, Slots)> = Vec::new();
    for name in [
        "attention_softmax",
        "pool",
        "expert_sum",
        "rope",
        "rope_attention_combine",
        "route",
        "sample_best",
        "sample_filtered",
        "sample_slices",
        "select_rows",
        "selective_scan",
        "short_conv",
        "wkv",
    ] {
        all.push((name, Vec::new()));
    }
    let reduces = [Reduce::None, Reduce::Workgroup, Reduce::Subgroup];
    let rows = [("EPILOGUE", "epilogue/rows")];
    let gate = [("EPILOGUE", "epilogue/gate"), ("FUNCTION", Function::SiluMul.file())];
    let gates = [Function::GeluMul, Function::GeluTanhMul].map(|function| [gate[0], ("FUNCTION", function.file())]);
    for format in Format::ALL {
        let with = |more: &[&[(&'static str, &str)]]| {
            let quant = [("QUANT", format.shader())];
            let slots = quant.iter().chain(more.iter().copied().flatten());
            slots.map(|(slot, file)| (*slot, (*file).to_owned())).collect::<Slots>()
        };
        for kernel in ["embedding", "matmul_tile", "matvec_batch"] {
            all.push((kernel, with(&[])));
        }
        // Where sub-blocks share words of scales, kernels for one row are others, whose sums go through workgroup memory.
        let runs = format.run() > 1;
        let (matvec, matvec_rows) = if runs { ("matvec_runs", "matvec_rows_runs") } else { ("matvec", "matvec_rows") };
        for reduce in [Reduce::Workgroup, Reduce::Subgroup] {
            let reduce = [("REDUCE", reduce.file()), ("ACT", "act/plain")];
            all.push(("expert_linear", with(&[&reduce])));
            if runs && reduce[0].1 == Reduce::Subgroup.file() {
                continue;
            }
            let reduce = &reduce[usize::from(runs)..];
            all.push((matvec, with(&[reduce, &[("INPUT", "input/plain")], &rows])));
            for gate in [gate, gates[0], gates[1]] {
                all.push((matvec, with(&[reduce, &[("INPUT", "input/norm")], &gate])));
            }
        }
        for act in ["act/plain", "act/broadcast4"] {
            all.push(("expert_linear_rows", with(&[&[("ACT", act)]])));
            all.push(("matmul_rows", with(&[&[("ACT", act)]])));
        }
        let four = [("EPILOGUE", "epilogue/four"), gate[1]];
        all.push((matvec_rows, with(&[&[("INPUT", "input/plain"), ("ACT", "act/plain")], &four])));
        all.push((matvec_rows, with(&[&[("INPUT", "input/norm")], &four])));
        all.push((matvec_rows, with(&[&[("INPUT", "input/norm_broadcast4")], &four])));
        let prepared = [("INPUT", "input/prepared"), ("ACT", "act/broadcast4"), ("EPILOGUE", "epilogue/four_prepared")];
        for gate in [gate[1], gates[0][1], gates[1][1]] {
            all.push((matvec_rows, with(&[&prepared, &[gate]])));
        }
        for activations in [Activations::F16, Activations::Int8] {
            let Some((import, file)) = activations.dot(format.integer_dot()) else { continue };
            let rounding = (import, &*file);
            if activations == Activations::Int8 {
                all.push(("matmul_int8", with(&[&[(import, &*int8::tile(import))]])));
            }
            for reduce in if runs { vec![Reduce::Workgroup] } else { vec![Reduce::Workgroup, Reduce::Subgroup] } {
                let reduce = &[("REDUCE", reduce.file()), ("ACT", "act/plain")][usize::from(runs)..];
                all.push((matvec, with(&[reduce, &[("INPUT", "input/plain"), rounding], &rows])));
                all.push((matvec, with(&[reduce, &[("INPUT", "input/norm"), rounding], &gate])));
            }
            all.push((matvec_rows, with(&[&[("INPUT", "input/norm"), rounding], &four])));
            all.push((matvec_rows, with(&[&prepared, &[gate[1], rounding]])));
        }
    }
    for order in ["int8/in_order", "int8/even_odd"] {
        all.push(("int8_rows", vec![("ORDER", order.into())]));
    }
    for reduce in reduces {
        all.push(("norm", vec![("REDUCE", reduce.file().into())]));
        all.push(("rms_norm", vec![("REDUCE", reduce.file().into())]));
    }
    for function in Function::ALL {
        all.push(("elementwise", vec![("FUNCTION", function.file().into())]));
    }
    for kv in [KvFormat::F32, KvFormat::F16] {
        all.push(("kv_write", vec![("KV", kv.file().into())]));
        for score in ["score/plain", "score/adjusted", "score/biased"] {
            all.push(("attention_tile", vec![("KV", kv.file().into()), ("SCORE", score.into())]));
        }
        for kernel in ["attention_scores", "attention_values", "rope_attention_rows"] {
            for heads in ["heads/1", "heads/2", "heads/3", "heads/4"] {
                all.push((kernel, vec![("KV", kv.file().into()), ("HEADS", heads.into())]));
            }
        }
        for heads in ["heads/1", "heads/2", "heads/4", "heads/8"] {
            all.push(("rope_attention", vec![("KV", kv.file().into()), ("HEADS", heads.into())]));
        }
    }
    for file in [
        "by_columns",
        "word",
        "half",
        "q4_0",
        "q4_1",
        "q5_0",
        "q5_1",
        "q8_0",
        "q2_k",
        "q3_k",
        "q4_k",
        "q5_k",
        "q6_k",
        "iq4_nl",
        "iq4_xs",
        "mxfp4",
        "mxfp4_codes",
        "mxfp4_scales",
        "tq1_0",
        "tq2_0",
    ] {
        all.push(("repack", vec![("FORMAT", format!("repack/{file}"))]));
    }
    all
}
