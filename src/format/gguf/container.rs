//! The GGUF container: typed key-value pairs and tensor descriptions, before anyone asks what they mean.
//!
//! Source: `docs/gguf.md` in the ggml repository. Nothing here allocates by a number that the file states: values borrow
//! from the prefix, counts are checked against the bytes that the file has left, and there is no recursion.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};

/// Most bytes that everything before the tensor data may take. Vocabularies of 256 k tokens with merges need about
/// 12 MiB, the largest published ones (several scripts, long merges) under 32 MiB; a longer header is refused unread.
pub const HEADER_BYTES_MAX: u64 = 64 << 20;

/// Most key-value pairs and most tensors. Published files have hundreds of the first and under ten thousand of the second.
const ENTRIES_MAX: u64 = 1 << 16;

/// Alignment where `general.alignment` is missing (`docs/gguf.md`).
const ALIGNMENT_DEFAULT: u64 = 32;

/// One metadata value. Integers keep their sign, floats their width, so that a wrong type can be told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Unsigned(u64),
    Signed(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    Str(&'a str),
    Array(Array<'a>),
}

/// An array of numbers or strings, still as stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Array<'a> {
    kind: u32,
    len: u64,
    bytes: &'a [u8],
}

/// A tensor as the file describes it.
#[derive(Debug)]
pub(super) struct RawTensor<'a> {
    pub name: &'a str,
    /// Row-major: GGUF's order reversed.
    pub shape: Vec<u64>,
    pub ggml_type: u32,
    /// From the start of the data section.
    pub offset: u64,
}

/// A parsed header.
#[derive(Debug)]
pub(super) struct Container<'a> {
    pub values: HashMap<&'a str, Value<'a>>,
    pub tensors: Vec<RawTensor<'a>>,
    pub alignment: u64,
    /// Where the data section starts in the file.
    pub data_start: u64,
}

/// Why reading stopped: the prefix is too short, or the file is wrong.
pub(super) enum Stop {
    NeedBytes(u64),
    Fail(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fail(error)
    }
}

const KIND_STRING: u32 = 8;
const KIND_ARRAY: u32 = 9;

/// Bytes of one value of a fixed-size kind.
fn kind_bytes(kind: u32) -> Option<u64> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return None,
    })
}

/// Reads the header at the start of `prefix`, the first bytes of a file of `file_bytes` bytes.
pub(super) fn read(prefix: &[u8], file_bytes: u64) -> Result<Container<'_>, Stop> {
    let mut r = Reader { prefix, pos: 0, file_bytes };
    let magic = r.take(4)?;
    if magic != b"GGUF" {
        return Err(Error::bad_file("this is no GGUF file: it does not start with \"GGUF\"").into());
    }
    let version = r.u32()?;
    if version.swap_bytes() == 2 || version.swap_bytes() == 3 {
        return Err(Error::unsupported("big-endian GGUF", "big-endian GGUF files are not read").into());
    }
    if !matches!(version, 2 | 3) {
        return Err(Error::bad_file(format!("GGUF version {version} is not known (2 and 3 are)")).into());
    }
    let n_tensors = r.u64()?;
    let n_values = r.u64()?;
    // Least sizes: a pair is a key length, a kind and one byte; a tensor is a name length, a count, one dimension, a type and an offset.
    r.check_count("metadata pairs", n_values, 13)?;
    r.check_count("tensors", n_tensors, 32)?;

    let mut values = HashMap::new();
    for _ in 0..n_values {
        let key = r.string("a metadata key")?;
        let kind = r.u32()?;
        let value = r.value(key, kind)?;
        if values.insert(key, value).is_some() {
            return Err(Error::bad_file(format!("metadata key {key:?} stands twice")).into());
        }
    }
    let alignment = match values.get("general.alignment") {
        None => ALIGNMENT_DEFAULT,
        Some(Value::Unsigned(a)) if a.is_power_of_two() && *a <= 1 << 16 => *a,
        Some(_) => {
            return Err(Error::bad_file("general.alignment must be a power of two of at most 65536").into());
        }
    };

    let mut tensors: Vec<RawTensor<'_>> = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..n_tensors {
        let tensor = r.tensor()?;
        if !names.insert(tensor.name) {
            return Err(Error::bad_file(format!("tensor {:?} stands twice", tensor.name)).into());
        }
        tensors.push(tensor);
    }
    let data_start = (r.pos as u64).next_multiple_of(alignment);
    Ok(Container { values, tensors, alignment, data_start })
}

struct Reader<'a> {
    prefix: &'a [u8],
    pos: usize,
    file_bytes: u64,
}

impl<'a> Reader<'a> {
    fn remaining(&self) -> u64 {
        self.file_bytes - self.pos as u64
    }

    /// Refuses a count that the rest of the file cannot hold.
    fn check_count(&self, what: &str, count: u64, least_bytes: u64) -> Result<(), Stop> {
        if count > ENTRIES_MAX || count * least_bytes > self.remaining() {
            return Err(Error::bad_file(format!("{count} {what} do not fit into this file")).into());
        }
        Ok(())
    }

