//! Models that read a text and answer it, against what Hugging Face transformers computed: on the references, and on lavapipe by
//! each family of kernels.

use std::path::PathBuf;

use crate::common::{argmax, fixture, floats, gpu, ids, json, load, max_difference};
use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::generate::{GenerateOptions, Generation, Input, Item, Usage};
use doran::gpu::device::GpuOptions;
use doran::sampler::SamplerOptions;
use doran::tune::Kernels;
use doran::weights::Cancel;

/// Largest absolute error of a logit, in f32 (the goldens' own noise is up to 5e-5).
const TOLERANCE: f32 = 1e-4;
/// Room for the longest golden of 40 tokens.
const CONTEXT: Option<u32> = Some(64);

/// The folder, and the GGUF file beside it if there is one.
const ANSWERERS: &[(&str, &[&str])] = &[("t5", &["", "model-f32.gguf"]), ("t5_v1", &[""]), ("blenderbot", &[""])];

fn files() -> impl Iterator<Item = (&'static str, PathBuf)> {
    let path = |name: &str, file: &str| fixture(&format!("arch/{name}/{file}"));
    ANSWERERS.iter().flat_map(move |(name, files)| files.iter().map(move |file| (*name, path(name, file))))
}

fn greedy_options(n: usize) -> GenerateOptions {
    let sampler = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    GenerateOptions { sampler, max_tokens: Some(n), ignore_eos: true, ..GenerateOptions::default() }
}

fn answer(engine: &mut Engine, input: &Input, options: GenerateOptions) -> doran::Result<(Vec<u32>, String, Usage)> {
    let Engine { text, session, .. } = engine;
    let mut generation = Generation::new(text, session.capacity(), input, options)?;
    let (mut out, mut said) = (Vec::new(), String::new());
    let cancel = Cancel::new();
    loop {
        match pollster::block_on(generation.next(text, session, &cancel))?.expect("an end") {
            Item::Token { id, text, .. } => {
                out.push(id);
                said.push_str(&text);
            }
            Item::Prefill { .. } => {}
            Item::End { text, usage, .. } => return Ok((out, said + &text, usage)),
        }
    }
}

fn check(name: &str, engine: &mut Engine) {
    let golden = json(&format!("arch/{name}/golden.json"));
    for prompt in golden["prompts"].as_array().expect("prompts") {
        let (mut first, mut last, mut top1) = (Vec::new(), Vec::new(), Vec::new());
        let visit = |i: usize, logits: &[f32]| {
            if i == 0 {
                first = logits.to_vec();
            }
            top1.push(argmax(logits) as u32);
            last = logits.to_vec();
        };
        let (source, given) = (ids(&prompt["ids"]), ids(&prompt["decoder_ids"]));
        pollster::block_on(engine.session.answer_logits(&source, &given, &Cancel::new(), visit)).expect("runs");
        let of_first = max_difference(&first, &floats(&prompt["first_logits"]));
        let of_last = max_difference(&last, &floats(&prompt["last_logits"]));
        println!("{name}: {} tokens: logits are off by {of_first:e} and {of_last:e}", source.len());
        assert!(of_first < TOLERANCE && of_last < TOLERANCE, "{name}: off by {of_first} and {of_last}");
        let margins = floats(&prompt["top1_margin"]);
        for (i, (got, wanted)) in top1.iter().zip(ids(&prompt["top1"])).enumerate() {
            assert!(*got == wanted || margins[i] < 2.0 * TOLERANCE, "{name}: top-1 at {i} is {got}, not {wanted}");
        }
    }
    let prompt = ids(&golden["greedy"]["prompt"]);
    let (got, _, usage) = answer(engine, &Input::Ids(prompt.clone()), greedy_options(16)).expect("answers");
    assert_eq!(got, ids(&golden["greedy"]["ids"]), "{name}: greedy");
    assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (7, 16, 23));
}

