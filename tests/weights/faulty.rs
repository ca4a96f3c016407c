//! A server in memory that fails by script, a store that fails its n-th operation, and a sink that counts.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use doran::weights::{
    Access, Body, ByteSource, Cancel, ChunkStore, Facts, Manifest, MemoryStore, Reply, Sink, TensorSpan, Usage,
    VecBytes,
};
use doran::{Error, ErrorKind, Result};

/// Bytes of one piece of a body: no divisor of a chunk.
const PIECE_BYTES: usize = 700;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A file without patterns.
pub fn random_file(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    (0..len).map(|_| random(&mut state) as u8).collect()
}

/// How a server treats ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RangeMode {
    #[default]
    Honest,
    /// Status 200 and everything.
    Ignored,
    /// 206 of other bytes than asked for, honestly told.
    WrongStart,
    /// 206 whose Content-Range is as asked, with a Content-Length that is not.
    WrongLength,
    /// 206 whose body is longer than it says, without a Content-Length.
    Overlong,
    /// 206 whose Content-Range names another total.
    WrongTotal,
    /// 206 without a readable Content-Range, as across origins.
    Hidden,
    /// 206 of at most this many bytes, honestly told.
    AtMost(u64),
    /// No answer at all to a request with a range.
    Unanswered,
}

/// What a server does wrong; everything may change between requests.
#[derive(Default)]
pub struct Script {
    pub ranges: Cell<RangeMode>,
    /// Bytes after which the next connections break; `None` in the list: not this one.
    pub cuts: RefCell<Vec<Option<u64>>>,
    /// Statuses of the next answers instead of the right one, with their Retry-After.
    pub statuses: RefCell<Vec<(u16, Option<&'static str>)>>,
    /// Every body ends after this many bytes, while the headers promise all.
    pub short: Cell<Option<u64>>,
    /// No Content-Length.
    pub no_length: Cell<bool>,
    /// The file is compressed on the way: longer, and said so.
    pub encoding: Cell<Option<&'static str>>,
    /// The bit of this byte of file 0 that is flipped on the wire, so many times.
    pub flip: Cell<Option<(u64, u32)>>,
    pub etag: RefCell<Option<String>>,
    /// Answers come from where another address leads.
    pub resolved: Cell<bool>,
    /// There is no network for so many looks at it; requests fail meanwhile.
    pub offline: Cell<u32>,
    /// The operation (read, or piece of a body) that fails, counted from 1.
    pub fail_at: Cell<u64>,
    /// What that operation cancels instead of failing.
    pub cancel: RefCell<Option<Cancel>>,
    /// Bytes of one piece of a body, where not the usual.
    pub piece_bytes: Cell<Option<usize>>,
}

#[derive(Default)]
pub struct Shared {
    pub files: RefCell<Vec<Vec<u8>>>,
    pub script: Script,
    pub requests: RefCell<Vec<Option<Range<u64>>>>,
    pub sent_bytes: Cell<u64>,
    pub operations: Cell<u64>,
    pub slept_ms: RefCell<Vec<u64>>,
    pub open: Cell<u64>,
    /// Questions of what files are there.
    pub looks: Cell<u64>,
    pub most_open: Cell<u64>,
}

/// The server; clones share it.
#[derive(Clone, Default)]
pub struct Server(pub Rc<Shared>);

impl Server {
    pub fn new(files: Vec<Vec<u8>>) -> Self {
        let server = Self::default();
        server.0.files.replace(files);
        server
    }

    pub fn script(&self) -> &Script {
        &self.0.script
    }

    pub fn sent_bytes(&self) -> u64 {
        self.0.sent_bytes.get()
    }

    pub fn n_requests(&self) -> usize {
        self.0.requests.borrow().len()
    }

    pub fn forget_counts(&self) {
        self.0.requests.take();
        self.0.slept_ms.take();
        self.0.sent_bytes.set(0);
        self.0.most_open.set(0);
    }

    fn operation(&self) -> Result<()> {
        self.0.operations.set(self.0.operations.get() + 1);
        if self.0.operations.get() == self.script().fail_at.get() {
            if let Some(cancel) = self.script().cancel.take() {
                cancel.cancel();
                return Ok(());
            }
            // A status, so that it is not tried again.
            return Err(Error::new(ErrorKind::Network, "operation failed").with("status", 400));
        }
        Ok(())
    }
}

pub struct FaultyBody {
    server: Server,
    bytes: Vec<u8>,
    at: usize,
    breaks: bool,
}

impl Drop for FaultyBody {
    fn drop(&mut self) {
        self.server.0.open.set(self.server.0.open.get() - 1);
    }
}

impl Body for FaultyBody {
    type Bytes = VecBytes;

