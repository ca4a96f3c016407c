//! What a model is predicted to take on the GPU, against the bytes that the device counts after it is loaded.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::common::{fixture, gpu, inspect_on, load, smollm2};
use doran::engine::EngineOptions;
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::tune::{Kernels, Precision, Role};

/// How far a prediction may be off, of the counted bytes.
const TOLERANCE: f64 = 0.03;

/// Every tiny checkpoint: the folder, and the GGUF file in it if there is one.
fn tiny() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(fixture("arch")).expect("fixtures") {
        let folder = folder.expect("an entry").path();
        let files = std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        found.extend(files.filter(|file| file.extension().is_some_and(|extension| extension == "gguf")));
        found.push(folder);
    }
    found.sort();
    assert!(found.len() > 70, "{} checkpoints", found.len());
    found
}

fn wanted(context: Option<u32>, kernels: Option<Kernels>) -> EngineOptions {
    // The defaults of the other roles: choosing takes longer than everything else here.
    let defaults =
        [(Role::Matmul, "rows32"), (Role::Splits, "32"), (Role::Queries, "32"), (Role::Norm, "workgroup 64")];
    let forced = |_| defaults.map(|(role, variant)| (role, variant.to_owned())).to_vec();
    let variants = kernels.map(forced).unwrap_or_default();
    EngineOptions { context, kernels, variants, ..EngineOptions::default() }
}

/// (predicted, counted) bytes of a checkpoint on a device of its own.
fn both(path: &Path, device: GpuOptions, options: &EngineOptions) -> (u64, u64) {
    let gpu: Rc<Gpu> = gpu(device);
    let inspection = inspect_on(path, Ok(&gpu), options.clone()).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    assert_eq!(gpu.counts().gpu_bytes, 0, "a trial leaves nothing behind");
    let engine = load(path, Some(Rc::clone(&gpu)), options.clone()).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    assert_eq!(engine.info.context, inspection.context);
    assert_eq!(engine.info.parameters, inspection.parameters);
    assert_eq!(engine.info.kv_cache, inspection.kv_cache);
    let counted = gpu.counts().gpu_bytes;
    assert_eq!(engine.info.load.gpu_bytes, counted);
    let parts = &inspection.gpu;
    let sum = parts.weights_bytes + parts.kv_bytes + parts.activation_bytes + parts.other_bytes;
    assert_eq!(sum, parts.total_bytes);
    (parts.total_bytes, counted)
}

fn off((predicted, counted): (u64, u64)) -> f64 {
    (predicted as f64 - counted as f64) / counted as f64
}

/// These checkpoints at these contexts; none is the model's own limit.
fn check_all(paths: &[PathBuf], device: GpuOptions, kernels: Option<Kernels>, contexts: &[Option<u32>]) {
    let (mut wrong, mut worst) = (Vec::new(), 0.0f64);
    for path in paths {
        for &context in contexts {
            let bytes = both(path, device, &wanted(context, kernels));
            worst = worst.max(off(bytes).abs());
            if off(bytes).abs() > TOLERANCE {
                wrong.push(format!("{} at {context:?}: {bytes:?}, off by {:.4}", path.display(), off(bytes)));
            }
        }
    }
    println!("at most {:.4} off", worst);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tiny_models_take_what_is_predicted_on_a_software_adapter() {
    // The GGUF of a folder has the same graph.
    let folders: Vec<_> = tiny().into_iter().filter(|path| path.is_dir()).collect();
    check_all(&folders, GpuOptions::default(), None, &[Some(24), None]);
}

#[test]
fn tiny_models_take_what_is_predicted_with_kernels_of_gpus() {
    // These kernels take a minute to compile for a few models.
    let folders: Vec<_> = tiny().into_iter().filter(|path| path.is_dir()).step_by(3).collect();
    let device = GpuOptions { no_subgroups: true, as_hardware: true, ..GpuOptions::default() };
    check_all(&folders, device, Some(Kernels::Workgroup), &[Some(24)]);
}

#[test]
fn tiny_models_take_what_is_predicted_where_matrices_are_split() {
    let device = GpuOptions { max_binding_bytes: Some(64 << 10), ..GpuOptions::default() };
    let folders: Vec<_> = tiny().into_iter().filter(|path| path.is_dir()).collect();
    check_all(&folders, device, None, &[Some(40)]);
}

#[test]
fn smollm2_takes_what_is_predicted() {
    let hardware = GpuOptions { no_subgroups: true, as_hardware: true, ..GpuOptions::default() };
    for (device, kernels) in [(GpuOptions::default(), None), (hardware, Some(Kernels::Workgroup))] {
        for context in [Some(512), Some(4096)] {
            let bytes = both(&smollm2(), device, &wanted(context, kernels));
            println!("{context:?} {kernels:?}: {bytes:?}, off by {:.5}", off(bytes));
            assert!(off(bytes).abs() < TOLERANCE, "{bytes:?}");
        }
    }
}

/// Rows of activations as bytes are counted where they may be chosen, and are there where they are.
#[test]
fn rows_as_bytes_take_what_is_predicted() {
    let path = fixture("kquant_models/kq-Q4_K.gguf");
    let device = GpuOptions { no_subgroups: true, as_hardware: true, ..GpuOptions::default() };
    let exact = wanted(Some(24), Some(Kernels::Workgroup));
    let forced = |tile: &str| EngineOptions {
        precision: Precision::Fast,
        variants: vec![(Role::Matmul, tile.to_owned())],
        ..exact.clone()
    };
    let [exact, tile, bytes] =
        [exact.clone(), forced("rows32"), forced("int8")].map(|options| both(&path, device, &options));
    assert_eq!(tile, exact);
    assert!(bytes.1 > exact.1, "{bytes:?} and {exact:?}");
    assert!(off(bytes).abs() < 0.001, "{bytes:?}");
}
