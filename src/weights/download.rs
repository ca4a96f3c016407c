//! Reads one file over connections that break, and believes nothing that a server says of itself without checking it.
//!
//! Every answer is judged here (RFC 9110 § 14, § 15.3.7):
//!
//! - 206 must begin where it was asked to, and its lengths must agree with each other; if not, the server lies about
//!   ranges, and from then on the file is read from its first byte, skipping what is there;
//! - 200 means that the server ignored the range: the same, with the connection that is already open;
//! - another size, `ETag` or `Last-Modified` than before is another file: nothing of it may join the old one;
//! - a body with a `Content-Encoding` has no offsets, and is refused;
//! - broken connections, 408, 425, 429 and 5xx are tried again from the byte where they stopped, with growing pauses;
//!   other statuses are final.
//!
//! `If-Range` is never sent: across origins it would cost a preflight, and validators and hashes do its work.

use std::cell::{Cell, RefCell};

use super::judge::{Judged, lie, refused};
use super::pause::Pause;
use super::progress::{Meter, Phase};
use super::source::{Body, ByteSource, Bytes, Facts};
use crate::{Error, ErrorKind, Result};

/// Tries without a single new byte between them, before a load fails.
const MAX_FAILURES: u32 = 6;
/// Pause before the first retry; each further one doubles it.
const FIRST_PAUSE_MS: u64 = 500;
/// Pause after a connection that gave bytes before it broke: those are common, and the next one mostly works.
const BROKEN_PAUSE_MS: u64 = 100;
/// Requests in a row that may stay without any answer before one is sent without `Range`: there are servers and proxies
/// that fail on it. (A browser hides why it got no answer.)
const UNANSWERED: u32 = 2;
/// Longest pause of our own.
const MAX_PAUSE_MS: u64 = 30_000;
/// Longest pause that a server may ask for by `Retry-After`; beyond that the load fails and the caller decides.
const MAX_RETRY_AFTER_SECS: u64 = 120;

/// Whether the server does what `Range` asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ranges {
    #[default]
    Unknown,
    Proven,
    Denied,
}

/// One file on the other side; all its readers share this.
#[derive(Debug, Default)]
pub(super) struct Remote {
    pub(super) facts: RefCell<Facts>,
    pub(super) ranges: Cell<Ranges>,
    pub(super) pause: Pause,
}

/// The other side has another file than before. What is stored of the old one is of no use.
pub(super) fn changed(url: &str) -> Error {
    let message = "the file changed on the server since its download began; what was stored of it has been removed, \
                   and loading again starts afresh";
    Error::new(ErrorKind::Network, message).with("url", url).with("changed", true)
}

/// Whether `error` says that the file changed on the server.
pub fn is_changed(error: &Error) -> bool {
    error.data().contains_key("changed")
}

/// A broken connection: no status, so it may be tried again, unless that was done (`tries`) or is of no use.
fn is_transient(error: &Error) -> bool {
    let is_final = ["status", "tries", "changed"].iter().any(|key| error.data().contains_key(*key));
    error.kind() == ErrorKind::Network && !is_final
}

/// An open connection.
pub(super) struct Open<B: Body> {
    pub(super) body: B,
    /// Read, but not handed out.
    pub(super) rest: Option<B::Bytes>,
    /// Offset in the file of the first byte not handed out.
    pub(super) at: u64,
    /// Offset in the file where the server said that the body ends.
    pub(super) until: u64,
    /// Whether it answers a range.
    pub(super) ranged: bool,
}

/// Reads `pos..end` of a file in order, over as many connections as it takes.
pub(super) struct Reader<'a, S: ByteSource> {
    pub(super) source: &'a S,
    pub(super) file: usize,
    pub(super) remote: &'a Remote,
    meter: &'a Meter<'a>,
    pub(super) pos: u64,
    pub(super) end: u64,
    open: Option<Open<S::Body>>,
    /// Tries since the last new byte.
    pub(super) failures: u32,
    /// Requests since the last answer.
    unanswered: u32,
}

impl<'a, S: ByteSource> Reader<'a, S> {
    pub(super) fn new(source: &'a S, file: usize, remote: &'a Remote, meter: &'a Meter<'a>) -> Self {
        Self { source, file, remote, meter, pos: 0, end: 0, open: None, failures: 0, unanswered: 0 }
    }

    /// Goes on with a connection that an earlier reader left open.
    pub(super) fn resume(&mut self, open: Option<Open<S::Body>>) {
        self.open = open;
    }

    /// Gives up the connection for another reader, if the server ignores ranges and so this is the only one to be had.
    pub(super) fn into_open(self) -> Option<Open<S::Body>> {
        self.open.filter(|_| self.remote.ranges.get() == Ranges::Denied)
    }

    /// Gives up the connection for a reader that goes on with it.
    pub(super) fn take_open(&mut self) -> Option<Open<S::Body>> {
        self.open.take()
    }

    /// Reads on at `pos`, up to `end` (cut to the file's size once that is known).
    pub(super) fn seek(&mut self, pos: u64, end: u64) {
        let denied = self.remote.ranges.get() == Ranges::Denied;
        self.open = self.open.take().filter(|open| if denied { open.at <= pos } else { open.at == pos });
        (self.pos, self.end) = (pos, end);
    }