    async fn next(&mut self) -> Result<Option<VecBytes>> {
        self.server.operation()?;
        pause().await;
        if !self.server.has_network() {
            return Err(Error::new(ErrorKind::Network, "connection reset"));
        }
        let piece_bytes = self.server.script().piece_bytes.get().unwrap_or(PIECE_BYTES);
        let piece = &self.bytes[self.at..self.bytes.len().min(self.at + piece_bytes)];
        self.at += piece.len();
        self.server.0.sent_bytes.set(self.server.sent_bytes() + piece.len() as u64);
        match piece.is_empty() {
            true if self.breaks => Err(Error::new(ErrorKind::Network, "connection reset")),
            true => Ok(None),
            false => Ok(Some(piece.to_vec().into())),
        }
    }
}

impl ByteSource for Server {
    type Bytes = VecBytes;
    type Body = FaultyBody;

    fn n_files(&self) -> usize {
        self.0.files.borrow().len()
    }

    fn url(&self, file: usize) -> String {
        format!("https://example.com/{file}.gguf")
    }

    async fn read(&self, file: usize, range: Option<Range<u64>>) -> Result<Reply<FaultyBody>> {
        self.0.requests.borrow_mut().push(range.clone());
        self.operation()?;
        pause().await;
        if !self.has_network() {
            return Err(Error::new(ErrorKind::Network, "failed to fetch"));
        }
        let script = self.script();
        let mut all = self.0.files.borrow()[file].clone();
        if let Some((at, times)) = script.flip.get() {
            let hit = range.as_ref().is_none_or(|range| range.contains(&at));
            if file == 0 && hit && times > 0 {
                all[at as usize] ^= 0x10;
                script.flip.set(Some((at, times - 1)));
            }
        }
        let size = all.len() as u64;
        let refused = script.statuses.borrow_mut().pop();
        let mut mode = script.ranges.get();
        if range.is_none() {
            mode = RangeMode::Ignored;
        }
        let mut range = range.unwrap_or(0..size);
        range.end = range.end.min(size);
        if let RangeMode::AtMost(bytes) = mode {
            range.end = range.end.min(range.start + bytes);
        }
        let (mut start, mut body) = (range.start, all[range.start as usize..range.end as usize].to_vec());
        let mut length = Some(body.len() as u64);
        let mut total = size;
        match mode {
            RangeMode::Honest | RangeMode::AtMost(_) | RangeMode::Hidden => {}
            RangeMode::Ignored => body = all,
            RangeMode::WrongStart => {
                start = (start + 4).min(range.end - 1);
                body = all[start as usize..range.end as usize].to_vec();
                length = Some(body.len() as u64);
            }
            RangeMode::WrongLength => {
                body.pop();
                length = Some(body.len() as u64);
            }
            RangeMode::Overlong => {
                body.extend([7; 5]);
                length = None;
            }
            RangeMode::WrongTotal => total += 1,
            RangeMode::Unanswered => return Err(Error::new(ErrorKind::Network, "failed to fetch")),
        }
        let (status, content_range) = match mode {
            RangeMode::Ignored => (200, None),
            RangeMode::Hidden => (206, None),
            _ => (206, Some(format!("bytes {start}-{}/{total}", range.end - 1))),
        };
        if mode == RangeMode::Ignored {
            length = Some(size);
        }
        let mut breaks = false;
        if let Some(Some(cut)) = script.cuts.borrow_mut().pop() {
            breaks = (cut as usize) < body.len();
            body.truncate(cut as usize);
        }
        if let Some(short) = script.short.get() {
            body.truncate(short as usize);
        }
        if script.encoding.get().is_some() {
            body.extend(vec![1; 100]);
        }
        let (status, retry_after) = refused.unwrap_or((status, None));
        if status >= 300 {
            body.clear();
        }
        self.0.open.set(self.0.open.get() + 1);
        self.0.most_open.set(self.0.most_open.get().max(self.0.open.get()));
        Ok(Reply {
            status,
            content_range,
            content_length: length.filter(|_| !script.no_length.get()),
            content_encoding: script.encoding.get().filter(|name| *name != "hidden").map(str::to_owned),
            etag: script.etag.borrow().clone(),
            last_modified: None,
            retry_after: retry_after.map(str::to_owned),
            resolved: script.resolved.get(),
            body: FaultyBody { server: self.clone(), bytes: body, at: 0, breaks },
        })
    }

    async fn facts(&self, file: usize) -> Result<Facts> {
        self.operation()?;
        self.0.looks.set(self.0.looks.get() + 1);
        let size = Some(self.0.files.borrow()[file].len() as u64);
        Ok(Facts { size, etag: self.script().etag.borrow().clone(), last_modified: None })
    }

