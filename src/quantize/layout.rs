//! Where the bytes of a quantised safetensors file come from: its header, and for each tensor the bytes of the real file.

use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::format::TensorInfo;
use crate::format::safetensors::padded_bytes;
use crate::quant::Format;

/// A tensor in both files.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    /// Its bytes in the quantised file, padding included.
    pub(super) bytes: Range<u64>,
    /// Its bytes in the real file.
    pub(super) real: Range<u64>,
    /// How it is stored there, and how here, if otherwise.
    pub(super) change: Option<(Format, Format)>,
}

impl Segment {
    /// Blocks of a quantised tensor: (bytes of one in the real file, bytes of one here, how many).
    pub(super) fn blocks(&self, (from, to): (Format, Format)) -> (u64, u64, u64) {
        let real_bytes = from.block_bytes() * to.block_weights();
        (real_bytes, to.block_bytes(), (self.real.end - self.real.start) / real_bytes)
    }
}

/// One quantised file.
#[derive(Debug)]
pub(super) struct FileLayout {
    pub(super) header: Vec<u8>,
    /// In the order of both files.
    segments: Vec<Segment>,
}

impl FileLayout {
    /// Of a file with this header (length field and JSON, which were read as `tensors`), whose tensors get these formats.
    pub(super) fn new(header: &[u8], tensors: &[TensorInfo], formats: &[Option<Format>]) -> Result<Self> {
        let entries: Map<String, Value> = serde_json::from_slice(&header[8..])
            .map_err(|error| Error::internal(format!("a header that was read cannot be read again: {error}")))?;
        let mut order: Vec<usize> = (0..tensors.len()).collect();
        order.sort_unstable_by_key(|i| tensors[*i].offset);
        let (mut map, mut segments, mut at) = (Map::new(), Vec::new(), 0u64);
        for i in order {
            let (tensor, format) = (&tensors[i], formats[i]);
            let too_long = || Error::bad_file(format!("tensor {:?} is too long", tensor.name));
            let n_bytes = match format {
                Some(format) => {
                    let weights = tensor.n_bytes / tensor.format.block_bytes();
                    let blocks = weights / format.block_weights();
                    padded_bytes(blocks * format.block_bytes()).ok_or_else(too_long)?
                }
                None => tensor.n_bytes,
            };
            let end = at.checked_add(n_bytes).ok_or_else(too_long)?;
            let entry = &entries[&tensor.name];
            let dtype = format.map_or_else(|| entry["dtype"].clone(), |format| format.spec().name.into());
            map.insert(
                tensor.name.clone(),
                json!({ "dtype": dtype, "shape": entry["shape"], "data_offsets": [at, end] }),
            );
            segments.push(Segment {
                name: tensor.name.clone(),
                bytes: at..end,
                real: tensor.offset..tensor.offset + tensor.n_bytes,
                change: format.map(|format| (tensor.format, format)),
            });
            at = end;
        }
        let mut json = Value::Object(map).to_string().into_bytes();
        json.resize(json.len().next_multiple_of(8), b' ');
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.extend(json);
        let data_start = header.len() as u64;
        for Segment { bytes, .. } in &mut segments {
            *bytes = bytes.start + data_start..bytes.end + data_start;
        }
        Ok(Self { header, segments })
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.segments.last().map_or(self.header.len() as u64, |segment| segment.bytes.end)
    }

    /// The tensor that byte `at` is of; `None` in the header and at the end.
    pub(super) fn segment(&self, at: u64) -> Option<&Segment> {
        let next = self.segments.partition_point(|segment| segment.bytes.end <= at);
        self.segments.get(next).filter(|segment| segment.bytes.contains(&at))
    }

    /// Where the real file has been read enough for all bytes before `end`.
    pub(super) fn real_end(&self, end: u64) -> u64 {
        let Some(segment) = end.checked_sub(1).and_then(|last| self.segment(last)) else { return 0 };
        let within = end - segment.bytes.start;
        let real_bytes = match segment.change {
            None => within,
            Some(change) => {
                let (real_bytes, block_bytes, _) = segment.blocks(change);
                within.div_ceil(block_bytes) * real_bytes
            }
        };
        segment.real.end.min(segment.real.start + real_bytes)
    }
}
