//! Models that read a text at once, against what Hugging Face transformers computed: on the references, and on lavapipe by each
//! family of kernels.

use std::path::PathBuf;

use crate::common::{fixture, floats, gpu, ids, json, load, max_difference};
use doran::ErrorKind;
use doran::embed::{EmbedOptions, Pooling, Source, embed};
use doran::engine::{Engine, EngineOptions};
use doran::generate::{GenerateOptions, Generation, Input};
use doran::gpu::device::GpuOptions;
use doran::tune::Kernels;
use doran::weights::Cancel;

/// Largest absolute error of a value of a normalised row, in f32: of a few hundredths of the rows' own noise.
const TOLERANCE: f32 = 1e-5;
/// Room for the longest golden of 40 tokens.
const CONTEXT: Option<u32> = Some(64);

const EMBEDDERS: &[(&str, &[&str])] =
    &[("bert", &["", "model-f32.gguf"]), ("xlm_roberta", &[""]), ("xlm_roberta_pads", &[""])];

fn files(table: &'static [(&str, &[&str])]) -> impl Iterator<Item = (&'static str, PathBuf)> {
    let path = |name: &str, file: &str| fixture(&format!("arch/{name}/{file}"));
    table.iter().flat_map(move |(name, files)| files.iter().map(move |file| (*name, path(name, file))))
}

/// Runs `check` on the references, and on the GPU with its own kernels, with those of GPUs, and with a binding of 64 KiB.
fn on_all(table: &'static [(&str, &[&str])], check: impl Fn(&str, &mut Engine)) {
    for (name, path) in files(table) {
        let mut engine = load(&path, None, EngineOptions { context: CONTEXT, ..EngineOptions::default() })
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        check(name, &mut engine);
    }
    let plain = GpuOptions { no_subgroups: true, ..GpuOptions::default() };
    let split = GpuOptions { max_binding_bytes: Some(64 << 10), ..GpuOptions::default() };
    let any = GpuOptions::default();
    let kernels = [(any, None), (plain, Some(Kernels::Workgroup)), (any, Some(Kernels::Subgroup)), (split, None)];
    for (gpu_options, kernels) in kernels {
        for (name, path) in files(table) {
            let options = EngineOptions { context: CONTEXT, kernels, ..EngineOptions::default() };
            let mut engine = load(&path, Some(gpu(gpu_options)), options)
                .unwrap_or_else(|error| panic!("{} by {kernels:?}: {error}", path.display()));
            check(name, &mut engine);
        }
    }
}

/// Divided by its length.
fn normalised(row: &[f32]) -> Vec<f32> {
    let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    row.iter().map(|value| (f64::from(*value) / length) as f32).collect()
}

#[test]
fn embeddings_are_the_references() {
    on_all(EMBEDDERS, |name, engine| {
        let golden = json(&format!("arch/{name}/golden.json"));
        // Twice: nothing of a text stays.
        for prompt in golden["prompts"].as_array().expect("prompts").iter().chain(golden["prompts"].as_array().unwrap())
        {
            let prompt_ids = ids(&prompt["ids"]);
            let pooled = pollster::block_on(engine.session.embed(&prompt_ids, &Cancel::new())).expect("embeds");
            let of_mean = max_difference(&normalised(&pooled.mean), &floats(&prompt["mean_pool"]));
            let of_first = max_difference(&normalised(&pooled.first), &floats(&prompt["cls_pool"]));
            println!("{name}: {} tokens: off by {of_mean:e} and {of_first:e}", prompt_ids.len());
            assert!(of_mean < TOLERANCE && of_first < TOLERANCE, "{name}: off by {of_mean} and {of_first}");
            let first = max_difference(&pooled.first, &floats(&prompt["last_hidden_first_token"]));
            assert!(first < 1e-4, "{name}: the first row is off by {first}");
        }
    });
}

