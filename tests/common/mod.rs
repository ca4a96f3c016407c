//! What the model tests share: loading a file natively, on lavapipe or on the references.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::kernels::harness;
use doran::engine::{Engine, EngineOptions};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::inspect::{Inspection, inspect};
use doran::tune::Tuning;
use doran::weights::file::FileSource;
use doran::weights::{Cancel, LoadOptions, MemoryStore, ModelFiles};

/// Bytes of a chunk here: small, so that tiny models have several.
const CHUNK_BYTES: u64 = 4 << 20;

/// The test's GPU of these options.
pub fn gpu(options: GpuOptions) -> Rc<Gpu> {
    pollster::block_on(harness::gpu(options))
}

/// A GPU that nothing has run on: for faults, and where what it does at first is counted.
pub fn own_gpu(options: GpuOptions) -> Rc<Gpu> {
    Rc::new(pollster::block_on(Gpu::open(options)).expect("tests need a Vulkan adapter: install mesa-vulkan-drivers"))
}

/// Loads a GGUF file, or a Hugging Face folder.
pub fn load(path: &Path, gpu: Option<Rc<Gpu>>, options: EngineOptions) -> doran::Result<Engine> {
    load_tuned(path, gpu, options, None)
}

/// Loads with kernels that were chosen before.
pub fn load_tuned(
    path: &Path,
    gpu: Option<Rc<Gpu>>,
    options: EngineOptions,
    tuning: Option<Tuning>,
) -> doran::Result<Engine> {
    pollster::block_on(async {
        let cancel = Cancel::new();
        let load = LoadOptions { chunk_bytes: CHUNK_BYTES, ..LoadOptions::default() };
        let (source, paths) = source(path);
        let options = EngineOptions { chunk_bytes: CHUNK_BYTES, paths, ..options };
        let files = ModelFiles::open(Some(source), MemoryStore::new(None), "test", load, &|_| {}, &cancel).await?;
        Engine::load(files, gpu, options, &|_| tuning.clone(), &|_| {}, &cancel).await
    })
}

/// A GGUF file, or a Hugging Face folder with the names of its files.
pub fn source(path: &Path) -> (FileSource, Vec<String>) {
    if !path.is_dir() {
        return (FileSource::new([path]), Vec::new());
    }
    let mut files: Vec<_> = std::fs::read_dir(path).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    files.retain(|file| !file.ends_with("golden.json"));
    let name = |file: &PathBuf| file.file_name().expect("a name").to_string_lossy().into_owned();
    let paths = files.iter().map(name).collect();
    (FileSource::new(files), paths)
}

/// What the headers of a GGUF file or a folder say, and whether it fits.
pub fn inspect_on(path: &Path, gpu: doran::Result<&Gpu>, options: EngineOptions) -> doran::Result<Inspection> {
    let (source, paths) = source(path);
    let options = EngineOptions { paths, chunk_bytes: CHUNK_BYTES, ..options };
    pollster::block_on(async {
        let load = LoadOptions { chunk_bytes: CHUNK_BYTES, ..LoadOptions::default() };
        let files = ModelFiles::peek(Some(source), MemoryStore::new(None), "test", load, &Cancel::new()).await?;
        inspect(files, gpu, &options, &|_| None).await
    })
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A JSON file of `tests/fixtures`.
pub fn json(name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// SmolLM2-135M-Instruct Q4_1.
pub fn smollm2() -> PathBuf {
    let folder = std::env::var("DORAN_MODELS")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/models"), PathBuf::from);
    let path = folder.join("SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(path.exists(), "{} is missing: `node scripts/model.mjs` brings it", path.display());
    path
}

/// The numbers of a JSON array.
pub fn floats(value: &serde_json::Value) -> Vec<f32> {
    value.as_array().expect("an array").iter().map(|v| v.as_f64().expect("a number") as f32).collect()
}

/// The ids of a JSON array.
pub fn ids(value: &serde_json::Value) -> Vec<u32> {
    value.as_array().expect("an array").iter().map(|v| v.as_u64().expect("an id") as u32).collect()
}

/// The largest absolute difference.
pub fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The index of the largest value.
pub fn argmax(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// A safetensors file: dtype, shape and bytes by name.
pub type Tensors = std::collections::BTreeMap<String, (String, Vec<usize>, Vec<u8>)>;

/// The weights of a fixture in one safetensors file.
pub fn safetensors(name: &str) -> Tensors {
    let bytes = std::fs::read(fixture(&format!("arch/{name}/model.safetensors"))).expect("a fixture");
    let header_bytes = u64::from_le_bytes(bytes[..8].try_into().expect("eight")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header_bytes]).expect("JSON");
    let mut tensors = Tensors::new();
    for (name, entry) in header.as_object().expect("an object").iter().filter(|(name, _)| *name != "__metadata__") {
        let number = |value: &serde_json::Value| value.as_u64().expect("a number") as usize;
        let shape = entry["shape"].as_array().expect("a shape").iter().map(number).collect();
        let [begin, end] = [0, 1].map(|i| 8 + header_bytes + number(&entry["data_offsets"][i]));
        let dtype = entry["dtype"].as_str().expect("a dtype").to_owned();
        tensors.insert(name.clone(), (dtype, shape, bytes[begin..end].to_vec()));
    }
    tensors
}
