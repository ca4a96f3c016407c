//! A selective state space (Gu & Dao 2023, alg. 2): each channel has a small state, which decays and takes up its input at a
//! pace that the input sets. `h[t] = exp(Δ A) h[t − 1] + Δ B x[t]; y[t] = C h[t] + D x[t]`, with `Δ = softplus(dt)` and
//! `A = −exp(a_log)`, which some files have instead.

use std::rc::Rc;

use super::{CpuState, GpuState, Lowering, Operand, Rows, StepRow, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// The scan. Inputs: `x` and `dt`, `[tokens, channels]`, and B and C side by side, `[tokens, 2 · state_size]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectiveScan {
    /// Which state of the graph has h: `[channels, state_size]`, zeros before the sequence.
    pub state: usize,
    /// Index of the vector a_log, or A, in the graph: `[channels, state_size]`.
    pub a: usize,
    /// Whether it is a_log.
    pub a_is_log: bool,
    /// Index of the vector D in the graph: `[channels]`.
    pub d: usize,
    /// Values of a channel's state.
    pub state_size: u32,
}

impl SelectiveScan {
    /// CPU reference, in f64 within a position. → `[rows, channels]`.
    pub fn reference(
        &self,
        state: &mut CpuState,
        [x, dt, bc]: [&Rows; 3],
        (a, d): (&[f32], &[f32]),
        rows: &[StepRow],
    ) -> Rows {
        let n = self.state_size as usize;
        let mut y = Rows::zeros(x.len(), x.width);
        for (i, row) in rows.iter().enumerate() {
            let mut h = match row.position {
                0 => vec![0.0; x.width * n],
                position => state.at(row.slot, position - 1).to_vec(),
            };
            let (b, c) = bc.row(i).split_at(n);
            for (channel, skip) in d.iter().enumerate().take(x.width) {
                let (input, step) = (f64::from(x.row(i)[channel]), softplus(f64::from(dt.row(i)[channel])));
                let mut sum = f64::from(*skip) * input;
                for j in 0..n {
                    let at = channel * n + j;
                    let rate = if self.a_is_log { -f64::from(a[at]).exp() } else { f64::from(a[at]) };
                    let value = (rate * step).exp() * f64::from(h[at]) + step * f64::from(b[j]) * input;
                    sum += value * f64::from(c[j]);
                    h[at] = value as f32;
                }
                y.row_mut(i)[channel] = sum as f32;
            }
            state.at(row.slot, row.position).copy_from_slice(&h);
        }
        y
    }

    /// GPU lowering: rows go by in order, channels at once.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        state: &GpuState,
        [x, dt, bc]: [&Operand; 3],
        (a, d): (&Rc<GpuBuffer>, &Rc<GpuBuffer>),
        y: &Operand,
    ) -> Vec<DispatchSpec> {
        let params = Params {
            channels: x.width,
            state_size: self.state_size,
            positions: state.positions,
            state_stride: (x.width * self.state_size).next_multiple_of(4),
            x_stride: x.stride,
            x_offset: x.offset,
            dt_stride: dt.stride,
            dt_offset: dt.offset,
            bc_stride: bc.stride,
            bc_offset: bc.offset,
            y_stride: y.stride,
            y_offset: y.offset,
            a_is_log: u32::from(self.a_is_log),
            pad: [0; 3],
        };
        let buffers = vec![
            Rc::clone(ctx.step),
            Rc::clone(&x.buffer),
            Rc::clone(&dt.buffer),
            Rc::clone(&bc.buffer),
            Rc::clone(a),
            Rc::clone(d),
            Rc::clone(&state.buffer),
            Rc::clone(&y.buffer),
        ];
        let groups = x.width.div_ceil(32);
        let grid = Box::new(move |_: &StepShape| [groups, 1, 1]);
        let mut spec = dispatch(label, KernelSpec::new("selective_scan"), &params, buffers, grid);
        // An exponential counts as some multiplications.
        let macs = 8 * u64::from(x.width) * u64::from(self.state_size);
        spec.work = Box::new(move |s| macs * u64::from(s.n_rows));
        vec![spec]
    }
}

fn softplus(x: f64) -> f64 {
    if x > 30.0 { x } else { x.exp().ln_1p() }
}

params! {
    pub(super) struct Params {
        channels: u32,
        state_size: u32,
        positions: u32,
        state_stride: u32,
        x_stride: u32,
        x_offset: u32,
        dt_stride: u32,
        dt_offset: u32,
        bc_stride: u32,
        bc_offset: u32,
        y_stride: u32,
        y_offset: u32,
        a_is_log: u32,
        pad: [u32; 3],
    }
}
