//! Pausing a download: a flag that readers of the network look at between two pieces.

use std::cell::Cell;
use std::rc::Rc;

use super::cancel::Signal;

/// Whether the caller wants nothing to come over the network for a while; clones share it.
#[derive(Clone, Default)]
pub struct Pause {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    paused: Cell<bool>,
    signal: Signal,
}

impl Pause {
    /// Sets or clears the flag.
    pub fn set(&self, paused: bool) {
        self.shared.paused.set(paused);
        self.shared.signal.wake();
    }

    /// Whether the flag is set.
    pub fn is_set(&self) -> bool {
        self.shared.paused.get()
    }

    /// Waits until the flag is not set.
    pub(super) async fn over(&self) {
        self.shared.signal.until(|| (!self.is_set()).then_some(())).await;
    }
}

impl std::fmt::Debug for Pause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Pause").field(&self.is_set()).finish()
    }
}
