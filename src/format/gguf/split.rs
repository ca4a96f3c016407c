//! Models that are split over several files, as llama.cpp's `gguf-split` does it (`examples/gguf-split/README.md`): what the parts
//! say of each other.

use std::collections::HashSet;

use super::metadata::Metadata;
use crate::error::{Error, Result};

/// Checks that these are all the parts of one model in order; each comes with the number of its tensors. One file alone is a model
/// that is not split.
pub(super) fn check(parts: &[(Metadata<'_>, u64)]) -> Result<()> {
    let given = parts.len();
    let Some((first, _)) = parts.first() else { return Err(Error::bad_file("a model of no files")) };
    let count = first.u32("split.count")?.unwrap_or(1).max(1);
    if given == 1 && count == 1 {
        return Ok(());
    }
    for (file, (part, _)) in parts.iter().enumerate() {
        let bad = |message: String| Err(Error::bad_file(message).with("file", file));
        match part.u32("split.count")? {
            Some(n) if n == count => {}
            Some(n) => return bad(format!("file {} is one of {n} parts, the first one is of {count}", file + 1)),
            None => return bad(format!("file {} is no part of a split model", file + 1)),
        }
        for key in ["general.architecture", "general.name"] {
            // Most tools write them into the first part only.
            let (own, of_first) = (part.str(key)?, first.str(key)?);
            if own.is_some() && own != of_first {
                return bad(format!("file {} is part of another model than the first one: {key} differs", file + 1));
            }
        }
    }
    if given as u64 != u64::from(count) {
        let message =
            format!("the model is split into {count} files, and {given} are given: load all of them together");
        return Err(Error::bad_file(message).with("parts", count).with("given", given));
    }
    for (file, (part, _)) in parts.iter().enumerate() {
        let no = part.u32("split.no")?.ok_or_else(|| Metadata::missing("split.no"))?;
        if no as usize != file {
            let message =
                format!("the parts are not in order: file {} is part {} of {count}", file + 1, u64::from(no) + 1);
            return Err(Error::bad_file(message).with("file", file));
        }
    }
    let there: u64 = parts.iter().map(|(_, tensors)| tensors).sum();
    let stated = first.u32("split.tensors.count")?.map(u64::from);
    if stated.is_some_and(|stated| stated != there) {
        let message = format!(
            "the parts hold {there} tensors, and the first one says {}: they are not of one model",
            stated.unwrap_or_default()
        );
        return Err(Error::bad_file(message));
    }
    Ok(())
}

/// A name that stands twice.
pub(super) fn twice<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = HashSet::new();
    names.find(|name| !seen.insert(*name))
}
