//! A mixture of experts in the place of an MLP (Shazeer et al. 2017; Jiang et al. 2024, § 2.1): a router gives each token to
//! some of many gated MLPs, and adds up what they give.

use super::blocks::gated_mlp;
use super::config::{Config, Dims};
use crate::error::{Error, Result};
use crate::graph::record::{ExpertModule, Recorder, Var};
use crate::ops::elementwise::Function;

/// What a configuration says of it.
pub(super) struct Mixture {
    /// Names: the module's in a layer; inside it the router's, and the experts' gate, up and down projection.
    pub module: &'static str,
    pub router: &'static str,
    pub linears: [&'static str; 3],
    pub experts: u32,
    /// Experts of a token.
    pub chosen: u32,
    /// Whether the weights of the chosen ones sum to 1, or those of all.
    pub normalised: bool,
    pub intermediate_size: u32,
    /// Width of an expert that every token goes through, by a gate of its own (Dai et al. 2024, § 3.2; Qwen1.5-MoE).
    pub shared: Option<u32>,
    /// Layers that have it.
    pub layers: Vec<bool>,
}

impl Mixture {
    /// `x` and what the mixture makes of `h`. `h: [tokens, hidden_size]`, `x` likewise → the same. `layer` is the module of the
    /// layer.
    pub fn add(
        &self,
        g: &mut Recorder<'_>,
        layer: &str,
        [mut x, h]: [Var; 2],
        act: Function,
        hidden_size: u32,
    ) -> Result<Var> {
        let Self { module, router, intermediate_size, .. } = *self;
        let at = &format!("{layer}.{module}");
        let experts = format!("{at}.experts");
        let [gate, up, down] = self.linears.map(|linear| ExpertModule { experts: &experts, linear, packed: None });

        let logits = g.linear(&format!("{at}.{router}"), h, self.experts, false)?;
        let routes = g.route(at, logits, self.chosen, self.normalised)?;
        let gate = g.expert_linear(gate, routes, h, [hidden_size, intermediate_size], false)?;
        let up = g.expert_linear(up, routes, h, [hidden_size, intermediate_size], false)?;
        let gate = g.activation(act, gate);
        let y = g.mul(gate, up);
        let y = g.expert_linear(down, routes, y, [intermediate_size, hidden_size], false)?;
        let y = g.expert_sum(at, routes, y, hidden_size);

        if let Some(shared) = self.shared {
            let gate = g.linear(&format!("{at}.shared_expert_gate"), h, 1, false)?;
            let h = gated_mlp(g, &format!("{at}.shared_expert"), h, act, [shared, hidden_size], false)?;
            let h = g.row_gate(h, gate);
            x = g.add(x, h);
        }
        Ok(g.add(x, y))
    }
}

/// The layers that have a mixture: every `decoder_sparse_step`th, but those in `mlp_only_layers`.
pub(super) fn sparse_layers(config: Config<'_>, dims: &Dims, experts: u32) -> Result<Vec<bool>> {
    let step = config.u32_or("decoder_sparse_step", 1)?;
    if step == 0 {
        return Err(Error::bad_file("decoder_sparse_step must not be 0").with("key", "decoder_sparse_step"));
    }
    let dense = config.list("mlp_only_layers")?.map_or(&[][..], |list| list);
    let is_sparse = |layer: u32| experts > 0 && (layer + 1).is_multiple_of(step) && !dense.contains(&layer.into());
    Ok((0..dims.layers).map(is_sparse).collect())
}
