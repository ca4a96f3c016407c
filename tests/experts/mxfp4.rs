//! MXFP4 in two tensors.

use super::{backends, load, logits, read, write};
use crate::common::{Tensors, max_difference};
use doran::ErrorKind;
use serde_json::json;

/// gpt-oss is published with codes and scales of its experts in two tensors, by rows. The values of the codes are those of
/// OCP Microscaling Formats 1.0, table 5.
#[test]
fn mxfp4_in_two_tensors_is_what_it_stands_for() {
    const VALUES: [f32; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
    let mut plain = read("gpt_oss");
    let mut packed = plain.clone();
    let mut seed = 1u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as u8
    };
    let names: Vec<String> =
        plain.keys().filter(|name| name.ends_with("_proj") && name.contains("experts")).cloned().collect();
    assert_eq!(names.len(), 4);
    for name in names {
        let (_, shape, _) = &plain[&name];
        let [experts, cols, rows] = shape[..] else { panic!("{shape:?}") };
        let codes: Vec<u8> = (0..experts * rows * cols / 2).map(|_| random()).collect();
        let scales: Vec<u8> = (0..experts * rows * cols / 32).map(|_| 121 + random() % 5).collect();
        let mut values = vec![0.0f32; experts * rows * cols];
        for expert in 0..experts {
            for row in 0..rows {
                for col in 0..cols {
                    let at = (expert * rows + row) * cols + col;
                    let code = codes[at / 2] >> (4 * (at % 2)) & 15;
                    let value = VALUES[usize::from(code & 7)] * if code & 8 == 0 { 1.0 } else { -1.0 };
                    values[(expert * cols + col) * rows + row] =
                        value * f32::from(scales[at / 32]).mul_add(1.0, -127.0).exp2();
                }
            }
        }
        plain.insert(name.clone(), ("F32".into(), vec![experts, cols, rows], bytemuck::cast_slice(&values).to_vec()));
        packed.remove(&name);
        packed.insert(format!("{name}_blocks"), ("U8".into(), vec![experts, rows, cols / 32, 16], codes));
        packed.insert(format!("{name}_scales"), ("U8".into(), vec![experts, rows, cols / 32], scales));
    }
    let plain = write("plain", "gpt_oss", &plain, &json!({}));
    let packed_tensors = packed.clone();
    let packed = write("mxfp4", "gpt_oss", &packed, &json!({ "quantization_config": { "quant_method": "mxfp4" } }));
    for (gpu, kernels) in backends() {
        let mut engine = load(&packed, gpu.clone(), kernels).expect("loads");
        let got = logits(&mut engine);
        let mut engine = load(&plain, gpu, kernels).expect("loads");
        let error = max_difference(&got, &logits(&mut engine));
        println!("{kernels:?}: off by {error:e}");
        assert!(error < 2e-5, "{kernels:?}: off by {error}");
    }
    // An exponent of 255 is NaN; codes may be anything.
    let bad = tensors_of_packed_with_nan(&packed_tensors);
    let folder = write("mxfp4-nan", "gpt_oss", &bad.1, &json!({ "quantization_config": { "quant_method": "mxfp4" } }));
    for (gpu, kernels) in backends() {
        let error = load(&folder, gpu, kernels).err().expect("is refused");
        assert_eq!(
            (error.kind(), error.data()["tensor"].as_str()),
            (ErrorKind::NonFiniteWeights, Some(bad.0.as_str()))
        );
    }
    for folder in [plain, packed, folder] {
        std::fs::remove_dir_all(folder).expect("removes");
    }
}

/// The same tensors with one exponent that is no number, and in which tensor it is.
fn tensors_of_packed_with_nan(packed: &Tensors) -> (String, Tensors) {
    let mut packed = packed.clone();
    let (name, (_, _, scales)) = packed.iter_mut().rfind(|(name, _)| name.ends_with("_scales")).expect("scales");
    let name = name.clone();
    let middle = scales.len() / 2;
    scales[middle] = 255;
    (name, packed)
}
