//! What a caller sees of a load: progress while it runs, a report at its end.

use std::cell::Cell;

use super::manifest::Integrity;

/// What a load is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Another tab is downloading the same model; this one waits and then finds it stored.
    Waiting,
    /// The caller paused it.
    Paused,
    /// There is no network; it goes on by itself when there is.
    Offline,
    /// Chunks come from the network or the store, and go to the sink.
    Loading,
    /// Everything is here; the whole-file hash is being finished.
    Verifying,
}

impl Phase {
    /// The name that crosses to JavaScript.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Offline => "offline",
            Self::Loading => "loading",
            Self::Verifying => "verifying",
        }
    }
}

/// Where a load stands. `loaded_bytes` never goes back within one `stream`, and ends at `total_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes of the model's files that are verified and in hand, or on their way inside a chunk.
    pub loaded_bytes: u64,
    /// Bytes of all the model's files; 0 while unknown.
    pub total_bytes: u64,
    /// Bytes that came from the store.
    pub from_store_bytes: u64,
    /// Bytes that came over the network, those of repeated reads included.
    pub downloaded_bytes: u64,
}

/// Milliseconds that parts of a load waited for each kind of work. Parts run at the same time, so the sums may be longer
/// than the load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Millis {
    /// For the network.
    pub fetch: f64,
    /// For hashes.
    pub hash: f64,
    /// For the store, read or written.
    pub store: f64,
    /// For the sink: on its way to the GPU.
    pub upload: f64,
}

/// What a finished load did.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadReport {
    /// Bytes that came over the network since the model was opened, those of repeated and skipped reads included.
    pub downloaded_bytes: u64,
    /// Bytes that came from the store.
    pub from_store_bytes: u64,
    /// Chunks that were fetched again because they did not have the hash that was recorded of them.
    pub refetched_chunks: u64,
    /// Whether the files have the hashes that the caller stated.
    pub integrity: Integrity,
    /// Where the time went.
    pub millis: Millis,
    /// The files at the model's addresses are others than the stored ones, which were used.
    pub is_outdated: bool,
    /// What the reader of the page should know, e.g. that nothing will be kept.
    pub warnings: Vec<String>,
}

/// Bytes between two calls of the progress callback.
const REPORT_BYTES: u64 = 256 << 10;

/// Counts that a model keeps from its opening on.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) downloaded_bytes: Cell<u64>,
    pub(super) from_store_bytes: Cell<u64>,
    pub(super) refetched_chunks: Cell<u64>,
    pub(super) fetch_ms: Cell<f64>,
    pub(super) hash_ms: Cell<f64>,
    pub(super) store_ms: Cell<f64>,
    pub(super) upload_ms: Cell<f64>,
}

/// Counts bytes and tells the caller about them, not at every piece.
pub(super) struct Meter<'a> {
    counts: &'a Counts,
    total_bytes: u64,
    /// Bytes of chunks that were handed to the sink.
    used_bytes: Cell<u64>,
    /// Bytes of chunks that are not complete or wait.
    arriving_bytes: Cell<u64>,
    /// What was last reported.
    reported_bytes: Cell<u64>,
    /// What the download waits for, if it does.
    waits: Cell<Option<Phase>>,
    report: &'a dyn Fn(Progress),
}

impl<'a> Meter<'a> {
    pub(super) fn new(counts: &'a Counts, total_bytes: u64, report: &'a dyn Fn(Progress)) -> Self {
        let zero = Cell::default;
        let waits = Cell::new(None);
        Self { counts, total_bytes, used_bytes: zero(), arriving_bytes: zero(), reported_bytes: zero(), waits, report }
    }

    /// The download waits, and says so until it goes on: chunks that came before may still be on their way.
    pub(super) fn wait(&self, phase: Phase) {
        self.waits.set(Some(phase));
        self.tell(phase);
    }

    /// The wait is over.
    pub(super) fn go_on(&self) {
        self.waits.set(None);
    }

    fn tell_loading(&self) {
        self.tell(self.waits.get().unwrap_or(Phase::Loading));
    }

    /// Bytes came over the network.
    pub(super) fn downloaded(&self, bytes: u64) {
        add(&self.counts.downloaded_bytes, bytes);
    }

    /// Bytes became part of a chunk.
    pub(super) fn arriving(&self, bytes: u64) {
        add(&self.arriving_bytes, bytes);
        if self.loaded_bytes() >= self.reported_bytes.get() + REPORT_BYTES {
            self.tell_loading();
        }
    }

    /// Bytes of a chunk turned out to be of no use.
    pub(super) fn discarded(&self, bytes: u64) {
        self.arriving_bytes.set(self.arriving_bytes.get().saturating_sub(bytes));
    }

    /// A chunk came from the store.
    pub(super) fn read_back(&self, bytes: u64) {
        add(&self.counts.from_store_bytes, bytes);
        self.arriving(bytes);
    }

    /// A chunk did not have its hash.
    pub(super) fn refetched(&self) {
        add(&self.counts.refetched_chunks, 1);
    }

    /// A chunk has reached sink and store.
    pub(super) fn used(&self, bytes: u64) {
        self.discarded(bytes);
        add(&self.used_bytes, bytes);
        self.tell_loading();
    }

    /// Calls the caller.
    pub(super) fn tell(&self, phase: Phase) {
        self.reported_bytes.set(self.loaded_bytes().max(self.reported_bytes.get()));
        (self.report)(Progress {
            phase,
            loaded_bytes: self.reported_bytes.get(),
            total_bytes: self.total_bytes,
            from_store_bytes: self.counts.from_store_bytes.get(),
            downloaded_bytes: self.counts.downloaded_bytes.get(),
        });
    }

    fn loaded_bytes(&self) -> u64 {
        (self.used_bytes.get() + self.arriving_bytes.get()).min(self.total_bytes)
    }
}

fn add(cell: &Cell<u64>, bytes: u64) {
    cell.set(cell.get() + bytes);
}
