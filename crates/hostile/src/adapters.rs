//! LoRA adapters, GGUF and PEFT, for one small model.

use std::path::Path;

use doran::format::Checkpoint;
use doran::format::adapter::{AdapterCheckpoint, peft};
use doran::format::gguf::adapter::{AdaptedModel, ParsedAdapter, parse_adapter};
use doran::format::gguf::{self, Parsed};
use doran::format::safetensors;
use doran::graph::Graph;
use doran::graph::adapter::{Adaptable, adapt, plan};
use doran::graph::adapter_weights::AdapterBytes;
use doran::graph::fuse::fuse;
use doran::weights::VecBytes;

use crate::{Reach, is_json, number, seeds, text};

thread_local! {
    static MODEL: (Checkpoint, Graph) = model(&seeds::fixtures().join("arch/llama/model-f32.gguf"));
}

fn model(path: &Path) -> (Checkpoint, Graph) {
    let file = std::fs::read(path).expect("a fixture");
    let Ok(Parsed::Done { checkpoint, .. }) = gguf::parse(&file, file.len() as u64) else { panic!("a model") };
    let (mut graph, _) = doran::models::record(&checkpoint).expect("a model");
    fuse(&mut graph);
    (checkpoint, graph)
}

/// An adapter. A first byte of 0: a GGUF file as [`crate::models::gguf`] takes it; otherwise a folder as
/// [`crate::models::safetensors`] does.
pub fn adapter(input: &[u8]) -> Reach {
    match input.split_first() {
        Some((0, rest)) => of_gguf(rest),
        Some((_, rest)) => of_peft(rest),
        None => Reach::Header,
    }
}

fn of_gguf(input: &[u8]) -> Reach {
    let Some((tail, prefix)) = number::<4>(input) else { return Reach::Header };
    let file_bytes = prefix.len() as u64 + tail;
    let refused = if prefix.starts_with(b"GGUF") { Reach::Inside } else { Reach::Header };
    let model = AdaptedModel { model_type: "llama".to_owned(), head_dim: Some(8) };
    match parse_adapter(prefix, file_bytes, &model) {
        Ok(ParsedAdapter::Done(adapter)) => whole(&adapter, file_bytes),
        Ok(ParsedAdapter::NeedBytes(n_bytes)) => {
            assert!(n_bytes > prefix.len() as u64 && n_bytes <= file_bytes, "asks for {n_bytes} of {file_bytes}");
            refused
        }
        Err(_) => refused,
    }
}

fn of_peft(input: &[u8]) -> Reach {
    let Some((config, rest)) = text(input) else { return Reach::Header };
    let Some((tail, prefix)) = number::<4>(rest) else { return Reach::Header };
    let file_bytes = prefix.len() as u64 + tail;
    let refused = if is_json(config.as_bytes()) { Reach::Inside } else { Reach::Header };
    let Ok(safetensors::Parsed::Done(tensors)) = safetensors::parse(prefix, file_bytes, 0) else { return refused };
    match peft(config, tensors) {
        Ok(adapter) => whole(&adapter, file_bytes),
        Err(_) => refused,
    }
}

fn whole(adapter: &AdapterCheckpoint, file_bytes: u64) -> Reach {
    for tensor in &adapter.tensors {
        assert!(tensor.offset.checked_add(tensor.n_bytes).is_some_and(|end| end <= file_bytes), "{}", tensor.name);
    }
    for module in &adapter.modules {
        assert!(module.a < adapter.tensors.len() && module.b < adapter.tensors.len(), "{}", module.name);
    }
    MODEL.with(|(checkpoint, graph)| {
        let model = Adaptable { graph, tensors: &checkpoint.tensors, model_type: "llama", gguf: true };
        let Ok(plan) = plan(&model, adapter) else { return Reach::Inside };
        if AdapterBytes::<VecBytes>::new(&adapter.tensors).check().is_err() {
            return Reach::Inside;
        }
        let adapted = adapt(graph, &[&plan]);
        assert!(adapted.nodes.len() > graph.nodes.len(), "an adapter adds something");
        Reach::Whole
    })
}
