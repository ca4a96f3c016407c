//! SentencePiece's compiled normalisation rules (`precompiled_charsmap`, sentencepiece `normalizer.cc`): u32 bytes of a trie, the
//! trie as a double array (Aoe 1989; `darts.h`), and the replacements, each ended by a zero.
//!
//! The crate `tokenizers` walks the trie without looking where it steps. So every step is taken here once before.

use super::failed;
use crate::error::{Error, ErrorKind, Result};

/// Checks rules in base64, as `tokenizer.json` has them.
///
/// # Errors
/// [`ErrorKind::Tokenizer`] for text that is no base64, or as [`check`].
pub(super) fn check_base64(text: &str) -> Result<()> {
    check(&base64(text).ok_or_else(|| failed("a precompiled_charsmap is no base64"))?)
}

/// Checks rules: no step of the trie leaves it, and each of its leaves names a replacement.
///
/// # Errors
/// [`ErrorKind::Tokenizer`].
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let bad = || Error::new(ErrorKind::Tokenizer, "a precompiled_charsmap contradicts itself");
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(bad)?;
    let length = u32::from_le_bytes(*length) as usize / 4 * 4;
    let (trie, replacements) = rest.split_at_checked(length).ok_or_else(bad)?;
    let replacements = std::str::from_utf8(replacements).map_err(|_| bad())?;
    let trie: Vec<u32> =
        trie.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("4 bytes"))).collect();
    let offset = |unit: u32| (unit as usize >> 10) << ((unit & (1 << 9)) >> 6);

    let root = offset(*trie.first().ok_or_else(bad)?);
    let mut seen = vec![false; trie.len()];
    let mut todo = vec![root];
    while let Some(node) = todo.pop() {
        // Any byte may come next.
        if node | 0xff >= trie.len() {
            return Err(bad());
        }
        if std::mem::replace(&mut seen[node], true) {
            continue;
        }
        for byte in 1..=0xff {
            let unit = trie[node ^ byte];
            if (unit & (1 << 31 | 0xff)) as usize != byte {
                continue;
            }
            let child = node ^ byte ^ offset(unit);
            if unit >> 8 & 1 == 1 {
                let leaf = *trie.get(child).ok_or_else(bad)? & !(1 << 31);
                if !replacements.is_char_boundary(leaf as usize) {
                    return Err(bad());
                }
            }
            todo.push(child);
        }
    }
    Ok(())
}

/// The bytes of canonical base64 (RFC 4648, § 4).
fn base64(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| {
        Some(match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        })
    };
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.strip_suffix("==").or(text.strip_suffix('=')).unwrap_or(text).as_bytes();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut word = 0u32;
        for i in 0..4 {
            word = word << 6 | u32::from(group.get(i).map_or(Some(0), |c| digit(*c))?);
        }
        let [_, all @ ..] = word.to_be_bytes();
        let (whole, rest) = all.split_at_checked(group.len() - 1)?;
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(whole);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_published() {
        // RFC 4648, § 10.
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")] {
            assert_eq!(base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in ["Zg", "Zg=", "Zh==", "Z===", "Zm9v\n", "Zm-v", "===="] {
            assert_eq!(base64(text), None, "{text}");
        }
    }

    /// A trie in which `a` becomes what stands at `leaf` of "x\0é\0".
    fn rules(leaf: u32) -> Vec<u8> {
        let mut trie = vec![0u32; 768];
        trie[0] = 256 << 10;
        trie[256 ^ 0x61] = (256 ^ 0x61 ^ 512) << 10 | 1 << 8 | 0x61;
        trie[512] = leaf | 1 << 31;
        let mut bytes = 3072u32.to_le_bytes().to_vec();
        bytes.extend(trie.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend("x\0é\0".as_bytes());
        bytes
    }

    #[test]
    fn rules_that_leave_their_tables_are_refused() {
        for (leaf, right) in [(0, true), (1, true), (2, true), (3, false), (5, true), (6, false), (1 << 30, false)] {
            assert_eq!(check(&rules(leaf)).is_ok(), right, "{leaf}");
        }
        let normalised = tokenizers::normalizers::Precompiled::from(&rules(2)).expect("rules").normalize_string("bab");
        assert_eq!(normalised, "béb");
        let good = rules(0);
        let changed = |at: usize, unit: u32| {
            let mut bytes = good.clone();
            bytes[4 + 4 * at..8 + 4 * at].copy_from_slice(&unit.to_le_bytes());
            check(&bytes).is_ok()
        };
        assert!(!changed(0, 768 << 10), "the root lies outside");
        assert!(!changed(256 ^ 0x61, 4096 << 10 | 1 << 8 | 0x61), "a child lies outside");
        assert!(changed(256 ^ 0x61, 0x61), "a child that is its own parent ends nevertheless");
        for n_bytes in [0, 3, 4, 100, 3075] {
            assert!(check(&good[..n_bytes]).is_err(), "{n_bytes} bytes");
        }
        let mut bytes = good.clone();
        *bytes.last_mut().expect("some") = 0xff;
        assert!(check(&bytes).is_err(), "replacements are no UTF-8");
    }
}
