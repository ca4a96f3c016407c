//! Looking at headers only, refusing before the download, stepping down, and models that are split over several files.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use crate::common::{self, fixture, gpu, inspect_on, json, load, smollm2, source};
use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::fit::{Adjustment, Verdict};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::inspect::{FormatShare, inspect};
use doran::weights::file::FileSource;
use doran::weights::{ByteSource, Cancel, ChunkStore, Facts, LoadOptions, MemoryStore, ModelFiles, Reply};

/// What was read: which file, and which bytes.
type Reads = Rc<RefCell<Vec<(usize, Range<u64>)>>>;

/// A source that notes what is read of it.
struct Watched {
    source: FileSource,
    reads: Reads,
}

impl ByteSource for Watched {
    type Bytes = <FileSource as ByteSource>::Bytes;
    type Body = <FileSource as ByteSource>::Body;

    fn n_files(&self) -> usize {
        self.source.n_files()
    }

    fn url(&self, file: usize) -> String {
        self.source.url(file)
    }

    async fn read(&self, file: usize, range: Option<Range<u64>>) -> doran::Result<Reply<Self::Body>> {
        let whole = 0..u64::MAX;
        self.reads.borrow_mut().push((file, range.clone().unwrap_or(whole)));
        self.source.read(file, range).await
    }

    async fn facts(&self, file: usize) -> doran::Result<Facts> {
        self.source.facts(file).await
    }

    async fn sleep(&self, millis: u64) {
        self.source.sleep(millis).await;
    }

    fn random(&self) -> f64 {
        self.source.random()
    }
}

fn watched(paths: impl IntoIterator<Item = PathBuf>) -> (Watched, Reads) {
    let reads = Reads::default();
    (Watched { source: FileSource::new(paths), reads: Rc::clone(&reads) }, reads)
}

fn on(options: GpuOptions) -> Rc<Gpu> {
    gpu(options)
}

fn wanted(context: Option<u32>) -> EngineOptions {
    EngineOptions { context, chunk_bytes: 4 << 20, ..EngineOptions::default() }
}

#[test]
fn an_inspection_reads_the_header_and_stores_nothing() {
    let size = std::fs::metadata(smollm2()).expect("the model").len();
    let (source, reads) = watched([smollm2()]);
    let store = MemoryStore::new(None);
    let gpu = on(GpuOptions::default());
    let found = pollster::block_on(async {
        let files = ModelFiles::peek(Some(source), store.clone(), "m", LoadOptions::default(), &Cancel::new())
            .await
            .expect("opens");
        inspect(files, Ok(&gpu), &wanted(None), &|_| None).await.expect("is read")
    });
    let read: u64 = reads.borrow().iter().map(|(_, range)| range.end - range.start).sum();
    // The header of 49,152 tokens with merges has 1.7 MB; the tensors begin behind it.
    assert!(read < 4 << 20, "{read} bytes were read");
    assert!(pollster::block_on(store.list()).expect("lists").is_empty());

    assert_eq!((found.architecture.as_str(), found.kind, found.parameters), ("llama", "decoder", 134_515_008));
    assert_eq!((found.max_context, found.context, found.vocab_size), (8192, 4096, 49_152));
    assert_eq!((found.file_bytes, found.stored_bytes, found.download_bytes), (size, 0, size));
    assert_eq!(found.license.as_deref(), Some("apache-2.0"));
    let total: u64 = found.formats.iter().map(|share| share.bytes).sum();
    assert!(total < size && total > size - (4 << 20), "{:?}", found.formats);
    assert_eq!(found.formats.iter().map(|share| share.tensors).sum::<usize>(), 272);
    assert_eq!(found.formats[0].format, "Q4_1");
    // 30 layers of 3 heads of 64, keys and values, in f32 on a software adapter.
    assert_eq!((found.gpu.kv_bytes_per_token, found.kv_cache), (30 * 3 * 64 * 2 * 4, "f32"));
    assert_eq!(found.gpu.kv_bytes, found.gpu.kv_bytes_per_token * 4096);
    assert!(found.gpu.largest_binding_bytes <= found.gpu.weights_bytes);
    assert_eq!((found.verdict, found.reason, found.available_storage_bytes), (Verdict::Fits, None, None));
}

