//! GPT-J (Wang & Komatsuzaki 2021; Hugging Face `modeling_gptj.py`): attention and MLP read one layer norm and are added side by
//! side; the first values of each head rotate, as pairs that stand side by side.

use super::Limits;
use super::blocks::{attend, mlp, qkv};
use super::config::{Config, Dims, Head, unsupported};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::Recorder;

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(None, None)?.ungrouped();
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32_or("intermediate_size", hidden_size.saturating_mul(4))?;
    let eps = config.f32_or("layer_norm_eps", 1e-5)?;
    let act = config.activation("gelu_new")?;
    let rotary_dim = if config.has("rotary_dim") { config.optional("rotary_dim")? } else { Some(64) };
    let rotary_dim = match rotary_dim {
        Some(n) if n % 2 == 0 && n <= dims.head_dim => n,
        Some(n) => return Err(unsupported(format!("rotary_dim {n} in heads of {}", dims.head_dim))),
        None => return Err(unsupported("rotary_dim null".to_owned())),
    };
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;
    let root = if g.has("wte.weight") { "" } else { "transformer." };
    let embedding = format!("{root}wte");

    let mut x = g.embedding(&embedding, vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("{root}h.{layer}.{module}");
        let h = g.layer_norm(&name("ln_1"), x, eps, true)?;

        // Attention
        let qkv = qkv(&mut g, &name("attn"), h, &dims, false, rotary_dim)?;
        let attended = attend(&mut g, &name("attn"), qkv, Some(table), dims.attention())?;
        let attended = g.linear(&name("attn.out_proj"), attended, hidden_size, false)?;

        // MLP
        let modules = [name("mlp.fc_in"), name("mlp.fc_out")];
        let h = mlp(&mut g, modules, h, act, [intermediate_size, hidden_size], true)?;
        x = g.add(x, attended);
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm(&format!("{root}ln_f"), x, eps, true)?;
    config.finish(g, &dims, x, Head { embedding: &embedding, bias: true, ..Head::USUAL })
}
