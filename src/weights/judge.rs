//! What an answer is worth: whether a body is what was asked for, whether another request may give more, or whether that is all.

use super::download::{Open, Ranges, Reader, changed};
use super::source::{Body, ByteSource, Facts, Reply};
use crate::{Error, ErrorKind, Result};

/// Tries without a new byte between them after which an address that another leads to is believed to be refused, and not expired.
const MAX_EXPIRED: u32 = 3;

/// What to do with an answer.
pub(super) enum Judged<B: Body> {
    Open(Open<B>),
    Lie(Error),
    Retry { error: Error, after_secs: Option<u64> },
    Final(Error),
}

/// The server's word about a range does not hold.
pub(super) fn lie(url: &str, what: &str) -> Error {
    refused(url, 206, &format!("the server answers ranges falsely: {what}")).with("lie", true)
}

/// An answer that another try would not change: it has a status.
pub(super) fn refused(url: &str, status: u16, message: &str) -> Error {
    Error::new(ErrorKind::Network, message).with("url", url).with("status", status)
}

impl<S: ByteSource> Reader<'_, S> {
    /// Judges an answer to a request with or without a range, and takes in what it says of the file.
    pub(super) async fn judge(&self, reply: Reply<S::Body>, asked_range: bool) -> Result<Judged<S::Body>> {
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
            // It may have been signed for a while: what was asked for leads to a new one.
            401 | 403 | 410 if reply.resolved && self.failures + 1 < MAX_EXPIRED => {
                let message = format!("the address that another led to is refused with status {}", reply.status);
                return Ok(Judged::Retry { error: refused(&message), after_secs: None });
            }
            401 | 403 | 410 => {
                let message = format!(
                    "the server answers with status {}: the file needs a token, or its address has expired; load it again with \
                     what it needs, and what is stored stays",
                    reply.status
                );
                return Ok(Judged::Final(refused(&message)));
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
            None => match self.source.facts(self.file).await?.size {
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
        let said = Facts { size: total, etag: reply.etag.clone(), last_modified: reply.last_modified.clone() };
        let mut facts = self.remote.facts.borrow_mut();
        if facts.differ(&said) {
            return Err(changed(&self.url()));
        }
        facts.size = facts.size.or(said.size);
        facts.etag = facts.etag.take().or(said.etag);
        facts.last_modified = facts.last_modified.take().or(said.last_modified);
        Ok(())
    }
}

/// `Content-Range: bytes 0-99/1234`, with an exclusive end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    at: u64,
    until: u64,
    /// Bytes of the whole file, where that is said.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    /// The header's text, if it is one that can be.
    pub(super) fn parse(text: &str) -> Option<Self> {
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
