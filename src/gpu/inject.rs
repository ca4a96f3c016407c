//! Faults that tests bring about: at a chosen operation (a buffer made, bytes written, work submitted, something read back), and in
//! the text of kernels.

use std::cell::{Cell, RefCell};

use super::device::Gpu;

type Act = Box<dyn FnOnce(&Gpu)>;
type Rewrite = Box<dyn Fn(&str, String) -> String>;

/// Counts operations, and acts at one of them; changes kernels.
#[derive(Default)]
pub(super) struct Injector {
    n_operations: Cell<u64>,
    act: RefCell<Option<(u64, Act)>>,
    n_allocations: Cell<u64>,
    deny_at: Cell<Option<u64>>,
    /// A buffer found no room, and nobody has looked since.
    pub(super) denied: Cell<bool>,
    /// Whether a scope is around what is being done, which will look.
    pub(super) in_scope: Cell<bool>,
    rewrite: RefCell<Option<Rewrite>>,
}

impl std::fmt::Debug for Injector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Injector").field("n_operations", &self.n_operations).finish_non_exhaustive()
    }
}

impl Injector {
    /// The text of a kernel, as it is to be compiled.
    pub(super) fn rewritten(&self, label: &str, wgsl: String) -> String {
        match &*self.rewrite.borrow() {
            Some(rewrite) => rewrite(label, wgsl),
            None => wgsl,
        }
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

    /// The `n`-th buffer from now on finds no room, counted from 1: the scope around it, or else the next look, is told so as by
    /// the device.
    pub fn deny_allocation(&self, n: u64) {
        self.injector.deny_at.set(Some(self.injector.n_allocations.get() + n));
    }

    /// Whether the buffer of [`Gpu::deny_allocation`] is still to come. It never will from here on.
    pub fn forget_allocation(&self) -> bool {
        self.injector.deny_at.take().is_some()
    }

    /// From now on kernels, by their label, are compiled from what `rewrite` makes of their WGSL.
    pub fn rewrite_kernels(&self, rewrite: impl Fn(&str, String) -> String + 'static) {
        self.injector.rewrite.replace(Some(Box::new(rewrite)));
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

    /// One more buffer.
    pub(super) fn allocation(&self) {
        self.operation();
        let n = self.injector.n_allocations.get() + 1;
        self.injector.n_allocations.set(n);
        if self.injector.deny_at.get() == Some(n) {
            self.injector.deny_at.set(None);
            self.injector.denied.set(true);
        }
    }
}
