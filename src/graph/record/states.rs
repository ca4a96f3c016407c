//! Words for layers that go from position to position by a state.

use super::{Recorder, Var, short};
use crate::error::{Error, Result};
use crate::gpu::upload::RowTake;
use crate::graph::StateLayer;
use crate::ops::selective_scan::SelectiveScan;
use crate::ops::short_conv::ShortConv;
use crate::ops::wkv::Wkv;
use crate::ops::{Op, STATE_POSITIONS};

/// Most positions that a convolution looks at. Published ones look at four.
const MAX_TAPS: u32 = 64;

impl Recorder<'_> {
    /// A causal convolution of each channel by itself. `x: [tokens, channels]` → the same.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` is missing or not `[channels, taps]`, or if `bias` and `{module}.bias` is missing;
    /// `unsupported` for more taps than kernels take.
    pub fn short_conv(&mut self, module: &str, x: Var, taps: u32, bias: bool) -> Result<Var> {
        if !(1..=MAX_TAPS).contains(&taps) {
            let what = format!("a convolution over {taps} positions");
            return Err(Error::unsupported(what.clone(), format!("{what}: doran takes 1 to {MAX_TAPS}")));
        }
        let channels = self.width(x);
        let weight = self.vector(&format!("{module}.weight"), channels * taps)?;
        let bias = bias.then(|| self.vector(&format!("{module}.bias"), channels)).transpose()?;
        let state = self.state(channels, taps - 1 + STATE_POSITIONS);
        let op = Op::ShortConv(ShortConv { state, weight, bias, taps, mixes: false });
        Ok(self.push(op, &[x], short(module), channels, false))
    }

    /// `x · mix + before · (1 − mix)` with the token before, channel by channel, by the vector `mix`, whole name. `x: [tokens,
    /// channels]` → the same.
    ///
    /// # Errors
    /// `bad_file` if the tensor is missing or not `[channels]`.
    pub fn token_shift(&mut self, mix: &str, x: Var) -> Result<Var> {
        let channels = self.width(x);
        let weight = self.weight(mix, 1, channels, RowTake::all(channels), true)?;
        let state = self.state(channels, 1 + STATE_POSITIONS);
        let op = Op::ShortConv(ShortConv { state, weight, bias: None, taps: 2, mixes: true });
        Ok(self.push(op, &[x], short(mix), channels, false))
    }

    /// A selective state space. `x, dt: [tokens, channels]`, `bc: [tokens, 2 · state_size]` → `[tokens, channels]`.
    ///
    /// # Errors
    /// `bad_file` if there is neither `{module}.A` nor `{module}.A_log`, of `[channels, state_size]`, or `{module}.D` is not
    /// `[channels]`.
    pub fn selective_scan(&mut self, module: &str, [x, dt, bc]: [Var; 3], state_size: u32) -> Result<Var> {
        let channels = self.width(x);
        let values = channels.checked_mul(state_size).ok_or_else(|| Error::bad_file("states are too large"))?;
        let a_is_log = !self.has(&format!("{module}.A"));
        let a = self.vector(&format!("{module}.A{}", if a_is_log { "_log" } else { "" }), values)?;
        let d = self.vector(&format!("{module}.D"), channels)?;
        let state = self.state(values, STATE_POSITIONS);
        let op = Op::SelectiveScan(SelectiveScan { state, a, a_is_log, d, state_size });
        Ok(self.push(op, &[x, dt, bc], short(module) + ".scan", channels, false))
    }

    /// RWKV-4's average of `v` by decaying `k`, both `[tokens, channels]` → the same.
    ///
    /// # Errors
    /// `bad_file` if `{module}.time_decay` or `{module}.time_first` is missing or not `[channels]`.
    pub fn wkv(&mut self, module: &str, [k, v]: [Var; 2]) -> Result<Var> {
        let channels = self.width(k);
        let decay = self.vector(&format!("{module}.time_decay"), channels)?;
        let first = self.vector(&format!("{module}.time_first"), channels)?;
        let state = self.state(3 * channels, STATE_POSITIONS);
        Ok(self.push(Op::Wkv(Wkv { state, decay, first }), &[k, v], short(module) + ".wkv", channels, false))
    }

    fn state(&mut self, width: u32, positions: u32) -> usize {
        self.graph.states.push(StateLayer { width, positions });
        self.graph.states.len() - 1
    }
}
