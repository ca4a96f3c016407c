//! A model on the GPU: its recordings, and the steps in flight.

use std::collections::VecDeque;
use std::rc::Rc;

use super::adapted::{AdapterSet, MAX_SETS, Makings, Recordings};
use super::gpu_encoder::Encoder;
use super::pace::Pace;
use super::planned::{PlannedDecoder, PlannedEncoder, Tables};
use super::{MAX_OUTPUTS, PREFILL_ROWS, non_finite, step};
use crate::error::{Error, Result};
use crate::gpu::{Copy, Draw, Gpu, GpuBuffer, PendingRead, Recording, StepShape, Usage};
use crate::graph::lower::Lowered;
use crate::graph::weights::GpuWeights;
use crate::graph::{Adapter, Graph};
use crate::ops::StepRow;
use crate::ops::sample::{self, Drawn, RESULT_BYTES, RING, Sampling};
use crate::sampler::SamplerOptions;
use crate::weights::Cancel;

/// Tokens that are computed before the CPU has seen the one before them, at most.
pub(crate) const MAX_AHEAD: usize = 4;

/// A step whose drawn token is on its way.
struct Pending {
    read: PendingRead,
    /// Which of the read-back buffers it takes.
    readback: usize,
    /// The step's last row.
    slot: u32,
    position: u32,
}

/// A model on the GPU.
pub struct GpuModel {
    gpu: Rc<Gpu>,
    /// Without adapters.
    own: Recordings,
    makings: Makings,
    /// With adapters, the one used longest ago first.
    sets: Vec<AdapterSet>,
    /// Whether the last of them is in use.
    adapted: bool,
    step: Rc<GpuBuffer>,
    sampling: Sampling,
    draw: Draw,
    pace: Pace,
    /// Steps in flight, oldest first: each draws the token that the next one runs.
    pending: VecDeque<Pending>,
    /// The row that the oldest of them computes, if what was drawn before it is what the caller goes on with.
    expected: Option<StepRow>,
    /// Steps to keep in flight beside the one that is waited for.
    ahead: usize,
    /// Whether `ahead` is fixed.
    ahead_is_fixed: bool,
    readbacks: Vec<GpuBuffer>,
    logits_readback: GpuBuffer,
    /// What reads the prompt, where a decoder only answers, and how many tokens it has read.
    encoder: Option<Encoder>,
    source_length: u32,
    tables: Tables,
    /// Each layer's state, and a copy of it.
    states: Vec<[Rc<GpuBuffer>; 2]>,
    weights: GpuWeights,
}

impl GpuModel {
    /// A model whose weights have come. `run_ahead` fixes how many tokens are computed before the CPU has seen the one before
    /// them.
    ///
    /// # Errors
    /// `gpu`.
    pub(super) fn new(
        gpu: Rc<Gpu>,
        planned: PlannedDecoder,
        encoder: Option<PlannedEncoder>,
        (tables, weights): (Tables, GpuWeights),
        run_ahead: Option<usize>,
    ) -> Result<Self> {
        let PlannedDecoder { decode, prefill, step, sampling, states, makings } = planned;
        tables.write(&gpu, &weights);
        let encoder = encoder.map(|planned| Encoder::new(&gpu, planned)).transpose()?;
        let own = Recordings::new(&gpu, [decode, prefill])?;
        let logits_bytes = MAX_OUTPUTS as u64 * u64::from(own.prefill.logits.stride) * 4;
        let readback = |i| gpu.create_buffer(&format!("drawn.readback.{i}"), RESULT_BYTES, Usage::Readback);
        let readbacks = (0..=MAX_AHEAD).map(readback).collect();
        let logits_readback = gpu.create_buffer("logits.readback", logits_bytes, Usage::Readback);
        gpu.check()?;
        Ok(Self {
            pace: Pace::new(gpu.capabilities().is_fallback),
            gpu,
            own,
            makings,
            sets: Vec::new(),
            adapted: false,
            step,
            sampling,
            draw: Draw::Nothing,
            pending: VecDeque::new(),
            expected: None,
            ahead: run_ahead.unwrap_or(1).min(MAX_AHEAD),
            ahead_is_fixed: run_ahead.is_some(),
            readbacks,
            logits_readback,
            encoder,
            source_length: 0,
            tables,
            states,
            weights,
        })
    }

    /// The device.
    pub fn gpu(&self) -> &Rc<Gpu> {
        &self.gpu
    }

    /// The graph that recordings were made of, without adapters.
    pub(super) fn graph(&self) -> &Rc<Graph> {
        &self.makings.graph
    }

