//! The id of the largest logit; the lowest id wins a tie.

use std::rc::Rc;

use super::{Operand, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec};

/// Slices that a row is scanned in.
pub const SLICES: u32 = 512;
/// Bytes of one result on the GPU: (id, bits of the logit, 1 if a logit was not finite, 0).
pub const RESULT_BYTES: u64 = 16;

/// CPU reference. `None` if a logit is not finite.
pub fn reference(logits: &[f32]) -> Option<u32> {
    let mut best = 0;
    for (i, value) in logits.iter().enumerate() {
        if !value.is_finite() {
            return None;
        }
        if *value > logits[best] {
            best = i;
        }
    }
    Some(best as u32)
}

/// GPU lowering. `slices: [rows, SLICES]` and `chosen: [rows]` hold results of `RESULT_BYTES`.
pub fn lower(x: &Operand, slices: &Rc<GpuBuffer>, chosen: &Rc<GpuBuffer>) -> Vec<DispatchSpec> {
    let scan = ScanParams { vocab_size: x.width, x_stride: x.stride, slices: SLICES, pad: 0 };
    let best = BestParams { slices: SLICES, pad: [0; 3] };
    let (rows, rows2) = (x.clone(), x.clone());
    vec![
        dispatch(
            "argmax",
            KernelSpec::new("argmax"),
            &scan,
            vec![Rc::clone(&x.buffer), Rc::clone(slices)],
            Box::new(move |s| [SLICES / 32, rows.rows_of(s), 1]),
        ),
        dispatch(
            "argmax",
            KernelSpec::new("argmax_slices").constant("WORKGROUP", 32),
            &best,
            vec![Rc::clone(slices), Rc::clone(chosen)],
            Box::new(move |s| [rows2.rows_of(s), 1, 1]),
        ),
    ]
}

params! {
    pub(super) struct ScanParams {
        vocab_size: u32,
        x_stride: u32,
        slices: u32,
        pad: u32,
    }
}

params! {
    pub(super) struct BestParams {
        slices: u32,
        pad: [u32; 3],
    }
}