    /// Chunk `start..start + len`, of which `parts` is what was read before; requests ask for bytes up to `end`, where
    /// the next chunks are. Broken connections cost none of its bytes.
    pub(super) async fn chunk(&mut self, start: u64, len: u64, end: u64, mut parts: Vec<S::Bytes>) -> Result<S::Bytes> {
        let mut have: u64 = parts.iter().map(Bytes::len).sum();
        self.meter.arriving(have);
        if have < len {
            self.seek(start + have, end);
        }
        while have < len {
            match self.next(start + len).await {
                Ok(Some(piece)) => {
                    have += piece.len();
                    self.meter.arriving(piece.len());
                    parts.push(piece);
                }
                Ok(None) => return Err(changed(&self.url())),
                Err(error) if self.distrusts(&error) => {
                    self.meter.discarded(have);
                    parts.clear();
                    have = 0;
                    self.seek(start, end);
                }
                Err(error) => return Err(error),
            }
        }
        S::Bytes::concat(&parts)
    }

    /// Whether `error` says that ranges cannot be trusted. What this connection gave may then be from anywhere; the next
    /// one reads the file from its first byte.
    pub(super) fn distrusts(&mut self, error: &Error) -> bool {
        let lie = error.data().contains_key("lie");
        if lie {
            self.remote.ranges.set(Ranges::Denied);
            self.open = None;
        }
        lie
    }

    /// The next piece before `limit`, or `None` at the end.
    pub(super) async fn next(&mut self, limit: u64) -> Result<Option<S::Bytes>> {
        loop {
            let limit = limit.min(self.end);
            if self.pos >= limit {
                return Ok(None);
            }
            self.wait_while_paused().await;
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.connect().await?,
            };
            let piece = match open.rest.take() {
                Some(rest) => Ok(Some(rest)),
                None => open.body.next().await.inspect(|piece| {
                    self.meter.downloaded(piece.as_ref().map_or(0, Bytes::len));
                }),
            };
            match piece {
                Ok(Some(piece)) => {
                    if piece.len() > open.until - open.at {
                        let message = "the server sends more bytes than it announced";
                        return Err(if open.ranged {
                            lie(&self.url(), message)
                        } else {
                            refused(&self.url(), 200, message)
                        });
                    }
                    let skip = (self.pos - open.at).min(piece.len());
                    let take = (piece.len() - skip).min(self.end.min(limit) - self.pos);
                    open.at += skip + take;
                    open.rest = Some(piece.slice(skip + take, piece.len())).filter(|rest| rest.len() > 0);
                    self.open = Some(open);
                    if take > 0 {
                        self.pos += take;
                        self.failures = 0;
                        return Ok(Some(piece.slice(skip, skip + take)));
                    }
                }
                // The end of a short answer that said that it is short: ask for the rest.
                Ok(None) if open.at == open.until && open.at >= self.pos => {}
                Ok(None) => self.back_off(broken(&self.url(), "the connection ended early"), None).await?,
                Err(error) if is_transient(&error) => self.back_off(error.with("url", self.url()), None).await?,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn url(&self) -> String {
        self.source.url(self.file)
    }

    /// While the caller wants nothing from the network: without a connection, if another may begin where this one ends.
    async fn wait_while_paused(&mut self) {
        if !self.remote.pause.is_set() {
            return;
        }
        self.open = self.open.take().filter(|_| self.remote.ranges.get() != Ranges::Proven);
        self.meter.wait(Phase::Paused);
        self.remote.pause.over().await;
        self.meter.go_on();
    }

    /// Opens a connection whose body begins at or before `pos`.
    async fn connect(&mut self) -> Result<Open<S::Body>> {
        loop {
            let ask = match self.remote.ranges.get() {
                Ranges::Proven => true,
                Ranges::Unknown => self.unanswered != UNANSWERED,
                Ranges::Denied => false,
            };
            let asked = ask.then_some(self.pos..self.end);
            let judged = match self.source.read(self.file, asked.clone()).await {
                Ok(reply) => {
                    self.unanswered = 0;
                    self.judge(reply, asked.is_some()).await?
                }
                Err(error) if is_transient(&error) => {
                    self.unanswered += 1;
                    Judged::Retry { error: error.with("url", self.url()), after_secs: None }
                }
                Err(error) => return Err(error),
            };
            match judged {
                Judged::Open(open) => {
                    let size = self.remote.facts.borrow().size;
                    self.end = self.end.min(size.unwrap_or(u64::MAX));
                    return Ok(open);
                }
                Judged::Lie(error) if asked.is_none() => return Err(error),
                Judged::Lie(_) => self.remote.ranges.set(Ranges::Denied),
                Judged::Retry { error, after_secs } => self.back_off(error, after_secs).await?,
                Judged::Final(error) => return Err(error),
            }
        }
    }

    /// Waits before the next try, or fails with `error` after too many of them.
    async fn back_off(&mut self, error: Error, after_secs: Option<u64>) -> Result<()> {
        self.open = None;
        if !self.source.has_network() {
            // What fails without a network says nothing of the server.
            self.meter.wait(Phase::Offline);
            self.source.network().await;
            self.meter.go_on();
            (self.failures, self.unanswered) = (0, 0);
            return Ok(());
        }
        self.failures += 1;
        if self.failures >= MAX_FAILURES || after_secs.is_some_and(|secs| secs > MAX_RETRY_AFTER_SECS) {
            let error = error.with("tries", self.failures);
            return Err(match after_secs {
                Some(secs) => error.with("retry_after_secs", secs),
                None => error,
            });
        }
        let pause_ms = match self.failures {
            1 if is_transient(&error) && self.unanswered == 0 => BROKEN_PAUSE_MS,
            failures => (FIRST_PAUSE_MS << (failures - 1)).min(MAX_PAUSE_MS),
        };
        // Between half and one and a half times, so that many clients do not come back at once.
        let pause_ms = (pause_ms as f64 * (0.5 + self.source.random())) as u64;
        self.source.sleep(pause_ms.max(after_secs.unwrap_or(0) * 1000)).await;
        Ok(())
    }
}

fn broken(url: &str, message: &str) -> Error {
    Error::new(ErrorKind::Network, message).with("url", url)
}
