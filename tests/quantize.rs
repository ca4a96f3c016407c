//! Quantising: blocks against others' blocks, and folders that are quantised while they stream.

use std::rc::Rc;

use crate::common::{self, fixture, gpu};
use crate::weights::faulty::{FaultyStore, RangeMode, Server};
use doran::engine::{Engine, EngineOptions, roles};
use doran::format::safetensors::{self, Parsed};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::ops::KvFormat;
use doran::quant::Format;
use doran::quantize::{Quantize, QuantizedSource};
use doran::weights::{Cancel, ChunkStore, LoadOptions, MemoryStore, ModelFiles, VecBytes};
use doran::{ErrorKind, Result};
use pollster::block_on;

const ALL: [Quantize; 4] = [Quantize::Q8_0, Quantize::Q4_0, Quantize::Q4K, Quantize::Q6K];
type Store = MemoryStore<VecBytes>;

// ---- Blocks ----

fn weights() -> Vec<f32> {
    let bytes = std::fs::read(fixture("quantize/weights.f32")).expect("a fixture");
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn quantized(format: Format, weights: &[f32]) -> Vec<u8> {
    let mut blocks = vec![0; (weights.len() as u64 / format.block_weights() * format.block_bytes()) as usize];
    format.quantize(weights, &mut blocks).expect("finite weights");
    blocks
}

fn dequantized(format: Format, blocks: &[u8]) -> Vec<f32> {
    let mut out = vec![0.0; (blocks.len() as u64 / format.block_bytes() * format.block_weights()) as usize];
    format.dequantize(blocks, &mut out);
    out
}

#[test]
fn blocks_of_one_scale_are_those_of_gguf_py() {
    let weights = weights();
    for format in [Format::Q8_0, Format::Q4_0, Format::Q5_0] {
        let wanted = std::fs::read(fixture(&format!("quantize/{}.bin", format.spec().name))).expect("a fixture");
        let got = quantized(format, &weights);
        let n = format.block_bytes() as usize;
        for (i, (got, wanted)) in got.chunks(n).zip(wanted.chunks(n)).enumerate() {
            assert_eq!(got, wanted, "{format:?}: block {i}");
        }
    }
}

/// In sum over a block, where large weights count for more, as both searches have it; ggml searches otherwise, so single blocks
/// may be a little worse.
#[test]
fn blocks_of_256_are_as_near_as_those_of_ggml() {
    let weights = weights();
    for format in [Format::Q4_K, Format::Q6_K] {
        let theirs = std::fs::read(fixture(&format!("quantize/{}.bin", format.spec().name))).expect("a fixture");
        let (ours, theirs) = (dequantized(format, &quantized(format, &weights)), dequantized(format, &theirs));
        let error = |block: &[f32], of: &[f32]| -> f64 {
            block.iter().zip(of).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
        };
        let (mut sum, mut n) = (0.0, 0.0);
        for ((weights, ours), theirs) in weights.chunks(256).zip(ours.chunks(256)).zip(theirs.chunks(256)) {
            let (ours, theirs) = (error(weights, ours), error(weights, theirs));
            if theirs == 0.0 {
                assert!(ours == 0.0, "{format:?}: zeros stay zeros");
                continue;
            }
            assert!(ours <= 1.3 * theirs, "{format:?}: a block is off by {ours}, ggml's by {theirs}");
            sum += ours / theirs;
            n += 1.0;
        }
        println!("{format:?}: {} of ggml's squared error", sum / n);
        assert!(sum / n <= 1.05, "{format:?}: {} of ggml's squared error", sum / n);
    }
}

/// What half a step comes to: the range of a sub-block over its codes, and for K formats what rounding its scale adds.
#[test]
fn weights_come_back_within_half_a_step() {
    let weights = weights();
    for (format, group, codes, slack) in [
        (Format::Q8_0, 32, 254.0, 1.01),
        (Format::Q5_0, 32, 32.0, 2.01),
        (Format::Q4_0, 32, 16.0, 2.01),
        (Format::Q6_K, 256, 62.0, 1.2),
        (Format::Q4_K, 256, 15.0, 1.4),
    ] {
        let back = dequantized(format, &quantized(format, &weights));
        for (weights, back) in weights.chunks(group).zip(back.chunks(group)) {
            let most = weights.iter().fold(0.0f32, |most, w| most.max(w.abs()));
            // Half floats end at 2⁻²⁴.
            let step = (2.0 * most / codes).max(1e-7 * codes);
            for (w, b) in weights.iter().zip(back) {
                // The scale itself is rounded to eleven bits.
                assert!(
                    (w - b).abs() <= step / 2.0 * slack + w.abs() / 2048.0,
                    "{format:?}: {w} came back as {b}, steps are {step}"
                );
            }
        }
    }
}

#[test]
fn what_half_floats_cannot_scale_is_an_error() {
    for format in safetensors::QUANTISED {
        let weights = vec![f32::MAX; 256];
        let mut blocks = vec![0; (256 / format.block_weights() * format.block_bytes()) as usize];
        let error = format.quantize(&weights, &mut blocks).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::NonFiniteWeights, "{format:?}");
    }
    let error = Format::Q2_K.quantize(&[0.0; 256], &mut [0; 84]).expect_err("doran does not write it");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

// ---- Folders ----

/// The files of a tiny model, and their names.
fn folder(name: &str) -> (Vec<String>, Vec<Vec<u8>>) {
    let mut paths: Vec<String> = std::fs::read_dir(fixture(&format!("arch/{name}")))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|path| path != "golden.json" && !path.ends_with(".gguf") && !path.ends_with(".v5.json"))
        .collect();
    paths.sort();
    let read = |path: &String| std::fs::read(fixture(&format!("arch/{name}/{path}"))).expect("a file");
    let files = paths.iter().map(read).collect();
    (paths, files)
}