#[test]
fn answers_on_the_references() {
    for (name, path) in files() {
        let options = EngineOptions { context: CONTEXT, ..EngineOptions::default() };
        let mut engine = load(&path, None, options).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(engine.info.kind, "encoder-decoder");
        check(name, &mut engine);
    }
}

#[test]
fn answers_on_the_gpu() {
    let plain = GpuOptions { no_subgroups: true, ..GpuOptions::default() };
    let split = GpuOptions { max_binding_bytes: Some(64 << 10), ..GpuOptions::default() };
    let any = GpuOptions::default();
    let kernels = [(any, None), (plain, Some(Kernels::Workgroup)), (any, Some(Kernels::Subgroup)), (split, None)];
    for (gpu_options, kernels) in kernels {
        for (name, path) in files() {
            let options = EngineOptions { context: CONTEXT, kernels, ..EngineOptions::default() };
            let mut engine = load(&path, Some(gpu(gpu_options)), options)
                .unwrap_or_else(|error| panic!("{} by {kernels:?}: {error}", path.display()));
            check(name, &mut engine);
        }
    }
}

/// A text of several steps' rows, drawn on the GPU ahead of the CPU or not: as the references answer it.
#[test]
fn a_long_text_is_answered_however_far_the_gpu_runs_ahead() {
    let source: Vec<u32> = (0..120u32).map(|i| 5 + i * 37 % 300).collect();
    for (name, path) in files() {
        let answered = |gpu, run_ahead, logprobs| {
            let options = EngineOptions { context: Some(128), run_ahead, ..EngineOptions::default() };
            let mut engine = load(&path, gpu, options).expect("loads");
            // Another text and answer before, whose steps in flight are left behind.
            answer(&mut engine, &Input::Ids(vec![7, 8, 9]), greedy_options(5)).expect("answers");
            let sampler = SamplerOptions { temperature: 0.9, seed: 5, top_k: 20, ..SamplerOptions::default() };
            let options = GenerateOptions { sampler, logprobs, ..greedy_options(20) };
            answer(&mut engine, &Input::Ids(source.clone()), options).expect("answers").0
        };
        let wanted = answered(None, None, false);
        assert!(wanted.iter().any(|id| *id != wanted[0]), "{name}: {wanted:?} tells nothing");
        for (run_ahead, logprobs) in [(Some(0), false), (Some(4), false), (None, true)] {
            let got = answered(Some(gpu(GpuOptions::default())), run_ahead, logprobs);
            assert_eq!(got, wanted, "{name}: {run_ahead:?} ahead, log-probabilities: {logprobs}");
        }
    }
}

/// Text goes through the tokenizer, with the tokens that the model wants around it; an answer is no continuation of it.
#[test]
fn a_text_is_answered_as_its_tokens_are() {
    let mut engine = load(&fixture("arch/t5/"), None, EngineOptions::default()).expect("loads");
    let (ids, text, usage) =
        answer(&mut engine, &Input::Text("Hello world".into()), greedy_options(6)).expect("answers");
    // </s> after it, as `tokenizer_cases` has it.
    let (by_ids, _, again) =
        answer(&mut engine, &Input::Ids(vec![67, 51, 98, 43, 1]), greedy_options(6)).expect("answers");
    assert_eq!((ids.clone(), usage.prompt_tokens, usage.cached_tokens), (by_ids, 5, 0));
    assert_eq!(again.cached_tokens, 5, "the text was read already");
    assert_eq!(text, engine.text.tokenizer().decode(&ids, true).expect("text"), "without the first piece's space");
    let (other, _, anew) = answer(&mut engine, &Input::Ids(vec![67, 51]), greedy_options(6)).expect("answers");
    assert_eq!((other.len(), anew.cached_tokens), (6, 0));
}

