//! Bytes in the heap: what native programs and tests move.

use std::any::Any;
use std::ops::Range;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::source::Bytes;
use crate::Result;

/// Bytes in the heap; clones and slices share them.
#[derive(Clone, Debug)]
pub struct VecBytes {
    all: Rc<Vec<u8>>,
    range: Range<usize>,
}

impl From<Vec<u8>> for VecBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { all: Rc::new(bytes), range }
    }
}

impl VecBytes {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.all[self.range.clone()]
    }
}

impl Bytes for VecBytes {
    fn len(&self) -> u64 {
        self.range.len() as u64
    }

    fn slice(&self, start: u64, end: u64) -> Self {
        let end = end.min(self.len()) as usize;
        let start = (start as usize).min(end);
        Self { all: Rc::clone(&self.all), range: self.range.start + start..self.range.start + end }
    }

    fn copy_to(&self, out: &mut [u8]) {
        out.copy_from_slice(self.as_slice());
    }

    fn concat(parts: &[Self]) -> Result<Self> {
        Ok(parts.iter().flat_map(Self::as_slice).copied().collect::<Vec<u8>>().into())
    }

    fn from_vec(bytes: Vec<u8>) -> Result<Self> {
        Ok(bytes.into())
    }

    async fn sha256(&self) -> Result<[u8; 32]> {
        Ok(Sha256::digest(self.as_slice()).into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