/// A Llama of some 4.5 MiB, of which a head is but a part, with rows of 4096 in its down projections.
fn large() -> (Vec<String>, Vec<Vec<u8>>) {
    let (paths, mut files) = folder("llama");
    let at = |name: &str| paths.iter().position(|path| path == name).expect("a file");
    let mut config: serde_json::Value = serde_json::from_slice(&files[at("config.json")]).expect("JSON");
    config["intermediate_size"] = 4096.into();
    files[at("config.json")] = config.to_string().into_bytes();
    let mut tensors = common::safetensors("llama");
    let mut state = 5;
    for (name, (_, shape, bytes)) in tensors.iter_mut().filter(|(name, _)| name.contains(".mlp.")) {
        *shape = if name.contains("down_proj") { vec![32, 4096] } else { vec![4096, 32] };
        let mut weight = || (crate::weights::faulty::random(&mut state) >> 40) as f32 / 2f32.powi(24) * 0.1 - 0.05;
        *bytes = (0..4096 * 32).flat_map(|_| weight().to_le_bytes()).collect();
    }
    files[at("model.safetensors")] = safetensors_file(&tensors);
    (paths, files)
}

fn safetensors_file(tensors: &common::Tensors) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, (dtype, shape, bytes)) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert(name.clone(), serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": offsets}));
        data.extend_from_slice(bytes);
    }
    let header = serde_json::Value::Object(header).to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

/// One load, as the web's does it.
fn load<T: ChunkStore<Bytes = VecBytes> + Clone>(
    server: Option<(&Server, Quantize)>,
    store: &T,
    paths: &[String],
    chunk_bytes: u64,
    gpu: Option<Rc<Gpu>>,
) -> Result<Engine> {
    block_on(async {
        let cancel = Cancel::new();
        let source = server
            .map(|(server, quantize)| QuantizedSource::new(server.clone(), paths, quantize, roles))
            .transpose()?;
        let options = LoadOptions { chunk_bytes, ..LoadOptions::default() };
        let files = ModelFiles::open(source, store.clone(), "model", options, &|_| {}, &cancel).await?;
        let options = EngineOptions {
            paths: paths.to_vec(),
            chunk_bytes,
            kv: Some(KvFormat::F32),
            context: Some(64),
            ..EngineOptions::default()
        };
        Engine::load(files, gpu, options, &|_| None, &|_| {}, &cancel).await
    })
}

