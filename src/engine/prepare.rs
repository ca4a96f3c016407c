//! The choice of kernels for a model, and the model planned with them and compiled.

use crate::backend::PlannedModel;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Gpu, is_of_kernel};
use crate::graph::Graph;
use crate::graph::weights::GpuWeights;
use crate::ops::KvFormat;
use crate::tune::{Role, Trial, Tuning, Wanted, agrees, others, tune};

/// What a model is planned of.
pub(super) struct Preparing<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) graph: &'a Graph,
    pub(super) weights: &'a GpuWeights,
    pub(super) context: u32,
    pub(super) kv: KvFormat,
    pub(super) wanted: &'a Wanted<'a>,
}

/// A model whose kernels are compiled.
pub(super) struct Prepared {
    pub(super) planned: PlannedModel,
    pub(super) tuning: Tuning,
    /// Milliseconds that the choice took, and the rest.
    pub(super) millis: [f64; 2],
}

impl Preparing<'_> {
    /// Takes the kernels that were chosen before, or chooses; where one does not compile, others stand in for it. `planned` is the
    /// model as `expected` has it.
    ///
    /// # Errors
    /// What [`tune`] gives; `gpu` with `kernel` if a kernel does not compile and nothing stands in for it; `out_of_memory`,
    /// `device_lost`.
    pub(super) async fn prepare(
        &self,
        planned: PlannedModel,
        expected: &Tuning,
        known: Option<Tuning>,
    ) -> Result<Prepared> {
        let Self { gpu, wanted, kv, .. } = *self;
        let started = gpu.now_ms();
        let was_known = known.is_some();
        let mut tuning = match known {
            Some(tuning) => tuning,
            None => tune(gpu, &Wanted { used: Some(&planned.kernels()), ..*wanted }).await?,
        };
        let tuned = gpu.now_ms();
        let mut planned = match tuning.variants(kv) {
            variants if variants == expected.variants(kv) => planned,
            _ => {
                drop(planned);
                self.plan(&tuning).await?
            }
        };
        match gpu.compile(&planned.kernels()).await {
            Err(error) if is_of_kernel(&error) => {
                drop(planned);
                (planned, tuning) = self.replace(&tuning, was_known, error).await?;
            }
            compiled => compiled?,
        }
        Ok(Prepared { planned, tuning, millis: [tuned - started, gpu.now_ms() - tuned] })
    }

    async fn plan(&self, tuning: &Tuning) -> Result<PlannedModel> {
        PlannedModel::new(self.gpu, self.graph, self.weights, self.context, tuning.variants(self.kv)).await
    }

    /// The model with the first other choice whose kernels all compile and are right; `error` if there is none.
    async fn replace(&self, broken: &Tuning, was_known: bool, error: Error) -> Result<(PlannedModel, Tuning)> {
        let Self { gpu, wanted, .. } = *self;
        let mut choices = others(gpu.capabilities(), wanted, broken);
        if was_known {
            choices.insert(0, tune(gpu, wanted).await?);
        }
        let role = |other: &Tuning| Role::ALL.into_iter().find(|role| role.variant(other) != role.variant(broken));
        for mut other in choices {
            let Some(role) = role(&other) else { continue };
            let planned = match self.plan(&other).await {
                Err(error) if error.kind() == ErrorKind::OutOfMemory => continue,
                planned => planned?,
            };
            // Most kernels are the same whatever is chosen: to try other choices in vain takes long.
            if gpu.has_broken(&planned.kernels()) || !agrees(gpu, wanted, &other).await? {
                continue;
            }
            match gpu.compile(&planned.kernels()).await {
                Err(error) if is_of_kernel(&error) => continue,
                compiled => compiled?,
            }
            if other.tried.is_empty() {
                other.tried.clone_from(&broken.tried);
            }
            let trial =
                |of: &Tuning, right| Trial { role, variant: role.variant(of), right, error: None, micros: None };
            other.tried.extend([trial(broken, false), trial(&other, true)]);
            return Ok((planned, other));
        }
        Err(error)
    }
}
