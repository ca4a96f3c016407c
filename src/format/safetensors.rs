//! safetensors: the header of one file becomes a list of tensors.
//!
//! Source: the format's README (huggingface/safetensors, § Format): eight bytes of header length, a JSON object of
//! `name → {dtype, shape, data_offsets}`, then the data. Its rules are checked: every length agrees with dtype and shape,
//! no two tensors share bytes, and together they cover the data without a gap.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{RowMap, TensorInfo};
use crate::error::{Error, Result};
use crate::quant::Format;

/// Longest header, in bytes. The format allows 100 MB; models of ten thousand tensors need under 2 MiB.
pub const HEADER_BYTES_MAX: u64 = 32 << 20;

/// Most tensors of one file.
const TENSORS_MAX: usize = 1 << 16;

/// Block formats that are known here as dtypes by ggml's names, a doran extension: files that a quantised load stores have them
/// (`src/quantize/`). Rows are whole blocks, and a tensor ends at a multiple of four bytes, padded with zeros.
pub const QUANTISED: [Format; 5] = [Format::Q4_0, Format::Q5_0, Format::Q8_0, Format::Q4_K, Format::Q6_K];

/// Bytes that `n_bytes` of blocks take in a file; `None` if no file can hold them.
pub fn padded_bytes(n_bytes: u64) -> Option<u64> {
    n_bytes.checked_next_multiple_of(4)
}

/// What a prefix of a file gave.
#[derive(Debug)]
pub enum Parsed {
    /// The header goes on: try again with a prefix of at least this many bytes (never more than the file has).
    NeedBytes(u64),
    /// The whole header: all tensors in the order of the file, with offsets from its start.
    Done(Vec<TensorInfo>),
}

/// Reads the header of a safetensors file of `file_bytes` bytes from its first bytes. The tensors say that they are of file
/// number `file`.
///
/// # Errors
/// [`crate::ErrorKind::BadFile`] for a header that breaks the format's rules or is longer than [`HEADER_BYTES_MAX`];
/// [`crate::ErrorKind::Unsupported`] (data: `what`) for a dtype other than F32, F16, BF16 and those of
/// [`QUANTISED`], but bytes that are MXFP4.
pub fn parse(prefix: &[u8], file_bytes: u64, file: usize) -> Result<Parsed> {
    const LENGTH_BYTES: u64 = 8;
    if file_bytes < LENGTH_BYTES {
        return Err(bad("the file is shorter than its header's length field"));
    }
    let Some((length, rest)) = prefix.split_first_chunk::<8>() else {
        // Most headers fit into this; a second request is needed only for the others.
        return Ok(Parsed::NeedBytes(file_bytes.min(64 << 10)));
    };
    let header_bytes = u64::from_le_bytes(*length);
    if header_bytes > HEADER_BYTES_MAX {
        return Err(bad(format!("the header is {header_bytes} bytes long; {HEADER_BYTES_MAX} are the limit")));
    }
    let data_start = LENGTH_BYTES + header_bytes;
    if data_start > file_bytes {
        return Err(bad("the header is longer than the file"));
    }
    let Some(header) = rest.get(..header_bytes as usize) else {
        return Ok(Parsed::NeedBytes(data_start));
    };
    // `serde_json` limits nesting to 128.
    let header: Header = serde_json::from_slice(header).map_err(|e| bad(format!("the header: {e}")))?;

    let mut tensors = Vec::with_capacity(header.0.len());
    let mut covered = 0u64;
    for (name, Entry { dtype, shape, data_offsets: (start, end) }) in header.0 {
        let bad = |what: &str| bad(format!("tensor {name:?} {what}")).with("tensor", name.as_str());
        let (format, value_bytes) = match dtype.as_str() {
            // Sixteen bytes of codes and one of scales for each 32 weights (`src/quant/mxfp4.rs`).
            "U8" if name.ends_with("_blocks") && shape.last() == Some(&16) => (Format::MXFP4_CODES, None),
            "U8" if name.ends_with("_scales") => (Format::MXFP4_SCALES, None),
            "F32" => (Format::F32, None),
            "F16" => (Format::F16, None),
            "BF16" => (Format::BF16, None),
            // Of no weights: see below.
            "I64" if is_count(&name) => (Format::F32, Some(8)),
            other => match QUANTISED.into_iter().find(|format| format.spec().name == other) {
                Some(format) => (format, None),
                None => {
                    let message = format!("tensor {name:?} is stored as {other}, which cannot be read");
                    return Err(Error::unsupported(other, message).with("tensor", name.as_str()));
                }
            },
        };
        if shape.len() > 4 || shape.contains(&0) {
            return Err(bad("must have at most 4 dimensions, none of them 0"));
        }
        let mut shape = shape;
        if format == Format::MXFP4_CODES {
            shape.pop();
        }
        if QUANTISED.contains(&format) {
            // The header has the shape of the weights.
            match shape.last_mut().filter(|last| last.is_multiple_of(format.block_weights())) {
                Some(last) => *last /= format.block_weights(),
                None => return Err(bad("has rows that are no whole number of blocks")),
            }
        }
        let block_bytes = value_bytes.unwrap_or(format.block_bytes());
        let n_bytes = shape.iter().try_fold(block_bytes, |product, dim| product.checked_mul(*dim));
        let n_bytes = n_bytes.ok_or_else(|| bad("has more weights than a file can hold"))?;
        if let Some(last) = shape.last_mut() {
            *last = last.checked_mul(format.block_weights()).ok_or_else(|| bad("is too large"))?;
        }
        let padded = if QUANTISED.contains(&format) { padded_bytes(n_bytes) } else { Some(n_bytes) };
        if padded.and_then(|bytes| start.checked_add(bytes)) != Some(end) {
            return Err(bad("has another length than its dtype and shape say"));
        }
        if end > file_bytes - data_start {
            return Err(bad("goes past the end of the file: it is corrupted or incomplete"));
        }
        let offset = data_start + start;
        covered = covered.saturating_add(end - start);
        tensors.push(TensorInfo { name, file, offset, n_bytes, shape, format, row_map: RowMap::Identity });
    }
    super::check_overlap(&tensors)?;
    // Without overlaps, and inside the file, they cover it if their lengths sum to its length.
    if covered != file_bytes - data_start {
        return Err(bad(format!("tensors cover {covered} of {} bytes of data", file_bytes - data_start)));
    }
    tensors.retain(|tensor| !is_count(&tensor.name));
    Ok(Parsed::Done(tensors))
}

/// Whether a tensor just counts 0, 1, 2, …: older files of transformers have what their modules kept to look positions up.
fn is_count(name: &str) -> bool {
    name.ends_with("embeddings.position_ids")
}

fn bad(message: impl fmt::Display) -> Error {
    Error::bad_file(format!("reading the safetensors header: {message}"))
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The header's object. Read by hand because its keys must be unique, which JSON maps do not check.
struct Header(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;

        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                use serde::de::Error as _;
                let mut entries = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!("tensor {name:?} stands twice")));
                    }
                    if name == "__metadata__" {
                        map.next_value::<HashMap<String, String>>()?;
                        continue;
                    }
                    if entries.len() == TENSORS_MAX {
                        return Err(A::Error::custom(format!("more than {TENSORS_MAX} tensors")));
                    }
                    entries.push((name, map.next_value()?));
                }
                Ok(Header(entries))
            }
        }

        deserializer.deserialize_map(HeaderVisitor)
    }
}
