//! Mamba (Gu & Dao 2023, fig. 3; Hugging Face `modeling_mamba.py`): a layer is a short convolution and a selective state space,
//! with a gate.

use super::Limits;
use super::config::{Config, Dims, Head, unsupported};
use crate::error::{Error, Result};
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::Recorder;
use crate::ops::elementwise::Function;

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims_without_heads()?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    // What Hugging Face's files say of it besides is not read.
    let channels = match config.is_gguf()? {
        true => config.u32("intermediate_size")?,
        false => (config.f64_or("expand", 2.0)? * f64::from(hidden_size)).clamp(0.0, f64::from(1 << 24)) as u32,
    };
    if config.bool_or("dt_b_c_rms", false)? {
        return Err(unsupported("dt_b_c_rms".to_owned()));
    }
    let rank = match config.get("time_step_rank") {
        Some(value) if value != "auto" => config.u32("time_step_rank")?,
        _ => hidden_size.div_ceil(16),
    };
    let (state_size, taps) = (config.u32_or("state_size", 16)?, config.u32_or("conv_kernel", 4)?);
    if rank == 0 || !(1..=1 << 16).contains(&state_size) {
        return Err(Error::bad_file(format!("states of {state_size} values, and time steps of rank {rank}")));
    }
    let (bias, conv_bias) = (config.bool_or("use_bias", false)?, config.bool_or("use_conv_bias", true)?);
    let eps = config.f32_or("rms_norm_eps", 1e-5)?;
    let act = config.activation("silu")?;
    let mut g = Recorder::new(checkpoint);

    let mut x = g.embedding("backbone.embeddings", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("backbone.layers.{layer}.{module}");
        let h = g.rms_norm(&name("norm"), x, eps)?;
        let [h, gate] = g.linears(&name("mixer.in_proj"), h, 1, [channels; 2], bias)?;

        // Convolution
        let h = g.short_conv(&name("mixer.conv1d"), h, taps, conv_bias)?;
        let h = g.activation(act, h);

        // State space, whose time steps, inputs and outputs h chooses
        let [dt, bc] = g.linears(&name("mixer.x_proj"), h, 1, [rank, 2 * state_size], false)?;
        let dt = g.linear(&name("mixer.dt_proj"), dt, channels, true)?;
        let y = g.selective_scan(&name("mixer"), [h, dt, bc], state_size)?;

        // Whatever `hidden_act` is (transformers from 5 on).
        let gate = g.activation(Function::Silu, gate);
        let y = g.mul(gate, y);
        let h = g.linear(&name("mixer.out_proj"), y, hidden_size, bias)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("backbone.norm_f", x, eps)?;
    config.finish(g, &dims, x, Head { embedding: "backbone.embeddings", tied: true, ..Head::USUAL })
}