fn logits(engine: &mut Engine) -> Vec<f32> {
    let mut last = Vec::new();
    let visit = |_: usize, logits: &[f32]| last = logits.to_vec();
    block_on(engine.session.all_logits(&[1, 5, 9, 2, 17, 40], &Cancel::new(), visit)).expect("runs");
    last
}

/// A stored file, put together, and how many chunks it has.
fn stored(store: &Store, file: usize) -> (Vec<u8>, usize) {
    let manifest = block_on(store.manifest("model")).expect("reads").expect("is stored");
    let chunks = &manifest.files[file].chunks;
    let mut whole = Vec::new();
    for index in 0..chunks.len() {
        let bytes = block_on(store.chunk("model", file, index)).expect("reads").expect("is there");
        whole.extend_from_slice(bytes.as_slice());
    }
    (whole, chunks.len())
}

fn tensors(file: &[u8]) -> Vec<doran::format::TensorInfo> {
    match safetensors::parse(file, file.len() as u64, 0).expect("a header") {
        Parsed::Done(tensors) => tensors,
        Parsed::NeedBytes(_) => panic!("the whole file is there"),
    }
}

/// What is stored, block by block: each matrix is what the real one's weights are quantised to, all else is as it was.
#[test]
fn the_store_has_the_real_weights_quantised() {
    for (name, quantize) in
        [("llama", Quantize::Q4_0), ("llama_bf16", Quantize::Q8_0), ("qwen2_f16_sharded", Quantize::Q4K)]
    {
        let (paths, files) = folder(name);
        let (server, store) = (Server::new(files.clone()), Store::default());
        load(Some((&server, quantize)), &store, &paths, 1024, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut n_quantised = 0;
        for (file, path) in paths.iter().enumerate() {
            let (got, n_chunks) = stored(&store, file);
            if !path.ends_with(".safetensors") {
                assert_eq!(got, files[file], "{path} is passed on");
                continue;
            }
            assert!(n_chunks >= 8, "{path} has {n_chunks} chunks");
            let real = tensors(&files[file]);
            let quantised = tensors(&got);
            assert_eq!(real.len(), quantised.len());
            for ours in quantised {
                let real = real.iter().find(|tensor| tensor.name == ours.name).expect("it is the same tensor");
                assert_eq!(real.shape, ours.shape);
                let bytes = |tensor: &doran::format::TensorInfo, file: &[u8]| {
                    file[tensor.offset as usize..][..tensor.n_bytes as usize].to_vec()
                };
                let (theirs, got) = (bytes(real, &files[file]), bytes(&ours, &got));
                if ours.format == real.format {
                    assert_eq!(theirs, got, "{}", ours.name);
                    let in_blocks = real.shape.len() == 2 && real.shape[1].is_multiple_of(32);
                    assert!(!in_blocks, "{}: a matrix was left out", ours.name);
                } else {
                    assert_eq!(quantized(ours.format, &dequantized(real.format, &theirs)), got, "{}", ours.name);
                    n_quantised += 1;
                }
            }
        }
        assert!(n_quantised > 10, "{name}: {n_quantised} matrices");
    }
}

/// Cut off at every so many bytes, over servers of each kind, with and without answers in between: the same bytes.
#[test]
fn whatever_the_server_does_the_same_bytes_are_stored() {
    let (paths, files) = folder("qwen2_f16_sharded");
    let weights: Vec<usize> = (0..paths.len()).filter(|file| paths[*file].ends_with(".safetensors")).collect();
    let whole = {
        let (server, store) = (Server::new(files.clone()), Store::default());
        load(Some((&server, Quantize::Q8_0)), &store, &paths, 2048, None).expect("loads");
        let config = paths.iter().position(|path| path == "config.json").expect("a folder");
        let total: usize = files.iter().map(Vec::len).sum::<usize>() + files[config].len();
        assert_eq!(server.sent_bytes() as usize, total, "each byte is read once, and the configuration once more");
        weights.iter().map(|file| stored(&store, *file).0).collect::<Vec<_>>()
    };
    let modes = [
        RangeMode::Honest,
        RangeMode::Ignored,
        RangeMode::WrongStart,
        RangeMode::WrongLength,
        RangeMode::Overlong,
        RangeMode::Hidden,
        RangeMode::AtMost(100),
        RangeMode::Unanswered,
    ];
    for mode in modes {
        for cut in [None, Some(5), Some(4999), Some(20_001)] {
            let (server, store) = (Server::new(files.clone()), Store::default());
            server.script().ranges.set(mode);
            *server.script().cuts.borrow_mut() = vec![cut; 4];
            *server.script().statuses.borrow_mut() = vec![(503, None)];
            load(Some((&server, Quantize::Q8_0)), &store, &paths, 2048, None)
                .unwrap_or_else(|error| panic!("{mode:?}, cut at {cut:?}: {error}"));
            for (file, whole) in weights.iter().zip(&whole) {
                assert!(stored(&store, *file).0 == *whole, "{mode:?}, cut at {cut:?}");
            }
        }
    }
}

/// By an error of the network or of the store, in the middle of the weights.
#[test]
fn a_load_that_was_cut_off_goes_on() {
    let (paths, files) = large();
    let file = paths.iter().position(|path| path == "model.safetensors").expect("weights");
    for quantize in ALL {
        let (server, store) = (Server::new(files.clone()), Store::default());
        load(Some((&server, quantize)), &store, &paths, 32 << 10, None).expect("loads");
        let (whole, n_chunks) = stored(&store, file);
        assert!(n_chunks >= 8, "{n_chunks} chunks");
        let operations = server.0.operations.get();
        let store = FaultyStore::default();
        let mut kept = 0;
        for _ in 0..3 {
            server.0.operations.set(0);
            server.script().fail_at.set(operations / 4);
            let error = load(Some((&server, quantize)), &store, &paths, 32 << 10, None).err().expect("is cut off");
            assert_eq!(error.kind(), ErrorKind::Network);
            server.script().fail_at.set(0);
            store.fail_at.set(store.operations.get() + 9);
            let error = load(Some((&server, quantize)), &store, &paths, 32 << 10, None).err().expect("is cut off");
            assert_eq!(error.kind(), ErrorKind::Storage);
            let manifest = block_on(store.inner.manifest("model")).expect("reads").expect("there is one");
            assert!(manifest.stored_bytes() >= kept && !manifest.complete);
            kept = manifest.stored_bytes();
        }
        assert!(kept > 64 << 10, "{kept} bytes were kept");
        server.forget_counts();
        let engine = load(Some((&server, quantize)), &store, &paths, 32 << 10, None).expect("goes on");
        assert_eq!(engine.info.load.bytes_from_store, kept, "what was stored is not made again");
        assert!(server.sent_bytes() < files[file].len() as u64, "{quantize:?}: {} bytes", server.sent_bytes());
        assert!(stored(&store.inner, file).0 == whole, "{quantize:?}");
    }
}

#[test]
fn a_stored_model_needs_no_source() {
    let (paths, files) = folder("llama");
    let real: usize = files.iter().map(Vec::len).sum();
    for quantize in ALL {
        let (server, store) = (Server::new(files.clone()), Store::default());
        let mut cold =
            load(Some((&server, quantize)), &store, &paths, 4096, Some(gpu(GpuOptions::default()))).expect("loads");
        assert_eq!(cold.info.load.bytes_downloaded, server.sent_bytes(), "the real bytes are counted");
        assert!((store.used_bytes() as usize) < real, "the store has the smaller ones");
        server.forget_counts();
        let manifest = block_on(store.manifest("model")).expect("reads").expect("is stored");
        let is_in = |quantize: Quantize| manifest.files.iter().any(|file| quantize.is_in(&file.url));
        assert!(ALL.into_iter().all(|other| is_in(other) == (other == quantize)), "its address says how it is stored");
        let warm = load(Some((&server, quantize)), &store, &paths, 4096, Some(gpu(GpuOptions::default())));
        let mut warm = warm.expect("loads");
        assert_eq!((server.n_requests(), warm.info.load.bytes_downloaded), (0, 0));
        let mut alone = load(None, &store, &paths, 4096, Some(gpu(GpuOptions::default()))).expect("loads");
        let mut reference = load(None, &store, &paths, 4096, None).expect("loads on the references");
        let (cold, warm, alone) = (logits(&mut cold), logits(&mut warm), logits(&mut alone));
        assert_eq!(cold, warm);
        assert_eq!(cold, alone);
        assert!(common::max_difference(&cold, &logits(&mut reference)) < 1e-4);
        // Another quantisation under the same name is another model.
        let other = if quantize == Quantize::Q8_0 { Quantize::Q4_0 } else { Quantize::Q8_0 };
        let engine = load(Some((&server, other)), &store, &paths, 4096, None).expect("loads");
        assert_eq!(engine.info.load.bytes_from_store, 0);
        assert_eq!(engine.info.warnings.len(), 1);
    }
}

/// Every tiny architecture: it loads, and computes what it computes of the same weights as floats. (How far that is from the
/// golden is no measure where it changes which experts are chosen.)
#[test]
fn every_architecture_is_quantised_where_its_kernels_can() {
    let mut names: Vec<String> = std::fs::read_dir(fixture("arch"))
        .expect("fixtures")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    for name in names {
        let (paths, files) = folder(&name);
        for quantize in ALL {
            let label = format!("{name} in {}", quantize.name());
            let (server, store) = (Server::new(files.clone()), Store::default());
            let mut engine = load(Some((&server, quantize)), &store, &paths, 8192, None)
                .unwrap_or_else(|error| panic!("{label}: {error}"));
            let real: usize = files.iter().map(Vec::len).sum();
            assert!((store.used_bytes() as usize) < real, "{label}: nothing became smaller");
            if engine.info.kind != "decoder" {
                continue;
            }
            let mut floats = files.clone();
            for (file, path) in paths.iter().enumerate().filter(|(_, path)| path.ends_with(".safetensors")) {
                floats[file] = safetensors_file(&as_floats(&stored(&store, file).0, path));
            }
            let mut plain = load_plain(floats, &paths).unwrap_or_else(|error| panic!("{label}, as floats: {error}"));
            let (got, wanted) = (logits(&mut engine), logits(&mut plain));
            let difference = common::max_difference(&got, &wanted);
            assert!(difference < 1e-4, "{label}: logits are off by {difference}");
        }
    }
}

/// A stored file's tensors with the quantised ones in F32.
fn as_floats(file: &[u8], path: &str) -> common::Tensors {
    let header_bytes = u64::from_le_bytes(file[..8].try_into().expect("eight")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + header_bytes]).expect("JSON");
    let mut out = common::Tensors::new();
    for tensor in tensors(file) {
        let entry = &header[&tensor.name];
        let bytes = file[tensor.offset as usize..][..tensor.n_bytes as usize].to_vec();
        let shape =
            entry["shape"].as_array().expect(path).iter().map(|n| n.as_u64().expect("a size") as usize).collect();
        let dtype = entry["dtype"].as_str().expect("a dtype").to_owned();
        let as_stored = !safetensors::QUANTISED.contains(&tensor.format);
        out.insert(
            tensor.name,
            match as_stored {
                true => (dtype, shape, bytes),
                false => {
                    let values = dequantized(tensor.format, &bytes);
                    ("F32".into(), shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
                }
            },
        );
    }
    out
}

fn load_plain(files: Vec<Vec<u8>>, paths: &[String]) -> Result<Engine> {
    block_on(async {
        let (source, cancel) = (QuantizedSource::plain(Server::new(files)), Cancel::new());
        let files =
            ModelFiles::open(Some(source), Store::default(), "m", LoadOptions::default(), &|_| {}, &cancel).await?;
        let options = EngineOptions {
            paths: paths.to_vec(),
            kv: Some(KvFormat::F32),
            context: Some(64),
            ..EngineOptions::default()
        };
        Engine::load(files, None, options, &|_| None, &|_| {}, &cancel).await
    })
}

// ---- Errors ----

#[test]
fn weights_that_are_no_numbers_are_an_error_that_names_their_tensor() {
    let (paths, files) = folder("llama");
    let file = paths.iter().position(|path| path == "model.safetensors").expect("weights");
    let name = "model.layers.1.mlp.up_proj.weight";
    let tensor = tensors(&files[file]).into_iter().find(|tensor| tensor.name == name).expect("it is there");
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut files = files.clone();
        let at = tensor.offset as usize + 4 * 777;
        files[file][at..at + 4].copy_from_slice(&bad.to_le_bytes());
        let store = Store::default();
        let error = load(Some((&Server::new(files), Quantize::Q4K)), &store, &paths, 4096, None).err().expect("fails");
        assert_eq!((error.kind(), error.data()["tensor"].as_str()), (ErrorKind::NonFiniteWeights, Some(name)));
        assert!(!block_on(store.manifest("model")).expect("reads").is_some_and(|manifest| manifest.complete));
    }
}