#[test]
fn a_folder_is_inspected_without_its_tokenizer() {
    let (plain, paths) = source(&fixture("arch/qwen2_f16_sharded"));
    let tokenizer = paths.iter().position(|path| path == "tokenizer.json").expect("a tokenizer");
    let reads = Reads::default();
    let source = Watched { source: plain, reads: Rc::clone(&reads) };
    let found = pollster::block_on(async {
        let store = MemoryStore::new(None);
        let files =
            ModelFiles::peek(Some(source), store, "m", LoadOptions::default(), &Cancel::new()).await.expect("opens");
        let gpu = on(GpuOptions::default());
        inspect(files, Ok(&gpu), &EngineOptions { paths, ..wanted(None) }, &|_| None).await.expect("is read")
    });
    let of_tokenizer = |(file, range): &(usize, Range<u64>)| if *file == tokenizer { range.end } else { 0 };
    assert!(reads.borrow().iter().map(of_tokenizer).max() <= Some(4096), "its size is asked for");
    assert_eq!((found.license, found.formats[0].format), (None, "F16"));
}

#[test]
fn what_is_stored_counts_and_stays() {
    let path = fixture("arch/llama/model-f32.gguf");
    let size = std::fs::metadata(&path).expect("a model").len();
    let store = MemoryStore::new(None);
    let gpu = on(GpuOptions::default());
    pollster::block_on(async {
        let (cancel, options) = (Cancel::new(), LoadOptions { chunk_bytes: 64 << 10, ..LoadOptions::default() });
        let source = FileSource::new([&path]);
        let files =
            ModelFiles::open(Some(source), store.clone(), "m", options.clone(), &|_| {}, &cancel).await.expect("opens");
        let engine_options = EngineOptions { chunk_bytes: 64 << 10, ..wanted(Some(24)) };
        Engine::load(files, Some(Rc::clone(&gpu)), engine_options, &|_| None, &|_| {}, &cancel).await.expect("loads");
        // From the same address, from the store alone, and from another address.
        let other = fixture("arch/llama3/model-f32.gguf");
        for (source, stored) in [(Some(&path), size), (None, size), (Some(&other), 0)] {
            let source = source.map(|path| FileSource::new([path]));
            let files = ModelFiles::peek(source, store.clone(), "m", options.clone(), &cancel).await.expect("opens");
            let found = inspect(files, Ok(&gpu), &wanted(Some(24)), &|_| None).await.expect("is read");
            assert_eq!(found.stored_bytes, stored);
            assert_eq!(found.download_bytes, found.file_bytes - stored);
        }
        assert!(store.manifest("m").await.expect("reads").expect("is there").complete);
    });
}

#[test]
fn what_has_no_room_is_refused_before_the_download() {
    let path = smollm2();
    let needed =
        inspect_on(&path, Ok(&on(GpuOptions::default())), wanted(Some(4096))).expect("is read").gpu.total_bytes;
    for (limits, available) in [
        // The logits of a step are a piece of 3 MiB.
        (GpuOptions { max_binding_bytes: Some(2 << 20), ..GpuOptions::default() }, Some(2 << 20)),
        (GpuOptions { memory_bytes: Some(64 << 20), ..GpuOptions::default() }, None),
        (GpuOptions { memory_bytes: Some(needed - (1 << 20)), ..GpuOptions::default() }, None),
    ] {
        let gpu = on(limits);
        let found = inspect_on(&path, Ok(&gpu), wanted(Some(4096))).expect("is read");
        assert_eq!(found.verdict, Verdict::No);
        assert!(found.reason.is_some_and(|reason| reason.contains("smaller model or context")));
        let (source, reads) = watched([path.clone()]);
        let error = pollster::block_on(async {
            let (store, cancel) = (MemoryStore::new(None), Cancel::new());
            let files = ModelFiles::open(Some(source), store, "m", LoadOptions::default(), &|_| {}, &cancel).await?;
            Engine::load(files, Some(Rc::clone(&gpu)), wanted(Some(4096)), &|_| None, &|_| {}, &cancel).await
        });
        let error = error.err().expect("is refused");
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        assert!(error.data()["needed_bytes"].as_u64().is_some_and(|bytes| bytes > 2 << 20), "{error}");
        assert_eq!(error.data()["available_bytes"].as_u64(), available, "{error}");
        let read: u64 = reads.borrow().iter().map(|(_, range)| range.end - range.start).sum();
        assert!(read < 4 << 20, "{read} bytes were read");
        assert_eq!(gpu.counts().gpu_bytes, 0, "everything is freed");
    }
}

