//! Dequantisation, bit by bit against ggml's (tests/fixtures/quants).

use std::path::Path;

use doran::quant::Format;

#[test]
fn every_format_dequantises_as_ggml_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quants");
    for format in Format::ALL {
        let read = |ending: &str| {
            let path = folder.join(format!("{}.{ending}", format.spec().name));
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let (stored, wanted) = (read("bin"), read("f32"));
        let mut got = vec![0.0f32; wanted.len() / 4];
        assert_eq!(stored.len() as u64 / format.block_bytes() * format.block_weights(), got.len() as u64);
        format.dequantize(&stored, &mut got);
        for (i, (value, bytes)) in got.iter().zip(wanted.chunks_exact(4)).enumerate() {
            let expected = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            assert_eq!(value.to_bits(), expected.to_bits(), "{format:?}: weight {i} is {value}, not {expected}");
        }
    }
}