    fn has_network(&self) -> bool {
        self.script().offline.get() == 0
    }

    async fn network(&self) {
        while !self.has_network() {
            self.script().offline.set(self.script().offline.get() - 1);
            pause().await;
        }
    }

    async fn sleep(&self, millis: u64) {
        self.0.slept_ms.borrow_mut().push(millis);
        pause().await;
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// Lets the other futures run, as a network would.
pub async fn pause() {
    let mut again = true;
    std::future::poll_fn(|context| {
        if std::mem::take(&mut again) {
            context.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    })
    .await;
}

/// A memory store whose n-th operation fails. A failed write may still have happened.
#[derive(Clone, Default)]
pub struct FaultyStore {
    pub inner: MemoryStore<VecBytes>,
    pub operations: Rc<Cell<u64>>,
    pub fail_at: Rc<Cell<u64>>,
    /// Whether the failing operation takes effect before it fails, as when a tab dies between disk and answer.
    pub fail_late: Rc<Cell<bool>>,
    /// What the operation cancels instead of failing.
    pub cancel: Rc<RefCell<Option<Cancel>>>,
}

impl FaultyStore {
    async fn operation<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        pause().await;
        self.operations.set(self.operations.get() + 1);
        if self.operations.get() != self.fail_at.get() {
            return work.await;
        }
        if let Some(cancel) = self.cancel.take() {
            cancel.cancel();
            return work.await;
        }
        if self.fail_late.get() {
            work.await?;
        }
        Err(Error::new(ErrorKind::Storage, "operation failed"))
    }
}

impl ChunkStore for FaultyStore {
    type Bytes = VecBytes;
    type Guard = <MemoryStore<VecBytes> as ChunkStore>::Guard;

    async fn manifest(&self, model: &str) -> Result<Option<Manifest>> {
        self.operation(self.inner.manifest(model)).await
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.operation(self.inner.put_manifest(manifest)).await
    }

    async fn put_chunk(&self, manifest: &Manifest, file: usize, index: usize, bytes: &VecBytes) -> Result<()> {
        self.operation(self.inner.put_chunk(manifest, file, index, bytes)).await
    }

    async fn put_complete(&self, manifest: &Manifest) -> Result<()> {
        self.operation(self.inner.put_complete(manifest)).await
    }

    async fn chunk(&self, model: &str, file: usize, index: usize) -> Result<Option<VecBytes>> {
        self.operation(self.inner.chunk(model, file, index)).await
    }

    async fn list(&self) -> Result<Vec<Manifest>> {
        self.operation(self.inner.list()).await
    }

    async fn delete(&self, model: &str) -> Result<()> {
        self.operation(self.inner.delete(model)).await
    }

    async fn usage(&self) -> Result<Usage> {
        self.inner.usage().await
    }

    async fn lock(&self, model: &str, access: Access) -> Result<Self::Guard> {
        self.operation(self.inner.lock(model, access)).await
    }

    async fn is_locked(&self, model: &str, access: Access) -> bool {
        self.inner.is_locked(model, access).await
    }

    fn now_ms(&self) -> f64 {
        1.0
    }

    fn warning(&self) -> Option<String> {
        None
    }
}

/// Keeps what it is given, and insists on getting it once.
#[derive(Default)]
pub struct Collected {
    pub chunks: BTreeMap<(usize, u64), Vec<u8>>,
}

impl Sink<VecBytes> for Collected {
    async fn accept(&mut self, file: usize, offset: u64, bytes: VecBytes) -> Result<()> {
        pause().await;
        assert_eq!(offset % 4, 0, "chunks are aligned");
        let twice = self.chunks.insert((file, offset), bytes.as_slice().to_vec());
        assert!(twice.is_none(), "every chunk comes once");
        Ok(())
    }
}

impl Collected {
    /// Asserts that all bytes of `spans` came, and that they are those of `files`.
    pub fn check(&self, files: &[Vec<u8>], spans: &[TensorSpan]) {
        for (&(file, offset), bytes) in &self.chunks {
            assert_eq!(files[file][offset as usize..][..bytes.len()], **bytes, "the bytes are the file's");
        }
        for span in spans {
            let (mut at, end) = (span.offset, span.offset + span.n_bytes);
            while at < end {
                let before = self.chunks.range(..=(span.file, at)).next_back().expect("a chunk covers the tensor");
                let (&(file, offset), bytes) = before;
                assert_eq!(file, span.file);
                let next = offset + bytes.len() as u64;
                assert!(next > at, "no gap in a tensor");
                assert!(next >= end || (next - span.offset).is_multiple_of(span.block_bytes), "blocks stay whole");
                at = next;
            }
        }
    }
}
