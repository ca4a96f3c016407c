//! An adapter whose weights are no numbers.

use super::{answer, load_files};
use crate::common::{fixture, gpu, load};
use doran::ErrorKind;
use doran::engine::EngineOptions;
use doran::gpu::device::GpuOptions;
use doran::weights::Cancel;

/// It is refused by the tensor's name, frees what it took, and the model answers on.
#[test]
fn weights_that_are_no_numbers_are_refused_by_name() {
    let device = gpu(GpuOptions::default());
    for on in [Some(&device), None] {
        let mut engine =
            load(&fixture("arch/llama/model-f32.gguf"), on.cloned(), EngineOptions::default()).expect("loads");
        let wanted = answer(&mut engine, &[3, 7, 11], 5, &[]).expect("answers");
        let before = device.counts();
        let folder = std::env::temp_dir().join(format!("doran-non-finite-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let names = ["adapter_config.json", "adapter_model.safetensors"];
        let [config, mut tensors] =
            names.map(|name| std::fs::read(fixture(&format!("adapters/llama/plain/{name}"))).expect("a fixture"));
        let header_bytes = u64::from_le_bytes(tensors[..8].try_into().expect("eight")) as usize;
        let header: serde_json::Value = serde_json::from_slice(&tensors[8..8 + header_bytes]).expect("JSON");
        let (name, entry) = header.as_object().expect("entries").iter().next_back().expect("one");
        assert_eq!(entry["dtype"], "F32");
        let end = 8 + header_bytes + entry["data_offsets"][1].as_u64().expect("a number") as usize;
        tensors[end - 4..end].copy_from_slice(&f32::NAN.to_le_bytes());
        let files = names.map(|name| folder.join(name)).to_vec();
        std::fs::write(&files[0], config).expect("written");
        std::fs::write(&files[1], tensors).expect("written");
        let error = load_files(&engine, files, &names.map(str::to_owned), &Cancel::new()).err().expect("is refused");
        std::fs::remove_dir_all(&folder).expect("it is there");
        let named = error.data().get("tensor").and_then(serde_json::Value::as_str).expect("a tensor");
        assert_eq!(error.kind(), ErrorKind::NonFiniteWeights, "{error}");
        assert!(named == name || name.contains(named), "{named}, not {name}");
        let after = device.counts();
        assert_eq!((after.live_objects, after.gpu_bytes), (before.live_objects, before.gpu_bytes));
        let again = answer(&mut engine, &[3, 7, 11], 5, &[]).expect("answers");
        assert_eq!(again.0, wanted.0);
    }
}