#[test]
fn a_context_steps_down_to_what_fits() {
    let path = smollm2();
    let size_at = |context| {
        let any = on(GpuOptions::default());
        inspect_on(&path, Ok(&any), wanted(Some(context))).expect("is read").gpu.total_bytes
    };
    // Room for 1024 tokens with a chunk on its way, not for 2048.
    let limits = GpuOptions { memory_bytes: Some(size_at(1024) + (5 << 20)), ..GpuOptions::default() };
    let down = EngineOptions { steps_down: true, ..wanted(Some(4096)) };
    let found = inspect_on(&path, Ok(&on(limits)), down.clone()).expect("is read");
    assert_eq!((found.context, found.verdict), (1024, Verdict::Tight));
    assert_eq!(found.adjustments, [Adjustment::context(4096, 1024)]);
    let engine = load(&path, Some(on(limits)), down.clone()).expect("loads");
    assert_eq!((engine.info.context, engine.session.capacity()), (1024, 1024));
    assert_eq!(engine.info.adjustments, [Adjustment::context(4096, 1024)]);
    assert!(engine.info.warnings.iter().any(|warning| warning.contains("4096") && warning.contains("1024")));

    // As much as the device has is asked for first: nothing is changed without need.
    let engine = load(
        &fixture("arch/llama"),
        Some(on(GpuOptions::default())),
        EngineOptions { steps_down: true, ..wanted(None) },
    );
    assert!(engine.expect("loads").info.adjustments.is_empty());
    // Below 512 tokens it ends.
    let limits = GpuOptions { memory_bytes: Some(size_at(512) - (1 << 20)), ..GpuOptions::default() };
    let error = load(&path, Some(on(limits)), down).err().expect("is refused");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert_eq!(error.data()["needed_bytes"].as_u64(), Some(size_at(512)));
}

#[test]
fn a_piece_that_is_too_long_steps_the_context_down_too() {
    // A layer's cache of 8192 tokens takes 6 MiB in f32, of 4096 half of that.
    let limits = GpuOptions { max_binding_bytes: Some(4 << 20), ..GpuOptions::default() };
    let down = EngineOptions { steps_down: true, ..wanted(Some(8192)) };
    let found = inspect_on(&smollm2(), Ok(&on(limits)), down.clone()).expect("is read");
    assert_eq!((found.context, found.verdict), (4096, Verdict::Fits));
    assert_eq!(found.gpu.max_binding_bytes, Some(4 << 20));
    assert!(found.gpu.largest_binding_bytes <= 4 << 20);
    let engine = load(&smollm2(), Some(on(limits)), down).expect("loads");
    assert_eq!(engine.info.context, 4096);
    assert!(engine.info.load.gpu_bytes.abs_diff(found.gpu.total_bytes) < 1 << 20);
}

#[test]
fn without_a_gpu_the_facts_are_told() {
    let missing = doran::Error::new(ErrorKind::WebgpuMissing, "no WebGPU here");
    let found = inspect_on(&smollm2(), Err(missing), wanted(None)).expect("is read");
    assert_eq!((found.verdict, found.reason.as_deref()), (Verdict::No, Some("no WebGPU here")));
    assert_eq!((found.context, found.gpu.max_binding_bytes), (4096, None));
    assert!(found.gpu.weights_bytes > 80 << 20);
}

#[test]
fn the_formats_of_tensors_are_counted() {
    let found = inspect_on(&fixture("arch/llama_bf16"), Ok(&on(GpuOptions::default())), wanted(None)).expect("is read");
    let bytes: u64 = found.formats.iter().map(|share| share.bytes).sum();
    assert!(found.formats.contains(&FormatShare { format: "BF16", tensors: found.formats[0].tensors, bytes }));
    let error = inspect_on(&fixture("arch/llama_bf16"), Ok(&on(GpuOptions::default())), wanted(Some(1 << 20)));
    assert_eq!(error.err().map(|error| error.kind()), Some(ErrorKind::BadArgument));
}

// ---- Split GGUF ----

/// The parts of a fixture that is split.
fn parts(model: &str) -> Vec<PathBuf> {
    (1..=3).map(|no| fixture(&format!("split/{model}-{no:05}-of-00003.gguf"))).collect()
}

