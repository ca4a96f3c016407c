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

use super::progress::Meter;
use super::source::{Body, ByteSource, Bytes, Reply};
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

/// What is known of a file on the other side, and must not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) size: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

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
}

/// The other side has another file than before. What is stored of the old one is of no use.
fn changed(url: &str) -> Error {
    let message = "the file changed on the server since its download began; what was stored of it has been removed, \
                   and loading again starts afresh";
    Error::new(ErrorKind::Network, message).with("url", url).with("changed", true)
}

/// Whether `error` says that the file changed on the server.
pub fn is_changed(error: &Error) -> bool {
    error.data().contains_key("changed")
}

/// The server's word about a range does not hold.
fn lie(url: &str, what: &str) -> Error {
    refused(url, 206, &format!("the server answers ranges falsely: {what}")).with("lie", true)
}

/// An answer that another try would not change: it has a status.
fn refused(url: &str, status: u16, message: &str) -> Error {
    Error::new(ErrorKind::Network, message).with("url", url).with("status", status)
}

/// A broken connection: no status, so it may be tried again, unless that was done (`tries`) or is of no use.
fn is_transient(error: &Error) -> bool {
    let is_final = ["status", "tries", "changed"].iter().any(|key| error.data().contains_key(*key));
    error.kind() == ErrorKind::Network && !is_final
}

/// An open connection.
pub(super) struct Open<B: Body> {
    body: B,
    /// Read, but not handed out.
    rest: Option<B::Bytes>,
    /// Offset in the file of the first byte not handed out.
    at: u64,
    /// Offset in the file where the server said that the body ends.
    until: u64,
    /// Whether it answers a range.
    ranged: bool,
}

enum Judged<B: Body> {
    Open(Open<B>),
    Lie(Error),
    Retry { error: Error, after_secs: Option<u64> },
    Final(Error),
}