/// Texts through the tokenizer, ids as they are; rows by pooling and length; an error says which text it is of.
#[test]
fn texts_and_ids_become_rows() {
    let mut engine = load(&fixture("arch/bert/"), None, EngineOptions::default()).expect("loads");
    let Engine { text, session, .. } = &mut engine;
    let cancel = Cancel::new();
    let mut rows = |sources: &[Source], options| pollster::block_on(embed(text, session, sources, options, &cancel));
    let by_ids = |ids: &[u32]| Source::Ids(ids.to_vec());
    let sources = [Source::Text("Hello world".into()), by_ids(&[2, 207, 211, 3]), by_ids(&[90])];
    let means = rows(&sources, EmbedOptions::default()).expect("embeds");
    assert_eq!((means.len(), means[0].len()), (3, 32));
    assert_eq!(means[0], means[1], "the model's own tokens stand around a text");
    let prompt = &json("arch/bert/golden.json")["prompts"][0];
    assert!(max_difference(&means[2], &floats(&prompt["mean_pool"])) < TOLERANCE);
    let plain = EmbedOptions { pooling: Pooling::Cls, normalize: false };
    let first = rows(&sources[1..2], plain).expect("embeds");
    let cls = rows(&sources[1..2], EmbedOptions { normalize: true, ..plain }).expect("embeds");
    assert!(max_difference(&normalised(&first[0]), &cls[0]) < 1e-6 && max_difference(&first[0], &cls[0]) > 1e-2);
    assert!(max_difference(&cls[0], &means[1]) > 1e-2);
    assert_eq!(rows(&[], plain), Ok(Vec::new()));
    let refused = rows(&[by_ids(&[5]), by_ids(&[5; 200])], plain).expect_err("too long");
    assert_eq!((refused.kind(), refused.data()["index"].as_u64()), (ErrorKind::ContextOverflow, Some(1)));
    cancel.cancel();
    assert_eq!(rows(&sources, plain).expect_err("aborted").kind(), ErrorKind::Aborted);
}

/// An encoder does not generate, a decoder does not embed; texts have an end.
#[test]
fn what_a_model_is_not_for_is_a_typed_error() {
    for on_gpu in [false, true] {
        let gpu = || on_gpu.then(|| gpu(GpuOptions::default()));
        let cancel = Cancel::new();
        let mut encoder = load(&fixture("arch/xlm_roberta/"), gpu(), EngineOptions::default()).expect("loads");
        let Engine { text, session, info, .. } = &mut encoder;
        // Of 130 positions two are not for texts.
        assert_eq!((info.kind, info.context, session.capacity()), ("encoder", 128, 128));
        let input = Input::Text("hello".into());
        let mut generation =
            Generation::new(text, session.capacity(), &input, GenerateOptions::default()).expect("text is text");
        let refused = pollster::block_on(generation.next(text, session, &cancel)).expect_err("an encoder");
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        let logits = pollster::block_on(session.all_logits(&[5], &cancel, |_, _| {}));
        assert_eq!(logits.expect_err("an encoder").kind(), ErrorKind::Unsupported);
        let mut kind =
            |ids: &[u32]| pollster::block_on(session.embed(ids, &cancel)).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind(&[7; 128]), Ok(()));
        assert_eq!(kind(&[7; 129]), Err(ErrorKind::ContextOverflow));
        assert_eq!(kind(&[]), Err(ErrorKind::BadArgument));
        assert_eq!(kind(&[353]), Err(ErrorKind::BadArgument));

        let mut decoder = load(&fixture("arch/llama/model-f32.gguf"), gpu(), EngineOptions::default()).expect("loads");
        assert_eq!(decoder.info.kind, "decoder");
        let refused = pollster::block_on(decoder.session.embed(&[5], &cancel)).expect_err("a decoder");
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        let refused = pollster::block_on(decoder.session.read_source(&[5], &cancel)).expect_err("a decoder");
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
    }
}

/// A text of hundreds of tokens, where each row sees all others: what the GPU makes of it is what the references make.
#[test]
fn a_long_text_is_read_at_once() {
    let text: Vec<u32> = (0..128u32).map(|i| 5 + i * 37 % 300).collect();
    let pooled = |gpu, kernels| {
        let options = EngineOptions { kernels, ..EngineOptions::default() };
        let mut engine = load(&fixture("arch/bert/"), gpu, options).expect("loads");
        let whole = pollster::block_on(engine.session.embed(&text, &Cancel::new())).expect("embeds");
        let part = pollster::block_on(engine.session.embed(&text[..127], &Cancel::new())).expect("embeds");
        assert!(max_difference(&whole.first, &part.first) > 1e-4, "the first row sees the last");
        whole
    };
    let wanted = pooled(None, None);
    for kernels in [None, Some(Kernels::Workgroup)] {
        let got = pooled(Some(gpu(GpuOptions::default())), kernels);
        let error = max_difference(&got.mean, &wanted.mean).max(max_difference(&got.first, &wanted.first));
        assert!(error < 1e-4, "{kernels:?}: off by {error}");
    }
}