    /// Takes these adapters, with their scales, in the place of those that were there. What is made for a set of them is kept.
    pub(super) async fn use_adapters(&mut self, adapters: &[(Rc<Adapter>, f32)]) -> Result<()> {
        // What is in flight is not what the caller goes on with.
        self.expected = None;
        self.adapted = false;
        if adapters.is_empty() {
            return Ok(());
        }
        let set = match self.sets.iter().position(|set| set.is_of(adapters)) {
            Some(i) => self.sets.remove(i),
            None => {
                let Self { gpu, makings, weights, tables, step, sampling, own, .. } = self;
                let adapters = adapters.iter().map(|(adapter, _)| Rc::clone(adapter)).collect();
                AdapterSet::new(gpu, makings, (weights, tables), (step, sampling), own, adapters).await?
            }
        };
        if self.sets.len() == MAX_SETS {
            self.sets.remove(0);
        }
        self.sets.push(set);
        // In the queue behind the steps in flight, which ran with other scales.
        for (adapter, scale) in adapters {
            adapter.write_scale(&self.gpu, *scale)?;
        }
        self.adapted = true;
        Ok(())
    }

    /// Frees what was made for sets with this adapter.
    pub(super) fn forget_adapter(&mut self, adapter: &Rc<Adapter>) {
        let in_use = self
            .sets
            .last()
            .filter(|_| self.adapted)
            .is_some_and(|set| set.adapters.iter().any(|a| Rc::ptr_eq(a, adapter)));
        self.adapted &= !in_use;
        self.sets.retain(|set| !set.adapters.iter().any(|a| Rc::ptr_eq(a, adapter)));
    }

    fn recordings(&self) -> &Recordings {
        self.sets.last().filter(|_| self.adapted).map_or(&self.own, |set| &set.recordings)
    }

    pub(super) fn has_states(&self) -> bool {
        !self.states.is_empty()
    }

    pub(super) fn keep_states(&self) {
        self.gpu.copy_all(self.states.iter().map(|[state, kept]| (&**state, &**kept)));
    }

    pub(super) fn restore_states(&mut self) {
        // What is in flight is not what the caller goes on with.
        self.expected = None;
        self.gpu.copy_all(self.states.iter().map(|[state, kept]| (&**kept, &**state)));
    }

    pub(super) fn long_from(&self) -> Option<u32> {
        self.tables.rope.long_from()
    }

    pub(super) fn use_rope_tables(&self, long: bool) {
        self.tables.rope.write(&self.gpu, &self.weights, long);
    }

    /// Writes a step that the caller submits itself.
    pub(super) async fn prepare(&mut self, rows: &[StepRow], n_outputs: usize, draw: Draw) -> Result<StepShape> {
        self.forget_pending().await?;
        self.write_rows(rows, n_outputs, draw)
    }

    pub(super) fn recording_for(&self, shape: &StepShape) -> &Recording {
        &self.lowered(shape).recording
    }

    pub(super) fn decode_labels(&self) -> Vec<String> {
        self.recordings().decode.recording.labels().to_vec()
    }

    pub(super) fn begin(&mut self, options: &SamplerOptions, history: &[u32]) -> bool {
        self.draw = sample::draw_of(options);
        if self.draw != Draw::Nothing {
            // In the queue behind the steps in flight, which were drawn otherwise.
            self.sampling.set(&self.gpu, options, history);
        }
        self.expected = None;
        self.draw != Draw::Nothing
    }

    pub(super) fn allow(&self, mask: &[u32]) {
        self.sampling.allow(&self.gpu, mask);
    }

    pub(super) async fn feed(&mut self, rows: &[StepRow], cancel: &Cancel) -> Result<()> {
        self.forget_pending().await?;
        let shape = self.write_rows(rows, 0, Draw::Nothing)?;
        self.run(&shape, None, cancel).await?;
        self.gpu.done().await
    }

    pub(super) async fn draw(&mut self, rows: &[StepRow], ahead: usize, cancel: &Cancel) -> Result<Drawn> {
        let StepRow { slot, position: mut last, .. } = rows[rows.len() - 1];
        if rows.len() == 1 && self.expected == Some(rows[0]) {
            // The GPU has the row already: it drew its token.
            last = self.pending.back().map_or(last - 1, |newest| newest.position);
        } else {
            self.forget_pending().await?;
            let shape = self.write_rows(rows, 1, self.draw)?;
            self.run(&shape, Some(last), cancel).await?;
            self.wait_for(slot, last);
        }
        while self.pending.len() <= self.ahead.min(ahead) {
            last += 1;
            let (kv_length, source_length) = (last + 1, self.source_length);
            let shape = StepShape { n_rows: 1, n_outputs: 1, kv_length, source_length, draw: self.draw };
            self.submit_all(&shape, last);
            self.wait_for(slot, last);
        }
        let Some(oldest) = self.pending.pop_front() else { return Err(Error::internal("nothing is in flight")) };
        let bytes = self.gpu.finish_read(&self.readbacks[oldest.readback], oldest.read).await?;
        // If the next one is there already, the GPU had nothing to do meanwhile.
        if !self.ahead_is_fixed && self.pending.front_mut().is_some_and(|next| next.read.is_there()) {
            self.ahead = (self.ahead + 1).min(MAX_AHEAD);
        }
        let drawn = Drawn::read(&bytes);
        self.expected = None;
        match drawn {
            Drawn::NonFinite => return Err(non_finite()),
            Drawn::OnCpu => {}
            Drawn::Token(token) => {
                self.expected = Some(StepRow { token, slot: oldest.slot, position: oldest.position + 1 });
            }
        }
        Ok(drawn)
    }

