//! What stored models have in common: chunks of the same bytes, which are stored once for each of them.

use std::collections::{BTreeSet, HashMap};

use super::manifest::Manifest;

/// What a model has in common with others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Bytes of its stored chunks whose hash a stored chunk of another model has too.
    pub bytes: u64,
    /// The names of those models, in order.
    pub with: Vec<String>,
}

/// What each of `manifests` shares with the others, in their order.
pub fn shared(manifests: &[Manifest]) -> Vec<Shared> {
    let mut owners: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for manifest in manifests {
        for (hash, _) in stored(manifest) {
            owners.entry(hash).or_default().insert(&manifest.model);
        }
    }
    let of = |manifest: &Manifest| {
        let (mut bytes, mut with) = (0, BTreeSet::<&str>::new());
        for (hash, len) in stored(manifest) {
            let others = || owners[hash].iter().copied().filter(|model| *model != manifest.model);
            if others().next().is_some() {
                bytes += len;
                with.extend(others());
            }
        }
        Shared { bytes, with: with.into_iter().map(str::to_owned).collect() }
    };
    manifests.iter().map(of).collect()
}

/// Hash and length of each stored chunk.
fn stored(manifest: &Manifest) -> impl Iterator<Item = (&str, u64)> {
    let chunks = manifest.chunks().filter(|(_, _, chunk)| chunk.stored);
    chunks.filter_map(|(_, _, chunk)| Some((chunk.sha256.as_deref()?, chunk.len)))
}
