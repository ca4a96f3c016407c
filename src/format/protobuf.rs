//! Protocol Buffers' wire format (protobuf.dev, "Encoding"), as far as SentencePiece's model has it: fields one after the other, each
//! with a number and a kind. Nothing is copied, and no length is believed beyond the bytes that are there.

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    /// A text, bytes, or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message, in order; after a fault there are no more.
pub(super) fn fields(bytes: &[u8]) -> impl Iterator<Item = Result<(u64, Field<'_>), &'static str>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next(&mut rest);
        if field.is_none() {
            rest = &[];
        }
        Some(field.ok_or("a field that is no Protocol Buffers"))
    })
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(rest)?;
    let value = match tag & 7 {
        0 => Field::Varint(varint(rest)?),
        1 => Field::Fixed64(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?)),
        2 => {
            let length = varint(rest)?;
            Field::Bytes(take(rest, usize::try_from(length).ok()?)?)
        }
        5 => Field::Fixed32(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?)),
        _ => return None,
    };
    (tag >> 3 > 0).then_some((tag >> 3, value))
}

fn take<'a>(rest: &mut &'a [u8], n_bytes: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(n_bytes)?;
    *rest = left;
    Some(taken)
}

/// Seven bits a byte, the lowest first; the highest bit says that another byte follows.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Field, fields};

    #[test]
    fn fields_of_every_kind_and_what_is_cut_short() {
        // The examples of the format's documentation: a = 150; b = "testing".
        let message = [
            8, 0x96, 1, 0x12, 7, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67, 0x1d, 0, 0, 0x80, 0x3f, 0x21, 1, 0, 0, 0, 0,
            0, 0, 0,
        ];
        let read: Result<Vec<_>, _> = fields(&message).collect();
        let wanted = vec![
            (1, Field::Varint(150)),
            (2, Field::Bytes(b"testing")),
            (3, Field::Fixed32(0x3f80_0000)),
            (4, Field::Fixed64(1)),
        ];
        assert_eq!(read, Ok(wanted));
        for end in [1, 2, 4, 11, 14, 20] {
            assert!(fields(&message[..end]).any(|field| field.is_err()), "cut at {end}");
            assert!(fields(&message[..end]).count() <= 4);
        }
        for bad in [&[0xff; 12][..], &[0x0b], &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], &[0, 1]]
        {
            assert!(fields(bad).any(|field| field.is_err()), "{bad:?}");
        }
    }
}