#[test]
fn what_an_answering_model_is_not_for_is_a_typed_error() {
    for on_gpu in [false, true] {
        let gpu = on_gpu.then(|| gpu(GpuOptions::default()));
        let options = EngineOptions { context: Some(16), ..EngineOptions::default() };
        let mut engine = load(&fixture("arch/blenderbot/"), gpu, options).expect("loads");
        let cancel = Cancel::new();
        let kind = |result: doran::Result<()>| result.map_err(|error| error.kind());
        let session = &mut engine.session;
        let embedded = pollster::block_on(session.embed(&[5], &cancel)).map(|_| ());
        assert_eq!(kind(embedded), Err(ErrorKind::Unsupported));
        // It says nothing of how a text itself goes on, whether or not it has read one.
        for _ in 0..2 {
            let logits = pollster::block_on(session.all_logits(&[5], &cancel, |_, _| {}));
            assert_eq!(kind(logits), Err(ErrorKind::Unsupported));
            pollster::block_on(session.answer_logits(&[5], &[387], &cancel, |_, _| {})).expect("runs");
        }
        let mut read = |ids: &[u32]| kind(pollster::block_on(session.read_source(ids, &cancel)).map(|_| ()));
        assert_eq!(read(&[7; 17]), Err(ErrorKind::ContextOverflow));
        assert_eq!(read(&[]), Err(ErrorKind::BadArgument));
        assert_eq!(read(&[389]), Err(ErrorKind::BadArgument));
        // A text may fill the context; an answer ends where it is full.
        let (ids, _, usage) = answer(&mut engine, &Input::Ids(vec![7; 16]), greedy_options(100)).expect("answers");
        assert_eq!((ids.len(), usage.prompt_tokens), (15, 16));
        let long = answer(&mut engine, &Input::Ids(vec![7; 17]), greedy_options(1)).expect_err("too long");
        assert_eq!(long.kind(), ErrorKind::ContextOverflow);
        cancel.cancel();
        let aborted = pollster::block_on(engine.session.read_source(&[9, 9], &cancel)).map(|_| ());
        if on_gpu {
            assert_eq!(kind(aborted), Err(ErrorKind::Aborted));
            // The text that was not read is not answered.
            let (ids, ..) = answer(&mut engine, &Input::Ids(vec![9, 9]), greedy_options(3)).expect("answers");
            assert_eq!(ids.len(), 3);
        }
    }
}

/// Switches that no model here has are refused by name, and a configuration that does not say how answers begin.
#[test]
fn switches_that_no_answering_model_here_has_are_named() {
    use doran::format::hf_config::{Folder, checkpoint};
    let recorded = |arch: &str, changes: &[(&str, serde_json::Value)]| {
        let mut config = json(&format!("arch/{arch}/config.json"));
        for (key, value) in changes {
            config[key] = value.clone();
        }
        let texts = Folder { config: config.to_string(), tokenizer: Some(String::new()), ..Folder::default() };
        let error = doran::models::record(&checkpoint(&texts, Vec::new()).expect("a folder")).expect_err("refused");
        (error.kind(), error.data().values().next().expect("a fact").as_str().unwrap_or_default().to_owned())
    };
    let unsupported = |what: &str| (ErrorKind::Unsupported, what.to_owned());
    assert_eq!(recorded("t5", &[("feed_forward_proj", "gated-wobble".into())]), unsupported("hidden_act wobble"));
    assert_eq!(
        recorded("t5", &[("feed_forward_proj", "two-gates".into())]),
        unsupported("feed_forward_proj two-gates")
    );
    assert_eq!(
        recorded("blenderbot", &[("is_encoder_decoder", false.into())]),
        unsupported("is_encoder_decoder false in a blenderbot")
    );
    let no_start = [("decoder_start_token_id", serde_json::Value::Null), ("bos_token_id", serde_json::Value::Null)];
    for arch in ["t5", "blenderbot"] {
        assert_eq!(recorded(arch, &no_start), (ErrorKind::BadFile, "decoder_start_token_id".to_owned()), "{arch}");
    }
    let buckets = [("relative_attention_num_buckets", 3.into())];
    assert_eq!(recorded("t5", &buckets), (ErrorKind::BadFile, "relative_attention_num_buckets".to_owned()));
}
