//! GGUF metadata by key, with errors that name the key.

use std::collections::HashMap;

use super::container::{Array, Value};
use crate::error::{Error, Result};

/// Metadata of one file. Reading a key of the wrong type is [`crate::ErrorKind::BadFile`].
pub(super) struct Metadata<'a>(pub HashMap<&'a str, Value<'a>>);

impl<'a> Metadata<'a> {
    fn wrong(key: &str, wanted: &str) -> Error {
        Error::bad_file(format!("{key} must be {wanted}")).with("key", key)
    }

    /// What to say of a key that must be there and is not.
    pub fn missing(key: &str) -> Error {
        Error::bad_file(format!("{key} is missing")).with("key", key)
    }

    pub fn str(&self, key: &str) -> Result<Option<&'a str>> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::Str(text)) => Ok(Some(text)),
            Some(_) => Err(Self::wrong(key, "a string")),
        }
    }

    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(Self::wrong(key, "true or false")),
        }
    }

    /// An integer of 0..=u32::MAX of whatever stored width.
    pub fn u32(&self, key: &str) -> Result<Option<u32>> {
        let number = match self.0.get(key) {
            None => return Ok(None),
            Some(Value::Unsigned(n)) => u32::try_from(*n).ok(),
            Some(Value::Signed(n)) => u32::try_from(*n).ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| Self::wrong(key, "an integer of at most 32 bits, not negative"))
    }

    /// A finite float. A 32-bit float becomes the shortest decimal that stands for it, so that 1e-5 is 1e-5.
    pub fn f64(&self, key: &str) -> Result<Option<f64>> {
        let number = match self.0.get(key) {
            None => return Ok(None),
            Some(Value::F32(x)) => x.to_string().parse().ok(),
            Some(Value::F64(x)) => Some(*x),
            Some(_) => None,
        };
        match number {
            Some(x) if x.is_finite() => Ok(Some(x)),
            _ => Err(Self::wrong(key, "a finite float")),
        }
    }

    /// A number, or true or false, as JSON has it.
    pub fn json(&self, key: &str) -> Result<Option<serde_json::Value>> {
        Ok(match self.0.get(key) {
            None => None,
            Some(Value::Bool(flag)) => Some((*flag).into()),
            Some(Value::F32(_) | Value::F64(_)) => self.f64(key)?.map(Into::into),
            Some(_) => self.u32(key)?.map(Into::into),
        })
    }

    /// An array of true or false; nothing where another value has the key.
    pub fn bools(&self, key: &str) -> Result<Option<Vec<bool>>> {
        match self.0.get(key) {
            Some(Value::Array(array)) => array.bools(key).map(Some),
            _ => Ok(None),
        }
    }

    /// An array of 32-bit integers; nothing where another value has the key.
    pub fn ints(&self, key: &str) -> Result<Option<Vec<i32>>> {
        match self.0.get(key) {
            Some(Value::Array(array)) => array.i32s().map(Some).ok_or_else(|| Self::wrong(key, "of 32-bit integers")),
            _ => Ok(None),
        }
    }

    pub fn array(&self, key: &str) -> Result<Option<Array<'a>>> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::Array(array)) => Ok(Some(*array)),
            Some(_) => Err(Self::wrong(key, "an array")),
        }
    }

    /// An integer of `least..=most` that must be there, or `default` where one is given.
    pub fn count(&self, key: &str, default: Option<u32>, most: u32) -> Result<u32> {
        let n = match (self.u32(key)?, default) {
            (Some(n), _) => n,
            (None, Some(n)) => n,
            (None, None) => return Err(Self::missing(key)),
        };
        if n == 0 || n > most {
            return Err(Self::wrong(key, &format!("between 1 and {most}, not {n}")));
        }
        Ok(n)
    }
}
