//! The choice of kernels, role by role. Natively only: a software adapter is taken for a GPU.

use std::rc::Rc;

use doran::error::ErrorKind;
use doran::gpu::device::GpuOptions;
use doran::gpu::{Gpu, KernelSpec, Usage};
use doran::ops::attention::{Around, Attention, Mask};
use doran::ops::elementwise::Function;
use doran::ops::rms_norm::RmsNorm;
use doran::ops::rope_attention::RopeAttention;
use doran::ops::{GpuKvLayer, Rows, StepRow, Tile, Variants};
use doran::quant::Format;
use doran::tune::{Kernels, Precision, Role, Trial, Tuning, Wanted, choose, tune};

use super::harness::Bench;

const HARDWARE: GpuOptions = GpuOptions {
    max_binding_bytes: None,
    no_subgroups: false,
    no_packed_dot: false,
    no_half_floats: true,
    as_hardware: true,
    memory_bytes: None,
};
const FORMATS: &[Format] = &[Format::Q4_1, Format::F32];

fn wanted(precision: Precision, budget_ms: f64) -> Wanted<'static> {
    Wanted { precision, budget_ms, ..Wanted::new(FORMATS, Function::SiluMul) }
}

async fn gpu(options: GpuOptions) -> Gpu {
    Gpu::open(options).await.expect("install mesa-vulkan-drivers")
}

fn of(tuning: &Tuning, role: Role) -> Vec<&Trial> {
    tuning.tried.iter().filter(|trial| trial.role == role).collect()
}

fn names<'a>(trials: &[&'a Trial]) -> Vec<&'a str> {
    trials.iter().map(|trial| trial.variant.as_str()).collect()
}

/// On GPUs each role's variants are checked and, with time enough, timed; the fastest is the choice.
pub async fn each_role_is_checked_and_timed() {
    let gpu = gpu(HARDWARE).await;
    let tuning = tune(&gpu, &wanted(Precision::Fast, f64::INFINITY)).await.expect("a choice");
    let label = format!("{tuning:?}");
    assert_eq!(names(&of(&tuning, Role::Matmul)), ["rows32", "rows64", "int8"], "{label}");
    assert_eq!(names(&of(&tuning, Role::Splits)), ["32", "16", "8"], "{label}");
    assert_eq!(names(&of(&tuning, Role::Queries)), ["32", "16", "8"], "{label}");
    let norms = ["subgroup 64", "workgroup 64", "subgroup 256", "workgroup 256"];
    assert_eq!(names(&of(&tuning, Role::Norm)), norms, "{label}");
    for role in Role::ALL {
        let trials = of(&tuning, role);
        assert!(trials.iter().all(|trial| trial.right && trial.micros.is_some()), "{label}");
        let cost = |trial: &Trial| trial.micros.expect("timed") * if trial.error.is_some() { 1.05 } else { 1.0 };
        let best = trials.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("some");
        assert_eq!(role.variant(&tuning), best.variant, "{role:?}: {label}");
    }
    let errors: Vec<_> = of(&tuning, Role::Matmul).iter().map(|trial| trial.error).collect();
    assert_eq!(errors[..2], [None, None]);
    assert!(errors[2].is_some_and(|error| (1e-4..1.5e-2).contains(&error)), "{label}");
}

