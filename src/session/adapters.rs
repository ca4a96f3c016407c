//! Which adapters a sequence runs with. Keys and values are theirs that made them.

use std::rc::Rc;

use super::Session;
use crate::backend::Adapter;
use crate::error::{Error, ErrorKind, Result};

/// Adapters of one request at most.
const MAX_ADAPTERS: usize = 8;

/// An adapter of a request, and how strongly it counts: 1 as it was trained, 0 not at all.
#[derive(Clone)]
pub struct AdapterUse {
    /// The adapter.
    pub adapter: Rc<Adapter>,
    /// Factor on what it adds.
    pub scale: f32,
}

impl std::fmt::Debug for AdapterUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdapterUse").field("scale", &self.scale).finish_non_exhaustive()
    }
}

impl Session {
    /// Runs what comes with these adapters only. If they are not the ones before, or are scaled otherwise, nothing is cached then;
    /// for adapters that were used together before nothing is made.
    ///
    /// # Errors
    /// `bad_argument` for a scale that is not finite, an adapter that is named twice, more than eight, or one of another model;
    /// `unloaded` for one that was unloaded; `out_of_memory`, `device_lost`, `gpu`.
    pub async fn use_adapters(&mut self, adapters: &[AdapterUse]) -> Result<()> {
        check(adapters)?;
        for AdapterUse { adapter, .. } in adapters {
            if !self.backend.adaptable().is_ok_and(|graph| Rc::ptr_eq(&graph, adapter.graph())) {
                return Err(Error::bad_argument("adapters", "the adapter was loaded for another model"));
            }
        }
        let on = |used: &&AdapterUse| used.scale != 0.0;
        let wanted: Vec<_> = adapters.iter().filter(on).map(|used| (Rc::clone(&used.adapter), used.scale)).collect();
        let mut pairs = wanted.iter().zip(&self.adapters);
        if wanted.len() == self.adapters.len() && pairs.all(|(a, b)| Rc::ptr_eq(&a.0, &b.0) && a.1 == b.1) {
            return Ok(());
        }
        self.adapters.clear();
        self.reset();
        self.backend.use_adapters(&wanted).await?;
        self.adapters = wanted;
        Ok(())
    }

    /// Forgets an adapter and what was made to use it. Its memory is free once no request has it either.
    pub fn forget_adapter(&mut self, adapter: &Rc<Adapter>) {
        adapter.unload();
        if self.adapters.iter().any(|(other, _)| Rc::ptr_eq(other, adapter)) {
            self.adapters.clear();
            self.reset();
        }
        self.backend.forget_adapter(adapter);
    }
}

fn check(adapters: &[AdapterUse]) -> Result<()> {
    if adapters.len() > MAX_ADAPTERS {
        let message = format!("{} adapters in one request; {MAX_ADAPTERS} are the limit", adapters.len());
        return Err(Error::bad_argument("adapters", message));
    }
    for (i, AdapterUse { adapter, scale }) in adapters.iter().enumerate() {
        if adapter.is_unloaded() {
            return Err(Error::new(ErrorKind::Unloaded, "the adapter was unloaded; load it again"));
        }
        if !scale.is_finite() {
            return Err(Error::bad_argument("adapters", format!("a scale must be a finite number, not {scale}")));
        }
        if adapters[..i].iter().any(|other| Rc::ptr_eq(&other.adapter, adapter)) {
            return Err(Error::bad_argument("adapters", "one adapter is named twice; add its scales"));
        }
    }
    Ok(())
}
