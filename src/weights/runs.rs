//! Who fetches what: missing chunks as runs of neighbours, so that one request serves several chunks, and the rule that
//! only a proven range is asked for twice at once.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use super::cancel::Signal;
use super::download::{Ranges, Remote};

/// Chunks of one run: a request every 64 MiB of default chunks, and files up to that size over one connection.
const RUN_CHUNKS: usize = 8;

/// Neighbouring chunks of one file that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) file: usize,
    pub(super) chunks: Range<usize>,
}

/// The runs that nobody has begun, shared by the fetchers.
pub(super) struct Runs<'a> {
    remotes: &'a [Remote],
    waiting: RefCell<Vec<Run>>,
    /// Files whose only possible connection a fetcher holds, by fetcher.
    owners: RefCell<Vec<Option<usize>>>,
    /// More chunks may turn out to be missing.
    open: Cell<bool>,
    changed: Signal,
}

impl<'a> Runs<'a> {
    /// Runs of the missing chunks, which come in order.
    pub(super) fn new(remotes: &'a [Remote], missing: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let owners = RefCell::new(vec![None; remotes.len()]);
        let runs =
            Self { remotes, waiting: RefCell::default(), owners, open: Cell::new(true), changed: Signal::default() };
        missing.into_iter().for_each(|(file, chunk)| runs.add(file, chunk));
        runs
    }

    /// One more chunk is missing.
    pub(super) fn add(&self, file: usize, chunk: usize) {
        let mut waiting = self.waiting.borrow_mut();
        match waiting.last_mut() {
            Some(run) if run.file == file && run.chunks.end == chunk && run.chunks.len() < RUN_CHUNKS => {
                run.chunks.end += 1;
            }
            _ => waiting.push(Run { file, chunks: chunk..chunk + 1 }),
        }
        drop(waiting);
        self.changed.wake();
    }

    /// No more chunks will turn out to be missing.
    pub(super) fn close(&self) {
        self.open.set(false);
        self.changed.wake();
    }

    /// Something was learned about a server.
    pub(super) fn learned(&self) {
        self.changed.wake();
    }

    /// The next run for `fetcher`, which has finished its last one; `None` when all is done.
    pub(super) async fn next(&self, fetcher: usize) -> Option<Run> {
        let run = self.changed.until(|| self.claim(fetcher)).await;
        self.changed.wake();
        run
    }

    fn claim(&self, fetcher: usize) -> Option<Option<Run>> {
        let mut waiting = self.waiting.borrow_mut();
        let mut owners = self.owners.borrow_mut();
        let free = |run: &Run| match self.remotes[run.file].ranges.get() {
            Ranges::Proven => true,
            Ranges::Unknown | Ranges::Denied => owners[run.file].is_none_or(|owner| owner == fetcher),
        };
        match waiting.iter().position(free) {
            Some(next) => {
                let run = waiting.remove(next);
                owners[run.file].get_or_insert(fetcher);
                Some(Some(run))
            }
            None if waiting.is_empty() && !self.open.get() => Some(None),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(runs: &Runs<'_>, fetcher: usize) -> Option<Range<usize>> {
        runs.claim(fetcher).flatten().map(|run| run.chunks)
    }

    #[test]
    fn a_second_fetcher_waits_for_a_proven_range() {
        let remotes = [Remote::default()];
        let runs = Runs::new(&remotes, (0..20).map(|chunk| (0, chunk)));
        assert_eq!(claimed(&runs, 0), Some(0..8));
        assert_eq!(runs.claim(1), None);
        remotes[0].ranges.set(Ranges::Proven);
        assert_eq!(claimed(&runs, 1), Some(8..16));
        remotes[0].ranges.set(Ranges::Denied);
        assert_eq!(runs.claim(1), None);
        assert_eq!(claimed(&runs, 0), Some(16..20));
        assert_eq!(runs.claim(0), None, "a stored chunk may still turn out to be bad");
        runs.close();
        assert_eq!(runs.claim(0), Some(None));
    }

    #[test]
    fn runs_are_neighbours() {
        let remotes = [Remote::default(), Remote::default()];
        let runs = Runs::new(&remotes, [(0, 1), (0, 2), (0, 4), (1, 5)]);
        let run = |file, chunks| Run { file, chunks };
        assert_eq!(*runs.waiting.borrow(), [run(0, 1..3), run(0, 4..5), run(1, 5..6)]);
    }
}
