//! Faults that tests bring about at a chosen operation: a buffer made, bytes written, work submitted, something read back.

use std::cell::{Cell, RefCell};

use super::device::Gpu;

type Act = Box<dyn FnOnce(&Gpu)>;

/// Counts operations, and acts at one of them.
#[derive(Default)]
pub(super) struct Injector {
    n_operations: Cell<u64>,
    act: RefCell<Option<(u64, Act)>>,
}

impl std::fmt::Debug for Injector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Injector").field("n_operations", &self.n_operations).finish_non_exhaustive()
    }
}

impl Gpu {
    /// Calls `act` just before the `n`-th operation from now on, counted from 1: it may lose the device ([`Gpu::lose`]), refuse the
    /// operation ([`Gpu::refuse`]), or cancel what is under way.
    pub fn at_operation(&self, n: u64, act: impl FnOnce(&Self) + 'static) {
        let at = self.injector.n_operations.get() + n;
        self.injector.act.replace(Some((at, Box::new(act))));
    }

    /// Whether the operation of [`Gpu::at_operation`] is still to come. It never will from here on.
    pub fn forget_operation(&self) -> bool {
        self.injector.act.take().is_some()
    }

    /// One more operation.
    pub(super) fn operation(&self) {
        let n = self.injector.n_operations.get() + 1;
        self.injector.n_operations.set(n);
        let act = self.injector.act.borrow_mut().take_if(|(at, _)| *at == n);
        if let Some((_, act)) = act {
            act(self);
        }
    }
}
