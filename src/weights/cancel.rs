//! Cancelling: one flag that any number of futures can wait for. On the web it is the caller's `AbortSignal`.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::{Error, Result};

/// Futures that wait for a condition which somebody else makes true and then announces with [`Signal::wake`].
///
/// Everything here lives on one thread, so a condition is a plain closure over cells.
#[derive(Default)]
pub(crate) struct Signal {
    wakers: RefCell<Vec<Waker>>,
}

impl Signal {
    /// Waits until `ready` gives a value; it is asked again after each [`Signal::wake`].
    pub(crate) async fn until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        poll_fn(|context| {
            if let Some(value) = ready() {
                return Poll::Ready(value);
            }
            let mut wakers = self.wakers.borrow_mut();
            if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                wakers.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Lets every waiting future ask again.
    pub(crate) fn wake(&self) {
        let wakers = self.wakers.take();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A cancel flag; clones share it.
#[derive(Clone, Default)]
pub struct Cancel {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    cancelled: Cell<bool>,
    signal: Signal,
}

impl Cancel {
    /// A flag that nobody has set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag, for good.
    pub fn cancel(&self) {
        self.shared.cancelled.set(true);
        self.shared.signal.wake();
    }

    /// Whether the flag is set.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.get()
    }

    /// Ok until the flag is set.
    ///
    /// # Errors
    /// `Aborted` afterwards.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::aborted()) } else { Ok(()) }
    }

    /// Waits until the flag is set.
    pub async fn cancelled(&self) {
        self.shared.signal.until(|| self.is_cancelled().then_some(())).await;
    }

    /// Runs `work` until it ends or the flag is set, in which case `work` is dropped where it stands.
    ///
    /// # Errors
    /// `Aborted` if the flag is set first, otherwise what `work` returns.
    pub async fn race<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.check()?;
        let mut work = pin!(work);
        let mut cancelled = pin!(self.cancelled());
        poll_fn(|context| {
            if cancelled.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(Error::aborted()));
            }
            work.as_mut().poll(context)
        })
        .await
    }
}