#[test]
fn what_cannot_be_quantised_is_a_typed_error() {
    for (name, kind) in [("q4_k", None), ("q8_0", None), ("Q4_K", Some(())), ("q5_0", Some(())), ("", Some(()))] {
        assert_eq!(
            Quantize::named(name).err().map(|error| error.kind()),
            kind.map(|()| ErrorKind::BadArgument),
            "{name}"
        );
    }
    for paths in [vec![], vec!["model.safetensors"], vec!["config.json", "pytorch_model.bin"]] {
        let paths: Vec<String> = paths.into_iter().map(str::to_owned).collect();
        let error = QuantizedSource::new(Server::default(), &paths, Quantize::Q8_0, roles).err().expect("is no folder");
        assert_eq!((error.kind(), error.data()["argument"].as_str()), (ErrorKind::BadArgument, Some("quantize")));
    }
    // A header that is cut off, and one that is no header.
    let (paths, files) = folder("llama");
    let file = paths.iter().position(|path| path == "model.safetensors").expect("weights");
    for header in [files[file][..100].to_vec(), vec![0xff; 64], b"\x02\0\0\0\0\0\0\0{}".to_vec()] {
        let mut files = files.clone();
        files[file] = header;
        let error = load(Some((&Server::new(files), Quantize::Q8_0)), &Store::default(), &paths, 4096, None).err();
        assert!(error.is_some_and(|error| matches!(error.kind(), ErrorKind::BadFile | ErrorKind::Network)));
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_mixed() {
    let (paths, files) = large();
    let (server, store) = (Server::new(files), FaultyStore::default());
    server.script().etag.replace(Some("a".into()));
    store.fail_at.set(9);
    let error = load(Some((&server, Quantize::Q8_0)), &store, &paths, 32 << 10, None).err().expect("is cut off");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(store.inner.used_bytes() > 0);
    server.script().etag.replace(Some("b".into()));
    let error = load(Some((&server, Quantize::Q8_0)), &store, &paths, 32 << 10, None).err().expect("is another file");
    assert!(error.data().contains_key("changed"), "{error}");
    assert_eq!(store.inner.used_bytes(), 0);
    load(Some((&server, Quantize::Q8_0)), &store, &paths, 32 << 10, None).expect("begins afresh");
}

/// A header may name our dtypes, and is believed no more than others.
#[test]
fn headers_of_quantised_files_are_checked() {
    let parse = |dtype: &str, shape: &str, n_bytes: usize| {
        let json = format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{n_bytes}]}}}}"#);
        let mut file = (json.len() as u64).to_le_bytes().to_vec();
        file.extend(json.bytes());
        file.resize(file.len() + n_bytes, 0);
        safetensors::parse(&file, file.len() as u64, 0).map_err(|error| error.kind())
    };
    assert!(parse("Q8_0", "[3,32]", 104).is_ok(), "102 bytes and padding");
    for (dtype, shape, n_bytes) in [
        ("Q8_0", "[3,32]", 102),
        ("Q8_0", "[3,33]", 104),
        ("Q4_K", "[1,32]", 144),
        ("Q8_0", "[]", 34),
        ("Q6_K", "[2,256]", 420 + 4),
    ] {
        assert_eq!(parse(dtype, shape, n_bytes).err(), Some(ErrorKind::BadFile), "{dtype} {shape}");
    }
    assert_eq!(parse("Q2_K", "[1,256]", 84).err(), Some(ErrorKind::Unsupported));
}
