//! Architectures: one file a family, and the list.
//!
//! A model file records its layers on a graph, in the paper's order. It knows nothing of quantisation, devices, fusion,
//! prefill or decode. `config.rs` reads configurations, `dims.rs` has what dimensions come to, `rope.rs` rotary frequencies, `blocks.rs` has what layers share.

mod bert;
mod blenderbot;
mod blocks;
mod bloom;
mod cohere;
mod config;
mod dims;
mod exaone;
mod falcon;
mod gemma;
mod glm4;
mod gpt2;
mod gpt_neo;
mod gpt_neox;
mod gpt_oss;
mod gptj;
mod granite;
mod lfm2;
mod llama;
mod mamba;
mod mixtral;
mod mixture;
mod olmo;
mod opt;
mod phi;
mod phi3;
mod qwen_moe;
mod rope;
mod rwkv;
mod stablelm;
mod starcoder2;
mod t5;

use crate::error::{Error, Result};
use crate::format::Checkpoint;
use crate::graph::Graph;

/// What every architecture states of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the logits, and of an encoder's vocabulary.
    pub vocab_size: u32,
    /// Positions the model was trained for.
    pub max_position_embeddings: u32,
}

/// Records one architecture.
type Record = fn(&Checkpoint) -> Result<(Graph, Limits)>;

/// Every architecture by Hugging Face's `model_type`.
const MODELS: &[(&str, Record)] = &[
    ("bert", bert::bert),
    ("blenderbot", blenderbot::record),
    ("bloom", bloom::record),
    ("cohere", cohere::cohere),
    ("cohere2", cohere::cohere2),
    ("exaone", exaone::exaone),
    ("exaone4", exaone::exaone4),
    ("falcon", falcon::record),
    ("gemma", gemma::gemma),
    ("gemma2", gemma::gemma2),
    ("gemma3_text", gemma::gemma3),
    ("glm4", glm4::record),
    ("gpt2", gpt2::record),
    ("gpt_neo", gpt_neo::record),
    ("gpt_neox", gpt_neox::record),
    ("gpt_oss", gpt_oss::record),
    ("gptj", gptj::record),
    ("granite", granite::granite),
    ("hyperclovax", granite::hyperclovax),
    ("lfm2", lfm2::record),
    // SOLAR and SmolLM2 say that they are Llamas.
    ("llama", llama::llama),
    ("mamba", mamba::record),
    ("mistral", llama::mistral),
    ("mixtral", mixtral::record),
    ("olmo", olmo::olmo),
    ("olmo2", olmo::olmo2),
    ("opt", opt::record),
    ("phi", phi::record),
    ("phi3", phi3::record),
    ("qwen2", llama::qwen2),
    ("qwen2_moe", qwen_moe::qwen2),
    ("qwen3", llama::qwen3),
    ("qwen3_moe", qwen_moe::qwen3),
    ("rwkv", rwkv::record),
    ("smollm3", llama::smollm3),
    ("stablelm", stablelm::record),
    ("starcoder2", starcoder2::record),
    ("t5", t5::record),
    ("xlm-roberta", bert::xlm_roberta),
];

/// Records the checkpoint's architecture.
///
/// # Errors
/// `unsupported` for an architecture that is not in the list, or weights that are quantised in a way of their own; `bad_file`
/// where tensors do not fit the configuration.
pub fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let known = MODELS.iter().find(|(model_type, _)| *model_type == checkpoint.model_type);
    let (_, record) = known.ok_or_else(|| {
        Error::unsupported(
            checkpoint.model_type.clone(),
            format!("doran does not know the architecture {:?}", checkpoint.model_type),
        )
    })?;
    if let Some(quantisation) = checkpoint.config.get("quantization_config").filter(|value| !value.is_null()) {
        let method = quantisation.get("quant_method").and_then(|method| method.as_str()).unwrap_or("unnamed");
        // Its tensors say enough.
        if method != "mxfp4" {
            return Err(config::unsupported(format!("quantization_config {method}")));
        }
    }
    record(checkpoint)
}