/// Reads `pos..end` of a file in order, over as many connections as it takes.
pub(super) struct Reader<'a, S: ByteSource> {
    source: &'a S,
    file: usize,
    remote: &'a Remote,
    meter: &'a Meter<'a>,
    pos: u64,
    end: u64,
    open: Option<Open<S::Body>>,
    /// Tries since the last new byte.
    failures: u32,
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

    fn url(&self) -> String {
        self.source.url(self.file)
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

    async fn judge(&self, reply: Reply<S::Body>, asked_range: bool) -> Result<Judged<S::Body>> {
        let url = self.url();
        let refused = |message: &str| refused(&url, reply.status, message);
        match reply.status {
            200 | 206 => {}
            408 | 425 | 429 | 500..=599 => {
                let message = format!("the server answers with status {}", reply.status);
                let error = refused(&message);
                let after_secs = reply.retry_after.as_deref().and_then(|text| text.trim().parse().ok());
                return Ok(Judged::Retry { error, after_secs });
            }
            416 if self.remote.facts.borrow().size.is_some() => return Ok(Judged::Final(changed(&url))),
            status => return Ok(Judged::Final(refused(&format!("the server answers with status {status}")))),
        }
        let encoding = reply.content_encoding.as_deref().map(str::trim);
        if let Some(encoding) = encoding.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity")) {
            return Ok(Judged::Final(refused(&format!(
                "the server compresses the file ({encoding}); weights must be served without Content-Encoding"
            ))));
        }
        let range = if reply.status == 200 {
            None
        } else if !asked_range {
            return Ok(Judged::Final(refused("the server answers with a part although the whole was asked for")));
        } else {
            match self.range(&reply) {
                Ok(range) => Some(range),
                Err(what) => return Ok(Judged::Lie(lie(&url, what))),
            }
        };
        let total = range.map_or(reply.content_length, |range| range.total);
        if let Err(error) = self.learn(&reply, total) {
            return Ok(Judged::Final(error));
        }
        let known = self.remote.facts.borrow().size;
        let size = match known {
            Some(size) => size,
            None => match self.source.size(self.file).await? {
                Some(size) => size,
                None => {
                    return Ok(Judged::Final(refused("the server does not say how long the file is (Content-Length)")));
                }
            },
        };
        self.remote.facts.borrow_mut().size = Some(size);
        let (at, until) = match range {
            None => (0, size),
            Some(range) if range.until > size => return Ok(Judged::Lie(lie(&url, "a range ends beyond the file"))),
            Some(range) => (range.at, range.until),
        };
        // A server that failed once is not trusted again.
        if range.is_none() {
            self.remote.ranges.set(Ranges::Denied);
        } else if self.remote.ranges.get() == Ranges::Unknown {
            self.remote.ranges.set(Ranges::Proven);
        }
        Ok(Judged::Open(Open { body: reply.body, rest: None, at, until, ranged: range.is_some() }))
    }

    /// What a 206 gives, or in which way its headers cannot be true.
    fn range(&self, reply: &Reply<S::Body>) -> Result<ContentRange, &'static str> {
        let asked_bytes = self.end - self.pos;
        let Some(text) = &reply.content_range else {
            // Not readable across origins unless exposed. The length is, and must then be the one that was asked for.
            let size = self.remote.facts.borrow().size;
            return match reply.content_length {
                Some(0) => Err("the body is empty"),
                Some(length) if length > asked_bytes => Err("the body is longer than the range"),
                Some(length) if length < asked_bytes && size.is_some() => Err("the body is shorter than the range"),
                length => {
                    Ok(ContentRange { at: self.pos, until: self.pos + length.unwrap_or(asked_bytes), total: None })
                }
            };
        };
        let range = ContentRange::parse(text).ok_or("its Content-Range cannot be read")?;
        if range.at != self.pos {
            return Err("it begins elsewhere than asked");
        }
        if range.until > self.end {
            return Err("it is longer than asked");
        }
        if reply.content_length.is_some_and(|length| length != range.until - range.at) {
            return Err("its Content-Length is not that of its Content-Range");
        }
        Ok(range)
    }

    /// Takes in what an answer says of the whole file.
    fn learn(&self, reply: &Reply<S::Body>, total: Option<u64>) -> Result<()> {
        fn differ<T: PartialEq>(known: &Option<T>, said: &Option<T>) -> bool {
            matches!((known, said), (Some(known), Some(said)) if known != said)
        }
        let mut facts = self.remote.facts.borrow_mut();
        let same_etag = facts.etag.is_some() && facts.etag == reply.etag;
        let other_date = !same_etag && differ(&facts.last_modified, &reply.last_modified);
        if differ(&facts.size, &total) || differ(&facts.etag, &reply.etag) || other_date {
            return Err(changed(&self.url()));
        }
        facts.size = facts.size.or(total);
        facts.etag = facts.etag.take().or_else(|| reply.etag.clone());
        facts.last_modified = facts.last_modified.take().or_else(|| reply.last_modified.clone());
        Ok(())
    }

    /// Waits before the next try, or fails with `error` after too many of them.
    async fn back_off(&mut self, error: Error, after_secs: Option<u64>) -> Result<()> {
        self.open = None;
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

/// `Content-Range: bytes 0-99/1234`, with an exclusive end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ContentRange {
    at: u64,
    until: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        let (range, total) = rest.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (at, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let total = match total.trim() {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        let until = last.checked_add(1)?;
        (unit.eq_ignore_ascii_case("bytes") && at < until).then_some(Self { at, until, total })
    }
}

#[cfg(test)]
mod tests {
    use super::ContentRange;

    #[test]
    fn content_range() {
        let range = |at, until, total| Some(ContentRange { at, until, total });
        assert_eq!(ContentRange::parse("bytes 0-99/1234"), range(0, 100, Some(1234)));
        assert_eq!(ContentRange::parse("bytes 7-7/*"), range(7, 8, None));
        for bad in [
            "",
            "bytes */12",
            "bytes 9-7/12",
            "items 0-9/12",
            "bytes 0-9",
            "bytes -9/12",
            "bytes 0-18446744073709551615/*",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }
}
