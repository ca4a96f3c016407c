//! LoRA adapters: against logits that PEFT computed (`goldens.rs`) and with what its weights are with
//! them in (`merged.rs`), how requests use them (`requests.rs`), and what is refused
//! (`refusals.rs`).

mod goldens;
mod merged;
mod non_finite;
mod refusals;
mod requests;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::common::{argmax, fixture};
use doran::Result;
use doran::adapter::AdapterInfo;
use doran::backend::Adapter;
use doran::engine::Engine;
use doran::generate::{GenerateOptions, Generation, Input, Item};
use doran::sampler::SamplerOptions;
use doran::session::AdapterUse;
use doran::weights::file::FileSource;
use doran::weights::{Cancel, LoadOptions, MemoryStore, ModelFiles};
use serde_json::{Value, json};

fn load_adapter(engine: &Engine, path: &Path) -> Result<(Rc<Adapter>, AdapterInfo)> {
    let names = ["adapter_config.json", "adapter_model.safetensors"];
    let (files, paths) = match path.is_dir() {
        true => (names.map(|name| path.join(name)).to_vec(), names.map(str::to_owned).to_vec()),
        false => (vec![path.to_owned()], Vec::new()),
    };
    load_files(engine, files, &paths, &Cancel::new())
}

fn load_files(
    engine: &Engine,
    files: Vec<PathBuf>,
    paths: &[String],
    cancel: &Cancel,
) -> Result<(Rc<Adapter>, AdapterInfo)> {
    pollster::block_on(async {
        let options = LoadOptions { chunk_bytes: 4096, ..LoadOptions::default() };
        let store = MemoryStore::new(None);
        let files = ModelFiles::open(Some(FileSource::new(files)), store, "adapter", options, &|_| {}, cancel).await?;
        engine.load_adapter(files, paths, &|_| {}, cancel).await
    })
}

fn adapter(engine: &Engine, name: &str) -> Rc<Adapter> {
    load_adapter(engine, &fixture(&format!("adapters/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}")).0
}

fn uses(adapters: &[(&Rc<Adapter>, f32)]) -> Vec<AdapterUse> {
    adapters.iter().map(|(adapter, scale)| AdapterUse { adapter: Rc::clone(adapter), scale: *scale }).collect()
}

/// The last token's logits, and the best id after each token.
fn logits(engine: &mut Engine, prompt: &[u32], adapters: &[AdapterUse]) -> (Vec<f32>, Vec<u32>) {
    let (mut last, mut top1) = (Vec::new(), Vec::new());
    pollster::block_on(async {
        engine.session.use_adapters(adapters).await.expect("adapters");
        let visit = |_: usize, logits: &[f32]| {
            top1.push(argmax(logits) as u32);
            last = logits.to_vec();
        };
        engine.session.all_logits(prompt, &Cancel::new(), visit).await.expect("runs");
    });
    (last, top1)
}

/// A greedy answer, and how much of the prompt was cached.
fn answer(engine: &mut Engine, prompt: &[u32], n: usize, adapters: &[AdapterUse]) -> Result<(Vec<u32>, usize)> {
    let sampler = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    let (max_tokens, adapters) = (Some(n), adapters.to_vec());
    let options = GenerateOptions { sampler, max_tokens, ignore_eos: true, adapters, ..GenerateOptions::default() };
    let Engine { text, session, .. } = engine;
    let mut generation = Generation::new(text, session.capacity(), &Input::Ids(prompt.to_vec()), options)?;
    let (mut out, mut cached) = (Vec::new(), 0);
    while let Some(item) = pollster::block_on(generation.next(text, session, &Cancel::new()))? {
        match item {
            Item::Token { id, .. } => out.push(id),
            Item::End { usage, .. } => cached = usage.cached_tokens,
            Item::Prefill { .. } => {}
        }
    }
    Ok((out, cached))
}

/// Names, dtypes and shapes of an adapter's tensors.
type Shapes = Vec<(String, &'static str, Vec<usize>)>;

/// Writes a PEFT folder of random weights.
fn write_peft(name: &str, changes: &Value, tensors: &Shapes) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("doran-adapters-{}", std::process::id())).join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut config = json!({ "peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": [], "bias": "none" });
    for (key, value) in changes.as_object().expect("changes") {
        config[key] = value.clone();
    }
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    let mut state = name.len() as u64;
    for (tensor, dtype, shape) in tensors {
        let begin = data.len();
        for _ in 0..shape.iter().product::<usize>() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = 0.2 * ((state >> 40) as f32 / 8_388_608.0 - 1.0);
            match *dtype {
                "F16" => data.extend(half::f16::from_f32(value).to_le_bytes()),
                "BF16" => data.extend(half::bf16::from_f32(value).to_le_bytes()),
                _ => data.extend(value.to_le_bytes()),
            }
        }
        header.insert(tensor.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, data.len()] }));
    }
    let mut header = Value::from(header).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
    std::fs::write(folder.join("adapter_model.safetensors"), file).expect("written");
    std::fs::write(folder.join("adapter_config.json"), config.to_string()).expect("written");
    folder
}

/// A and B of a module of the model.
fn pair(module: &str, dtype: &'static str, [rank, inputs, outputs]: [usize; 3]) -> Shapes {
    let name = |part: &str| format!("base_model.model.{module}.{part}.weight");
    vec![(name("lora_A"), dtype, vec![rank, inputs]), (name("lora_B"), dtype, vec![outputs, rank])]
}
