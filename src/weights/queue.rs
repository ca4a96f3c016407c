//! Hands chunks from those who fetch or read them to the one who uses them, and holds the former back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::cancel::Signal;

/// A queue with room for `capacity` items, on one thread.
pub(super) struct Queue<T> {
    items: RefCell<VecDeque<T>>,
    capacity: usize,
    closed: Cell<bool>,
    changed: Signal,
}

impl<T> Queue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let items = RefCell::new(VecDeque::with_capacity(capacity));
        Self { items, capacity, closed: Cell::new(false), changed: Signal::default() }
    }

    /// Waits for room, and puts `item` in.
    pub(super) async fn push(&self, item: T) {
        self.changed.until(|| (self.items.borrow().len() < self.capacity).then_some(())).await;
        self.items.borrow_mut().push_back(item);
        self.changed.wake();
    }

    /// No more items will come.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.changed.wake();
    }

    /// The next item, or `None` when the queue is closed and empty.
    pub(super) async fn pop(&self) -> Option<T> {
        let next = || match self.items.borrow_mut().pop_front() {
            Some(item) => Some(Some(item)),
            None => self.closed.get().then_some(None),
        };
        let item = self.changed.until(next).await;
        self.changed.wake();
        item
    }
}
