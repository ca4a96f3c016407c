//! Kernels that do not compile, or compute wrongly: others stand in for them, whether they were expected, chosen or remembered. The
//! model that is loaded computes what the references do.
use std::rc::Rc;

use crate::common::{self, fixture, load, load_tuned, max_difference};
use doran::engine::{Engine, EngineOptions};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::ops::Tile;
use doran::tune::{Kernels, Role, Tuning};
use doran::weights::Cancel;
use doran::{ErrorKind, Result};
use pollster::block_on;

/// Logits of a tiny model in f32, summed in another order.
const TOLERANCE: f32 = 1e-4;

/// How a kernel is made bad.
#[derive(Clone, Copy, Debug)]
enum Bad {
    DoesNotCompile,
    /// It does nothing.
    Wrong,
}

/// Makes the kernels bad whose label `which` picks.
fn spoil(gpu: &Gpu, bad: Bad, which: impl Fn(&str) -> bool + 'static) {
    gpu.rewrite_kernels(move |label, wgsl| if which(label) { spoilt(bad, wgsl) } else { wgsl });
}

fn spoilt(bad: Bad, wgsl: String) -> String {
    match bad {
        Bad::DoesNotCompile => wgsl + "\nfn broken( {\n",
        Bad::Wrong => wgsl.replace("fn main(", "fn instead_of(") + "\n@compute @workgroup_size(1)\nfn main() {}\n",
    }
}

/// More rows than kernels for few take.
const PROMPT: [u32; 12] = [3, 7, 11, 2, 9, 4, 8, 15, 16, 23, 42, 5];

/// Logits after a prompt in one step, and after one more token.
fn logits(engine: &mut Engine) -> Vec<f32> {
    let mut all = Vec::new();
    let mut read = |ids: &[u32]| {
        block_on(engine.session.all_logits(ids, &Cancel::new(), |_, logits| all.extend_from_slice(logits)))
    };
    read(&PROMPT).expect("runs");
    read(&[PROMPT.as_slice(), &[5]].concat()).expect("runs");
    all
}

fn options() -> EngineOptions {
    EngineOptions { context: Some(64), ..EngineOptions::default() }
}

/// Loads where some kernels are bad. The model must be right all the same.
fn loaded(on: GpuOptions, bad: Bad, known: Option<Tuning>, which: fn(&str) -> bool) -> Result<Tuning> {
    let gpu = common::own_gpu(on);
    spoil(&gpu, bad, which);
    let path = fixture("arch/llama/model-f32.gguf");
    let mut engine = load_tuned(&path, Some(Rc::clone(&gpu)), options(), known)?;
    for label in engine.session.backend().decode_labels() {
        assert!(!which(label.split_once(' ').expect("value and kernel").1), "{label} is bad, and used");
    }
    let mut reference = load(&path, None, options()).expect("loads");
    let off = max_difference(&logits(&mut engine), &logits(&mut reference));
    assert!(off < TOLERANCE, "off by {off}");
    let (_, tuning) = engine.tuning.take().expect("on a GPU");
    drop(engine);
    assert_eq!(gpu.counts().live_objects, 0);
    Ok(tuning)
}

const HARDWARE: GpuOptions = GpuOptions {
    as_hardware: true,
    max_binding_bytes: None,
    no_subgroups: false,
    no_packed_dot: false,
    no_half_floats: true,
    memory_bytes: None,
};

/// Whether some variant of a role was looked at and not taken.
fn gave_way(tuning: &Tuning, role: Role) -> bool {
    tuning.tried.iter().any(|trial| trial.role == role && !trial.right)
}

#[test]
fn of_each_role_another_kernel_stands_in() {
    let loaded = |which| loaded(HARDWARE, Bad::DoesNotCompile, None, which).expect("loads");
    let tuning = loaded(|label| label.starts_with("matvec[") && label.contains("subgroup"));
    assert!(gave_way(&tuning, Role::Matvec) && tuning.kernels == Kernels::Workgroup, "{tuning:?}");
    let tuning = loaded(|label| label.starts_with("matmul_tile[") && label.contains("WORKGROUP=64,"));
    assert!(gave_way(&tuning, Role::Matmul) && tuning.matmul == Tile::Rows64, "{tuning:?}");
    let tuning = loaded(|label| label.starts_with("attention_tile[") && label.contains("QUADS=16"));
    assert!(gave_way(&tuning, Role::Queries) && tuning.queries != 32, "{tuning:?}");
    let tuning = loaded(|label| label.starts_with("rms_norm[") && label.contains("subgroup"));
    assert!(gave_way(&tuning, Role::Norm) && tuning.norm == Kernels::Workgroup, "{tuning:?}");
}

