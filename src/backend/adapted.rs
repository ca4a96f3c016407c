//! Recordings of a model with adapters, over the same weights and caches as its own.

use std::rc::Rc;

use super::planned::{Planning, Tables};
use crate::error::Result;
use crate::gpu::{Gpu, GpuBuffer};
use crate::graph::adapter::adapt;
use crate::graph::lower::{Lowered, Planned};
use crate::graph::weights::GpuWeights;
use crate::graph::{Adapter, Graph};
use crate::ops::sample::Sampling;
use crate::ops::{GpuKvLayer, GpuState, Variants};

/// Sets of adapters whose recordings are kept; beyond it the one that was used longest ago goes.
pub(super) const MAX_SETS: usize = 8;

/// What the recordings of a decoder are made with, kept for sets of adapters to come.
pub(super) struct Makings {
    pub(super) graph: Rc<Graph>,
    pub(super) caches: Vec<GpuKvLayer>,
    pub(super) states: Vec<GpuState>,
    pub(super) variants: Variants,
}

/// The recordings of a decoder.
pub(super) struct Recordings {
    pub(super) decode: Lowered,
    pub(super) prefill: Lowered,
}

impl Recordings {
    pub(super) fn new(gpu: &Gpu, [decode, prefill]: [Planned; 2]) -> Result<Self> {
        Ok(Self { decode: decode.record(gpu)?, prefill: prefill.record(gpu)? })
    }
}

/// A set of adapters, in order, and the recordings with them.
pub(super) struct AdapterSet {
    pub(super) adapters: Vec<Rc<Adapter>>,
    pub(super) recordings: Recordings,
}

impl AdapterSet {
    /// Makes the recordings with `adapters`. Values are where those of `own` are, the recordings without.
    pub(super) async fn new(
        gpu: &Gpu,
        makings: &Makings,
        (weights, tables): (&GpuWeights, &Tables),
        (step, sampling): (&Rc<GpuBuffer>, &Sampling),
        own: &Recordings,
        adapters: Vec<Rc<Adapter>>,
    ) -> Result<Self> {
        let Makings { graph, caches, states, variants } = makings;
        let plans: Vec<_> = adapters.iter().map(|adapter| adapter.plan()).collect();
        let (graph, weights) = (adapt(graph, &plans), weights.with_adapters(&adapters)?);
        let planning = Planning { gpu, graph: &graph, weights: &weights, caches, tables, variants: *variants };
        let rooms = [&own.decode.room, &own.prefill.room];
        let planned = planning.steps((step, sampling), states, rooms).await?;
        let kernels: Vec<_> = planned.iter().flat_map(Planned::kernels).cloned().collect();
        gpu.compile(&kernels).await?;
        let make = || Recordings::new(gpu, planned);
        let recordings = gpu.guarded("preparing adapters", 0, make).await??;
        Ok(Self { adapters, recordings })
    }

    /// Whether it is of these adapters, in this order.
    pub(super) fn is_of(&self, adapters: &[(Rc<Adapter>, f32)]) -> bool {
        self.adapters.len() == adapters.len() && self.adapters.iter().zip(adapters).all(|(a, (b, _))| Rc::ptr_eq(a, b))
    }
}