    pub(super) async fn logits(&mut self, rows: &[StepRow], n_outputs: usize, cancel: &Cancel) -> Result<Vec<f32>> {
        self.forget_pending().await?;
        let shape = self.write_rows(rows, n_outputs, Draw::Nothing)?;
        self.run(&shape, None, cancel).await?;
        step::read_rows(&self.gpu, &self.lowered(&shape).logits, &self.logits_readback, n_outputs).await
    }

    /// Reads the text that is to be answered.
    pub(super) async fn read_source(&mut self, rows: &[StepRow], cancel: &Cancel) -> Result<()> {
        self.forget_pending().await?;
        let Some(encoder) = &mut self.encoder else { return Err(Error::internal("the model has no encoder")) };
        self.source_length = rows.len() as u32;
        encoder.read(&self.gpu, rows, cancel).await
    }

    pub(super) fn has_encoder(&self) -> bool {
        self.encoder.is_some()
    }

    fn write_rows(&self, rows: &[StepRow], n_outputs: usize, draw: Draw) -> Result<StepShape> {
        if rows.is_empty() || rows.len() > PREFILL_ROWS || n_outputs > MAX_OUTPUTS.min(rows.len()) {
            return Err(Error::internal(format!("a step of {} rows with {n_outputs} outputs", rows.len())));
        }
        Ok(step::write(&self.gpu, &self.step, rows, n_outputs, self.source_length, draw))
    }

    fn lowered(&self, shape: &StepShape) -> &Lowered {
        let Recordings { decode, prefill } = self.recordings();
        if shape.n_rows == 1 { decode } else { prefill }
    }

    /// Submits a step of which the token after `drawn_at` is read, in slices ([`Pace::run`]).
    async fn run(&mut self, shape: &StepShape, drawn_at: Option<u32>, cancel: &Cancel) -> Result<()> {
        if shape.n_rows == 1 {
            match drawn_at {
                Some(position) => self.submit_all(shape, position),
                None => {
                    let recording = &self.recordings().decode.recording;
                    self.gpu.submit(recording, 0..recording.len(), shape, None);
                }
            }
            return Ok(());
        }
        let copy = drawn_at.map(|position| self.drawn_copy(position));
        let mut pace = self.pace;
        let submitted = pace.run(&self.gpu, &self.recordings().prefill.recording, shape, copy, cancel).await;
        self.pace = pace;
        submitted
    }

    /// Submits a whole decode step and the copy of its token.
    fn submit_all(&self, shape: &StepShape, position: u32) {
        let recording = &self.recordings().decode.recording;
        self.gpu.submit(recording, 0..recording.len(), shape, Some(self.drawn_copy(position)));
    }

    /// The copy of the token after `position` into the next free read-back buffer.
    fn drawn_copy(&self, position: u32) -> Copy<'_> {
        let offset = u64::from((position + 1) % RING) * RESULT_BYTES;
        let readback = &self.readbacks[self.free_readback()];
        Copy { source: &self.sampling.ring, offset, readback, n_bytes: RESULT_BYTES }
    }

    /// A read-back buffer that no step in flight takes; there are more of them than steps.
    fn free_readback(&self) -> usize {
        let taken = |i: &usize| self.pending.iter().any(|pending| pending.readback == *i);
        (0..self.readbacks.len()).find(|i| !taken(i)).unwrap_or_default()
    }

    /// Notes that the step just submitted, whose last row is at `position`, is on its way.
    fn wait_for(&mut self, slot: u32, position: u32) {
        let readback = self.free_readback();
        let read = self.gpu.start_read(&self.readbacks[readback], RESULT_BYTES);
        self.pending.push_back(Pending { read, readback, slot, position });
    }

    /// Waits for steps in flight that nobody goes on with.
    async fn forget_pending(&mut self) -> Result<()> {
        self.expected = None;
        while let Some(pending) = self.pending.pop_front() {
            self.gpu.finish_read(&self.readbacks[pending.readback], pending.read).await?;
        }
        Ok(())
    }
}