/// CPU adapters take what their table says, if it is right. Where it is not, they take what GPUs do.
#[test]
fn what_cpu_adapters_take_by_default_is_checked_and_replaced() {
    let any = GpuOptions::default();
    for bad in [Bad::DoesNotCompile, Bad::Wrong] {
        let usual = loaded(any, bad, None, |_| false).expect("loads");
        assert_eq!(usual.kernels, Kernels::Rows);
        let roles: Vec<_> = usual.tried.iter().map(|trial| (trial.role, trial.right)).collect();
        assert_eq!(roles, Role::ALL.map(|role| (role, true)), "each is looked at once");
        for (role, which) in [
            (Role::Matvec, (|label| label.starts_with("matvec_rows")) as fn(&str) -> bool),
            (Role::Matmul, |label| label.starts_with("matmul_rows")),
            (Role::Splits, |label| label.starts_with("rope_attention_rows")),
            (Role::Queries, |label| label.starts_with("attention_values")),
            (Role::Norm, |label| label.starts_with("rms_norm[") && label.contains("none")),
        ] {
            let tuning = loaded(any, bad, None, which).unwrap_or_else(|error| panic!("{role:?} {bad:?}: {error}"));
            assert!(gave_way(&tuning, role) && tuning.kernels != Kernels::Rows, "{role:?} {bad:?}: {tuning:?}");
        }
    }
}

/// A kernel that only the model needs, not the check of its role, and one that was remembered: the choice is made again.
#[test]
fn what_compiled_once_may_not_compile_now() {
    let of_32 = Tuning { kernels: Kernels::Workgroup, workgroup: 32, ..Tuning::default() };
    let broken = |label: &str| label.starts_with("matvec[") && label.contains("WORKGROUP=32");
    for on in [HARDWARE, GpuOptions::default()] {
        let tuning = loaded(on, Bad::DoesNotCompile, Some(of_32.clone()), broken).expect("loads");
        assert!(tuning.workgroup != 32 && !tuning.tried.is_empty(), "{tuning:?}");
    }
    // A gate is in no check.
    let gated = |label: &str| label.starts_with("matvec[") && label.contains("gate") && !label.contains("subgroup");
    let forced = EngineOptions { kernels: Some(Kernels::Workgroup), ..options() };
    let gpu = common::own_gpu(HARDWARE);
    spoil(&gpu, Bad::DoesNotCompile, gated);
    let error = load(&fixture("arch/llama/model-f32.gguf"), Some(gpu), forced).err().expect("what is forced is broken");
    assert_eq!(error.kind(), ErrorKind::Gpu, "{error}");
    let tuning = loaded(HARDWARE, Bad::DoesNotCompile, Some(of_32), gated).expect("loads");
    assert!(tuning.kernels == Kernels::Subgroup || tuning.kernels == Kernels::Rows, "{tuning:?}");
    // What stands in must be right as well.
    let gpu = common::own_gpu(HARDWARE);
    gpu.rewrite_kernels(move |label, wgsl| match label {
        _ if gated(label) => spoilt(Bad::DoesNotCompile, wgsl),
        _ if label.starts_with("matvec[") && label.contains("subgroup") => spoilt(Bad::Wrong, wgsl),
        _ => wgsl,
    });
    let engine = load(&fixture("arch/llama/model-f32.gguf"), Some(gpu), options()).expect("loads");
    assert_eq!(engine.tuning.expect("on a GPU").1.kernels, Kernels::Rows);
}

/// Where nothing stands in for a kernel, the error names it.
#[test]
fn where_none_compiles_the_kernel_is_named() {
    for on in [HARDWARE, GpuOptions::default()] {
        for kernel in ["matvec", "embedding", "sample_best"] {
            let gpu = common::own_gpu(on);
            spoil(&gpu, Bad::DoesNotCompile, move |label| label.starts_with(kernel));
            let loaded = load(&fixture("arch/llama/model-f32.gguf"), Some(Rc::clone(&gpu)), options());
            let error = loaded.err().expect("does not load");
            let named = error.data().get("kernel").and_then(serde_json::Value::as_str).unwrap_or_default();
            assert!(error.kind() == ErrorKind::Gpu && named.starts_with(kernel), "{kernel}: {error}");
            assert_eq!(gpu.counts().live_objects, 0, "{kernel}: all is freed");
            assert_eq!(gpu.check(), Ok(()), "{kernel}: nothing is told twice");
        }
    }
}
