//! Taking turns: calls on one engine run one after the other, in the order in which they asked.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use futures_channel::oneshot;

/// A queue for one thing.
#[derive(Clone, Debug, Default)]
pub struct Turns(Rc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    busy: Cell<bool>,
    waiting: RefCell<VecDeque<oneshot::Sender<Turn>>>,
}

impl Turns {
    /// Waits for the turn; dropping it lets the next one go on. A wait that is dropped loses its place, nobody else's.
    pub async fn take(&self) -> Turn {
        if !self.0.busy.replace(true) {
            return Turn(Some(Rc::clone(&self.0)));
        }
        let (sender, receiver) = oneshot::channel();
        self.0.waiting.borrow_mut().push_back(sender);
        // The turn itself is what is sent: one that reaches a wait that was dropped is dropped, and so passed on.
        match receiver.await {
            Ok(turn) => turn,
            Err(oneshot::Canceled) => Turn(Some(Rc::clone(&self.0))),
        }
    }

    /// The turn, if nobody has it.
    pub fn try_take(&self) -> Option<Turn> {
        (!self.0.busy.replace(true)).then(|| Turn(Some(Rc::clone(&self.0))))
    }
}

/// The turn.
#[derive(Debug)]
pub struct Turn(Option<Rc<Queue>>);

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        loop {
            let next = queue.waiting.borrow_mut().pop_front();
            let Some(sender) = next else {
                queue.busy.set(false);
                return;
            };
            match sender.send(Turn(Some(Rc::clone(&queue)))) {
                Ok(()) => return,
                // Nobody waits at that place any more: take the turn back, and on to the next.
                Err(mut turn) => drop(turn.0.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        match std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn turns_go_in_order_and_skip_those_who_left() {
        let turns = Turns::default();
        let mut waits: Vec<_> = (0..4).map(|_| Box::pin(turns.take())).collect();
        let first = poll(&mut waits[0]).expect("free");
        for wait in &mut waits[1..] {
            assert!(poll(wait).is_none());
        }
        drop(waits.remove(1));
        drop(first);
        assert!(poll(&mut waits[2]).is_none(), "not before the one in front");
        let second = poll(&mut waits[1]).expect("its turn");
        drop(second);
        // Granted, but dropped before it was looked at.
        drop(waits.remove(2));
        assert!(poll(&mut Box::pin(turns.take())).is_some(), "free again");
    }
}
