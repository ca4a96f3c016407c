//! An encoder on the GPU: it reads a whole text in one step, since each row looks at all the others.

use std::rc::Rc;

use super::pace::Pace;
use super::planned::{PlannedEncoder, Tables};
use super::step;
use crate::error::{Error, Result};
use crate::gpu::{Draw, Gpu, GpuBuffer, Usage};
use crate::graph::lower::Lowered;
use crate::graph::weights::GpuWeights;
use crate::ops::StepRow;
use crate::ops::pool::POOLED_ROWS;
use crate::weights::Cancel;

/// An encoder, or the half of a model that is one.
pub(super) struct Encoder {
    lowered: Lowered,
    step: Rc<GpuBuffer>,
    capacity: usize,
    pace: Pace,
}

impl Encoder {
    pub(super) fn new(gpu: &Gpu, planned: PlannedEncoder) -> Result<Self> {
        let PlannedEncoder { planned, step, capacity } = planned;
        let pace = Pace::new(gpu.capabilities().is_fallback);
        Ok(Self { lowered: planned.record(gpu)?, step, capacity, pace })
    }

    /// Submits the reading of a text.
    pub(super) async fn read(&mut self, gpu: &Gpu, rows: &[StepRow], cancel: &Cancel) -> Result<()> {
        if rows.is_empty() || rows.len() > self.capacity {
            return Err(Error::internal(format!("a text of {} tokens for an encoder", rows.len())));
        }
        let shape = step::write(gpu, &self.step, rows, POOLED_ROWS as usize, rows.len() as u32, Draw::Nothing);
        self.pace.run(gpu, &self.lowered.recording, &shape, None, cancel).await
    }
}

/// A model that is an encoder.
pub struct GpuEncoder {
    gpu: Rc<Gpu>,
    encoder: Encoder,
    readback: GpuBuffer,
    _tables: Tables,
    _weights: GpuWeights,
}

impl GpuEncoder {
    pub(super) fn new(gpu: Rc<Gpu>, planned: PlannedEncoder, tables: Tables, weights: GpuWeights) -> Result<Self> {
        tables.write(&gpu, &weights);
        let encoder = Encoder::new(&gpu, planned)?;
        let bytes = u64::from(POOLED_ROWS * encoder.lowered.logits.stride) * 4;
        let readback = gpu.create_buffer("pooled.readback", bytes, Usage::Readback);
        gpu.check()?;
        Ok(Self { gpu, encoder, readback, _tables: tables, _weights: weights })
    }

    /// What a text comes to: `[2, hidden_size]`.
    pub(super) async fn pooled(&mut self, rows: &[StepRow], cancel: &Cancel) -> Result<Vec<f32>> {
        self.encoder.read(&self.gpu, rows, cancel).await?;
        step::read_rows(&self.gpu, &self.encoder.lowered.logits, &self.readback, POOLED_ROWS as usize).await
    }
}
