//! RWKV-4's attention (Peng et al. 2023, eq. 14 and appendix D): an average of values, weighted by keys that decay from token to
//! token, channel by channel. Numerator and denominator are kept divided by the exponential of their largest exponent.

use std::rc::Rc;

use super::{CpuState, GpuState, Lowering, Operand, Rows, StepRow, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// The largest exponent before the sequence.
const LOWEST: f32 = -1e38;

/// The average. Inputs: `k` and `v`.
#[derive(Clone, Debug, PartialEq)]
pub struct Wkv {
    /// Which state of the graph has numerators, denominators and largest exponents: `[3, channels]`.
    pub state: usize,
    /// Index of the vector `w` in the graph, of which `−exp(w)` is what exponents lose from token to token: `[channels]`.
    pub decay: usize,
    /// Index of the vector that a token adds to its own key: `[channels]`.
    pub first: usize,
}

impl Wkv {
    /// CPU reference, in f64 within a position. `k, v: [rows, channels]` → the same.
    pub fn reference(
        &self,
        state: &mut CpuState,
        [k, v]: [&Rows; 2],
        (decay, first): (&[f32], &[f32]),
        rows: &[StepRow],
    ) -> Rows {
        let n = k.width;
        let mut y = Rows::zeros(k.len(), n);
        for (i, row) in rows.iter().enumerate() {
            let mut kept = match row.position {
                0 => [vec![0.0; 2 * n], vec![LOWEST; n]].concat(),
                position => state.at(row.slot, position - 1).to_vec(),
            };
            for c in 0..n {
                let [numerator, denominator, largest] = [0, 1, 2].map(|part| f64::from(kept[part * n + c]));
                let (key, value) = (f64::from(k.row(i)[c]), f64::from(v.row(i)[c]));
                // Of what came before and of the token itself.
                let parts = |before: f64, own: f64| {
                    let most = before.max(own);
                    (most, (before - most).exp(), (own - most).exp())
                };
                let (_, before, own) = parts(largest, key + f64::from(first[c]));
                y.row_mut(i)[c] = ((before * numerator + own * value) / (before * denominator + own)) as f32;
                let (most, before, own) = parts(largest - f64::from(decay[c]).exp(), key);
                kept[c] = (before * numerator + own * value) as f32;
                kept[n + c] = (before * denominator + own) as f32;
                kept[2 * n + c] = most as f32;
            }
            state.at(row.slot, row.position).copy_from_slice(&kept);
        }
        y
    }

    /// GPU lowering: rows go by in order, channels at once.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        state: &GpuState,
        [k, v]: [&Operand; 2],
        (decay, first): (&Rc<GpuBuffer>, &Rc<GpuBuffer>),
        y: &Operand,
    ) -> Vec<DispatchSpec> {
        let params = Params {
            channels: k.width,
            positions: state.positions,
            state_stride: (3 * k.width).next_multiple_of(4),
            k_stride: k.stride,
            k_offset: k.offset,
            v_stride: v.stride,
            v_offset: v.offset,
            y_stride: y.stride,
            y_offset: y.offset,
            pad: [0; 3],
        };
        let buffers = vec![
            Rc::clone(ctx.step),
            Rc::clone(&k.buffer),
            Rc::clone(&v.buffer),
            Rc::clone(decay),
            Rc::clone(first),
            Rc::clone(&state.buffer),
            Rc::clone(&y.buffer),
        ];
        let groups = k.width.div_ceil(32);
        let grid = Box::new(move |_: &StepShape| [groups, 1, 1]);
        let mut spec = dispatch(label, KernelSpec::new("wkv"), &params, buffers, grid);
        // An exponential counts as some multiplications.
        let macs = 32 * u64::from(k.width);
        spec.work = Box::new(move |s| macs * u64::from(s.n_rows));
        vec![spec]
    }
}

params! {
    pub(super) struct Params {
        channels: u32,
        positions: u32,
        state_stride: u32,
        k_stride: u32,
        k_offset: u32,
        v_stride: u32,
        v_offset: u32,
        y_stride: u32,
        y_offset: u32,
        pad: [u32; 3],
    }
}