/// The first BERTs have other names for the vectors of layer norms.
#[test]
fn old_names_of_layer_norms_are_read() {
    use doran::format::hf_config::{Folder, checkpoint};
    use doran::format::safetensors::{Parsed, parse};
    let file = std::fs::read(fixture("arch/bert/model.safetensors")).expect("a file");
    let Ok(Parsed::Done(mut tensors)) = parse(&file, file.len() as u64, 0) else { panic!("a whole file") };
    let config = json("arch/bert/config.json").to_string();
    let texts = Folder { config, tokenizer: Some(String::new()), ..Folder::default() };
    let recorded = |tensors| doran::models::record(&checkpoint(&texts, tensors).expect("a folder")).expect("a BERT").0;
    let wanted = recorded(tensors.clone());
    for tensor in &mut tensors {
        tensor.name =
            tensor.name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    }
    assert!(tensors.iter().filter(|tensor| tensor.name.ends_with("gamma")).count() == 7);
    assert!(recorded(tensors) == wanted);
}

/// Which row stands for a text is what the model's files say.
#[test]
fn pooling_is_the_models_own() {
    use doran::format::hf_config::{Folder, checkpoint};
    let said = |pooling: serde_json::Value| {
        let config = json("arch/bert/config.json").to_string();
        let pooling = Some(pooling.to_string());
        let texts = Folder { config, pooling, tokenizer: Some(String::new()), ..Folder::default() };
        checkpoint(&texts, Vec::new()).expect("a folder").pooling.expect("said")
    };
    let flags = |cls: bool, mean: bool, max: bool| {
        said(serde_json::json!({ "word_embedding_dimension": 32, "pooling_mode_cls_token": cls,
            "pooling_mode_mean_tokens": mean, "pooling_mode_max_tokens": max, "include_prompt": true }))
    };
    let named = |name: String| Pooling::named(&name).map_err(|error| error.kind());
    assert_eq!(named(flags(false, true, false)), Ok(Pooling::Mean));
    assert_eq!(named(flags(true, false, false)), Ok(Pooling::Cls));
    assert_eq!(named(said(serde_json::json!({ "pooling_mode": "cls" }))), Ok(Pooling::Cls));
    for other in [flags(false, false, true), flags(true, true, false), flags(false, false, false)] {
        assert_eq!(named(other), Err(ErrorKind::Unsupported));
    }
    let info = |name: &str| load(&fixture(name), None, EngineOptions::default()).expect("loads").info;
    assert_eq!(info("arch/bert/").pooling.as_deref(), Some("mean"));
    assert_eq!(info("arch/bert/model-f32.gguf").pooling.as_deref(), Some("mean"));
    assert_eq!(info("arch/llama/model-f32.gguf").pooling, None);
}

/// Switches of other models of the family are refused by name.
#[test]
fn switches_that_no_encoder_here_has_are_named() {
    use doran::format::hf_config::{Folder, checkpoint};
    let what = |key: &str, value: serde_json::Value| {
        let mut config = json("arch/bert/config.json");
        config[key] = value;
        let texts = Folder { config: config.to_string(), tokenizer: Some(String::new()), ..Folder::default() };
        let error = doran::models::record(&checkpoint(&texts, Vec::new()).expect("a folder")).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        error.data()["what"].as_str().expect("what").to_owned()
    };
    assert_eq!(what("position_embedding_type", "relative_key".into()), "position_embedding_type relative_key");
    assert_eq!(what("is_decoder", true.into()), "is_decoder in an encoder");
    assert_eq!(what("add_cross_attention", true.into()), "add_cross_attention in an encoder");
    assert_eq!(what("pruned_heads", serde_json::json!({ "0": [1] })), "pruned_heads");
    assert_eq!(what("hidden_act", "wobble".into()), "hidden_act wobble");
}