/// Loads parts, and gives the logits of the model's first golden prompt.
fn logits(files: &[PathBuf], on_gpu: bool) -> doran::Result<Vec<f32>> {
    let name = |file: &PathBuf| file.file_name().expect("a name").to_string_lossy().into_owned();
    let paths = if files.len() > 1 { files.iter().map(name).collect() } else { Vec::new() };
    let mut engine = pollster::block_on(async {
        let (store, cancel) = (MemoryStore::new(None), Cancel::new());
        let load = LoadOptions { chunk_bytes: 16 << 10, ..LoadOptions::default() };
        let source = FileSource::new(files);
        let files = ModelFiles::open(Some(source), store, "m", load, &|_| {}, &cancel).await?;
        let gpu = on_gpu.then(|| on(GpuOptions::default()));
        let options = EngineOptions { paths, chunk_bytes: 16 << 10, ..EngineOptions::default() };
        Engine::load(files, gpu, options, &|_| None, &|_| {}, &cancel).await
    })?;
    let golden = json("arch/llama/golden.json");
    let prompt = common::ids(&golden["prompts"][0]["ids"]);
    let last = Cell::new(Vec::new());
    let visit = |_: usize, logits: &[f32]| last.set(logits.to_vec());
    pollster::block_on(engine.session.all_logits(&prompt, &Cancel::new(), visit))?;
    Ok(last.take())
}

#[test]
fn a_split_model_computes_what_the_single_file_does() {
    let single = [fixture("arch/llama/model-f32.gguf")];
    for on_gpu in [false, true] {
        let whole = logits(&single, on_gpu).expect("loads");
        let split = logits(&parts("llama"), on_gpu).expect("loads");
        let bits = |logits: &[f32]| logits.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&whole), bits(&split));
        assert!(whole.iter().any(|logit| *logit != 0.0));
    }
}

#[test]
fn parts_that_do_not_belong_together_are_typed_errors() {
    let llama = parts("llama");
    let [first, second, third] = [&llama[0], &llama[1], &llama[2]].map(Clone::clone);
    let other = parts("qwen2");
    let folder = std::env::temp_dir().join(format!("doran-split-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    // The other model's part by this one's name.
    let disguised = folder.join("llama-00003-of-00003.gguf");
    std::fs::copy(&other[2], &disguised).expect("copies");
    let cases: [(&str, Vec<PathBuf>, &str); 8] = [
        ("the first alone", vec![first.clone()], "split into 3 files"),
        ("the second alone", vec![second.clone()], "split into 3 files"),
        ("one is missing", vec![first.clone(), third.clone()], "2 are given"),
        ("one twice", vec![first.clone(), second.clone(), second.clone()], "not in order"),
        ("in another order", vec![first.clone(), third.clone(), second.clone()], "not in order"),
        ("of another model by its name", vec![first.clone(), second.clone(), other[2].clone()], "different models"),
        ("of another model by what is in it", vec![first.clone(), second.clone(), disguised], "not of one model"),
        ("a whole model among them", vec![first, second, fixture("arch/llama/model-f32.gguf")], "no part"),
    ];
    for (what, files, wanted) in cases {
        let error = logits(&files, false).err().unwrap_or_else(|| panic!("{what}: it loads"));
        assert_eq!(error.kind(), ErrorKind::BadFile, "{what}: {error}");
        assert!(error.message().contains(wanted), "{what}: {error}");
    }
    std::fs::remove_dir_all(&folder).expect("removes");
}

#[test]
fn a_pointer_in_the_place_of_a_file_is_named() {
    let folder = std::env::temp_dir().join(format!("doran-pointer-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    for name in ["model.gguf", "model.safetensors", "config.json"] {
        let arch = fixture("arch/llama");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        for file in ["config.json", "tokenizer.json", "model.safetensors"] {
            std::fs::copy(arch.join(file), folder.join(file)).expect("copies");
        }
        std::fs::write(folder.join(name), pointer).expect("writes");
        let path = if name == "model.gguf" { folder.join(name) } else { folder.clone() };
        let error = load(&path, None, EngineOptions::default()).err().expect("is refused");
        assert_eq!((error.kind(), error.data()["what"].as_str()), (ErrorKind::BadFile, Some("lfs_pointer")), "{error}");
    }
    std::fs::remove_dir_all(&folder).expect("removes");
}