    fn take(&mut self, n_bytes: u64) -> Result<&'a [u8], Stop> {
        if n_bytes > self.remaining() {
            return Err(
                Error::bad_file(format!("the file ends inside its header (at byte {})", self.file_bytes)).into()
            );
        }
        let end = self.pos as u64 + n_bytes;
        if end > HEADER_BYTES_MAX {
            return Err(Error::bad_file(format!("the header is longer than {HEADER_BYTES_MAX} bytes")).into());
        }
        if end > self.prefix.len() as u64 {
            return Err(Stop::NeedBytes(end));
        }
        let bytes = &self.prefix[self.pos..end as usize];
        self.pos = end as usize;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        Ok(self.take(N as u64)?.try_into().expect("take returns the length asked for"))
    }

    fn u32(&mut self) -> Result<u32, Stop> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Stop> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn string(&mut self, what: &str) -> Result<&'a str, Stop> {
        let n_bytes = self.u64()?;
        let bytes = self.take(n_bytes)?;
        Ok(std::str::from_utf8(bytes).map_err(|_| Error::bad_file(format!("{what} is not UTF-8")))?)
    }

    fn value(&mut self, key: &str, kind: u32) -> Result<Value<'a>, Stop> {
        Ok(match kind {
            0 => Value::Unsigned(u64::from(self.array::<1>()?[0])),
            1 => Value::Signed(i64::from(i8::from_le_bytes(self.array()?))),
            2 => Value::Unsigned(u64::from(u16::from_le_bytes(self.array()?))),
            3 => Value::Signed(i64::from(i16::from_le_bytes(self.array()?))),
            4 => Value::Unsigned(u64::from(self.u32()?)),
            5 => Value::Signed(i64::from(i32::from_le_bytes(self.array()?))),
            6 => Value::F32(f32::from_le_bytes(self.array()?)),
            7 => match self.array::<1>()?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => return Err(Error::bad_file(format!("{key}: {other} is neither true nor false")).into()),
            },
            KIND_STRING => Value::Str(self.string(key)?),
            KIND_ARRAY => Value::Array(self.array_value(key)?),
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.array()?)),
            12 => Value::F64(f64::from_le_bytes(self.array()?)),
            other => return Err(Error::bad_file(format!("{key}: value type {other} is not known")).into()),
        })
    }

    fn array_value(&mut self, key: &str) -> Result<Array<'a>, Stop> {
        let kind = self.u32()?;
        let len = self.u64()?;
        let start = self.pos;
        if kind == KIND_STRING {
            if len.checked_mul(8).is_none_or(|least| least > self.remaining()) {
                return Err(Error::bad_file(format!("{key}: {len} strings do not fit into this file")).into());
            }
            for _ in 0..len {
                self.string(key)?;
            }
        } else if kind == KIND_ARRAY {
            return Err(Error::unsupported("nested arrays in GGUF", format!("{key} is an array of arrays")).into());
        } else {
            let each =
                kind_bytes(kind).ok_or_else(|| Error::bad_file(format!("{key}: array type {kind} is not known")))?;
            let n_bytes = len
                .checked_mul(each)
                .ok_or_else(|| Error::bad_file(format!("{key}: {len} values do not fit into this file")))?;
            self.take(n_bytes)?;
        }
        Ok(Array { kind, len, bytes: &self.prefix[start..self.pos] })
    }

    fn tensor(&mut self) -> Result<RawTensor<'a>, Stop> {
        let name = self.string("a tensor name")?;
        let n_dims = self.u32()?;
        if !(1..=4).contains(&n_dims) {
            return Err(Error::bad_file(format!("tensor {name:?} has {n_dims} dimensions (1 to 4 are allowed)")).into());
        }
        let mut shape = Vec::with_capacity(n_dims as usize);
        for _ in 0..n_dims {
            shape.push(self.u64()?);
        }
        if shape.contains(&0) {
            return Err(Error::bad_file(format!("tensor {name:?} has a dimension of 0")).into());
        }
        shape.reverse();
        Ok(RawTensor { name, shape, ggml_type: self.u32()?, offset: self.u64()? })
    }
}

impl<'a> Array<'a> {
    /// The values of an array of true or false.
    pub fn bools(&self, key: &str) -> Result<Vec<bool>> {
        if self.kind != 7 {
            return Err(Error::bad_file(format!("{key} must be an array of true or false")).with("key", key));
        }
        Ok(self.bytes.iter().map(|byte| *byte != 0).collect())
    }

    /// Number of values.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The strings, or `None` for an array of something else.
    pub fn strings(&self) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        let mut bytes = self.bytes;
        (self.kind == KIND_STRING).then(|| {
            (0..self.len).map_while(move |_| {
                let (n_bytes, rest) = bytes.split_first_chunk::<8>()?;
                let n_bytes = usize::try_from(u64::from_le_bytes(*n_bytes)).ok()?;
                let text = std::str::from_utf8(rest.get(..n_bytes)?).ok()?;
                bytes = &rest[n_bytes..];
                Some(text)
            })
        })
    }

    /// 32-bit floats, or `None` for an array of something else.
    #[inline(never)] // It loops over all tokens: see src/tokenizer/vocabulary.rs.
    pub fn f32s(&self) -> Option<Vec<f32>> {
        (self.kind == 6).then(|| self.words().map(f32::from_le_bytes).collect())
    }

    /// 32-bit integers of either sign, or `None` for an array of something else.
    #[inline(never)] // It loops over all tokens: see src/tokenizer/vocabulary.rs.
    pub fn i32s(&self) -> Option<Vec<i32>> {
        matches!(self.kind, 4 | 5).then(|| self.words().map(i32::from_le_bytes).collect())
    }

    /// Bytes of either sign, or `None` for an array of something else.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        matches!(self.kind, 0 | 1).then(|| self.bytes.to_vec())
    }

    fn words(&self) -> impl Iterator<Item = [u8; 4]> + '_ {
        self.bytes.chunks_exact(4).map(|word| word.try_into().expect("chunks of 4"))
    }
}
