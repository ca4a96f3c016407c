//! Weights that are no numbers end a load, and the error names the tensor: on the GPU and on the references, whichever way a tensor
//! goes.
use std::rc::Rc;

use crate::common::{self, fixture};
use crate::files;
use crate::weights::faulty::Server;
use doran::engine::{Engine, EngineOptions};
use doran::format::{TensorInfo, safetensors};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::quant::Format;
use doran::tune::{Kernels, Tuning};
use doran::weights::{Cancel, LoadOptions, MemoryStore, ModelFiles};
use doran::{ErrorKind, Result};
use pollster::block_on;

/// Bytes of a chunk: tensors stand in several.
const CHUNK_BYTES: u64 = 16 << 10;

/// A model's files, their names where it is a folder, and its tensors.
struct Model {
    files: Vec<Vec<u8>>,
    paths: Vec<String>,
    tensors: Vec<TensorInfo>,
}

impl Model {
    fn read(name: &str) -> Self {
        let path = fixture(name);
        if !path.is_dir() {
            let file = std::fs::read(path).expect("a fixture");
            let tensors = files::parse_gguf(&file).expect("parses").tensors;
            return Self { files: vec![file], paths: Vec::new(), tensors };
        }
        let skipped = |name: &str| name == "golden.json" || name.ends_with(".gguf") || name.ends_with(".v5.json");
        let names = std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut paths: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        paths.retain(|name| !skipped(name));
        paths.sort();
        let files: Vec<_> = paths.iter().map(|name| std::fs::read(path.join(name)).expect("a file")).collect();
        let mut tensors = Vec::new();
        for (i, file) in files.iter().enumerate().filter(|(i, _)| paths[*i].ends_with(".safetensors")) {
            match safetensors::parse(file, file.len() as u64, i).expect("parses") {
                safetensors::Parsed::Done(of_file) => tensors.extend(of_file),
                safetensors::Parsed::NeedBytes(_) => panic!("the whole file is there"),
            }
        }
        Self { files, paths, tensors }
    }

    /// The same with infinity, or what is none, in the last block of a tensor; none where it has no floats.
    fn with_infinity(&self, tensor: &TensorInfo) -> Option<Self> {
        let bad: (usize, &[u8]) = match tensor.format {
            Format::F32 => (0, &[0, 0, 0x80, 0x7f]),
            Format::BF16 => (0, &[0x80, 0x7f]),
            Format::F16 => (0, &[0, 0x7c]),
            Format::MXFP4 | Format::MXFP4_SCALES => (0, &[0xff]),
            format => (*format.spec().halves_at.last()?, &[0, 0x7c]),
        };
        let at = (tensor.offset + tensor.n_bytes - tensor.format.block_bytes()) as usize + bad.0;
        let mut files = self.files.clone();
        files[tensor.file][at..at + bad.1.len()].copy_from_slice(bad.1);
        Some(Self { files, paths: self.paths.clone(), tensors: Vec::new() })
    }

    fn load(&self, gpu: Option<Rc<Gpu>>, known: Option<&Tuning>) -> Result<Engine> {
        block_on(async {
            let cancel = Cancel::new();
            let options = LoadOptions { chunk_bytes: CHUNK_BYTES, ..LoadOptions::default() };
            let (source, store) = (Server::new(self.files.clone()), MemoryStore::new(None));
            source.script().piece_bytes.set(Some(1 << 20));
            let files = ModelFiles::open(Some(source), store, "model", options, &|_| {}, &cancel).await?;
            let (paths, context) = (self.paths.clone(), Some(32));
            let options = EngineOptions { paths, context, chunk_bytes: CHUNK_BYTES, ..EngineOptions::default() };
            Engine::load(files, gpu, options, &|_| known.cloned(), &|_| {}, &cancel).await
        })
    }
}

/// Every tensor of models whose tensors go all the ways that there are: as they are, as parts of what is one matrix, by columns, as
/// experts, as vectors, as factors of rotary tables; in floats and in blocks.
#[test]
fn each_tensor_is_named() {
    let gpu = common::gpu(GpuOptions::default());
    let known = Tuning { kernels: Kernels::Rows, workgroup: 16, ..Tuning::default() };
    for name in [
        "arch/llama/model-f32.gguf",
        "arch/llama3/model-f32.gguf",
        "arch/gpt2",
        "arch/gpt_oss",
        "arch/llama_bf16",
        "arch/qwen2_f16_sharded",
        "arch/bert",
        "kquant_models/kq-Q2_K.gguf",
        "kquant_models/kq-Q4_K.gguf",
        "kquant_models/kq-TQ1_0.gguf",
    ] {
        let model = Model::read(name);
        let mut tried = 0;
        // The pooler of an encoder is read by nobody.
        for tensor in model.tensors.iter().filter(|tensor| !tensor.name.starts_with("pooler.")) {
            let Some(bad) = model.with_infinity(tensor) else { continue };
            for on in [Some(&gpu), None] {
                let what = format!("{name}: {} on {}", tensor.name, if on.is_some() { "the GPU" } else { "the CPU" });
                let Err(error) = bad.load(on.cloned(), Some(&known)) else { panic!("{what}: nothing was noticed") };
                let named = error.data().get("tensor").and_then(serde_json::Value::as_str);
                assert_eq!((error.kind(), named), (ErrorKind::NonFiniteWeights, Some(tensor.name.as_str())), "{what}");
                assert_eq!(gpu.counts().live_objects, 0, "{what}: nothing stays on the GPU");
            }
            tried += 1;
        }
        println!("{name}: {tried} of {} tensors", model.tensors.len());
        assert!(tried > 5, "{name}: {tried}");
        model.load(Some(Rc::clone(&gpu)), Some(&known)).unwrap_or_else(|error| panic!("{name} as it is: {error}"));
    }
}

/// Looking at all weights costs a load one read-back of a word, and no dispatch or kernel beside those that repack.
#[test]
fn looking_costs_one_word_read_back() {
    let gpu = common::gpu(GpuOptions::default());
    let known = Tuning { kernels: Kernels::Rows, workgroup: 16, ..Tuning::default() };
    let model = Model::read("arch/llama/model-f32.gguf");
    let before = gpu.counts();
    let engine = model.load(Some(Rc::clone(&gpu)), Some(&known)).expect("loads");
    let after = gpu.counts();
    assert_eq!(after.readback_bytes - before.readback_bytes, 4);
    let submits = after.submits - before.submits;
    let chunks = model.files[0].len().div_ceil(CHUNK_BYTES as usize) as u64;
    assert!(submits <= chunks + 2, "{submits} submits for {chunks} chunks, and one that copies the word");
    drop(engine);
}