/// When time is up, what is left takes its default, which is checked all the same; CPU adapters choose by their table, which is
/// checked as well.
pub async fn what_is_left_takes_its_default() {
    let hardware = gpu(HARDWARE).await;
    let tuning = tune(&hardware, &wanted(Precision::Fast, 0.0)).await.expect("a choice");
    for role in Role::ALL {
        let trials = of(&tuning, role);
        assert_eq!(trials.len(), 1, "{role:?}: {tuning:?}");
        assert!(trials[0].right && trials[0].variant == role.variant(&tuning), "{tuning:?}");
        assert!(role == Role::Matvec || trials[0].micros.is_none(), "{tuning:?}");
    }
    let plain = Tuning { tried: Vec::new(), ms: 0.0, norm: Kernels::Workgroup, ..tuning.clone() };
    assert_eq!(
        Tuning { norm: Kernels::Workgroup, ..plain.clone() },
        Tuning { kernels: plain.kernels, ..Tuning::default() }
    );
    for kernels in [None, Some(Kernels::Workgroup)] {
        let software = gpu(GpuOptions::default()).await;
        let wanted = Wanted { kernels, ..wanted(Precision::Exact, f64::INFINITY) };
        let tuning = tune(&software, &wanted).await.expect("a choice");
        let roles = if kernels.is_none() { Role::ALL.to_vec() } else { vec![Role::Matvec] };
        let tried: Vec<_> = tuning.tried.iter().map(|trial| trial.role).collect();
        assert!(tried == roles && tuning.tried.iter().all(|trial| trial.right), "{tuning:?}");
        assert_eq!((tuning.norm, tuning.matmul), (tuning.kernels, Tile::Rows32), "norms add up as matrices do");
    }
}

/// What a model does not need is not compiled to be checked on CPU adapters: roles, and tiles of formats that its head alone has.
pub async fn what_a_model_does_not_need_is_not_compiled() {
    let compiled = async |used: &[KernelSpec]| {
        let software = gpu(GpuOptions::default()).await;
        let wanted = Wanted { used: Some(used), ..wanted(Precision::Exact, f64::INFINITY) };
        let tuning = tune(&software, &wanted).await.expect("a choice");
        let roles: Vec<_> = tuning.tried.iter().map(|trial| trial.role).collect();
        (software.counts().pipelines, roles)
    };
    let tiles = |format: Format| KernelSpec::new("matmul_rows").slot("QUANT", format.shader());
    let (none, nothing) = compiled(&[]).await;
    let (one, roles) = compiled(&[tiles(Format::Q4_1)]).await;
    let (both, _) = compiled(&[tiles(Format::Q4_1), tiles(Format::F32)]).await;
    assert_eq!((one, both), (none + 1, none + 2));
    assert_eq!((nothing, roles), (vec![Role::Matvec], vec![Role::Matvec, Role::Matmul]));
}

/// What the caller forces is the choice, checked and not timed; what is not there is refused with what is.
pub async fn variants_are_forced_by_name() {
    let gpu = gpu(HARDWARE).await;
    let forced = [(Role::Matmul, "rows64"), (Role::Splits, "8"), (Role::Queries, "16"), (Role::Norm, "workgroup 256")];
    let forced = forced.map(|(role, variant)| (role, variant.to_owned()));
    let wanted_so = Wanted { forced: &forced, ..wanted(Precision::Exact, 0.0) };
    let tuning = tune(&gpu, &wanted_so).await.expect("a choice");
    for (role, variant) in &forced {
        assert_eq!(role.variant(&tuning), *variant, "{tuning:?}");
        let trials = of(&tuning, *role);
        assert!(trials.len() == 1 && trials[0].right && trials[0].micros.is_none(), "{tuning:?}");
    }
    // Bytes only where the caller allows rounding.
    for (role, variant) in [(Role::Matmul, "int8"), (Role::Splits, "5"), (Role::Norm, "rows 4")] {
        let forced = [(role, variant.to_owned())];
        let error =
            tune(&gpu, &Wanted { forced: &forced, ..wanted(Precision::Exact, 0.0) }).await.expect_err("is not there");
        assert_eq!(error.kind(), ErrorKind::BadArgument);
        let other = if role == Role::Norm { "workgroup 64" } else { "32" };
        assert!(error.message().contains(other), "{error}");
    }
}

