//! A causal convolution over time, channel by channel: `y[t, c] = Σᵢ weight[c, i] · x[t − taps + 1 + i, c] (+ bias[c])`, with
//! zeros before the sequence (Gu & Dao 2023, § 3.4). And a shift by one token (Peng et al. 2023, eq. 11), which is one of two
//! taps: `y[t, c] = mix[c] · x[t, c] + (1 − mix[c]) · x[t − 1, c]`.

use std::rc::Rc;

use super::{CpuState, GpuState, Lowering, Operand, Rows, StepRow, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// The convolution. Input: `x`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShortConv {
    /// Which state of the graph has the inputs of the last positions.
    pub state: usize,
    /// Index of the weight vector in the graph: `[channels, taps]`, or `[channels]` where it mixes.
    pub weight: usize,
    /// Index of the bias vector in the graph: `[channels]`.
    pub bias: Option<usize>,
    /// Positions that count.
    pub taps: u32,
    /// Whether the weight says how much of two tokens is mixed.
    pub mixes: bool,
}

impl ShortConv {
    /// CPU reference. `x: [rows, channels]` → the same.
    pub fn reference(
        &self,
        state: &mut CpuState,
        x: &Rows,
        (weight, bias): (&[f32], Option<&[f32]>),
        rows: &[StepRow],
    ) -> Rows {
        let taps = self.taps as usize;
        let mut y = Rows::zeros(x.len(), x.width);
        for (i, row) in rows.iter().enumerate() {
            state.at(row.slot, row.position).copy_from_slice(x.row(i));
            for c in 0..x.width {
                let mut sum = bias.map_or(0.0, |bias| f64::from(bias[c]));
                for tap in (0..taps).filter(|tap| taps - 1 - tap <= row.position as usize) {
                    let input = state.at(row.slot, row.position - (taps - 1 - tap) as u32)[c];
                    let weight = match (self.mixes, tap) {
                        (false, _) => weight[c * taps + tap],
                        (true, 0) => 1.0 - weight[c],
                        (true, _) => weight[c],
                    };
                    sum += f64::from(weight) * f64::from(input);
                }
                y.row_mut(i)[c] = sum as f32;
            }
        }
        y
    }

    /// GPU lowering: rows go by in order, channels at once.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        state: &GpuState,
        (weight, bias): (&Rc<GpuBuffer>, Option<&Rc<GpuBuffer>>),
        (x, y): (&Operand, &Operand),
    ) -> Vec<DispatchSpec> {
        let params = Params {
            channels: x.width,
            n_quads: x.width.div_ceil(4),
            taps: self.taps,
            mixes: u32::from(self.mixes),
            positions: state.positions,
            x_stride: x.stride_quads(),
            x_offset: x.offset_quads(),
            y_stride: y.stride_quads(),
            y_offset: y.offset_quads(),
            has_bias: u32::from(bias.is_some()),
            pad: [0; 2],
        };
        let buffers = vec![
            Rc::clone(ctx.step),
            Rc::clone(&x.buffer),
            Rc::clone(weight),
            Rc::clone(bias.unwrap_or(ctx.nothing)),
            Rc::clone(&state.buffer),
            Rc::clone(&y.buffer),
        ];
        let groups = params.n_quads.div_ceil(32);
        let grid = Box::new(move |_: &StepShape| [groups, 1, 1]);
        let mut spec = dispatch(label, KernelSpec::new("short_conv"), &params, buffers, grid);
        let macs = u64::from(x.width) * u64::from(self.taps);
        spec.work = Box::new(move |s| macs * u64::from(s.n_rows));
        vec![spec]
    }
}

params! {
    pub(super) struct Params {
        channels: u32,
        n_quads: u32,
        taps: u32,
        mixes: u32,
        positions: u32,
        x_stride: u32,
        x_offset: u32,
        y_stride: u32,
        y_offset: u32,
        has_bias: u32,
        pad: [u32; 2],
    }
}