/// A variant that computes wrongly, or is too far from the exact result, gives way to the next.
pub async fn a_wrong_variant_of_any_role_is_refused() {
    let gpu = gpu(HARDWARE).await;
    let right = Tuning::default();
    let wanted = wanted(Precision::Fast, f64::INFINITY);
    // Workgroup memory is added up in halves, and three is no power of two; so large a workgroup does not compile.
    for norm_workgroup in [3, 1 << 20] {
        let wrong = Tuning { norm_workgroup, ..right.clone() };
        let chosen = choose(&gpu, &wanted, Role::Norm, vec![wrong, right.clone()]).await.expect("one is right");
        assert_eq!((chosen.tried[0].right, chosen.norm_workgroup), (false, 64), "{chosen:?}");
    }
    let bytes = Tuning { matmul: Tile::Int8, ..right.clone() };
    let strict = Wanted { tolerance: 1e-5, ..wanted };
    let chosen = choose(&gpu, &strict, Role::Matmul, vec![bytes.clone(), right.clone()]).await.expect("one is right");
    assert_eq!((chosen.tried[0].right, chosen.matmul), (false, Tile::Rows32), "{chosen:?}");
    let none = choose(&gpu, &strict, Role::Matmul, vec![bytes]).await.expect_err("none is right");
    assert_eq!(none.kind(), ErrorKind::Gpu);
}

/// The numbers that roles choose reach the kernels; tiles of matrices are counted in `linear.rs`.
pub async fn what_is_chosen_is_what_runs() {
    let bench = Bench::with(HARDWARE).await;
    let (soft_cap, alibi, bias, sinks) = (0.0, 0.0, None, None);
    let attention = Attention {
        layer: 0,
        heads: 4,
        kv_heads: 2,
        head_dim: 64,
        scale: 0.1,
        mask: Mask::Causal,
        soft_cap,
        alibi,
        alibi_bf16: false,
        bias,
        sinks,
    };
    let buffer = || Rc::new(bench.gpu.create_buffer("cache", 2 * 4096 * 64 * 4, Usage::Storage));
    let cache = GpuKvLayer { k: buffer(), v: buffer(), capacity: 4096 };
    let shape = bench.write_step(&[StepRow { token: 0, slot: 0, position: 4095 }], 1);
    let [q, kv] = [256, 128].map(|width| bench.operand(&Rows::zeros(1, width), 0));
    for (splits, wanted) in [(32, 32), (16, 16), (8, 8), (33, 32), (0, 1)] {
        let ctx = bench.lowering(Variants { splits, ..Variants::default() }, 1);
        let op = RopeAttention { attention: attention.clone(), rotary_dim: 0, table: 0 };
        let specs = op.lower(&ctx, "y", &cache, (None, None), [&q, &kv, &kv], &q);
        assert_eq!((specs[0].grid)(&shape), [wanted, 2, 1], "{splits} splits");
    }
    for (queries, quads) in [(32, "QUADS=16"), (16, "QUADS=32"), (8, "QUADS=64")] {
        let ctx = bench.lowering(Variants { queries, ..Variants::default() }, 64);
        let spec = attention.lower(&ctx, "y", &cache, Around::default(), (&q, &q)).remove(0);
        assert!(spec.kernel.label().contains(quads), "{}", spec.kernel.label());
        // 64 rows by two query heads of a KV head.
        let many = doran::gpu::StepShape { n_rows: 64, kv_length: 64, ..shape };
        assert_eq!((spec.grid)(&many), [2, 128 / queries, 1], "{queries} queries");
    }
    let weight = bench.vector(&[1.0; 256]);
    for norm_workgroup in [64, 256] {
        let ctx = bench.lowering(Variants { norm_workgroup, ..Variants::default() }, 64);
        let spec = RmsNorm { weight: 0, eps: 1e-5 }.lower(&ctx, "y", &weight, &q, &q).remove(0);
        assert!(spec.kernel.label().ends_with(&format!("WORKGROUP={norm_workgroup}]")), "{}", spec.kernel.label());
    }
}
